"""What the Recipe room does with the whole recipe: compare it with another, and export it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from smoltui.backends.exporting.recipe_export import Form, export_recipe, script_name, write_export
from smoltui.backends.project.new_project import PRESETS
from smoltui.backends.project.other_recipe import of_file, of_preset, of_run
from smoltui.backends.system.paths import shown_path
from smoltui.backends.system.threads import in_thread
from smoltui.core.recipe import Fix
from smoltui.core.recipe.differences import differences
from smoltui.core.runs.run import Run
from smoltui.errors import SmoltuiError
from smoltui.safe_text import safe_line
from smoltui.screens.dialogs import Choose
from smoltui.screens.recipe.differences_dialog import DifferencesDialog
from smoltui.screens.room import Room

Ask = Callable[[str, Callable[[str], None]], None]
LETTERS = "123456789abcdefghijklmnoprstuvwxyz"
"""Keys of a choice; q closes it."""
MOST_RUNS = 9
"""Newest runs that are offered."""


class Comparing:
    """Compares the recipe of a room with another recipe."""

    def __init__(
        self, room: Room, ask: Callable[[str, Callable[[str], None]], None], take: Callable[[Fix], None]
    ) -> None:
        """`ask` opens the room's input line with a question, and calls back with what was typed; `take` carries out a
        fix."""
        self._room, self._ask, self._take = room, ask, take

    def start(self, values: Mapping[str, Any]) -> None:
        """Asks with what to compare, and shows the differences."""
        self._room.run_worker(self._choose(dict(values)), group="compare", exclusive=True)

    async def _choose(self, values: dict[str, Any]) -> None:
        runs = [run for run in self._room.workspace.runs.values() if (run.raw.get("spec") or {}).get("recipe")]
        runs = sorted(runs, key=lambda run: run.created_at or 0, reverse=True)[:MOST_RUNS]
        choices = {"t": "TRL's defaults", "p": "a preset", "f": "a file: a recipe, a script or a command"}
        if runs:
            choices["r"] = "a run"
        chosen = await self._room.app.push_screen_wait(Choose("Compare this recipe with", choices))
        if chosen == "t":
            await self._show(values, "TRL's defaults", dict)
        elif chosen == "f":
            self._ask("compare with file: ", partial(self._with_file, values))
        elif chosen == "p":
            names = list(PRESETS)
            if (name := await self._one_of("Compare with the preset", names)) is not None:
                await self._show(values, f"preset {names[name]}", partial(of_preset, names[name]))
        elif chosen == "r":
            words = [f"{safe_line(run.name, 40)} · {run.id}" for run in runs]
            if (number := await self._one_of("Compare with the run", words)) is not None:
                run: Run = runs[number]
                await self._show(values, f"run {run.id}", partial(of_run, run))

    async def _one_of(self, question: str, words: list[str]) -> int | None:
        choices = dict(zip(LETTERS, words, strict=False))
        chosen = await self._room.app.push_screen_wait(Choose(question, choices))
        return None if chosen is None else LETTERS.index(chosen)

    def _with_file(self, values: dict[str, Any], name: str) -> None:
        read = partial(of_file, name, self._room.workspace.project.folder)
        self._room.run_worker(self._show(values, safe_line(name, 40), read), group="compare", exclusive=True)

    async def _show(self, values: dict[str, Any], name: str, read: Callable[[], dict[str, Any]]) -> None:
        try:
            other = await in_thread(read)
        except SmoltuiError as error:
            self._room.say(error)
            return
        fix = await self._room.app.push_screen_wait(DifferencesDialog(name, differences(values, other)))
        if fix is not None:
            self._take(fix)


async def export(room: Room) -> None:
    """Asks for a form, then writes the script into the project's folder, or copies the command."""
    choices = {
        "s": "a script with everything in it, for uv run",
        "t": "a trl dpo command",
        "h": "an hf jobs uv run command, with such a script",
        "j": "an hf jobs uv run command, with TRL's own script",
    }
    chosen = await room.app.push_screen_wait(Choose("Export this recipe as", choices))
    form = {"s": Form.SCRIPT, "t": Form.TRL, "h": Form.HF_JOBS, "j": Form.HF_JOBS_TRL}.get(chosen or "")
    if form is None:
        return
    project = room.workspace.project
    place = project.folder / script_name(project)

    def work() -> tuple[str, tuple[str, ...]]:
        """What was written or is to be copied, and what to know about it."""
        made = export_recipe(project, form, place if form is Form.SCRIPT else None)
        if form in (Form.SCRIPT, Form.HF_JOBS):
            script = made if form is Form.SCRIPT else export_recipe(project, Form.SCRIPT, place, for_jobs=True)
            write_export(script.text, str(place), overwrite=True)
        return made.text, made.notes

    try:
        text, notes = await in_thread(work)
    except SmoltuiError as error:
        room.say(error)
        return
    said = [f"Written: {shown_path(str(place))} · run it: uv run {place.name}"] if form is Form.SCRIPT else []
    if form is not Form.SCRIPT:
        room.app.copy_to_clipboard(text)
        said = [f"Copied: {safe_line(text, 160)}"]
    room.say("\n".join([*said, *notes]))
