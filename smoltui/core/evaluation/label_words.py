"""What a set of labels holds, in sentences."""

from __future__ import annotations

from smoltui.core.evaluation.label_set import LabelSet, Task, Tasks
from smoltui.core.evaluation.sheet import sampling_in_words
from smoltui.core.evaluation.vote_progress import Progress
from smoltui.safe_text import safe_line


def label_words(found: LabelSet, tasks: Tasks, progress: Progress[Task]) -> list[str]:
    """How the answers were sampled, what was chosen, and what is left out."""
    plan, cast = found.plan, progress.cast
    if plan is None:
        return ["No answers yet."]
    pairs = sum(vote.choice == "a" for vote in cast)
    said = [
        f"{pairs} of {len(progress.items)} prompts have a best and a worst answer: {pairs} preference "
        f"{'pair' if pairs == 1 else 'pairs'}."
    ]
    if len(plan.models) > 1 and pairs:
        best = [(sum(vote.winner == model for vote in cast), safe_line(model, 40)) for model in plan.models]
        said.append(f"The best answer is from: {', '.join(f'{model} {count}' for count, model in best)}.")
    others = [
        (sum(vote.choice == choice for vote in cast), words)
        for choice, words in (("tie", "all alike"), ("bad", "none good"), ("skip", "skipped"))
    ]
    if any(count for count, _ in others):
        said.append(f"{', '.join(f'{count} {words}' for count, words in others if count)}: no pairs.")
    if tasks.same:
        said.append(f"{_prompts(tasks.same)} left out: all answers are the same.")
    if tasks.incomplete:
        said.append(f"{_prompts(tasks.incomplete)} left out: answers are missing. Sample again for the rest.")
    if progress.apart:
        said.append(f"{progress.apart} chosen among other answers, which are kept apart; an export includes them.")
    if found.unreadable:
        said.append(f"{found.unreadable} lines with answers cannot be read and are skipped.")
    names = " and ".join(safe_line(name, 40) for name in plan.models)
    said.append(f"{plan.n} answers of {names} to each prompt · {sampling_in_words(plan.sampling)}")
    return said


def _prompts(count: int) -> str:
    return "1 prompt" if count == 1 else f"{count} prompts"
