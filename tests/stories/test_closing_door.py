"""After a Job has pushed its model: it is compared, and every end says what is next. With a local Hub."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends.evaluation import answers, resident
from smoltui.backends.jobs import records, watching
from smoltui.backends.jobs.engine import HubEngine
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.project.project import Project
from smoltui.backends.runs import monitor
from smoltui.backends.runs import store as run_store
from smoltui.backends.services import Services
from smoltui.cli.main import run
from smoltui.core.evaluation import loading as loading_words
from smoltui.core.runs import events
from smoltui.core.runs.run import Run, RunSpec, Stage
from smoltui.screens.recipe.field_list import FieldList
from tests.backends.evaluation.project import RECIPE, SCRIPTED_MODELS, make_project
from tests.conftest import seen
from tests.hub.cached import weights
from tests.hub.server import Job, LocalHub, local_hub
from tests.stories.test_evaluate_room import COURTEOUS, CURT, FakeEngine, open_on, trained

Wait = Callable[..., Awaitable[None]]
PUSHES = RECIPE + "push_to_hub: true\nhub_model_id: ada/aligned\n"
MODEL = {"config.json": b"{}", "model.safetensors": weights(300)}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, own_machine: Path) -> Iterator[LocalHub]:
    monkeypatch.setattr(watching, "poll_seconds", lambda stage, polls: 0.1)
    monkeypatch.setattr(monitor, "JOBS_SECONDS", 0.3)
    monkeypatch.setattr(monitor, "IDLE_SECONDS", 0.1)
    with local_hub(monkeypatch) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(answers, "GENERATE", SCRIPTED_MODELS)
    monkeypatch.setattr(resident, "ANSWER_MODELS", SCRIPTED_MODELS)
    made = make_project(tmp_path / "project")
    made.recipe_path.write_text(PUSHES)
    return made


def job_of(hub: LocalHub, project: Project, stage: str = "RUNNING") -> Job:
    """A Job that was submitted from this project."""
    job = hub.add(stage=stage, labels={"name": "dpo"})
    spec = RunSpec("dpo", str(project.folder), PUSHES, "/tmp/smoltui", "label", flavor="cpu-basic")
    records.save({"id": job.id, "namespace": "ada", "events": {}, "spec": asdict(spec)})
    return job


async def until(app: SmoltuiApp, wait_until: Wait, *texts: str) -> None:
    """Waits for words on the screen."""
    try:
        await wait_until(lambda: all(text in words(app) for text in texts))
    except AssertionError:
        raise AssertionError(f"not seen: {texts}\n{seen(app)}") from None


def words(app: SmoltuiApp) -> str:
    return " ".join("".join(c for c in seen(app) if c not in "│╭╮╰╯─┃").split())


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_from_the_end_of_a_job_to_its_comparison(
    hub: LocalHub, project: Project, wait_until: Wait, size: tuple[int, int]
) -> None:
    """My Job pushes its model and completes: a compares it, after its size is shown; then m, and b is offered."""
    hub.repos.add("model", "ada/aligned", MODEL)
    job = job_of(hub, project)
    app = SmoltuiApp(project, Services({"local": LocalEngine(), "hub": HubEngine()}), opening="runs")
    async with app.run_test(size=size) as pilot:
        await wait_until(lambda: "RUNNING" in seen(app, "RunList"))
        job.say(events.dump(events.ModelPushed(repo="ada/aligned")), events.dump(events.Finished(step=3, max_steps=3)))
        job.stage = "COMPLETED"
        await until(app, wait_until, "Next: press a to compare before and after")
        await pilot.press("a")
        await until(app, wait_until, "Download and load these models?")
        assert "aligned: ada/aligned, 1 KiB to download" in words(app) and "time unknown" in words(app)
        await pilot.press("n")
        await until(app, wait_until, "Nothing was loaded.", "Press a to compare")
        assert "ada/aligned" in seen(app, "#eval-head")
        await pilot.press("a")
        await until(app, wait_until, "Download and load these models?")
        await pilot.press("y")
        await until(app, wait_until, COURTEOUS, "Next: press m to measure")
        assert CURT in seen(app)
        await pilot.press("m")
        await until(app, wait_until, "measured on 4 held-out pairs")
        assert "Next: press b to vote blind" in words(app)
    assert (
        list(run_store.run_dir(job.id).glob("answers-*.json"))
        and (run_store.run_dir(job.id) / "figures.json").is_file()
    )


async def test_a_job_that_ended_while_the_app_was_closed(hub: LocalHub, project: Project, wait_until: Wait) -> None:
    """I open Evaluate a day later: the model of the Job is there by itself, and so it is for the command."""
    job = job_of(hub, project, "COMPLETED")
    job.say(events.dump(events.ModelPushed(repo="ada/aligned")))
    hub.repos.add("model", "ada/aligned", MODEL)
    app = SmoltuiApp(project, Services({"local": LocalEngine(), "hub": HubEngine()}), opening="evaluate")
    async with app.run_test(size=(80, 24)):
        await wait_until(lambda: "ada/aligned" in seen(app, "#eval-head") and "Press a to compare" in words(app))


@pytest.mark.slow
async def test_any_model_of_the_hub(hub: LocalHub, project: Project, wait_until: Wait) -> None:
    """Nothing was trained here: I choose a repository of mine, and measure it. Tomorrow it is still there."""
    hub.repos.add("model", "ada/other", MODEL)
    app = SmoltuiApp(project, Services({"local": LocalEngine(), "hub": HubEngine()}), opening="evaluate")
    async with app.run_test(size=(120, 40)) as pilot:
        await until(app, wait_until, "c to choose one")
        await pilot.press("c")
        await until(app, wait_until, "model of ada on the Hub")
        await pilot.press("a", *"ada/none", "enter")
        await until(app, wait_until, "There is no such model on the Hub")
        await pilot.press("G", "space", "enter")
        await until(app, wait_until, "ada/other", "a model that was chosen")
        await pilot.press("m")
        await until(app, wait_until, "Download and load these models?")
        await pilot.press("y")
        await until(app, wait_until, "measured on 4 held-out pairs")
    app = SmoltuiApp(project, Services({"local": LocalEngine(), "hub": HubEngine()}), opening="evaluate")
    async with app.run_test(size=(120, 40)):
        await until(app, wait_until, "ada/other", "held-out pairs / answers")


async def test_large_local_models_are_asked_about_once(
    project: Project, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above the limit I am asked before loading, and not again for the same models; esc loads nothing."""
    monkeypatch.setattr(loading_words, "SMALL", 100)
    (project.folder / "model" / "model.safetensors").write_bytes(weights(300))
    app = open_on(project, trained(project))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, wait_until, "Press a to compare")
        await pilot.press("a")
        await until(app, wait_until, "Load these models?")
        assert "Memory: about" in words(app) and "is free" in words(app)
        await pilot.press("escape")
        await until(app, wait_until, "Nothing was loaded.")
        await pilot.press("a")
        await until(app, wait_until, "Load these models?")
        await pilot.press("y")
        await until(app, wait_until, COURTEOUS, "Took")
        await pilot.press("x")
        await until(app, wait_until, "unloaded")
        await pilot.press("a")
        await until(app, wait_until, "Took")


