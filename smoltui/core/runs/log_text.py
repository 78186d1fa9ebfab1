"""The content of log lines: progress bars, colours, errors, secrets.

Only `styled` and `as_plain` return safe text.

A log can bring 100 000 lines per second, so functions for many lines process them together and look closer only where
a cheap test says that it may be necessary.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from smoltui.redaction import BrokenTokens, redact
from smoltui.redaction import may_hold_secret as may_hold_secret
from smoltui.safe_text import safe

LINE_LIMIT = 1 << 20
"""Stored characters of one line."""
OVERLAP = 8_192
"""Characters after a cut that are examined, so that a secret is seen whole: more than any key has."""
LINE_SHOWN = 10_000
"""Drawn characters of one line."""

CSI = r"\x1b\[[0-?]*[ -/]*[@-~]"
"""A complete control sequence with parameters (ECMA-48, 5.4), including colours; the same in RE2."""
_CSI = re.compile(CSI)
_SURROGATE = re.compile("[\ud800-\udfff]")


# -- incoming lines


class LogLine(NamedTuple):
    """One line, without its line ending."""

    text: str
    at: float | None = None
    """Seconds since the epoch; None if unknown."""


def last_state(line: str) -> str:
    r"""The final state of a line: the text after its last `\r`, ignoring one at the very end."""
    return line.rstrip("\r").rsplit("\r", 1)[-1]


def taken(
    lines: Sequence[str], times: Sequence[float | None] | None = None, broken: BrokenTokens | None = None
) -> list[LogLine]:
    """`lines` as stored: final states without secrets, at most `LINE_LIMIT` long, whole characters only.

    A line with newlines becomes several lines with the same time. `times` has one entry per line, None if
    unknown; times before 1970 count as unknown. `broken` has seen the previous lines.

    Raises:
        ValueError: the numbers of lines and times differ.
    """
    if times is not None and len(times) != len(lines):
        raise ValueError(f"{len(times)} times for {len(lines)} lines")
    stamps: Sequence[float | None] = [_moment(at) for at in times] if times is not None else [None] * len(lines)
    joined = "\n".join(lines)
    if joined.count("\n") != len(lines) - 1:
        lines, stamps = _split(lines, stamps)
    broken = BrokenTokens() if broken is None else broken
    if broken.waits or "hf_" in joined or "HF_" in joined or "PRIVATE KEY" in joined:
        lines = [broken.masked(line) for line in lines]
    return list(map(LogLine, without_secrets(_storable(lines, joined)), stamps))


def _split(lines: Sequence[str], stamps: Sequence[float | None]) -> tuple[Sequence[str], Sequence[float | None]]:
    """Lines without newlines, and their times."""
    parts = [(part, at) for line, at in zip(lines, stamps, strict=True) for part in line.split("\n")]
    return [part for part, _ in parts], [at for _, at in parts]


def _storable(lines: Sequence[str], joined: str) -> Sequence[str]:
    """Final states of `lines`, bounded and without halves of characters; `joined` is their text before masking."""
    if "\r" in joined:  # redacted first, because a carriage return may be inside a secret
        lines = [last_state(line) for line in without_secrets(lines)]
    if len(joined) > LINE_LIMIT:
        lines = [_bounded(line) for line in lines]
    if not joined.isascii() and _SURROGATE.search(joined):
        lines = [_SURROGATE.sub("\ufffd", line) for line in lines]
    return lines


def _moment(at: float | None) -> float | None:
    return at if at is not None and math.isfinite(at) and at > 0 else None


def _bounded(line: str) -> str:
    more = len(line) - LINE_LIMIT
    return f"{cut_line(line, LINE_LIMIT)}… {more:,} more characters" if more > 0 else line


def cut_line(line: str, limit: int) -> str:
    """The first `limit` characters of a line, without secrets: one that would be cut in half is removed first."""
    return redact(line[: limit + OVERLAP])[:limit] if len(line) > limit else line


def without_controls(text: str) -> str:
    """`text` without complete CSI sequences, including colours. The rest may still act on a terminal."""
    return _CSI.sub("", text) if "\x1b" in text else text


def as_plain(text: str) -> str:
    """One line or many without colours, and without anything that acts on a terminal."""
    return safe(without_controls(text), None)


# -- secrets


def without_secrets(lines: Sequence[str]) -> Sequence[str]:
    """Each line redacted."""
    if not may_hold_secret("\n".join(lines)):
        return lines
    if len(lines) > 1:
        middle = len(lines) // 2
        return [*without_secrets(lines[:middle]), *without_secrets(lines[middle:])]
    return [redact(lines[0])]


# -- progress bars

_BAR = re.compile(r"(\d{1,3})%(?:\|[^|]*\|)? {0,2}\S+/(\S+) \[")
_COUNT = re.compile(r"(\d+(?:\.\d+)?)([kMGTPEZ]?)([^\W\d]\w*|) \[\d+:\d\d(?::\d\d)?, [^\]]*\]\s*$")
_POWERS = {letter: 1000.0**power for power, letter in enumerate(("", *"kMGTPEZ"))}
_BAR_LIMIT = 1_000


class Bar(NamedTuple):
    """One state of a tqdm progress bar."""

    name: str
    """The text before the percentage, and the total or the unit: the same in all states of one bar."""
    done: float
    """Per cent, or the count if the total is unknown."""


def bar_of(line: str) -> Bar | None:
    """The progress bar in a line, as tqdm 4 writes it (`tqdm.std.tqdm.format_meter`); None without one."""
    if len(line) > _BAR_LIMIT or " [" not in line:
        return None
    line = without_controls(line)
    if found := _BAR.search(line):
        return Bar(f"{line[: found.start()].rstrip()}\0{found[2]}", float(found[1]))
    if found := _COUNT.search(line):
        return Bar(f"{line[: found.start()].rstrip()}\0{found[3]}", float(found[1]) * _POWERS[found[2]])
    return None


def continues(previous: str, line: str) -> bool:
    """Whether `line` is a later state of the progress bar in `previous`. A bar that restarts is another bar."""
    if " [" not in line:
        return False
    before, after = bar_of(previous), bar_of(line)
    return before is not None and after is not None and before.name == after.name and before.done <= after.done


def collapsed(lines: Sequence[LogLine]) -> list[LogLine]:
    """`lines` with successive states of a progress bar collapsed into the last one."""
    kept: list[LogLine] = []
    for line in lines:
        if kept and " [" in line.text and continues(kept[-1].text, line.text):
            kept[-1] = line
        else:
            kept.append(line)
    return kept


# -- errors

_ERROR_WORDS = (
    "error",
    "exception",
    "interrupt",
    "traceback",
    "killed",
    "fault",
    "core dumped",
    "fatal",
    "critical",
    "panic",
    "out of memory",
    "oom-kill",
    "no space left",
    "failed:",
)
_ERROR = re.compile(
    r"""
      \bTraceback\ \(most\ recent\ call\ last\)
    | (?:^|[\s:\]>])(?:[a-zA-Z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt)(?=:|\s*$|\()  # a traceback's last line
    | (?:^|[\s\[(|])(?:ERROR|FATAL|CRITICAL)(?=[\s:\])|]|$)  # a level of a logger
    | (?:^|[\s:\])])(?:[Ee]rror|[Ff]atal(?:\ error)?|[Pp]anic):(?=\s|$)
    | ^failed:\s  # our script's own word
    | \b(?:CUDA|HIP|MPS|XPU)\ (?:backend\ )?(?:out\ of\ memory|error:)
    | \bOut\ of\ memory\b | \boom-kill
    | (?:^|[\s:])Killed(?:\s*$|:|\ process) | \bSegmentation\ fault\b | \bBus\ error\b | \bcore\ dumped\b
    | \bNo\ space\ left\ on\ device\b
    """,
    re.VERBOSE,
)


def is_error(line: str) -> bool:
    """Whether a line reports an error: a traceback, its last line, a logger's level, a kill, no memory, a full disk.

    Only its first thousand characters are examined. A name or a number (`error_rate`, "0 errors") does not count.
    """
    return _ERROR.search(without_controls(line[:1_000])) is not None


def first_error(lines: Iterable[LogLine]) -> int | None:
    """Index of the first of `lines` that reports an error; None without one."""
    lines = list(lines)
    lowered = "\n".join([line.text for line in lines]).lower()
    if not any(word in lowered for word in _ERROR_WORDS):
        return None
    return next((place for place, line in enumerate(lines) if is_error(line.text)), None)


# -- colours


class Span(NamedTuple):
    """A piece of a line in one style."""

    text: str
    style: str
    """A style as rich writes it (`bold color(1) on rgb(0,0,0)`); empty for the default style."""


_SGR = re.compile(r"\x1b\[([0-9;:]{0,100})m")
_ON = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "reverse", 9: "strike", 21: "underline"}
_OFF = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 27: ("reverse",), 29: ("strike",)}


def styled(line: str, limit: int = LINE_SHOWN) -> list[Span]:
    """A line for drawing: SGR sequences as styles, other complete CSI sequences removed, the rest made safe.

    Blinking and concealment are ignored, and text in its background colour gets the screen's colour. At most
    `limit` characters, followed by "… N more characters". OSC, DCS and broken sequences are shown, not obeyed.
    """
    spans: list[Span] = []
    look = _Look()
    at, left = 0, limit
    for found in _CSI.finditer(line):
        left -= _put(spans, line[at : min(found.start(), at + left)], look)
        if left <= 0:
            break
        at = found.end()
        if sgr := _SGR.fullmatch(found[0]):
            look.take(sgr[1])
    else:
        left -= _put(spans, line[at : at + left], look)
    if left <= 0 and (more := len(without_controls(line)) - limit) > 0:
        spans.append(Span(f"… {more:,} more characters", "dim"))
    return spans


def _put(spans: list[Span], text: str, look: _Look) -> int:
    if text:
        spans.append(Span(safe(text.replace("\n", "↵"), None), look.style))
    return len(text)


class _Look:
    """The state set by the SGR sequences so far (ECMA-48, 8.3.117; 256 and true colours as xterm reads them)."""

    def __init__(self) -> None:
        self._words: set[str] = set()
        self._colours: dict[str, str] = {}
        self.style = ""

    def take(self, parameters: str) -> None:
        """Applies the parameters of one sequence; irrelevant ones are ignored."""
        fields = deque(parameters.split(";"))
        while fields:
            numbers = [int(part or 0) for part in fields.popleft().split(":")]
            if numbers[0] in (38, 48):
                numbers += _colour_numbers(fields) if len(numbers) == 1 else []
                self._colour("on" if numbers[0] == 48 else "", numbers[1:])
            else:
                self._number(numbers[0] if numbers[:2] != [4, 0] else 24)
        self.style = self._style()

    def _style(self) -> str:
        colour, ground = self._colours.get(""), self._colours.get("on")
        shown = [colour] if colour and colour != ground else []
        behind = [f"on {ground}"] if ground and ground != colour else []
        return " ".join([*sorted(self._words), *shown, *behind])

    def _number(self, number: int) -> None:
        if number == 0:
            self._words.clear()
            self._colours.clear()
        elif number in _ON:
            self._words.add(_ON[number])
        elif number in _OFF:
            self._words.difference_update(_OFF[number])
        elif number in (39, 49):
            self._colours.pop("on" if number == 49 else "", None)
        else:
            for first, place, bright in ((30, "", 0), (40, "on", 0), (90, "", 8), (100, "on", 8)):
                if first <= number < first + 8:
                    self._colours[place] = f"color({number - first + bright})"

    def _colour(self, place: str, numbers: Sequence[int]) -> None:
        if not all(0 <= number <= 255 for number in numbers):
            return
        if len(numbers) >= 2 and numbers[0] == 5:
            self._colours[place] = f"color({numbers[-1]})"
        elif len(numbers) >= 4 and numbers[0] == 2:  # with colons, a colour space may precede the three
            red, green, blue = numbers[-3:]
            self._colours[place] = f"rgb({red},{green},{blue})"


def _colour_numbers(fields: deque[str]) -> list[int]:
    """Takes the numbers of a colour, which without colons are separate parameters."""
    count = {"5": 2, "2": 4}.get(fields[0] if fields else "", 1)
    own = [fields.popleft() for _ in range(min(count, len(fields)))]
    return [int(part) for part in own if part.isdigit()]
