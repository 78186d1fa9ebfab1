"""The Benchmarks view of the Evaluate room: choose tasks, see what they cost, run, read."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import psutil
import pytest
from textual.pilot import Pilot

from smoltui.app import SmoltuiApp
from smoltui.backends.evaluation import benchmark_jobs, benchmark_preflight, benchmark_results, benchmark_run
from smoltui.backends.jobs.place import JOBS
from smoltui.backends.local.place import HERE
from smoltui.backends.project.project import Project
from smoltui.backends.runs import store as run_store
from smoltui.backends.runs.engine import Engine
from smoltui.backends.services import Services
from smoltui.core.evaluation.benchmark_checks import ModelFacts
from smoltui.core.evaluation.benchmark_result import BenchmarkResult
from smoltui.core.machine.account import Account
from smoltui.core.runs.command import CommandSpec
from smoltui.core.runs.cost import Flavor
from smoltui.core.runs.place import Place
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import InputError, UnreachableError
from smoltui.screens.evaluate.benchmarks_view import BenchmarksView
from smoltui.screens.evaluate.room import EvaluateRoom
from tests.backends.evaluation.project import make_project, trained
from tests.backends.evaluation.test_benchmark_preflight import weights
from tests.backends.evaluation.test_benchmark_run import SCRIPTED
from tests.conftest import seen, told
from tests.core.evaluation.benchmark_samples import lighteval
from tests.core.evaluation.test_benchmark_reading import read
from tests.paths import TESTS

Wait = Callable[..., Awaitable[None]]


@dataclass
class FakeEngine:
    """Lists the runs it was given; starts commands by remembering them."""

    runs: list[Run] = field(default_factory=list)
    place: Place = HERE
    started: list[CommandSpec] = field(default_factory=list)
    lost: int = 0
    """So many answers are lost, although a command was started."""
    problems: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.place.name

    async def list_runs(self) -> list[Run]:
        return list(self.runs)

    def around(self, run: Run, step: str) -> tuple[str, ...]:
        return ()

    async def account(self) -> Account:
        return Account(name="ada", token_role="write")

    async def hardware(self) -> list[Flavor]:
        return [Flavor("a100-large", "A100", "12 vCPU", None, "A100", 1, 80 << 30, 0.041667, 0.0)]

    async def command(self, spec: CommandSpec) -> Run:
        if spec.label not in [known.label for known in self.started]:
            self.started.append(spec)
            raw = {"command": list(spec.command)}
            job = Run(f"job{len(self.started)}", self.name, spec.name, Stage.SCHEDULING, labels=spec.labels, raw=raw)
            self.runs.append(job)
        if self.lost:
            self.lost -= 1
            raise UnreachableError("The connection was lost while starting the Job", "Check before retrying.")
        return next(run for run in self.runs if run.id == f"job{len(self.started)}")

    def poll_seconds(self, stage: str, polls: int) -> float:
        return 0.1


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    async def ask_model(name: str) -> ModelFacts:
        return ModelFacts(is_public=True, is_adapter=False)

    monkeypatch.setattr(benchmark_run, "RUN_LM_EVAL", SCRIPTED)
    monkeypatch.setattr(benchmark_preflight, "PACKAGES", ())
    monkeypatch.setattr(benchmark_preflight, "lm_eval_version", lambda: "0.4.13")
    monkeypatch.setattr(benchmark_preflight, "ask_model", ask_model)
    monkeypatch.setenv("PYTHONPATH", str(TESTS.parent))
    made = make_project(tmp_path / "project")
    trained(made)
    for folder in ("model", "out"):
        weights(made.folder / folder / "model.safetensors")
        (made.folder / folder / "chat_template.jinja").write_text("x")
    return made


@pytest.fixture(autouse=True)
def guarded(loop_guard: list[str]) -> list[str]:
    return loop_guard


@dataclass
class Opened:
    app: SmoltuiApp
    here: FakeEngine
    jobs: FakeEngine


def open_on(project: Project, *jobs: Run) -> Opened:
    run = replace(trained(project), pushed_to="ada/aligned")
    here, there = FakeEngine([run]), FakeEngine(list(jobs), place=JOBS)
    engines = {HERE.name: cast("Engine", here), JOBS.name: cast("Engine", there)}
    return Opened(SmoltuiApp(project, Services(engines), opening="evaluate"), here, there)


async def enter(opened: Opened, pilot: Pilot[int], wait_until: Wait) -> None:
    """Opens the view on the run."""
    app = opened.app
    await wait_until(lambda: "0a1b2c3d" in seen(app, "#eval-head"))
    await pilot.press("B")
    await wait_until(lambda: isinstance(app.screen, BenchmarksView) and "0a1b2c3d" in seen(app, "#bench-head"))
    await wait_until(lambda: "Press a to" in seen(app, "#bench-status"))


async def test_i_choose_tasks_and_benchmark_here(project: Project, wait_until: Wait) -> None:
    """What the task under the cursor does; space marks; a runs both models; the figures are kept with the run."""
    opened = open_on(project)
    app = opened.app
    async with app.run_test(size=(120, 40)) as pilot:
        await enter(opened, pilot, wait_until)
        assert "this machine, lm_eval" in seen(app, "#bench-head") and "models both" in seen(app, "#bench-head")
        assert "Probability of all true answers" in seen(app, "#bench-page")
        await pilot.press("j", "j", "j")
        assert "after 5 solved ones" in seen(app, "#bench-page")
        await pilot.press("space", "k", "space")
        await wait_until(lambda: "--tasks truthfulqa_mc2,hellaswag " in " ".join(seen(app, "#bench-page").split()))
        await wait_until(lambda: "Press a to" in seen(app, "#bench-status"))
        await pilot.press("a")
        await wait_until(lambda: "Benchmark done in" in seen(app, "#bench-status"))
        await wait_until(lambda: "0.400 ± 0.010" in seen(app, "#bench-page"))
        page = seen(app, "#bench-page")
        assert "0.600 ± 0.010" in page and "+0.200 ± 0.014 better" in page
        assert "lm_eval==0.4.13" in page and "Log" not in page.split()
        await pilot.press("escape")
        assert isinstance(app.screen, EvaluateRoom)
    assert len(benchmark_results.kept(run_store.run_dir("0a1b2c3d"))) == 2


@pytest.mark.parametrize("size", [(80, 24), (40, 12)])
async def test_nothing_important_is_dropped_in_a_small_terminal(
    project: Project, wait_until: Wait, size: tuple[int, int]
) -> None:
    """Tasks, what to press and the figures are there; the page scrolls to them."""
    opened = open_on(project)
    app = opened.app
    benchmark_results.keep(run_store.run_dir("0a1b2c3d"), read(lighteval("ada/aligned")))
    async with app.run_test(size=size) as pilot:
        await enter(opened, pilot, wait_until)
        assert "✓ hellaswag" in seen(app, "#bench-tasks") and "10,042" in seen(app, "#bench-tasks")
        for _ in range(12):
            if "0.480" in seen(app, "#bench-page"):
                break
            await pilot.press("pagedown")
        assert "0.480 ± 0.015" in seen(app, "#bench-page")
        assert " a Run " in seen(app) and "this machine, lm_eval" in seen(app, "#bench-head")
        await pilot.press("Q")
        await wait_until(lambda: "REHEARSAL, first 10" in seen(app, "#bench-head"))


async def test_a_rehearsal_is_said_where_i_look(project: Project, wait_until: Wait) -> None:
    opened = open_on(project)
    app = opened.app
    async with app.run_test(size=(120, 40)) as pilot:
        await enter(opened, pilot, wait_until)
        await pilot.press("Q")
        await wait_until(lambda: "REHEARSAL, first 10" in seen(app, "#bench-head"))
        await wait_until(lambda: "can't be submitted" in seen(app, "#bench-page"))
        await wait_until(lambda: "Press a to" in seen(app, "#bench-status"))
        await pilot.press("a")
        await wait_until(lambda: "Benchmark done" in seen(app, "#bench-status"))
        assert "REHEARSAL: first 10 questions" in seen(app, "#bench-page")
    assert all(one.is_rehearsal for one in benchmark_results.kept(run_store.run_dir("0a1b2c3d")))


async def test_it_goes_on_while_i_look_elsewhere_and_can_be_stopped(project: Project, wait_until: Wait) -> None:
    """esc leaves it running; back in the view, x asks and stops it; no process remains."""
    before = set(psutil.Process().children(recursive=True))
    settings = (project.folder / "smoltui.toml").read_text()
    own = '[evaluation]\nbenchmarks = ["slowly"]\n'
    (project.folder / "smoltui.toml").write_text(settings.replace("[evaluation]\n", own, 1))
    opened = open_on(project)
    app = opened.app
    async with app.run_test(size=(120, 40)) as pilot:
        await enter(opened, pilot, wait_until)
        assert "slowly" in seen(app, "#bench-tasks") and "your own" in seen(app, "#bench-tasks")
        await pilot.press("a")
        await wait_until(lambda: "50%" in seen(app, "#bench-page"))
        await pilot.press("escape")
        assert isinstance(app.screen, EvaluateRoom) and set(psutil.Process().children(recursive=True)) - before
        await pilot.press("B")
        await wait_until(lambda: "Benchmarking the reference model" in seen(app, "#bench-status"))
        await pilot.press("x")
        await wait_until(lambda: "are lost" in seen(app))
        await pilot.press("y")
        await wait_until(lambda: "Stopped." in seen(app, "#bench-status"))
        assert not set(psutil.Process().children(recursive=True)) - before
        assert "a Run" in seen(app), "it can be started again"


async def test_a_failure_stays_on_the_screen(project: Project, wait_until: Wait) -> None:
    settings = (project.folder / "smoltui.toml").read_text()
    own = '[evaluation]\nbenchmarks = ["fail"]\n'
    (project.folder / "smoltui.toml").write_text(settings.replace("[evaluation]\n", own, 1))
    opened = open_on(project)
    app = opened.app
    async with app.run_test(size=(120, 40)) as pilot:
        await enter(opened, pilot, wait_until)
        await pilot.press("a")
        await wait_until(lambda: "doesn't have this task: fail. List them" in seen(app, "#bench-status"))


async def test_without_lm_eval_the_view_says_how_to_get_it(
    project: Project, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark_preflight, "lm_eval_version", lambda: None)
    opened = open_on(project)
    app = opened.app
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app, "#eval-head"))
        await pilot.press("B")
        await wait_until(lambda: "Fix the ✗ lines first" in seen(app, "#bench-status"))
        assert "lm_eval isn't installed" in seen(app) and "pip install 'smoltui[train,bench]'" in seen(app)
        await pilot.press("a")
        assert "Fix the ✗ lines first" in seen(app, "#bench-status")


async def test_a_job_is_priced_and_confirmed(project: Project, wait_until: Wait) -> None:
    """tab switches to Jobs: other tasks with times and a price; a asks; a lost answer never starts a second one."""
    opened = open_on(project)
    app, jobs = opened.app, opened.jobs
    jobs.lost = 1
    async with app.run_test(size=(120, 40)) as pilot:
        await enter(opened, pilot, wait_until)
        await pilot.press("tab")
        await wait_until(lambda: "costs at most 7.50 USD, estimated" in seen(app, "#bench-status"))
        assert "HF Jobs, lighteval" in seen(app, "#bench-head") and "models aligned" in seen(app, "#bench-head")
        assert "gsm8k|0" in seen(app, "#bench-tasks") and " min" in seen(app, "#bench-tasks")
        await pilot.press("a")
        await wait_until(lambda: "Start this Job?" in seen(app))
        assert "Costs at most 7.50 USD" in seen(app) and "aligned: ada/aligned" in seen(app) and not jobs.started
        await pilot.press("n")
        await pilot.press("a")
        await wait_until(lambda: "Start this Job?" in seen(app))
        await pilot.press("y")
        await wait_until(lambda: "try again" in seen(app))
        await pilot.press("y")
        await wait_until(lambda: "Started: job1. Press 4" in seen(app, "#bench-status"))
    (spec,) = jobs.started
    assert spec.labels[benchmark_jobs.BENCHMARK_LABEL] == "0a1b2c3d" and spec.timeout_seconds == 10800


async def test_results_of_a_finished_job_arrive_by_themselves(
    project: Project, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Job that was started yesterday: opening the view reads its results; one that has none is reported once."""
    asked: list[str] = []

    def read_job(job: Run) -> BenchmarkResult:
        asked.append(job.id)
        if job.id == "none":
            raise InputError("This dataset has no results yet: ada/details", "See the Job's log.")
        return read(lighteval("ada/aligned"), job=job.id, source=job.id)

    monkeypatch.setattr(benchmark_jobs, "read_job", read_job)
    labels = {benchmark_jobs.BENCHMARK_LABEL: "0a1b2c3d", benchmark_jobs.ROLE_LABEL: "aligned"}
    done = Run("done", JOBS.name, "benchmark", Stage.COMPLETED, labels=labels, created_at=2.0)
    opened = open_on(project, done, replace(done, id="none", created_at=1.0))
    app = opened.app
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await enter(opened, pilot, wait_until)
        await wait_until(lambda: "0.480 ± 0.015" in seen(app, "#bench-page"))
        await wait_until(lambda: "no results yet" in told(app))
        await pilot.press("escape", "B")
        await wait_until(lambda: "0.480 ± 0.015" in seen(app, "#bench-page"))
    assert sorted(asked) == ["done", "none"]
    assert [one.job for one in benchmark_results.kept(run_store.run_dir("0a1b2c3d"))] == ["done"]


