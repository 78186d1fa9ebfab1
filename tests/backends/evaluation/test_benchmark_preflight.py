"""Facts about this machine and about models on the Hub, before a benchmark starts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from smoltui.backends.evaluation import benchmark_preflight as preflight
from smoltui.backends.evaluation.benchmark_plan import Wishes, harness_for, make_plan, place_for
from smoltui.backends.evaluation.benchmark_preflight import ask_model, check_benchmark, has_template
from smoltui.backends.jobs.place import JOBS
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.local.place import HERE
from smoltui.core.evaluation.benchmark_tasks import Harness
from smoltui.core.recipe import Level
from smoltui.errors import InputError, MissingExtraError
from tests.backends.evaluation.project import make_project, trained
from tests.backends.runs.test_output_dir import weights
from tests.toy_engine import TOY


def test_a_template_is_a_file_or_a_setting(tmp_path: Path) -> None:
    assert not has_template(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": ""}')
    assert not has_template(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
    assert has_template(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("[")
    (tmp_path / "chat_template.jinja").write_text("x")
    assert has_template(tmp_path)


async def test_this_machine_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """lm_eval missing, a model without template and weights: each is a sentence; then it may start."""
    project = make_project(tmp_path / "project")
    plan = make_plan(project, trained(project), HERE, Wishes(("gsm8k",)))
    monkeypatch.setattr(preflight, "lm_eval_version", lambda: None)
    monkeypatch.setattr(preflight, "PACKAGES", ("torch", "no_such_package"))
    checked = await check_benchmark(plan, LocalEngine())
    stops = {check.name: check.sentence for check in checked.checks if check.level is Level.STOP}
    assert set(stops) == {"packages", "lm_eval", "model", "template"} and "no_such_package" in stops["packages"]
    with pytest.raises(MissingExtraError):
        checked.refuse()

    monkeypatch.setattr(preflight, "PACKAGES", ())
    monkeypatch.setattr(preflight, "lm_eval_version", lambda: "0.4.13")
    for folder in ("model", "out"):
        weights(project.folder / folder / "model.safetensors")
        (project.folder / folder / "chat_template.jinja").write_text("x")
    checked = await check_benchmark(plan, LocalEngine())
    assert checked.may_start and checked.most_usd is None and checked.minutes is None
    checked.refuse()
    monkeypatch.setattr(preflight, "lm_eval_version", lambda: "0.5.0")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    names = {check.name for check in (await check_benchmark(plan, LocalEngine())).checks if check.level is Level.WARN}
    assert names == {"lm_eval", "network"}


async def test_strings_of_the_other_harness_are_told_apart(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    plan = make_plan(project, trained(project), HERE, Wishes(("arc:challenge|0", "gsm9k")))
    checks = {check.name: check for check in (await check_benchmark(plan, LocalEngine())).checks}
    assert "arc_challenge" in checks["task string"].next_step and "gsm8k" in checks["task"].next_step


def test_each_harness_has_its_place() -> None:
    assert harness_for(HERE) is Harness.LM_EVAL and harness_for(JOBS) is Harness.LIGHTEVAL
    assert place_for(None, [HERE, JOBS]) is HERE and place_for(Harness.LIGHTEVAL, [HERE, JOBS]) is JOBS
    with pytest.raises(InputError, match="doesn't run on this machine"):
        harness_for(HERE, Harness.LIGHTEVAL)
    with pytest.raises(InputError, match="The toy cluster can't run"):
        harness_for(TOY)
    with pytest.raises(InputError, match="no engine"):
        place_for(Harness.LIGHTEVAL, [HERE, TOY])


async def test_the_hub_is_asked_without_a_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`.private` would be seen by the owner: what is public can be read by anyone."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    asked: list[Any] = []

    def model_info(self: HfApi, name: str) -> Any:
        asked.append(self.token)
        if name == "bad/..":
            raise HFValidationError("Repo id must …")
        files = ["adapter_config.json"] if name.endswith("lora") else ["config.json", "adapter_config.json"]
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=file) for file in files])

    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(HfApi, "model_info", model_info)
    assert (await ask_model("ada/lora")).is_adapter is True and (await ask_model("ada/full")).is_adapter is False
    assert (await ask_model("bad/..")).problem is not None and asked == [False, False, False]
    (tmp_path / "adapter_config.json").write_text("{}")
    assert (await ask_model(str(tmp_path))).is_adapter is True and len(asked) == 3
