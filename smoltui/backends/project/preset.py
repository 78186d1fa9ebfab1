"""Both files of a preset, to compare a project with what it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from smoltui.backends.project.new_project import PRESETS
from smoltui.backends.project.project import RECIPE_NAME, Project
from smoltui.backends.project.recipe_file import load_recipe
from smoltui.backends.project.settings_file import load_settings
from smoltui.core.setting_fields.fields import flat


@dataclass(frozen=True, slots=True)
class Preset:
    """What a preset consists of."""

    name: str
    recipe: Mapping[str, Any]
    """Key of recipe.yaml → value."""
    settings: Mapping[str, Any]
    """Key of smoltui.toml with its table, such as `jobs.flavor` → value."""


@lru_cache(maxsize=4)
def preset_called(name: str) -> Preset | None:
    """The preset with this name; None if there is none. Reads the disk the first time."""
    if name not in PRESETS:
        return None
    folder = PRESETS[name]
    return Preset(name, load_recipe(folder / RECIPE_NAME).values, flat(load_settings(Project(folder)).data))
