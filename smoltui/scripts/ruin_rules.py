"""What training curves say, one rule per function. The only place for thresholds on curves.

The sizes come from 27 runs of a small SmolLM3 on short answers, for which every run was judged by its answers; the
shares are meant to travel to other models. A curve alone can say that a run diverged or that nothing was learned. It
can't say that answers are bad, so the other rules only ask to look at them: zephyr-7b-beta, which was praised for its
answers, has a falling chosen reward and a held-out loss above ln 2 (its `all_results.json`).

Standard library only: it travels into a Job beside dpo.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING or __package__:
    from smoltui.scripts.curve_remarks import FLAT_NATS, PERFECT_POINTS, Level, Remark, minus, percent, rate_rises, rule
    from smoltui.scripts.curve_view import ACCURACY, MARGIN, MOST, CurveView, deviation, mean
else:  # beside dpo.py
    from curve_remarks import FLAT_NATS, PERFECT_POINTS, Level, Remark, minus, percent, rate_rises, rule
    from curve_view import ACCURACY, MARGIN, MOST, CurveView, deviation, mean

RISEN = 1.5
"""Mean of some losses ÷ the first one: training diverges. Healthy noisy pairs reached 1.04."""
LN2 = math.log(2)
MOVED_NATS = 1.0
"""Margin in the first value from which that is not the start any more: easy pairs that are logged every ten steps."""
RISEN_SHARE = 0.02
"""Share of the points that `RISEN` is averaged over, at least `PERFECT_POINTS`: small batches are noisy."""
FLAT_LOSS = 0.03
"""Relative change of the loss within which nothing was learned."""
CHANCE, CHANCE_NATS = (0.35, 0.65), 0.3
"""Accuracy and margin of pairs that are guessed."""
NO_GRADIENT = 1e-5
"""Gradient norm; identical pairs give 3e-7 of rounding noise in float32."""
NO_MARGIN, STILL_POINTS = 1e-6, 5
"""Margin in nats, and how many values in a row, after which the answers don't differ for the model: one step at a
learning rate of 1e-8 moves it further."""
REVERSED = -math.log(3)
"""Mean reward margin, as TRL logs it, below which the loss sigmoid is above 2 ln 2: −log σ(−ln 3) is ln 4."""
NOISY_NATS = 0.05
"""Standard deviation of the margin from which its sign is decided by labels rather than by rounding."""


@rule
def not_finite(view: CurveView) -> Iterator[Remark]:
    """NaN or infinity. With `logging_nan_inf_filter`, the loss says 0.0 and only the others tell."""
    for key, name in (("loss", "loss"), (MARGIN, "reward margin")):
        value = view.last(key)
        if value is not None and not math.isfinite(value):
            since = _since(view, key)
            yield Remark(
                "not_finite",
                Level.BROKEN,
                "NaN",
                f"The {name} has been NaN or infinite since step {since}: the weights are lost",
                _rate_or_dtype(view),
            )
            return
    norms = view.points("grad_norm")[-PERFECT_POINTS:]
    if len(norms) == PERFECT_POINTS and not any(math.isfinite(value) for _, value in norms):
        since = _since(view, "grad_norm")
        yield Remark(
            "not_finite",
            Level.BROKEN,
            "NaN",
            f"The gradient norm has been NaN or infinite since step {since}",
            _rate_or_dtype(view),
        )


@rule
def diverged(view: CurveView) -> Iterator[Remark]:
    """The loss rose far above its start. It latches: a run can return to loss 0 with ruined weights."""
    points = [(step, min(value, MOST)) for step, value in view.points("loss") if math.isfinite(value)]
    first = points[0][1] if points else 0.0
    moved = view.first(MARGIN)
    if 0 < first < LN2 and moved is not None and moved / view.beta > MOVED_NATS:
        first = LN2
    wide = max(PERFECT_POINTS, round(len(points) * RISEN_SHARE))
    if view.over and len(points) == PERFECT_POINTS:
        wide -= 1  # each of so few values is itself a mean over many steps
    if len(points) <= wide or first <= 0:
        return
    values = [value for _, value in points]
    total = math.fsum(values[:wide])
    for place in range(wide, len(values) + 1):
        if total > RISEN * first * wide:
            top = max(values)
            yield Remark(
                "diverged",
                Level.BROKEN,
                "diverged",
                f"The loss rose above its start at step {points[place - wide][0]} (from {first:.2f} to {_size(top)}):"
                " later values can't be trusted, even if they look good",
                _rate_or_dtype(view),
            )
            return
        if place < len(values):
            total += values[place] - values[place - wide]


@rule
def wrong_way(view: CurveView) -> Iterator[Remark]:
    """Rejected answers are far ahead, several values in a row: the loss is twice its start. It latches, too."""
    points = [(step, value) for step, value in view.points(MARGIN) if math.isfinite(value)]
    wide = max(PERFECT_POINTS, round(len(points) * RISEN_SHARE))
    for place in range(len(points) - wide + 1):
        some = points[place : place + wide]
        if mean([max(value, -MOST) for _, value in some]) < REVERSED:
            lowest = min(value for _, value in points)
            yield Remark(
                "wrong_way",
                Level.BROKEN,
                "wrong way",
                f"The rejected answers were far ahead at step {some[0][0]} (reward margin {minus(lowest, 2)}), so the "
                "loss was above 2 ln 2: later values can't be trusted",
                _rate_or_dtype(view),
            )
            return


@rule
def no_gradient(view: CurveView) -> Iterator[Remark]:
    """The gradient is zero although the loss is at its start: the answers don't differ for the model."""
    norms, losses, first = view.finite("grad_norm"), view.finite("loss"), view.first("loss")
    if _never_differs(view):
        yield _identical()
        return
    if len(norms) < PERFECT_POINTS or not losses or first is None or not _tiny(norms):
        return
    if losses[-1] > 0.9 * first:
        yield _identical()
    elif losses[-1] < 0.01 * abs(first):
        yield Remark(
            "saturated",
            Level.WATCH,
            "saturated",
            "Loss and gradient are 0: nothing is left to learn from these pairs",
            "Read the answers; train for fewer steps or with a lower learning rate",
        )


