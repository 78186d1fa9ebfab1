"""smoltui recipe import: a recipe from a script or a command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from smoltui.backends.project.import_recipe import import_recipe, read_source, read_text
from smoltui.backends.system.paths import shown_path
from smoltui.cli.output import say
from smoltui.core.importing.script import MOST_BYTES
from smoltui.errors import InputError
from smoltui.safe_text import redact, safe_line


def import_from(source: str, folder: str, *, replace: bool = False) -> dict[str, Any]:
    """An object with `folder`, `values`, `jobs` and `notes` (`line`, `what`, `done`).

    Raises:
        InputError: the source is neither a script nor a command, or the folder has a recipe already.
        RecipeError: a value cannot be written.
    """
    if source == "-":
        text = sys.stdin.read(MOST_BYTES + 1)
        if not text.strip():
            raise InputError("There is nothing on standard input", "Pipe a script or a command into it.")
        found, name = read_text(text), "standard input"
    else:
        found, name = read_source(source), Path(source).name
    made = import_recipe(found, folder, name, replace=replace)
    return {
        "folder": str(made.project.folder),
        "values": made.found.values,
        "jobs": made.found.jobs,
        "notes": [note.as_json() for note in made.found.notes],
    }


def print_import(report: dict[str, Any]) -> None:
    """Prints what was changed, line by line, and the next step."""
    for note in report["notes"]:
        where = f"line {note['line']}" if note["line"] else "note"
        say(f"{where:<9} {safe_line(redact(note['what']), 200)}")
        say(f"          {safe_line(redact(note['done']), 200)}")
    keys = len(report["values"])
    folder = shown_path(report["folder"])
    say(f"\n{keys} key{'' if keys == 1 else 's'} in {folder}/recipe.yaml.")
    say(f"Next: smoltui recipe check {folder}, or smoltui {folder}")
