"""Rules on training curves that ask to look at the answers: curves can't say whether those are good.

Thresholds as in `ruin_rules`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING or __package__:
    from smoltui.scripts.curve_remarks import (
        FLAT_NATS,
        PERFECT_POINTS,
        TREND_POINTS,
        Level,
        Remark,
        minus,
        percent,
        rate_rises,
        rule,
    )
    from smoltui.scripts.curve_view import ACCURACY, CHOSEN, MARGIN, REJECTED, CurveView, mean
else:  # beside dpo.py
    from curve_remarks import FLAT_NATS, PERFECT_POINTS, TREND_POINTS, Level, Remark, minus, percent, rate_rises, rule
    from curve_view import ACCURACY, CHOSEN, MARGIN, REJECTED, CurveView, mean

EARLY_SHARE = 0.2
"""The first fifth of the steps."""
FELL_NATS, FELL_SHARE = 0.3, 0.05
"""The chosen answers lost this much log-probability, in nats and as a share of it."""
COLLAPSED_SHARE = 0.5
"""…so much that the answers may have collapsed."""
TURNED = 1.05
"""Held-out loss ÷ its minimum: memorizing."""
SMALL_LOSS = 0.01
"""Share of the first loss below which a rise means nothing, however large it is relative to the minimum."""
EVALUATIONS = 3
"""Held-out measurements for a trend."""
GAP_NATS = 1.0
"""Chosen reward of training pairs − held-out ones: memorizing."""
TRIVIAL_LOSS = 0.1
"""Loss ÷ the first one, within the first fifth."""
ONE_SIDED, ONE_SIDED_NATS = (0.97, 1.1), 1.0
"""Share of the margin that one side makes (above 1, the other side moved the same way), and the margin from which that
counts."""
EASY = 0.9
"""Accuracy of pairs that something simple tells apart. On human preferences, a chosen reward near 0 is usual."""
FAR_BELOW = 0.15
"""Training accuracy − held-out accuracy: memorizing. No healthy run reached 0.1."""
WRONG_POINTS = 10
"""Consecutive negative margins, with an accuracy below one half, that are no chance."""
OPPOSITE, REVERSED = 0.3, 0.35
"""Training accuracy − held-out accuracy, and a held-out accuracy clearly below one half: the two sets disagree."""


@rule
def warming_up(view: CurveView) -> Iterator[Remark]:
    """30 % of the run is done, and the learning rate still rises."""
    if view.is_past(0.3) and rate_rises(view):
        yield Remark(
            "warming_up",
            Level.WATCH,
            "warm-up",
            "The learning rate is still rising: warm-up takes most of the run",
            "Set warmup_steps to 0.1",
        )


@rule
def opposite(view: CurveView) -> Iterator[Remark]:
    """Held-out pairs are ranked the other way around."""
    held, trained = view.last(f"eval_{ACCURACY}"), view.half(ACCURACY)
    margin = view.last(f"eval_{MARGIN}")
    if held is None or margin is None or not trained or not view.is_past(0.5):
        return
    if held < REVERSED and margin < 0 and mean(trained) - held > OPPOSITE:
        yield Remark(
            "opposite",
            Level.WATCH,
            "held-out opposite",
            f"Held-out pairs rank the other way around (accuracy {percent(held)}, training {percent(mean(trained))})",
            "Check whether chosen and rejected are swapped in one of the two sets",
        )


@rule
def negative(view: CurveView) -> Iterator[Remark]:
    """Rejected answers have the larger reward: for many values in a row, or on average after half of the run."""
    margins, margin = view.finite(MARGIN), view.nats(MARGIN)
    if margin is None or margin >= -FLAT_NATS or len(margins) < PERFECT_POINTS:
        return
    newest, accuracies = margins[-WRONG_POINTS:], view.finite(ACCURACY)[-WRONG_POINTS:]
    wrong = len(newest) == WRONG_POINTS and max(newest) < 0 and bool(accuracies) and mean(accuracies) < 0.5
    if wrong or view.is_past(0.5):
        yield Remark(
            "negative",
            Level.WATCH,
            "margin below 0",
            f"The margin is negative ({minus(margin, 2)} nats): the rejected answers are preferred",
            "Check the learning rate, and whether the pairs contradict each other",
        )


@rule
def memorizing(view: CurveView) -> Iterator[Remark]:
    """Held-out loss has turned up, or the chosen reward rises on training pairs only."""
    points = [(step, value) for step, value in view.points("eval_loss") if math.isfinite(value)]
    if len(points) < EVALUATIONS:
        return
    best_step, best = min(points, key=lambda point: point[1])
    now = points[-1][1]
    least = SMALL_LOSS * abs(view.first("loss") or 0.0)
    if now - best > max((TURNED - 1) * abs(best), least):
        yield Remark(
            "memorizing",
            Level.WATCH,
            "overfitting",
            f"Held-out loss rose from {best:.3f} at step {best_step} to {now:.3f}: overfitting",
            f"Stop near step {best_step}, or use fewer epochs or more pairs; read the answers",
        )
        return
    ranked, unseen = view.half(ACCURACY), view.last(f"eval_{ACCURACY}")
    if ranked and unseen is not None and REVERSED <= unseen < mean(ranked) - FAR_BELOW and view.is_past(0.5):
        yield Remark(
            "memorizing",
            Level.WATCH,
            "overfitting",
            f"Accuracy is {percent(mean(ranked))} in training but {percent(unseen)} on held-out pairs: overfitting",
            "Read the answers; use fewer epochs, more pairs or a lower learning rate",
        )
        return
    trained, held = view.nats(CHOSEN), view.last(f"eval_{CHOSEN}")
    if trained is None or held is None or not math.isfinite(held):
        return
    held /= view.beta
    if view.is_large(trained - held, GAP_NATS, FELL_SHARE):
        yield Remark(
            "memorizing",
            Level.WATCH,
            "overfitting",
            f"Chosen answers moved by {minus(trained, 1)} nats in training but by {minus(held, 1)} on held-out pairs: "
            "overfitting",
            "Read the answers; use fewer epochs, more pairs or a lower learning rate",
        )


@rule
def chosen_fell(view: CurveView) -> Iterator[Remark]:
    """The chosen answers became less likely, too. The held-out value has no noise of which pairs are in the batch."""
    last = view.last(f"eval_{CHOSEN}")
    held = last / view.beta if last is not None and math.isfinite(last) else None
    trained = view.nats(CHOSEN) if len(view.finite(CHOSEN)) >= TREND_POINTS else None
    for value, where in ((held, "on held-out pairs"), (trained, "in training")):
        if value is None or not view.is_large(-value, FELL_NATS, FELL_SHARE):
            continue
        prefix = "eval_" if where.startswith("on") else ""
        rejected = view.nats(f"{prefix}{REJECTED}")
        lost = -value / abs(view.reference_logp) if view.reference_logp else 0.0
        share = f", {percent(lost)} of their log-probability" if lost else ""
        if lost >= 10:
            share = f", {lost:,.0f} times their log-probability"
        both = rejected is not None and rejected < 0
        yield Remark(
            "chosen_fell",
            Level.WATCH,
            "log-probs fall" if both else "chosen falls",
            f"{'Both log-probabilities fall: chosen' if both else 'Chosen'} answers became less likely {where} "
            f"({minus(value, 1)} nats{share})",
            "Read the answers now: they may have collapsed. Lower the learning rate or raise beta"
            if lost > COLLAPSED_SHARE
            else "Read the answers now; a lower learning rate or a larger beta keeps them closer",
        )
        return


@rule
def trivial(view: CurveView) -> Iterator[Remark]:
    """The loss collapsed within the first fifth of the steps."""
    first = view.first("loss")
    if first is None or first <= 0 or not view.planned:
        return
    early = [value for step, value in view.points("loss") if step <= view.planned * EARLY_SHARE]
    low = [value for value in early if math.isfinite(value) and value < TRIVIAL_LOSS * first]
    if low:
        yield Remark(
            "trivial",
            Level.WATCH,
            "trivial pairs",
            f"The loss fell to {min(low):.3f} in the first fifth of the steps: "
            "something trivial, such as length or a marker, tells the answers apart",
            "Compare the lengths of both sides, and look for what only one side has",
        )


@rule
def one_sided(view: CurveView) -> Iterator[Remark]:
    """At the end, one side alone makes the margin. On the way, healthy runs look like this, too."""
    chosen, rejected, margin = view.nats(CHOSEN), view.nats(REJECTED), view.nats(MARGIN)
    if chosen is None or rejected is None or margin is None or margin <= ONE_SIDED_NATS or not view.is_past(0.95):
        return
    if view.is_large(-chosen, FELL_NATS, FELL_SHARE):
        return  # `chosen_fell` says it
    ranked = view.half(ACCURACY)
    if ranked and mean(ranked) < EASY:
        return
    for part, side, moved in ((chosen, "chosen", "rose"), (-rejected, "rejected", "fell")):
        if ONE_SIDED[0] * margin < part < ONE_SIDED[1] * margin:
            yield Remark(
                "one_sided",
                Level.WATCH,
                "one-sided",
                f"Almost only the {side} answers {moved}: what tells the sides apart may be a marker or their length",
                "Read the answers; audit the pairs for length and markers",
            )
            return


def perfect_early(view: CurveView) -> int | None:
    """The step since which accuracy has been 1.0 up to the last value, if it is in the first fifth; otherwise None.

    Alone it says little: healthy runs on clean pairs have it.
    """
    since = perfect_since(view)
    return since if since is not None and view.planned and since <= view.planned * EARLY_SHARE else None


def perfect_since(view: CurveView) -> int | None:
    """The step at which at least `PERFECT_POINTS` consecutive values of 1.0, up to the last one, start."""
    since, length = 0, 0
    for step, value in reversed(view.points(ACCURACY)):
        if not value >= 1.0:
            break
        since, length = step, length + 1
    return since if length >= PERFECT_POINTS else None
