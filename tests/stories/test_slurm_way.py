"""On the login node of a cluster: a run is started, watched, paused, resumed and canceled, by keys and by commands."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends import services
from smoltui.backends.evaluation import answers, resident
from smoltui.backends.project.new_project import create_project
from smoltui.backends.project.project import Project
from smoltui.backends.runs import monitor
from smoltui.backends.services import Services, default_services
from smoltui.backends.slurm import engine as slurm_engine
from smoltui.backends.slurm.engine import SlurmEngine
from smoltui.backends.slurm.place import SLURM
from smoltui.cli.main import run
from tests.conftest import seen
from tests.paths import PAUSING_TRAINING, SCRIPTED_MODELS
from tests.slurm.cluster import NEEDS_SLURM, Cluster

pytestmark = list(NEEDS_SLURM)
Wait = Callable[..., Awaitable[None]]


@pytest.fixture
def project(own_machine: Path, slurm: Cluster, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A demo whose training is a script that says what the real one says."""
    monkeypatch.setattr(monitor, "JOBS_SECONDS", 0.3)
    engine = SlurmEngine(PAUSING_TRAINING, poll_seconds=0.3, log_seconds=0.1)
    known = [entry for entry in services.ENGINES if entry[0] is not SLURM]
    monkeypatch.setattr(services, "ENGINES", [known[0], (SLURM, lambda: engine), *known[1:]])
    found = create_project(own_machine / "demo", "demo")
    with (found.folder / "smoltui.toml").open("a") as file:
        file.write("\n[slurm]\ngpus = 0\nmem = '100M'\ntime = '30m'\n")
    text = (found.folder / "smoltui.toml").read_text()
    (found.folder / "smoltui.toml").write_text(text.replace('on = "local"', 'on = "slurm"'))
    return found


def with_recipe(project: Project, text: str) -> None:
    """Further lines of the recipe, which the script reads; the real one would refuse them."""
    from dataclasses import replace

    real = slurm_engine.SlurmEngine.submit

    async def submit(self: SlurmEngine, spec: Any) -> Any:
        return await real(self, replace(spec, recipe=f"{spec.recipe}\n{text}\n"))

    for place, make in services.ENGINES:
        if place is SLURM:
            make().submit = submit.__get__(make())  # type: ignore[method-assign]


async def test_by_keys(project: Project, wait_until: Wait) -> None:
    """The start dialog has what the cluster says; then x, x and X do what they do to a local run."""
    with_recipe(project, "steps: 6\nhold_at: 3 5")
    app = SmoltuiApp(project, default_services(), opening="runs")
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "Partition" in seen(app) or "passed" in seen(app))
        assert "flavor" not in seen(app) and "costs at most" not in seen(app).lower()
        await pilot.press("enter")
        await wait_until(lambda: "3/6" in seen(app, "#run-head"))
        await pilot.press("x")
        await wait_until(lambda: "Pause" in seen(app))
        await pilot.press("y")
        await wait_until(lambda: "Paused at step 3" in seen(app) and "pausing" not in seen(app))
        await pilot.press("x")
        await wait_until(lambda: "5/6" in seen(app, "#run-head"))
        await pilot.press("X")
        await wait_until(lambda: "Cancel" in seen(app) and "Checkpoints saved so far are kept." in seen(app))
        await pilot.press("y")
        await wait_until(lambda: "Stopped on request" in seen(app))


async def test_choices_are_those_of_the_cluster(project: Project, wait_until: Wait) -> None:
    """I choose a partition from the list that space opens; what Slurm can't list has a reason, and is typed."""
    app = SmoltuiApp(project, default_services(), opening="recipe")
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("v", "slash", *"partit", "enter")
        await wait_until(lambda: "space: choices" in seen(app, "#about"))
        await pilot.press("space")
        await wait_until(lambda: "default · 2 of 2 nodes idle · 2 GPUs a node (fake)" in seen(app))
        await pilot.press("j", "enter")
        await wait_until(lambda: 'partition = "low"' in (project.folder / "smoltui.toml").read_text())
        await pilot.press("j", "j", "space")  # on to the QOS
        await wait_until(lambda: "lists no accounts and QOS: its accounting is off" in seen(app))
        await pilot.press("escape")


