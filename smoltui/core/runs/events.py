"""The line format between a training script and everything that reads it.

A script (`scripts/dpo.py`, `scripts/generate.py`) prints what the app must know as one JSON object per line, with the
fields `event` and `v` (format version). Every other line is log text. The log file of a local run and the log stream of
a Job contain the same lines, so this is the only reader.

NaN and infinities are written as the strings "NaN", "Infinity" and "-Infinity": unquoted they are not JSON.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any, ClassVar

from smoltui.core.foreign import foreign_json
from smoltui.core.foreign.field_types import field_types
from smoltui.redaction import BrokenTokens
from smoltui.safe_text import redact

VERSION = 1
MOST = float(1 << 53)
"""Larger steps and counts are rejected: floats are not exact beyond this."""
LATEST = 1e11
"""Seconds since the epoch that a calendar can still represent (the year 5138)."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a run."""

    name: ClassVar[str] = ""

    at: float | None = field(default=None, kw_only=True)
    """When it happened, seconds since the epoch by the writing machine's clock; None if not stated."""

    def as_json(self) -> dict[str, Any]:
        """The object that the reader accepts, ready for `json.dumps`."""
        values = {f.name: strict(getattr(self, f.name)) for f in fields(self)}
        return {"event": self.name, "v": VERSION, **{key: value for key, value in values.items() if value is not None}}


@dataclass(frozen=True, slots=True)
class StageChanged(Event):
    """The run entered a stage, such as RUNNING; reported by the engine, not by the script."""

    name: ClassVar[str] = "stage"
    stage: str = ""
    """One of `core.runs.run.Stage`, or a value known only to the server."""
    message: str | None = None
    """Reason from the server or supervisor, or why the run ended; None without one."""
    hint: str | None = None
    """What to do about the end; None without it."""


@dataclass(frozen=True, slots=True)
class PhaseChanged(Event):
    """What the script is doing."""

    name: ClassVar[str] = "phase"
    phase: str = ""
    """load_pairs, load_model, tokenize, train, evaluate, save or push."""
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Planned(Event):
    """The plan of the training, once the model and the pairs are loaded."""

    name: ClassVar[str] = "plan"
    max_steps: int = 0
    """Optimizer steps."""
    epochs: float = 0.0
    train_pairs: int = 0
    held_out_pairs: int | None = None
    """Held-out pairs; None if the recipe does not evaluate."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Unused rows of the source, by reason."""
    device: str = ""
    dtype: str = ""
    """Type of the trained weights, for example float32."""
    parameters: int = 0
    trainable: int = 0
    beta: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)
    """Package name → version, as seen by the script."""
    output_dir: str = ""
    pairs_hash: str | None = None
    """Hash of the pairs for training and evaluation, in order (`backends/pairs/export.py`): 32 hexadecimal digits.
    None if they are streamed."""


@dataclass(frozen=True, slots=True)
class Progress(Event):
    """A step was finished; at most a few per second."""

    name: ClassVar[str] = "progress"
    step: int = 0
    max_steps: int | None = None
    """Set only if it comes from a progress bar: TRL's own script prints no plan."""


@dataclass(frozen=True, slots=True)
class Metrics(Event):
    """Metrics logged at a step, under TRL's names."""

    name: ClassVar[str] = "metrics"
    step: int = 0
    """0 if unknown (lines printed by TRL without a progress bar)."""
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckpointSaved(Event):
    """A checkpoint is complete, on the disk of the training machine."""

    name: ClassVar[str] = "checkpoint"
    step: int = 0
    path: str = ""


@dataclass(frozen=True, slots=True)
class CheckpointKept(Event):
    """A checkpoint was copied to where it outlives the machine (`scripts/kept_checkpoints.py`)."""

    name: ClassVar[str] = "kept"
    step: int = 0
    path: str = ""


@dataclass(frozen=True, slots=True)
class ModelSaved(Event):
    """The final model was saved, on the disk of the training machine."""

    name: ClassVar[str] = "saved"
    path: str = ""


