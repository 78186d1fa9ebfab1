"""The conversation with models that stay loaded, however their process ends."""

from __future__ import annotations

import asyncio
import os
import signal
import textwrap
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path

import psutil
import pytest

from smoltui.backends.evaluation import resident
from smoltui.backends.evaluation.resident import ResidentModels
from smoltui.core.evaluation.column import PAIR, Column
from smoltui.core.evaluation.prompt import Prompt
from smoltui.core.runs.events import Answered, AnswerPart, Event, Finished
from smoltui.errors import InputError, RunFailedError
from tests.backends.evaluation.project import SCRIPTED_MODELS

SAMPLING = {"max_new_tokens": 8, "temperature": 0.0, "top_p": 1.0, "seed": 0, "thinking": False}


@pytest.fixture
async def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ResidentModels]:
    monkeypatch.setattr(resident, "ANSWER_MODELS", SCRIPTED_MODELS)
    async with ResidentModels(tmp_path) as found:
        yield found


async def asked(models: ResidentModels, *prompts: str) -> list[Event]:
    asking = models.ask(PAIR, [Prompt(text) for text in prompts], SAMPLING, date="2026-11-30")
    return [event async for event in asking]


def children() -> set[int]:
    found = set()
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            if str(SCRIPTED_MODELS) in child.cmdline():
                found.add(child.pid)
    return found


async def test_the_second_question_loads_nothing(models: ResidentModels) -> None:
    """One process answers both; `close` ends it."""
    assert not models.alive
    first = await asked(models, "One?")
    assert models.alive and models.memory is not None and isinstance(first[-1], Finished)
    before = children()
    second = await asked(models, "One?", "Two?")
    assert len(before) == 1 and children() == before
    assert sum(isinstance(event, Answered) for event in second) == 4
    await models.close()
    assert not models.alive and not children()


async def test_what_a_stopped_question_still_says_is_not_heard(models: ResidentModels) -> None:
    """I stop, and ask something else: its answers are not those of the first question."""
    asking = models.ask(PAIR, [Prompt("One?"), Prompt("Two?")], SAMPLING, date="2026-11-30")
    async with aclosing(asking) as events:
        async for event in events:
            if isinstance(event, AnswerPart):
                break
    found = await asked(models, "Three?")
    assert [event.index for event in found if isinstance(event, Answered)] == [0, 0]


@pytest.mark.parametrize("prompt", ["crash", "fail"])
async def test_after_a_failure_the_next_question_is_answered(models: ResidentModels, prompt: str) -> None:
    with pytest.raises(RunFailedError) as caught:
        await asked(models, "Good?", prompt)
    assert "memory" in str(caught.value)
    await models.close()  # the scripted models that fail listen no more
    assert isinstance((await asked(models, "Again?"))[-1], Finished)


async def test_killed_while_it_loads(models: ResidentModels) -> None:
    """One sentence with the signal and what to do; then everything works again."""
    asking = models.ask(PAIR, [Prompt("slowly")], SAMPLING, date="2026-11-30")
    with pytest.raises(RunFailedError, match="SIGKILL") as caught:
        async with aclosing(asking) as events:
            async for _ in events:
                for pid in children():
                    os.kill(pid, signal.SIGKILL)
    assert "Complete answers are kept" in caught.value.hint
    assert isinstance((await asked(models, "Again?"))[-1], Finished)


async def test_it_ended_idle_just_when_it_was_asked(
    models: ResidentModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that ended by itself is started again, and the question is answered."""
    script = tmp_path / "once.py"
    script.write_text(
        textwrap.dedent(f"""
            import pathlib, runpy, sys
            mark = pathlib.Path({str(tmp_path / "mark")!r})
            if not mark.exists():
                mark.touch()
                sys.stdin.readline()
                sys.exit(0)
            runpy.run_path({str(SCRIPTED_MODELS)!r}, run_name="__main__")
        """)
    )
    monkeypatch.setattr(resident, "ANSWER_MODELS", script)
    assert isinstance((await asked(models, "One?"))[-1], Finished)


async def test_the_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The room shows whether models are loaded."""
    monkeypatch.setattr(resident, "ANSWER_MODELS", SCRIPTED_MODELS)
    ended = asyncio.Event()
    async with ResidentModels(tmp_path, ended=ended.set) as models:
        await asked(models, "One?")
        assert not ended.is_set()
        for pid in children():
            os.kill(pid, signal.SIGKILL)
        await asyncio.wait_for(ended.wait(), 60)
        assert not models.alive and models.memory is None


async def test_a_model_that_is_gone_is_named(models: ResidentModels, tmp_path: Path) -> None:
    """Nothing is started for it."""
    columns = [Column("reference", str(tmp_path)), Column("aligned", str(tmp_path / "gone"))]
    with pytest.raises(InputError, match="aligned no longer exists"):
        async for _ in models.ask(columns, [Prompt("One?")], SAMPLING, date="2026-11-30"):
            pass
    assert not models.alive


async def test_half_a_character_is_refused(models: ResidentModels) -> None:
    with pytest.raises(InputError, match="not UTF-8"):
        await asked(models, "\udcff")
