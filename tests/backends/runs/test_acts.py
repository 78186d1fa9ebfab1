"""Acts on runs: which one is under way, and whose answer still counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from smoltui.backends.runs.acts import Acts
from smoltui.core.runs.acts import CANCEL, PAUSE, RESUME, outcome
from smoltui.core.runs.run import Run, RunSpec
from smoltui.errors import UnreachableError


def created(taken: list[str] | None = None, told: list[str] | None = None) -> tuple[Acts, list[asyncio.Task[None]]]:
    """Acts with their tasks; the stages of runs they pass on are put into `taken`, what they say into `told`."""
    tasks: list[asyncio.Task[None]] = []
    stages, words = taken if taken is not None else [], told if told is not None else []

    def spawn(work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        tasks.append(asyncio.create_task(work()))
        return tasks[-1]

    acts = Acts(
        take=lambda run: stages.append(run.stage),
        changed=lambda: None,
        say=lambda text, severity="information": words.append(text),
        spawn=spawn,
    )
    return acts, tasks


async def test_the_row_of_a_start_has_all_that_it_can_cost() -> None:
    """Its flavor, its limit, and its attempts."""
    acts, tasks = created()
    spec = RunSpec("demo", "/p", "beta: 0.1", "/out", "label", "a100-large", 3600, attempts=3)

    async def submitted() -> Run:
        return Run("r1", "toy", "demo", "SCHEDULING")

    acts.start(spec, "toy", lambda: "", submitted)
    (row,) = acts.rows
    assert (row.flavor, row.timeout_seconds, row.attempts) == ("a100-large", 3600, 3)
    await asyncio.gather(*tasks)
    assert not acts.rows


async def test_an_answer_that_comes_after_the_next_act_is_out_of_date() -> None:
    """A run was seen to be paused and is resumed; then comes the answer to the pause. The run can be canceled."""
    taken: list[str] = []
    told: list[str] = []
    acts, tasks = created(taken, told)
    running, paused = Run("r1", "toy", "demo", "RUNNING"), Run("r1", "toy", "demo", "CANCELED")
    answer = asyncio.Event()

    async def pause(run: Run) -> Run:
        await answer.wait()
        return paused

    async def at_once(run: Run) -> Run:
        return running

    acts.begin(PAUSE, [running], pause)
    await asyncio.sleep(0)
    acts.begin(CANCEL, [running], at_once)
    assert told == ["demo: pausing… Wait until that has ended"]
    acts.begin(RESUME, [paused], at_once)
    await tasks[1]
    assert acts.mark(running) is None and [standing.done for standing in acts.unfinished] == [0]
    acts.begin(CANCEL, [running], at_once)
    answer.set()
    await asyncio.gather(*tasks)
    assert taken == ["RUNNING", "RUNNING"] and not acts.unfinished
    assert told[1:] == ["Resumed: demo", "Asked to cancel, but still running: demo"]


async def test_a_row_says_that_a_cancel_had_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub accepts the request and the Job runs on: the row doesn't say "canceling…" for ever."""
    acts, tasks = created()
    running = Run("r1", "toy", "demo", "RUNNING")

    async def accepted(run: Run) -> Run:
        return run

    acts.begin(CANCEL, [running], accepted)
    await asyncio.gather(*tasks)
    mark = acts.mark(running)
    assert mark is not None and (mark.short, mark.failed) == ("canceling…", False)
    monkeypatch.setattr("smoltui.backends.runs.acts.PATIENCE_SECONDS", 0.0)
    mark = acts.mark(running)
    assert mark is not None and (mark.short, mark.failed) == ("✗ cancel", True) and "X asks again" in mark.words
    assert acts.mark(Run("r1", "toy", "demo", "CANCELED")) is None


async def test_a_resume_that_seemed_to_fail_is_forgotten_once_the_run_runs() -> None:
    acts, tasks = created()
    ended = Run("r1", "toy", "demo", "ERROR")

    async def unanswered(run: Run) -> Run:
        raise UnreachableError("No answer")

    acts.begin(RESUME, [ended], unanswered)
    await asyncio.gather(*tasks)
    mark = acts.mark(ended)
    assert mark is not None and mark.short == "✗ resume"
    assert acts.mark(Run("r1", "toy", "demo", "RUNNING")) is None and acts.mark(ended) is None


def test_what_a_cancel_of_several_came_to() -> None:
    """Only what has ended is canceled."""
    over, slow = Run("r1", "toy", "over", "CANCELED"), Run("r2", "toy", "slow", "RUNNING")
    assert outcome(CANCEL, [over, slow], []) == "Canceled: over. Asked to cancel, but still running: slow"
    assert outcome(CANCEL, [over, slow], [("bad", "No")]) == (
        "1 of 3 canceled. Asked to cancel, but still running: slow. Not canceled: bad: No"
    )
