"""Runs a Job again, or resumes it: from where, on what, for how long, who pays, and what that costs at most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from smoltui.backends.runs.engine import Engine
from smoltui.core.runs.cost import Flavor, limit_words, price, rate, usd, worst_cost
from smoltui.core.runs.next_words import longer_in
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.rerun import Changes, as_before, kept_elsewhere
from smoltui.core.runs.run import HUB_TIMEOUT_SECONDS, Run, RunSpec, as_timeout, timeout_seconds
from smoltui.core.settings.settings import RANGES
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe_line
from smoltui.screens.dialogs import start_another
from smoltui.screens.modal import Modal
from smoltui.screens.start_dialog_text import LOW, row
from smoltui.widgets.actions import bindings, shown_key
from smoltui.widgets.ask_line import AskLine

HERE = ("again",)
"""The place of the dialog in the table of actions."""
WIDTH = 72
"""Cells of a line in a dialog, where the terminal has them."""
LABEL_WIDTH, KEY_WIDTH = 10, 6
MOST_ATTEMPTS = int(RANGES["jobs.attempts"][1])
AS_IT_WAS = "This Job was not started from this machine, so it runs again exactly as it was"


class Again(NamedTuple):
    """What a person chose."""

    resume: bool
    """The same run, from its newest kept checkpoint; else a new one, from the first step."""
    changes: Changes


class AgainDialog(Modal[Again | None]):
    """Returns how the run is started again, or None."""

    AUTO_FOCUS = ""
    CSS = """
    AgainDialog #again-dialog { overflow-y: hidden; }
    AgainDialog #again-body, AgainDialog #again-foot { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings("again")

    def __init__(
        self,
        run: Run,
        spec: RunSpec | None,
        engine: Engine,
        flavors: Sequence[Flavor],
        *,
        resume: bool,
        takes_changes: bool,
        rival: Callable[[bool], str],
    ) -> None:
        """`spec`: what the run was started with; None if unknown. `flavors`: those known; read if there are none.

        `takes_changes` is what `Engine.takes_changes` says. `rival` says beside which run under way this one would be
        resumed (True) or started again (False), in one sentence; empty: none.
        """
        super().__init__()
        self._run, self._engine, self._rival = run, engine, rival
        self._before = as_before(run, spec)
        self._flavors = self._sorted(flavors)
        self._resume = resume and run.resumable
        self._takes_changes = takes_changes
        self._longer = longer_in(run.hint or "") if takes_changes else None
        """The limit that is proposed after one that was too short, seconds; None: no proposal."""
        self._changes = Changes(timeout_seconds=self._longer)
        self._payers: tuple[str, ...] = ()
        self._problem = ""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="again-dialog"):
            with VerticalScroll(id="again-body", can_focus=False):  # the keys are those of the dialog
                yield Static(id="again", markup=False)
            yield Static(id="again-foot", markup=False)
            yield AskLine()

    def on_mount(self) -> None:
        self._draw()
        self._ask_engine()

    @on(events.Resize)
    @on(events.DescendantFocus)
    @on(events.DescendantBlur)
    def _room_changed(self) -> None:
        """The screen has another size, or the input was opened or closed."""
        self.call_after_refresh(self._draw)

    @work
    async def _ask_engine(self) -> None:
        """Reads prices, if they are not known, and who may pay."""
        try:
            if not self._flavors:
                self._flavors = self._sorted(await self._engine.hardware())
            account = await self._engine.account()
            self._payers = (account.name, *account.orgs)
        except SmoltuiError as error:
            self._problem = error.message
        self._draw()

    def _sorted(self, flavors: Sequence[Flavor]) -> list[Flavor]:
        """Those with an accelerator and the one that the run had, the cheapest first."""
        able = [flavor for flavor in flavors if flavor.count or flavor.name == self._before.flavor]
        return sorted(able, key=lambda flavor: flavor.usd_per_minute or 0.0)

    # -- what is shown

    @property
    def _now(self) -> Changes:
        """What it would be started with."""
        return self._changes.over(self._before)

    @property
    def _seconds(self) -> int:
        return self._now.timeout_seconds or HUB_TIMEOUT_SECONDS

    @property
    def _attempts(self) -> int:
        return self._now.attempts or 1

    @property
    def _flavor(self) -> Flavor | None:
        return next((flavor for flavor in self._flavors if flavor.name == self._now.flavor), None)

    @property
    def _limit_words(self) -> str:
        before = self._run.timeout_seconds
        short = self._longer is not None and before is not None and self._seconds > before
        return f"{as_time(self._seconds)}{f' · {as_time(before)} was too short' if short else ''}"

    def _draw(self) -> None:
        if not self.query("#again-foot"):
            return  # it was closed while the engine was asked
        width = min(WIDTH, self.app.size.width - 4)
        low = self.app.size.height < LOW
        foot = self._foot(width, low=low)
        self.query_one("#again", Static).update(self._body(width, low=low))
        self.query_one("#again-foot", Static).update(foot)
        # What is left of the screen beside the border, the foot and the input.
        below = len(foot.plain.splitlines()) + self.query_one(AskLine).asking
        self.query_one("#again-body").styles.max_height = max(1, self.app.size.height - 2 - below)

    def _body(self, width: int, *, low: bool) -> Text:
        run, now, flavor = self._run, self._now, self._flavor
        start = f"the checkpoint of step {run.kept_step}" if self._resume else "the first step, as a new run"
        priced = (price(flavor) if width == WIDTH else rate(flavor)) if flavor else "price unknown"
        change = self._takes_changes
        rows = [
            ("from", start, "space" if run.resumable else ""),
            ("flavor", f"{safe_line(now.flavor or '–', 30)} · {priced}", "← →" if change else ""),
            ("limit", self._limit_words, "e" if change else ""),
            ("payer", safe_line(now.namespace or "–", 40), "@" if change and self._payers[1:] else ""),
            ("attempts", str(self._attempts), "+ -" if change else ""),
        ]
        room = width - 1 if low else width  # the scrollbar may take a cell
        title = Text(f"{'Resume' if self._resume else 'Run again'}: {safe_line(run.name, 40)}", "bold", no_wrap=True)
        title.truncate(room, overflow="ellipsis")
        lines = [title, *([] if low else [Text()])]
        lines += [
            row(label, Text(words), key, room, places=HERE, label_width=LABEL_WIDTH, key_width=KEY_WIDTH)
            for label, words, key in rows
        ]
        lines += [*([] if low else [Text()])]
        uses = "Uses the original recipe and the current data files"
        lines.append(Text(f" {uses if self._takes_changes else AS_IT_WAS}.", "dim"))
        if self._resume and (kept := kept_elsewhere(run, self._changes)):
            lines.append(Text(f" {safe_line(redact(kept), 200)}.", "yellow"))
        if self._problem:
            lines.append(Text(f" {safe_line(redact(self._problem), 200)}", "yellow"))
        return Text("\n").join(lines)

    def _foot(self, width: int, *, low: bool) -> Text:
        """The cost and the keys that answer: always in view."""
        run, flavor = self._run, self._flavor
        most = usd(worst_cost(flavor, self._seconds, self._attempts)) if flavor is not None else "unknown"
        cost = Text(no_wrap=True).append(f" COSTS AT MOST  {most}", "bold")
        if self._attempts > 1:
            cost.append(f"  {limit_words(self._seconds, self._attempts)}", "dim")
        before = sum(part.seconds for part in run.parts) or (run.duration(0.0) if run.finished_at else None)
        if self._resume and before:
            cost.append(f"  in addition to {as_time(run.duration(run.finished_at or 0.0))} before", "dim")
        cost.truncate(width, overflow="ellipsis")
        verb = "resume" if self._resume else "start"
        yes, no = (f" {shown_key(self, key)} " for key in ("y", "n"))
        said = f" {verb} · at most {most}   "
        if len(yes) + len(said) + len(no) + len(" cancel") > width:
            said = f" {verb}   "
        answers = Text(no_wrap=True).append(yes, "reverse").append(said).append(no, "reverse").append(" cancel")
        return Text("\n").join([cost, answers] if low else [Text(), cost, Text(), answers])

    # -- keys

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        if self.is_mounted and self.query_one(AskLine).asking and action != "back":
            return None  # the key types a character
        if action == "start_point" and not self._run.resumable:
            return "No checkpoint of this run is left, so it starts from the first step"
        if action in ("flavor", "limit", "payer", "attempts") and not self._takes_changes:
            return AS_IT_WAS
        return ""

    def action_start_point(self) -> None:
        self._resume = not self._resume
        self._draw()

    def action_flavor(self, by: int) -> None:
        names, had = [flavor.name for flavor in self._flavors], self._before.flavor or ""
        if names:
            if had not in names:
                names.insert(0, had)  # the Hub does not list it any more; there is a way back to it all the same
            at = names.index(self._now.flavor or "") + by
            self._changes = replace(self._changes, flavor=names[max(0, min(at, len(names) - 1))])
            self._draw()

    def action_limit(self) -> None:
        self._ask_limit("time limit:", as_timeout(self._seconds))

    def _ask_limit(self, question: str, value: str) -> None:
        self.query_one(AskLine).ask(question, "a number and one of s, m, h, d, such as 90m", self._limit_given, value)

    def _limit_given(self, text: str) -> None:
        try:
            seconds = timeout_seconds(text)
        except (ValueError, OverflowError) as error:
            self._ask_limit(f"{str(error).rstrip('.')}:", text)
            return
        self._changes = replace(self._changes, timeout_seconds=seconds)
        self._draw()

    def action_payer(self) -> None:
        """The next of the account and its organizations."""
        now = self._now.namespace or ""
        if self._payers:
            at = self._payers.index(now) + 1 if now in self._payers else 0
            self._changes = replace(self._changes, namespace=self._payers[at % len(self._payers)])
            self._draw()

    def action_attempts(self, by: int) -> None:
        wanted = max(1, min(self._attempts + by, MOST_ATTEMPTS))
        self._changes = replace(self._changes, attempts=wanted)
        self._draw()

    def action_answer(self, answer: bool) -> None:
        if not answer:
            self.dismiss(None)
        elif other := self._rival(self._resume):
            self.app.push_screen(start_another(other), self._answered_twice)
        else:
            self._answered_twice(True)

    def _answered_twice(self, answer: bool | None) -> None:
        if answer:
            self.dismiss(Again(self._resume, self._changes))

    def action_scroll(self, by: int) -> None:
        self.query_one("#again-body").scroll_relative(y=by, animate=False)

    def action_back(self) -> None:
        line = self.query_one(AskLine)
        if line.asking:
            line.stop()
        else:
            self.dismiss(None)
