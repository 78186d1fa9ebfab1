"""Writes what a fix says into the files of a project."""

from __future__ import annotations

from smoltui.backends.project.journal import Written
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_file import load_project_recipe
from smoltui.backends.project.settings_file import set_settings
from smoltui.core.recipe import ABSENT, Fix


def apply_fix(project: Project, fix: Fix) -> list[Written]:
    """Writes the values of a fix, one undoable change per file. Blocking.

    Raises:
        RecipeError: a file cannot be used, or not be changed without touching something else.
        InputError: a file cannot be written.
    """
    made = []
    if fix.recipe:
        recipe = load_project_recipe(project)
        for key, value in fix.recipe.items():
            if value is ABSENT:
                recipe.remove(key)
            else:
                recipe.set(key, value)
        made.append(recipe.save())
    if fix.settings:
        made.append(set_settings(project, fix.settings))
    return made
