"""The lines of a run's log: each as an event, without secrets, forwards or from the end."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from smoltui.backends.local.log_pieces import CHUNK, LINE_LIMIT, Span, cut, from_supervisor, open_log, unreadable_log
from smoltui.backends.runs.script_stages import stages_as_text
from smoltui.core.runs import events
from smoltui.core.runs.log_text import OVERLAP, cut_line
from smoltui.redaction import BrokenTokens

BACK = 1 << 16
"""Bytes read at a time backwards from the end."""
LINES_BEFORE = 64
"""Lines before the shown ones that are searched for the start of a secret: a private key has fewer."""


class LineReader:
    """The events of each line of a log, from an offset, a piece at a time.

    `key`: the run's key (`from_supervisor`). A stage in any other line was printed by the script, and is log text.
    `without`: lines that match it, with their newlines, are left out of what `read` returns.
    """

    def __init__(
        self,
        path: Path,
        offset: int = 0,
        reader: events.Reader | None = None,
        *,
        key: str | None = None,
        without: re.Pattern[bytes] | None = None,
    ) -> None:
        self._path, self.offset = path, offset
        self._reader = reader or events.Reader()
        self._key = key
        self._without = without
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
            raise unreadable_log(self._path, error.strerror or str(error)) from error
        finally:
            os.close(descriptor)
        if not data:
            return None
        self.offset += len(data)
        data = self._rest + data
        if self._without is not None:
            data = self._without.sub(b"", data)
        *lines, rest = data.split(b"\n")
        self._rest = cut(rest, OVERLAP)
        return [event for line in lines for event in self.events_of(line)]

    def end(self) -> list[events.Event]:
        """The events of a last line that has no newline."""
        line, self._rest = self._rest, b""
        return list(self.events_of(line)) if line else []

    def events_of(self, line: bytes) -> Iterator[events.Event]:
        """The events of one line, without secrets, including secrets that began in the lines before it."""
        text = cut_line(cut(line, OVERLAP).decode("utf-8", "replace"), LINE_LIMIT)
        found = events.without_secrets(self._reader, text, self._broken)
        yield from found if from_supervisor(line, self._key) else stages_as_text(found)

    def look_for_secrets(self, lines: Iterable[bytes]) -> None:
        """Reads lines that are not shown, because a secret may begin in them."""
        for line in lines:
            list(self.events_of(line))


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
        reader.look_for_secrets(line_at(descriptor, span) for span in before)
        found = [list(reader.events_of(line_at(descriptor, span))) for span in last]
    except OSError as error:
        raise unreadable_log(path, error.strerror or str(error)) from error
    finally:
        os.close(descriptor)
    return [event for line in found if _is_shown(line) for event in line], reader


def _last_spans(
    descriptor: int, count: int, reader: events.Reader, *, whole: bool
) -> tuple[list[Span], list[Span], int]:
    """The lines before the last `count` shown ones, those up to the end, both in order, and the offset behind them."""
    offset = os.fstat(descriptor).st_size
    spans = lines_backwards(descriptor, offset)
    unfinished = next(spans)
    if whole and unfinished.begin < unfinished.end:
        spans = chain([unfinished], spans)
    else:
        offset = unfinished.begin
    last: list[Span] = []
    shown = 0
    while shown < count and (span := next(spans, None)) is not None:
        last.append(span)
        shown += _is_shown(reader.feed(line_at(descriptor, span).decode("utf-8", "replace")))
    before = list(islice(spans, LINES_BEFORE))
    return before[::-1], last[::-1], offset


def _is_shown(found: Iterable[events.Event]) -> bool:
    return any(not isinstance(event, events.Progress) for event in found)


def line_at(descriptor: int, span: Span) -> bytes:
    return os.pread(descriptor, min(span.end - span.begin, LINE_LIMIT + OVERLAP), span.begin)


def lines_backwards(descriptor: int, size: int) -> Iterator[Span]:
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
