"""The composed commands run in environments with our pins, to results that are read: LightEval, and lm_eval with a full
model and with an adapter. And what `run_lm_eval.py` says where it can't run."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.evaluation import benchmark_run
from smoltui.backends.evaluation.benchmark_files import read_path
from smoltui.backends.evaluation.benchmark_plan import Item, Wishes, make_plan
from smoltui.backends.evaluation.benchmark_run import RUN_LM_EVAL, run_here
from smoltui.backends.local.place import HERE
from smoltui.backends.project.new_project import create_project
from smoltui.backends.project.project import Project
from smoltui.backends.system import child
from smoltui.core.evaluation.benchmark_checks import check_lighteval
from smoltui.core.evaluation.benchmark_command import PINS, LightEvalCommand
from smoltui.core.evaluation.benchmark_result import BenchmarkResult
from smoltui.core.recipe import Level
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import RunFailedError
from tests.bench_environment import environment

QUESTIONS = [
    {"question": "How do I make porridge?", "choices": ["Stir the oats into hot milk.", "No idea."], "gold": 0},
    {"question": "How do I clean a kettle?", "choices": ["Not my problem.", "Boil water and vinegar."], "gold": 1},
    {"question": "How do I learn chess?", "choices": ["Learn how each piece moves.", "Leave me alone."], "gold": 0},
]
LIGHTEVAL_TASKS = """
from pathlib import Path
from lighteval.metrics.metrics import Metrics
from lighteval.tasks.lighteval_task import LightevalTaskConfig
from lighteval.tasks.requests import Doc

def choose(line, task_name=None):
    choices = [" " + choice for choice in line["choices"]]
    return Doc(task_name=task_name, query=line["question"], choices=choices, gold_index=line["gold"])

def write(line, task_name=None):
    return Doc(task_name=task_name, query=line["question"], choices=[line["choices"][line["gold"]]], gold_index=0)

COMMON = dict(hf_repo=str(Path(__file__).parent / "data"), hf_subset="default", hf_avail_splits=["test"],
              evaluation_splits=["test"], few_shots_split=None, few_shots_select=None, version=0)
TASKS_TABLE = [
    LightevalTaskConfig(name="own:choose", prompt_function=choose, generation_size=-1, stop_sequence=["\\n"],
                        metrics=[Metrics.loglikelihood_acc], **COMMON),
    LightevalTaskConfig(name="own:write", prompt_function=write, generation_size=16, stop_sequence=[],
                        metrics=[Metrics.exact_match, Metrics.rouge1], **COMMON),
]
"""
LM_EVAL_TASK = """
task: own_choose
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: "{{{{gold}}}}"
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
metadata: {{version: 1.0}}
"""
ADAPTER = """
import sys
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM
base, out = sys.argv[1:]
model = AutoModelForCausalLM.from_pretrained(base)
config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
get_peft_model(model, config).save_pretrained(out)
"""
"""An adapter with random weights, so that it changes what the model says."""


@pytest.fixture
def demo(tmp_path: Path) -> Project:
    """The demo's project, with its untrained model as the output of a run, and tasks of its own."""
    project = create_project(tmp_path / "demo", "demo")
    data = project.folder / "tasks" / "data"
    data.mkdir(parents=True)
    (data / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS))
    (project.folder / "tasks" / "own.py").write_text(LIGHTEVAL_TASKS)
    (project.folder / "tasks" / "own.yaml").write_text(LM_EVAL_TASK.format(data=data / "test.jsonl"))
    settings = project.folder / "smoltui.toml"
    own = '[evaluation]\nbenchmarks = ["own_choose"]\ntask_folder = "tasks"\n'
    settings.write_text(settings.read_text().replace("[evaluation]\n", own, 1))
    return project


