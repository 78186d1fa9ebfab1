"""Runs: local runs and Jobs in one list; curves, log and everything known of the one under the cursor."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing
from dataclasses import replace
from typing import ClassVar

from rich.text import Text
from textual import events as textual_events
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.widgets import ContentSwitcher, Static

from smoltui.backends.project import shown_path
from smoltui.core import events
from smoltui.core.metrics import METRICS, History
from smoltui.core.pace import Pace, as_time
from smoltui.core.run import Run, Stage
from smoltui.core.wording import PHASES, in_words
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe, safe_line
from smoltui.screens.dialogs import Confirm
from smoltui.screens.room import Room
from smoltui.widgets.log_view import LogView
from smoltui.widgets.metric_chart import MetricChart
from smoltui.widgets.run_list import STAGE_STYLES, RunList, heading

CHARTS = (
    ("chart-loss", "loss"),
    ("chart-margin", "rewards/margins"),
    ("chart-accuracy", "rewards/accuracies"),
    ("chart-chosen", "rewards/chosen"),
)
BATCH_SECONDS = 0.1
"""New lines are drawn at most ten times a second."""
SETTLE_SECONDS = 0.15
"""A cursor that only passes a run does not open its log."""


class RunsRoom(Room):
    """The list above, one run below."""

    MODE = "runs"
    CSS_PATH = "runs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "view('curves')", "Curves"),
        Binding("l", "view('log')", "Log"),
        Binding("i", "view('inspect-scroll')", "Inspect"),
        Binding("f", "follow", "Follow"),
        Binding("c", "cancel", "Cancel"),
        Binding("a", "ask", "Ask"),
        Binding("enter", "full", "Hide the list", show=False),
        Binding("escape", "list", "Show the list", show=False),
        Binding("r", "refresh", "Refresh", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._run: Run | None = None
        self._wanted: str | None = None
        self._pace = Pace()
        self._lines: list[str] = []
        self._due = False
        self._offered: tuple[bool | None, ...] = ()
        self._head_shown: Text | None = None

    def compose_room(self) -> ComposeResult:
        yield Static(id="run-heading", markup=False)
        yield RunList(id="run-list")
        yield Static(id="engine-note", markup=False)
        yield Static(id="run-head", markup=False)
        by_key = {metric.key: metric for metric in METRICS}
        with ContentSwitcher(id="run-views", initial="curves"):
            with Container(id="curves"):
                for chart, key in CHARTS:
                    yield MetricChart(by_key[key], id=chart)
            yield LogView(id="log")
            with VerticalScroll(id="inspect-scroll"):
                yield Static(id="inspect", markup=False)

    def on_mount(self) -> None:
        self.watch(self.smoltui, "runs", self._show_runs)
        self.watch(self.smoltui, "runs_errors", self._show_errors)
        self.query_one(RunList).focus()
        self.set_interval(1.0, self._tick)

    def on_resize(self, event: textual_events.Resize) -> None:
        self.query_one("#run-heading", Static).update(heading(event.size.width))
        self.set_class(event.size.height < 30, "short")
        self.set_class(event.size.height < 16 or event.size.width < 60, "tiny")

    def on_screen_resume(self) -> None:
        self.smoltui.look_at_runs(jobs=True)

    def show_run(self, run_id: str) -> None:
        """Moves the cursor to a run, and shows its curves; it may arrive in the list a moment later."""
        self._wanted = run_id
        self.query_one(ContentSwitcher).current = "curves"
        if self.query_one(RunList).select(run_id):
            self._wanted = None

    # -- what is shown

    def _show_runs(self, runs: dict[str, Run]) -> None:
        listed = self.query_one(RunList)
        listed.show(list(runs.values()))
        if self._wanted and listed.select(self._wanted):
            self._wanted = None

    def _show_errors(self, errors: dict[str, SmoltuiError]) -> None:
        note = self.query_one("#engine-note", Static)
        note.display = bool(errors)
        parts = [
            f" {'Jobs' if name == 'hub' else name}: {error.message} → {error.hint}" for name, error in errors.items()
        ]
        note.update(Text(safe_line(redact("; ".join(parts))), no_wrap=True, overflow="ellipsis"))

    def _tick(self) -> None:
        if self.is_current:
            self.query_one(RunList).tick()
            if self._run is not None:
                self._show_head()

    @on(RunList.Highlighted)
    def _on_highlighted(self, message: RunList.Highlighted) -> None:
        self._follow(message.run_id)

    @work(group="follow", exclusive=True)
    async def _follow(self, run_id: str | None) -> None:
        """Reads one run from its first line and shows what it says, until the cursor goes elsewhere."""
        if self._run is not None:
            await asyncio.sleep(SETTLE_SECONDS)
        run = self.smoltui.runs.get(run_id) if run_id else None
        self._pace, self._lines = Pace(), []
        self._run = replace(run, history=History(), step=0) if run else None
        self.query_one(LogView).clear()
        if run is None:
            self._draw()
            return
        # What the list knows is shown at once; the log then tells it again from its first line.
        self._draw(run)
        engine = self.smoltui.services.engines[run.engine]
        paused = time.monotonic()
        try:
            async with aclosing(engine.follow(run.id)) as stream:
                async for event in stream:
                    self._take(event)
                    if time.monotonic() - paused > 0.02:  # a long log must not hold up the keys
                        await asyncio.sleep(0)
                        paused = time.monotonic()
        except SmoltuiError as error:
            self._lines.append(f"smoltui: {error.message}. {error.hint}")
            self._draw_soon()

    def _take(self, event: events.Event) -> None:
        assert self._run is not None
        if words := in_words(event, self._run.max_steps):
            self._lines += words.split("\n")
        match event:
            case events.StageChanged():
                known = self.smoltui.runs.get(self._run.id)
                self._run = self._run.after(event)
                if known is not None and self._run.is_final:
                    self._run = replace(self._run, hint=known.hint, started_at=known.started_at)
            case _:
                self._run = self._run.after(event)
                if isinstance(event, events.Progress | events.Metrics) and event.at is not None:
                    self._pace.observe(event.at, event.step)
        self._draw_soon()

    def _draw_soon(self) -> None:
        if not self._due:
            self._due = True
            self.set_timer(BATCH_SECONDS, self._draw)

    def _draw(self, known: Run | None = None) -> None:
        self._due = False
        lines, self._lines = self._lines, []
        self.query_one(LogView).extend(lines)
        run = known or self._run
        for chart, key in CHARTS:
            points = run.history.series.get(key, []) if run else []
            held_out = run.history.last(f"eval_{key}") if run else None
            self.query_one(f"#{chart}", MetricChart).show(points, held_out)
        self._show_head()

    def _show_head(self) -> None:
        head = self.query_one("#run-head", Static)
        run, width = self._run, self.size.width - 2
        if run is None:
            self._head_shown = None
            head.update("", layout=False)
            return
        known = self.smoltui.runs.get(run.id, run)
        first = Text(no_wrap=True, overflow="ellipsis")
        first.append(safe_line(run.name, 30), "bold").append(f"  {run.id}  ", "dim")
        first.append(safe_line(known.stage, 20), STAGE_STYLES.get(known.stage, ""))
        phase = PHASES.get(run.phase or "", run.phase)
        if phase and not known.is_final:
            first.append(f"  {safe_line(phase, 40)}")
        if known.message:
            first.append(f"  {safe_line(redact(known.message), 200)}", "yellow" if known.is_final else "dim")
        log = self.query_one(LogView)
        if self.query_one(ContentSwitcher).current == "log" and not log.follow:
            first.append(f"  log stays at line {log.top_line} of {log.line_count}, G follows", "cyan")
        second = self._outcome(known, run) if known.is_final else self._progress(run, width)
        for line in (first, second):
            line.truncate(width, overflow="ellipsis")
        offered = (self.check_action("cancel", ()), self.check_action("ask", ()))
        if offered != self._offered:
            self._offered = offered
            self.refresh_bindings()
        text = Text("\n").join([first, second])
        if text != self._head_shown:
            self._head_shown = text
            head.update(text, layout=False)

    def _progress(self, run: Run, width: int) -> Text:
        if not run.max_steps:
            return Text("the number of steps is not known yet", "dim")
        cells = max(5, min(30, width - 50))
        done = min(cells, round(cells * run.step / run.max_steps))
        text = Text(no_wrap=True)
        text.append("━" * done, "green").append("━" * (cells - done), "dim")
        left = as_time(self._pace.seconds_left(run.step, run.max_steps))
        rate = self._pace.steps_per_second()
        text.append(f" {run.step}/{run.max_steps} steps")
        if rate:
            text.append(f" · {rate:.2g} a second · {left} left")
        return text

    def _outcome(self, known: Run, run: Run) -> Text:
        text = Text(no_wrap=True)
        if known.stage == Stage.COMPLETED:
            text.append(f"{run.step} steps in {as_time(known.duration(time.time()))}")
            if run.moved is not None:
                text.append(f" · {run.moved:.0%} of the weights moved")
            if self.check_action("ask", ()):
                text.append("  press a: ask both models", "bold")
            if saved := run.pushed_to or run.model_path or known.model_path:
                text.append(f" · saved to {safe_line(shown_path(saved), 200)}", "dim")
        elif known.hint:
            text.append(safe_line(known.hint, 200))
        elif known.stage == Stage.ERROR:
            text.append("its last words are in the log: press l")
        return text

    # -- keys

    def action_view(self, view: str) -> None:
        self.query_one(ContentSwitcher).current = view
        self.refresh_bindings()
        if view == "log":
            self.query_one(LogView).focus()
        elif view == "inspect-scroll":
            self.query_one("#inspect-scroll").focus()
            self._inspect()
        else:
            self.query_one(RunList).focus()

    @work(group="inspect", exclusive=True)
    async def _inspect(self) -> None:
        target = self.query_one("#inspect", Static)
        if self._run is None:
            target.update("")
            return
        target.update(Text("asking…", "dim"))
        try:
            found = await self.smoltui.services.engines[self._run.engine].inspect(self._run.id)
            text = json.dumps(found, indent=2, ensure_ascii=False, default=str)
        except SmoltuiError as error:
            text = str(error)
        target.update(Text(safe(redact(text))))

    def action_follow(self) -> None:
        log = self.query_one(LogView)
        log.follow = not log.follow
        if log.follow:
            log.action_bottom()
        self.say("The log follows its end" if log.follow else "The log stays where it is; f or G follows again")

    def action_full(self) -> None:
        self.add_class("full")

    def action_list(self) -> None:
        self.remove_class("full")
        self.query_one(RunList).focus()

    def action_refresh(self) -> None:
        self.smoltui.look_at_runs(jobs=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("cancel", "ask"):
            run = self.smoltui.runs.get(self._run.id) if self._run else None
            if action == "cancel":
                return True if run is not None and not run.is_final else None
            mine = run is not None and run.project == str(self.smoltui.project.folder)
            done = run is not None and run.stage == Stage.COMPLETED and run.engine == "local"
            return True if mine and done else None
        if action == "follow" and self.is_mounted:
            return True if self.query_one(ContentSwitcher).current == "log" else None
        return True

    def action_cancel(self) -> None:
        run = self._run
        if run is None:
            return
        lost = "A Job's disk is deleted at its end." if run.engine == "hub" else "What it saved so far stays."
        question = Confirm(f"Cancel the run {run.name} ({run.id})?", lost, "cancel it", "let it run")

        def answered(yes: bool | None) -> None:
            if yes:
                self._cancel(run)

        self.app.push_screen(question, answered)

    @work(group="cancel")
    async def _cancel(self, run: Run) -> None:
        try:
            self.smoltui.take_run(await self.smoltui.services.engines[run.engine].cancel(run.id))
        except SmoltuiError as error:
            self.say(error)

    def action_ask(self) -> None:
        if self._run is not None:
            self.smoltui.ask_models(self._run.id)
