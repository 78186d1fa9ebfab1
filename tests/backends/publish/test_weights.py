"""Merging an adapter into its base model, by the real peft."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smoltui.backends.publish import weights
from smoltui.core.runs.events import ModelSaved
from smoltui.errors import RunFailedError
from tests.marks import needs_training
from tests.paths import PACKAGE


@needs_training
async def test_a_merged_model_is_the_base_with_the_adapter(tmp_path: Path) -> None:
    """Without peft, it computes what the base computes with the adapter."""
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM

    base = PACKAGE / "demo" / "project" / "model"
    torch.manual_seed(0)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base),
        LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False),
    )
    model.save_pretrained(tmp_path / "adapter")
    (tmp_path / "merged").mkdir()
    events = [event async for event in weights.merge(tmp_path / "adapter", str(base), None, tmp_path / "merged")]
    assert any(isinstance(event, ModelSaved) for event in events)
    assert weights.broken_weights(tmp_path / "merged") is None
    assert (tmp_path / "merged" / "tokenizer.json").is_file(), "the base model's"
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        wanted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), tmp_path / "adapter")(ids).logits
        found = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")(ids).logits
        before = AutoModelForCausalLM.from_pretrained(base)(ids).logits
    # The weights are bfloat16, so that merging rounds them: a twentieth of what the adapter changes.
    assert (found - wanted).abs().mean() * 20 < (before - wanted).abs().mean()
    assert json.loads((tmp_path / "merged" / "config.json").read_text())["model_type"] == "smollm3"


async def test_no_adapter_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child says why, and its words are mine."""
    monkeypatch.setattr(weights, "require_train_extra", lambda: None)
    with pytest.raises(RunFailedError, match="The folder has no adapter") as told:
        async for _ in weights.merge(tmp_path / "nothing", "base", None, tmp_path / "out"):
            pass
    assert told.value.hint
