"""smoltui recipe diff: what differs from TRL's defaults, a preset, a run or a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from smoltui.backends.project.other_recipe import of_file, of_preset, of_run
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_file import load_project_recipe
from smoltui.cli.output import say
from smoltui.core.recipe import ABSENT
from smoltui.core.recipe.differences import differences
from smoltui.errors import InputError
from smoltui.safe_text import safe_line


def recipe_diff(
    project: Project, *, preset: str | None = None, run_id: str | None = None, path: str | None = None
) -> dict[str, Any]:
    """An object with `other` (what is compared with) and `differences`: objects with `key`, `here`, `there` (null where
    a recipe does not set the key), and both as text.

    Raises:
        InputError: there is no such preset, run or file, or more than one was named.
        RecipeError: a recipe cannot be read.
    """
    given = {"preset": preset, "run": run_id, "file": path}
    named = {name: value for name, value in given.items() if value is not None}
    if len(named) > 1:
        raise InputError("Compare with one recipe at a time", f"Leave out --{list(named)[-1]}.")
    values = load_project_recipe(project).values
    if preset is not None:
        other = of_preset(preset)
    elif run_id is not None:
        other = _of_run(run_id)
    else:
        other = {} if path is None else of_file(path, Path.cwd())
    made = []
    for one in differences(values, other):
        here, there = one.words
        plain = (None if value is ABSENT else value for value in (one.here, one.there))
        made.append({"key": one.key, **dict(zip(("here", "there"), plain, strict=True)), "words": [here, there]})
    return {"other": next((f"{name} {value}" for name, value in named.items()), "TRL's defaults"), "differences": made}


def _of_run(run_id: str) -> dict[str, Any]:
    from smoltui.cli.runs import find, run_async

    return of_run(run_async(find(run_id))[1])


def print_diff(report: dict[str, Any]) -> None:
    """Prints one line per field: its value here, and the other one."""
    for one in report["differences"]:
        here, there = one["words"]
        say(f"{safe_line(one['key'], 40):<32} {safe_line(here, 60):<30} {safe_line(there, 60)}")
    if not report["differences"]:
        say(f"No difference from {safe_line(report['other'], 60)}.")
