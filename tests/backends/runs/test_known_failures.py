"""Recipes that TRL, PEFT or accelerate refuse after loading, or that ruin a run: known before, alike for both commands.

The pairs are the demo's, changed as in the public reports that the names quote.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from smoltui.backends.pairs import pair_sizes
from smoltui.backends.pairs.model_files import find_model_files
from smoltui.backends.pairs.tokenizer_files import read_tokenizer
from smoltui.backends.project.project import Project
from smoltui.backends.runs import preflight as machine
from smoltui.backends.runs.plan import make_plan
from smoltui.backends.runs.preflight import check_plan, gather
from smoltui.backends.services import default_services
from smoltui.cli.recipe import recipe_check
from smoltui.core.preflight.check import Check, only_estimates, overridden
from smoltui.core.preflight.preflight import preflight
from smoltui.core.recipe import Level
from smoltui.errors import RecipeError
from tests.paths import DEMO

BASE: dict[str, Any] = {
    "model_name_or_path": "model",
    "dtype": "float32",
    "dataset_name": "pairs",
    "output_dir": "out",
    "max_steps": 10,
    "max_length": 256,
    "learning_rate": 1e-4,
    "bf16": False,
    "use_cpu": True,
    "logging_nan_inf_filter": False,
    "save_strategy": "no",
    "report_to": "none",
}
LORA = {"use_peft": True, "lora_target_modules": "all-linear"}
STOPS: dict[str, tuple[dict[str, Any], str]] = {
    "js-with-apo": ({"loss_type": "apo_zero", "f_divergence_type": "js_divergence"}, "f_divergence_type"),
    "kl": ({"f_divergence_type": "kl"}, "f_divergence_type"),
    "lora-q-prj": ({"use_peft": True, "lora_target_modules": ["q_prj"]}, "lora_target_modules"),
    "lora-lm-head": ({"use_peft": True, "lora_target_modules": ["q_proj", "lm_head"]}, "lora_target_modules"),
    "4bit": ({"load_in_4bit": True}, "load_in_4bit"),
    "4bit-lora": ({"load_in_4bit": True, **LORA}, "packages"),
    "8bit-optimizer": ({"optim": "adamw_bnb_8bit"}, "packages"),
    "wandb": ({"report_to": "wandb"}, "packages"),
    "kernels": ({"model_init_kwargs": {"use_kernels": True}}, "packages"),
    "liger": ({"use_liger_kernel": True}, "packages"),
    "deepspeed": ({"deepspeed": "zero3.json"}, "deepspeed"),
    "fsdp": ({"fsdp": "full_shard"}, "fsdp"),
    "pad-token": ({"pad_token": "<|nope|>"}, "pad_token"),
    "router": ({"router_aux_loss_coef": 0.1}, "router_aux_loss_coef"),
    "flash": ({"attn_implementation": "flash_attention_2"}, "packages"),
    "offloading": ({"activation_offloading": True}, "activation_offloading"),
}
"""Name → changes of a recipe that would fail after loading, and the check that stops it."""


class OneProcess:
    """The tokenizer without its child process."""

    def __init__(self, project: Project, values: dict[str, Any], **_: Any) -> None:
        self._tokenizer = read_tokenizer(find_model_files(project, values)).limited(values)

    def ask_counts(self, pairs: Any, thinking: bool | None, _: Any) -> Any:
        counts = [self._tokenizer.count(pair, thinking) for pair in pairs]
        return SimpleNamespace(result=lambda: counts)

    def close(self) -> None:
        pass


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The demo's model and 48 of its pairs, on a machine that can train but has none of the further packages."""
    folder = tmp_path / "p"
    shutil.copytree(DEMO / "model", folder / "model")
    (folder / "pairs").mkdir()
    lines = (DEMO / "pairs" / "train.jsonl").read_text("utf-8").splitlines()[:48]
    (folder / "pairs" / "train.jsonl").write_text("\n".join(lines), "utf-8")
    monkeypatch.setattr("smoltui.backends.machine.recipe_packages.find_spec", lambda name: None)
    monkeypatch.setattr(pair_sizes, "open_tokenizer", OneProcess)
    return Project(folder)