@dataclass(frozen=True, slots=True)
class ModelPushed(Event):
    """The final model was pushed to the Hub."""

    name: ClassVar[str] = "pushed"
    repo: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class WeightsMoved(Event):
    """Share of sampled trainable weights that changed, 0 to 1."""

    name: ClassVar[str] = "moved"
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class HealthChanged(Event):
    """What the script finds wrong in the curves of the training (`scripts/run_health.py`); the newest one holds."""

    name: ClassVar[str] = "health"
    step: int = 0
    rule: str = ""
    """Name of the rule; empty if nothing is wrong any more."""
    level: str = ""
    """note, watch, nothing or broken: names of `scripts.curve_remarks.Level`."""
    word: str = ""
    sentence: str = ""
    """Without a period."""
    act: str = ""
    """What to do, without a period."""


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """The training failed for a known reason; the script then exits with a nonzero code."""

    name: ClassVar[str] = "failed"
    cause: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Finished(Event):
    """The training ended; if `step` is below `max_steps`, it was stopped early on purpose."""

    name: ClassVar[str] = "finished"
    step: int = 0
    max_steps: int = 0
    seconds: float = 0.0
    """Wall-clock time of the training loop."""


@dataclass(frozen=True, slots=True)
class AnswerPart(Event):
    """More text of one answer; parts of one answer arrive in order."""

    name: ClassVar[str] = "answer_part"
    model: str = ""
    """Name of the model in the request, such as aligned."""
    index: int = 0
    """Index of the prompt, from 0."""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Answered(Event):
    """One answer is complete."""

    name: ClassVar[str] = "answer"
    model: str = ""
    index: int = 0
    text: str = ""
    ended: bool = False
    """True if the model ended its answer, False if the token limit cut it."""
    tokens: int = 0
    """Generated tokens without the end token, thoughts included."""
    thought_tokens: int = 0
    """Those of its thoughts, up to and including the tag that ends them; 0 without thoughts."""


@dataclass(frozen=True, slots=True)
class AnswerLeftOut(Event):
    """A model gives no answer to one prompt."""

    name: ClassVar[str] = "answer_left_out"
    model: str = ""
    index: int = 0
    reason: str = ""
    """One sentence, without the model's name."""


@dataclass(frozen=True, slots=True)
class RequestBegun(Event):
    """The models turn to a request; the events that follow belong to it."""

    name: ClassVar[str] = "request"
    number: int = 0
    """As sent with the request."""


@dataclass(frozen=True, slots=True)
class Downloading(Event):
    """How far the download of a model is, about once a second, and at its end."""

    name: ClassVar[str] = "download"
    model: str = ""
    """Its Hub id."""
    done: float = 0.0
    """Bytes so far, without those that were there before."""
    total: float = 0.0
    """Bytes in all; as many as `done` if nobody knows."""
    seconds: float = 0.0
    """Since it began."""


@dataclass(frozen=True, slots=True)
class MemoryMeasured(Event):
    """Memory that the models of a request need, told before they are loaded. Bytes."""

    name: ClassVar[str] = "model_memory"
    weights: Mapping[str, float] = field(default_factory=dict)
    """Of each model by name; 0 for one that shares the weights of an earlier one, or is loaded already."""
    needed: float = 0.0
    """Of all at once, with what generating takes."""
    free: float = 0.0
    """Available for them, on the accelerator or in main memory."""
    together: bool = True
    """Whether all of them stay loaded; False: one after the other."""


@dataclass(frozen=True, slots=True)
class ModelNotice(Event):
    """Something about a model that makes its answers hard to compare."""

    name: ClassVar[str] = "model_notice"
    model: str = ""
    kind: str = ""
    """`no_template`, `end_token`, `context`."""
    text: str = ""
    """One sentence, without the model's name."""


@dataclass(frozen=True, slots=True)
class PairScored(Event):
    """Summed log-probabilities of one held-out pair's answers under one model, in nats."""

    name: ClassVar[str] = "pair"
    model: str = ""
    index: int = 0
    chosen: float = 0.0
    rejected: float = 0.0
    scored_at: float | None = None
    """When it was scored, seconds since the epoch, if that was in an earlier evaluation; None: in this one."""


