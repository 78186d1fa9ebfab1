"""Which packages of a recipe are missing in the Python that trains."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from smoltui.core.recipe.packages import Package, packages_for


def missing_packages(values: Mapping[str, Any]) -> list[Package]:
    """Packages that a recipe needs in addition to the script's own, and that cannot be imported here."""
    return [package for package in packages_for(values) if not is_here(package)]


def is_here(package: Package) -> bool:
    """Whether it can be imported here, in a version that will do."""
    if find_spec(package.module) is None:
        return False
    from importlib.metadata import PackageNotFoundError, version

    try:
        return serves(package, version(package.name))
    except PackageNotFoundError:  # a module that was put there by hand
        return True


def serves(package: Package, installed: str) -> bool:
    """Whether an installed version will do: any, unless a range is required."""
    from packaging.requirements import Requirement

    specifier = Requirement(package.requirement).specifier
    pinned = any(one.operator == "==" for one in specifier)
    return pinned or specifier.contains(installed, prereleases=True)
