"""The log file of a local run: what it says about the run, found without reading all of it as text; and its lines.

`RunLog` looks for our events alone and skips the text between them at the speed of memory, a piece at a time, so a log
of 300 MB takes tenths of a second once; what it found is kept beside the log (`local_summary.py`). The curve is read
when somebody asks for it. `LineReader` gives every line, for those who read the log itself.
"""

from __future__ import annotations

import os
import re
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from smoltui.backends.system.child import exit_in_words
from smoltui.core.runs import events
from smoltui.core.runs.log_text import OVERLAP, cut_line
from smoltui.core.runs.metrics import History
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import InputError
from smoltui.redaction import BrokenTokens

LINE_LIMIT = 1 << 20
"""Bytes of one line that are looked at; the rest of a longer line is left in the log file."""
CHUNK = 1 << 20
"""Bytes read at a time."""
LAST_LINES = 8
"""Lines of metrics at the end of a piece that are read for the newest values; a curve takes all of them."""
END_OF_PIECE = 1 << 15
"""Bytes at the end of a piece in which its newest figures are looked for first."""
BACK = 1 << 16
"""Bytes read at a time backwards from the end."""
LINES_BEFORE = 64
"""Lines before the ones that are shown which are looked at, for a secret that began there: a private key has fewer."""
END_BYTES = 1 << 20
"""How far before the end the last messages of a run are searched."""

# The source line under a warning, the warning itself, and an event that was cut off say nothing about an end.
_NOISE = re.compile(r'\s|\{"event"|.*\w(?:Warning|WARNING)\b')

_METRICS = re.compile(rb'\{"event"\s*:\s*"metrics"')
_FIGURES = re.compile(rb'\{"event"\s*:\s*"(metrics|progress)"')
_RARE = re.compile(rb'\{"event"\s*:\s*"(?!metrics"|progress"|log")')
_TELLING = re.compile(rb"\{\"event\"|%\||\{'")
"""In a line that may tell steps or metrics before our script has said anything: bars, and what TRL prints, too."""


def open_log(path: Path) -> int:
    """A descriptor of a log. Raises FileNotFoundError where it is not there yet, else InputError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise _unreadable(path, "not a file")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    return descriptor


def _unreadable(path: Path, why: str) -> InputError:
    return InputError(f"The log of this run cannot be read ({why}): {path}", f"Make it readable: chmod u+r {path}")


def _cut(rest: bytes, more: int = 0) -> bytes:
    """The start of a line: of a bar's states the last one, and never more than the limit and `more` bytes."""
    if len(rest) <= LINE_LIMIT + more:
        return rest
    return rest[rest.rfind(b"\r") + 1 :][: LINE_LIMIT + more]


class LineReader:
    """The events of each line of a log, from a place in it on, a piece at a time."""

    def __init__(self, path: Path, offset: int = 0, reader: events.Reader | None = None) -> None:
        self._path, self.offset = path, offset
        self._reader = reader or events.Reader()
        self._rest = b""
        self._broken = BrokenTokens()

    def read(self) -> list[events.Event] | None:
        """The events of the next piece; None when there is nothing new. Raises InputError: it cannot be read."""
        try:
            descriptor = open_log(self._path)
        except FileNotFoundError:
            return None
        try:
            data = os.pread(descriptor, CHUNK, self.offset)
        except OSError as error:
            raise _unreadable(self._path, error.strerror or str(error)) from error
        finally:
            os.close(descriptor)
        if not data:
            return None
        self.offset += len(data)
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = _cut(rest, OVERLAP)
        return [event for line in lines for event in self.events_of(line)]

    def end(self) -> list[events.Event]:
        """The events of a last line that has no newline."""
        line, self._rest = self._rest, b""
        return list(self.events_of(line)) if line else []

    def events_of(self, line: bytes) -> Iterator[events.Event]:
        """What one line says, without secrets; the lines before it are remembered for a secret that began there."""
        text = cut_line(_cut(line, OVERLAP).decode("utf-8", "replace"), LINE_LIMIT)
        yield from events.without_secrets(self._reader, text, self._broken)


