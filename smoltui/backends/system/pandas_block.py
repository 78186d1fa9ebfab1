"""Keeps pyarrow and DuckDB from importing pandas where that is installed: it takes 0.2 s and 50 MB, and is never used.

Only for processes of our own: `datasets`, which training uses, needs pandas.
"""

from __future__ import annotations

import sys


class _WithoutPandas:
    """A finder of `sys.meta_path`; the base class in `importlib.abc` would take 15 ms to import."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not used in this process", name=name)


def block_pandas() -> None:
    """Makes `import pandas` fail in this process, as if it were not installed."""
    sys.meta_path.insert(0, _WithoutPandas())
