"""A benchmark as a Job: started once, found by its labels, its results read from the Hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from smoltui.backends.evaluation import benchmark_preflight
from smoltui.backends.evaluation.benchmark_jobs import active, benchmarked, read_job, spec_for, start, unread
from smoltui.backends.evaluation.benchmark_plan import BenchmarkPlan, Wishes, make_plan
from smoltui.backends.evaluation.benchmark_preflight import Checked, check_benchmark
from smoltui.backends.jobs.engine import HubEngine
from smoltui.backends.jobs.place import JOBS
from smoltui.backends.project.project import Project
from smoltui.core.evaluation.benchmark_checks import ModelFacts
from smoltui.core.recipe import Level
from smoltui.core.runs.run import LABEL, Run, Stage
from smoltui.errors import InputError, SmoltuiError, UnreachableError
from tests.backends.evaluation.project import make_project, trained
from tests.core.evaluation.benchmark_samples import lighteval
from tests.hub.server import TOKEN, Dataset, LocalHub, use_hub

NEWEST = "results_2099-01-01T00-00-00.000000.json"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    async def ask_model(name: str) -> ModelFacts:
        return ModelFacts(is_public=True, is_adapter=False)

    monkeypatch.setattr(benchmark_preflight, "ask_model", ask_model)
    with LocalHub().run() as found:
        use_hub(found.url, monkeypatch)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


def model_of(project: Project) -> str:
    """A name of its own for each test: the Hub's client keeps what it has downloaded."""
    return f"ada/{project.folder.parent.name}"


def plan_of(project: Project, *tasks: str) -> BenchmarkPlan:
    run = replace(trained(project), pushed_to=model_of(project))
    return make_plan(project, run, JOBS, Wishes(tasks or ("truthfulqa:mc|0", "arc:challenge|0")))


async def checked(plan: BenchmarkPlan) -> Checked:
    return await check_benchmark(plan, HubEngine())


async def test_it_is_checked_started_once_and_listed(hub: LocalHub, project: Project) -> None:
    """The account gets the results, the price is known; the same label never starts a second Job."""
    ready = await checked(plan_of(project))
    assert ready.may_start and ready.most_usd == pytest.approx(7.5, abs=0.01) and ready.minutes is not None
    assert not hub.asked("POST", "/api/jobs"), "nothing is started by checking"
    (item,) = ready.plan.items
    engine = HubEngine()
    job = await start(engine, ready.plan, item, "label1")
    again = await start(engine, ready.plan, item, "label1")
    assert again.id == job.id and len(hub.asked("POST", "/api/jobs/ada$")) == 1
    body = hub.asked("POST", "/api/jobs/ada$")[0]["body"]
    assert body["command"][:4] == ["uv", "run", "--python", "3.11"] and "--public-run" in body["command"]
    assert body["secrets"] == {"HF_TOKEN": TOKEN} and body["timeoutSeconds"] == 10800
    assert TOKEN not in json.dumps(body["command"])
    assert body["labels"]["smoltui-benchmark"] == "0a1b2c3d" and body["labels"][LABEL] == "label1"
    listed = await engine.list_runs()
    assert [benchmarked(run) for run in listed] == ["0a1b2c3d"] and listed[0].project == str(project.folder)
    assert active(listed, "0a1b2c3d") == listed and active(listed, "other") == []
    assert (await engine.started_with(listed[0])) is None, "it is no training"


async def test_a_lost_answer_is_looked_up_by_its_label(hub: LocalHub, project: Project) -> None:
    hub.spoil("POST", "/api/jobs/ada$", how="close", after=True)
    ready = await checked(plan_of(project))
    job = await start(HubEngine(), ready.plan, ready.plan.items[0], "label1")
    assert job.id == "job0001" and len(hub.jobs) == 1
    hub.spoil("POST", "/api/jobs/ada$", how="close")
    with pytest.raises(UnreachableError, match="no Job was started"):
        await start(HubEngine(), ready.plan, ready.plan.items[0], "label2")
    assert len(hub.jobs) == 1


async def test_what_stops_it_is_said_before_anything_is_paid_for(
    hub: LocalHub, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No model on the Hub, wrong tasks, a flavor that does not exist: nothing is started."""
    local = make_plan(project, trained(project), JOBS, Wishes(("lighteval|gsm8k|0|0",), flavor="tpu"))
    ready = await checked(local)
    assert not ready.may_start and ready.most_usd is None
    said = {check.name for check in ready.checks if check.level is Level.STOP}
    assert said == {"model", "task string", "flavor"}
    with pytest.raises(InputError):
        ready.refuse()
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(SmoltuiError, match="not logged in"):
        (await checked(plan_of(project))).refuse()
    assert not hub.jobs


async def finished(hub: LocalHub, project: Project, results: dict[str, bytes]) -> Run:
    ready = await checked(plan_of(project))
    job = await start(HubEngine(), ready.plan, ready.plan.items[0])
    hub.jobs[job.id].stage = "COMPLETED"
    hub.datasets[f"ada/details_{model_of(project).replace('/', '__')}"] = Dataset(results)
    (run,) = await HubEngine().list_runs()
    return run


async def test_its_results_are_read_once(hub: LocalHub, project: Project) -> None:
    job = await finished(hub, project, {NEWEST: json.dumps(lighteval(model_of(project))).encode()})
    assert unread([job], "0a1b2c3d", []) == [job] and unread([job], "other", []) == []
    result = read_job(job)
    assert result.job == job.id and result.role == "aligned" and "xxhash<4" in result.pins
    assert unread([job], "0a1b2c3d", [result]) == []
    assert unread([replace(job, stage=Stage.ERROR)], "0a1b2c3d", []) == []


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        (NEWEST, lighteval("eve/other"), "of another model: eve/other"),
        ("results_2020-01-01T00-00-00.000000.json", lighteval(), "older than this Job"),
        (NEWEST, {"results": {}}, "neither"),
    ],
)
async def test_wrong_results_are_not_taken(
    hub: LocalHub, project: Project, name: str, data: dict[str, object], reason: str
) -> None:
    job = await finished(hub, project, {name: json.dumps(data).encode()})
    with pytest.raises(SmoltuiError, match=reason):
        read_job(job)


async def test_missing_tasks_are_named(hub: LocalHub, project: Project) -> None:
    data = lighteval(model_of(project))
    del data["config_tasks"]["arc:challenge|0"]
    job = await finished(hub, project, {NEWEST: json.dumps(data).encode()})
    with pytest.raises(InputError, match="lack tasks: arc:challenge"):
        read_job(job)
    with pytest.raises(InputError, match="doesn't say what this Job ran"):
        read_job(replace(job, raw={}))


def test_the_timeout_must_be_one(project: Project) -> None:
    plan = make_plan(project, trained(project), JOBS, Wishes(timeout="soon"))
    with pytest.raises(InputError, match="Not a valid timeout"):
        spec_for(plan, plan.items[0])