def last_lines(path: Path, count: int, *, ours: bool, whole: bool) -> tuple[list[events.Event], LineReader]:
    """The events of the last `count` lines, read from the end, and a reader of what comes after them.

    A line that only says how far it is does not count: nobody reads it. `ours`: the script speaks our format. Without
    `whole`, a last line that has no newline is left to the reader. Raises InputError: it cannot be read.
    """
    reader = LineReader(path, 0, events.Reader(ours=ours))
    try:
        descriptor = open_log(path)
    except FileNotFoundError:
        return [], reader
    kept: list[tuple[int, int]] = []
    before: list[tuple[int, int]] = []
    counted = 0
    try:
        reader.offset = size = os.fstat(descriptor).st_size
        told = events.Reader(ours=ours)
        for begin, end in _lines_backwards(descriptor, size):
            if end == size and (not whole or begin == end):
                reader.offset = begin
                continue
            if counted >= count:
                before.append((begin, end))
                if len(before) >= LINES_BEFORE:
                    break
                continue
            kept.append((begin, end))
            said = told.feed(_line(descriptor, begin, end).decode("utf-8", "replace"))
            counted += any(not isinstance(event, events.Progress) for event in said)
        for begin, end in reversed(before):
            list(reader.events_of(_line(descriptor, begin, end)))
        found = [list(reader.events_of(_line(descriptor, begin, end))) for begin, end in reversed(kept)]
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    finally:
        os.close(descriptor)
    shown = [line for line in found if any(not isinstance(event, events.Progress) for event in line)]
    return [event for line in shown for event in line], reader


def _line(descriptor: int, begin: int, end: int) -> bytes:
    return os.pread(descriptor, min(end - begin, LINE_LIMIT + OVERLAP), begin)


