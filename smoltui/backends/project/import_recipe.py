"""Writes an imported recipe into a project: a new one, or, if asked, over the recipe that is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from smoltui.backends.project.journal import Journal, Written
from smoltui.backends.project.project import RECIPE_NAME, Project
from smoltui.backends.project.recipe_file import RecipeFile
from smoltui.backends.project.settings_file import set_settings
from smoltui.backends.system.paths import exists, expanded
from smoltui.backends.system.small_file import read_small_text
from smoltui.core.importing.command import is_command, read_command
from smoltui.core.importing.imported import Imported
from smoltui.core.importing.script import MOST_BYTES, read_script
from smoltui.core.recipe.fields import BY_KEY
from smoltui.errors import InputError, RecipeError
from smoltui.safe_text import safe_line


@dataclass(frozen=True, slots=True)
class Import:
    """A recipe that was written."""

    project: Project
    found: Imported
    written: Written


def read_source(path: str) -> Imported:
    """What a file amounts to: a script, or a text file with a command line.

    Raises:
        InputError: it cannot be read, or is neither.
    """
    source = expanded(path)
    try:
        text = read_small_text(source, MOST_BYTES)
    except OSError as error:
        raise InputError(f"The file cannot be read ({error.strerror}): {source}", "Name a script.") from error
    except ValueError as error:
        raise InputError(
            f"The file is not text: {source}", "Name a Python script, or a file with a command."
        ) from error
    return read_text(text)


def read_text(text: str) -> Imported:
    """What a text amounts to. Raises InputError, as `read_source`."""
    return read_command(text) if is_command(text) else read_script(text)


def import_recipe(found: Imported, folder: str, name: str, *, replace: bool = False) -> Import:
    """Writes the recipe, and settings of a Job; `name` is what was imported, for the file's first line.

    With `replace` a recipe that is there is replaced, which can be undone.

    Raises:
        InputError: there is a recipe already, or the folder cannot be written.
        RecipeError: a value cannot be written in a recipe.
    """
    project = Project(expanded(folder).absolute())
    target = project.folder / RECIPE_NAME
    if exists(target) and not replace:
        raise InputError(
            f"This folder already contains a recipe: {project.folder}",
            "Choose another folder, or replace the recipe with --replace (u in the Recipe room undoes it).",
        )
    text = _recipe_text(found, name)
    try:
        project.folder.mkdir(parents=True, exist_ok=True)
        written = Journal(project.folder).write(target, text.encode("utf-8"), f"recipe imported from {name}")
    except OSError as error:
        raise InputError(
            f"The recipe cannot be written ({error.strerror}): {target}", "Choose another folder."
        ) from error
    if found.jobs:
        set_settings(project, {"run.on": "hub", **{f"jobs.{key}": value for key, value in found.jobs.items()}})
    return Import(project, found, written)


def _recipe_text(found: Imported, name: str) -> str:
    """The recipe as a file, its keys in the order of the form, and what was changed as comments at the top."""
    lines = [f"# Imported from {safe_line(name, 100)}."]
    for note in found.notes:
        where = f"line {note.line}: " if note.line else ""
        lines += [f"#   {where}{safe_line(note.what, 160)}.", f"#     {safe_line(note.done, 160)}"]
    recipe = RecipeFile(Path(RECIPE_NAME), "\n".join(lines) + "\n\n", "")
    order = list(BY_KEY)
    for key in sorted(found.values, key=lambda key: order.index(key) if key in BY_KEY else len(order)):
        try:
            recipe.set(key, found.values[key])
        except (RecipeError, ValueError, TypeError) as error:
            raise RecipeError(f"{key} cannot be written in a recipe", "Set it by hand after the import.") from error
    return recipe.text
