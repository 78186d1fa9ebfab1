"""A third engine is started, watched, paused, run again and cancelled as the two that are there: by keys and commands.

Its name stands in its declaration and in the list of engines, and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends import services
from smoltui.backends.project.new_project import create_project
from smoltui.backends.project.project import Project
from smoltui.backends.services import Services
from smoltui.cli.main import run
from smoltui.core.runs.run import Run, RunSpec, Stage
from tests.conftest import seen, told
from tests.stories.test_jobs_way import said
from tests.stories.test_runs_list import Shelf, job
from tests.toy_engine import TOY, ToyEngine

Wait = Callable[..., Awaitable[None]]


class Patient(ToyEngine):
    """Takes its last step when the file `enough` is there."""

    def __init__(self, enough: Path) -> None:
        super().__init__()
        self._enough = enough

    async def submit(self, spec: RunSpec) -> Run:
        return await super().submit(replace(spec, recipe=f"{spec.recipe}\nsteps: 2\nuntil: {self._enough}\n"))


@pytest.fixture
def project(own_machine: Path) -> Project:
    return create_project(own_machine / "demo", "demo")


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyEngine:
    """The engine, in the list of engines."""
    engine = Patient(tmp_path / "enough")
    monkeypatch.setattr(services, "ENGINES", [*services.ENGINES, (TOY, lambda: engine)])
    return engine


async def test_by_keys(project: Project, toy: ToyEngine, tmp_path: Path, wait_until: Wait) -> None:
    """smoltui.toml names it, and no cost is spoken of. Then x, x, R and c do what they do to a local run."""
    (project.folder / "smoltui.toml").write_text(f'[run]\non = "{TOY.name}"\n')
    app = SmoltuiApp(project, services.default_services(), opening="runs")
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "48 steps" in seen(app, "#start-text"))
        told = seen(app, "#start-text")
        assert TOY.title in told and "✗" not in told
        assert "costs" not in told and "flavor" not in told and "other runs" not in told and "aligned" in told
        await pilot.press("enter")
        await wait_until(lambda: "1/2 steps" in seen(app, "#run-head"))
        await pilot.press("x")
        await wait_until(lambda: "Pause demo?" in seen(app))
        await pilot.press("y")
        await wait_until(lambda: "CANCELED  Paused at step 1" in seen(app, "#run-head"))
        await pilot.press("x")
        await wait_until(lambda: "RUNNING" in seen(app, "#run-head"))
        (tmp_path / "enough").touch()
        await wait_until(lambda: "COMPLETED" in seen(app, "#run-head"))
        (tmp_path / "enough").unlink()
        await pilot.press("R")
        await wait_until(lambda: "Run again: demo?" in seen(app))
        assert "can cost" not in seen(app) and "Uses the original recipe" in seen(app)
        await pilot.press("y")
        await wait_until(lambda: "toy-1  RUNNING" in seen(app, "#run-head"))
        await pilot.press("X")
        await wait_until(lambda: "Cancel the run demo (toy-1)?" in seen(app))
        assert "Checkpoints saved so far are kept." in seen(app)
        await pilot.press("y")
        await wait_until(lambda: "toy-1  CANCELED" in seen(app, "#run-head"))
    assert [one.stage for one in await toy.list_runs()] == ["CANCELED", "COMPLETED"]


async def test_of_marked_runs_those_that_can_be_paused_are(
    project: Project, toy: ToyEngine, own_machine: Path, wait_until: Wait
) -> None:
    """I mark its run and a Job: the question names the Job that keeps running, and only the run is paused."""
    shelf = Shelf([job(1, stage=Stage.RUNNING)])
    await toy.submit(RunSpec("toy run", str(project.folder), "", str(own_machine / "out"), "label"))
    app = SmoltuiApp(project, Services({toy.name: toy, shelf.name: shelf}), opening="runs")
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "run-0001" in seen(app, "RunList") and "1/2 steps" in seen(app, "#run-head"))
        await pilot.press("space", "space", "x")
        await wait_until(lambda: "Pause toy run?" in said(app))
        assert "run-0001 continues: HF Jobs cannot pause a run" in said(app)
        await pilot.press("y")
        await wait_until(lambda: "Paused at step 1" in seen(app) and "Asked to pause: toy run" in told(app))
        assert "✗ pause" not in seen(app) and app.runs["job0001"].stage == Stage.RUNNING


def documents(capsys: pytest.CaptureFixture[str]) -> list[Any]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_by_commands(project: Project, toy: ToyEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--on` knows it, nobody asks for money, and each command does to its runs what it does to others."""
    folder = str(project.folder)
    (tmp_path / "enough").touch()
    assert run(["train", folder, "--on", TOY.name, "--json"]) == 0
    end = documents(capsys)[-1]
    assert (end["stage"], end["output_dir"]) == ("COMPLETED", f"{folder}/aligned")
    first = end["run"]
    (tmp_path / "enough").unlink()
    assert run(["rerun", first, "--json"]) == 0
    (second,) = documents(capsys)
    assert second["id"] != first and second["engine"] == TOY.name
    for command, stage in (("pause", "CANCELED"), ("resume", "RUNNING"), ("cancel", "CANCELED")):
        assert run([command, second["id"], "--json"]) == 0
        assert documents(capsys)[0]["stage"] == stage
    assert run(["ps", "--on", TOY.name, "--filter", "engine:toy", "--json"]) == 0
    assert {one["id"] for one in documents(capsys)[0]} == {first, second["id"]}
    assert run(["wait", first]) == 0 and run(["logs", first]) == 0 and run(["inspect", first]) == 0
    assert "a warning of a library" in capsys.readouterr().out
    assert run(["recipe", "check", folder, "--on", TOY.name]) == 0
    for command, word in (("stats", "does not report processor"), ("labels", "has no labels")):
        assert run([command, first, *(["a=b"] if command == "labels" else [])]) == 2
        assert f"{TOY.subject} {word}" in capsys.readouterr().err


def test_the_names_that_the_commands_offer(toy: ToyEngine, capsys: pytest.CaptureFixture[str]) -> None:
    """Help and errors have them from the list of engines."""
    assert run(["train", "--help"]) == 0
    assert f"[local|slurm|hub|{TOY.name}]" in capsys.readouterr().out
    assert run(["train", "--on", "nowhere"]) == 2
    assert f"'{TOY.name}'" in capsys.readouterr().err