def write(project: Project, values: dict[str, Any], change: Callable[[int, Any], Any] | None = None) -> None:
    project.recipe_path.write_text(yaml.safe_dump({**BASE, **values}), "utf-8")
    if change is not None:
        path = project.folder / "pairs" / "train.jsonl"
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        path.write_text("\n".join(json.dumps(change(*row)) for row in enumerate(rows)), "utf-8")


def both(project: Project) -> tuple[list[tuple[str, str]], list[Check]]:
    """(check, level) of what `recipe check` says, and the checks of the start dialog and of `train`."""
    engine = default_services().named("local")

    async def work() -> list[Check]:
        return preflight(await gather(await make_plan(project, engine.place), engine))

    said = [(one["key"], one["level"]) for one in recipe_check(project, "local")["findings"]]
    return said, [one for one in asyncio.run(work()) if one.level is not Level.PASS]


def levels(checks: list[Check]) -> list[tuple[str, str]]:
    return [(one.name, one.level.value) for one in checks if one.name not in ("memory", "disk", "output")]


@pytest.mark.parametrize("name", STOPS)
def test_a_recipe_that_would_fail_is_stopped_alike(demo: Project, name: str) -> None:
    values, key = STOPS[name]
    write(demo, values)
    said, checks = both(demo)
    assert (key, "stop") in said
    assert sorted(levels(checks)) == sorted(one for one in said if one[0] not in ("memory", "disk"))
    stop = next(one for one in checks if one.name == key)
    assert stop.fix is not None and not stop.estimated


def test_zero3_needs_deepspeed_here(demo: Project) -> None:
    """The launcher would say so; with one process the strategy is not used."""
    for processes, stopped in ((2, True), (1, False)):
        settings = f'[local]\nprocesses = {processes}\nstrategy = "zero3"\n'
        (demo.folder / "smoltui.toml").write_text(settings)
        write(demo, {})
        said, checks = both(demo)
        assert (("packages", "stop") in said) == stopped
        assert any("deepspeed (strategy: zero3)" in one.sentence for one in checks) == stopped


def test_resuming_needs_a_checkpoint(demo: Project) -> None:
    """true takes the newest complete one of the output folder; without one, TRL fails after loading."""
    for values in ({"resume_from_checkpoint": True}, {"resume_from_checkpoint": "out/checkpoint-5"}):
        write(demo, values)
        said, checks = both(demo)
        assert ("resume_from_checkpoint", "stop") in said and any(one.level is Level.STOP for one in checks)
    place = demo.folder / "out" / "checkpoint-5"
    place.mkdir(parents=True)
    (place / "trainer_state.json").write_text("{}")
    (demo.folder / "out" / "model.safetensors").write_text("")  # resuming replaces it without a question
    for values in ({"resume_from_checkpoint": True}, {"resume_from_checkpoint": "out/checkpoint-5"}):
        write(demo, values)
        said, checks = both(demo)
        assert ("resume_from_checkpoint", "stop") not in said and all(one.level is not Level.STOP for one in checks)


@pytest.mark.parametrize("values", [{}, {"pad_token": "<|im_end|>"}, LORA, {"loss_type": "apo_zero"}])
def test_what_trl_accepts_is_not_stopped(demo: Project, values: dict[str, Any]) -> None:
    write(demo, values)
    said, checks = both(demo)
    assert all(level != "stop" for _, level in said) and all(one.level is not Level.STOP for one in checks)


def same(index: int, row: Any) -> Any:
    return {**row, "rejected": row["chosen"]}


