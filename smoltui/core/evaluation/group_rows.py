"""The groups of held-out pairs in words, for the room and the command."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from smoltui.core.evaluation.figures import Interval
from smoltui.core.evaluation.groups import LEAST_PAIRS, Group
from smoltui.core.evaluation.measurement import Measurement
from smoltui.core.runs.metrics import as_word

TOO_FEW = "too few"
GROUP_RULE = (
    "Groups: by length gap (chosen minus rejected in characters, as a share of the longer answer) and by turns of the "
    f"user in the prompt. {TOO_FEW.capitalize()}: fewer than {LEAST_PAIRS} pairs say nothing yet."
)


class GroupRow(NamedTuple):
    """One group as texts; empty for what it does not have."""

    words: str
    pairs: str
    not_finite: str
    accuracy: str
    """Reward accuracy, or `too few`."""
    accuracy_interval: str
    margin: str
    """Reward margin, nats."""
    margin_interval: str


HEADINGS = GroupRow("group", "pairs", "", "accuracy", "", "margin", "")


def group_row(group: Group) -> GroupRow:
    """The figures of a group, each with its interval; of a small one only the number of pairs."""
    broken = f"+ {group.not_finite} NaN" if group.not_finite else ""
    words, counted = group.definition.words, str(group.pairs)
    if group.too_few and group.key != "all":
        return GroupRow(words, counted, broken, TOO_FEW, "", "", "")
    accuracy = f"{group.accuracy * 100:.0f} %" if group.accuracy is not None else "–"
    return GroupRow(
        words,
        counted,
        broken,
        accuracy,
        _range(group.accuracy_interval, "{:.0f}–{:.0f}", 100),
        as_word(group.margin),
        _range(group.margin_interval, "{:.3f} to {:.3f}", 1),
    )


def _range(interval: Interval | None, form: str, times: int) -> str:
    return f"({form.format(*(end * times for end in interval))})" if interval is not None else ""


def notes(measurement: Measurement, when: Callable[[float], str]) -> list[str]:
    """What else to know about a measurement, one sentence each; `when` says a time in words."""
    said = []
    if measurement.reference_at is not None:
        said.append(f"Reference values from {when(measurement.reference_at)} reused.")
    if measurement.dropped:
        counted = "1 pair is" if measurement.dropped == 1 else f"{measurement.dropped} pairs are"
        said.append(f"{counted} not scored: the prompt alone fills max_length, and training drops such pairs, too.")
    return said
