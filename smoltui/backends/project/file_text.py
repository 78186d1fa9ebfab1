"""recipe.yaml or smoltui.toml as one text, which a person edits and writes as a whole."""

from __future__ import annotations

from dataclasses import dataclass

from smoltui.backends.project.journal import ChangedOutsideError, Journal, Written, contents, digest
from smoltui.backends.project.project import MOST_SETTINGS_BYTES, RECIPE_NAME, Project
from smoltui.backends.project.recipe_file import parse
from smoltui.backends.system.small_file import read_small
from smoltui.backends.system.yaml_limits import MOST_BYTES
from smoltui.core.recipe.changes import changes_in_words
from smoltui.core.undo.history import NO_FILE
from smoltui.errors import InputError, RecipeError

EDITS = "edits of the text"
"""What a change is called that is not one of values."""


@dataclass(frozen=True, slots=True)
class FileText:
    """One of the two files, whether or not its content can be used."""

    name: str
    text: str
    digest: str
    """SHA-256 of the file, hexadecimal; `NO_FILE` if it does not exist."""


def read_text(project: Project, name: str) -> FileText:
    """The text of a file of the project; empty if it does not exist.

    Raises:
        RecipeError: it cannot be read, or is not UTF-8.
    """
    try:
        data = read_small(project.folder / name, MOST_BYTES if name == RECIPE_NAME else MOST_SETTINGS_BYTES)
        return FileText(name, data.decode("utf-8"), digest(data))
    except FileNotFoundError:
        return FileText(name, "", NO_FILE)
    except UnicodeDecodeError as error:
        raise RecipeError(f"{name} is not UTF-8 text", "Save the file as UTF-8.") from error
    except OSError as error:
        raise RecipeError(f"{name} cannot be read: {error.strerror}", str(project.folder / name)) from error


def is_current(project: Project, file: FileText) -> bool:
    """Whether the file on the disk is still what was read."""
    return digest(contents(project.folder / file.name)) == file.digest


def write_text(project: Project, file: FileText, text: str, *, replace: bool = False) -> tuple[FileText, Written]:
    """Replaces the file by `text`, valid or not; the change can be undone. Returns what the file is now.

    `replace`: also if another program has changed it since it was read; undo brings that version back.

    Raises:
        ChangedOutsideError: another program has changed it (unless `replace`).
        RecipeError: the text cannot be encoded.
        InputError: the file cannot be written.
    """
    path = project.folder / file.name
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise RecipeError(f"Line {line} has half a character, which no file can hold", "Delete it.") from error
    try:
        made = Journal(project.folder).write(path, data, _said(file, text), expected=None if replace else file.digest)
    except ChangedOutsideError:
        raise
    except OSError as error:
        raise InputError(
            f"{file.name} cannot be written ({error.strerror}): {project.folder}",
            "Make it writable, or free some space.",
        ) from error
    return FileText(file.name, text, digest(data)), made


def _said(file: FileText, text: str) -> str:
    """What a change of the text changes, in words."""
    if file.name != RECIPE_NAME:
        return EDITS
    try:
        return changes_in_words(parse(file.name, file.text).values, parse(file.name, text).values) or EDITS
    except RecipeError:
        return EDITS