def longer(side: str, words: int) -> Callable[[int, Any], Any]:
    """Each text of one side gets a longer start."""

    def change(index: int, row: Any) -> Any:
        text = "please think about this carefully and tell me again " * words
        for name in ("prompt",) if side == "prompt" else ("chosen", "rejected"):
            row[name][-1]["content"] = text + row[name][-1]["content"]
        return row

    return change


def one_long(index: int, row: Any) -> Any:
    return longer("answers", 900)(index, row) if index == 7 else row


def half_empty(index: int, row: Any) -> Any:
    if index % 2:
        row["chosen"][-1]["content"] = row["rejected"][-1]["content"] = ""
    return row


RUINED: dict[str, tuple[dict[str, Any], Callable[[int, Any], Any] | None, str, str]] = {
    "trl-1311-identical": ({}, same, "identical", "stop"),
    "trl-734-cut": ({"max_length": 64}, longer("answers", 12), "cut", "stop"),
    "trl-6321-prompts": ({"max_length": 64}, longer("prompt", 12), "dropped", "stop"),
    "trl-3382-empty": ({}, half_empty, "unusable rows", "warn"),
    "trl-1087-one-long": ({"max_length": None}, one_long, "longest", "warn"),
    "trl-1236-rate": ({"learning_rate": 5e-2}, None, "learning_rate", "warn"),
    "course-61-fp16": ({"dtype": "float16", "learning_rate": 5e-5}, None, "dtype", "warn"),
    "warm-up": ({"warmup_steps": 20}, None, "warmup_steps", "warn"),
}
"""Report → recipe, change of the pairs, and the check with its level."""


@pytest.mark.measures
@pytest.mark.parametrize("name", RUINED)
def test_a_run_that_would_be_ruined_is_told_before(demo: Project, name: str) -> None:
    values, change, key, level = RUINED[name]
    write(demo, values, change)
    said, checks = both(demo)
    assert (key, level) in said and (key, level) in levels(checks)


def test_an_estimate_can_be_overridden_and_a_fact_cannot(demo: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    report = machine.device_report
    monkeypatch.setattr(
        machine, "device_report", lambda folder: SimpleNamespace(**{**vars_of(report(folder)), "ram_available": 1})
    )
    engine = default_services().named("local")
    write(demo, {})
    plan = asyncio.run(make_plan(demo, engine.place))
    with pytest.raises(RecipeError) as refused:
        asyncio.run(check_plan(plan, engine))
    assert "Does not fit" in refused.value.message and "--force starts anyway" in refused.value.hint
    forced = asyncio.run(check_plan(plan, engine, force=True))
    assert "memory" in [check.name for check in forced]
    stops = [Check("memory", Level.STOP, "too much", estimated=True), Check("pad_token", Level.STOP, "none")]
    assert only_estimates(stops[:1]) and not only_estimates(stops) and not only_estimates([])
    assert [one.level for one in overridden(stops)] == [Level.WARN, Level.STOP]


def vars_of(report: Any) -> dict[str, Any]:
    """The fields and methods of a report, by name."""
    return {name: getattr(report, name) for name in dir(report) if not name.startswith("__")}


@pytest.mark.measures
def test_the_tokens_come_from_the_real_tokenizer(demo: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its own process, with the model's template; without the model's files nothing is measured."""
    monkeypatch.undo()
    write(demo, {})
    engine = default_services().named("local")
    sizes = asyncio.run(make_plan(demo, engine.place)).pairs.sizes
    assert sizes is not None and sizes.measured == sizes.pairs == 48 and sizes.longest and sizes.longest < 256
    assert sizes.lengths[-1] == sizes.longest and sizes.cut == sizes.dropped == sizes.identical == 0
    write(demo, {"model_name_or_path": "somebody/elsewhere"})
    unknown = asyncio.run(make_plan(demo, engine.place)).pairs.sizes
    assert unknown is not None and unknown.measured == 0 and unknown.longest is None
