"""Acts on runs: which one is under way, and whose answer still counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from smoltui.backends.runs.acts import Acts
from smoltui.core.runs.acts import CANCEL, PAUSE, RESUME
from smoltui.core.runs.run import Run


async def test_an_answer_that_comes_after_the_next_act_is_out_of_date() -> None:
    """A run was seen to be paused and is resumed; then comes the answer to the pause. The run can be canceled."""
    tasks: list[asyncio.Task[Any]] = []
    taken: list[str] = []
    told: list[str] = []

    def spawn(work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        tasks.append(asyncio.create_task(work()))
        return tasks[-1]

    acts = Acts(
        take=lambda run: taken.append(run.stage),
        changed=lambda: None,
        say=lambda words, severity="information": told.append(words),
        spawn=spawn,
    )
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
    assert taken == ["RUNNING", "RUNNING"] and told[1:] == ["Resumed: demo", "Canceled: demo"] and not acts.unfinished
