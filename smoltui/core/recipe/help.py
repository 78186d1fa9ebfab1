"""What TRL and transformers themselves say about each key (`help.json`, made by `scripts/recipe_keys.py`).

The texts are theirs, under the Apache License 2.0, of the versions in `keys.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from smoltui.core.recipe.keys import snapshot

SECTIONS: Mapping[str, str] = {
    "Parameters that control the training": "More of DPO",
    "Parameters that control the data preprocessing": "More of DPO",
    "Parameters that control the model": "More of DPO",
    "Logging & Monitoring Training": "Logging",
    "Experiment Tracking Integration": "Trackers",
    "Training Duration and Batch Size": "More of training",
    "Regularization & Training Stability": "More of training",
    "External Script Flags (not used by Trainer)": "More of training",
    "DDP (DistributedDataParallel)": "Several GPUs",
    "FSDP (Fully Sharded Data Parallel)": "Several GPUs",
    "DeepSpeed": "Several GPUs",
    "Accelerate Configuration": "Several GPUs",
    "Hardware Configuration": "Several GPUs",
    "Hugging Face Hub Integration": "More of the Hub",
    "Metrics Computation": "Evaluation",
    "Best Model Tracking": "Checkpoints",
    "Checkpointing & Saving": "Checkpoints",
    "Resuming Training": "Checkpoints",
    "Debugging & Profiling (Experimental)": "Debugging",
}
"""Heading in the documentation → heading of the form, where they differ."""
_OWNERS: Mapping[str, str] = {
    "ModelConfig": "More of the model",
    "ScriptArguments": "More of the pairs",
    "DatasetMixtureConfig": "More of the pairs",
}


@cache
def _texts() -> Mapping[str, tuple[str, str]]:
    data = json.loads(Path(__file__).with_name("help.json").read_text(encoding="utf-8"))
    return {key: (section, text) for key, (section, text) in data.items()}


def help_of(key: str) -> str:
    """The help of a key, with `…` in Markdown; empty for a key that TRL doesn't have."""
    return _texts().get(key, ("", ""))[1]


def section_of(key: str) -> str:
    """The heading under which the form has a key that is not one of the important ones."""
    section = _texts().get(key, ("", ""))[0]
    owner = snapshot().keys[key].owner if key in snapshot().keys else ""
    return SECTIONS.get(section, section) or _OWNERS.get(owner, "More of training")
