"""The selected run: its events as they arrive, its curves, and the two lines about its state."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import replace

from rich.style import Style
from rich.text import Text
from textual import on, work
from textual.widgets import ContentSwitcher, Static

from smoltui.backends.runs.acts import STARTING
from smoltui.backends.runs.followed import Followed
from smoltui.backends.system.paths import shown_path
from smoltui.backends.system.threads import in_thread
from smoltui.core.runs import events
from smoltui.core.runs.acts import Mark
from smoltui.core.runs.next_words import in_the_room, key_in
from smoltui.core.runs.pace import Pace, as_span, as_time
from smoltui.core.runs.panels import said_share
from smoltui.core.runs.run import Run, Stage, expected_seconds
from smoltui.core.runs.tracker import tracker_link
from smoltui.core.runs.verdict import survived
from smoltui.core.runs.wording import PHASES, in_words
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe_line
from smoltui.screens.runs.charting import TINY, Charting
from smoltui.screens.runs.columns import STAGE_STYLES
from smoltui.screens.runs.head_lines import in_lines
from smoltui.screens.runs.log_tail import LogTail
from smoltui.screens.runs.log_view import LogView
from smoltui.screens.runs.reading_line import ReadingLine
from smoltui.screens.runs.run_list import RunList
from smoltui.widgets.next_step import next_step

LINES_AT_ONCE = 200
"""Lines added to the log before a key gets its turn: about 3 ms."""
SLICE_SECONDS = 0.002
"""Time for which events are read before a key gets its turn."""
MOST_WAITING = 20_000
"""Maximum number of lines waiting to be added to the log."""
BATCH_SECONDS = 0.1
"""New lines are drawn at most ten times a second."""
MOST_LINES = 2
"""Lines for why a run ended, and as many for what is next."""
MOST_REASON = 300
"""Characters of why a run ended."""
WHOLE_ID = 98
"""Cells from which the whole id of a run is shown: a Job's has 24 letters, and the list has the first eight."""
KEY_SECONDS = 0.05
"""Time in which a key takes effect on the screen."""
SETTLE_SECONDS = 0.15
"""Delay before the log is opened, so that a cursor passing by opens none."""


