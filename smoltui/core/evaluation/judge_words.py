"""A judge's figures in sentences and rows that claim no more than they show."""

from __future__ import annotations

from smoltui.core.evaluation.judge_figures import Count, JudgeFigures
from smoltui.core.evaluation.judge_plan import Plan, cost_usd
from smoltui.core.evaluation.judge_verdict import TROUBLES, VERDICTS
from smoltui.core.evaluation.vote_ballot import Ballot
from smoltui.core.evaluation.vote_figures import Duel
from smoltui.core.evaluation.vote_statistics import CONTROLLED_FROM, FEWEST_VOTES
from smoltui.core.evaluation.vote_words import name, percent
from smoltui.core.runs.cost import usd
from smoltui.core.settings.judge_settings import LOCAL, PROVIDERS, JudgeSettings
from smoltui.safe_text import safe_line

FEW_FOR_KAPPA = 20
"""With fewer common judgments, kappa is shown with a warning."""


def judge_words(figures: JudgeFigures) -> list[str]:
    """What the judge says, the verdict of each duel first, then how far it can be trusted."""
    several = len(figures.outcome.duels) > 1
    said = [sentence for duel in figures.outcome.duels for sentence in _duel(duel, several)]
    return [*said, *_left_out(figures), *_position(figures), *_agreement(figures), *_scope(figures)]


def _duel(duel: Duel, several: bool) -> list[str]:
    model, other = name(duel.model), name(duel.other)
    between = f" between {model} and {other}" if several else ""
    if not duel.votes:
        return [f"No matchup{between} has a verdict in both orders."]
    if not duel.decided:
        return [f"The judge shows no difference{between}: none of {_matchups(duel.votes)} has the same winner twice."]
    p = f"sign test: p {'< 0.001' if duel.p < 0.001 else f'= {duel.p:.3g}'}"
    p += ", adjusted for several duels" if several else ""
    if duel.differs:
        better, worse = (model, other) if duel.wins > duel.losses else (other, model)
        verdict = f"The judge prefers {better} to {worse} ({p})."
    else:
        verdict = f"The judge shows no difference{between} on {_matchups(duel.votes)} ({p})."
        if duel.decided < FEWEST_VOTES:
            verdict += f" Fewer than {FEWEST_VOTES} with a winner cannot show one, even if all agree."
    won = f"{model} won {duel.wins} of {duel.decided} with the same winner in both orders: "
    won += f"{percent(duel.share, duel.interval)}. {duel.ties} tied; with these as half: {percent(duel.rate)}."
    return [verdict, won, *_controlled(duel, model)]


def _controlled(duel: Duel, model: str) -> list[str]:
    if duel.controlled is not None and duel.controlled.tells:
        found = duel.controlled
        return [f"At equal length {model}'s share would be {percent(found.rate, found.interval)}."]
    few = f": fewer than {CONTROLLED_FROM} matchups" if duel.votes < CONTROLLED_FROM else ""
    return [f"{model}'s share cannot be told apart from length{few}."]


def _left_out(figures: JudgeFigures) -> list[str]:
    counts = [(figures.replies.get(kind, 0), words) for kind, words in TROUBLES.items()]
    listed = ", ".join(f"{count} {words}" for count, words in counts if count)
    said = []
    if listed:
        total = sum(figures.replies.values())
        apart = f"{_matchups(figures.troubled)} left out"
        said.append(f"Without a verdict: {listed}, of {total} replies; {apart}, and not counted as ties.")
    if figures.replies.get("cut"):
        said.append("Raise judge.max_tokens in smoltui.toml to let the judge finish.")
    if figures.missing:
        said.append(f"{_matchups(figures.missing)} not judged in both orders yet.")
    return said


def _position(figures: JudgeFigures) -> list[str]:
    if not figures.flipped.total:
        return []
    flips = f"The winner flipped with the order in {_of(figures.flipped)} matchups"
    half = f", and {figures.half} had a tie in one order only" if figures.half else ""
    ties = ": they count as ties" if figures.flipped.hits or figures.half else ""
    said = [f"{flips}{half}{ties}."]
    if figures.first.total:
        said.append(f"The answer shown first was preferred in {_of(figures.first)} verdicts.")
    return said


