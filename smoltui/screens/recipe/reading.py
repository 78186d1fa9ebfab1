"""Reading and writing the files of the Recipe room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text
from textual import events, on, work
from textual.widgets import Static

from smoltui.backends.project.project import RECIPE_NAME
from smoltui.backends.project.recipe_file import load_recipe
from smoltui.backends.project.settings_file import load_settings
from smoltui.backends.services import place_of_setting
from smoltui.backends.system.threads import in_thread
from smoltui.core.guide.steps import NEW_PROJECT
from smoltui.core.recipe import ABSENT
from smoltui.core.runs.place import Target
from smoltui.core.settings.file_name import FILE_NAME
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe
from smoltui.screens.recipe.looking import RecipeLooking
from smoltui.screens.recipe.recipe_sheet import RecipeSheet
from smoltui.screens.recipe.settings_sheet import SettingsSheet
from smoltui.screens.recipe.sheet import Sheet
from smoltui.screens.recipe.surroundings import Surroundings, pairs_named

if TYPE_CHECKING:
    from smoltui.backends.project.preset import Preset

LOOK_SECONDS = 2.0
"""How often the open file is checked for changes by other programs."""


class RecipeReading(RecipeLooking):
    """Each change is written at once; the rest of the file is untouched."""

    def on_mount(self) -> None:
        self._looking = self.set_interval(LOOK_SECONDS, self._look, pause=True)

    @on(events.ScreenResume)
    def _entered(self) -> None:
        self._looking.resume()
        self._read()

    @on(events.ScreenSuspend)
    def _left(self) -> None:
        self._looking.pause()

    def _edit_key(self, key: str) -> None:
        """Opens the field of a key of either file."""
        raise NotImplementedError

    def _stop_editing(self) -> None:
        """Closes the input line."""
        raise NotImplementedError

    # -- reading

    @work(exclusive=True, group="read")
    async def _read(self, *, said: str = "") -> None:
        """Reads the file, then the machine; if the file cannot be used, shows the reason instead of the form."""
        project, view = self.workspace.project, self._view
        if not project.has_recipe and view == RECIPE_NAME:
            self._sheet = None
            self._nothing(f"There is no recipe in this folder: {project.folder}\n\n{NEW_PROJECT}")
            return
        try:
            async with self._writing:
                sheet, around = await in_thread(self._load)
            target = place_of_setting(around.settings.on).target if view == RECIPE_NAME else self._target
        except SmoltuiError as error:
            self._sheet = None
            where = "\nPress v for the settings as fields." if FILE_NAME in error.message else ""
            self._nothing(
                f"{error.message}\n{error.hint}\n\nPress i to edit the file here, e to open it in your editor, "
                f"or r to reload it.{where}"
            )
            return
        if view != self._view:
            return  # the other view was opened meanwhile
        changed = self._sheet is not None and self._sheet.NAME == sheet.NAME and self._sheet.text != sheet.text
        self._sheet, self._values = sheet, dict(sheet.values)
        self._around = around
        if view == RECIPE_NAME and not self._target_known:
            self._target, self._target_known = target, True
        self.remove_class("nothing")
        self._draw()
        self.refresh_bindings()
        if changed and said:
            self.say(said)
        if self._to_edit:
            key, self._to_edit = self._to_edit, ""
            self._edit_key(key)
        if view == RECIPE_NAME:
            self._look_at_machine()

    def _load(self) -> tuple[Sheet, Surroundings]:
        """The file of the view, and what its texts need. In a thread."""
        project = self.workspace.project
        if self._view != RECIPE_NAME:
            sheet = SettingsSheet(project, load_settings(project))
            return sheet, self._around_with(sheet)
        recipe = load_recipe(project.recipe_path)
        settings = project.settings()
        around = replace(self._around, settings=settings, preset=_preset(settings.preset))
        if around.place is None:
            around = replace(around, place=place_of_setting(settings.on))
        return RecipeSheet(recipe), self._commands(around, recipe.values)

    def _around_with(self, sheet: Sheet) -> Surroundings:
        """What changes around a sheet that was written. Reads the disk."""
        if sheet.NAME == RECIPE_NAME:
            return self._commands(self._around, sheet.values)
        return replace(self._around, preset=_preset(sheet.values.get("run.preset")))

    def _commands(self, around: Surroundings, values: Mapping[str, object]) -> Surroundings:
        """`around` with everything that depends on the recipe's values. Reads the disk."""
        from smoltui.backends.pairs.counted import pairs_decided
        from smoltui.backends.pairs.curation_file import CurationFile
        from smoltui.backends.project.recipe_facts import command_by_hand, recipe_shape

        project, counts = self.workspace.project, self.workspace.services.counts
        self._decisions = self._decisions or CurationFile(project.folder)
        here, jobs = (
            command_by_hand(project, values, around.settings, target) for target in (Target.LOCAL, Target.JOB)
        )
        return replace(
            around,
            shape=recipe_shape(project, values),
            command_here=here,
            command_jobs=jobs,
            rows=counts.rows(project, values, around.settings),
            rows_of=pairs_named(values),
            decided=pairs_decided(project, values, self._decisions),
        )

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        sheet = self._sheet
        if self._writing.locked():
            return
        if sheet is None:
            if self.has_class("nothing") and self.workspace.project.has_recipe:
                self._read()
        elif await in_thread(sheet.changed_outside) and not self._writing.locked() and sheet is self._sheet:
            self._read(said=f"{sheet.NAME} was changed by another program and has been reloaded")

    @on(events.AppFocus)
    def _focused(self) -> None:
        self._look()

    def _nothing(self, text: str) -> None:
        self._stop_editing()
        self.query_one("#recipe-nothing", Static).update(Text(safe(redact(text), 2000)))
        self.add_class("nothing")
        self.refresh_bindings()

    # -- writing

    def _change(self, key: str, value: object) -> None:
        """Shows the new value and writes it; `ABSENT` removes the key."""
        if self._sheet is None:
            return
        before = self._values.get(key, ABSENT)
        if value is ABSENT:
            self._values.pop(key, None)
        else:
            self._values[key] = value
        self._draw()
        self._waiting += 1
        self._write(self._sheet, key, before, value)

    @work(group="write")
    async def _write(self, sheet: Sheet, key: str, before: object, value: object) -> None:
        """Writes a change into the file of `sheet`, whichever view is shown by then."""
        async with self._writing:
            self._waiting -= 1
            if self._sheet is not None and self._sheet.NAME == sheet.NAME:
                sheet = self._sheet  # as the changes before this one left it
            said, warns = "", False
            try:
                sheet, said, warns = await in_thread(partial(sheet.put, key, before, value))
                self._around = await in_thread(partial(self._around_with, sheet))
            except SmoltuiError as error:
                self.say(error)
                try:
                    sheet, self._around = await in_thread(self._load)
                except SmoltuiError:
                    self._read()
                    return
            if self._view == sheet.NAME:
                self._sheet = sheet
                if not self._waiting:  # otherwise a pending change would briefly disappear
                    self._values = dict(sheet.values)
                self._draw()
        if said:
            self.app.clear_notifications()  # what the previous change was
            self.say(said, severity="warning" if warns else "information")


def _preset(name: object) -> Preset | None:
    """The preset that smoltui.toml names; None without one. Reads the disk."""
    from smoltui.backends.project.preset import preset_called

    return preset_called(name) if isinstance(name, str) and name else None
