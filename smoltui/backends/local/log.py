"""The log file of a local run: what it says about the run, without reading all of it as text; and its lines.

`RunLog` searches only for our events and skips the text between them at memory speed, a piece at a time, so a log of
300 MB takes tenths of a second once; the result is saved beside the log (`summary.py`). The curve is read on demand.
`LineReader` returns every line, for whoever shows the log.

The supervisor and the script write to one file. A stage counts only if the supervisor wrote it (`from_supervisor`):
anything that the script or a library prints is text, even if it looks like the end of the run.
"""

from __future__ import annotations

import os
import re
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain, islice, takewhile
from pathlib import Path
from typing import NamedTuple

from smoltui.backends.runs.script_stages import stages_as_text
from smoltui.backends.system.child import exit_in_words
from smoltui.core.runs import events
from smoltui.core.runs.log_text import OVERLAP, cut_line
from smoltui.core.runs.metrics import History
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import InputError
from smoltui.redaction import BrokenTokens

LINE_LIMIT = 1 << 20
"""Maximum bytes of a line that are read; the rest of a longer line stays in the log file."""
CHUNK = 1 << 20
"""Bytes read at a time."""
LAST_LINES = 8
"""Lines of metrics at the end of a piece that are read for the newest values; a curve needs all of them."""
END_OF_PIECE = 1 << 15
"""Bytes at the end of a piece that are searched first for its newest figures."""
BACK = 1 << 16
"""Bytes read at a time backwards from the end."""
LINES_BEFORE = 64
"""Lines before the shown ones that are searched for the start of a secret: a private key has fewer."""
END_BYTES = 1 << 20
"""How far before the end the last messages of a run are searched."""

# The source line under a warning, the warning itself, an event that was cut off, and Slurm's words that a step has
# ended say nothing about why.
_NOISE = re.compile(
    r'\s|\{"event"|.*\w(?:Warning|WARNING)\b|slurmstepd\S*: error: \*\*\* '
    r"|srun: (?:launch/|Force|error: \S+: tasks? \S+: (?:Exited|Terminated|Killed))"
)

_EVENT = b'{"event": "'
"""How every event of ours begins, as `json.dumps` writes it."""
_METRICS = re.compile(rb'\{"event": "metrics"')
_FIGURES = re.compile(rb'\{"event": "(metrics|progress)"')
# Three times as fast as a negative lookahead, in a log of metrics only: the first letters tell most of them apart.
_RARE = re.compile(rb'\{"event": "(?:[^mpl]|m[^e]|p[^r]|l[^o])')
_OURS = re.compile(rb'\{"event"\s*:\s*"[a-z_]+"\s*,\s*"v"\s*:\s*\d')
_PRINTED_BY_TRL = (b"%|", b"{'")
"""Marks a line that may have steps or metrics before our script's first event: a bar, or a dictionary."""
BEFORE_OURS = 64
"""Lines of a piece that are read before our script's first event: its last ones, and as many that look like events."""


def open_log(path: Path) -> int:
    """A descriptor of a log. Raises FileNotFoundError if it does not exist yet, InputError if it cannot be read."""
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
    """The start of a line, at most the limit and `more` bytes; if it has states of a progress bar, of the last one."""
    if len(rest) <= LINE_LIMIT + more:
        return rest
    return rest[rest.rfind(b"\r") + 1 :][: LINE_LIMIT + more]


def from_supervisor(line: bytes, key: str | None) -> bool:
    """Whether the supervisor of the run wrote this line: it contains the run's key, which the script is not given.

    `key`: `log_key` in the run's `spec.json`; None if it has none, and then no line counts as the supervisor's.
    """
    return key is not None and f'"key": "{key}"'.encode() in line


