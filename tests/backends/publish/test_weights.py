"""Merging an adapter into its base model, by the real peft."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smoltui.backends.publish import weights
from smoltui.backends.runs.output_dir import broken_weights
from smoltui.core.runs.events import ModelSaved
from smoltui.errors import RunFailedError
from tests.marks import needs_training
from tests.paths import PACKAGE

LAYER = "model.layers.0.self_attn.q_proj"
CONFIG = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"]}


@needs_training
async def test_a_merged_model_is_the_base_with_the_adapter(tmp_path: Path) -> None:
    """The layer that the adapter changes has its product added (alpha / r times), all others are the base's."""
    import torch
    from safetensors.torch import load_file, save_file

    base = PACKAGE / "demo" / "project" / "model"
    before = load_file(base / "model.safetensors")
    rows, columns = before[f"{LAYER}.weight"].shape
    torch.manual_seed(0)
    down, up = torch.randn(2, columns), torch.randn(rows, 2)
    adapter, merged = tmp_path / "adapter", tmp_path / "merged"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({**CONFIG, "base_model_name_or_path": str(base)}))
    names = {f"base_model.model.{LAYER}.lora_A.weight": down, f"base_model.model.{LAYER}.lora_B.weight": up}
    save_file(names, adapter / "adapter_model.safetensors")
    events = [event async for event in weights.merge(adapter, str(base), None, merged)]
    assert any(isinstance(event, ModelSaved) for event in events)
    assert broken_weights(merged) is None
    assert (merged / "tokenizer.json").is_file(), "the base model's"
    after = load_file(merged / "model.safetensors")
    assert after.keys() == before.keys() and after[f"{LAYER}.weight"].dtype == before[f"{LAYER}.weight"].dtype
    wanted = before[f"{LAYER}.weight"].float() + 2 * up @ down
    assert torch.allclose(after[f"{LAYER}.weight"].float(), wanted, rtol=0.02, atol=0.02), "rounded to bfloat16"
    assert all(torch.equal(after[name], before[name]) for name in before if not name.startswith(LAYER))


async def test_no_adapter_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child says why, and its words are mine."""
    monkeypatch.setattr(weights, "require_train_extra", lambda: None)
    with pytest.raises(RunFailedError, match="The folder has no adapter") as told:
        async for _ in weights.merge(tmp_path / "nothing", "base", None, tmp_path / "out"):
            pass
    assert told.value.hint
