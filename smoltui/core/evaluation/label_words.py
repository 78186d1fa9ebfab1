"""What a set of labels holds, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from smoltui.core.evaluation.label_set import LabelPlan, LabelSet, Task, Tasks
from smoltui.core.evaluation.sheet import sampling_in_words
from smoltui.core.evaluation.vote_log import Choice
from smoltui.core.evaluation.vote_progress import Progress
from smoltui.safe_text import safe_line

_NO_PAIR: Mapping[Choice, str] = {"tie": "all alike", "bad": "none good", "skip": "skipped"}
"""Choices that make no pair, in words."""


def label_words(found: LabelSet, tasks: Tasks, progress: Progress[Task]) -> list[str]:
    """How the answers were sampled, what was chosen, and what is left out."""
    plan = found.plan
    if plan is None:
        return ["No answers yet."]
    names = " and ".join(safe_line(name, 40) for name in plan.models)
    sampled = f"{plan.n} answers of {names} to each prompt · {sampling_in_words(plan.sampling)}"
    return [*_chosen(plan, progress), *_left_out(found, tasks, progress), sampled]


def _chosen(plan: LabelPlan, progress: Progress[Task]) -> list[str]:
    """How many choices are pairs, whose answers are the best ones, and how many choices are no pairs."""
    counts = Counter(vote.choice for vote in progress.cast)
    wins = Counter(vote.winner for vote in progress.cast)
    pairs = counts["a"]
    said = [
        f"{pairs} of {len(progress.items)} prompts have a best and a worst answer: {pairs} preference "
        f"{'pair' if pairs == 1 else 'pairs'}."
    ]
    if len(plan.models) > 1 and pairs:
        best = [f"{safe_line(model, 40)} {wins[model]}" for model in plan.models]
        said.append(f"The best answer is from: {', '.join(best)}.")
    if others := [f"{counts[choice]} {words}" for choice, words in _NO_PAIR.items() if counts[choice]]:
        said.append(f"{', '.join(others)}: no pairs.")
    return said


def _left_out(found: LabelSet, tasks: Tasks, progress: Progress[Task]) -> list[str]:
    """What does not count, or not among these answers."""
    facts = (
        (tasks.same, f"{_prompts(tasks.same)} left out: all answers are the same."),
        (
            tasks.incomplete,
            f"{_prompts(tasks.incomplete)} left out: answers are missing. Sample again for the rest.",
        ),
        (
            progress.apart,
            f"{progress.apart} chosen among other answers, which are kept apart; an export includes them.",
        ),
        (found.unreadable, f"{found.unreadable} lines with answers cannot be read and are skipped."),
    )
    return [sentence for count, sentence in facts if count]


def _prompts(count: int) -> str:
    return "1 prompt" if count == 1 else f"{count} prompts"