class LineReader:
    """The events of each line of a log, from an offset, a piece at a time.

    `key`: the run's key (`from_supervisor`). A stage in any other line was printed by the script, and is log text.
    """

    def __init__(
        self, path: Path, offset: int = 0, reader: events.Reader | None = None, *, key: str | None = None
    ) -> None:
        self._path, self.offset = path, offset
        self._reader = reader or events.Reader()
        self._key = key
        self._rest = b""
        self._broken = BrokenTokens()

    def read(self) -> list[events.Event] | None:
        """The events of the next piece; None if there is nothing new. Raises InputError: it cannot be read."""
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
        """The events of one line, without secrets, including secrets that began in the lines before it."""
        text = cut_line(_cut(line, OVERLAP).decode("utf-8", "replace"), LINE_LIMIT)
        found = events.without_secrets(self._reader, text, self._broken)
        yield from found if from_supervisor(line, self._key) else stages_as_text(found)

    def look_for_secrets(self, lines: Iterable[bytes]) -> None:
        """Reads lines that are not shown, because a secret may begin in them."""
        for line in lines:
            list(self.events_of(line))


class Span(NamedTuple):
    """Byte offsets of a line in a log, without its newline."""

    begin: int
    end: int


def last_lines(
    path: Path, count: int, *, ours: bool, whole: bool, key: str | None = None
) -> tuple[list[events.Event], LineReader]:
    """The events of the last `count` lines, read from the end, and a reader of what follows them.

    Lines with only a progress event are not counted, because they are not shown. `ours`: the script uses our format.
    Without `whole`, a last line without a newline is left to the reader. `key`: as for `LineReader`.

    Raises:
        InputError: the log cannot be read.
    """
    reader = LineReader(path, 0, events.Reader(ours=ours), key=key)
    try:
        descriptor = open_log(path)
    except FileNotFoundError:
        return [], reader
    try:
        before, last, reader.offset = _last_spans(descriptor, count, events.Reader(ours=ours), whole=whole)
        reader.look_for_secrets(_line(descriptor, span) for span in before)
        found = [list(reader.events_of(_line(descriptor, span))) for span in last]
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    finally:
        os.close(descriptor)
    return [event for line in found if _is_shown(line) for event in line], reader


def _last_spans(
    descriptor: int, count: int, reader: events.Reader, *, whole: bool
) -> tuple[list[Span], list[Span], int]:
    """The lines before the last `count` shown ones, those up to the end, both in order, and the offset behind them."""
    offset = os.fstat(descriptor).st_size
    spans = _lines_backwards(descriptor, offset)
    unfinished = next(spans)
    if whole and unfinished.begin < unfinished.end:
        spans = chain([unfinished], spans)
    else:
        offset = unfinished.begin
    last: list[Span] = []
    shown = 0
    while shown < count and (span := next(spans, None)) is not None:
        last.append(span)
        shown += _is_shown(reader.feed(_line(descriptor, span).decode("utf-8", "replace")))
    before = list(islice(spans, LINES_BEFORE))
    return before[::-1], last[::-1], offset


def _is_shown(found: Iterable[events.Event]) -> bool:
    return any(not isinstance(event, events.Progress) for event in found)


def _line(descriptor: int, span: Span) -> bytes:
    return os.pread(descriptor, min(span.end - span.begin, LINE_LIMIT + OVERLAP), span.begin)


def _lines_backwards(descriptor: int, size: int) -> Iterator[Span]:
    """The lines of a log from its end; the first of them is empty if the log ends with a newline."""
    end = place = size
    while place > 0:
        begin = max(0, place - BACK)
        block = os.pread(descriptor, place - begin, begin)
        at = block.rfind(b"\n")
        while at >= 0:
            yield Span(begin + at + 1, end)
            end = begin + at
            at = block.rfind(b"\n", 0, at)
        place = begin
    yield Span(0, end)


