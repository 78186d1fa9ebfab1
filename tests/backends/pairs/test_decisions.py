"""Decisions of one project: in order, in threads, and one clear end where another program has the file locked."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from smoltui.backends.pairs import curation_file
from smoltui.backends.pairs.curation_file import LockedError
from smoltui.backends.pairs.decisions import Decisions
from smoltui.core.pairs.curation import Curation, Decision, parse
from smoltui.errors import InputError

ONE, TWO = "1" * 32, "2" * 32


def flips(key: str) -> Callable[[Curation], list[Decision]]:
    """Excludes a pair, or includes it where it is excluded when its turn comes."""
    return lambda known: [Decision("include" if key in known.excluded else "exclude", key)]


def acts(folder: Path) -> list[str]:
    lines = (folder / "curation.jsonl").read_text("utf-8").splitlines()
    return [decision.act for line in lines if (decision := parse(line)) is not None]


async def test_they_are_taken_in_the_order_in_which_they_were_asked_for(tmp_path: Path) -> None:
    """The same key five times, faster than the disk: each means the opposite of the one before."""
    decisions = Decisions(tmp_path)
    asked = [asyncio.ensure_future(decisions.take(flips(ONE))) for _ in range(5)]
    undone = asyncio.ensure_future(decisions.undo())
    await asyncio.sleep(0)
    assert decisions.waiting == 6
    written = [[decision.act for decision in await task] for task in asked]
    assert written == [["exclude"], ["include"], ["exclude"], ["include"], ["exclude"]]
    assert [decision.act for decision in await undone] == ["exclude"]
    assert acts(tmp_path) == ["exclude", "include", "exclude", "include", "exclude", "include"]
    assert decisions.curation.excluded == set() and decisions.waiting == 0


async def test_what_is_there_is_read_before_the_first_decision(tmp_path: Path) -> None:
    await Decisions(tmp_path).take(flips(ONE))
    again = Decisions(tmp_path)
    assert again.curation.excluded == set()
    await again.take(flips(ONE))
    assert again.curation.excluded == set() and acts(tmp_path) == ["exclude", "include"]


async def test_what_was_given_before_does_not_change(tmp_path: Path) -> None:
    decisions = Decisions(tmp_path)
    await decisions.take(flips(ONE))
    before = decisions.curation
    await decisions.take(flips(TWO))
    assert before.excluded == {ONE} and decisions.curation.excluded == {ONE, TWO}
    assert await decisions.current() is decisions.curation, "nothing is read that has not changed"


async def test_undone_back_to_the_beginning(tmp_path: Path) -> None:
    decisions = Decisions(tmp_path)
    await decisions.take(flips(ONE))
    await decisions.take(lambda _: [Decision("pin", ONE), Decision("note", TWO, note="why?")])
    assert len(await decisions.undo()) == 2
    assert (decisions.curation.pinned, decisions.curation.notes, decisions.curation.excluded) == (set(), {}, {ONE})
    await decisions.undo()
    assert decisions.curation.excluded == set()
    with pytest.raises(InputError, match="nothing to undo"):
        await decisions.undo()


async def test_no_decision_is_nothing_to_undo(tmp_path: Path) -> None:
    decisions = Decisions(tmp_path)
    assert await decisions.take(lambda _: []) == []
    with pytest.raises(InputError, match="nothing to undo"):
        await decisions.undo()


async def test_a_locked_file_refuses_all_that_wait_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence for all of them after one wait, nothing written, and what comes later is written."""
    monkeypatch.setattr(curation_file, "LOCK_SECONDS", 0.2)
    decisions = Decisions(tmp_path)
    await decisions.take(flips(ONE))
    with (tmp_path / "curation.jsonl").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        asked: list[Awaitable[Sequence[Decision]]] = [decisions.take(flips(key)) for key in (ONE, TWO)]
        first, *rest = await asyncio.gather(*asked, decisions.undo(), return_exceptions=True)
        assert isinstance(first, LockedError) and "none of 3 decisions was written" in first.message
        assert rest == [[], []]
    assert decisions.curation.excluded == {ONE} and acts(tmp_path) == ["exclude"]
    await decisions.take(flips(TWO))
    assert decisions.curation.excluded == {ONE, TWO}
    await decisions.undo()
    assert decisions.curation.excluded == {ONE}


async def test_the_loop_is_free_while_the_file_is_locked(tmp_path: Path) -> None:
    decisions = Decisions(tmp_path)
    await decisions.take(flips(ONE))
    with (tmp_path / "curation.jsonl").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiting = asyncio.ensure_future(decisions.take(flips(TWO)))
        for _ in range(10):
            await asyncio.sleep(0.01)
        assert not waiting.done() and decisions.waiting == 1
        assert decisions.curation.excluded == {ONE}
    await waiting
    assert decisions.curation.excluded == {ONE, TWO}


async def test_one_that_cannot_be_made_holds_up_no_other(tmp_path: Path) -> None:
    def broken(_: Curation) -> list[Decision]:
        raise InputError("no")

    decisions = Decisions(tmp_path)
    asked: list[Awaitable[Sequence[Decision]]] = [decisions.take(broken), decisions.take(flips(ONE))]
    first, second = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(first, InputError) and isinstance(second, list) and len(second) == 1


async def test_without_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    decisions = Decisions(None)
    assert (await decisions.current()).decisions == 0 and await decisions.holder() is None
    with pytest.raises(InputError, match="project folder"):
        await decisions.take(flips(ONE))
    assert not (tmp_path / "curation.jsonl").exists()


async def test_what_was_undone_can_be_redone_until_something_new_is_decided(tmp_path: Path) -> None:
    """The same lines are appended again, in the order in which they were taken."""
    decisions = Decisions(tmp_path)
    for key in (ONE, TWO):
        await decisions.take(flips(key))
    for _ in range(2):
        await decisions.undo()
    assert not decisions.curation.excluded and decisions.can_redo
    again = [(await decisions.redo())[0].pair for _ in range(2)]
    assert again == [ONE, TWO] and decisions.curation.excluded == {ONE, TWO}
    with pytest.raises(InputError, match="nothing to redo"):
        await decisions.redo()
    await decisions.undo()
    await decisions.take(flips(ONE))
    assert not decisions.can_redo
    assert acts(tmp_path) == ["exclude"] * 2 + ["include"] * 2 + ["exclude"] * 2 + ["include"] * 2
