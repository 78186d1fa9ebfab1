"""Where the model of a Job is, that nobody followed to its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.evaluation.project_runs import runs_of_project
from smoltui.backends.jobs import records
from smoltui.backends.jobs.engine import HubEngine
from smoltui.backends.project.project import Project
from smoltui.backends.services import Services
from smoltui.core.runs import events
from smoltui.core.runs.run import RunSpec
from tests.hub.server import Job, LocalHub, local_hub

RECIPE = "model_name_or_path: me/base\npush_to_hub: true\nhub_model_id: ada/aligned\n"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, own_machine: Path) -> Iterator[LocalHub]:
    with local_hub(monkeypatch) as running:
        yield running


def recorded(job: Job, **values: Any) -> None:
    """The record of a Job that was submitted from the folder /p."""
    spec = {"name": "dpo", "project": "/p", "recipe": RECIPE, "output_dir": "/tmp/smoltui", "label": "l", **values}
    records.save({"id": job.id, "namespace": "ada", "events": {}, "spec": asdict(RunSpec(**spec))})


async def test_the_log_says_where_it_is(hub: LocalHub) -> None:
    """A Job that completed while the app was closed: its log is read once, and remembered."""
    job = hub.add(["training", events.dump(events.ModelPushed(repo="ada/elsewhere"))], stage="COMPLETED")
    recorded(job)
    engine = HubEngine()
    (run,) = await engine.list_runs()
    assert run.pushed_to is None and run.project == "/p" and run.raw["spec"]["recipe"] == RECIPE
    assert (await engine.settled(run)).pushed_to == "ada/elsewhere"
    (run,) = await HubEngine().list_runs()
    assert run.pushed_to == "ada/elsewhere"


async def test_without_a_log_the_recipe_says_it(hub: LocalHub) -> None:
    """The log is gone. The repository of the recipe counts if it exists; the log is not read again."""
    jobs = [hub.add([], stage="COMPLETED"), hub.add([], stage="COMPLETED")]
    recorded(jobs[0])
    recorded(jobs[1], recipe=RECIPE.replace("ada/aligned", "ada/never-made"))
    hub.repos.add("model", "ada/aligned", {"config.json": b"{}"})
    engine = HubEngine()
    found = {run.id: await engine.settled(run) for run in await engine.list_runs()}
    assert [found[job.id].pushed_to for job in jobs] == ["ada/aligned", None]
    asked = len(hub.asked("GET", "/logs"))
    for run in await engine.list_runs():
        await engine.settled(run)
    assert len(hub.asked("GET", "/logs")) == asked


async def test_commands_find_the_runs_of_a_project(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub is asked only for a project with a Job; while it does not answer, what is recorded counts."""
    services, project = Services({"hub": HubEngine()}), Project(Path("/p"))
    assert await runs_of_project(services, project) == {} and not hub.requests
    job = hub.add([events.dump(events.ModelPushed(repo="ada/aligned"))], stage="COMPLETED")
    recorded(job)
    found = await runs_of_project(services, project)
    assert found[job.id].pushed_to == "ada/aligned"
    hub.spoil("GET", "/api/", times=99, status=503)
    found = await runs_of_project(Services({"hub": HubEngine()}), project)
    assert found[job.id].pushed_to == "ada/aligned" and found[job.id].name == "dpo"
