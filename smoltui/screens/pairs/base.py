"""What the parts of the Pairs room share: the set, the pair that is shown, the view, and the one line that asks."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Literal

from rich.text import Text
from textual.widgets import Static

from smoltui.backends.pairs.curation_file import CurationFile
from smoltui.backends.pairs.opened_set import PairSet
from smoltui.backends.pairs.search import Search
from smoltui.core.pairs.curation import Curation
from smoltui.core.pairs.preference import Pair
from smoltui.errors import SmoltuiError
from smoltui.safe_text import safe, safe_line
from smoltui.screens.room import Room
from smoltui.scripts.pair_format import SCHEMAS
from smoltui.widgets.ask_line import AskLine

LOAD_AFTER_SECONDS = 0.3
"""Libraries of C hold Python's lock for 0.1 to 0.3 s each while they are loaded: not while somebody types."""

View = Literal["nothing", "pair", "list", "audit", "trainer", "mapping"]
VIEWS: Mapping[View, str] = {
    "nothing": "#pairs-nothing", "pair": "PairView", "list": "#pairs-list", "audit": "AuditList",
    "trainer": "TrainerPane", "mapping": "MappingForm",
}  # fmt: skip
"""What shows each of them."""


class PairsBase(Room):
    """Shared state, and how it is drawn."""

    opened: PairSet | None = None
    """The set that is shown."""
    pair: Pair | None = None
    """The pair that is shown."""
    index = 0
    """Its row, or the row that is waited for."""
    back_to: int | None = None
    """The row to go back to when it is read in again, unless one has gone elsewhere meanwhile."""
    view: View = "nothing"
    importing: str = ""
    """How far the import is, in words; empty when nothing is imported."""
    is_other = False
    """Something was opened here that the project does not name."""
    search: Search | None = None
    rows: array[int] | None = None
    """What the list holds and `n` goes through: hits or the pairs of a finding, in the list's order; None for all."""
    rows_are = ""
    """What `rows` are, in words."""
    order = ("row", False)
    """What the list is sorted by, and whether from the largest down."""
    curation: Curation
    decisions: CurationFile
    tokens: str | None = None
    """Kind of the files that hold token counts; None while there are none."""
    max_length: int | None = None
    """Of the recipe, in tokens; None: no cut, or no recipe."""

    def __init__(self) -> None:
        super().__init__()
        self.curation = Curation()
        self._where_shown: Text | None = None

    # -- which view

    def show_view(self, view: View) -> None:
        """Brings one of the views to the front."""
        self.view = view
        # Shown and hidden one by one: a class of the room would have every style below it worked out anew.
        for name, selector in VIEWS.items():
            self.query_one(selector).display = name == view
        self.refresh_bindings()

    def show_nothing(self, sentence: str) -> None:
        """One sentence in the place of the pairs."""
        self.query_one("#pairs-nothing", Static).update(Text(safe(sentence, 2000)))
        self.show_view("nothing")
        self.draw_where()

    def show_status(self, shown: bool) -> None:
        """Whether there is a line that says what was searched for."""
        self.query_one("#pairs-status").display = shown

    # -- lines

    def draw_where(self) -> None:
        """The line on top: which set, which of its pairs."""
        where = self.query_one("#pairs-where", Static)
        opened = self.opened
        if opened is None:
            self._where_shown = None
            where.update("", layout=False)
            return
        total = opened.total
        of = f"{total:,}" if total is not None else f"{len(opened):,}+"
        place = f"pair {self.index + 1:,} of {of}"
        if told := self.importing or ("" if opened.complete else "read in part"):  # its import broke off
            place = f"{told} · {place}"
        split = safe_line(opened.split, 30)
        if len(opened.splits) > 1:
            split += f", one of {len(opened.splits)} splits"
        other = " · not the recipe's pairs" if self.is_other else ""
        rest = f" · {split}{other} · {SCHEMAS[opened.schema]}"
        room = self.size.width - 2 - len(place) - 2
        left = Text(safe_line(opened.name, 60), "bold", no_wrap=True).append(rest, "not bold dim")
        left.truncate(max(room, 0), overflow="ellipsis", pad=True)
        left.append("  ").append(place, "bold")
        if left != self._where_shown:
            self._where_shown = left
            where.update(left, layout=False)

    def draw_status(self) -> None:
        """The line above the keys: what is searched for, how far it is, and where one is in it."""
        raise NotImplementedError

    # -- asking in one line

    def ask(self, question: str, hint: str, answered: Callable[[str], object], value: str = "") -> None:
        """Asks for one line; `answered` gets it without white space around it. Escape leaves it."""
        self.app.clear_notifications()  # they would lie over the line
        self.line.ask(question, hint, answered, value)
        self.refresh_bindings()

    @property
    def asking(self) -> bool:
        """The line that asks is open."""
        return self.is_mounted and self.line.asking

    @cached_property
    def line(self) -> AskLine:
        """Looked up once: `check_action` asks for it with every key there is."""
        return self.query_one(AskLine)

    def known_pair(self) -> tuple[str, Pair] | None:
        """Content hash and pair of the row one is on; None, and it is said why, when they cannot be had."""
        opened = self.opened
        if opened is None:
            return None
        try:
            return opened.hash(self.index), opened.pair(self.index)
        except SmoltuiError as error:
            self.say(error)
        except IndexError:
            self.say(f"Pair {self.index + 1:,} is not read in yet", severity="warning")
        return None

    # -- what the other parts give

    def go(self, index: int) -> None:
        """Shows a pair, or waits for it while the set is still being read."""
        raise NotImplementedError

    def draw_pair(self) -> None:
        """Draws the pair that is shown anew: something about it has changed."""
        raise NotImplementedError

    def recipe_values(self) -> Mapping[str, object]:
        """The values of the project's recipe; none without a recipe that can be read."""
        from smoltui.backends.project.recipe_file import load_project_recipe

        try:
            return load_project_recipe(self.smoltui.project).values
        except SmoltuiError:
            return {}
