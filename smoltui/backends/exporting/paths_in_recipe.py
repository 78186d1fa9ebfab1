"""The values of a recipe that are files or folders on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_file import RecipeFile
from smoltui.backends.system.paths import exists

KEYS = ("model_name_or_path", "dataset_name", "deepspeed", "fsdp_config", "accelerate_config")
"""Keys whose value may be a path that is read."""
DATASET_KEYS = ("path", "data_files", "data_dir")
"""The same in an entry of `datasets`."""


def local_paths(project: Project, values: Mapping[str, Any]) -> list[str]:
    """Those that exist, as written in the recipe, each once."""
    named = [values.get(key) for key in KEYS]
    for entry in _entries(values):
        for key in DATASET_KEYS:
            named += value if isinstance(value := entry.get(key), list) else [value]
    found = [name for name in named if isinstance(name, str) and name and exists(project.resolve(name))]
    return list(dict.fromkeys(found))


def with_paths(recipe: RecipeFile, change: Callable[[str], str]) -> None:
    """Writes each value that may be a path as `change` returns it.

    Raises:
        RecipeError: the recipe is written in a way that cannot be edited.
    """
    values = recipe.values
    for key in KEYS:
        if isinstance(value := values.get(key), str) and change(value) != value:
            recipe.set(key, change(value))
    entries = [_changed(entry, change) for entry in _entries(values)]
    if entries and entries != values["datasets"]:
        recipe.set("datasets", entries)


def _changed(entry: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    def one(value: Any) -> Any:
        if isinstance(value, list):
            return [one(part) for part in value]
        return change(value) if isinstance(value, str) else value

    return {key: one(value) if key in DATASET_KEYS else value for key, value in entry.items()}


def _entries(values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = values.get("datasets")
    return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []
