"""`smoltui benchmark`: check, rehearse, run, read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.evaluation import benchmark_preflight, benchmark_results, benchmark_run
from smoltui.backends.evaluation.benchmark_results import kept
from smoltui.backends.local import engine as local_engine
from smoltui.backends.machine import train_extra
from smoltui.backends.project.project import Project
from smoltui.backends.runs import chains
from smoltui.backends.runs import store as run_store
from smoltui.cli.main import run
from smoltui.core.evaluation.benchmark_checks import ModelFacts
from smoltui.core.evaluation.benchmark_result import BenchmarkResult
from smoltui.core.runs.chain import Chain, Step
from smoltui.core.runs.run import Run
from smoltui.errors import InputError, RunFailedError
from tests.backends.evaluation.project import make_project, trained
from tests.backends.evaluation.test_benchmark_preflight import weights
from tests.backends.evaluation.test_benchmark_run import SCRIPTED
from tests.core.evaluation.benchmark_samples import LIGHTEVAL_NAME, lighteval, lm_eval
from tests.core.evaluation.test_benchmark_parsing import COURSE
from tests.hub.server import TOKEN, Dataset, LocalHub, use_hub
from tests.paths import TESTS

Output = pytest.CaptureFixture[str]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(benchmark_run, "RUN_LM_EVAL", SCRIPTED)
    monkeypatch.setattr(benchmark_preflight, "PACKAGES", ())
    monkeypatch.setattr(benchmark_preflight, "lm_eval_version", lambda: "0.4.13")
    monkeypatch.setenv("PYTHONPATH", str(TESTS.parent))
    return make_project(tmp_path / "project")


@pytest.fixture
def a_run(project: Project, monkeypatch: pytest.MonkeyPatch) -> Run:
    found = replace(trained(project), pushed_to=f"ada/{project.folder.parent.name}")
    for folder in ("model", "out"):
        weights(project.folder / folder / "model.safetensors")
        (project.folder / folder / "chat_template.jinja").write_text("x")

    async def list_runs(self: object) -> list[Run]:
        return [found]

    monkeypatch.setattr(local_engine.LocalEngine, "list_runs", list_runs)
    return found


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    async def ask_model(name: str) -> ModelFacts:
        return ModelFacts(is_public=True, is_adapter=False)

    monkeypatch.setattr(benchmark_preflight, "ask_model", ask_model)
    with LocalHub().run() as found:
        use_hub(found.url, monkeypatch)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield found


def result(capsys: Output, *args: str) -> tuple[int, Any, str]:
    """Exit code, decoded stdout (None if empty) and stderr of a command."""
    code = run(["benchmark", *args])
    told = capsys.readouterr()
    return code, json.loads(told.out) if told.out else None, told.err


def test_both_models_side_by_side(project: Project, a_run: Run, capsys: Output) -> None:
    """I benchmark on this machine: figures with standard errors, kept with the run, and a line of what is going on."""
    assert run(["benchmark", str(project.folder), "--tasks", "hellaswag,gsm8k"]) == 0
    told = capsys.readouterr()
    row = next(line for line in told.out.splitlines() if line.startswith("hellaswag"))
    assert re.split(r" {2,}", row) == ["hellaswag", "acc", "0.400 ± 0.010", "0.600 ± 0.010", "+0.200 ± 0.014 better"]
    assert "lm_eval==0.4.13, transformers==5.23.0 · thinking off" in told.out and "standard error" in told.out
    assert "enable_thinking=False" in told.err and "Running loglikelihood requests:  50%" in told.err
    assert [one.role for one in kept(run_store.run_dir(a_run.id))] == ["reference", "aligned"]


def test_a_rehearsal_is_marked_everywhere(project: Project, a_run: Run, capsys: Output) -> None:
    code, report, _ = result(capsys, str(project.folder), "--max-samples", "3", "--model", "aligned", "--json")
    assert code == 0 and report["is_rehearsal"] and "reference" not in report["commands"]
    assert report["results"][0]["is_rehearsal"] and report["tables"][0]["is_rehearsal"]
    assert "REHEARSAL: first 3 questions" in report["tables"][0]["setting"]
    assert kept(run_store.run_dir(a_run.id))[0].is_rehearsal
    assert run(["benchmark", str(project.folder), "--max-samples", "3", "--dry-run"]) == 0
    assert "can't be submitted" in capsys.readouterr().out


def test_without_lm_eval_one_sentence_says_so(
    project: Project, a_run: Run, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark_preflight, "lm_eval_version", lambda: None)
    code, report, told = result(capsys, str(project.folder), "--json")
    assert code == 2 and report is None
    assert json.loads(told) == {
        "error": "lm_eval isn't installed",
        "hint": "Install it: pip install 'smoltui[train,bench]'",
    }


def test_a_failed_benchmark(project: Project, a_run: Run, capsys: Output) -> None:
    code, _, told = result(capsys, str(project.folder), "--tasks", "fail", "--json")
    assert code == 1 and "doesn't have this task" in told


def test_a_figure_that_is_no_number_is_said(project: Project, a_run: Run, capsys: Output) -> None:
    assert run(["benchmark", str(project.folder), "--tasks", "nan", "--model", "aligned"]) == 0
    told = capsys.readouterr()
    assert "NaN" in told.out and "Not a number: acc of nan (aligned)" in told.err


def test_the_job_is_shown_and_priced_without_being_started(
    hub: LocalHub, project: Project, a_run: Run, capsys: Output
) -> None:
    code, report, _ = result(capsys, str(project.folder), "--harness", "lighteval", "--dry-run", "--json")
    assert code == 0 and report["most_usd"] == pytest.approx(7.5, abs=0.01) and report["estimated_minutes"] > 5
    assert report["commands"]["aligned"].startswith(
        "hf jobs uv run --flavor a100-large --timeout 3h --secrets HF_TOKEN"
    )
    assert "'truthfulqa:mc|0,hellaswag|0,arc:challenge|0,gsm8k|0'" in report["commands"]["aligned"]
    assert not hub.jobs
    assert run(["benchmark", str(project.folder), "--harness", "lighteval", "--dry-run"]) == 0
    assert "Costs at most 7.50 USD" in capsys.readouterr().out


def test_what_stops_a_job_stops_it_before_it_is_paid_for(
    hub: LocalHub, project: Project, a_run: Run, capsys: Output
) -> None:
    code, _, told = result(
        capsys, str(project.folder), "--harness", "lighteval", "--tasks", "truthfulqa:mc2|0", "--yes", "--json"
    )
    assert code == 2 and "LightEval has no task truthfulqa:mc2" in told and not hub.jobs
    code, _, told = result(capsys, str(project.folder), "--harness", "lighteval", "--json")
    assert code == 2 and "needs confirmation" in told and not hub.jobs
    code, _, told = result(capsys, str(project.folder), "--harness", "lm_eval", "--on", "hub", "--json")
    assert code == 2 and "doesn't run on HF Jobs" in told


def test_a_job_is_started_and_read_later(hub: LocalHub, project: Project, a_run: Run, capsys: Output) -> None:
    """I start it and leave; when it is done, its results are read by its id and kept beside the run."""
    code, report, _ = result(
        capsys,
        *(str(project.folder), "--harness", "lighteval", "--tasks", "truthfulqa:mc|0,arc:challenge|0"),
        *("--yes", "--detach", "--json"),
    )
    assert code == 0 and report["jobs"] == ["job0001"]
    code, _, told = result(capsys, str(project.folder), "--read", "job0001", "--json")
    assert code == 2 and "because it is SCHEDULING" in told
    hub.jobs["job0001"].stage = "COMPLETED"
    model = a_run.pushed_to or ""
    hub.datasets[f"ada/details_{model.replace('/', '__')}"] = Dataset(
        {"results_2099-01-01T00-00-00.000000.json": json.dumps(lighteval(model)).encode()}
    )
    code, report, _ = result(capsys, str(project.folder), "--read", "job0001", "--json")
    assert code == 0 and report["results"][0]["job"] == "job0001"
    assert kept(run_store.run_dir(a_run.id))[0].harness == "lighteval"


def test_a_job_is_followed_to_its_results(hub: LocalHub, project: Project, a_run: Run, capsys: Output) -> None:
    """Without --detach, I see its log and then the figures; a Job that fails says so."""
    model = a_run.pushed_to or ""
    hub.datasets[f"ada/details_{model.replace('/', '__')}"] = Dataset(
        {"results_2099-01-01T00-00-00.000000.json": json.dumps(lighteval(model)).encode()}
    )
    original = hub.add

    def add(*args: Any, **how: Any) -> Any:
        job = original(*args, **{**how, "stage": stage})
        job.say("Splits: 817")
        return job

    hub.add = add  # type: ignore[method-assign]
    asked = ("benchmark", str(project.folder), "--harness", "lighteval", "--tasks", "truthfulqa:mc|0", "--yes")
    stage = "COMPLETED"
    assert run(list(asked)) == 0
    told = capsys.readouterr()
    assert "Splits: 817" in told.out and "truthfulqa_mc2" in told.out and "0.480 ± 0.015" in told.out
    stage = "ERROR"
    assert run(list(asked)) == 1
    assert "smoltui logs job0002" in capsys.readouterr().err


def test_results_are_read_from_a_file_or_refused(project: Project, a_run: Run, tmp_path: Path, capsys: Output) -> None:
    """Alone they are only shown; with a project they must be of its model."""
    path = tmp_path / LIGHTEVAL_NAME
    path.write_text(json.dumps(lighteval(a_run.pushed_to or "")))
    assert run(["benchmark", "--read", str(path)]) == 0
    assert "truthfulqa_mc2" in capsys.readouterr().out and not kept(run_store.run_dir(a_run.id))
    code, report, _ = result(capsys, str(project.folder), "--read", str(path), "--json")
    assert code == 0 and report["results"][0]["role"] == "aligned"
    path.write_text(json.dumps(lm_eval(str(project.folder / "model"))))
    code, report, _ = result(capsys, str(project.folder), "--read", str(tmp_path), "--json")
    assert code == 0 and [one["harness"] for one in report["results"]] == ["lm_eval"], "the same file, read again"
    assert report["results"][0]["role"] == "reference"
    path.write_text(json.dumps(lm_eval("somebody/else")))
    code, _, told = result(capsys, str(project.folder), "--read", str(path), "--json")
    assert code == 2 and "of another model: somebody/else" in told
    path.write_text('{"results": {')
    code, _, told = result(capsys, "--read", str(path), "--json")
    assert code == 2 and "half-written" in told


def test_the_command_of_the_course_is_checked(capsys: Output) -> None:
    """I paste it: every reason why it would fail, with what to write, and nothing runs."""
    assert run(["benchmark", "--check", COURSE]) == 2
    told = capsys.readouterr()
    assert "✗ xxhash 4 would be installed" in told.out and "Add: --timeout 3h" in told.out
    assert re.search(r"fail or lose its results: \d+ problems", told.err)
    code, report, _ = result(capsys, "--check", "lighteval accelerate model_name=m gsm8k", "--json")
    assert code == 2 and {"pin xxhash", "thinking"} <= {check["name"] for check in report["checks"]}


def test_the_table_of_tasks(capsys: Output) -> None:
    assert run(["benchmark", "--list"]) == 0
    told = capsys.readouterr().out
    assert "* truthfulqa:mc|0" in told and "Needs a judge." in told and "Estimated, not measured" in told
    code, report, _ = result(capsys, "--list", "--harness", "lm_eval", "--json")
    assert code == 0 and {task["harness"] for task in report["tasks"]} == {"lm_eval"}


@pytest.mark.slow
async def test_it_follows_a_training(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps are the commands that a person would type."""
    for step, command in (("measure", "evaluate"), ("benchmark", "benchmark")):
        assert Step(step).command == command
        with pytest.raises(RunFailedError, match=r"it is not on this machine.*: nobody"):
            await chains.do(Step(step), Chain("nobody", str(project.folder), (Step(step),)))


