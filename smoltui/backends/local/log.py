"""The log file of a local run: what it says about the run, without reading all of it as text; and its lines.

`RunLog` searches only for our events and skips the text between them at memory speed, a piece at a time, so a log of
300 MB takes tenths of a second once; the result is saved beside the log (`summary.py`). The curve is read on demand.
`LineReader` (`log_lines.py`) returns every line, for whoever shows the log.

The supervisor and the script write to one file. A stage counts only if the supervisor wrote it (`from_supervisor`):
anything that the script or a library prints is text, even if it looks like the end of the run.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from smoltui.backends.local.log_events import (
    BEFORE_OURS,
    EVENT,
    PHASE,
    RARE,
    before_ours,
    counts,
    event_at,
    lines_before_ours,
    newest_figures,
    rest_of_line,
    step_and_names,
)
from smoltui.backends.local.log_history import LogHistory
from smoltui.backends.local.log_pieces import Pieces
from smoltui.core.runs import events
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import InputError


@dataclass
class RunLog:
    """Scans the new part of a log file, and updates the run with its events."""

    path: Path
    run: Run
    key: str | None = None
    """The run's key (`from_supervisor`)."""
    pieces: Pieces = field(init=False)
    history: LogHistory = field(init=False)
    reader: events.Reader = field(default_factory=events.Reader)
    finished: events.Finished | None = None
    """The script reported its end: at its last step, or at the step after which it paused."""
    failed: events.Failed | None = None
    health: events.HealthChanged | None = None
    """The newest one of the newest part."""
    checkpoints: set[str] = field(default_factory=set)
    """Paths of the checkpoints that it reported."""
    begun: int = 0
    """Offset of the newest part of the run, bytes."""
    saved: int = 0
    """Offset up to which the last summary was saved, bytes."""

    def __post_init__(self) -> None:
        self.pieces, self.history = Pieces(self.path), LogHistory(self.path)
        self.run = replace(self.run, history=self.history)

    @property
    def offset(self) -> int:
        """Offset up to which it was scanned, bytes."""
        return self.pieces.offset

    def read(self, *, to_end: bool = False) -> None:
        """Scans the new part. With `to_end`, including an unfinished last line."""
        with suppress(InputError):  # reported by those who show the log
            for data in self.pieces.read(to_end=to_end):
                self._look_through(data, self.pieces.offset - len(data))
        if self.history.loaded:
            self.history.load()

    def _look_through(self, data: bytes, place: int) -> None:
        """Takes over the events of a piece, which begins at offset `place`."""
        done = self._take_until_ours(data, place)
        if self.reader.ours and data.find(EVENT, done) >= 0:
            floor = self._take_rare(data, done, place)
            self._take_newest(data, done, floor, place)

    def _take_until_ours(self, data: bytes, place: int) -> int:
        """Takes over the events before the first one of our script; returns the offset in `data` behind them."""
        done = 0
        if not self.reader.ours:
            spans = lines_before_ours(data, BEFORE_OURS)
            if len(spans) >= BEFORE_OURS:  # lines were skipped, and one of them may have a newer value
                self.history.lasts = {}
            for done, event in before_ours(data, spans, self.reader, self.key):
                self._take(event, place + done)
                if isinstance(event, events.Metrics):
                    self.history.lasts |= event.values
        return done

    def _take_rare(self, data: bytes, begin: int, place: int) -> int:
        """Takes over all events but metrics and progress; returns the offset in `data` where training (re)starts."""
        floor = 0
        phases: list[int] = []
        for match in RARE.finditer(data, begin):
            at = match.start()
            if data.startswith(PHASE, at):  # one after each evaluation, and only the newest counts
                phases.append(at)
                continue
            event = event_at(data, at)
            if event is None or not counts(event, rest_of_line(data, at), self.key):
                continue
            if isinstance(event, events.Planned):
                floor = at  # earlier steps belong to another part of the run
            self._take(event, place + at)
        for at in reversed(phases):
            # The object may have a second "event": then it is another one, which only `counts` could let in.
            if isinstance(event := event_at(data, at), events.PhaseChanged):
                self._take(event, place + at)
                break
        return floor

    def _take_newest(self, data: bytes, begin: int, floor: int, place: int) -> None:
        """Takes over the newest metrics and progress; steps before `floor` belong to another part of the run."""
        whole, metrics, progress = newest_figures(data, begin)
        if progress >= floor and (last := event_at(data, progress)) is not None:
            self._take(last, place)
        newest: dict[str, float] = {}
        names: set[bytes] = set()
        step = self.run.step
        for at in metrics:
            found = step_and_names(rest_of_line(data, at))
            if found is not None and found[1] <= names:  # later lines have newer values of the same names
                said = found[0]
            elif isinstance(event := event_at(data, at), events.Metrics):
                newest = {**event.values, **newest}
                names |= found[1] if found is not None else set()
                said = event.step
            else:
                continue
            if at >= floor:
                step = max(step, said)
        if step > self.run.step:
            self.run = replace(self.run, step=step)
        if metrics:  # older values are still the newest only if no line in between was skipped
            self.history.lasts = {**(self.history.lasts if whole else {}), **newest}

    def _take(self, event: events.Event, place: int) -> None:
        event = events.redacted(event)
        match event:
            case events.Metrics(step=step):
                self.run = replace(self.run, step=max(step, self.run.step))
                return  # the curve is read from the log on demand
            case events.StageChanged(stage=Stage.RUNNING):
                self.failed, self.finished, self.begun = None, None, place  # those of the part before it
            case events.CheckpointSaved(path=path):
                self.checkpoints.add(path)
            case events.Planned():
                self.health = None
            case events.HealthChanged():
                self.health = event
            case events.Failed():
                self.failed = event
            case events.Finished():
                self.finished = event
        self.run = self.run.after(event)