def _lines_backwards(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Where each line begins and ends (without its newline), the last one first; that one may be empty."""
    end = place = size
    while place > 0:
        begin = max(0, place - BACK)
        block = os.pread(descriptor, place - begin, begin)
        at = block.rfind(b"\n")
        while at >= 0:
            yield begin + at + 1, end
            end = begin + at
            at = block.rfind(b"\n", 0, at)
        place = begin
    yield 0, end


class Pieces:
    """A log cut into pieces of whole lines, from a place in it on. The end of a line that is too long is left out."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path, self.offset = path, offset
        """`offset`: where the next line begins that was not given yet."""
        self._inside = False
        """What comes next belongs to a line that was too long."""

    def read(self, *, to_end: bool = False) -> Iterator[bytes]:
        """What is new. With `to_end` an unfinished last line counts as one. Raises InputError: it cannot be read."""
        try:
            descriptor = open_log(self.path)
        except FileNotFoundError:
            return
        try:
            while data := os.pread(descriptor, CHUNK, self.offset):
                if self._inside:
                    first = data.find(b"\n") + 1
                    self.offset += first or len(data)
                    self._inside = not first
                    continue
                end = data.rfind(b"\n") + 1
                if not end and len(data) == CHUNK:
                    # Of a bar's states only the last one is of interest; anything else so long is no line.
                    end = data.rfind(b"\r") + 1
                    self._inside = not end
                    self.offset += end or len(data)
                    continue
                if not end and not to_end:
                    return
                piece = data[:end] if end else data
                self.offset += len(piece)
                yield piece
        except OSError as error:
            raise _unreadable(self.path, error.strerror or str(error)) from error
        finally:
            os.close(descriptor)


def _event_at(data: bytes, begin: int) -> events.Event | None:
    end = data.find(b"\n", begin)
    segment = data[begin : end if end >= 0 else len(data)]
    return events.event_in(segment.split(b"\r", 1)[0].decode("utf-8", "replace"))


def _figures(data: bytes, begin: int) -> tuple[list[int], list[int]]:
    """Where events with metrics begin, and where those with progress do."""
    metrics: list[int] = []
    progress: list[int] = []
    for match in _FIGURES.finditer(data, begin):
        (metrics if match[1] == b"metrics" else progress).append(match.start())
    return metrics, progress


def _before_ours(data: bytes, reader: events.Reader) -> Iterator[tuple[int, events.Event]]:
    """What a log tells until our script speaks, each with where its line ends; afterwards `reader.ours` is set."""
    done = 0
    for match in _TELLING.finditer(data):
        if match.start() < done:
            continue
        begin = data.rfind(b"\n", 0, match.start()) + 1
        end = data.find(b"\n", match.start())
        done = end if end >= 0 else len(data)
        for event in reader.feed(data[begin:done].decode("utf-8", "replace")):
            if not isinstance(event, events.LogLine):
                yield done, event
        if reader.ours:
            return


class LogHistory(History):
    """The curve of a local run, read from its log when it is asked for. The newest values are known without that.

    `load` reads what is new: a long log takes seconds, so it is called in a thread where a person waits.
    """

    __slots__ = ("_loaded", "_lock", "_pieces", "_points", "_reader", "lasts")

    def __init__(self, path: Path) -> None:
        self._pieces, self._reader = Pieces(path), events.Reader()
        self._points: dict[str, list[tuple[int, float]]] = {}
        self._lock = threading.RLock()
        self.lasts: dict[str, float] = {}
        """Newest values; a key that is not among them may still have a curve."""
        self._loaded = False

    @property
    def series(self) -> dict[str, list[tuple[int, float]]]:  # type: ignore[override]  # as it is asked for
        if not self._loaded:
            self.load()
        return self._points

    def __repr__(self) -> str:
        """Reads nothing: asyncio writes what a task gave into the text of errors that nobody sees."""
        return f"LogHistory({str(self._pieces.path)!r})"

    @property
    def known(self) -> bool:
        return bool(self.lasts or self._points)

    @property
    def loaded(self) -> bool:
        return self._loaded

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Before the curve is read the newest values are enough: the log has them all."""
        if self._loaded:
            super().add(step, values)
        else:
            self.lasts = {**self.lasts, **values}

    def last(self, key: str) -> float | None:
        if key in self.lasts or not self.known:
            return self.lasts.get(key)
        return super().last(key)

    def load(self) -> None:
        with self._lock:
            self._loaded = True
            with suppress(InputError):  # whoever reads the log itself sees why
                for data in self._pieces.read():
                    done = 0
                    if not self._reader.ours:
                        for place, event in _before_ours(data, self._reader):
                            self._take(event)
                            done = place
                        if not self._reader.ours:
                            continue
                    for match in _METRICS.finditer(data, done):
                        self._take(_event_at(data, match.start()))

    def _take(self, event: events.Event | None) -> None:
        if isinstance(event, events.Metrics):
            self.add(event.step, event.values)


@dataclass
class RunLog:
    """Scans one log file from where it stopped, and keeps the run as updated by its events."""

    path: Path
    run: Run
    pieces: Pieces = field(init=False)
    history: LogHistory = field(init=False)
    reader: events.Reader = field(default_factory=events.Reader)
    finished: events.Finished | None = None
    """The script said that it reached its end: its last step, or the step after which it paused."""
    failed: events.Failed | None = None
    checkpoints: set[str] = field(default_factory=set)
    """Paths of the checkpoints it told of."""
    begun: int = 0
    """Where in the log the newest part of the run begins."""
    saved: int = 0
    """How far it was looked through when a summary of it was written."""

    def __post_init__(self) -> None:
        self.pieces, self.history = Pieces(self.path), LogHistory(self.path)
        self.run = replace(self.run, history=self.history)

    @property
    def offset(self) -> int:
        """How far it was looked through, bytes."""
        return self.pieces.offset

    def read(self, *, to_end: bool = False) -> None:
        """Takes over what is new. With `to_end` an unfinished last line counts as a line."""
        with suppress(InputError):  # whoever reads the log itself sees why
            for data in self.pieces.read(to_end=to_end):
                self._look_through(data, self.pieces.offset - len(data))
        if self.history.loaded:
            self.history.load()

    def _look_through(self, data: bytes, place: int) -> None:
        done, floor = 0, 0
        if not self.reader.ours:
            for done, event in _before_ours(data, self.reader):
                self._take(event, place + done)
                if isinstance(event, events.Metrics):
                    self.history.lasts |= event.values
            if not self.reader.ours:
                return
        for match in _RARE.finditer(data, done):
            if (rare := _event_at(data, match.start())) is not None:
                if isinstance(rare, events.Planned):
                    floor = match.start()  # the steps before it are those of another part
                self._take(rare, place + match.start())
        # A log is mostly figures: where the end of the piece tells enough, the others are not even counted.
        begin = max(done, len(data) - END_OF_PIECE)
        metrics, progress = _figures(data, begin)
        if len(metrics) <= LAST_LINES and begin > done:
            begin = done
            metrics, progress = _figures(data, begin)
        if progress and progress[-1] >= floor and (last := _event_at(data, progress[-1])) is not None:
            self._take(last, place)
        newest: dict[str, float] = {}
        for at in metrics[-LAST_LINES:]:
            if isinstance(said := _event_at(data, at), events.Metrics):
                newest |= said.values
                if at >= floor:
                    self._take(said, place)
        if metrics:  # older values hold where no line was left out in between
            whole = begin == done and len(metrics) <= LAST_LINES
            self.history.lasts = {**(self.history.lasts if whole else {}), **newest}

    def _take(self, event: events.Event, place: int) -> None:
        event = events.redacted(event)
        match event:
            case events.Metrics(step=step):
                self.run = replace(self.run, step=max(step, self.run.step))
                return  # the curve is read from the log when it is asked for
            case events.StageChanged(stage=Stage.RUNNING):
                self.failed, self.finished, self.begun = None, None, place  # that was of the part before
            case events.CheckpointSaved(path=path):
                self.checkpoints.add(path)
            case events.Failed():
                self.failed = event
            case events.Finished():
                self.finished = event
        self.run = self.run.after(event)

    def last_text(self) -> str:
        """The last line of log text that may tell why the run ended; empty where none does."""
        try:
            descriptor = open_log(self.path)
        except (FileNotFoundError, InputError):
            return ""
        before: list[tuple[int, int]] = []
        last: tuple[int, int] | None = None
        try:
            size = os.fstat(descriptor).st_size
            for begin, end in _lines_backwards(descriptor, size):
                if last is not None:
                    before.append((begin, end))
                    if len(before) >= LINES_BEFORE:
                        break
                elif begin < max(self.begun, size - END_BYTES):
                    return ""
                elif _tells(_line(descriptor, begin, end)):
                    last = begin, end
            if last is None:
                return ""
            reader = LineReader(self.path, 0, events.Reader(ours=True))
            for span in reversed(before):
                list(reader.events_of(_line(descriptor, *span)))
            said = reader.events_of(_line(descriptor, *last))
            return next((event.text.strip() for event in said if isinstance(event, events.LogLine)), "")
        except OSError:
            return ""
        finally:
            os.close(descriptor)


def _tells(line: bytes) -> bool:
    """Whether a line may tell why a run ended."""
    said = events.Reader(ours=True).feed(line.decode("utf-8", "replace"))
    return any(
        isinstance(event, events.LogLine) and bool(event.text.strip()) and not _NOISE.match(event.text)
        for event in said
    )


def cause(code: int, status: Mapping[str, Any], log: RunLog) -> tuple[str, str]:
    """Why a run ended without its result, in one sentence, and the next step."""
    if log.failed is not None:
        return log.failed.cause, log.failed.hint
    if "error" in status:
        return f"The run could not be started: {status['error']}", "Fix this, then start it again."
    if status.get("disk_full"):
        return f"The disk with the run's log is full: {log.path.parent}", "Free some space there, or set SMOLTUI_HOME."
    where = f" at step {log.run.step}" if log.run.step else ""
    text = log.last_text()
    last = f"; last line: {text[:200]}" if text else ""
    if code < 0:
        hint = "See the log, then start it again."
        if code == -9:
            hint = "If it ran out of memory, lower per_device_train_batch_size or max_length, then start it again."
        return f"The process was killed by {exit_in_words(code)}{where}{last}", hint
    if code == 0:
        return f"The run ended{where} without reaching the planned step{last}", "See the log."
    return f"The process ended with exit code {code}{where}{last}", "The full error is in the log."
