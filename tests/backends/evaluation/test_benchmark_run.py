"""lm_eval runs in a child: its results are kept, and nothing of it stays behind."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest

from smoltui.backends.evaluation import benchmark_run
from smoltui.backends.evaluation.benchmark_plan import BenchmarkPlan, Wishes, make_plan
from smoltui.backends.evaluation.benchmark_results import kept
from smoltui.backends.evaluation.benchmark_run import run_here
from smoltui.backends.local.place import HERE
from smoltui.backends.project.project import Project
from smoltui.core.evaluation.benchmark_result import BenchmarkResult
from smoltui.core.runs.events import LogLine
from smoltui.errors import InputError, RunFailedError
from tests.backends.evaluation.project import make_project, trained
from tests.paths import TESTS

SCRIPTED = TESTS / "stories" / "scripted_lm_eval.py"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(benchmark_run, "RUN_LM_EVAL", SCRIPTED)
    monkeypatch.setenv("PYTHONPATH", str(TESTS.parent))
    return make_project(tmp_path / "project")


def plan_of(project: Project, *tasks: str, models: str = "aligned", max_samples: int | None = None) -> BenchmarkPlan:
    return make_plan(project, trained(project), HERE, Wishes(tasks, models, max_samples))


async def run(plan: BenchmarkPlan) -> tuple[list[BenchmarkResult], list[str]]:
    results, said = [], []
    for item in plan.items:
        async with aclosing(run_here(plan, item, date="2026-11-30")) as stream:
            async for event in stream:
                if isinstance(event, BenchmarkResult):
                    results.append(event)
                elif isinstance(event, LogLine):
                    said.append(event.text)
    return results, said


async def test_both_models_are_kept_with_the_run(project: Project) -> None:
    """Reference first; the log is passed on line by line, progress bars included; the date is recorded."""
    plan = plan_of(project, "demo_mc", models="both")
    results, said = await run(plan)
    assert plan.folder is not None and kept(plan.folder) == results
    assert [(one.role, one.tasks[0].metrics[0].value, one.date) for one in results] == [
        ("reference", 0.4, "2026-11-30"),
        ("aligned", 0.6, "2026-11-30"),
    ]
    assert any("50%" in line for line in said)
    assert all(Path(one.source).is_file() for one in results)  # noqa: ASYNC240
    assert len({one.source for one in (await run(plan))[0] + results}) == 4, "nothing is replaced by a second run"


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("fail", "doesn't have this task: fail"),
        ("crash", "SIGKILL; the kernel sends it when memory runs out"),
        ("broken", "half-written"),
        ("nothing", "no results of a benchmark"),
    ],
)
async def test_a_failure_is_one_sentence_and_keeps_nothing(project: Project, task: str, reason: str) -> None:
    plan = plan_of(project, task)
    with pytest.raises((RunFailedError, InputError), match=reason):
        await run(plan)
    assert plan.folder is not None and kept(plan.folder) == [] and not list(plan.folder.glob("benchmarks/*/*"))


async def test_stopping_ends_the_child(project: Project) -> None:
    before = set(psutil.Process().children(recursive=True))
    plan = plan_of(project, "slowly")
    started = asyncio.Event()

    async def follow() -> None:
        async with aclosing(run_here(plan, plan.items[0], date="2026-11-30")) as stream:
            async for _ in stream:
                started.set()

    task = asyncio.create_task(follow())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not set(psutil.Process().children(recursive=True)) - before
    assert plan.folder is not None and not list(plan.folder.glob("benchmarks/*/*"))


async def test_without_a_run_the_results_go_to_the_project(project: Project) -> None:
    trained(project)
    plan = make_plan(project, None, HERE, Wishes(("demo_mc",), "aligned"))
    (result,), _ = await run(plan)
    assert plan.folder is None and Path(result.source).is_relative_to(project.folder / "benchmarks")


def test_the_script_is_run_as_a_person_would(project: Project) -> None:
    """Adapter, rehearsal and the project's own tasks reach the command."""
    settings = (project.folder / "smoltui.toml").read_text()
    own = '[evaluation]\nbenchmarks = ["mine"]\ntask_folder = "tasks"\n'
    (project.folder / "smoltui.toml").write_text(settings.replace("[evaluation]\n", own, 1))
    (project.folder / "out").mkdir()
    (project.folder / "out" / "adapter_config.json").write_text("{}")
    shown = plan_of(project, max_samples=5).items[0].shown
    assert f"peft={project.folder / 'out'}" in shown and "--limit 5" in shown
    assert f"--tasks mine --include_path {project.folder / 'tasks'}" in shown
    assert os.fspath(sys.executable) not in shown
