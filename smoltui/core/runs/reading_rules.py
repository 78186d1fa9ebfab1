"""What training curves say, one rule per function. The only place for thresholds on curves.

The sizes come from 27 runs of a small SmolLM3 on short answers, for which every run was judged by its answers; the
shares are meant to travel to other models. A curve alone can say that a run diverged or that nothing was learned. It
can't say that answers are bad, so the other rules only ask to look at them: zephyr-7b-beta, which was praised for its
answers, has a falling chosen reward and a held-out loss above ln 2 (its `all_results.json`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from smoltui.core.runs.curve_view import ACCURACY, CHOSEN, MARGIN, MOST, REJECTED, CurveView, deviation, mean

EARLY_SHARE = 0.2
"""The first fifth of the steps."""
PERFECT_POINTS = 3
"""Consecutive values of 1.0 that count; a single batch can be lucky."""
TREND_POINTS = 8
"""Minimum number of logged values for a trend."""
RISEN = 1.5
"""Mean of some losses ÷ the first one: training diverges. Healthy noisy pairs reached 1.04."""
RISEN_SHARE = 0.02
"""Share of the points that `RISEN` is averaged over, at least `PERFECT_POINTS`: small batches are noisy."""
FLAT_NATS, FLAT_LOSS = 0.1, 0.03
"""Margin in nats, and relative change of the loss, within which nothing was learned."""
CHANCE, CHANCE_NATS = (0.35, 0.65), 0.3
"""Accuracy and margin of pairs that are guessed."""
NO_GRADIENT = 1e-5
"""Gradient norm; identical pairs give 3e-7 of rounding noise in float32."""
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
ONE_SIDED, ONE_SIDED_NATS = 0.97, 1.0
"""Share of the margin that one side makes, and the margin from which that counts."""
OPPOSITE = 0.3
"""Training accuracy − held-out accuracy, with held-out below one half: the two sets disagree."""
NOISY_NATS = 0.05
"""Standard deviation of the margin from which its sign is decided by labels rather than by rounding."""


class Level(IntEnum):
    """How much a remark weighs."""

    NOTE = 0
    """Good to know; a run with nothing else is healthy."""
    WATCH = 1
    """Look at the answers: curves can't decide whether they are good."""
    NOTHING = 2
    """Nothing was learned."""
    BROKEN = 3
    """The weights are not usable, whatever the curves show later."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that the curves show."""

    rule: str
    """Name of the rule; also the term of its card (`core.meanings`)."""
    level: Level
    word: str
    """Two words for a row of the list."""
    sentence: str
    """What is seen, with its figures; without a period."""
    act: str
    """What to do; without a period."""


Rule = Callable[[CurveView], Iterator[Remark]]
RULES: list[Rule] = []
"""In the order in which remarks of the same level are shown."""


def rule(function: Rule) -> Rule:
    """Adds a rule to `RULES`."""
    RULES.append(function)
    return function


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
def no_gradient(view: CurveView) -> Iterator[Remark]:
    """The gradient is zero although the loss is at its start: the answers don't differ for the model."""
    norms, losses, first = view.finite("grad_norm"), view.finite("loss"), view.first("loss")
    if len(norms) < PERFECT_POINTS or not losses or first is None or not _tiny(norms):
        return
    if losses[-1] > 0.9 * first:
        yield Remark(
            "no_gradient",
            Level.NOTHING,
            "no gradient",
            "The gradient is 0: chosen and rejected are identical, or both are cut before they differ",
            "Run the audit of the pairs (a in Pairs) and check max_length",
        )
    elif losses[-1] < 0.01 * abs(first):
        yield Remark(
            "saturated",
            Level.WATCH,
            "saturated",
            "Loss and gradient are 0: nothing is left to learn from these pairs",
            "Read the answers; train for fewer steps or with a lower learning rate",
        )


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
    if _rate_rises(view):
        return "The learning rate is still rising: warm-up is longer than the run", "Set warmup_steps to 0.1"
    changes = min(margins) < 0 < max(margins)
    if guessed and changes and deviation(margins) > NOISY_NATS:
        return (
            f"Accuracy stays at {percent(mean(view.half(ACCURACY)))}, a coin toss: the pairs contradict each other",
            "Read some pairs: labels may be random or half of them swapped",
        )
    if view.dtype in ("bfloat16", "float16") or (guessed and deviation(margins) <= NOISY_NATS):
        kind = view.dtype if view.dtype in ("bfloat16", "float16") else "bfloat16 or float16"
        return (
            f"The margin is stuck at {minus(margins[-1], 3)} nats: steps this small are lost in {kind} weights",
            "Set dtype: float32, use LoRA, or raise the learning rate",
        )
    return (
        f"The margin is {minus(margins[-1], 3)} nats and the loss is still at its start: the learning rate is too low",
        "Raise the learning rate by a factor of 3 to 10; then lower beta",
    )


@rule
def warming_up(view: CurveView) -> Iterator[Remark]:
    """30 % of the run is done, and the learning rate still rises."""
    if view.is_past(0.3) and _rate_rises(view):
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
    if held < 0.5 and margin < 0 and mean(trained) - held > OPPOSITE:
        yield Remark(
            "opposite",
            Level.WATCH,
            "held-out opposite",
            f"Held-out pairs rank the other way around (accuracy {percent(held)}, training {percent(mean(trained))})",
            "Check whether chosen and rejected are swapped in one of the two sets",
        )


@rule
def negative(view: CurveView) -> Iterator[Remark]:
    """Half of the run is done, and rejected answers have the larger reward."""
    margin = view.nats(MARGIN)
    if margin is not None and view.is_past(0.5) and margin < -FLAT_NATS and len(view.finite(MARGIN)) >= 3:
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
    for part, side, moved in ((chosen, "chosen", "rose"), (-rejected, "rejected", "fell")):
        if part > ONE_SIDED * margin:
            yield Remark(
                "one_sided",
                Level.WATCH,
                "one-sided",
                f"Only the {side} answers {moved}: what tells the sides apart may be a marker or their length",
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


def percent(share: float) -> str:
    """A share (0..1) for the screen: `94 %`."""
    return f"{share * 100:.0f} %"


def minus(value: float, digits: int) -> str:
    """A number with a real minus sign; `-0.000` is 0.000."""
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")


def _rate_rises(view: CurveView) -> bool:
    rates = view.finite("learning_rate")
    return len(rates) >= PERFECT_POINTS and rates[-1] == max(rates) and rates[-1] > rates[-2] > rates[-3]


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
