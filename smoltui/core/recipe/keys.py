"""TRL's keys (a snapshot made by `scripts/recipe_keys.py`) and its former keys."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Key:
    """One key of `trl dpo --config`."""

    name: str
    types: tuple[str, ...]
    """Of str, int, float, bool, dict, list[…] and none (may be null)."""
    default: Any
    choices: tuple[str, ...]
    """All allowed values; empty if it is not a choice."""
    owner: str
    """The TRL class that defines it, such as DPOConfig."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one release of TRL reads from a recipe."""

    versions: Mapping[str, str]
    """Package name → version used for the snapshot."""
    keys: Mapping[str, Key]
    launch: frozenset[str]
    """Options of `accelerate launch`, which `trl dpo` reads from the same file but TRL itself does not."""


@cache
def snapshot() -> Snapshot:
    """The stored snapshot; reading it takes a millisecond, asking TRL takes seconds."""
    data = json.loads(Path(__file__).with_name("keys.json").read_text(encoding="utf-8"))
    keys = {
        name: Key(name, tuple(entry["type"]), entry["default"], tuple(entry.get("choices", ())), entry["of"])
        for name, entry in data["keys"].items()
    }
    return Snapshot(versions=data["versions"], keys=keys, launch=frozenset(data["launch"]))


LOSSES = (
    "sigmoid",
    "sigmoid_norm",
    "hinge",
    "ipo",
    "exo_pair",
    "nca_pair",
    "robust",
    "bco_pair",
    "sppo_hard",
    "aot",
    "aot_unpaired",
    "apo_zero",
    "apo_down",
    "discopop",
    "sft",
)
"""Values of loss_type, from TRL 1.16 `trainer/dpo_trainer.py`; TRL itself checks them only at the first step."""

GONE: Mapping[str, tuple[str, str]] = {
    "max_prompt_length": (
        "TRL no longer has a limit for the prompt alone",
        "Delete the line: max_length limits prompt and answer together, and pairs with a longer prompt are left out.",
    ),
    "max_completion_length": (
        "TRL no longer has a limit for the answer alone",
        "Delete the line: max_length limits prompt and answer together.",
    ),
    "warmup_ratio": (
        "it was merged into warmup_steps",
        "Write the same share as warmup_steps, for example warmup_steps: 0.1",
    ),
    "torch_dtype": ("it is now called dtype", "Write dtype instead."),
    "rpo_alpha": (
        "it became a mix of losses",
        "Write loss_type: [sigmoid, sft] with loss_weights: [1.0, …] instead.",
    ),
    "group_by_length": (
        "it became a sampling strategy",
        "Write train_sampling_strategy: group_by_length, with a length column and remove_unused_columns: false.",
    ),
    "overwrite_output_dir": (
        "TRL no longer asks before overwriting",
        "Delete the line: smoltui asks before it replaces a model.",
    ),
    "label_pad_token_id": ("padding is never part of the loss", "Delete the line."),
    "padding_value": ("padding is never part of the loss", "Delete the line."),
    "reference_free": ("there is always a reference model", "Delete the line."),
    "generate_during_eval": ("TRL does not generate text during evaluation", "Delete the line: see the Evaluate room."),
    "model_adapter_name": ("adapters are named by PEFT", "Delete the line."),
    "ref_adapter_name": ("adapters are named by PEFT", "Delete the line."),
    "is_encoder_decoder": ("only decoder-only models are trained", "Delete the line."),
    "evaluation_strategy": ("it is now called eval_strategy", "Write eval_strategy instead."),
    "max_seq_length": ("it is now called max_length", "Write max_length instead."),
    "no_cuda": ("it is now called use_cpu", "Write use_cpu instead."),
    "device_map": ("TRL places the model itself", "Delete the line."),
}
"""Keys of older recipes: why TRL no longer has them, and what to write (TRL 0.29 dropped most of them)."""

MOVED: Mapping[str, str] = {
    "warmup_ratio": "warmup_steps",
    "torch_dtype": "dtype",
    "evaluation_strategy": "eval_strategy",
    "max_seq_length": "max_length",
    "no_cuda": "use_cpu",
}
"""Those of `GONE` whose value means the same under another name."""

RENAMED: Mapping[str, str] = {
    "gradient_checkpointing": "activation_checkpointing",
    "gradient_checkpointing_kwargs": "activation_checkpointing_kwargs",
}
"""Still read by transformers 5.23, removed in version 6; if both are set, the new name takes precedence."""


def near(name: str) -> list[str]:
    """Up to three known keys similar to `name`, the closest first."""
    plain = name.replace("-", "_").lower()
    return difflib.get_close_matches(plain, snapshot().keys, n=3, cutoff=0.6)
