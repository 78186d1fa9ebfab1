"""A file of the project as text, with the checks of the form while one types. Nothing typed is lost unasked."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.widgets import Static, TextArea
from textual.widgets.text_area import Document

from smoltui.backends.project.file_text import FileText, is_current, read_text, write_text
from smoltui.backends.project.journal import ChangedOutsideError
from smoltui.backends.project.project import RECIPE_NAME, Project
from smoltui.backends.project.recipe_file import RecipeFile
from smoltui.backends.project.settings_file import settings_of
from smoltui.backends.system.threads import in_thread
from smoltui.core.recipe import Level
from smoltui.core.runs.place import Target
from smoltui.core.settings.settings import Settings
from smoltui.errors import RecipeError, SmoltuiError
from smoltui.safe_text import redact, safe_line
from smoltui.screens.dialogs import Choose
from smoltui.screens.modal import Modal
from smoltui.screens.recipe.recipe_sheet import RecipeSheet
from smoltui.screens.recipe.settings_sheet import SettingsSheet
from smoltui.screens.recipe.sheet import Sheet
from smoltui.screens.recipe.surroundings import Surroundings
from smoltui.screens.recipe.text_area import FileArea, key_at
from smoltui.screens.undoing import in_words
from smoltui.widgets.actions import bindings
from smoltui.widgets.check_list import CheckList, Item, counted
from smoltui.widgets.key_bar import KeyBar
from smoltui.workspace import workspace_of

REST_SECONDS = 0.15
"""The text is checked when nothing was typed for this long."""
LOOK_SECONDS = 2.0
"""How often the file is checked for changes by other programs."""
WIDE = 100
"""Columns from which the checks are beside the text."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found in a text."""

    text: str
    title: str
    items: tuple[Item, ...] = ()
    lines: Mapping[int, str] | None = None
    """Row, from 0 → `stop` or `warn`."""
    totals: Text | None = None
    sheet: Sheet | None = None
    """None if the text cannot be used."""


