"""What votes between two or more models can show: intervals, tests and strengths, with the standard library alone.

Ties leave the denominator of the Wilson interval and of the sign test; the plain win rate counts them as half.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, stdev

from smoltui.core.evaluation.figures import Interval, wilson

Z95 = NormalDist().inv_cdf(0.975)
"""Of a 95 % interval: 1.959964."""
LEVEL = 0.05
"""A difference is claimed below this p value."""
CONTROLLED_FROM = 30
"""Votes from which a length-controlled rate is shown: with 20, its interval is about 50 points wide."""
CONTROLLED_WIDTH = 0.6
"""A length-controlled rate with a wider interval says nothing."""
_MOST_STEPS = 10_000
_LARGEST = 30.0
"""Log-odds beyond this are on their way to infinity."""


def win_interval(wins: int, losses: int) -> Interval | None:
    """95 % Wilson interval of the share of wins among votes that preferred one answer; None without any."""
    return wilson(wins, wins + losses, Z95)


def win_rate(wins: int, losses: int, even: int) -> float | None:
    """Share of wins with ties as half; None without votes."""
    total = wins + losses + even
    return (wins + even / 2) / total if total else None


def sign_test(wins: int, losses: int) -> float:
    """Two-sided exact p value: how often a fair coin gives a result at least as uneven. 1.0 without votes."""
    total = wins + losses
    tail = sum(math.comb(total, k) for k in range(max(wins, losses), total + 1))
    outcomes: int = 2**total
    return min(1.0, 2 * tail / outcomes)


FEWEST_VOTES = next(votes for votes in range(1, 100) if sign_test(votes, 0) < LEVEL)
"""With fewer votes the sign test cannot show a difference, even if all agree: 6."""


def holm(values: Sequence[float]) -> list[float]:
    """p values of several tests, adjusted so that the chance of any false claim stays below the level (Holm 1979)."""
    adjusted, least = [0.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=lambda at: values[at])):
        least = max(least, min(1.0, values[place] * (len(values) - rank)))
        adjusted[place] = least
    return adjusted


# ----------------------------------------------------------------------------------------------------- length control


@dataclass(frozen=True, slots=True)
class LengthControlled:
    """A win rate with the effect of length taken out."""

    rate: float
    """What the rate would be between answers of the same length, 0..1."""
    interval: Interval
    """95 %."""
    length_effect: float
    """φ: log-odds by which a much longer answer gains; 0 if length does not matter."""
    ridge: bool = False
    """Votes follow length so closely that φ had to be held back by a penalty."""

    @property
    def tells(self) -> bool:
        """Whether the interval is narrow enough to say anything."""
        return self.interval[1] - self.interval[0] <= CONTROLLED_WIDTH


def length_controlled(gaps: Sequence[float], outcomes: Sequence[float]) -> LengthControlled | None:
    """The length-controlled win rate of AlpacaEval 2 (arXiv 2404.04475) without its term for difficult instructions.

    Logistic regression of the outcome on a constant θ and on φ·tanh(gap / standard deviation of the gaps); the rate is
    σ(θ), its interval σ(θ ± 1.96 standard errors). If it does not converge, φ gets a ridge penalty of 1.

    `gaps`: for each vote, characters of this model's answer minus those of the other. `outcomes`: 1 for a win, 0.5 for
    a tie, 0 for a loss. None if there is no finite estimate: without votes, or if one model won all of them.
    """
    if len(gaps) < 2:
        return None
    spread = stdev(gaps)
    # Without a spread, the limit for a small one: what is always longer can't be told apart from what is better.
    lengths = [math.tanh(gap / spread) if spread else float((gap > 0) - (gap < 0)) for gap in gaps]
    for ridge in (0.0, 1.0):
        if (found := _regression(lengths, outcomes, ridge)) is not None:
            constant, effect, error = found
            low, high = (_logistic(constant + sign * Z95 * error) for sign in (-1, 1))
            return LengthControlled(_logistic(constant), (low, high), effect, bool(ridge and any(gaps)))
    return None


def _regression(lengths: Sequence[float], outcomes: Sequence[float], ridge: float) -> tuple[float, float, float] | None:
    """(θ, φ, standard error of θ) by Newton's method; None if it does not converge."""
    constant = effect = 0.0
    for _ in range(200):
        odds = [_logistic(constant + effect * length) for length in lengths]
        weights = [share * (1 - share) for share in odds]
        missed = [outcome - share for outcome, share in zip(outcomes, odds, strict=True)]
        slope = sum(miss * length for miss, length in zip(missed, lengths, strict=True)) - ridge * effect
        h11, h12 = sum(weights), sum(weight * length for weight, length in zip(weights, lengths, strict=True))
        h22 = sum(weight * length * length for weight, length in zip(weights, lengths, strict=True)) + ridge
        determinant = h11 * h22 - h12 * h12
        if determinant < 1e-9:
            return None
        step = (h22 * sum(missed) - h12 * slope) / determinant, (h11 * slope - h12 * sum(missed)) / determinant
        constant, effect = constant + step[0], effect + step[1]
        if max(map(abs, (constant, effect))) > _LARGEST:
            return None
        if max(map(abs, step)) < 1e-12:
            return constant, effect, math.sqrt(h22 / determinant)
    return None


