"""Confirms a run before it starts: what runs, where, the checks and their fixes, and its maximum cost."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar

from rich.text import Text
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from smoltui.backends.machine.train_extra import lm_eval_version
from smoltui.backends.project.project import Project
from smoltui.backends.runs.plan import Plan, make_plan
from smoltui.backends.runs.preflight import gather
from smoltui.backends.services import Services
from smoltui.backends.system.threads import in_thread
from smoltui.core.meanings.shown import CARDS_OF, card_of
from smoltui.core.preflight.check import Check, may_start, only_estimates, overridden
from smoltui.core.preflight.preflight import Facts, preflight
from smoltui.core.recipe import Act, Fix, Level
from smoltui.core.runs.chain import HERE_ONLY
from smoltui.core.runs.place import Place
from smoltui.core.runs.run import Run
from smoltui.core.setting_fields.fields import broken_key
from smoltui.errors import NoRecipeError, SmoltuiError
from smoltui.screens.dialogs import start_another
from smoltui.screens.field_line import FieldLine
from smoltui.screens.fixing import Fixing
from smoltui.screens.start_dialog_text import LOW, Shown, buttons, cost, foot, head, items_of, passed
from smoltui.screens.start_options import StartOptions, flavors_for
from smoltui.screens.undoing import Undoing
from smoltui.widgets.actions import bindings
from smoltui.widgets.ask_line import AskLine
from smoltui.widgets.check_list import MARKS, CheckList, Item, counted

AFTERWARDS: tuple[tuple[tuple[str, ...], str], ...] = (
    ((), "nothing"),
    (("ask",), "compare both models"),
    (("ask", "measure"), "compare both models, then measure"),
    (("ask", "measure", "benchmark"), "compare, measure, then benchmark"),
)
"""Follow-up steps that `n` offers, and their words."""
LISTED_SECONDS = 5.0
"""How long a list of runs is used while the checks run again after each change."""
PATIENCE_SECONDS = 8.0
"""How long the checks wait for that list."""
FOOT = 2
"""Lines of the buttons, with the empty one above them."""


class StartDialog(StartOptions):
    """Returns what to run and the follow-up steps (`core.runs.chain.STEPS`), or None."""

    CSS_PATH = "start_dialog.tcss"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = bindings("start")

    def __init__(
        self,
        project: Project,
        services: Services,
        warning: str = "",
        rival: Callable[[Plan, Sequence[Run]], str] = lambda plan, runs: "",
    ) -> None:
        """`rival` says which run under way a plan would be a second one of, of those that the room knows and of the
        runs given; empty: none."""
        super().__init__()
        self._rival = rival
        self._warning = warning
        """Shown above the checks; empty: nothing."""
        self._project = project
        self._services = services
        self._places = services.places
        self._first: Place | None = None
        """Where it would run according to smoltui.toml; None until that was read."""
        self._moved = 0
        """How often `tab` was pressed since, even before that was known."""
        self._beside = False
        self._then = 0
        """Place in the steps that are offered."""
        self._unfolded = False
        self.plan: Plan | None = None
        self.facts: Facts | None = None
        self._checks: list[Check] = []
        self._runs: dict[str, tuple[float, Sequence[Run]]] = {}
        """Name of a place → its runs, and when they were listed, seconds of the monotonic clock."""
        self._problem: SmoltuiError | None = None
        turn = asyncio.Lock()
        self._undoing = Undoing(self, lambda _: self.look(), turn)
        self._fixing = Fixing(self, self._edit, self.look, self.action_leave, turn)
        self._list = CheckList(id="start-checks")
        self._list.can_focus = False  # the keys are those of the dialog
        self.ask_line = AskLine()
        self._line = FieldLine(self.ask_line, project, self.look, turn)

    def explained(self) -> tuple[str, ...]:
        selected = self._list.selected
        return (*(card_of(selected.name) if selected is not None else ()), *CARDS_OF["start"])

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide", id="start-dialog"), Vertical(id="start-text"):
            yield Static(id="start-head", markup=False)
            yield self._list
            yield Static(id="start-foot", markup=False)
            yield self.ask_line

    def on_mount(self) -> None:
        self.query_one("#start-dialog").border_title = Text(f" Train {self._project.name} ")
        self.look()

    @on(events.Resize)
    @on(events.DescendantFocus)
    @on(events.DescendantBlur)
    def _room_changed(self) -> None:
        """The screen has another size, or the input was opened or closed: more or fewer checks fit."""
        self.call_after_refresh(self._draw)

    @work(exclusive=True)
    async def look(self) -> None:
        """Makes the plan from the current files, then runs the checks."""
        self.plan, self.facts, self._problem = None, None, None
        self._draw()
        try:
            settings = await in_thread(self._project.settings)
            if self._first is None:
                self._first = self._services.default(settings.on).place
                self._places = (
                    self._services.places
                )  # perhaps one more: the setting may name a place that can't be used
                self._draw()
            place = self.place or self._first
            plan = await make_plan(
                self._project, place, self.options, settings=settings, counts=self._services.counts, free_output=True
            )
            facts, _ = await asyncio.gather(gather(plan, self._services.named(place.name)), self._list_runs(place))
            flavors = await in_thread(lambda: flavors_for(self._project, facts)) if facts.flavors else None
            # Nothing waits from here on: a draw in between would show what enter does not do yet.
            self.facts, self._checks, self.plan = facts, preflight(facts), plan
            if flavors is not None:
                self.offer(flavors)
        except SmoltuiError as error:
            self._first = self._first or self._places[0]
            self._problem, self._checks = error, []
        self._draw(fresh=True)

    async def _list_runs(self, place: Place) -> None:
        """Lists the runs of a place that a room may not have listed: one of them may write where this one would."""
        at, known = self._runs.get(place.name, (-math.inf, ()))
        if place.here or time.monotonic() - at < LISTED_SECONDS:
            return
        with suppress(SmoltuiError, TimeoutError):  # the checks say that the place does not answer
            async with asyncio.timeout(PATIENCE_SECONDS):
                known = await self._services.named(place.name).list_runs()
        self._runs[place.name] = (time.monotonic(), known)

    # -- what is shown

    @property
    def place(self) -> Place | None:
        """Where it would run; None until that is known."""
        if self._first is None:
            return None
        return self._places[(self._places.index(self._first) + self._moved) % len(self._places)]

    @property
    def _may_start(self) -> bool:
        return self.plan is not None and may_start(self._checks)

    @property
    def _busy(self) -> bool:
        return self.plan is None and self._problem is None

    @property
    def _items(self) -> list[Item]:
        """What can be selected: the checks that ask for something."""
        if self._problem is not None:
            fix = _fix_of(self._problem)
            hint = "" if fix.act is Act.NEW else self._problem.hint  # a command, for who isn't in the app
            return [Item(Level.STOP, self._problem.message, hint, fix)]
        return items_of(self._checks, self._warning if self.plan is not None else "", self._account)

    @property
    def _account(self) -> str:
        """Name of the account; empty while it is not known."""
        return self.facts.account.name if self.facts is not None and self.facts.account is not None else ""

    def _shown(self) -> Shown:
        flavor = self.chosen_flavor()
        return Shown(
            places=self._places,
            place=self.place,
            after=self._steps[1],
            beside=self._beside,
            spec=self.plan.spec if self.plan is not None else None,
            facts=self.facts,
            flavor=flavor,
            neighbours=(self.flavor_beside(flavor, -1), self.flavor_beside(flavor, 1)),
            failed=self._problem is not None,
            compact=self.app.size.height < LOW,
        )

    def _draw(self, *, fresh: bool = False) -> None:
        """Shows the present state; `fresh`: the checks are new, so the cursor goes to what has to be fixed."""
        if not self.query("#start-foot"):
            return  # it was left while the checks ran
        shown, items, checks = self._shown(), self._items, self._list
        width = max(20, self.query_one("#start-head").size.width)
        text = head(shown, width)
        if self.plan is not None and items:
            text.append(f"\n {counted(items)}", "bold")
        self.query_one("#start-head", Static).update(text)
        # What is left of the screen beside the border, the rows above, the buttons and the input.
        below = FOOT + self.ask_line.asking
        self._list.styles.max_height = max(1, self.app.size.height - 2 - len(text.plain.splitlines()) - below)
        tail = passed(self._checks, width, unfolded=self._unfolded) if not self._busy else []
        if fresh:
            stopped = any(item.level is Level.STOP for item in items)
            checks.show(items, cursor=0 if stopped else -1, tail=tail)
        elif not self._busy:
            checks.show(items, cursor=checks.cursor, tail=tail)
        self._draw_foot(shown, width)

    def _draw_foot(self, shown: Shown, width: int) -> None:
        enter = self._enter_words(shown)
        strong = self._may_start and self._list.selected is None
        self.query_one("#start-foot", Static).update(foot(enter, width, strong=strong))

    def _enter_words(self, shown: Shown) -> str:
        """What enter does now; empty if nothing."""
        if self._busy:
            return ""
        item = self._list.selected
        if item is not None and item.fix is not None:
            return (
                f"{item.fix.verb} {'next' if item.level is Level.STOP else 'this'}"
                if item.fix.writes
                else item.fix.verb
            )
        if item is not None:
            return "Next"
        if not self._may_start or shown.place is None:
            return ""
        what = f"Start {shown.place.run}" if shown.place.pays else "Start"
        return f"{what} · at most {most}" if (most := cost(shown)) else what

    # -- keys

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        return None if self.ask_line.asking and action != "back" else ""  # the key then types a character

    def action_enter(self) -> None:
        """Fixes the selected check; without one, starts the run."""
        item = self._list.selected
        if self._busy:
            return
        if item is None:
            self._start()
        elif item.fix is not None:
            self._fixing.start(item.fix, self._account)
        else:
            self.action_move(1)

    @on(CheckList.Chosen)
    def _clicked_check(self) -> None:
        self.action_enter()

    @on(events.Click, "#start-foot")
    def _clicked_button(self, event: events.Click) -> None:
        line = self.query_one("#start-foot", Static)
        width, (left, right_button) = line.size.width, buttons(self._enter_words(self._shown()))
        right = len(right_button) + 4 if right_button else 0
        if right_button and event.x >= width - right:
            self.action_enter()
        elif event.x >= width - right - len(left) - 3:
            self.action_leave()

    def _start(self) -> None:
        if self._may_start and self.plan is not None:
            checks = tuple(f"{MARKS[check.level][0]} {check.sentence}" for check in self._checks)
            beside = self._beside and self.plan.place.here
            spec = replace(self.plan.spec, side_by_side=beside, checks=checks)
            found = (replace(self.plan, spec=spec), self._steps[0])
            if other := self._rival(self.plan, self._runs.get(self.plan.place.name, (0.0, ()))[1]):
                self._ask_twice(other, found)
            else:
                self.dismiss(found)

    def _ask_twice(self, other: str, found: tuple[Plan, tuple[str, ...]]) -> None:
        """Asks before a second run beside the one that the sentence `other` is about."""

        def answered(answer: bool | None) -> None:
            if answer:
                self.dismiss(found)

        self.app.push_screen(start_another(other), answered)

    def action_move(self, by: int) -> None:
        """Selects another check, or below the last one the start itself."""
        checks = self._list
        places = [*range(checks.count), *([-1] if self._may_start else [])]
        if places:
            at = places.index(checks.cursor) if checks.cursor in places else 0
            checks.go(places[max(0, min(at + by, len(places) - 1))])
            self._draw_foot(self._shown(), max(20, self.query_one("#start-head").size.width))

    def action_page(self, by: int) -> None:
        self._list.page(by)

    def action_unfold(self) -> None:
        """Shows the checks that passed one by one, or in one line."""
        self._unfolded = not self._unfolded
        self._draw()

    def action_ignore(self) -> None:
        """Turns estimates into warnings; the start is then one more key."""
        if not self._busy and only_estimates(self._checks):
            self._checks = overridden(self._checks)
            self._draw(fresh=True)
        elif not self._busy and not self._may_start:
            self.notify("Something that is certain stops this run; I ignores estimates only", severity="warning")

    def action_again(self) -> None:
        self.look()

    def action_undo(self) -> None:
        self._undoing.undo()

    def action_redo(self) -> None:
        self._undoing.redo()

    def action_switch_engine(self) -> None:
        self._moved += 1
        self._checks = []  # those of the other place
        self._list.show([], cursor=-1)
        self.look()

    def action_parallel(self) -> None:
        """Switches between starting at once and waiting for other runs on this machine."""
        if self.place is not None and self.place.here:
            self._beside = not self._beside
            self._draw()

    def _edit(self, key: str) -> None:
        """Opens the field of a key below the checks."""
        if key == "jobs.flavor":
            self.options = replace(self.options, flavor=None)
        elif key == "run.on":
            self._first, self._moved = None, 0
        self._line.open(key)

    @property
    def _offered(self) -> list[tuple[tuple[str, ...], str]]:
        """What can be done afterwards: a benchmark only on this machine, and if lm_eval is installed."""
        here = self.place is not None and self.place.here and lm_eval_version() is not None
        return [entry for entry in AFTERWARDS if here or not HERE_ONLY & set(entry[0])]

    @property
    def _steps(self) -> tuple[tuple[str, ...], str]:
        """What is done afterwards, and its words."""
        return self._offered[min(self._then, len(self._offered) - 1)]

    def action_next_steps(self) -> None:
        """Chooses what is done once the run is COMPLETED."""
        self._then = (self._offered.index(self._steps) + 1) % len(self._offered)
        self._draw()

    def action_back(self) -> None:
        """Closes the input, or else the dialog."""
        line = self.ask_line
        if line.asking:
            line.stop()
        else:
            self.dismiss(None)

    def action_leave(self) -> None:
        self.dismiss(None)


def _fix_of(problem: SmoltuiError) -> Fix:
    """What enter does about a plan that cannot be made."""
    if isinstance(problem, NoRecipeError):
        return Fix(act=Act.NEW)
    name = problem.message.split(" ")[0]
    if key := broken_key(problem.message):
        return Fix(edit=key)
    return Fix(file=name) if name in ("recipe.yaml", "smoltui.toml") else Fix(act=Act.AGAIN)
