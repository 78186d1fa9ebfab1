"""The line that says what the curves of the selected run show."""

from __future__ import annotations

import time
from functools import partial

from rich.text import Text
from textual import work

from smoltui.backends.system.threads import in_thread
from smoltui.core.runs.reading import PairFacts, Reading, Verdict, read, view_of
from smoltui.core.runs.run import Run
from smoltui.screens.runs.base import RunsBase
from smoltui.screens.runs.head_lines import in_lines
from smoltui.scripts.curve_view import CurveView
from smoltui.widgets.actions import in_own_keys

EVERY_SECONDS = 1.0
"""A growing curve is read again at most this often."""
TALL, WIDE = 30, 100
"""Size from which the reading has two lines."""
STYLES = {
    Verdict.HEALTHY: "bold green",
    Verdict.WATCH: "bold yellow",
    Verdict.NOTHING: "bold red",
    Verdict.BROKEN: "bold red",
}


class ReadingLine(RunsBase):
    """Reads the curves in a thread whenever they have changed, and says what they show."""

    def __init__(self) -> None:
        super().__init__()
        self.reading: Reading | None = None
        """Of the selected run; None until its curves were read."""
        self._read_of: tuple[object, ...] = ()
        """What the reading was made of: run, stage, number of values."""
        self._read_at = 0.0
        self._facts: dict[str, PairFacts | None] = {}
        """Run → what the audit knows of its pairs."""
        self._waits = False

    def forget_reading(self) -> None:
        """Another run was selected."""
        self.reading, self._read_of, self._read_at = None, (), 0.0

    def read_again(self) -> None:
        """Reads the selected run again: its pairs may have been audited meanwhile."""
        self._facts.clear()
        self._read_of = ()
        self.read_soon(self._run)

    def read_soon(self, run: Run | None) -> None:
        """Reads the curves if they have changed, now or a second after the last time."""
        if run is None or not run.history.loaded or self._waits:
            return
        made_of = _made_of(run)
        if made_of == self._read_of:
            return
        wait = self._read_at + EVERY_SECONDS - time.monotonic()
        if wait > 0:
            self._waits = True
            self.set_timer(wait, self._now)
            return
        self._read_of, self._read_at = made_of, time.monotonic()
        self._read(run, _copied(view_of(self.known or run)))

    def _now(self) -> None:
        self._waits = False
        self.read_soon(self._run)

    @work(group="reading", exclusive=True)
    async def _read(self, run: Run, view: CurveView) -> None:
        if run.id not in self._facts:
            from smoltui.backends.runs.pair_facts import pair_facts

            spec = await self.engine_of(run).started_with(run)
            self._facts[run.id] = await in_thread(partial(pair_facts, spec))
        reading = await in_thread(partial(read, view, self._facts[run.id]))
        if self._run is not None and self._run.id == run.id and reading != self.reading:
            self.reading = reading
            self.show_head()

    def reading_lines(self, width: int) -> list[Text]:
        """The reading in one line of the heading, or in two where there is room; empty ones before it is known."""
        height = 2 if self.size.height >= TALL and width >= WIDE else 1
        if self.reading is None:
            return [Text()] * height
        text = reading_text(self.reading, short=height == 1)
        text.append(in_own_keys(self.screen, "  (enter explains)"), "dim")
        lines = in_lines(text, width, height)
        return lines + [Text()] * (height - len(lines))


def reading_text(reading: Reading, *, short: bool) -> Text:
    """`Reading: healthy. …` with the verdict in its color."""
    line = reading.short if short else reading.line
    text = Text("Reading: ", "bold")
    text.append(line[: len(reading.verdict.value)], STYLES.get(reading.verdict, "dim"))
    return text.append(line[len(reading.verdict.value) :], "not bold")


def _made_of(run: Run) -> tuple[object, ...]:
    series = run.history.series
    return (run.id, run.stage, run.max_steps, sum(len(points) for points in series.values()), run.step)


def _copied(view: CurveView) -> CurveView:
    """The curves as they are now: others are added while a thread reads."""
    return CurveView(
        {key: tuple(points) for key, points in view.curves.items()},
        view.planned,
        view.over,
        view.known_beta,
        view.dtype,
    )
