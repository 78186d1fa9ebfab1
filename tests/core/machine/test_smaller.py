"""The smallest changes that make a recipe fit, each by itself."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from smoltui.core.machine.fit import GIB, estimate
from smoltui.core.machine.model_shape import KNOWN
from smoltui.core.machine.smaller import smaller
from smoltui.core.recipe import Level, check

SMOLLM3 = KNOWN["HuggingFaceTB/SmolLM3-3B"]
FULL = {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 2, "max_length": 1024, "bf16": True}
LORA = {**FULL, "use_peft": True, "lora_target_modules": "all-linear", "learning_rate": 1e-5}


@pytest.mark.parametrize(
    ("values", "gib", "keys"),
    [
        (FULL, 72, ["per_device_train_batch_size", "precompute_ref_log_probs", "max_length", "optim"]),
        (FULL, 24, ["use_peft"]),
        (FULL, 4, []),
        (
            {**FULL, "per_device_train_batch_size": 1, "activation_checkpointing": False},
            72,
            ["activation_checkpointing"],
        ),
        (LORA, 16, ["per_device_train_batch_size", "dtype", "load_in_4bit"]),
        ({**LORA, "per_device_train_batch_size": 1, "max_length": 16384, "dtype": "bfloat16"}, 16, ["max_length"]),
        ({**LORA, "eval_strategy": "steps", "per_device_eval_batch_size": 512}, 30, ["per_device_eval_batch_size"]),
    ],
)
def test_each_change_is_enough(values: dict[str, Any], gib: int, keys: list[str]) -> None:
    """The one that changes least is first; after each, the estimate says that it fits, and no further check stops."""
    estimating = partial(estimate, shape=SMOLLM3)
    fit = estimating(values)
    assert fit is not None and fit.needed > gib * GIB
    found = smaller(values, estimating, gib * GIB, cuda=True)
    assert [next(iter(change.values)) for change in found][: len(keys)] == keys and bool(found) == bool(keys)
    for change in found:
        changed = {**values, **change.values}
        after = estimating(changed)
        assert after is not None and after.verdict(gib * GIB) == "fits" and after.needed == change.needed
        assert _stopped(changed) <= _stopped(values)


def _stopped(values: dict[str, Any]) -> set[str]:
    return {finding.key for finding in check(values) if finding.level is Level.STOP}


def test_pairs_per_step_stay_the_same() -> None:
    """A smaller batch comes with more accumulation; odd values are left alone."""
    change = smaller(FULL, partial(estimate, shape=SMOLLM3), 72 * GIB, cuda=True)[0]
    assert dict(change.values) == {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 4}
    odd = {"per_device_train_batch_size": 1 << 40, "gradient_accumulation_steps": "2", "max_length": None}
    assert smaller(odd, partial(estimate, shape=SMOLLM3), 1, cuda=False) == []