@pytest.mark.slow
def test_the_composed_lighteval_command_writes_results(demo: Project) -> None:
    """Offline, with tasks of one's own, on the demo's model: it runs to the end, and each task has its own metrics."""
    programs = environment("lighteval")
    (demo.folder / "aligned").symlink_to(demo.folder / "model")
    command = LightEvalCommand(
        "aligned",
        ("own:choose|0", "own:write|0"),
        dtype="float32",
        batch_size=4,
        custom_tasks="tasks/own.py",
        output_dir="out",
        cache_dir="fresh",
    )
    assert all(check.level is not Level.STOP for check in check_lighteval(command))
    program, *arguments = command.lighteval()
    ended = subprocess.run(
        [programs / program, *arguments],
        cwd=demo.folder,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(demo.folder / "hf")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout[-2000:]
    result = read_path(demo.folder / "out", "aligned", pins=PINS)
    assert {task.task: [one.name for one in task.metrics] for task in result.tasks} == {
        "own:choose|0": ["acc"],
        "own:write|0": ["em", "rouge1"],
    }
    assert result.model == "aligned" and result.thinking is False and result.is_finite and not result.is_rehearsal


def run_of(project: Project, folder: Path) -> Run:
    return Run(
        "0a1b2c3d", HERE.name, "demo", Stage.COMPLETED, project=str(project.folder), model_path=str(folder), step=1
    )


@asynccontextmanager
async def harness(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    """Children start in the environment with lm_eval."""
    programs = environment("lm_eval")

    def leashed(*target: str) -> list[str]:
        return [str(programs / "python"), *child.leashed(*target)[1:]]

    monkeypatch.setattr(benchmark_run, "leashed", leashed)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    yield programs


async def benchmark(project: Project, folder: Path, **wishes: Any) -> BenchmarkResult:
    plan = make_plan(project, run_of(project, folder), HERE, Wishes(models="aligned", **wishes))
    item: Item = plan.items[0]
    found = None
    async with aclosing(run_here(plan, item, date="2026-11-29")) as stream:
        async for event in stream:
            found = event if isinstance(event, BenchmarkResult) else found
    assert found is not None
    return found


@pytest.mark.slow
async def test_lm_eval_runs_a_full_model_and_an_adapter(demo: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the train extra: figures of the demo's model, then of the same model with an adapter, not merged."""
    async with harness(monkeypatch) as programs:
        full = await benchmark(demo, demo.folder / "model")
        (task,) = full.tasks
        assert task.task == "own_choose" and task.items == 3 and task.metrics[0].name == "acc"
        assert full.adapter is None and full.thinking is False and full.date == "2026-11-29"
        assert full.pins[0] == "lm_eval==0.4.13" and full.is_finite
        lora = demo.folder / "lora"
        command = [programs / "python", "-c", ADAPTER, demo.folder / "model", lora]
        await asyncio.to_thread(subprocess.run, command, check=True)
        adapted = await benchmark(demo, lora, max_samples=2)
        assert adapted.adapter == str(lora) and adapted.model == str(demo.folder / "model")
        assert adapted.is_rehearsal and adapted.tasks[0].items == 2


RUIN = """
import sys
from safetensors.torch import load_file, save_file
weights = load_file(sys.argv[1])
weights[next(iter(weights))].fill_(float("nan"))
save_file(weights, sys.argv[1], metadata={"format": "pt"})
"""


@pytest.mark.slow
async def test_a_ruined_model_gets_no_figures(demo: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """lm_eval would take the first answer for the likeliest, and 2 of 3 would be right."""
    async with harness(monkeypatch) as programs:
        weights = demo.folder / "model" / "model.safetensors"
        await asyncio.to_thread(subprocess.run, [programs / "python", "-c", RUIN, weights], check=True)
        with pytest.raises(RunFailedError, match="weights are not finite"):
            await benchmark(demo, demo.folder / "model")


@pytest.mark.slow
async def test_a_task_that_lm_eval_lacks_is_one_sentence(demo: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    async with harness(monkeypatch):
        with pytest.raises(RunFailedError, match="doesn't have this task"):
            await benchmark(demo, demo.folder / "model", tasks=("no_such_task",))


@pytest.mark.skipif(importlib.util.find_spec("lm_eval") is not None, reason="lm_eval is installed")
def test_without_lm_eval_the_script_says_how_to_get_it() -> None:
    command = [sys.executable, str(RUN_LM_EVAL), "--date", "2026-11-29", "run"]
    ended = subprocess.run(command, capture_output=True, text=True)
    events = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    assert ended.returncode == 2 and events[-1]["event"] == "failed"
    assert "lm_eval isn't installed" in events[-1]["cause"] and "smoltui[train,bench]" in events[-1]["hint"]


def test_the_script_needs_a_date() -> None:
    ended = subprocess.run([sys.executable, str(RUN_LM_EVAL), "run"], capture_output=True, text=True)
    assert ended.returncode == 2 and "--date YYYY-MM-DD" in ended.stdout
