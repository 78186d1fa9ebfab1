"""What a recipe comes to: the value of a key with TRL's default, and what follows from several keys together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smoltui.core.recipe.keys import snapshot


def get(values: Mapping[str, Any], key: str) -> Any:
    """The value of a key, or TRL's default if the recipe does not set it."""
    return values[key] if key in values else snapshot().keys[key].default


def output_dir_of(values: Mapping[str, Any]) -> str:
    """Where the model is saved, as written in the recipe; transformers' default if it is not set."""
    return str(values.get("output_dir") or "trainer_output")


def checkpointing(values: Mapping[str, Any]) -> bool:
    """Whether activations are recomputed; the new name of the key takes precedence."""
    new = values.get("activation_checkpointing")
    return bool(get(values, "gradient_checkpointing") if new is None else new)


def mixed_precision(values: Mapping[str, Any]) -> str | None:
    """bf16, fp16 or None for none: TRL computes in bf16 by default."""
    if get(values, "fp16"):
        return "fp16"
    bf16 = values.get("bf16")
    return "bf16" if bf16 or bf16 is None else None


def weight_type(values: Mapping[str, Any]) -> str:
    """The type that weights are loaded in: float32, bfloat16, float16 or auto."""
    inner = values.get("model_init_kwargs")
    if isinstance(inner, Mapping) and inner.get("dtype"):
        return str(inner["dtype"])
    return str(get(values, "dtype") or "auto")


def losses(values: Mapping[str, Any]) -> list[str]:
    loss = get(values, "loss_type")
    return [str(item) for item in loss] if isinstance(loss, list) else [str(loss)]


def trackers(values: Mapping[str, Any]) -> list[str]:
    report = get(values, "report_to")
    return [str(item) for item in report] if isinstance(report, list) else [str(report)]


def resumes(values: Mapping[str, Any]) -> bool:
    """Whether the recipe asks to resume from a checkpoint."""
    return str(get(values, "resume_from_checkpoint") or "false").lower() != "false"


def resumes_from_newest(values: Mapping[str, Any]) -> bool:
    """Whether it asks for the newest checkpoint in the output folder."""
    return str(get(values, "resume_from_checkpoint")).lower() == "true"