def _agreement(figures: JudgeFigures) -> list[str]:
    found = figures.agreement
    if not figures.voted:
        return ["Agreement with your own votes is unknown: you have not voted on these answers (b in Evaluate)."]
    if not found.items:
        return ["Agreement with your own votes is unknown: none of their matchups has a verdict in both orders."]
    equal = f"{found.equal} of {found.items}: {percent(found.share, found.interval)}"
    if found.kappa is None:
        kappa = "no kappa: all judgments are the same"
    else:
        few = f", from few matchups (fewer than {FEW_FOR_KAPPA})" if found.items < FEW_FOR_KAPPA else ""
        kappa = f"Cohen's kappa {found.kappa:.2f}{few}".replace("-", "−")
    return [f"The judge agrees with your votes on {equal}; {kappa}."]


def _scope(figures: JudgeFigures) -> list[str]:
    itself = ["The judge is one of the models compared: models tend to prefer their own answers."]
    return itself if figures.judges_itself else []


def length_rows(figures: JudgeFigures) -> list[tuple[str, str, str]]:
    """The table of length bias: who chose, how often the longer answer, and the share with its interval."""
    rows = (
        ("judge, each verdict", figures.longer_in_calls),
        ("judge, same in both orders", figures.longer_wins),
        ("your votes", figures.longer_voted),
    )
    return [(who, f"{count.hits} of {count.total}", percent(count.share, count.interval)) for who, count in rows]


def reply_rows(figures: JudgeFigures) -> list[tuple[str, int]]:
    """Replies by what they say: verdicts first, then those without one; the latter only if there are any."""
    named = {"a": "first answer", "b": "second answer", "tie": "tie"}
    rows = [(named[kind], figures.replies.get(kind, 0)) for kind in VERDICTS]
    return rows + [(words, count) for kind, words in TROUBLES.items() if (count := figures.replies.get(kind, 0))]


def plan_words(plan: Plan, settings: JudgeSettings) -> list[str]:
    """What will be asked, and what it costs."""
    if not plan.calls:
        return ["Nothing to ask: every reply is there already."] if plan.cached else ["There is nothing to judge."]
    known = f"; {plan.cached:,} of {plan.total:,} have been answered before" if plan.cached else ""
    later = f"; {plan.later:,} are left for later" if plan.later else ""
    said = [f"{plan.calls_words} in both orders{known}{later}."]
    said.append(f"About {plan.tokens_in:,} tokens of input, at most {plan.tokens_out:,} of output.")
    if settings.endpoint == LOCAL:
        said.append("Runs on this machine: no cost.")
    elif plan.at_most_usd is None:
        said.append("Cost unknown: no price per million tokens in smoltui.toml (judge.usd_per_million_input, _output).")
    else:
        said.append(f"Costs at most about {usd(plan.at_most_usd)}.")
    return said


def ballot_words(ballot: Ballot) -> list[str]:
    """What is not judged, and why."""
    said = []
    if ballot.identical:
        said.append(f"{_matchups(ballot.identical)} left out: both answers are the same.")
    if ballot.incomplete:
        said.append(f"{_matchups(ballot.incomplete)} left out: a model has not answered (a in Evaluate).")
    return said


def spent_words(figures: JudgeFigures, settings: JudgeSettings) -> str:
    """The tokens that all replies took, and their cost; empty if the endpoint did not count them."""
    if figures.tokens_in is None or figures.tokens_out is None:
        return ""
    spent = cost_usd(figures.tokens_in, figures.tokens_out, settings)
    cost = f": {usd(spent)}" if spent is not None else ""
    return f"All replies took {figures.tokens_in:,} tokens of input and {figures.tokens_out:,} of output{cost}."


def judge_name(endpoint: str, model: str) -> str:
    """A judge for display: its model and where it runs."""
    if endpoint == LOCAL:
        return safe_line(f"{model} on this machine", 120)
    where = "Hugging Face inference providers" if endpoint == PROVIDERS else endpoint
    return safe_line(f"{model} at {where}", 120)


def _of(count: Count) -> str:
    return f"{count.hits} of {count.total} ({percent(count.share, count.interval)})"


def _matchups(count: int) -> str:
    return "1 matchup" if count == 1 else f"{count} matchups"