class Pieces:
    """A log in pieces of whole lines, from an offset. The end of a line that is too long is skipped."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path, self.offset = path, offset
        """`offset`: where the next piece starts."""
        self._inside = False
        """The next bytes belong to a line that is too long."""

    def read(self, *, to_end: bool = False) -> Iterator[bytes]:
        """The new pieces. With `to_end`, including an unfinished last line. Raises InputError: it cannot be read."""
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
                    # Only the last state of a progress bar matters; anything else this long is not a line.
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


def _rest_of_line(data: bytes, begin: int) -> bytes:
    end = data.find(b"\n", begin)
    return data[begin : end if end >= 0 else len(data)]


def _event_at(data: bytes, begin: int) -> events.Event | None:
    return events.event_in(_rest_of_line(data, begin).split(b"\r", 1)[0].decode("utf-8", "replace"))


def _newest_figures(data: bytes, begin: int) -> tuple[int, list[int], list[int]]:
    """Offsets of metrics and of progress events, both from an offset that is returned first, `begin` at the earliest.

    Most of a log is figures: if the end of the piece has enough of them, the others are not even counted.
    """
    end = max(begin, len(data) - END_OF_PIECE)
    metrics, progress = _figures(data, end)
    if len(metrics) <= LAST_LINES and end > begin:
        return begin, *_figures(data, begin)
    return end, metrics, progress


def _figures(data: bytes, begin: int) -> tuple[list[int], list[int]]:
    """Offsets of metrics events, and of progress events."""
    metrics: list[int] = []
    progress: list[int] = []
    for match in _FIGURES.finditer(data, begin):
        (metrics if match[1] == b"metrics" else progress).append(match.start())
    return metrics, progress


def _before_ours(
    data: bytes, spans: Iterable[Span], reader: events.Reader, key: str | None
) -> Iterator[tuple[int, events.Event]]:
    """The events in these lines (`_lines_before_ours`), each with the end of its line."""
    for span in spans:
        line = data[span.begin : span.end]
        for event in reader.feed(line.decode("utf-8", "replace")):
            if not isinstance(event, events.LogLine) and _counts(event, line, key):
                yield span.end, event


def _lines_before_ours(data: bytes, most: int | None = None) -> list[Span]:
    """The lines with steps or metrics up to the first event of our script, which is included, in order.

    `most`: how many lines are looked at, from the last one backwards, and how many that look like an event of ours;
    None: all of them.
    """
    alike = (_line_around(data, match.start()) for match in islice(_OURS.finditer(data), most))
    ours = next((span for span in alike if _has_event(data[span.begin : span.end])), None)
    end = ours.begin if ours else len(data)
    spans = {ours} if ours else set()
    for mark in _PRINTED_BY_TRL:
        spans.update(islice(_lines_with(data, mark, end), most))
    return sorted(spans)


def _has_event(line: bytes) -> bool:
    return any(events.event_in(state) for state in line.decode("utf-8", "replace").split("\r"))


def _line_around(data: bytes, at: int) -> Span:
    end = data.find(b"\n", at)
    return Span(data.rfind(b"\n", 0, at) + 1, end if end >= 0 else len(data))


def _lines_with(data: bytes, mark: bytes, end: int) -> Iterator[Span]:
    """The lines with these bytes before an offset, from the last one backwards."""
    while (at := data.rfind(mark, 0, end)) >= 0:
        yield (span := _line_around(data, at))
        end = span.begin


def _counts(event: events.Event, line: bytes, key: str | None) -> bool:
    """Whether an event says something about the run: a stage does only if the supervisor wrote it."""
    return not isinstance(event, events.StageChanged) or from_supervisor(line, key)


class LogHistory(History):
    """The curve of a local run, read from its log on demand. The newest values are known without that.

    `load` reads the new part: a long log takes seconds, so it runs in a thread when a person is waiting.
    """

    __slots__ = ("_loaded", "_lock", "_pieces", "_points", "_reader", "lasts")

    def __init__(self, path: Path) -> None:
        self._pieces, self._reader = Pieces(path), events.Reader()
        self._points: dict[str, list[tuple[int, float]]] = {}
        self._lock = threading.RLock()
        self.lasts: dict[str, float] = {}
        """Newest values; a missing key may still have a curve."""
        self._loaded = False

    @property
    def series(self) -> dict[str, list[tuple[int, float]]]:  # type: ignore[override]  # read on demand
        if not self._loaded:
            self.load()
        return self._points

    def __repr__(self) -> str:
        """Reads nothing: asyncio formats the results of tasks in its error messages."""
        return f"LogHistory({str(self._pieces.path)!r})"

    @property
    def known(self) -> bool:
        return bool(self.lasts or self._points)

    @property
    def loaded(self) -> bool:
        return self._loaded

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Until the curve is read, the newest values are enough: the log has all of them."""
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
            with suppress(InputError):  # reported by those who show the log
                for data in self._pieces.read():
                    done = 0
                    if not self._reader.ours:
                        for place, event in _before_ours(data, _lines_before_ours(data), self._reader, None):
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
        if self.reader.ours and data.find(_EVENT, done) >= 0:
            floor = self._take_rare(data, done, place)
            self._take_newest(data, done, floor, place)

    def _take_until_ours(self, data: bytes, place: int) -> int:
        """Takes over the events before the first one of our script; returns the offset in `data` behind them."""
        done = 0
        if not self.reader.ours:
            spans = _lines_before_ours(data, BEFORE_OURS)
            if len(spans) >= BEFORE_OURS:  # lines were skipped, and one of them may have a newer value
                self.history.lasts = {}
            for done, event in _before_ours(data, spans, self.reader, self.key):
                self._take(event, place + done)
                if isinstance(event, events.Metrics):
                    self.history.lasts |= event.values
        return done

    def _take_rare(self, data: bytes, begin: int, place: int) -> int:
        """Takes over all events but metrics and progress; returns the offset in `data` where training (re)starts."""
        floor = 0
        for match in _RARE.finditer(data, begin):
            event = _event_at(data, match.start())
            if event is None or not _counts(event, _rest_of_line(data, match.start()), self.key):
                continue
            if isinstance(event, events.Planned):
                floor = match.start()  # earlier steps belong to another part of the run
            self._take(event, place + match.start())
        return floor

    def _take_newest(self, data: bytes, begin: int, floor: int, place: int) -> None:
        """Takes over the newest metrics and progress; steps before `floor` belong to another part of the run."""
        start, metrics, progress = _newest_figures(data, begin)
        if progress and progress[-1] >= floor and (last := _event_at(data, progress[-1])) is not None:
            self._take(last, place)
        newest: dict[str, float] = {}
        for at in metrics[-LAST_LINES:]:
            if isinstance(said := _event_at(data, at), events.Metrics):
                newest |= said.values
                if at >= floor:
                    self._take(said, place)
        if metrics:  # older values are still the newest only if no line in between was skipped
            whole = start == begin and len(metrics) <= LAST_LINES
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

    def last_text(self) -> str:
        """The last line of log text that may say why the run ended; empty if there is none."""
        try:
            descriptor = open_log(self.path)
        except (FileNotFoundError, InputError):
            return ""
        try:
            size = os.fstat(descriptor).st_size
            spans = _lines_backwards(descriptor, size)
            recent = takewhile(lambda span: span.begin >= max(self.begun, size - END_BYTES), spans)
            last = next((span for span in recent if _tells(_line(descriptor, span))), None)
            if last is None:
                return ""
            reader = LineReader(self.path, 0, events.Reader(ours=True))
            before = list(islice(spans, LINES_BEFORE))
            reader.look_for_secrets(_line(descriptor, span) for span in reversed(before))
            said = reader.events_of(_line(descriptor, last))
            return next((event.text.strip() for event in said if isinstance(event, events.LogLine)), "")
        except OSError:
            return ""
        finally:
            os.close(descriptor)


def _tells(line: bytes) -> bool:
    """Whether a line may say why a run ended."""
    said = events.Reader(ours=True).feed(line.decode("utf-8", "replace"))
    return any(
        isinstance(event, events.LogLine) and bool(event.text.strip()) and not _NOISE.match(event.text)
        for event in said
    )


def cause(code: int, status: Mapping[str, object], log: RunLog) -> tuple[str, str]:
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
