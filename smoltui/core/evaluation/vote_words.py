"""The figures of votes in sentences that claim no more than the sign test does."""

from __future__ import annotations

from smoltui.core.evaluation.figures import Interval
from smoltui.core.evaluation.vote_figures import Duel, VoteFigures
from smoltui.core.evaluation.vote_statistics import CONTROLLED_FROM, FEWEST_VOTES, LEVEL
from smoltui.safe_text import safe_line


def vote_words(figures: VoteFigures) -> list[str]:
    """What the votes show, the verdict of each duel first."""
    said = [sentence for duel in figures.duels for sentence in duel_words(duel, several=len(figures.duels) > 1)]
    if figures.ranking is not None and figures.ranking.smoothed:
        said.append(
            f"{_listed(figures.ranking.smoothed)}: won or lost everything, which has no finite strength; half a win "
            "each way is added against each model met."
        )
    elif figures.ranking is None and len(figures.models) > 2:
        said.append("No strengths yet: the votes don't connect all models.")
    return [*said, *_scope(figures)]


def duel_words(duel: Duel, *, several: bool = False) -> list[str]:
    """The verdict on two models, and what it rests on. `several`: p is adjusted for the number of duels."""
    verdict = _verdict(duel, several)
    if not duel.decided:
        return [verdict]
    return [verdict, _counts(duel), *_length(duel)]


def _verdict(duel: Duel, several: bool) -> str:
    model, other = name(duel.model), name(duel.other)
    between = f" between {model} and {other}" if several else ""
    if not duel.votes:
        return f"No votes yet{between}."
    if not duel.decided:
        return f"No difference shown{between} with {votes(duel.votes)}: none preferred an answer."
    p = f"sign test: p {_p(duel.p)}{', adjusted for several duels' if several else ''}"
    if duel.differs:
        better, worse = (model, other) if duel.wins > duel.losses else (other, model)
        return f"These votes prefer {better} to {worse} ({p})."
    said = f"No difference shown{between} with {votes(duel.votes)} ({p})."
    if duel.decided < FEWEST_VOTES:
        return f"{said} Fewer than {FEWEST_VOTES} that prefer an answer cannot show one, even if all agree."
    if (interval := duel.interval) and not interval[0] <= 0.5 <= interval[1]:
        return f"{said} The interval excludes 50 %, but the exact test does not reach {LEVEL:g}."
    return said


def _counts(duel: Duel) -> str:
    preferred = f"{duel.wins} of {votes(duel.decided)} that preferred an answer"
    said = f"{name(duel.model)} won {preferred}: {percent(duel.share, duel.interval)}"
    even = [f"{count} {words}" for count, words in ((duel.ties, "tied"), (duel.both_bad, "both bad")) if count]
    return f"{said}. {', '.join(even)}; with these as half: {percent(duel.rate)}." if even else f"{said}."


def _length(duel: Duel) -> list[str]:
    unequal = duel.longer_won + duel.shorter_won
    said = [f"The longer answer won {duel.longer_won} of {unequal}."] if unequal else []
    controlled, what = duel.controlled, f"{name(duel.model)}'s share"
    if controlled is None and duel.votes < CONTROLLED_FROM:
        reason = f"fewer than {CONTROLLED_FROM} votes"
    elif controlled is None:
        reason = "one model won everything, so the rate at equal length has no finite estimate"
    elif not controlled.tells:
        reason = f"at equal length the interval is {percent(None, controlled.interval)}"
    else:
        ridge = ", an estimate that is held back because votes follow length closely" if controlled.ridge else ""
        return [*said, f"At equal length {what} would be {percent(controlled.rate, controlled.interval)}{ridge}."]
    return [*said, f"{what} cannot be told apart from length: {reason}."]


def _scope(figures: VoteFigures) -> list[str]:
    said = []
    if figures.votes:
        one = "1 prompt" if figures.prompts == 1 else f"{figures.prompts} prompts"
        said.append(f"One person's votes on {one}, with one answer of each model.")
    rest = figures.matchups - figures.votes - figures.skipped - figures.moved
    if not figures.current:
        said.append("These prompts or answers are not the current ones; their votes are kept apart.")
    elif figures.votes and rest > 0:
        said.append(f"{rest} of {figures.matchups} to go: stopping when the figures look right makes them too good.")
    if figures.skipped:
        said.append(f"{figures.skipped} skipped.")
    return said


def name(model: str) -> str:
    """A model's name, safe to show."""
    return safe_line(model, 40)


def votes(count: int) -> str:
    return "1 vote" if count == 1 else f"{count} votes"


def percent(value: float | None, interval: Interval | None = None) -> str:
    """`65 % (43–82)`; without a value, the interval alone: `43–82 %`."""
    ends = f"{interval[0] * 100:.0f}–{interval[1] * 100:.0f}" if interval else ""
    if value is None:
        return f"{ends} %" if ends else "–"
    return f"{value * 100:.0f} % ({ends})" if ends else f"{value * 100:.0f} %"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3g}"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(map(name, names))