@dataclass(frozen=True, slots=True)
class Gap(Event):
    """Lines of the log are missing here: after a lost connection, the service did not send them again."""

    name: ClassVar[str] = "gap"
    since: float | None = None
    """Time of the last line before it, seconds since the epoch; None if unknown."""
    until: float | None = None
    """Time of the first line behind it; None at the end of the log, where lines may be missing, or not."""


@dataclass(frozen=True, slots=True)
class LogLine(Event):
    """A line of log text that is not an event, as printed, without its newline."""

    name: ClassVar[str] = "log"
    text: str = ""


EVENTS: dict[str, type[Event]] = {
    cls.name: cls
    for cls in (
        StageChanged,
        PhaseChanged,
        Planned,
        Progress,
        Metrics,
        CheckpointSaved,
        CheckpointKept,
        ModelSaved,
        ModelPushed,
        WeightsMoved,
        HealthChanged,
        Failed,
        Finished,
        AnswerPart,
        Answered,
        AnswerLeftOut,
        RequestBegun,
        Downloading,
        MemoryMeasured,
        ModelNotice,
        PairScored,
        Gap,
        LogLine,
    )
}
OF_MODELS = frozenset(
    {"answer", "answer_part", "answer_left_out", "download", "request", "model_memory", "model_notice", "pair"}
)
"""Events of `scripts/generate.py`, `answer_models.py` and `fetch_models.py`, which no training has."""


def strict(value: Any) -> Any:
    """`value` with floats that JSON cannot represent as strings, also inside mappings and lists."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, Mapping):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    return value


def _number(value: object) -> float | None:
    """A number, or a string with a number (transformers 5.23 prints metrics as strings); None otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):  # not a number; an integer with hundreds of digits
        return None


class _MisfitError(ValueError):
    """A value that its field cannot hold: the object is not an event of ours."""


def _a_number(value: object) -> float:
    number = _number(value)
    if number is None:
        raise _MisfitError
    return number


def _a_count(value: object) -> int:
    number = _a_number(value)
    if not abs(number) <= MOST:
        raise _MisfitError
    return int(number)


def _a_text(value: object) -> str:
    if not isinstance(value, str):
        raise _MisfitError
    return value


def _a_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _MisfitError
    return value


def _a_table(value: object) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise _MisfitError
    return value


def _numbers(value: object) -> Mapping[str, float]:
    """The numbers of a table; other entries are left out."""
    return {str(key): number for key, raw in _a_table(value).items() if (number := _number(raw)) is not None}


_READ: Mapping[Any, Callable[[object], object]] = {
    float: _a_number,
    int: _a_count,
    str: _a_text,
    bool: _a_flag,
    Mapping[str, float]: _numbers,
    Mapping[str, int]: _a_table,
    Mapping[str, str]: _a_table,
}
"""Type of a field → how a decoded value is read. Raises _MisfitError."""


@lru_cache(maxsize=len(EVENTS))
def _readers(event: str) -> tuple[tuple[str, Callable[[object], object], bool], ...]:
    """The fields of an event: name, how it is read, and whether it may be null."""
    return tuple((name, _READ[kind.type], kind.optional) for name, kind in field_types(EVENTS[event]).items())


def from_json(data: Mapping[str, Any]) -> Event | None:
    """The event in a decoded object; None if it is not one of ours. Unknown fields are ignored."""
    event = data.get("event")
    if not isinstance(event, str) or event not in EVENTS or not isinstance(data.get("v"), int):
        return None
    values: dict[str, Any] = {}
    try:
        for name, read, optional in _readers(event):
            if name in data:
                value = data[name]
                values[name] = None if value is None and optional else read(value)
    except _MisfitError:
        return None
    at = values.get("at")
    if at is not None and not 0 <= at < LATEST:  # not a time that a calendar can represent
        del values["at"]
    return EVENTS[event](**values)