def test_a_step_that_cannot_be_done_is_refused_before_training(
    project: Project, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_extra, "lm_eval_version", lambda: None)
    assert run(["train", str(project.folder), "--then", "benchmark"]) == 2
    assert "isn't installed" in capsys.readouterr().err
    assert run(["train", str(project.folder), "--on", "hub", "--then", "benchmark", "--yes"]) == 2
    assert "can only follow a run on this machine, not a Job" in capsys.readouterr().err


def test_results_that_cannot_be_kept_are_printed_all_the_same(
    project: Project, a_run: Run, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stored results are broken: I still get the figures I waited for, and a warning."""
    folder = run_store.run_dir(a_run.id)
    folder.mkdir(parents=True)

    def keep(folder: Path, found: BenchmarkResult) -> None:
        raise InputError("The benchmark results could not be saved (No space left on device): x", "Free some space.")

    monkeypatch.setattr(benchmark_results, "keep", keep)
    assert run(["benchmark", str(project.folder), "--tasks", "gsm8k"]) == 0
    told = capsys.readouterr()
    assert "+0.200 ± 0.014 better" in told.out and told.err.count("could not be saved") == 2


def test_a_job_belongs_to_the_run_it_measured(
    hub: LocalHub, project: Project, a_run: Run, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I have trained again since: the results are kept with the older run."""
    tasks = ("--tasks", "truthfulqa:mc|0", "--yes", "--detach", "--json")
    result(capsys, str(project.folder), "--harness", "lighteval", *tasks)
    hub.jobs["job0001"].stage = "COMPLETED"
    model = a_run.pushed_to or ""
    hub.datasets[f"ada/details_{model.replace('/', '__')}"] = Dataset(
        {"results_2099-01-01T00-00-00.000000.json": json.dumps(lighteval(model)).encode()}
    )
    newer = replace(trained(project, "9f9f9f9f", "out-2"), created_at=2.0)

    async def list_runs(self: object) -> list[Run]:
        return [newer, a_run]

    monkeypatch.setattr(local_engine.LocalEngine, "list_runs", list_runs)
    code, _, _ = result(capsys, str(project.folder), "--read", "job0001", "--json")
    assert code == 0 and kept(run_store.run_dir(a_run.id)) and not kept(run_store.run_dir(newer.id))
