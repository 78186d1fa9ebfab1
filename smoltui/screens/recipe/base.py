"""What the Recipe room shows: its widgets, its state, and how they are drawn."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical
from textual.timer import Timer
from textual.widgets import Input, Static

from smoltui.backends.project.project import RECIPE_NAME
from smoltui.core.recipe import ABSENT, Level
from smoltui.core.runs.place import Target
from smoltui.core.settings.settings import Settings
from smoltui.screens.recipe.field_list import FieldList
from smoltui.screens.recipe.found_fields import about_found
from smoltui.screens.recipe.recipe_text import commands
from smoltui.screens.recipe.sheet import Sheet
from smoltui.screens.recipe.surroundings import Surroundings
from smoltui.screens.room import Room
from smoltui.widgets.check_list import CheckList, Item, counted

if TYPE_CHECKING:
    from smoltui.backends.pairs.curation_file import CurationFile

WIDE, TINY = 100, 60
"""Columns from which the help is beside the fields, and below which there are no margins."""
PASSING_SECONDS = 0.12
"""While the cursor moves faster than this, the help is not drawn until it rests."""


class RecipeBase(Room):
    """One sheet at a time: its fields, and beside them help, checks and totals."""

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
        """Key whose value is being typed; `/` during a search, `?` for another question; otherwise empty."""
        self._answered: Callable[[str], None] = lambda _: None
        """Called with the answer to that question."""
        self._before: object = ABSENT
        """The value when the input was opened."""
        self._typed_before: str | None = None
        """That value as text; None if the key was not in the file."""
        self._matches: list[str] = []
        """Keys of the fields that the last search found, the best first."""
        self._came_from = ""
        """Key of the field where the cursor was before the input line was opened."""
        self._moved_at = -math.inf
        self._resting: Timer | None = None
        self._writing = asyncio.Lock()
        """Held while a file is written or read."""
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

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width < WIDE, "narrow")
        self.set_class(event.size.width < TINY or event.size.height < 16, "tiny")
        if self._sheet is not None:
            self.call_after_refresh(self._draw)

    @property
    def _key(self) -> str:
        """Key of the field under the cursor; empty without one."""
        return self.query_one(FieldList).key or ""

    # -- drawing

    def _draw(self) -> None:
        if self._sheet is None:
            return
        title, self._items = self._sheet.checks(self._values, self._around, self._target)
        if self._editing != "/":  # the list shows what is found
            self._draw_fields(self._sheet)
        self._draw_about()
        self._draw_checks(title)
        self._draw_totals(self._values)
        self._draw_commands()

    def _draw_fields(self, sheet: Sheet) -> None:
        fields = self.query_one(FieldList)
        recalled = self._field_of.get(self._view, "")
        if not recalled and fields.key is None and self._view == RECIPE_NAME:
            recalled = self.workspace.remembered.project.get("recipe.field", "")
        fields.show(sheet.rows(self._values, self._items, self._around))
        if recalled:
            self._field_of.pop(self._view, None)
            fields.select(recalled)
        if self._wanted and fields.select(self._wanted):
            self._wanted = ""

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
        # While a field is searched for, the list has fields of the other file, too.
        ours = self._editing != "/" or ("." in self._key) is (self._view != RECIPE_NAME)
        text = self._sheet.about(self._key, self._values, self._around) if ours else about_found(self._key)
        if ours and (effect := self._sheet.effect(self._key, self._values, self._around, self._target)):
            first, *rest = text.split("\n")  # below the name, where a small terminal shows it
            text = Text("\n").join([first, Text(effect, "cyan"), *rest])
        self.query_one("#about", Static).update(text, layout=False)

    def _draw_typed(self, values: Mapping[str, object]) -> None:
        """Draws checks and totals of values that are being typed."""
        if self._sheet is None:
            return
        title, self._items = self._sheet.checks(values, self._around, self._target)
        self._draw_checks(title)
        self._draw_totals(values)

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
