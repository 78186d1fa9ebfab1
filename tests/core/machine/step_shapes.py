"""Steps whose memory was simulated, operation by operation (`tests/benchmarks/step_memory.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class StepShape:
    """A model, a batch and the settings that determine memory."""

    name: str
    config: Mapping[str, Any]
    """As in config.json."""
    batch: int = 1
    """Pairs."""
    length: int = 256
    """Tokens of each sequence."""
    dtype: str = "float32"
    rank: int = 0
    """Of a LoRA adapter; 0 trains all weights."""
    targets: str | tuple[str, ...] = "all-linear"
    saved_modules: tuple[str, ...] = ()
    dora: bool = False
    checkpointing: bool = True
    reference: bool = True
    """Whether the reference is computed in the step; not with precomputed log-probabilities."""
    autocast: bool = False
    optimizer: str = "adam"
    accumulation: int = 1
    tuned: bool = True
    """Whether the estimate's constants were derived with this shape among others."""

    @property
    def model(self) -> str:
        """Tells its model from the others of its architecture."""
        return f"{self.config['model_type']} {self.config['vocab_size']}"

    def values(self) -> dict[str, Any]:
        """The recipe of such a step."""
        found: dict[str, Any] = {
            "model_name_or_path": "model",
            "dtype": self.dtype,
            "per_device_train_batch_size": self.batch,
            "max_length": self.length,
            "activation_checkpointing": self.checkpointing,
            "precompute_ref_log_probs": not self.reference,
            "bf16": self.autocast,
            "use_cpu": True,
            "gradient_accumulation_steps": self.accumulation,
            "optim": {"adam": "adamw_torch", "sgd": "sgd", "rmsprop": "rmsprop"}[self.optimizer],
        }
        if self.rank:
            targets = self.targets if isinstance(self.targets, str) else list(self.targets)
            found |= {"use_peft": True, "lora_r": self.rank, "lora_target_modules": targets, "use_dora": self.dora}
            if self.saved_modules:
                found["lora_modules_to_save"] = list(self.saved_modules)
        return found


def _smollm3(hidden: int, layers: int, heads: int, groups: int, wide: int, vocabulary: int) -> dict[str, Any]:
    return {
        "model_type": "smollm3",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "intermediate_size": wide,
        "vocab_size": vocabulary,
        "tie_word_embeddings": True,
        "max_position_embeddings": 4096,
        "pad_token_id": 0,
        "bos_token_id": 0,
        "eos_token_id": 1,
    }


_5M = _smollm3(256, 6, 4, 2, 1024, 504)
_5MV = _smollm3(64, 4, 4, 2, 256, 128256)
_30M = _smollm3(512, 8, 8, 4, 2048, 504)
_100M = _smollm3(768, 12, 12, 6, 3072, 504)
_3B = _smollm3(2048, 36, 16, 4, 11008, 128256)
_LLAMA = _smollm3(576, 10, 9, 3, 1536, 49152) | {"model_type": "llama", "tie_word_embeddings": False}
_QWEN3 = _smollm3(512, 8, 8, 4, 1536, 32000) | {"model_type": "qwen3", "head_dim": 128}
_QWEN2 = _smollm3(896, 12, 14, 2, 4864, 16000) | {"model_type": "qwen2"}

_GEMMA = _smollm3(256, 6, 4, 1, 2048, 504) | {"model_type": "gemma2", "head_dim": 64}
_PHI = _smollm3(512, 6, 8, 8, 2048, 504) | {"model_type": "phi3", "tie_word_embeddings": False}
_OLMO = _smollm3(512, 6, 8, 4, 1536, 504) | {"model_type": "olmo2", "tie_word_embeddings": False}

MODELS = (_5M, _30M, _100M)
"""Models of 5, 30 and 100 million weights, as in config.json."""
LARGE_VOCABULARY = _5MV
LLAMA = _LLAMA

