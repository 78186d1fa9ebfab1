"""What is refused before it is paid for: the eight ways in which LightEval fails, and what a Job needs besides."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from smoltui.core.evaluation.benchmark_checks import ModelFacts, check_lighteval
from smoltui.core.evaluation.benchmark_command import PINS, LightEvalCommand
from smoltui.core.evaluation.benchmark_job_checks import JobFacts
from smoltui.core.evaluation.benchmark_tasks import Harness, task_table
from smoltui.core.machine.account import Account
from smoltui.core.preflight.check import Check
from smoltui.core.recipe import Level
from smoltui.core.runs.cost import Flavor

GOOD = LightEvalCommand(
    "ada/aligned",
    task_table().default(Harness.LIGHTEVAL),
    results_org="ada",
    on_jobs=True,
    flavor="a10g-large",
    timeout="3h",
)
ADA = Account(
    name="ada",
    orgs=("lab", "club"),
    read_only_orgs=frozenset({"club"}),
    can_pay=True,
    token_role="write",
    token_name="laptop",
)
A10G = Flavor("a10g-large", "A10G", "12 vCPU", None, "A10G", 1, 24 << 30, 0.025, 0.0)
JOB = JobFacts(account=ADA, flavor=A10G, flavors=("a10g-large", "cpu-basic"))
PUBLIC = ModelFacts(is_public=True, is_adapter=False)


def stops(command: LightEvalCommand, model: ModelFacts = PUBLIC, job: JobFacts = JOB) -> list[Check]:
    return [check for check in check_lighteval(command, model, job) if check.level is Level.STOP]


def without(name: str) -> tuple[str, ...]:
    return tuple(pin for pin in PINS if not pin.startswith(name))


def test_the_composed_command_passes() -> None:
    """Nothing stops what smoltui composes itself, and what it costs is said."""
    checks = check_lighteval(GOOD, PUBLIC, JOB)
    assert {check.level for check in checks} == {Level.PASS}
    said = " ".join(check.sentence for check in checks)
    assert "at most 4.50 USD" in said and "ada/details_ada__aligned, which is public" in said


EIGHT = {
    "the course's task strings": (
        replace(GOOD, tasks=("lighteval|hellaswag|0|0",)),
        "can't find a task of this name",
        "hellaswag|0",
    ),
    "truthfulqa:mc2": (replace(GOOD, tasks=("truthfulqa:mc2|0",)), "has no task truthfulqa:mc2", "Use truthfulqa:mc"),
    "huggingface_hub 2": (
        replace(GOOD, pins=without("huggingface_hub")),
        r"list_models\(model_name=…\), which it dropped",
        "huggingface_hub<2",
    ),
    "vllm": (replace(GOOD, backend="vllm"), "vLLM below 0.10.2", "lighteval accelerate"),
    "xxhash 4": (
        replace(GOOD, pins=without("xxhash")),
        "after the whole run, before results are written",
        "xxhash<4",
    ),
    "private results": (replace(GOOD, public=False), "would be private", "--public-run"),
    "a LoRA adapter": (replace(GOOD, more_model_args=("adapter_weights=True",)), "exactly peft 0.3.0", "Merge"),
    "no network": (replace(GOOD, offline=True), "tinyBenchmarks.pkl", "where there is network"),
}


@pytest.mark.parametrize("name", EIGHT)
def test_each_of_the_eight_failures_is_caught(name: str) -> None:
    """Exactly one sentence stops it: the reason and the next step."""
    command, reason, step = EIGHT[name]
    (check,) = stops(command)
    assert re.search(reason, check.sentence), check
    assert step in check.next_step


@pytest.mark.parametrize(
    ("pins", "name"),
    [
        (("huggingface-hub>=1", "xxhash<4"), "pin huggingface_hub"),
        (("huggingface_hub==2.4.0", "xxhash<4"), "pin huggingface_hub"),
        (("huggingface_hub==1.33.0", "xxhash==4.1.0"), "pin xxhash"),
        (("huggingface_hub<2", "xxhash>=3"), "pin xxhash"),
    ],
)
def test_pins_are_understood_not_compared(pins: tuple[str, ...], name: str) -> None:
    assert [check.name for check in stops(replace(GOOD, pins=pins))] == [name]
    assert not stops(replace(GOOD, pins=("huggingface.hub~=1.3", "xxhash==3.8.2")))
    assert [check.name for check in stops(replace(GOOD, pins=(*PINS, "not a requirement!")))] == ["pins"]


@pytest.mark.parametrize(
    ("change", "name", "reason"),
    [
        ({"timeout": None}, "timeout", "30 minutes"),
        ({"timeout": "10m"}, "timeout", "shorter than the estimate"),
        ({"timeout": "1h30m"}, "timeout", "Not a timeout"),
        ({"secrets": ()}, "token", "no token"),
        ({"results_org": None}, "results", "deleted at its end"),
        ({"model": "aligned"}, "model", "only load a model from the Hub"),
        ({"model": "/tmp/aligned"}, "model", "only load a model from the Hub"),
        ({"model": "/tmp/aligned", "on_jobs": False}, "model", "cache into the model's folder"),
        ({"model": "a,b/c"}, "model", "a comma"),
        ({"more_model_args": ("pretrained=",)}, "model", "refuses the key pretrained"),
        ({"system_prompt": '"/no_think"'}, "thinking", "Quotes become part"),
        ({"namespace": "eve"}, "namespace", "start a Job"),
        ({"results_org": "eve"}, "namespace", "push results"),
        ({"results_org": "club"}, "namespace", "push results"),
        ({"tasks": ()}, "tasks", "No task"),
        ({"tasks": ("truthfulqa:mc|0|0",)}, "task string", "task named 0"),
        ({"tasks": ("gsm8k|few",)}, "task string", "isn't a number"),
        ({"tasks": ("gsm9k|0",)}, "task", "no such task"),
    ],
)
def test_what_else_stops_a_job(change: dict[str, object], name: str, reason: str) -> None:
    found = stops(replace(GOOD, **change))  # type: ignore[arg-type]
    assert [check.name for check in found] == [name] and reason in found[0].sentence, found
    assert found[0].next_step


def test_what_the_hub_says_stops_a_job() -> None:
    """A private model, an adapter, nobody logged in, a read-only token, an unknown flavor."""
    assert "private or doesn't exist" in stops(GOOD, ModelFacts(is_public=False))[0].sentence
    assert stops(GOOD, ModelFacts(is_public=True, is_adapter=True))[0].name == "adapter"
    assert stops(GOOD, job=JobFacts())[0].name == "account"
    read_only = replace(ADA, token_role="read")
    assert stops(GOOD, job=replace(JOB, account=read_only))[0].name == "token"
    for change in ({"can_pay": False}, {"token_role": "fineGrained"}):
        doubt = check_lighteval(GOOD, PUBLIC, replace(JOB, account=replace(ADA, **change)))  # type: ignore[arg-type]
        assert [check.name for check in doubt if check.level is Level.WARN] == [
            "account" if "can_pay" in change else "token"
        ]
    assert "Known: a10g-large" in stops(GOOD, job=replace(JOB, flavor=None))[0].next_step


def test_what_only_warns() -> None:
    """A rehearsal, thinking, a judge, another version, a task in another language."""

    def warned(**change: object) -> list[str]:
        checks = check_lighteval(replace(GOOD, **change), PUBLIC, JOB)  # type: ignore[arg-type]
        assert all(check.level is not Level.STOP for check in checks), checks
        return [check.name for check in checks if check.level is Level.WARN]

    assert warned(max_samples=10) == ["rehearsal"]
    assert warned(system_prompt=None) == ["thinking"]
    assert "judge" in warned(tasks=("mt_bench|0",))
    assert warned(pins=(*without("lighteval"), "lighteval==0.14.0")) == ["pin lighteval"]
    assert "task" in warned(tasks=("hellaswag_fra_mcf|0",))
    assert warned(tasks=("mmlu|0",)) == [], "a name for several tasks"


def test_a_similar_name_is_offered() -> None:
    (check,) = stops(replace(GOOD, tasks=("arc_challenge|0",)))
    assert "arc:challenge|0" in check.next_step
