"""Votes and benchmarks that are kept with a run, in the form in which a card shows them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from smoltui.backends.evaluation import benchmark_results
from smoltui.backends.evaluation import votes as kept_votes
from smoltui.core.evaluation.benchmark_result import BenchmarkResult, Metric
from smoltui.core.evaluation.figures import ALIGNED, REFERENCE
from smoltui.core.evaluation.vote_figures import Duel, VoteFigures
from smoltui.core.evaluation.vote_words import duel_words, percent
from smoltui.core.publish.record import Benchmark, BenchmarkRow, Vote
from smoltui.core.publish.submission import REPO_ID


def votes(folder: Path) -> tuple[Vote, ...]:
    """The blind votes kept in a run's folder: those on prompts and answers that are current.

    Raises:
        InputError: they cannot be read.
    """
    found = [figures for figures in kept_votes.kept(folder) if figures.current and figures.votes]
    return tuple(_vote(figures, duel) for figures in found for duel in figures.duels if duel.votes)


def _vote(figures: VoteFigures, duel: Duel) -> Vote:
    prompts = f"{figures.prompts} prompt{'' if figures.prompts == 1 else 's'}"
    about = f"{prompts} of {Path(figures.prompt_set).name}" if figures.prompt_set else prompts
    rows = [
        ("votes", str(duel.votes)),
        (f"for {duel.model}", str(duel.wins)),
        (f"for {duel.other}", str(duel.losses)),
        ("ties", str(duel.ties)),
        ("both bad", str(duel.both_bad)),
        (f"share of {duel.model} among decided votes", percent(duel.share, duel.interval)),
        ("win rate, ties and both bad as half", percent(duel.rate)),
        ("sign test, p", f"{duel.p:.3g}"),
    ]
    if duel.controlled is not None:
        rows.append(("win rate at equal length", percent(duel.controlled.rate, duel.controlled.interval)))
    words = " ".join(duel_words(duel, several=len(figures.duels) > 1))
    return Vote(f"{duel.model} against {duel.other}, on {about}", tuple(rows), words)


def benchmarks(folder: Path) -> tuple[Benchmark, ...]:
    """The benchmarks kept in a run's folder, rehearsals included, one per harness and setting, the oldest first.

    Raises:
        InputError: they cannot be read.
    """
    groups: dict[str, list[BenchmarkResult]] = {}
    for result in benchmark_results.kept(folder):
        groups.setdefault(result.setting, []).append(result)
    found = [_benchmark(group) for group in groups.values() if any(result.role == ALIGNED for result in group)]
    return tuple(sorted(found, key=lambda each: each.date))


def _benchmark(group: Sequence[BenchmarkResult]) -> Benchmark:
    """Results with the same setting: the newest of each model count."""
    mine = max((result for result in group if result.role == ALIGNED), key=lambda result: result.at or 0.0)
    others = [result for result in group if result.role == REFERENCE]
    other = max(others, key=lambda result: result.at or 0.0) if others else None
    thinking = {None: "whether thinking was on is unknown", False: "thinking off", True: "thinking on"}[mine.thinking]
    return Benchmark(
        harness=_harness(mine),
        pins=mine.pins,
        rows=tuple(_rows(mine, other)),
        rehearsal=mine.is_rehearsal,
        settings=thinking,
        date=time.strftime("%Y-%m-%d", time.gmtime(mine.at)) if mine.at else "",
        dataset=_dataset(mine.source),
    )


def _dataset(source: str) -> str | None:
    """The data set of a source such as `ada/details_ada__m/results_….json`; None for a file on this machine."""
    folder, _, name = source.rpartition("/")
    pushed = name.startswith("results_") and "/details_" in folder and REPO_ID.fullmatch(folder)
    return folder if pushed else None


def _harness(result: BenchmarkResult) -> str:
    """Name and version, such as `lighteval 0.13.0`."""
    versions = [pin.partition("==")[2] for pin in result.pins if pin.partition("==")[0] == result.harness.value]
    return " ".join([result.harness.value, *versions[:1]])


def _rows(mine: BenchmarkResult, other: BenchmarkResult | None) -> Iterator[BenchmarkRow]:
    reference = {(task.task, one.name): one for task in other.tasks for one in task.metrics} if other else {}
    for task in mine.tasks:
        for metric in task.metrics:
            same: Metric | None = reference.get((task.task, metric.name))
            yield BenchmarkRow(
                task.task,
                metric.name,
                math.nan if metric.value is None else metric.value,
                metric.stderr,
                None if same is None else math.nan if same.value is None else same.value,
                None if same is None else same.stderr,
            )
