"""Does it fit, and how long will it take: estimates that show their parts.

Memory: peak = W + R + G + O + K + A + H, plus what the device itself takes. The terms W, R, G and O were compared with
real runs of a small SmolLM3 (within 5 %), the sums with a simulation of SmolLM3-3B's training step, operation by
operation (within 10 %); no GPU was measured. If anything is unknown, so is the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from smoltui.core.recipe import Summary, checkpointing, get, mixed_precision, weight_type

GIB = 1 << 30

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The properties of a model that determine memory and time."""

    parameters: int
    layers: int
    hidden: int
    """Width of the residual stream."""
    vocabulary: int
    linears: Mapping[str, tuple[int, int]]
    """Per layer: name of each linear module → inputs and outputs, excluding the head."""
    kind: str = ""
    """model_type of its config.json."""
    dtype: str = "bfloat16"
    """Type of the saved weights, which `dtype: auto` loads."""

    @property
    def linear_parameters(self) -> int:
        """Weights that every token passes through, excluding embedding and head."""
        return self.layers * sum(inputs * outputs for inputs, outputs in self.linears.values())


COUNTED = ("smollm3", "llama", "mistral")
"""Values of model_type whose parameters can be counted."""


def shape_of(config: Mapping[str, Any]) -> ModelShape | None:
    """The shape described by a decoded config.json; None for other architectures.

    Counts as transformers 5.23 builds them: q, k, v, o and a gated MLP, no biases, two norms per layer and a final one.
    """
    if config.get("model_type") not in COUNTED or config.get("attention_bias") or config.get("mlp_bias"):
        return None
    try:
        hidden, layers, wide = (int(config[key]) for key in ("hidden_size", "num_hidden_layers", "intermediate_size"))
        vocabulary, heads = int(config["vocab_size"]), int(config["num_attention_heads"])
        groups = int(config.get("num_key_value_heads") or heads)
        size = int(config.get("head_dim") or hidden // heads)
    except (KeyError, TypeError, ValueError, ArithmeticError):  # json accepts Infinity as a number
        return None
    sizes = (hidden, layers, wide, vocabulary, heads, groups, size)
    if min(sizes) <= 0 or max(sizes) >= 2**31:
        return None
    linears = {
        "q_proj": (hidden, heads * size),
        "k_proj": (hidden, groups * size),
        "v_proj": (hidden, groups * size),
        "o_proj": (heads * size, hidden),
        "gate_proj": (hidden, wide),
        "up_proj": (hidden, wide),
        "down_proj": (wide, hidden),
    }
    tables = 1 if config.get("tie_word_embeddings", config["model_type"] == "smollm3") else 2
    layer = sum(inputs * outputs for inputs, outputs in linears.values()) + 2 * hidden
    saved = str(config.get("dtype") or config.get("torch_dtype") or "float32")
    return ModelShape(
        parameters=tables * vocabulary * hidden + layers * layer + hidden,
        layers=layers,
        hidden=hidden,
        vocabulary=vocabulary,
        linears=MappingProxyType(linears),
        kind=str(config["model_type"]),
        dtype=saved,
    )


_SMOLLM3_3B = {
    "model_type": "smollm3",
    "hidden_size": 2048,
    "num_hidden_layers": 36,
    "intermediate_size": 11008,
    "vocab_size": 128256,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "tie_word_embeddings": True,
    "dtype": "bfloat16",
}
"""transformers 5.23 `SmolLM3Config` (its defaults are the 3B model): 3,075,098,624 parameters."""

KNOWN: Mapping[str, ModelShape] = {
    name: shape
    for name in ("HuggingFaceTB/SmolLM3-3B", "HuggingFaceTB/SmolLM3-3B-Base")
    if (shape := shape_of(_SMOLLM3_3B)) is not None
}
"""Models whose shape is known without asking the Hub."""


@dataclass(frozen=True, slots=True)
class Term:
    """One part of the sum."""

    name: str
    bytes: int
    what: str
    """Its meaning, and how it was computed."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Peak memory of one device."""

    terms: tuple[Term, ...]
    context: int
    """Bytes for the device's own software, including 5 % for fragmentation; assumed, not measured."""
    trainable: int
    """Trained parameters."""
    checkpoint: int
    """Bytes of one checkpoint on disk: trained weights and the optimizer's two states."""

    @property
    def peak(self) -> int:
        """Bytes of all tensors."""
        return sum(term.bytes for term in self.terms)

    @property
    def needed(self) -> int:
        """Bytes that must be free on a device."""
        return self.peak + self.context

    def verdict(self, available: int | None) -> str:
        """fits, tight (only if the assumptions are favourable), no, or unknown if the memory is unknown."""
        if available is None:
            return "unknown"
        return "fits" if self.needed <= available else "tight" if self.peak <= available else "no"

    def as_json(self) -> dict[str, Any]:
        return {
            "terms": {term.name: term.bytes for term in self.terms},
            "context_bytes": self.context,
            "peak_bytes": self.peak,
            "needed_bytes": self.needed,
            "trainable": self.trainable,
            "checkpoint_bytes": self.checkpoint,
        }


def estimate(values: Mapping[str, Any], shape: ModelShape | None, *, cuda: bool = True) -> Fit | None:
    """Memory for training with this recipe on each device; None if the model or a setting is unknown.

    `cuda` False means a processor: no mixed precision unless requested by the recipe, and a smaller context.
    """
    sizes = None if shape is None else _sizes(values, shape)
    if sizes is None:
        return None
    terms = (*_states(values, sizes), _activations(values, sizes), _head(sizes))
    peak = sum(term.bytes for term in terms)
    context = int(1.5 * GIB + 0.05 * peak) if cuda else int(0.5 * GIB)
    return Fit(terms=terms, context=context, trainable=sizes.trainable, checkpoint=sizes.trainable * sizes.own * 3)


@dataclass(frozen=True, slots=True)
class _Sizes:
    """What the terms are computed from."""

    shape: ModelShape
    width: int
    """Bytes of one weight of the policy."""
    adapter: bool
    trainable: int
    own: int
    """Bytes of one trained weight."""
    tokens: int
    """Tokens of one batch: two answers for each pair, all of full length."""


def _sizes(values: Mapping[str, Any], shape: ModelShape) -> _Sizes | None:
    """The sizes of a training; None if one is unknown."""
    weights = weight_type(values)
    width = BYTES.get(shape.dtype if weights == "auto" else weights)
    batch, length = get(values, "per_device_train_batch_size"), get(values, "max_length")
    if width is None or not isinstance(batch, int) or not isinstance(length, int) or get(values, "load_in_8bit"):
        return None
    adapter = bool(get(values, "use_peft"))
    trainable = adapter_parameters(values, shape) if adapter else shape.parameters
    if trainable is None:
        return None
    own = 4 if adapter else width  # PEFT keeps an adapter in float32 on any base
    if adapter and get(values, "load_in_4bit"):
        own = 2  # TRL casts the adapter of a quantized base to bfloat16
    return _Sizes(shape, width, adapter, trainable, own, tokens=2 * batch * length)


def _states(values: Mapping[str, Any], sizes: _Sizes) -> tuple[Term, ...]:
    """W, R, G, O and K: what stays in memory from step to step."""
    shape, trainable, own = sizes.shape, sizes.trainable, sizes.own
    has_reference = not sizes.adapter and not get(values, "precompute_ref_log_probs")
    reference = shape.parameters * sizes.width if has_reference else 0
    has_copies = mixed_precision(values) is not None and own == 4
    width = f"{_in(shape.parameters)} in {sizes.width} bytes"
    return (
        Term("W", _weights(values, shape, sizes.width), f"the policy's weights, {width}"),
        Term("R", reference, "the reference model" if reference else "no reference in memory"),
        Term("G", trainable * own, f"gradients of {_in(trainable)} trained"),
        Term("O", trainable * own * 2, "Adam's two states"),
        Term("K", trainable * 2 if has_copies else 0, "bf16 copies kept for mixed precision"),
    )


def _activations(values: Mapping[str, Any], sizes: _Sizes) -> Term:
    shape, tokens = sizes.shape, sizes.tokens
    # Bytes stored per token and layer, per unit of width (TRL's training step, simulated).
    left = (97 if sizes.width == 4 else 72) * tokens * shape.hidden
    if checkpointing(values):
        stored = tokens * shape.layers * shape.hidden * sizes.width + left
        how = "one input per layer, and the work of one layer"
    else:
        stored, how = left * shape.layers, "everything that each layer computes"
    return Term("A", stored, f"activations of {tokens:,} tokens: {how}".replace(",", " "))


def _head(sizes: _Sizes) -> Term:
    shape, tokens = sizes.shape, sizes.tokens
    gradient = 0 if sizes.adapter else shape.vocabulary * shape.hidden * 4
    tiled = 4096 * 32768 * 2 + tokens * shape.hidden * 6 + gradient
    return Term("H", min(tiled, tokens * shape.vocabulary * 8), "head: tiles of logits and its gradient")


def _weights(values: Mapping[str, Any], shape: ModelShape, width: int) -> int:
    if get(values, "load_in_4bit"):
        linear = shape.linear_parameters
        return int(linear * 0.54 + (shape.parameters - linear) * 2)
    return shape.parameters * width


def adapter_parameters(values: Mapping[str, Any], shape: ModelShape) -> int | None:
    """Parameters of a LoRA adapter: rank × (inputs + outputs) of each adapted layer; None if unknown."""
    targets = values.get("lora_target_modules")
    names = [targets] if isinstance(targets, str) else targets
    rank = get(values, "lora_r")
    if not isinstance(names, list) or not isinstance(rank, int):
        return None
    if names == ["all-linear"]:
        names = list(shape.linears)
    if any(name not in shape.linears for name in names):
        return None
    return shape.layers * rank * sum(sum(shape.linears[name]) for name in names)


def _in(parameters: int) -> str:
    return f"{parameters / 1e9:.2f} B" if parameters >= 1e8 else f"{parameters / 1e6:.2f} M"


# Time

DENSE_BF16 = {"A100": 312e12, "H200": 989e12, "L40S": 362e12, "L4": 121e12}
"""FLOP/s of one accelerator, bfloat16, dense: NVIDIA's data sheets. There is no estimate for others."""

UTILISATION = 0.4
"""Share of it that training achieves; assumed."""

SHORT = 300
"""Tokens of a short sequence: padded hh-rlhf pairs are between this and max_length."""


@dataclass(frozen=True, slots=True)
class Duration:
    """Seconds of training, excluding loading, evaluation and saving: from short pairs to pairs of full length."""

    low: float
    high: float
    assumed: str
    """The assumptions in words."""


def duration(
    values: Mapping[str, Any], shape: ModelShape | None, summary: Summary, accelerator: str | None, devices: int = 1
) -> Duration | None:
    """Duration of the run on `devices` accelerators such as A100; None if any of it is unknown.

    2 FLOP per weight and token, times 5 for all weights with checkpointing and a reference (forward, again, backward
    twice, reference); one less without checkpointing, with a precomputed reference, and for an adapter.
    """
    speed = next((rate for name, rate in DENSE_BF16.items() if name in (accelerator or "").upper().split()), None)
    length = get(values, "max_length")
    if shape is None or speed is None or summary.steps is None or not isinstance(length, int):
        return None
    if mixed_precision(values) is None and weight_type(values) not in ("bfloat16", "float16"):
        return None  # float32 uses other units of the GPU
    spared = (not checkpointing(values), get(values, "precompute_ref_log_probs"), get(values, "use_peft"))
    passes = 5 - sum(map(bool, spared))
    sequences = 2 * summary.steps * summary.pairs_per_step

    def seconds(tokens: int) -> float:
        attention = 1 + 0.03 * tokens / 1024
        body = passes * 2 * shape.linear_parameters * attention
        head = 4 * 2 * shape.vocabulary * shape.hidden / 2  # about half of the tokens are answers
        return sequences * tokens * (body + head) / (speed * UTILISATION * devices)

    first = " and one pass of the reference" if get(values, "precompute_ref_log_probs") else ""
    return Duration(
        low=seconds(min(SHORT, length)),
        high=seconds(length),
        assumed=f"{UTILISATION:.0%} of {speed / 1e12:.0f} TFLOP/s, pairs of {min(SHORT, length)} to {length} tokens; "
        f"excluding loading{first}",
    )
