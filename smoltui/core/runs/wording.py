"""Events as readable text, shared by the log view and the command line."""

from __future__ import annotations

import time
from functools import singledispatch

from smoltui.core.runs import events
from smoltui.core.runs.health import remark_in
from smoltui.core.runs.metrics import as_word
from smoltui.core.runs.pace import as_time
from smoltui.scripts.curve_remarks import percent

PHASES = {
    "download": "downloading",
    "load_pairs": "loading the pairs",
    "load_model": "loading the model",
    "tokenize": "tokenizing",
    "train": "training",
    "evaluate": "evaluating on held-out pairs",
    "save": "saving the model",
    "push": "pushing to the Hub",
    "reuse": "reusing the values of the pairs",
    "score": "scoring the pairs",
    "generate": "generating answers",
}
"""Names of the phases of a script on screen; an unknown phase is shown as it is."""

_AGAIN = "the Hub did not send them again"
_LOST = f"the connection was lost, and {_AGAIN}"
GAP_MARK = "╌╌"
"""Begins the line that stands for missing lines; a log shows it dim."""

_SHOWN = (
    ("loss", "loss"),
    ("rewards/margins", "margin"),
    ("rewards/accuracies", "accuracy"),
    ("eval_loss", "held-out loss"),
    ("eval_rewards/margins", "held-out margin"),
    ("eval_rewards/accuracies", "held-out accuracy"),
)


@singledispatch
def in_words(event: events.Event, max_steps: int | None = None) -> str | None:
    """One or two lines for an event worth showing in a log; None for the others. Not sanitized yet."""
    return None


@in_words.register(events.LogLine)
def _(event: events.LogLine, max_steps: int | None = None) -> str:
    return event.text


@in_words.register(events.PhaseChanged)
def _(event: events.PhaseChanged, max_steps: int | None = None) -> str:
    return f"── {PHASES.get(event.phase, event.phase)}{f': {event.message}' if event.message else ''}"


@in_words.register(events.Planned)
def _(event: events.Planned, max_steps: int | None = None) -> str:
    parts = [
        f"{event.max_steps} step{'' if event.max_steps == 1 else 's'}",
        f"{event.epochs:.3g} epoch{'' if event.epochs == 1 else 's'}",
        f"{event.train_pairs} pair{'' if event.train_pairs == 1 else 's'}",
    ]
    if event.held_out_pairs is not None:
        parts.append(f"{event.held_out_pairs} held out")
    if skipped := sum(event.left_out.values()):
        reasons = ", ".join(f"{count} {reason}" for reason, count in event.left_out.items())
        parts.append(f"{skipped} skipped ({reasons})")
    parts.append(f"training {event.trainable:,} of {event.parameters:,} weights in {event.dtype} on {event.device}")
    return "plan: " + " · ".join(parts)


@in_words.register(events.Metrics)
def _(event: events.Metrics, max_steps: int | None = None) -> str | None:
    numbers = "  ".join(f"{word} {as_word(event.values[key])}" for key, word in _SHOWN if key in event.values)
    of = f"/{max_steps}" if max_steps else ""
    return f"step {event.step}{of}  {numbers}" if numbers else None


@in_words.register(events.CheckpointSaved)
def _(event: events.CheckpointSaved, max_steps: int | None = None) -> str:
    return f"checkpoint saved at step {event.step}: {event.path}"


@in_words.register(events.CheckpointKept)
def _(event: events.CheckpointKept, max_steps: int | None = None) -> str:
    return f"checkpoint of step {event.step} kept: {event.path}"


@in_words.register(events.ModelSaved)
def _(event: events.ModelSaved, max_steps: int | None = None) -> str:
    return f"model saved: {event.path}"


@in_words.register(events.ModelPushed)
def _(event: events.ModelPushed, max_steps: int | None = None) -> str:
    return f"model pushed: {event.url or event.repo}"


@in_words.register(events.WeightsMoved)
def _(event: events.WeightsMoved, max_steps: int | None = None) -> str:
    return f"{percent(event.share, 1)} of the weights moved"


@in_words.register(events.HealthChanged)
def _(event: events.HealthChanged, max_steps: int | None = None) -> str | None:
    remark = remark_in(event)
    if remark is None:
        return "the curves look fine again"
    return f"warning at step {event.step}: {remark.sentence}. {remark.act}."


@in_words.register(events.Failed)
def _(event: events.Failed, max_steps: int | None = None) -> str:
    return f"failed: {event.cause}\n{event.hint}".rstrip()


@in_words.register(events.Finished)
def _(event: events.Finished, max_steps: int | None = None) -> str:
    return f"finished: step {event.step} of {event.max_steps} after {as_time(event.seconds)} of training"


@in_words.register(events.Gap)
def _(event: events.Gap, max_steps: int | None = None) -> str:
    return gap_words(event)


def gap_words(gap: events.Gap) -> str:
    """`╌╌ lines are missing between 14:03:05 and 14:03:09 …`, in local time."""
    since, until = (
        None if at is None else time.strftime("%H:%M:%S", time.localtime(at)) for at in (gap.since, gap.until)
    )
    if until is None:
        return f"{GAP_MARK} lines may be missing{f' after {since}' if since else ''}: {_LOST}"
    if since is None:  # an earlier connection has seen them
        return f"{GAP_MARK} lines are missing before {until}: {_AGAIN}"
    where = f"at {until}" if since == until else f"between {since} and {until}"
    return f"{GAP_MARK} lines are missing {where}: {_LOST}"


@in_words.register(events.StageChanged)
def _(event: events.StageChanged, max_steps: int | None = None) -> str:
    return f"[{event.stage}]{f' {event.message}' if event.message else ''}"
