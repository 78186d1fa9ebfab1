"""Recipe: the fields of recipe.yaml and of smoltui.toml, with their help, checks and fixes, and what they come to."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.timer import Timer
from textual.widgets import Input, Static

from smoltui.backends.project.project import RECIPE_NAME
from smoltui.backends.project.recipe_file import load_recipe, render
from smoltui.backends.project.settings_file import load_settings
from smoltui.backends.services import place_of_setting
from smoltui.backends.system.threads import in_thread
from smoltui.core.meanings.shown import CARDS_OF, card_of
from smoltui.core.recipe import ABSENT, Level
from smoltui.core.recipe.fields import FIELDS
from smoltui.core.runs.place import Target
from smoltui.core.settings.file_name import FILE_NAME
from smoltui.core.settings.settings import Settings
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe, safe_line
from smoltui.screens.copying import Copied, choose_what_to_copy
from smoltui.screens.editing import edit_file
from smoltui.screens.fixing import Fixing
from smoltui.screens.recipe.field_list import FieldList
from smoltui.screens.recipe.recipe_sheet import RecipeSheet
from smoltui.screens.recipe.recipe_text import Surroundings, commands, pairs_named
from smoltui.screens.recipe.settings_sheet import SettingsSheet
from smoltui.screens.recipe.sheet import Sheet
from smoltui.screens.room import Room
from smoltui.screens.undoing import Undoing
from smoltui.widgets.actions import bindings
from smoltui.widgets.check_list import CheckList, Item, counted

if TYPE_CHECKING:
    from smoltui.backends.pairs.curation_file import CurationFile

WIDE, TINY = 100, 60
"""Columns from which the help is beside the fields, and below which there are no margins."""
LOOK_SECONDS = 2.0
"""How often the open file is checked for changes by other programs."""
PASSING_SECONDS = 0.12
"""While the cursor moves faster than this, the help is not drawn until it rests."""


class RecipeRoom(Room):
    """The project's recipe as a form, and its settings as another. Each change is written at once and can be undone;
    the rest of the file is untouched."""

    MODE = "recipe"
    CSS_PATH = "recipe.tcss"
    AUTO_FOCUS = "#fields"
    BINDINGS: ClassVar[list[BindingType]] = bindings("recipe")

    def __init__(self) -> None:
        super().__init__()
        self._view = RECIPE_NAME
        """Name of the file that is shown."""
        self._sheet: Sheet | None = None
        """None if the file cannot be used."""
        self._values: dict[str, object] = {}
        """The values shown: those of the file, plus changes that are still being written."""
        self._around = Surroundings(Settings())
        self._decisions: CurationFile | None = None
        """Decisions about the project's pairs; None until they are first needed."""
        self._target = Target.LOCAL
        self._target_known = False
        self._items: list[Item] = []
        """What is wrong with the values."""
        self._to_edit = ""
        """Key whose field is opened once its file has been read; empty: none."""
        self._field_of: dict[str, str] = {}
        """File → the field where the cursor was when its view was left."""
        self._wanted = ""
        """Key of the field to go to once the recipe is read; empty for none."""
        self._editing = ""
        """Key whose value is being typed; `/` during a search for a field; otherwise empty."""
        self._before: object = ABSENT
        """The value when the input was opened."""
        self._typed_before: str | None = None
        """That value as text; None if the key was not in the file."""
        self._query = ""
        self._moved_at = -math.inf
        self._resting: Timer | None = None
        self._writing = asyncio.Lock()
        self._undoing = Undoing(self, lambda _: self._read(), self._writing)
        self._fixing = Fixing(self, self._edit_key, self._read, lambda: None, self._writing)
        self._waiting = 0
        """Changes shown but not yet in the file."""

    # -- widgets

    def compose_room(self) -> ComposeResult:
        yield Static(id="recipe-nothing", markup=False)
        with Container(id="recipe"):
            yield FieldList(id="fields")
            with Vertical(id="beside"):
                yield Static(id="about", markup=False)
                with Vertical(id="below"):
                    yield Static(id="checks-head", markup=False)
                    yield CheckList(id="checks")
                    yield Static(id="totals", markup=False)
        yield Static(id="commands", markup=False)
        with Vertical(id="edit"):
            with Horizontal(id="edit-line"):
                yield Static(id="edit-key", markup=False)
                line = Input(compact=True)
                line.cursor_blink = False  # a blinking cursor keeps sending bytes
                yield line
            yield Static(id="edit-said", markup=False)

    def on_mount(self) -> None:
        # Watched, rather than handled as a message, so that list and help are drawn in one frame.
        self.watch(self.query_one(FieldList), "cursor", self._moved, init=False)
        self._looking = self.set_interval(LOOK_SECONDS, self._look, pause=True)

    @on(events.ScreenResume)
    def _entered(self) -> None:
        self._looking.resume()
        self._read()

    @on(events.ScreenSuspend)
    def _left(self) -> None:
        self._looking.pause()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width < WIDE, "narrow")
        self.set_class(event.size.width < TINY or event.size.height < 16, "tiny")
        if self._sheet is not None:
            self.call_after_refresh(self._draw)

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        if action == "find" and self._editing:
            return None  # the key then types a character
        if action in ("edit", "cycle", "default", "find", "again", "pane") and self._sheet is None:
            return "There is no file that can be read here"
        if action in ("copy", "target") and (self._sheet is None or self._view != RECIPE_NAME):
            return "That concerns the recipe: press v" if self._sheet is not None else "There is no recipe to read here"
        if action == "editor" and self._view == RECIPE_NAME and not self.workspace.project.has_recipe:
            return "There is no recipe in this folder"
        if action == "pane" and not self._items:
            return "No check needs attention"
        return super().why_not(action, parameters)

    def explained(self) -> tuple[str, ...]:
        key = self.query_one(FieldList).key
        return (*(card_of(key) if key else ()), *CARDS_OF["recipe"], *(f"field:{field.key}" for field in FIELDS))

    def go_to_field(self, key: str) -> None:
        """Moves the cursor to a field, once the recipe has been read."""
        self._wanted = key
        self._draw()

    # -- reading

    @work(exclusive=True, group="read")
    async def _read(self, *, said: str = "") -> None:
        """Reads the file, then the machine; if the file cannot be used, shows the reason instead of the form."""
        project, view = self.workspace.project, self._view
        if not project.has_recipe and view == RECIPE_NAME:
            self._sheet = None
            self._nothing(
                f"There is no recipe in this folder: {project.folder}\n\n"
                "Create a project: smoltui demo FOLDER, or smoltui new FOLDER --preset course-local"
            )
            return
        try:
            async with self._writing:
                sheet, around = await in_thread(self._load)
            target = place_of_setting(around.settings.on).target if view == RECIPE_NAME else self._target
        except SmoltuiError as error:
            self._sheet = None
            where = "\nPress v for the settings as fields." if FILE_NAME in error.message else ""
            self._nothing(
                f"{error.message}\n{error.hint}\n\nPress e to open the file in your editor, or r to reload it.{where}"
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
            return SettingsSheet(project, load_settings(project)), self._around
        file = load_recipe(project.recipe_path)
        around = replace(self._around, settings=project.settings())
        return RecipeSheet(file), self._commands(around, file.values)

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

    @work(exclusive=True, group="machine")
    async def _look_at_machine(self) -> None:
        """Finds the training device, and whether it supports bf16 according to the last test of PyTorch."""
        from smoltui.backends.machine.devices import device_report, remembered_torch_report

        if self._around.memory_name:
            return
        report = await in_thread(partial(device_report, self.workspace.project.folder))
        torch = await in_thread(partial(remembered_torch_report, report))
        device = report.accelerators[0] if report.accelerators else None
        has_bf16 = False if device is None else torch.bf16 if torch is not None and torch.kind == device.kind else None
        self._around = replace(
            self._around,
            cuda=device is not None and device.kind == "cuda",
            has_bf16=has_bf16,
            memory=device.free if device else report.ram_available,
            memory_name=device.name if device else "this machine",
        )
        if self._sheet is not None:
            self._draw()

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
                if sheet.NAME == RECIPE_NAME:
                    self._around = await in_thread(partial(self._commands, self._around, sheet.values))
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

    # -- keys

    @property
    def _key(self) -> str:
        return self.query_one(FieldList).key or ""

    def action_edit(self) -> None:
        """Edits the field under the cursor; in the checks, fixes the selected one."""
        checks = self.query_one(CheckList)
        if not checks.has_focus:
            self._edit_field(self._key)
        elif (item := checks.selected) is not None and item.fix is not None:
            self._fixing.start(item.fix)

    def _edit_field(self, key: str) -> None:
        if self._sheet is None:
            return
        if why := self._sheet.why_not_typed(key, self._values):
            self.say(why)
            return
        self._begin_line(key, f"{key}: ", self._sheet.shown(key, self._values.get(key, ABSENT)))

    def _edit_key(self, key: str) -> None:
        """Opens the field of a key of either file."""
        view = FILE_NAME if "." in key else RECIPE_NAME
        if view != self._view:
            self._to_edit = key
            self._show_view(view)
        elif self.query_one(FieldList).select(key):
            self._edit_field(key)
        else:
            self.action_editor()

    def action_view(self) -> None:
        """Switches between the recipe and the settings."""
        self._show_view(FILE_NAME if self._view == RECIPE_NAME else RECIPE_NAME)

    def _show_view(self, view: str) -> None:
        fields = self.query_one(FieldList)
        self._field_of[self._view] = fields.key or ""
        self._view, self._sheet = view, None
        self.set_class(view != RECIPE_NAME, "settings")
        fields.clear()
        fields.focus()
        self._read()

    def action_pane(self) -> None:
        """Moves between the fields and the checks."""
        checks = self.query_one(CheckList)
        if checks.has_focus or not checks.count:
            self.query_one(FieldList).focus()
        else:
            checks.focus()

    @on(CheckList.Chosen)
    def _clicked_check(self) -> None:
        self.query_one(CheckList).focus()
        self.action_edit()

    @on(CheckList.Moved)
    def _at_check(self) -> None:
        """Shows the field that the selected check is about."""
        if (item := self.query_one(CheckList).selected) is not None and self.query_one(CheckList).has_focus:
            self.query_one(FieldList).select(item.name)

    def action_find(self) -> None:
        self._begin_line("/", "find: ", "")

    def action_again(self, by: int) -> None:
        if self._query and not self.query_one(FieldList).find(self._query, by):
            self.say(f"No field matches “{self._query}”")

    def action_cycle(self) -> None:
        """Toggles a boolean, or selects the next choice."""
        if self._sheet is None or not self._key:
            return
        value = self._sheet.next_value(self._key, self._values.get(self._key, ABSENT))
        if value is ABSENT:
            self._edit_field(self._key)
        else:
            self._change(self._key, value)

    def action_default(self) -> None:
        if self._key in self._values:
            self._change(self._key, ABSENT)
        elif self._key:
            self.say(f"{self._key} is not in {self._view}: its default applies already")

    def action_undo(self) -> None:
        self._undoing.undo(self._view)

    def action_redo(self) -> None:
        self._undoing.redo(self._view)

    def action_target(self) -> None:
        self._target = Target.JOB if self._target == Target.LOCAL else Target.LOCAL
        self._draw()

    def action_reread(self) -> None:
        self._read(said=f"{self._view} has been reloaded")

    def action_copy(self) -> None:
        command = self._around.command_here if self._target == Target.LOCAL else self._around.command_jobs
        self.app.copy_to_clipboard(redact(command))
        self.say(f"Copied: {command}")

    def action_copy_what(self) -> None:
        """Offers the commands, the field under the cursor and the file."""
        path, key = self.workspace.project.folder / self._view, self._key
        line = f"{key}: {render(self._values[key])}" if key in self._values else key
        choose_what_to_copy(
            self,
            [
                Copied("c", "the command for this machine", redact(self._around.command_here)),
                Copied("j", "the command for Jobs", redact(self._around.command_jobs)),
                Copied("f", "the field", redact(line)),
                Copied("p", "the path of the file", str(path)),
            ],
        )

    def action_leave(self) -> None:
        if self._editing:
            self._stop_editing()
        elif self.query_one(CheckList).has_focus:
            self.query_one(FieldList).focus()
        elif self._view != RECIPE_NAME:
            self._show_view(RECIPE_NAME)

    def action_editor(self) -> None:
        """Opens the user's editor, and reloads the file afterwards."""
        edit_file(self, self.workspace.project.folder / self._view)
        self._read()

    # -- typing a value

    def _begin_line(self, what: str, question: str, text: str) -> None:
        self._editing, self._before = what, self._values.get(what, ABSENT)
        self._typed_before = text if what in self._values else None
        self.refresh_bindings()
        self.app.clear_notifications()  # they would cover the input
        self.query_one("#edit-key", Static).update(Text(question, "bold"))
        line = self.query_one(Input)
        line.value = text
        self.add_class("editing")
        line.focus()
        self._check_line(text)

    def _stop_editing(self) -> None:
        self._editing = ""
        self.refresh_bindings()
        self.remove_class("editing")
        self.query_one(FieldList).focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._check_line(event.value)

    def _check_line(self, text: str) -> None:
        """Shows whether the typed value is valid, and updates the result of the recipe."""
        if not self._editing:
            return
        said = partial(self.query_one("#edit-said", Static).update, layout=False)
        if self._editing == "/":
            said(Text("part of a field's name; enter jumps to it", "dim"))
            return
        if self._sheet is None:
            return
        key = self._editing
        if not text.strip():
            whose = "TRL's" if self._view == RECIPE_NAME else "the"
            said(Text(f"enter removes the line, so {whose} default applies", "dim"))
            self._draw_totals({name: value for name, value in self._values.items() if name != key})
            return
        try:
            value = self._sheet.parsed(key, text)
        except ValueError as error:
            said(Text(f"✗ {safe_line(redact(str(error)), 300)}", "red"))
            return
        said(Text(f"✓ enter saves, esc cancels   {self._sheet.unit(key)}", "green"))
        self._draw_totals({**self._values, key: value})

    @on(Input.Submitted)
    def _entered_line(self, event: Input.Submitted) -> None:
        what, text = self._editing, event.value.strip()
        if what == "/":
            self._query = text
            self._stop_editing()
            self.action_again(1)
            return
        if not what or self._sheet is None:
            return
        if text == self._typed_before:
            self._stop_editing()  # nothing was changed
            return
        try:
            value = self._sheet.parsed(what, text) if text else ABSENT
        except ValueError:
            return  # the line below the input says why
        now = self._values.get(what, ABSENT)
        if now != self._before and now != value:
            self._before = now
            word = self._sheet.word(what, now)
            warning = f"! another program {safe_line(word, 200)} in the meantime; press enter again to save yours"
            self.query_one("#edit-said", Static).update(Text(warning, "yellow"))
            return
        self._stop_editing()
        if value is ABSENT:
            if what in self._values:
                self._change(what, ABSENT)
        elif what not in self._values or value != self._values[what] or type(value) is not type(self._values[what]):
            self._change(what, value)

    # -- drawing

    def _draw(self) -> None:
        if self._sheet is None:
            return
        title, self._items = self._sheet.checks(self._values, self._around, self._target)
        fields = self.query_one(FieldList)
        recalled = self._field_of.get(self._view, "")
        if not recalled and fields.key is None and self._view == RECIPE_NAME:
            recalled = self.workspace.remembered.project.get("recipe.field", "")
        fields.show(self._sheet.rows(self._values, self._items))
        if recalled:
            self._field_of.pop(self._view, None)
            fields.select(recalled)
        if self._wanted and fields.select(self._wanted):
            self._wanted = ""
        self._draw_about()
        self._draw_checks(title)
        self._draw_totals(self._values)
        self._draw_commands()

    def _moved(self) -> None:
        """Draws the help of the field under the cursor: at once, or when a held key is released."""
        if self._key and self._view == RECIPE_NAME:
            self.workspace.remember("recipe.field", self._key)
        now = time.monotonic()
        passing, self._moved_at = now - self._moved_at < PASSING_SECONDS, now
        if self._resting is not None:
            self._resting.stop()
        self._resting = self.set_timer(PASSING_SECONDS, self._draw_about) if passing else None
        if not passing:
            self._draw_about()

    def _draw_about(self) -> None:
        if self._sheet is None or not self._key:
            return
        # Its height is fixed, since a new layout of the whole room at each move of the cursor takes 50 ms.
        self.query_one("#about", Static).update(self._sheet.about(self._key, self._values), layout=False)

    def _draw_checks(self, title: str) -> None:
        head = Text(title, "bold", no_wrap=True, overflow="ellipsis")
        if all(item.level is not Level.STOP for item in self._items):
            head.append("  ✓ ", "green").append("nothing blocks this run", "not bold")
        if self._items:
            head.append(f"  {counted(self._items)}", "not bold")
        self.query_one("#checks-head", Static).update(head, layout=False)
        checks = self.query_one(CheckList)
        checks.show(self._items)
        if checks.has_focus and not self._items:
            self.query_one(FieldList).focus()

    def _draw_totals(self, values: Mapping[str, object]) -> None:
        if self._sheet is None:
            return
        brief = self.has_class("narrow") or self.has_class("tiny")
        self.query_one("#totals", Static).update(self._sheet.totals(values, self._around, self._target, brief=brief))

    def _draw_commands(self) -> None:
        shown = commands(self._around, self._target, one_line=self.has_class("narrow"))
        self.query_one("#commands", Static).update(shown, layout=False)
