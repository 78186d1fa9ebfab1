"""Labelling in the Evaluate room: answers are sampled, best and worst are chosen by key, and they become pairs."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest
from textual.pilot import Pilot

from smoltui.app import SmoltuiApp
from smoltui.backends.evaluation import labels, resident
from smoltui.backends.project.project import Project
from smoltui.backends.runs.engine import Engine
from smoltui.backends.services import Services
from smoltui.screens.evaluate import label_setup as label_setup  # the guard measures keys, not the import
from smoltui.screens.evaluate.label_setup import LabelSetup
from smoltui.screens.evaluate.label_view import LabelView
from smoltui.screens.pairs import room as room
from tests.backends.evaluation.project import SCRIPTED_MODELS, make_project, trained
from tests.conftest import seen
from tests.stories.test_evaluate_room import COURTEOUS, CURT, FakeEngine

Wait = Callable[..., Awaitable[None]]


@pytest.fixture(autouse=True)
def guarded(loop_guard: list[str]) -> list[str]:
    return loop_guard


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(resident, "ANSWER_MODELS", SCRIPTED_MODELS)
    made = make_project(tmp_path / "project")
    (made.folder / "ten.txt").write_text("".join(f"Question {number}?\n" for number in range(10)))
    return made


def open_on(project: Project) -> SmoltuiApp:
    engine = cast("Engine", FakeEngine([trained(project)]))
    return SmoltuiApp(project, Services({"local": engine}), opening="evaluate")


async def open_labels(app: SmoltuiApp, pilot: Pilot[int], wait: Wait) -> None:
    await wait(lambda: "0a1b2c3d" in seen(app))
    await pilot.press("L")
    await wait(lambda: isinstance(app.screen, LabelSetup) and "NEW SET" in seen(app))


async def choose(app: SmoltuiApp, pilot: Pilot[int], wait: Wait, then: str) -> None:
    """Presses the letter of the courteous answer, then that of the curt one."""
    await wait(lambda: COURTEOUS in seen(app) and CURT in seen(app) and "best" not in seen(app, "#label-answers"))
    lines = [line.strip() for line in seen(app, "#label-answers").splitlines()]
    kind, curt = (lines[lines.index(text) - 1] for text in (COURTEOUS, CURT))
    assert {kind, curt} == {"A", "B"}
    await pilot.press(kind.lower())
    await wait(lambda: f"{kind}   best" in seen(app) and "Now the letter of the worst one" in seen(app))
    await pilot.press(curt.lower())
    await wait(lambda: then in seen(app))


@pytest.mark.slow
async def test_label_ten_prompts(project: Project, wait_until: Wait) -> None:
    """In a small terminal: I name a file, sample from both models, choose, take one back, close the app, finish, and
    look at the pairs."""
    app = open_on(project)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_labels(app, pilot, wait_until)
        assert "temperature    0.7" in seen(app) and "seed           0" in seen(app)
        await pilot.press("enter", *"ten.txt", "enter")
        await pilot.press("j", "enter", "1", "enter", "j", "j", "j", "enter", "enter")
        await wait_until(lambda: "reference and aligned" in seen(app) and "answers        1" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: isinstance(app.screen, LabelView) and "1 of 10" in seen(app))
        await wait_until(lambda: "Question 0?" in seen(app) and COURTEOUS in seen(app) and CURT in seen(app))
        assert "reference" not in seen(app) and "aligned" not in seen(app)
        for number in range(2, 6):
            await choose(app, pilot, wait_until, f"{number} of 10")
        await pilot.press("x")
        await wait_until(lambda: "6 of 10" in seen(app))
        await pilot.press("u")
        await wait_until(lambda: "5 of 10" in seen(app) and "Undone: none is good" in seen(app))
        await pilot.press("ctrl+r")
        await wait_until(lambda: "6 of 10" in seen(app) and "Redone: none is good" in seen(app))
        await pilot.press("u")
        await wait_until(lambda: "5 of 10" in seen(app) and "Undone: none is good" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: "A   best" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: "That is the best one" in seen(app))
        await pilot.press("u")
        await wait_until(lambda: "Press the letter of the best answer" in seen(app))
    app = open_on(project)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_labels(app, pilot, wait_until)
        await wait_until(lambda: "4 of 10 labeled" in seen(app))
        await pilot.press("enter")
        await wait_until(lambda: "5 of 10" in seen(app) and "Question 4?" in seen(app))
        for number in range(6, 10):
            await choose(app, pilot, wait_until, f"{number} of 10")
        await pilot.press("l")
        await wait_until(lambda: "10 of 10 · 1 skipped" in seen(app))
        await pilot.press("equals_sign")
        await wait_until(lambda: "8 of 10 prompts have a best and a worst answer: 8 preference pairs." in seen(app))
        assert "1 all alike, 1 skipped: no pairs." in seen(app)
        await pilot.press("l")
        await wait_until(lambda: "9 of 10" in seen(app) and "Question 8?" in seen(app))
        await choose(app, pilot, wait_until, "9 preference pairs")
        await pilot.press("E", "enter", "enter")
        await wait_until(lambda: "9 pairs are in ten-pairs; 1 left out" in " ".join(seen(app).split()))
        await pilot.press("o")
        await wait_until(lambda: "pair 1 of 9" in seen(app) and COURTEOUS in seen(app))
    rows = [json.loads(line) for line in (project.folder / "ten-pairs" / "train.jsonl").read_text().splitlines()]
    assert all((row["chosen"][0]["content"], row["rejected"][0]["content"]) == (COURTEOUS, CURT) for row in rows)
    assert "temperature 0.7" in (project.folder / "ten-pairs" / "README.md").read_text()


async def test_what_cannot_be_sampled_is_said(project: Project, wait_until: Wait) -> None:
    """A wrong number, a missing file, and a model that fails: I read why, and can try again."""
    app = open_on(project)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_labels(app, pilot, wait_until)
        await pilot.press("j", "enter", *"four", "enter")
        await wait_until(lambda: "Not a number: four" in seen(app))
        await pilot.press("enter", *"20", "enter", "a")
        await wait_until(lambda: "between 2 and 8 answers, not 20" in seen(app))
        await pilot.press("enter", "2", "enter", "k", "enter", *"nope.txt", "enter", "a")
        await wait_until(lambda: "There is no such set of prompts: nope.txt" in seen(app))
        (project.folder / "nope.txt").write_text("This will fail\n")
        await pilot.press("a")
        await wait_until(lambda: "The model does not fit into memory" in seen(app))
        await pilot.press("escape")
        await wait_until(lambda: not isinstance(app.screen, LabelSetup))
    assert labels.read_labels(labels.set_folder(project, "nope")).samples == {}


async def test_stopping_keeps_what_was_sampled(project: Project, wait_until: Wait) -> None:
    """I press x while the models are slow: the answers so far are stored, and the rest is sampled later."""
    (project.folder / "slow.txt").write_text("Quick?\nAnswer slowly\n")
    app = open_on(project)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_labels(app, pilot, wait_until)
        await pilot.press("enter", *"slow.txt", "enter", "j", "enter", "2", "enter", "a")
        await wait_until(lambda: "1 of at most 4 answers" in seen(app))
        await pilot.press("x")
        await wait_until(lambda: "Stopped. What was sampled is stored" in seen(app))
        await wait_until(lambda: "2 prompts still without answers" in seen(app) or "1 prompts still" in seen(app))
    assert len(labels.read_labels(labels.set_folder(project, "slow")).samples) == 1