async def test_broken_results_are_reported_and_kept(project: Project, wait_until: Wait) -> None:
    folder = run_store.run_dir("0a1b2c3d")
    folder.mkdir(parents=True)
    (folder / benchmark_results.NAME).write_text('{"results": [')
    opened = open_on(project)
    app = opened.app
    async with app.run_test(size=(120, 40)) as pilot:
        await enter(opened, pilot, wait_until)
        await wait_until(lambda: "can't be read (not JSON)" in seen(app, "#bench-page"))
    assert (folder / benchmark_results.NAME).read_text() == '{"results": ['


async def test_hostile_names_reach_no_terminal(project: Project, wait_until: Wait) -> None:
    """A results file with escapes in its names of tasks and metrics."""
    data = json.loads(json.dumps(lighteval("ada/aligned")).replace("arc:challenge", "\\u001b]0;owned\\u0007[red]x"))
    benchmark_results.keep(run_store.run_dir("0a1b2c3d"), read(data))
    opened = open_on(project)
    app = opened.app
    async with app.run_test(size=(120, 40)) as pilot:
        await enter(opened, pilot, wait_until)
        assert "owned" in seen(app, "#bench-page") and "\x1b" not in seen(app) and "\x07" not in seen(app)


async def test_before_anything_is_trained(project: Project, wait_until: Wait) -> None:
    opened = open_on(project)
    for file in (project.folder / "out").iterdir():
        file.unlink()
    opened.here.runs.clear()
    app = opened.app
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "No aligned model yet" in seen(app, "#eval-status"))
        await pilot.press("B")
        await wait_until(lambda: "has no aligned model yet" in seen(app, "#bench-status"))
        assert "no run of this project" in seen(app, "#bench-head")
        await pilot.press("a", "space", "tab", "c", "Q", "y", "enter", "G", "g", "g", "bracketleft")
        await pilot.press("q")
        assert isinstance(app.screen, EvaluateRoom)


async def test_asking_the_models_from_elsewhere_leaves_the_view(project: Project, wait_until: Wait) -> None:
    """The view is open over Evaluate; asking for a comparison in another room leads to the answers."""
    opened = open_on(project)
    app = opened.app
    async with app.run_test(size=(120, 40)) as pilot:
        await enter(opened, pilot, wait_until)
        await pilot.press("1")
        app.ask_models("0a1b2c3d")
        await wait_until(lambda: isinstance(app.screen, EvaluateRoom))