def _logistic(value: float) -> float:
    return 0.5 * (1 + math.tanh(value / 2))  # does not overflow


# ------------------------------------------------------------------------------------------------------ Bradley–Terry


@dataclass(frozen=True, slots=True)
class Ranking:
    """Strengths of several models (Bradley and Terry 1952)."""

    strengths: Mapping[str, float]
    """Model → log strength, strongest first; their mean is 0. A model wins against another with the probability
    1 / (1 + exp(other − own))."""
    intervals: Mapping[str, Interval]
    """Model → 95 % interval of its strength, from the Fisher information."""
    smoothed: tuple[str, ...] = ()
    """Models that won or lost everything: half a win each way was added against each model they met."""


Wins = Mapping[tuple[str, str], float]
"""(winner, loser) → votes; a tie is half a vote each way."""


def bradley_terry(models: Sequence[str], wins: Wins) -> Ranking | None:
    """The maximum likelihood strengths of `models`, by the MM iteration (Hunter 2004).

    None if the votes don't connect all of them. If a finite estimate needs more than smoothing single models, half a
    win each way is added to every two models that met.
    """
    met = {pair for pair, count in wins.items() if count} | {pair[::-1] for pair, count in wins.items() if count}
    if len(models) < 2 or not _reaches_all(models, met):
        return None
    lone = [
        name
        for name in models
        if not any(wins.get((name, other)) for other in models) or not any(wins.get((other, name)) for other in models)
    ]
    table = _smoothed(wins, met, lone)
    if not _is_finite(models, table):
        lone = list(models)
        table = _smoothed(wins, met, lone)
    strengths = _strengths(models, table)
    errors = _errors(models, table, strengths)
    ordered = sorted(models, key=lambda name: -strengths[name])
    return Ranking(
        {name: strengths[name] for name in ordered},
        {name: (strengths[name] - Z95 * errors[name], strengths[name] + Z95 * errors[name]) for name in ordered},
        tuple(lone),
    )


def _smoothed(wins: Wins, met: Iterable[tuple[str, str]], lone: Sequence[str]) -> dict[tuple[str, str], float]:
    """`wins` with half a win each way between models that met, of which at least one is in `lone`."""
    added = {pair: 0.5 for pair in met if pair[0] in lone or pair[1] in lone}
    return {pair: wins.get(pair, 0.0) + added.get(pair, 0.0) for pair in (*met, *wins)}


def _is_finite(models: Sequence[str], wins: Wins) -> bool:
    """Whether wins link each model to each other one, directly or over others (Ford 1957)."""
    edges = {pair for pair, count in wins.items() if count}
    return _reaches_all(models, edges) and _reaches_all(models, {pair[::-1] for pair in edges})


def _reaches_all(models: Sequence[str], edges: Collection[tuple[str, str]]) -> bool:
    """Whether every model can be reached from the first one."""
    reached = {models[0]}
    while more := {end for start, end in edges if start in reached} - reached:
        reached |= more
    return reached >= set(models)


def _strengths(models: Sequence[str], wins: Wins) -> dict[str, float]:
    """Log strengths with mean 0."""
    power = dict.fromkeys(models, 1.0)
    for _ in range(_MOST_STEPS):
        new = {}
        for name in models:
            others = [other for other in models if other != name]
            won = sum(wins.get((name, other), 0.0) for other in others)
            new[name] = won / sum(_games(wins, name, other) / (power[name] + power[other]) for other in others)
        scale = math.exp(sum(map(math.log, new.values())) / len(new))
        before, power = power, {name: value / scale for name, value in new.items()}
        if max(abs(math.log(power[name] / before[name])) for name in models) < 1e-11:
            break
    return {name: math.log(value) for name, value in power.items()}


def _games(wins: Wins, name: str, other: str) -> float:
    return wins.get((name, other), 0.0) + wins.get((other, name), 0.0)


def _errors(models: Sequence[str], wins: Wins, strengths: Mapping[str, float]) -> dict[str, float]:
    """Standard errors of the log strengths: from the pseudo-inverse of the Fisher information, whose rows sum to 0."""
    count = len(models)
    information = [[1 / count] * count for _ in models]
    for at, name in enumerate(models):
        for place, other in enumerate(models):
            if at != place:
                share = _logistic(strengths[name] - strengths[other])
                weight = _games(wins, name, other) * share * (1 - share)
                information[at][at] += weight
                information[at][place] -= weight
    inverse = _inverse(information)
    return {name: math.sqrt(max(inverse[at][at] - 1 / count, 0.0)) for at, name in enumerate(models)}


def _inverse(matrix: list[list[float]]) -> list[list[float]]:
    """The inverse of a symmetric positive definite matrix (Gauss and Jordan)."""
    size = len(matrix)
    rows = [[*row, *(float(at == place) for place in range(size))] for at, row in enumerate(matrix)]
    for at in range(size):
        pivot = rows[at][at]
        rows[at] = [value / pivot for value in rows[at]]
        for place in range(size):
            if place != at:
                factor = rows[place][at]
                rows[place] = [value - factor * own for value, own in zip(rows[place], rows[at], strict=True)]
    return [row[size:] for row in rows]
