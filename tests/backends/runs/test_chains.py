"""What follows a run: a step is done once, whoever looks at the chain, and whenever they do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.runs import chains
from smoltui.backends.runs.chains import Chains
from smoltui.core.runs.chain import Chain, Step
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import InputError, RunFailedError

DONE = Run("a1b2c3d4", "toy", "toy run", Stage.COMPLETED, project="/project")


class Looker:
    """An app or a command that looks at chains."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.chains = Chains("/project", say=lambda text, how: self.said.append((how, text)), spawn=self.spawn)

    def spawn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        self.tasks.append(asyncio.create_task(work()))
        return self.tasks[-1]

    async def look(self, run: Run = DONE) -> None:
        """Looks, and waits for what it has started."""
        await self.chains.look({run.id: run})
        await asyncio.gather(*self.tasks)


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The steps that were done, instead of asking models."""
    steps: list[str] = []

    async def do(step: Step, chain: Chain) -> None:
        await asyncio.sleep(0.02)
        steps.append(step.name)

    monkeypatch.setattr(chains, "do", do)
    return steps


def begin(run: Run = DONE) -> Chain:
    chain = Chain(run.id, "/project", (Step("ask"),))
    chains.save(chain)
    return chain


async def test_it_is_done_once_by_many(own_machine: Path, done: list[str]) -> None:
    begin()
    lookers = [Looker() for _ in range(5)]
    await asyncio.gather(*(looker.look() for looker in lookers))
    await asyncio.gather(*(looker.look() for looker in lookers))
    assert done == ["ask"]
    assert [said for looker in lookers for said in looker.said] == [("information", "toy run → ask: done")]
    assert all(looker.chains.known[DONE.id].steps[0].stage == Stage.COMPLETED for looker in lookers)


async def test_a_look_that_read_before_the_end_does_it_no_second_time(
    own_machine: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is slow: what a look has read is old when it is used, and the step has ended meanwhile."""
    chain = begin()
    looker = Looker()
    await looker.look()
    monkeypatch.setattr(chains, "read_all", lambda: {DONE.id: chain})
    await looker.look()
    assert done == ["ask"] and looker.chains.known[DONE.id].steps[0].stage == Stage.COMPLETED


async def test_who_has_the_claim_does_it(own_machine: Path, done: list[str]) -> None:
    begin()
    looker = Looker()
    async with chains.claimed(DONE.id) as mine:
        assert mine
        await looker.look()
        assert done == []
    await looker.look()
    assert done == ["ask"]


async def test_who_leaves_in_the_middle_leaves_it_to_the_next(own_machine: Path, done: list[str]) -> None:
    """Leaving the app cancels the step; it waits again, and the claim is free."""
    begin()
    leaving, coming = Looker(), Looker()
    await leaving.chains.look({DONE.id: DONE})
    while (chain := chains.read(DONE.id)) is None or chain.steps[0].stage != Stage.RUNNING:
        await asyncio.sleep(0)
    leaving.tasks[0].cancel()
    await asyncio.gather(*leaving.tasks, return_exceptions=True)
    again = chains.read(DONE.id)
    assert done == [] and again is not None and again.steps[0].stage == Stage.SCHEDULING
    await coming.look()
    assert done == ["ask"]


async def test_a_step_that_failed_is_not_tried_again(own_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(step: Step, chain: Chain) -> None:
        raise RunFailedError("no prompts")

    monkeypatch.setattr(chains, "do", fail)
    begin()
    looker = Looker()
    await looker.look()
    await looker.look()
    assert looker.said == [("warning", "toy run → ask: failed: no prompts")]


async def test_a_full_disk_lets_a_process_do_it_once(
    own_machine: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """How it ended cannot be stored: I read that, and at least this app does not repeat it."""
    begin()

    def full(chain: Chain) -> None:
        raise InputError("The disk is full")

    monkeypatch.setattr(chains, "save", full)
    looker = Looker()
    await looker.look()
    await looker.look()
    assert done == ["ask"] and ("error", "The disk is full") in looker.said


async def test_only_runs_of_this_project_that_completed(own_machine: Path, done: list[str]) -> None:
    begin()
    chains.save(Chain("ffff0000", "/elsewhere", (Step("ask"),)))
    looker = Looker()
    await looker.look(Run("ffff0000", "toy", "other", Stage.COMPLETED))
    await looker.look(Run(DONE.id, "toy", "toy run", Stage.RUNNING))
    assert done == []
    await looker.look(Run(DONE.id, "toy", "toy run", Stage.ERROR))
    assert done == [] and looker.chains.known[DONE.id].steps[0].stage == Stage.CANCELED
