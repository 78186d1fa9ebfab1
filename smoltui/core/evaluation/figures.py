"""Compares an aligned model with its reference by answers and log-probabilities. Computed, never stored."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from smoltui.core.runs.events import Answered, Event, PairScored, strict
from smoltui.core.settings.settings import Manner

REFERENCE = "reference"
"""The model before alignment, as `model` in the events of `scripts/generate.py`."""
ALIGNED = "aligned"
"""The model after it."""

COURSE_PROMPTS = (
    "How should I handle a disagreement with my friend?",
    "What's the best way to learn programming?",
    "How can I be more productive at work?",
    "What should I do if I see someone being bullied?",
)
"""The prompts of the smol-course exercise (units/en/unit2/3.md); used if a project has no prompts."""

MIN_WORDS, MAX_WORDS = 3, 80
WELL_FORMED_RULE = (
    f"Well-formed: the answer ends on its own, has {MIN_WORDS} to {MAX_WORDS} words, starts with a capital letter, "
    "ends with . ! or ?, and repeats no word three times in a row and no sentence."
)

_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u2032\uff07`´", "'"))
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+")
_WORD = re.compile(r"[^\W_]+(?:['\-][^\W_]+)*")
_OPENING = "\"'“‘«([*_ \t"
_CLOSING = "\"'”’»)]*_ \t"


def _plain(text: str) -> str:
    """Text for the rules: one kind of apostrophe, lower case."""
    return text.translate(_APOSTROPHES).casefold()


def _holds(plain: str, phrase: str) -> bool:
    """Whether `plain` contains `phrase` as whole words; `don` is not a word in `don't`, spaces can be line breaks."""
    words = _plain(phrase).split()
    if not words:
        return False
    pattern = r"(?<!\w)(?<!\w')" + r"\s+".join(map(re.escape, words)) + r"(?!'?\w)"
    return re.search(pattern, plain) is not None


def manner_of(text: str, manner: Manner) -> bool:
    """Whether an answer is in the chosen manner: it contains one of `any_of` (if any) and none of `none_of`."""
    plain = _plain(text)
    if manner.any_of and not any(_holds(plain, phrase) for phrase in manner.any_of):
        return False
    return not any(_holds(plain, phrase) for phrase in manner.none_of)


def rule_in_words(manner: Manner) -> str:
    """The rule of `manner_of` as one sentence."""

    def listed(phrases: Sequence[str]) -> str:
        return ", ".join(f"“{phrase}”" for phrase in phrases)

    parts = []
    if manner.any_of:
        parts.append(f"contains at least one of {listed(manner.any_of)}")
    if manner.none_of:
        parts.append(f"contains none of {listed(manner.none_of)}")
    if not parts:
        return f"{manner.name}: every answer, because smoltui.toml lists no words for it."
    return f"{manner.name}: the answer {' and '.join(parts)}."


def well_formed(text: str, ended: bool) -> bool:
    """Whether an answer satisfies `WELL_FORMED_RULE`; `ended` is `Answered.ended`."""
    body = text.strip()
    words = _WORD.findall(_plain(body))
    if not ended or not MIN_WORDS <= len(words) <= MAX_WORDS:
        return False
    if not body.lstrip(_OPENING)[:1].isupper() or body.rstrip(_CLOSING)[-1:] not in (".", "!", "?"):
        return False
    if any(a == b == c for a, b, c in zip(words, words[1:], words[2:], strict=False)):
        return False
    sentences = [" ".join(_WORD.findall(_plain(part))) for part in _SENTENCE_END.split(body)]
    said = [sentence for sentence in sentences if sentence]
    return len(said) == len(set(said))


def wilson(hits: int, total: int, z: float = 1.96) -> tuple[float, float] | None:
    """Confidence interval of a share (Wilson 1927), 95 % by default; None without cases. Both ends in 0..1."""
    if total <= 0:
        return None
    share = hits / total
    centre = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


Interval = tuple[float, float]
"""Lower and upper end."""
RESAMPLES = 1000
"""Of a bootstrap."""
BOOTSTRAP_SEED = 42
MOST_RESAMPLED = 2000
"""Prompts up to which an interval is a bootstrap, which takes seconds beyond. The mean of more is as good as normal."""


def bootstrap(values: Sequence[float], prompts: Sequence[str]) -> Interval | None:
    """95 % confidence interval of a mean: percentile bootstrap over prompts (Efron 1979), the same every time.

    `prompts` are those of the values: pairs of one prompt are drawn together, because they are alike. For more than
    `MOST_RESAMPLED` prompts, the normal interval of such a mean. None for fewer than two prompts.
    """
    groups: dict[str, tuple[float, int]] = {}
    for value, prompt in zip(values, prompts, strict=True):
        total, count = groups.get(prompt, (0.0, 0))
        groups[prompt] = total + value, count + 1
    if len(groups) < 2:
        return None
    if len(groups) > MOST_RESAMPLED:
        return _normal(list(groups.values()))
    rng, drawn = random.Random(BOOTSTRAP_SEED), list(groups.values())
    means = []
    for _ in range(RESAMPLES):
        sample = rng.choices(drawn, k=len(drawn))
        means.append(sum(total for total, _ in sample) / sum(count for _, count in sample))
    means.sort()
    return means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES) - 1]


def _normal(groups: Sequence[tuple[float, int]]) -> Interval:
    """95 % interval of the mean of values in groups of (sum, count): that of a ratio of means (Cochran 1977, 6.4)."""
    count = sum(size for _, size in groups)
    mean = sum(total for total, _ in groups) / count
    squares = sum((total - mean * size) ** 2 for total, size in groups)
    half = 1.96 * math.sqrt(squares * len(groups) / (len(groups) - 1)) / count
    return mean - half, mean + half


@dataclass(frozen=True, slots=True)
class Figures:
    """Measurements of one model. Shares are 0..1; None means not measured, or undefined where noted."""

    model: str
    """reference or aligned."""
    pairs: int = 0
    """Held-out pairs with measured log-probabilities; for the aligned model, those scored by both models."""
    answers: int = 0
    """Number of answers behind the shares below."""
    reward_accuracy: float | None = None
    """Share of pairs with a positive reward margin; None for the reference, whose margin is 0 by definition."""
    reward_accuracy_interval: Interval | None = None
    margin: float | None = None
    """Mean implicit reward margin, nats: beta × ((policy − reference log-probability of chosen) − (same of rejected)).

    0.0 for the reference."""
    margin_interval: Interval | None = None
    """Of the margin, and below of the changes: 95 %, bootstrap over prompts; None unless asked for."""
    chosen_change: float | None = None
    """Mean change of the chosen answers' summed log-probability against the reference, nats; None for the reference.

    Both changes can be negative: the margin then says only that the rejected answers fell further."""
    chosen_change_interval: Interval | None = None
    rejected_change: float | None = None
    rejected_change_interval: Interval | None = None
    prefers_chosen: float | None = None
    """Share of pairs whose chosen answer is the likelier one under this model, without the reference."""
    prefers_chosen_interval: Interval | None = None
    not_finite: int = 0
    """Pairs with a log-probability that is NaN or infinite under one of the models; they count nowhere else."""
    gap: float | None = None
    """Mean summed log-probability of chosen minus that of rejected, nats; the reference is not subtracted."""
    manner_share: float | None = None
    """Share of answers in the chosen manner; None without a rule."""
    manner_interval: Interval | None = None
    well_formed_share: float | None = None
    well_formed_interval: Interval | None = None
    mean_tokens: float | None = None
    """Mean tokens per answer."""
    length_ratio: float | None = None
    """Mean tokens per answer divided by the reference's; 1.0 for the reference."""

    def as_json(self) -> dict[str, Any]:
        """What `evaluate --json` prints for a model; the reference has no `reward_accuracy`."""
        values: dict[str, Any] = {
            "margin": self.margin,
            "margin_interval": self.margin_interval,
            "chosen_change": self.chosen_change,
            "chosen_change_interval": self.chosen_change_interval,
            "rejected_change": self.rejected_change,
            "rejected_change_interval": self.rejected_change_interval,
            "prefers_chosen": self.prefers_chosen,
            "prefers_chosen_interval": self.prefers_chosen_interval,
            "not_finite": self.not_finite,
            "manner_share": self.manner_share,
            "manner_interval": self.manner_interval,
            "well_formed_share": self.well_formed_share,
            "well_formed_interval": self.well_formed_interval,
            "pairs": self.pairs,
            "answers": self.answers,
            "logp_gap": self.gap,
            "mean_tokens": self.mean_tokens,
            "length_ratio": self.length_ratio,
        }
        if self.model != REFERENCE:
            values = {
                "reward_accuracy": self.reward_accuracy,
                "reward_accuracy_interval": self.reward_accuracy_interval,
                **values,
            }
        return {key: strict(value) for key, value in values.items()}