def redacted(event: Event, secrets: tuple[str, ...] = ()) -> Event:
    """`event` without secrets in its free text. After parsing, because a replacement inside JSON could break it."""
    if isinstance(event, LogLine):  # there can be 100 000 per second; pattern matching or `replace` would be slower
        clean = redact(event.text, secrets)
        return event if clean == event.text else LogLine(text=clean, at=event.at)
    changed: dict[str, Any] = {}
    for item in fields(event):
        value = getattr(event, item.name)
        if isinstance(value, str) and (clean := redact(value, secrets)) != value:
            changed[item.name] = clean
    return replace(event, **changed) if changed else event


def without_secrets(
    reader: Reader, line: str, broken: BrokenTokens, *, at: float | None = None, secrets: tuple[str, ...] = ()
) -> Iterator[Event]:
    """`reader.feed` of one line, without secrets; `broken` has seen the previous lines."""
    line = broken.masked(line)
    if "\r" in line:  # splits the line there, possibly inside a secret
        line = redact(line, secrets)
    for event in reader.feed(line, at=at):
        yield redacted(event, secrets)


_TRL_DICT = re.compile(r"\{'[a-z_/]+': .*\}\s*$")
# The trainer's bar has no text before the percentage; those of tokenizing and loading do.
_BAR = re.compile(r"\s*\d+%\|[^|]*\|\s*(\d+)/(\d+)\s*\[")


def _trl_metrics(segment: str, step: int) -> Metrics | None:
    """Metrics from the dictionary printed by TRL's own scripts; strings or floats, depending on the version."""
    found = _TRL_DICT.search(segment)
    if found is None:
        return None
    try:
        data = ast.literal_eval(re.sub(r"(?<=: )(nan|-?inf)(?=[,}])", r"'\1'", found[0].strip()))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if not isinstance(data, dict) or not ({"loss", "eval_loss", "train_loss"} & data.keys()):
        return None
    return Metrics(step=step, values={k: n for k, raw in data.items() if (n := _number(raw)) is not None})


def event_in(segment: str) -> Event | None:
    """The event in a line or in one state of a line; None without one."""
    start = segment.find('{"event"')
    if start < 0:
        return None
    try:
        data = foreign_json.decode(segment[start:])
    except ValueError:
        return None
    return from_json(data) if isinstance(data, dict) else None


class Reader:
    """Turns the lines of one log into events, in order. Its only state is the step of the last progress bar."""

    def __init__(self, *, ours: bool = False) -> None:
        self.ours = ours
        """The script writes our format, so metrics printed by TRL would be duplicates."""
        self._bar_step = 0

    def feed(self, line: str, at: float | None = None) -> Iterator[Event]:
        """The events in one line (no newline in it); `at` is used if the line has no time.

        A progress bar's carriage returns leave many states, and sometimes an event, in one line: events are extracted,
        and only the last state becomes log text.
        """
        if "\r" not in line and "{" not in line and "%|" not in line:  # most lines of a log, of which there can be many
            yield LogLine(text=line, at=at)
            return
        text: str | None = None
        found: list[Event] = []
        for segment in line.split("\r"):
            if event := event_in(segment):
                self.ours = True
                found.append(_timed(event, at))
                continue
            if segment.strip() or text is None:
                text = segment
            if not self.ours:
                found += self._printed_by_trl(segment, at)
        if text is not None and (text.strip() or not found):
            yield LogLine(text=text, at=at)
        yield from found

    def _printed_by_trl(self, segment: str, at: float | None) -> Iterator[Event]:
        """Progress and metrics in what TRL's own scripts print."""
        if bar := _BAR.match(segment):
            self._bar_step = int(bar[1])
            yield Progress(step=self._bar_step, max_steps=int(bar[2]), at=at)
        if metrics := _trl_metrics(segment, self._bar_step):
            yield _timed(metrics, at)


def _timed(event: Event, at: float | None) -> Event:
    """`event` with the time `at` if it has none itself."""
    return replace(event, at=at) if event.at is None and at is not None else event


def dump(event: Event) -> str:
    """One line of strict JSON, without a newline."""
    return json.dumps(event.as_json(), ensure_ascii=False, allow_nan=False)
