"""The estimates, held to what was measured and simulated."""

from __future__ import annotations

from typing import Any

import pytest

from smoltui.core.machine.fit import GIB, adapter_parameters, estimate
from smoltui.core.machine.model_shape import KNOWN, shape_of

SMOLLM3 = KNOWN["HuggingFaceTB/SmolLM3-3B"]
LORA: dict[str, Any] = {"use_peft": True, "lora_target_modules": "all-linear", "lora_r": 16}
BF16: dict[str, Any] = {"dtype": "bfloat16"}


def recipe(batch: int = 2, length: int = 1024, **more: Any) -> dict[str, Any]:
    """With accumulation, as in the course: gradients of earlier batches are kept during a step."""
    sizes = {"per_device_train_batch_size": batch, "max_length": length, "gradient_accumulation_steps": 8}
    return {**sizes, "bf16": True, **more}


def test_smollm3_has_the_parameters_it_has() -> None:
    """3,075,098,624 in all, 2.81 billion of them in linear layers (counted on the real architecture)."""
    assert SMOLLM3.parameters == 3_075_098_624
    assert SMOLLM3.linear_parameters == 2_812_280_832
    assert adapter_parameters(LORA, SMOLLM3) == 30_228_480
    assert adapter_parameters({**LORA, "lora_target_modules": ["q_proj", "v_proj"]}, SMOLLM3) == pytest.approx(
        3.8e6, rel=0.02
    )
    assert adapter_parameters({**LORA, "lora_target_modules": ["c_attn"]}, SMOLLM3) is None
    assert adapter_parameters({"use_peft": True}, SMOLLM3) is None


@pytest.mark.parametrize(
    ("values", "peak"),
    [
        (recipe(2), 64.2),
        (recipe(1), 63.4),
        (recipe(2, activation_checkpointing=False), 90.2),
        (recipe(2, precompute_ref_log_probs=True), 52.7),
        (recipe(2, **BF16), 31.0),
        (recipe(2, **BF16, precompute_ref_log_probs=True), 25.3),
        (recipe(2, **LORA), 14.1),
        (recipe(1, **BF16, **LORA), 6.9),
        (recipe(2, **BF16, **LORA), 7.6),
        (recipe(4, 2048, **BF16, **LORA), 12.1),
        (recipe(2, **BF16, **LORA, activation_checkpointing=False), 26.9),
    ],
)
def test_the_peak_is_within_six_percent_of_the_simulated_step(values: dict[str, Any], peak: float) -> None:
    """SmolLM3-3B simulated operation by operation, GiB at the peak (facts, section 6.2)."""
    fit = estimate(values, SMOLLM3)
    assert fit is not None
    assert fit.peak / GIB == pytest.approx(peak, rel=0.06)
    assert fit.peak == sum(term.bytes for term in fit.terms)


@pytest.mark.parametrize(
    ("values", "gigabytes", "verdict"),
    [
        (recipe(2), 80, "fits"),
        (recipe(2), 40, "no"),
        (recipe(2, **LORA), 16, "tight"),
        (recipe(2, **BF16, **LORA), 16, "fits"),
        (recipe(2, **BF16), 24, "no"),
    ],
)
def test_the_verdict_is_the_one_of_the_table(values: dict[str, Any], gigabytes: int, verdict: str) -> None:
    """Full fine-tuning wants the 80 GB card; LoRA on a bf16 base is happy with 16."""
    fit = estimate(values, SMOLLM3)
    assert fit is not None and fit.verdict(int(gigabytes * 1e9)) == verdict
    assert fit.verdict(None) == "unknown"


def test_a_checkpoint_takes_what_was_weighed() -> None:
    """36.9 GB for all weights in fp32, 0.36 GB for an adapter of rank 16."""
    full, lora = estimate(recipe(), SMOLLM3), estimate(recipe(**BF16, **LORA), SMOLLM3)
    assert full is not None and lora is not None
    assert full.checkpoint / 1e9 == pytest.approx(36.9, rel=0.01)
    assert lora.checkpoint / 1e9 == pytest.approx(0.36, rel=0.02)


def test_the_terms_are_those_of_a_small_model_that_was_measured() -> None:
    """95.4 M parameters in fp32: 1 456 MiB of weights, reference, gradients and Adam's states were resident."""
    small = shape_of(
        {
            "model_type": "smollm3",
            "hidden_size": 512,
            "num_hidden_layers": 12,
            "intermediate_size": 2048,
            "vocab_size": 32000,
            "num_attention_heads": 8,
            "num_key_value_heads": 2,
        }
    )
    assert small is not None
    fit = estimate(recipe(1, 64, bf16=False, precompute_ref_log_probs=True), small, cuda=False)
    assert fit is not None
    named = {term.name: term.bytes for term in fit.terms}
    assert named["W"] == small.parameters * 4 and named["R"] == 0 and named["K"] == 0
    assert named["G"] + named["O"] == 3 * named["W"]


def test_what_is_not_known_is_said_to_be_unknown() -> None:
    """No guess about another architecture, a missing limit or a card that is not in the table."""
    assert shape_of({"model_type": "gpt2"}) is None
    assert shape_of({"model_type": "smollm3", "hidden_size": "wide"}) is None
    assert shape_of({"model_type": "llama", "attention_bias": True}) is None
    assert estimate(recipe(), None) is None
    assert estimate(recipe(length=1024) | {"max_length": None}, SMOLLM3) is None


@pytest.mark.parametrize(
    "odd", [None, 0, -1, 1.5, float("inf"), float("nan"), 10**400, "x", "9" * 5000, [1], {"a": 1}, True]
)
def test_a_config_that_makes_no_sense(odd: object) -> None:
    """Whatever config.json contains: a shape whose parts are possible, or none."""
    config = {
        "model_type": "smollm3",
        "hidden_size": 512,
        "num_hidden_layers": 12,
        "intermediate_size": 2048,
        "vocab_size": 1000,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "head_dim": 64,
        "dtype": "x",
    }
    for key in config:
        shape = shape_of({**config, key: odd})
        assert shape is None or 0 < shape.parameters < 2**70
