"""Names of a package that are imported from its modules on first use.

If `__init__.py` imports the modules of its package, two threads that import two of these modules can wait for each
other: one holds `a` and waits in `__init__.py` for `b`, the other one holds `b`, which needs `a`. Python then hands out
a module that is only partially initialized, and the import fails. The app imports in threads from its first second on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def late_names(package: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package: `names` has its modules, each with the names that it defines.

    Calling it raises AttributeError for any other name.
    """
    modules = {name: module for module, defined in names.items() for name in defined.split()}

    def look_up(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)  # the next use finds it without this function
        return value

    return look_up
