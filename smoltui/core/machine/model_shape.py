"""The shape of a decoder: what determines the memory and the time of its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


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
    widths: tuple[int, int, int] | None = None
    """Of all queries, all keys, and inside the MLP, if the names of the linear modules do not tell them."""
    in_layer: int | None = None
    """Weights of the largest layer; None for those of its linear modules and its norms."""
    norms: int = 2
    """Norms of the residual stream in a layer."""
    gated: bool = True
    """Whether the MLP multiplies two products of its input."""
    heads: int = 0
    """Of the queries."""
    eager: bool = False
    """Whether its attention holds a weight for each pair of tokens, because no fused kernel computes it."""

    @property
    def linear_parameters(self) -> int:
        """Weights that every token passes through, excluding embedding and head."""
        return self.layers * sum(inputs * outputs for inputs, outputs in self.linears.values())

    @property
    def layer_parameters(self) -> int:
        """Weights of one layer: linear modules and norms."""
        if self.in_layer is not None:
            return self.in_layer
        return self.linear_parameters // self.layers + self.norms * self.hidden

    @property
    def attention(self) -> int:
        """Width of all queries."""
        return self.widths[0] if self.widths else self.linears["q_proj"][1]

    @property
    def keys(self) -> int:
        """Width of all keys."""
        return self.widths[1] if self.widths else self.linears["k_proj"][1]

    @property
    def wide(self) -> int:
        """Width inside the MLP."""
        return self.widths[2] if self.widths else self.linears["gate_proj"][1]


COUNTED = ("smollm3", "llama", "mistral", "qwen2", "qwen3")
"""Values of model_type whose parameters can be counted."""


def shape_of(config: Mapping[str, Any]) -> ModelShape | None:
    """The shape described by a decoded config.json; None for other architectures.

    Counts as transformers 5.23 builds them: q, k, v, o and a gated MLP, two norms per layer and a final one, no biases
    except Qwen2's for q, k and v, and Qwen3's norms of queries and keys.
    """
    if config.get("model_type") not in COUNTED or config.get("attention_bias") or config.get("mlp_bias"):
        return None
    try:
        hidden, layers, wide = (int(config[key]) for key in ("hidden_size", "num_hidden_layers", "intermediate_size"))
        vocabulary, heads = int(config["vocab_size"]), int(config["num_attention_heads"])
        groups = int(config.get("num_key_value_heads") or heads)
        size = int(config.get("head_dim") or (128 if config["model_type"] == "qwen3" else hidden // heads))
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
    kind = str(config["model_type"])
    layer = sum(inputs * outputs for inputs, outputs in linears.values()) + 2 * hidden
    layer += (heads + 2 * groups) * size if kind == "qwen2" else 2 * size if kind == "qwen3" else 0
    saved = str(config.get("dtype") or config.get("torch_dtype") or "float32")
    return ModelShape(
        parameters=tables * vocabulary * hidden + layers * layer + hidden,
        layers=layers,
        hidden=hidden,
        vocabulary=vocabulary,
        linears=MappingProxyType(linears),
        kind=kind,
        dtype=saved,
        heads=heads,
    )


def probed_shape(found: Mapping[str, Any]) -> ModelShape:
    """The shape that `scripts/probe.py` found of a model of any other architecture.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    numbers = {name: int(found[name]) for name in ("parameters", "layers", "hidden", "vocabulary", "in_layer", "norms")}
    queries, keys, wide = (int(width) for width in found["widths"])
    linears = {str(name): (int(sizes[0]), int(sizes[1])) for name, sizes in found["linears"].items()}
    if min(*numbers.values(), queries, keys, wide) < 0 or not numbers["layers"] or not linears:
        raise ValueError("not the shape of a decoder")
    return ModelShape(
        parameters=numbers["parameters"],
        layers=numbers["layers"],
        hidden=numbers["hidden"],
        vocabulary=numbers["vocabulary"],
        linears=MappingProxyType(linears),
        kind=str(found["kind"]),
        dtype=str(found["dtype"]),
        widths=(queries, keys, wide),
        in_layer=numbers["in_layer"],
        norms=numbers["norms"],
        gated=bool(found["gated"]),
        heads=int(found["heads"]),
        eager=bool(found["eager"]),
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

_SMOLLM2 = {"model_type": "llama", "vocab_size": 49152, "tie_word_embeddings": True, "dtype": "bfloat16"}
_SIZES = {
    "135M": (576, 30, 1536, 9, 3),
    "360M": (960, 32, 2560, 15, 5),
    "1.7B": (2048, 24, 8192, 32, 32),
}
"""SmolLM2 → hidden size, layers, intermediate size, heads, key-value heads, as in the config.json of each: 134,515,008,
361,821,120 and 1,711,376,384 parameters."""
_NAMES = ("hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads", "num_key_value_heads")

_CONFIGS = {
    "HuggingFaceTB/SmolLM3-3B": _SMOLLM3_3B,
    "HuggingFaceTB/SmolLM3-3B-Base": _SMOLLM3_3B,
    **{
        f"HuggingFaceTB/SmolLM2-{size}{kind}": {**_SMOLLM2, **dict(zip(_NAMES, sizes, strict=True))}
        for size, sizes in _SIZES.items()
        for kind in ("-Instruct", "")
    },
}
KNOWN: Mapping[str, ModelShape] = {
    name: shape for name, config in _CONFIGS.items() if (shape := shape_of(config)) is not None
}
"""Models whose shape is known without asking the Hub."""
