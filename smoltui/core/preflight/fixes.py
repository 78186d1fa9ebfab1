"""What enter does about the checks before a start, where it depends on what is known of the run."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from smoltui.core.foreign.token_stop import Leak
from smoltui.core.recipe import get
from smoltui.core.recipe.fix import Fix, edits, writes
from smoltui.core.runs.cost import Flavor
from smoltui.core.runs.run import LONGEST_TIMEOUT

MARGIN = 1.2
"""The time limit is this many times the longest expected duration: loading and saving take time too."""
GOOD_FLAVOR = "a100-large"
"""Fits SmolLM3-3B with all its weights (`JobSettings.flavor`)."""
BILLING = "https://huggingface.co/settings/billing"
TOKENS = "https://huggingface.co/settings/tokens"


def without_token(leak: Leak) -> Fix | None:
    """Opens the file with the token; None if it is in an option."""
    name, line, _ = leak.sentence.partition(", line ")
    return Fix(file=name) if line else None


def less_memory(values: Mapping[str, Any]) -> Fix:
    """Trains an adapter; if it already is one, fewer pairs at once with the same pairs per step; then shorter pairs."""
    if not get(values, "use_peft"):
        return writes(use_peft=True, lora_target_modules="all-linear", dtype="bfloat16")
    batch, steps = get(values, "per_device_train_batch_size"), get(values, "gradient_accumulation_steps")
    if batch > 1:
        parts = 2 if batch % 2 == 0 else batch
        return writes(per_device_train_batch_size=batch // parts, gradient_accumulation_steps=steps * parts)
    return edits("max_length")


def less_disk(values: Mapping[str, Any]) -> Fix:
    """Keeps one checkpoint; then without the optimizer's states."""
    if (get(values, "save_total_limit") or math.inf) > 1:
        return writes(save_total_limit=1)
    if not get(values, "save_only_model"):
        return writes(save_only_model=True)
    return edits("output_dir")


def other_folder(values: Mapping[str, Any], free: str) -> Fix:
    """Writes to the free folder beside the present one."""
    now = PurePosixPath(str(values.get("output_dir") or ""))
    return writes(output_dir=str(now.parent / free)) if free and free != now.name else edits("output_dir")


def longer_timeout(seconds: float) -> Fix:
    """Sets a time limit that holds `seconds` with a margin, in half hours."""
    halves = math.ceil(min(seconds * MARGIN, LONGEST_TIMEOUT) / 1800)
    return Fix(settings={"jobs.timeout": f"{halves // 2}h" if halves % 2 == 0 else f"{halves * 30}m"})


def other_flavor(wanted: str, flavors: Sequence[Flavor]) -> Fix:
    """Sets the flavor that the person may have meant; opens the field if none is like it."""
    names = [flavor.name for flavor in flavors if flavor.count]
    near = difflib.get_close_matches(wanted, [name for name in names if name != wanted], n=1, cutoff=0.6)
    found = near or [name for name in names if name == GOOD_FLAVOR]
    return Fix(settings={"jobs.flavor": found[0]}) if found else Fix(edit="jobs.flavor")
