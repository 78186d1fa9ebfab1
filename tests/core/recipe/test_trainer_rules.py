"""What the trainer or PEFT refuses after loading is refused before; what ruins a run is warned of."""

from __future__ import annotations

from typing import Any

import pytest

from smoltui.core.recipe import Finding, Level, applied, check
from smoltui.core.runs.place import Target

BASE: dict[str, Any] = {
    "model_name_or_path": "org/model",
    "dataset_name": "pairs",
    "output_dir": "out",
    "use_cpu": True,
    "bf16": False,
    "logging_nan_inf_filter": False,
    "max_steps": 100,
    "learning_rate": 1e-6,
}
LORA = {"use_peft": True, "lora_target_modules": ["q_proj", "v_proj"], "learning_rate": 1e-5}


def found(values: dict[str, Any], target: Target = Target.LOCAL) -> dict[str, Finding]:
    """Key → finding."""
    return {finding.key: finding for finding in check({**BASE, **values}, target=target, model_type="smollm3")}


@pytest.mark.parametrize(
    ("values", "key", "words"),
    [
        ({"loss_type": "apo_zero", "f_divergence_type": "js_divergence"}, "f_divergence_type", "only be combined"),
        ({"f_divergence_type": "kl"}, "f_divergence_type", "no such divergence"),
        ({**LORA, "lora_target_modules": ["q_prj"]}, "lora_target_modules", "no module named q_prj"),
        ({**LORA, "lora_target_modules": ["q_proj", "lm_head"]}, "lora_target_modules", "never be trained"),
        ({"load_in_4bit": True}, "load_in_4bit", "only an adapter"),
        ({"load_in_8bit": True}, "load_in_8bit", "only an adapter"),
        ({"deepspeed": "zero3.json"}, "deepspeed", "launcher"),
        ({"fsdp": "full_shard"}, "fsdp", "launcher"),
        ({"router_aux_loss_coef": 0.1}, "router_aux_loss_coef", "mixtures of experts"),
        ({"activation_offloading": True}, "activation_offloading", "accelerator"),
    ],
)
def test_what_would_fail_after_loading(values: dict[str, Any], key: str, words: str) -> None:
    """A stop with its reason, and a fix after which the key stops nothing."""
    finding = found(values)[key]
    assert finding.level is Level.STOP and words in finding.sentence and finding.next_step
    assert finding.fix is not None
    if finding.fix.writes:
        fixed = found(applied({**BASE, **values}, finding.fix))
        assert key not in fixed or fixed[key].level is not Level.STOP


def test_flash_attention_in_a_job() -> None:
    """A Job's environment can't compile it; here the package decides."""
    values = {"attn_implementation": "flash_attention_2", "use_cpu": False}
    assert found(values, Target.JOB)["attn_implementation"].level is Level.STOP
    assert "attn_implementation" not in found(values)


@pytest.mark.parametrize(
    ("values", "key"),
    [({"learning_rate": 5e-2}, "learning_rate"), ({"beta": 50}, "beta"), ({"warmup_steps": 100}, "warmup_steps")],
)
def test_what_ruins_a_run(values: dict[str, Any], key: str) -> None:
    """TRL accepts it: a warning with a usable value, not a stop."""
    finding = found(values)[key]
    assert finding.level is Level.WARN and finding.fix is not None
    assert key not in found(applied({**BASE, **values}, finding.fix))


@pytest.mark.parametrize(
    "values",
    [
        {"f_divergence_type": "js_divergence", "loss_type": "sigmoid"},
        {"f_divergence_type": "reverse_kl", "loss_type": "apo_zero"},
        LORA,
        {**LORA, "lora_target_modules": "all-linear"},
        {**LORA, "load_in_4bit": True, "learning_rate": 2e-4},
        {"learning_rate": 1.5e-4},
        {"warmup_steps": 0.1},
        {"resume_from_checkpoint": True},
        {"resume_from_checkpoint": "out/checkpoint-5"},
    ],
)
def test_what_trains(values: dict[str, Any]) -> None:
    """Nothing stops what TRL trains with; resuming warns of a folder without checkpoints."""
    assert all(finding.level is Level.WARN for finding in found(values).values())
    assert set(found(values)) <= ({"dtype", "learning_rate"} - set(values)) | {"resume_from_checkpoint"}


def test_one_wrong_name_among_right_ones_is_a_warning() -> None:
    """PEFT adapts the others and says nothing."""
    finding = found({**LORA, "lora_target_modules": ["q_proj", "vproj"]})["lora_target_modules"]
    assert finding.level is Level.WARN and "Did you mean v_proj?" in finding.next_step