def _identical() -> Remark:
    return Remark(
        "no_gradient",
        Level.NOTHING,
        "no gradient",
        "The gradient is 0: chosen and rejected are identical, or both are cut before they differ",
        "Run the audit of the pairs (a in Pairs) and check max_length",
    )


def _never_differs(view: CurveView) -> bool:
    """Whether the margin has been 0 from the first value on, although steps were made."""
    margins, rates, norms = view.finite(MARGIN), view.finite("learning_rate"), view.finite("grad_norm")
    if max(norms, default=0.0) >= NO_GRADIENT or (not norms and view.dtype in ("bfloat16", "float16")):
        return False  # in such weights, steps may be lost to rounding instead
    moved = len(margins) >= STILL_POINTS and len(rates) >= STILL_POINTS and min(rates[-STILL_POINTS:]) > 0
    return moved and max(abs(value) for value in margins) < NO_MARGIN * view.beta


@rule
def flat(view: CurveView) -> Iterator[Remark]:
    """Half of the run is done, and neither margin nor loss has moved. One symptom, five causes."""
    margin, first, loss = view.nats(MARGIN), view.first("loss"), view.end("loss")
    if margin is None or not view.is_past(0.5) or len(view.finite(MARGIN)) < PERFECT_POINTS:
        return
    is_still = first is None or loss is None or abs(loss - first) <= FLAT_LOSS * abs(first)
    is_flat = abs(margin) <= FLAT_NATS and is_still
    accuracies = view.half(ACCURACY)
    guessed = bool(accuracies) and CHANCE[0] <= mean(accuracies) <= CHANCE[1] and abs(margin) <= CHANCE_NATS
    if not is_flat and not (guessed and view.is_past(0.75)):
        return
    if _tiny(view.finite("grad_norm")):
        return  # `no_gradient` says it
    sentence, act = _why_flat(view, guessed)
    yield Remark("flat", Level.NOTHING, "margin flat", sentence, act)


def _why_flat(view: CurveView, guessed: bool) -> tuple[str, str]:
    margins = [value / view.beta for value in view.half(MARGIN)]
    if rate_rises(view):
        return "The learning rate is still rising: warm-up is longer than the run", "Set warmup_steps to 0.1"
    changes = min(margins) < 0 < max(margins)
    if guessed and changes and deviation(margins) > NOISY_NATS:
        return (
            f"Accuracy stays at {percent(mean(view.half(ACCURACY)))}, a coin toss: the pairs contradict each other",
            "Read some pairs: labels may be random or half of them swapped",
        )
    rounded = guessed and deviation(margins) <= NOISY_NATS and not view.dtype
    if view.dtype in ("bfloat16", "float16") or rounded:
        kind = view.dtype or "bfloat16 or float16"
        return (
            f"The margin is stuck at {minus(margins[-1], 3)} nats: steps this small are lost in {kind} weights",
            "Set dtype: float32, use LoRA, or raise the learning rate",
        )
    return (
        f"The margin is {minus(margins[-1], 3)} nats and the loss is still at its start: the learning rate is too low",
        "Raise the learning rate by a factor of 3 to 10; then lower beta",
    )


def _tiny(norms: list[float]) -> bool:
    return len(norms) >= PERFECT_POINTS and max(norms[-PERFECT_POINTS:]) < NO_GRADIENT


def _rate_or_dtype(view: CurveView) -> str:
    if view.dtype == "float16":
        return "Set dtype: float32 (float16 weights overflow), then try a lower learning rate"
    return "Lower the learning rate by a factor of 3 to 10"


def _size(value: float) -> str:
    return f"{value:.2f}" if value < 1000 else f"{value:,.0f}" if value < 1e9 else f"{value:.1e}"


def _since(view: CurveView, key: str) -> int:
    """The step at which the values that are not finite, up to the last one, start."""
    points = view.points(key)
    since = points[-1][0]
    for step, value in reversed(points):
        if math.isfinite(value):
            break
        since = step
    return since