class TextEditor(Modal[None]):
    """Edits `file` of `project`. `around_of` returns the surroundings of a recipe's values; it blocks. `turn` is the
    lock of the room's own writing."""

    DEFAULT_CSS = """
    TextEditor { layout: vertical; background: $background; }
    TextEditor #text-title { height: 1; background: $panel; padding: 0 1; }
    TextEditor #text-body { height: 1fr; layout: horizontal; }
    TextEditor #text { width: 1fr; height: 1fr; border: none; padding: 0; scrollbar-size: 1 1; }
    TextEditor #text-beside { width: 46%; height: 1fr; padding: 0 1; border-left: vkey $panel; }
    TextEditor #text-about { height: 7; }
    TextEditor #text-head { height: 1; }
    TextEditor #text-checks { height: 1fr; }
    TextEditor #text-totals { height: auto; max-height: 50%; }
    TextEditor.narrow #text-body { layout: vertical; }
    TextEditor.narrow #text-beside { width: 100%; height: 9; border-left: none; border-top: hkey $panel; }
    TextEditor.narrow #text-about { height: 2; }
    TextEditor.narrow #text-totals { height: 2; }
    TextEditor.low #text-beside { height: 4; border-top: none; background: $surface; }
    TextEditor.low #text-about, TextEditor.low #text-totals { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings("text-editor")
    AUTO_FOCUS = "#text"

    def __init__(
        self,
        project: Project,
        file: FileText,
        *,
        line: int,
        target: Target,
        around_of: Callable[[Mapping[str, object]], Surroundings],
        turn: asyncio.Lock,
    ) -> None:
        """`line`: where the cursor starts, from 1."""
        super().__init__()
        self._project, self._file, self._line, self._target = project, file, line, target
        self._around_of, self._turn = around_of, turn
        self._area = FileArea(file.text)
        self._looked = Looked("", "Checks")
        self._around = Surroundings(Settings())
        self._usable: Sheet | None = None
        """The newest text that could be used; None: not yet."""
        self._agreed_to = ""
        """A text that cannot be used, which may be saved all the same."""
        self._outside = False
        """Another program has changed the file, which was not reloaded because of what was typed here."""

    # -- widgets

    def compose(self) -> ComposeResult:
        yield Static(id="text-title", markup=False)
        with Container(id="text-body"):
            yield self._area
            with Vertical(id="text-beside"):
                yield Static(id="text-about", markup=False)
                yield Static(id="text-head", markup=False)
                yield CheckList(id="text-checks")
                yield Static(id="text-totals", markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(CheckList).can_focus = False
        self._area.move_cursor((max(0, self._line - 1), 0))
        workspace_of(self.app).asks_before_leaving = self._leaving
        self.set_interval(LOOK_SECONDS, self._look_outside)
        self._draw_title()
        self._check()

    def on_unmount(self) -> None:
        workspace_of(self.app).asks_before_leaving = None

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width < WIDE, "narrow")
        self.set_class(event.size.height < 18 and event.size.width < WIDE, "low")
        self._draw_totals()

    @property
    def _is_changed(self) -> bool:
        return self._area.text != self._file.text

    # -- what is shown

    @on(TextArea.Changed)
    def _typed(self) -> None:
        self._draw_title()
        self._check()

    @on(TextArea.SelectionChanged)
    def _moved(self) -> None:
        self._draw_title()
        self._draw_about()

    @work(exclusive=True, group="check")
    async def _check(self) -> None:
        """Checks the text once typing rests."""
        if self._looked.sheet is not None or self._looked.text:
            await asyncio.sleep(REST_SECONDS)
        await self._look(self._area.text)

    async def _look(self, text: str) -> Looked:
        """What is found in this text, which is then shown."""
        if self._looked.text == text and self._looked.title != "Checks":
            return self._looked
        brief = self.has_class("narrow")
        looked = await in_thread(partial(self._found, text, brief=brief))
        self._looked, self._usable = looked, looked.sheet or self._usable
        if self.is_attached:
            self._draw_checks()
        return looked

    def _found(self, text: str, *, brief: bool) -> Looked:
        """Parses and checks a text. In a thread."""
        name = self._file.name
        try:
            sheet = sheet_of(self._project, name, text)
            around = self._around = self._around_of(sheet.values)
            title, checked = sheet.checks(sheet.values, around, self._target)
            totals = sheet.totals(sheet.values, around, self._target, brief=brief)
        except SmoltuiError as error:
            row = int(found[1]) - 1 if (found := re.search(r"\bline (\d+)", error.message)) else -1
            said = Item(Level.STOP, error.message, error.hint.replace("Fix it in your editor. ", ""))
            return Looked(text, f"Checks of {name}", (said,), {row: "stop"} if row >= 0 else {})
        items = tuple(replace(item, fix=None) for item in checked)  # enter begins a line here
        lines: dict[int, str] = {}
        for item in items:
            line = sheet.line_of(item.name)
            if line and lines.get(line - 1) != "stop":
                lines[line - 1] = item.level.value
        return Looked(text, title, items, lines, totals, sheet)

    def _draw_title(self) -> None:
        row, column = self._area.cursor_location
        text = Text(self._file.name, "bold", no_wrap=True, overflow="ellipsis")
        text.append(f"  line {row + 1}, column {column + 1}", "dim")
        if self._is_changed:
            text.append("  ● not saved", "yellow")
        if self._outside:
            text.append("  ! changed by another program meanwhile; ctrl+s asks", "bold yellow")
        self._put("#text-title", text)

    def _draw_about(self) -> None:
        sheet, area = self._usable, self._area
        key = key_at(area.document.lines, area.cursor_location[0], toml=self._file.name != RECIPE_NAME)
        text = Text("The cursor is on no key", "dim")
        if key and sheet is not None:
            text = sheet.about(key, sheet.values, self._around)
        self._put("#text-about", text)

    def _draw_checks(self) -> None:
        looked = self._looked
        head = Text(looked.title, "bold", no_wrap=True, overflow="ellipsis")
        if all(item.level is not Level.STOP for item in looked.items):
            head.append("  ✓ ", "green").append("nothing blocks this run", "not bold")
        if looked.items:
            head.append(f"  {counted(list(looked.items))}", "not bold")
        self._put("#text-head", head)
        for checks in self.query(CheckList):
            checks.show(looked.items)
        self._area.mark(looked.lines or {})
        self._draw_totals()
        self._draw_about()

    def _draw_totals(self) -> None:
        totals = self._looked.totals
        self._put("#text-totals", Text() if totals is None else totals, layout=True)

    def _put(self, selector: str, text: Text, *, layout: bool = False) -> None:
        """Shows a text, where the widget is still there: a key may have closed the editor during a check."""
        for static in self.query(selector).results(Static):
            static.update(text, layout=layout)

    # -- changes by other programs

    @work(exclusive=True, group="outside")
    async def _look_outside(self) -> None:
        if self._turn.locked() or await in_thread(partial(is_current, self._project, self._file)):
            if self._outside and not self._turn.locked():
                self._outside = False
                self._draw_title()
            return
        if self._is_changed:
            self._outside = True
            self._draw_title()
        else:
            await self._reload()
            self._say(f"{self._file.name} was changed by another program and has been reloaded")

    async def _reload(self) -> None:
        """Shows the file as it is now; what was typed comes back with ctrl+z."""
        try:
            file = await in_thread(partial(read_text, self._project, self._file.name))
        except SmoltuiError as error:
            self._say(error)
            return
        if not self.is_attached:
            return
        if is_editable(file.text):
            at = self._area.cursor_location
            self._area.replace(file.text, (0, 0), self._area.document.end)
            self._area.move_cursor(at)
        self._file, self._outside = file, False
        self._draw_title()

    # -- keys

    def action_save(self) -> None:
        """Writes the file."""
        self.run_worker(self._save(), group="save")

    async def _save(self, *, over: bool = False) -> bool:
        """Whether the text is in the file now."""
        text = self._area.text
        if not self._is_changed and not over:
            self._say(f"Nothing was changed in {self._file.name}")
            return True
        looked = await self._look(text)
        if looked.sheet is None and self._agreed_to != text:
            self._agreed_to = text
            why = looked.items[0].sentence if looked.items else "it cannot be used"
            self._say(f"Not saved yet: {why}\nPress ctrl+s again to save it all the same", warns=True)
            return False
        try:
            async with self._turn:
                self._file, made = await in_thread(partial(write_text, self._project, self._file, text, replace=over))
        except ChangedOutsideError:
            return await self._settle()
        except SmoltuiError as error:
            self._say(error)
            return False
        self._outside = False
        self._draw_title()
        self._say(f"Saved: {in_words(made)} in the form" if made.said else f"Saved: {self._file.name}")
        return True

    async def _settle(self) -> bool:
        """Asks which version stays, since another program has changed the file; whether ours is in the file now."""
        chosen = await self.app.push_screen_wait(
            Choose(
                f"Another program has changed {self._file.name} since it was opened here",
                {
                    "m": "save mine: u in the form brings the other version back",
                    "t": "take the other version: ctrl+z brings mine back",
                },
            )
        )
        if chosen == "m":
            return await self._save(over=True)
        if chosen == "t":
            await self._reload()
        return False

    def action_problem(self) -> None:
        """Moves the cursor to the next line with a problem."""
        rows = sorted(self._looked.lines or {})
        if not rows:
            self._say("No line has a problem")
            return
        here = self._area.cursor_location[0]
        self._area.move_cursor((next((row for row in rows if row > here), rows[0]), 0))

    def action_back(self) -> None:
        """Closes; asks first if something was typed that is not saved."""
        if not self._is_changed:
            self.dismiss()
        else:
            self.run_worker(self._ask_to_leave(quits=False), group="leave", exclusive=True)

    def _leaving(self) -> bool:
        """Whether leaving the app has to wait for an answer, which is then asked for."""
        if not self._is_changed:
            return False
        if self.is_active:
            self.run_worker(self._ask_to_leave(quits=True), group="leave", exclusive=True)
        return True

    async def _ask_to_leave(self, *, quits: bool) -> None:
        then = "quit" if quits else "close"
        chosen = await self.app.push_screen_wait(
            Choose(
                f"{self._file.name} has changes that are not saved",
                {"s": f"save and {then}", "d": f"discard them and {then}"},
            )
        )
        if chosen == "d" or (chosen == "s" and await self._save()):
            if quits:
                self.app.exit()
            else:
                self.dismiss()

    def _say(self, said: str | SmoltuiError, *, warns: bool = False) -> None:
        self.app.clear_notifications()
        workspace = workspace_of(self.app)
        if isinstance(said, SmoltuiError):
            workspace.say(f"{said.message}\n{said.hint}".strip(), "error")
        else:
            workspace.say(said, "warning" if warns else "information")


def sheet_of(project: Project, name: str, text: str) -> Sheet:
    """A text as the form shows it. Raises: RecipeError: it cannot be used."""
    if name == RECIPE_NAME:
        return RecipeSheet(RecipeFile(project.recipe_path, text, ""))
    try:
        return SettingsSheet(project, settings_of(project, text.encode("utf-8")))
    except UnicodeEncodeError as error:
        raise RecipeError(f"{name} has half a character: {safe_line(redact(text[error.start :]), 20)}") from error


def is_editable(text: str) -> bool:
    """Whether a text stays as it is in the editor: not if it mixes line ends of several kinds."""
    return Document(text).text == text