SHAPES = (
    StepShape("5M", _5M),
    StepShape("5M b4", _5M, batch=4),
    StepShape("5M 1024", _5M, length=1024),
    StepShape("5M 1024 b4", _5M, batch=4, length=1024),
    StepShape("5M 1024 b4 all kept", _5M, batch=4, length=1024, checkpointing=False),
    StepShape("5M 1024 b4 lora", _5M, batch=4, length=1024, rank=16),
    StepShape("5Mv", _5MV),
    StepShape("5Mv b4", _5MV, batch=4),
    StepShape("5Mv b4 lora", _5MV, batch=4, rank=16),
    StepShape("30M", _30M),
    StepShape("30M all kept", _30M, checkpointing=False),
    StepShape("30M b4 all kept", _30M, batch=4, checkpointing=False),
    StepShape("30M precomputed", _30M, reference=False),
    StepShape("30M bf16 weights", _30M, dtype="bfloat16"),
    StepShape("30M autocast", _30M, autocast=True),
    StepShape("30M accumulated", _30M, accumulation=2),
    StepShape("30M lora", _30M, rank=16),
    StepShape("30M lora bf16 weights", _30M, rank=16, dtype="bfloat16"),
    StepShape("30M b4 lora all kept", _30M, batch=4, rank=16, checkpointing=False),
    StepShape("30M 1024", _30M, length=1024),
    StepShape("100M sgd", _100M, optimizer="sgd"),
    StepShape("3B lora bf16 1024 b2", _3B, batch=2, length=1024, rank=16, dtype="bfloat16"),
    StepShape("3B autocast 1024 b2", _3B, batch=2, length=1024, autocast=True),
    StepShape("3B autocast 1024 b2 precomputed", _3B, batch=2, length=1024, autocast=True, reference=False),
    StepShape("3B bf16 1024 b2", _3B, batch=2, length=1024, dtype="bfloat16"),
    StepShape("3B lora bf16 1024 b2 all kept", _3B, 2, 1024, "bfloat16", 16, checkpointing=False),
    StepShape("30M b2 bf16 all kept", _30M, 2, 256, "bfloat16", checkpointing=False),
    StepShape("30M b2 lora bf16 all kept", _30M, 2, 256, "bfloat16", 16, checkpointing=False),
    StepShape("30M b2 lora bf16 autocast all kept", _30M, 2, 256, "bfloat16", 16, checkpointing=False, autocast=True),
    # Not used to derive a constant.
    StepShape("100M", _100M, tuned=False),
    StepShape("100M b2 512 all kept", _100M, batch=2, length=512, checkpointing=False, tuned=False),
    StepShape("100M lora 512", _100M, length=512, rank=32, tuned=False),
    StepShape("100M autocast b3", _100M, batch=3, autocast=True, tuned=False),
    StepShape("100M rmsprop", _100M, optimizer="rmsprop", tuned=False),
    StepShape("30M lora b2 512 q v", _30M, 2, 512, rank=8, targets=("q_proj", "v_proj"), tuned=False),
    StepShape("30M lora head saved", _5MV, rank=8, saved_modules=("embed_tokens",), tuned=False),
    StepShape("30M dora", _30M, rank=16, dora=True, tuned=False),
    StepShape("5M 2048 b2 autocast all kept", _5M, 2, 2048, autocast=True, checkpointing=False, tuned=False),
    StepShape("llama b2 512", _LLAMA, batch=2, length=512, tuned=False),
    StepShape("llama lora bf16 b2 1024", _LLAMA, 2, 1024, "bfloat16", 16, tuned=False),
    StepShape("llama autocast all kept", _LLAMA, batch=2, autocast=True, checkpointing=False, tuned=False),
    StepShape("qwen3 b2", _QWEN3, batch=2, tuned=False),
    StepShape("qwen3 lora b4 512", _QWEN3, 4, 512, rank=16, tuned=False),
    StepShape("qwen2 b2", _QWEN2, batch=2, tuned=False),
    StepShape("qwen2 bf16 lora 1024", _QWEN2, 1, 1024, "bfloat16", 16, tuned=False),
)

PROBED = (
    StepShape("gemma2 b2", _GEMMA, batch=2, tuned=False),
    StepShape("gemma2 large vocabulary", _GEMMA | {"vocab_size": 32000}, tuned=False),
    StepShape("gemma2 lora b2 512", _GEMMA, 2, 512, rank=16, tuned=False),
    StepShape("phi3 b2 512", _PHI, batch=2, length=512, tuned=False),
    StepShape("phi3 bf16 lora b2 512 all kept", _PHI, 2, 512, "bfloat16", 16, checkpointing=False, tuned=False),
    StepShape("olmo2 b4 all kept", _OLMO, batch=4, checkpointing=False, tuned=False),
)
"""Of architectures whose weights are not counted by us but by the probe, from transformers' own modules."""