async def test_the_run_is_deleted_while_its_results_are_shown(project: Project, wait_until: Wait) -> None:
    """I delete the run in another terminal: I read one sentence, and answers and figures are kept elsewhere."""
    made = trained(project)
    app = open_on(project, made)
    engine: Any = app.workspace.services.engines["local"]
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app, "#eval-head"))
        await pilot.press("a")
        await until(app, wait_until, COURTEOUS, "Took")
        await pilot.press("m")
        await until(app, wait_until, "measured on 4 held-out pairs")
        shutil.rmtree(run_store.run_dir("0a1b2c3d"))
        engine.runs = []
        app.workspace.look_at_runs()
        await until(app, wait_until, "The run demo 0a1b2c3d was deleted. What is shown here is kept in")
        kept = run_store.runs_folder().parent / "evaluations"
        await wait_until(lambda: bool(list(kept.glob("*/answers-*.json")) and list(kept.glob("*/figures.json"))))
    assert not run_store.run_dir("0a1b2c3d").exists()


def test_commands_say_what_loading_takes(project: Project, hub: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal a download is refused, naming --yes; with it the sizes are on stderr."""
    hub.repos.add("model", "ada/other", MODEL)
    for command in (
        ["ask", str(project.folder), "--model", "ada/other"],
        ["label", str(project.folder), "--model", "ada/other"],
    ):
        if command[0] == "label":
            trained(project)
        assert run(command) == 2
        said = capsys.readouterr().err
        assert "ada/other, 1 KiB to download" in said and "need confirmation" in said and "--yes" in said
    assert run(["evaluate", str(project.folder), "--model", "ada/none", "--yes"]) != 0
    assert "There is no such model on the Hub" in capsys.readouterr().err


async def test_a_failure_names_the_key_that_fixes_it(project: Project, wait_until: Wait) -> None:
    """Training ran out of memory: e opens the recipe at the batch size, where I am looking."""
    failed = replace(trained(project), stage=Stage.ERROR, model_path=None, message="This machine ran out of memory")

    class Engine(FakeEngine):
        async def follow(self, run_id: str) -> AsyncGenerator[events.Event, None]:
            yield events.StageChanged(stage=Stage.ERROR, message=failed.message)

        async def started_with(self, run: Run) -> None:
            return None

    engine: Any = Engine([failed])
    app = SmoltuiApp(project, Services({"local": engine}), opening="runs")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, wait_until, "Next: press e to edit the batch size, or R to run it again")
        await pilot.press("e")
        await wait_until(lambda: bool(app.screen.query(FieldList)))
        await wait_until(lambda: app.screen.query_one(FieldList).key == "per_device_train_batch_size")
