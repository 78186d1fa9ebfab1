"""Which packages of a recipe are missing in the Python that trains."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from smoltui.core.recipe.packages import Package, packages_for


def missing_packages(values: Mapping[str, Any]) -> list[Package]:
    """Packages that a recipe needs in addition to the script's own, and that cannot be imported here."""
    return [package for package in packages_for(values) if find_spec(package.module) is None]