async def test_models_are_asked_on_a_node(
    project: Project, slurm: Cluster, monkeypatch: pytest.MonkeyPatch, wait_until: Wait
) -> None:
    """The login node is not the place for a model: the run's models answer, and are measured, in jobs of their own."""
    monkeypatch.setattr(resident, "ANSWER_MODELS", SCRIPTED_MODELS)
    monkeypatch.setattr(answers, "GENERATE", SCRIPTED_MODELS)
    monkeypatch.setenv("SBATCH_PARTITION", "nowhere")
    with_recipe(project, "steps: 2")
    app = SmoltuiApp(project, default_services(), opening="runs")
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "passed" in seen(app))
        await pilot.press("enter")
        await wait_until(lambda: "Next: press a" in seen(app, "#run-head"))
        await pilot.press("a")
        jobs = partial(slurm.ask, "squeue", "--noheader", "--states=running", "--format=%j")
        await wait_until(lambda: "I am happy to help you with it." in seen(app) and "Took " in seen(app))
        assert "smoltui-ask" in (jobs() or "")
        await pilot.press("m")
        await wait_until(lambda: "Both models measured on" in seen(app))
        assert not jobs()  # the models that answered make room first


def documents(capsys: pytest.CaptureFixture[str]) -> list[Any]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_by_commands(project: Project, slurm: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command takes the id of the run or the number of its job."""
    folder = str(project.folder)
    with_recipe(project, "steps: 6")
    assert run(["train", folder, "--on", "slurm", "--timeout", "20m", "--flavor", "low", "--json"]) == 0
    end = documents(capsys)[-1]
    assert (end["stage"], end["output_dir"]) == ("COMPLETED", f"{folder}/aligned")
    assert run(["inspect", end["run"], "--json"]) == 0
    (told,) = documents(capsys)
    job = told["parts"][-1]["job"]
    assert "--partition=low" in told["job"]["sbatch"] and "--time=0-00:20:00" in told["job"]["sbatch"]
    assert run(["logs", job]) == 0 and "step 6/6" in capsys.readouterr().out
    assert run(["labels", job, "team=ml", "--json"]) == 0 and documents(capsys)[0]["labels"]["team"] == "ml"
    assert run(["hardware", "--on", "slurm", "--json"]) == 0
    assert [one["name"] for one in documents(capsys)[0]] == ["main", "low"]
    assert run(["ps", "-a", "--on", "slurm", "--json"]) == 0 and len(documents(capsys)[0]) == 1
    for options, words in (
        (["--flavor", "nowhere"], "no such partition: nowhere"),
        (["--timeout", "2h"], "never start it"),
        (["--timeout", "soon"], "not a time limit"),
        (["--namespace", "a b"], "not a name"),
    ):
        assert run(["train", folder, "--on", "slurm", "--overwrite", *options]) == 2
        assert words in capsys.readouterr().err
    assert run(["stats", job]) == 2 and "not running" in capsys.readouterr().err


def test_a_machine_without_slurm(
    own_machine: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It isn't offered there, and whoever asks for it is told why it can't be used."""
    monkeypatch.setenv("PATH", str(own_machine))
    folder = create_project(own_machine / "demo", "demo").folder
    assert SLURM.name not in default_services().engines
    assert run(["train", str(folder), "--on", "slurm"]) != 0
    assert "sbatch is not on the PATH" in capsys.readouterr().err
    assert run(["ps", "-a", "--on", "slurm"]) == 0  # runs from before would be listed
    assert "No runs" in capsys.readouterr().err
    assert Services(default_services().engines).default("slurm").place is SLURM


async def test_the_setting_names_a_slurm_that_is_not_there(
    own_machine: Path, monkeypatch: pytest.MonkeyPatch, wait_until: Wait
) -> None:
    """The start dialog has it, says why it can't be used, and tab leads to another place."""
    found = create_project(own_machine / "demo", "demo")
    text = (found.folder / "smoltui.toml").read_text()
    (found.folder / "smoltui.toml").write_text(text.replace('on = "local"', 'on = "slurm"'))
    monkeypatch.setenv("PATH", "/nowhere")
    app = SmoltuiApp(found, default_services(), opening="runs")
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "sbatch is not on the PATH" in seen(app))
        await pilot.press("tab")
        await wait_until(lambda: "sbatch is not on the PATH" not in seen(app) and "MODEL GOES TO" in seen(app))
