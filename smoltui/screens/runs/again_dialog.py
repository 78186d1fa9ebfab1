"""Runs a Job again, or resumes it: from where, on what, for how long, who pays, and what that costs at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from smoltui.backends.runs.engine import Engine
from smoltui.core.runs.cost import Flavor, price, usd, worst_cost
from smoltui.core.runs.next_words import longer_in
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.rerun import Changes, kept_elsewhere
from smoltui.core.runs.run import HUB_TIMEOUT_SECONDS, Run, timeout_seconds
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe_line
from smoltui.screens.modal import Modal
from smoltui.widgets.actions import bindings, shown_key
from smoltui.widgets.ask_line import AskLine

MOST_ATTEMPTS = 10


class Again(NamedTuple):
    """What a person chose."""

    resume: bool
    """The same run, from its newest kept checkpoint; else a new one, from the first step."""
    changes: Changes


class AgainDialog(Modal[Again | None]):
    """Returns how the run is started again, or None."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = bindings("again")

    def __init__(self, run: Run, engine: Engine, flavors: Sequence[Flavor], *, resume: bool) -> None:
        """`flavors`: those known, the cheapest first; more are read if there are none."""
        super().__init__()
        self._run, self._engine = run, engine
        self._flavors = _sorted(flavors)
        self._resume = resume and run.resumable
        self._changes = Changes(timeout_seconds=longer_in(run.hint or ""))
        self._payers: tuple[str, ...] = ()
        self._problem = ""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(id="again", markup=False)
            yield AskLine()

    def on_mount(self) -> None:
        self._draw()
        self._ask_engine()

    @work
    async def _ask_engine(self) -> None:
        """Reads prices, if they are not known, and who may pay."""
        try:
            if not self._flavors:
                self._flavors = _sorted(await self._engine.hardware())
            account = await self._engine.account()
            self._payers = (account.name, *account.orgs)
        except SmoltuiError as error:
            self._problem = error.message
        self._draw()

    # -- what is shown

    @property
    def _flavor_name(self) -> str:
        return self._changes.flavor or self._run.flavor or ""

    @property
    def _flavor(self) -> Flavor | None:
        return next((flavor for flavor in self._flavors if flavor.name == self._flavor_name), None)

    @property
    def _seconds(self) -> int:
        return self._changes.timeout_seconds or self._run.timeout_seconds or HUB_TIMEOUT_SECONDS

    @property
    def _limit_words(self) -> str:
        before = self._run.timeout_seconds
        short = before is not None and longer_in(self._run.hint or "") is not None and self._seconds > before
        return f"{as_time(self._seconds)}{f' · {as_time(before)} was too short' if short and before else ''}"

    def _draw(self) -> None:
        flavor, run = self._flavor, self._run
        most = usd(worst_cost(flavor, self._seconds)) if flavor is not None else "unknown"
        text = Text()
        text.append(f"{'Resume' if self._resume else 'Run again'}: {safe_line(run.name, 40)}\n\n", "bold")
        start = f"the checkpoint of step {run.kept_step}" if self._resume else "the first step, as a new run"
        rows = [
            ("from", start, "space" if run.resumable else ""),
            ("flavor", f"{safe_line(self._flavor_name, 30)} · {price(flavor) if flavor else 'price unknown'}", "← →"),
            ("limit", self._limit_words, "e"),
            ("payer", safe_line(self._changes.namespace or run.namespace or "–", 40), "@" if self._payers[1:] else ""),
            ("attempts", str(self._changes.attempts or "as before"), "+ -"),
        ]
        for label, words, key in rows:
            text.append(f" {label:<9}", "dim").append(f"{words:<48}").append(f"{shown_key(self, key):>6}\n", "cyan")
        text.append(f"\n COSTS AT MOST  {most}", "bold")
        if (self._changes.attempts or 1) > 1:
            text.append("  for each attempt", "dim")
        before = sum(part.seconds for part in run.parts) or (run.duration(0.0) if run.finished_at else None)
        if self._resume and before:
            text.append(f"  in addition to {as_time(run.duration(run.finished_at or 0.0))} before", "dim")
        text.append("\n Uses the original recipe and the current data files.\n", "dim")
        if self._resume and (kept := kept_elsewhere(run, self._changes)):
            text.append(f" {safe_line(redact(kept), 200)}.\n", "yellow")
        if self._problem:
            text.append(f" {safe_line(redact(self._problem), 200)}\n", "yellow")
        text.append(f"\n {shown_key(self, 'y')} ", "reverse")
        text.append(f" {'resume' if self._resume else 'start'} · at most {most}   ")
        text.append(f" {shown_key(self, 'n')} ", "reverse").append(" cancel")
        for shown in self.query("#again").results(Static):  # none if it was closed while the engine was asked
            shown.update(text)

    # -- keys

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        if self.is_mounted and self.query_one(AskLine).asking and action != "back":
            return None  # the key types a character
        if action == "start_point" and not self._run.resumable:
            return "No checkpoint of this run is left, so it starts from the first step"
        return ""

    def action_start_point(self) -> None:
        self._resume = not self._resume
        self._draw()

    def action_flavor(self, by: int) -> None:
        names = [flavor.name for flavor in self._flavors]
        if names:
            at = names.index(self._flavor_name) + by if self._flavor_name in names else 0
            self._changes = replace(self._changes, flavor=names[max(0, min(at, len(names) - 1))])
            self._draw()

    def action_limit(self) -> None:
        self._ask_limit("time limit:", f"{self._seconds // 60}m")

    def _ask_limit(self, question: str, value: str) -> None:
        self.query_one(AskLine).ask(question, "a number and one of s, m, h, d, such as 90m", self._limit_given, value)

    def _limit_given(self, text: str) -> None:
        try:
            seconds = timeout_seconds(text)
        except (ValueError, OverflowError) as error:
            self._ask_limit(f"{error}:", text)
            return
        self._changes = replace(self._changes, timeout_seconds=seconds)
        self._draw()

    def action_payer(self) -> None:
        """The next of the account and its organizations."""
        now = self._changes.namespace or self._run.namespace or ""
        if self._payers:
            at = self._payers.index(now) + 1 if now in self._payers else 0
            self._changes = replace(self._changes, namespace=self._payers[at % len(self._payers)])
            self._draw()

    def action_attempts(self, by: int) -> None:
        wanted = max(1, min((self._changes.attempts or 1) + by, MOST_ATTEMPTS))
        self._changes = replace(self._changes, attempts=wanted)
        self._draw()

    def action_answer(self, answer: bool) -> None:
        self.dismiss(Again(self._resume, self._changes) if answer else None)

    def action_back(self) -> None:
        line = self.query_one(AskLine)
        if line.asking:
            line.stop()
        else:
            self.dismiss(None)


def _sorted(flavors: Sequence[Flavor]) -> list[Flavor]:
    """Those with an accelerator, the cheapest first."""
    return sorted((flavor for flavor in flavors if flavor.count), key=lambda flavor: flavor.usd_per_minute or 0.0)
