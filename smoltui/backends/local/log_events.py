"""Finding our events in the bytes of a log, without reading all of it as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from smoltui.backends.local.log_pieces import Span, from_supervisor
from smoltui.core.runs import events

LAST_LINES = 8
"""Lines of metrics at the end of a piece that are read for the newest values; a curve needs all of them."""

EVENT = b'{"event": "'
"""How every event of ours begins, as `json.dumps` writes it."""
METRICS = EVENT + b'metrics"'
PROGRESS = EVENT + b'progress"'
PHASE = EVENT + b'phase"'
_NUMBER = rb"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?"
_NAME = rb'"[ !#-\[\]-~]*"'
_NUMBERS_ALONE = re.compile(
    METRICS
    + rb', "v": 1(?:, "at": %b)?, "step": (0|[1-9]\d{0,14}), "values": \{((?:%b: %b(?:, (?=")|(?=\})))*)\}\}'
    % (_NUMBER, _NAME, _NUMBER)
)
"""A line of metrics as `json.dumps` writes it, with numbers alone: everything else is decoded."""
_NAMES = re.compile(rb"(%b): " % _NAME)
FIGURES = re.compile(rb"(?m)^(?:(?:%b|%b).*\n)+" % (re.escape(METRICS), re.escape(PROGRESS)))
"""Lines of figures, as many as follow one another: a match for each would take four times as long."""
# Three times as fast as a negative lookahead, in a log of metrics only: the first letters tell most of them apart.
RARE = re.compile(rb'\{"event": "(?:[^mpl]|m[^e]|p[^r]|l[^o])')
_OURS = re.compile(rb'\{"event"\s*:\s*"[a-z_]+"\s*,\s*"v"\s*:\s*\d')
_PRINTED_BY_TRL = (b"%|", b"{'")
"""Marks a line that may have steps or metrics before our script's first event: a bar, or a dictionary."""
BEFORE_OURS = 64
"""Lines of a piece that are read before our script's first event: its last ones, and as many that look like events."""


def rest_of_line(data: bytes, begin: int) -> bytes:
    end = data.find(b"\n", begin)
    return data[begin : end if end >= 0 else len(data)]


def event_at(data: bytes, begin: int) -> events.Event | None:
    return events.event_in(rest_of_line(data, begin).split(b"\r", 1)[0].decode("utf-8", "replace"))


def step_and_names(line: bytes) -> tuple[int, set[bytes]] | None:
    """The step and the names in a line of metrics, in a fifth of the time of decoding it; None if not all of its values
    are numbers as our scripts write them."""
    found = _NUMBERS_ALONE.fullmatch(line)
    return (int(found[1]), set(_NAMES.findall(found[2]))) if found else None


def newest_figures(data: bytes, begin: int) -> tuple[bool, list[int], int]:
    """The newest figures from an offset on, searched from the end, because most of a log is figures.

    Returns whether these are all metrics; the offsets of the last `LAST_LINES` metrics, the last one first; and the
    offset of the last progress, -1 without one.
    """
    metrics: list[int] = []
    at = len(data)
    while len(metrics) <= LAST_LINES and (at := data.rfind(METRICS, begin, at)) >= 0:
        metrics.append(at)
    return len(metrics) <= LAST_LINES, metrics[:LAST_LINES], data.rfind(PROGRESS, begin)


def before_ours(
    data: bytes, spans: Iterable[Span], reader: events.Reader, key: str | None
) -> Iterator[tuple[int, events.Event]]:
    """The events in these lines (`lines_before_ours`), each with the end of its line."""
    for span in spans:
        line = data[span.begin : span.end]
        for event in reader.feed(line.decode("utf-8", "replace")):
            if not isinstance(event, events.LogLine) and counts(event, line, key):
                yield span.end, event


def lines_before_ours(data: bytes, most: int | None = None) -> list[Span]:
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


def counts(event: events.Event, line: bytes, key: str | None) -> bool:
    """Whether an event says something about the run: a stage does only if the supervisor wrote it."""
    return not isinstance(event, events.StageChanged | events.Gap) or from_supervisor(line, key)