def answers_worse(reference: Figures, aligned: Figures) -> bool:
    """Whether fewer answers are well-formed, or in the manner, than before: the 95 % intervals are apart."""
    intervals = (
        (reference.well_formed_interval, aligned.well_formed_interval),
        (reference.manner_interval, aligned.manner_interval),
    )
    return any(before is not None and after is not None and after[1] < before[0] for before, after in intervals)


class Change(NamedTuple):
    """What a model changed in one pair: summed log-probabilities against the reference's, nats."""

    pair: int
    """Number of the pair, from 0."""
    chosen: float
    rejected: float


def _is_finite(*values: float) -> bool:
    return all(map(math.isfinite, values))


@dataclass(slots=True)
class Tally:
    """Collects `PairScored` and `Answered` events of both models; other events are ignored."""

    beta: float = 0.1
    """Beta of the recipe that trained the aligned model; 0.1 is TRL's default (`DPOConfig.beta`)."""
    manner: Manner | None = None
    scores: dict[str, dict[int, PairScored]] = field(default_factory=dict)
    """By model, then by pair."""
    answers: dict[str, dict[int, Answered]] = field(default_factory=dict)
    """By model, then by prompt."""

    def add(self, event: Event) -> None:
        """Adds an event; a repeated one for the same model and index replaces the older one."""
        if isinstance(event, PairScored):
            self.scores.setdefault(event.model, {})[event.index] = event
        elif isinstance(event, Answered):
            self.answers.setdefault(event.model, {})[event.index] = event

    def changes(self, model: str) -> list[Change]:
        """What `model` changed in each pair that it and the reference scored, in the order of the pairs."""
        reference = self.scores.get(REFERENCE, {})
        return [
            Change(index, score.chosen - reference[index].chosen, score.rejected - reference[index].rejected)
            for index, score in sorted(self.scores.get(model, {}).items())
            if index in reference
        ]

    @property
    def reference_at(self) -> float | None:
        """When the reference's values were computed, if in an earlier evaluation: seconds since the epoch."""
        times = [score.scored_at for score in self.scores.get(REFERENCE, {}).values() if score.scored_at is not None]
        return max(times, default=None)

    def figures(self, model: str, prompts: Sequence[str] | None = None) -> Figures:
        """Figures of `model` from the events so far.

        `prompts` are those of the pairs, in order; with them, intervals that need a bootstrap are included, which takes
        a tenth of a second.
        """
        return replace(self._scored(model, prompts), **self._answered(model))

    def _scored(self, model: str, prompts: Sequence[str] | None) -> Figures:
        scores = [score for score in self.scores.get(model, {}).values() if _is_finite(score.chosen, score.rejected)]
        likelier = sum(score.chosen > score.rejected for score in scores)
        shares = Figures(
            model=model,
            pairs=len(scores),
            not_finite=len(self.scores.get(model, {})) - len(scores),
            gap=_share(sum(score.chosen - score.rejected for score in scores), len(scores)),
            prefers_chosen=_share(likelier, len(scores)),
            prefers_chosen_interval=wilson(likelier, len(scores)),
        )
        if model == REFERENCE:
            return replace(shares, margin=0.0 if scores else None)
        changes = self.changes(model)
        finite = [change for change in changes if _is_finite(change.chosen, change.rejected)]
        right = sum(change.chosen > change.rejected for change in finite)

        def interval(values: Sequence[float]) -> Interval | None:
            return None if prompts is None else bootstrap(values, [prompts[change.pair] for change in finite])

        chosen, rejected = ([getattr(change, side) for change in finite] for side in ("chosen", "rejected"))
        margins = [self.beta * (up - down) for up, down in zip(chosen, rejected, strict=True)]
        return replace(
            shares,
            pairs=len(finite),
            not_finite=len(changes) - len(finite),
            reward_accuracy=_share(right, len(finite)),
            reward_accuracy_interval=wilson(right, len(finite)),
            margin=_share(sum(margins), len(margins)),
            margin_interval=interval(margins),
            chosen_change=_share(sum(chosen), len(chosen)),
            chosen_change_interval=interval(chosen),
            rejected_change=_share(sum(rejected), len(rejected)),
            rejected_change_interval=interval(rejected),
        )

    def _answered(self, model: str) -> dict[str, Any]:
        answers = list(self.answers.get(model, {}).values())
        ruled = answers if self.manner else []
        in_manner = sum(manner_of(answer.text, self.manner) for answer in answers) if self.manner else 0
        good = sum(well_formed(answer.text, answer.ended) for answer in answers)
        tokens, reference_tokens = self._mean_tokens(model), self._mean_tokens(REFERENCE)
        return {
            "answers": len(answers),
            "manner_share": _share(in_manner, len(ruled)),
            "manner_interval": wilson(in_manner, len(ruled)),
            "well_formed_share": _share(good, len(answers)),
            "well_formed_interval": wilson(good, len(answers)),
            "mean_tokens": tokens,
            "length_ratio": tokens / reference_tokens if tokens is not None and reference_tokens else None,
        }

    def _mean_tokens(self, model: str) -> float | None:
        answers = self.answers.get(model, {})
        return _share(sum(answer.tokens for answer in answers.values()), len(answers))


def _share(part: float, total: int) -> float | None:
    """A part per case: a share or a mean; None without cases."""
    return part / total if total else None


def read_prompts(text: str) -> list[str]:
    """One prompt per line; blank lines and lines starting with # are ignored."""
    lines = (line.strip() for line in text.removeprefix("\ufeff").splitlines())
    return [line for line in lines if line and not line.startswith("#")]