class Following(Charting, ReadingLine):
    """The lower part of the room, except what the engine is asked on demand (`Asking`)."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[tuple[str, float | None]] = []
        self._due = False
        self._offered: tuple[bool | None, ...] = ()
        self._head_shown: Text | None = None
        self._drawn_at = 0.0
        self._tracker: str | None = None
        """Address of the Trackio Space, once the log names it."""

    @on(RunList.Highlighted)
    def _on_highlighted(self, message: RunList.Highlighted) -> None:
        self.workspace.remember("runs.run", message.run_id or "")
        self._follow(message.run_id)

    @work(group="follow", exclusive=True)
    async def _follow(self, run_id: str | None) -> None:
        """Follows one run from its first line and shows it until the cursor moves on."""
        if self._run is not None:
            await asyncio.sleep(SETTLE_SECONDS)
        run = self.workspace.runs.get(run_id) if run_id else None
        if run is not None and not run.history.loaded:
            await in_thread(run.history.load)
        followed = self.workspace.monitor.follow(run) if run is not None else None
        self._pace, self._lines, self._tracker = Pace(), [], None
        self._run = None
        if followed is not None:
            self._pace, self._run = followed.pace, followed.run
        self.query_one(LogView).clear()
        self.query_one(LogTail).clear()
        self.forget_reading()
        self.run_changed()
        if followed is None:
            self._draw()
            return
        # What the list knows is shown at once; reading the log then starts at its first line.
        self._draw(run)
        paused = time.monotonic()
        try:
            async with aclosing(followed.events()) as stream:
                async for event in stream:
                    self._take(event, followed)
                    while len(self._lines) > MOST_WAITING:  # more than can be drawn, so the engine has to wait
                        await asyncio.sleep(BATCH_SECONDS / 10)
                    if time.monotonic() - paused > SLICE_SECONDS:  # a long log must not delay keys
                        await self._rest()
                        paused = time.monotonic()
        except SmoltuiError as error:
            self._lines.append((f"smoltui: {error.message}. {error.hint}", None))
            self._draw_soon()

    def _take(self, event: events.Event, followed: Followed) -> None:
        if isinstance(event, events.LogLine):  # up to 100 000 of them per second
            text = event.text
            if "\n" in text:
                self._lines += [(line, event.at) for line in text.split("\n")]
            else:
                self._lines.append((text, event.at))
            if text.startswith("* "):
                self._tracker = tracker_link(text) or self._tracker
        else:
            if words := in_words(event, followed.run.max_steps):
                self._lines += [(line, event.at) for line in words.split("\n")]
            self._run = followed.run
        if not self._due:
            self._draw_soon()

    def _draw_soon(self) -> None:
        if not self._due:
            self._due = True
            self.set_timer(BATCH_SECONDS, self._draw)

    def _draw(self, known: Run | None = None) -> None:
        """Adds new lines to the log and draws the state of the run; of a burst, the first part."""
        self._due = False
        self._put(known)
        if self._lines:
            self._due = True
            self._draw_rest()

    @work(group="burst", exclusive=True)
    async def _draw_rest(self) -> None:
        """Draws the rest of a burst in parts, between which keys are handled."""
        while self._lines:
            await self._rest()
            self._put()
        self._due = False

    async def _rest(self) -> None:
        """Yields to other tasks; longer after a key, which passes through many of them on its way to the screen."""
        await asyncio.sleep(KEY_SECONDS / 10 if self.workspace.pressed_within(KEY_SECONDS) else 0)

    def _put(self, known: Run | None = None) -> None:
        lines, self._lines = self._lines[:LINES_AT_ONCE], self._lines[LINES_AT_ONCE:]
        # A burst is drawn at most ten times per second.
        now = time.monotonic()
        every = BATCH_SECONDS * (3 if self.workspace.pressed_within(BATCH_SECONDS) else 1)  # keys take precedence
        seen = not self._lines or now - self._drawn_at >= every
        self.query_one(LogView).extend([text for text, _ in lines], [at for _, at in lines], draw=seen)
        self.query_one(LogTail).extend([text for text, _ in lines], draw=seen)
        if seen:
            self._drawn_at = now
            self.draw_charts_of(known or self._run)
            self.read_soon(known or self._run)
            self.show_head()

    def follow_on(self) -> None:
        """Follows the run again from its first line if the list says that it was resumed."""
        run, known = self._run, self.known
        if run is None or known is None:
            return
        if len(known.parts) > len(run.parts):  # another Job continues it
            self._follow(known.id)
            return
        # The list can be older than the end of the log: only a later start means that it was resumed, and it may have
        # ended since.
        began, followed = known.started_at, run.started_at
        if run.is_final and began is not None and followed is not None and began > followed:
            self._follow(known.id)

    def run_changed(self) -> None:
        """Called when another run was selected."""
        raise NotImplementedError

    # -- the lines about its state

    def show_head(self) -> None:
        """Draws the lines, and the keys if what they offer has changed."""
        head = self.query_one("#run-head", Static)
        run, known, width = self._run, self.known, self.size.width - 2
        if run is None or known is None:
            self._head_shown = None
            head.update(self._start_lines(), layout=False)
            head.styles.height = None
            return
        second = self.query_one(LogView).status if self.view == "log" else self._standing(known, run, width)
        mark = self.workspace.acts.mark(known)
        rests = known.is_final or known.stage == Stage.SCHEDULING or (mark is not None and mark.failed)
        most = MOST_LINES if rests and self.size.height >= TINY else 1
        lines = self._identity_lines(known, run, width, most) + in_lines(second, width, most)
        lines += self.reading_lines(width)
        offered = tuple(self.check_action(action, ()) for action in ("cancel", "ask_models", "pause", "rerun"))
        if offered != self._offered:
            self._offered = offered
            self.refresh_bindings()
        text = Text("\n").join(lines)
        if text != self._head_shown:
            self._head_shown = text
            head.update(text, layout=False)
            head.styles.height = len(lines)

    def _start_lines(self) -> Text:
        """The lines about the row of a run that is being started, or could not be; empty on any other row."""
        row, text = self.query_one(RunList).highlighted, Text(no_wrap=True, overflow="ellipsis")
        mark = self.workspace.acts.mark(row) if row is not None and row.stage == STARTING else None
        if row is None or mark is None:
            return text
        text.append(safe_line(row.name, 30), "bold").append("  ").append(mark.short, _mark_style(mark))
        text.append("  ").append(safe_line(redact(mark.words), 300), "yellow")
        if mark.failed:
            text.append(f"\n{safe_line(redact(row.message or ''), 300)}  ").append("X removes this row", "dim")
        return text

    def _identity_lines(self, known: Run, run: Run, width: int, most: int) -> list[Text]:
        """The first line; why a run waits or ended, or an act on it failed, has lines of its own, at most so many, if
        it does not fit there."""
        line = self._identity(known, run, width)
        if most == 1 or line.cell_len <= width:
            return in_lines(line, width, 1)
        mark = self.workspace.acts.mark(known)
        reasons = filter(None, (mark.words if mark is not None else "", known.message))
        reason = Text(safe_line(redact(" · ".join(reasons)), MOST_REASON), "yellow")
        short = self._identity(replace(known, message=None), run, width, details=False)
        return [*in_lines(short, width, 1), *(in_lines(reason, width, most) if reason else [])]

    def _identity(self, known: Run, run: Run, width: int, *, details: bool = True) -> Text:
        """Name, stage, phase, cost, warnings, and why it is in this stage; with `details`, of an act on it, too."""
        line = Text(no_wrap=True, overflow="ellipsis")
        shown_id = run.id if width >= WHOLE_ID else run.id[:8]
        line.append(safe_line(run.name, 30), "bold").append(f"  {shown_id}  ", "dim")
        line.append(safe_line(known.stage, 20), STAGE_STYLES.get(known.stage, ""))
        if (mark := self.workspace.acts.mark(known)) is not None:
            words = f" {safe_line(redact(mark.words), 200)}" if details else ""
            line.append(f"  {mark.short}", _mark_style(mark)).append(words.rstrip())
        monitor = self.workspace.monitor
        phase, rests = PHASES.get(run.phase or "", run.phase), known.is_final or known.stage == Stage.SCHEDULING
        so_far = monitor.cost(known, time.time())
        cost = self.cost_words(known, so_far)
        parts: list[tuple[str, str | Style]] = [
            (safe_line(phase, 40) if phase and not rests else "", ""),
            ("cost unknown" if cost and so_far is None else f"{cost} USD" if cost else "", "dim"),
            ("Trackio" if self._tracker else "", Style(color="cyan", underline=True, link=self._tracker)),
            *((warned.word, "bold yellow") for warned in monitor.warned.get(run.id, ())),
            (safe_line(redact(known.message or ""), 200), "yellow" if known.is_final else "dim"),
            (safe_line(redact(self.broken(known) or ""), 120), "yellow"),
        ]
        for words, style in parts:
            if words:
                line.append("  ").append(words, style)
        return line

    def broken(self, run: Run) -> str | None:
        """Why no new log lines arrive, if the engine knows: the connection broke."""
        return None if run.is_final else self.engine_of(run).connection(run.id)

    def _standing(self, known: Run, run: Run, width: int) -> Text:
        if known.is_final:
            return self._outcome(known, run)
        if not run.max_steps:  # the list may have read further
            run = replace(run, bar_steps=known.max_steps)
        return self._progress(run, width, waits=known.stage == Stage.SCHEDULING)

    def _progress(self, run: Run, width: int, *, waits: bool) -> Text:
        """A bar with its length and percent, so that it can be read without colors. `waits`: it has no pace now."""
        if not run.max_steps:
            return Text("not started yet" if waits else "number of steps unknown yet", "dim")
        share = run.step / run.max_steps
        words = f" {said_share(share)}  {run.step}/{run.max_steps} steps"
        rate = None if waits else self._pace.steps_per_second()
        if rate:
            pace = f"{rate:.2g} step{'' if f'{rate:.2g}' == '1' else 's'}/s"
            words += f" · {pace} · {as_time(self._pace.seconds_left(run.step, run.max_steps))} left"
        if then := self.then_words(run):
            words += f" · then: {then}"
        cells = max(5, min(60, width - len(words) - 2))
        done = min(cells, round(cells * share))
        text = Text("[", "dim", no_wrap=True)
        text.append("█" * done, "not dim green").append("░" * (cells - done)).append("]")
        return text.append(words, "not dim")

    def then_words(self, run: Run) -> str:
        """What follows the run; empty if nothing does."""
        chain = self.workspace.monitor.follow_ups.get(run.id)
        return chain.summary() if chain is not None else ""

    def _outcome(self, known: Run, run: Run) -> Text:
        text = Text(no_wrap=True)
        following = next_step(self, self.end_of(known))
        if known.stage == Stage.COMPLETED:
            took = as_time(known.duration(time.time()))
            text.append(f"{following}  ", "bold")  # first: in a narrow terminal the rest may be cut
            steps = max(run.step, known.step)  # the log may still be being read; and a Job need not train
            text.append(f"{steps} steps in {took}" if steps else f"took {took}")
            if expected := expected_seconds(known.raw.get("spec")):
                trained = run.trained_seconds or known.trained_seconds
                text.append(f" (training {as_time(trained)}" if trained else " (", "dim")
                text.append(f"{', ' if trained else ''}expected {as_span(*expected)})", "dim")
            if run.moved is not None:
                text.append(f" · {said_share(run.moved)} of the weights changed", "dim")
            known = replace(
                known, pushed_to=known.pushed_to or run.pushed_to, model_path=run.model_path or known.model_path
            )
            if saved := known.saved_to:
                text.append(f" · saved to {safe_line(shown_path(saved), 200)}", "dim")
            elif known.disk_deleted and (left := survived(known)):
                text.append(f" · {safe_line(redact(left[:1].lower() + left[1:]), 200)}", "dim")
        else:
            text.append(following, "bold")
            verdict = self.workspace.monitor.verdict(known)
            if verdict is not None:
                if f" {key_in(verdict.next)} to " not in following:
                    text.append(f"  {safe_line(redact(in_the_room(verdict.next)), 300)}", "dim")
                if verdict.survived:
                    text.append(f"  {safe_line(redact(verdict.survived), 200)}", "dim")
        return text

    def bring(self, view: str) -> None:
        """Brings a view to the front."""
        self.query_one(ContentSwitcher).current = view
        self.refresh_bindings()
        self.show_head()


def _mark_style(mark: Mark) -> str:
    return "bold red" if mark.failed else "bold yellow"
