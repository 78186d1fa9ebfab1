"""How much memory models need to answer, told before they are loaded.

It is shipped with answer_models.py. The sum is of four terms, all in bytes:

    process     what this program takes already, with torch imported (0 on an accelerator, where it is not)
    weights     of the models that are not loaded, from the shapes of their configuration: parameters × bytes of the
                dtype they are loaded in; an adapter counts as large as its file
    cache       keys and values of one batch: 2 × layers × key-value heads × head size × tokens × bytes of the dtype
    working     logits of one batch in float32, as often as sampling copies them, activations of the longest prompt,
                and what loading takes for a moment

`tests/benchmarks/evaluate.py` compares it with what the program takes.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from answering import Asking
from model_loading import Shelf, base_of, best_device, check_config

COPIES = 8
"""Float32 arrays of a batch's logits that exist at once while sampling: scores, nucleus (sorted, with indexes of eight
bytes), noise and their sums."""
PROMPT_TOKENS = 1024
"""Length of a long prompt; there is no tokenizer yet when this is asked."""
RESERVE = 384 << 20
"""What importing the model's code, loading (a tensor at a time) and the allocator take beside it."""
BATCH_SHARE = 0.25
"""Largest part of the free memory that a batch may take; a larger batch is halved."""


@dataclass(frozen=True)
class Needs:
    """What models need, bytes."""

    weights: dict[str, float]
    """Of each by name; 0 for one that is loaded already or shares the weights of an earlier one."""
    needed: float
    """Of all at once, with what generating takes."""
    least: float
    """Of the largest of them alone."""
    free: float
    together: bool
    """Whether all fit at once."""
    batch_size: int
    """Prompts answered at once, so that a batch fits."""

    def limited(self, asking: Asking) -> Asking:
        """The same asking with batches that fit."""
        return replace(asking, batch_size=self.batch_size)


def needs_of(
    models: Sequence[Mapping[str, Any]], shelf: Shelf, asking: Asking, looking_at: Callable[[str], None]
) -> Needs:
    """What these models need beside what is loaded. Reads their configurations, which may download them.

    `looking_at` gets the path of each before it is read.

    Raises:
        WrongInputError: the configuration in a model's folder is missing or damaged.
    """
    from transformers import AutoConfig

    device, dtype = best_device()
    weights: dict[str, float] = {}
    seen: dict[tuple[str, str | None], float] = {}
    configs: list[Any] = []
    for spec in models:
        base, size = base_of(spec), 0.0
        if base not in seen:
            looking_at(base[0])
            check_config(base[0])
            config = AutoConfig.from_pretrained(base[0], revision=base[1])
            configs.append(config.get_text_config())
            seen[base] = 0.0 if shelf.holds_base(spec) else _parameter_bytes(config, dtype.itemsize)
            size = seen[base]
        if spec.get("adapter") and not shelf.holds(spec):
            size += _adapter_bytes(str(spec["adapter"]))
        weights[str(spec.get("name", ""))] = size
    free = _free(device) + _process(device)
    batch = max(1, asking.batch_size)
    while batch > 1 and max(_batch_bytes(one, batch, asking, dtype.itemsize) for one in configs) > BATCH_SHARE * free:
        batch //= 2
    working = max(_batch_bytes(one, batch, asking, dtype.itemsize) for one in configs) + RESERVE + _process(device)
    needed = sum(weights.values()) + working
    least = max(weights.values()) + working
    return Needs(weights, needed, least, free, needed <= free, batch)


def _parameter_bytes(config: Any, itemsize: int) -> float:
    """Bytes of a model's parameters, without making any: its modules are built on the meta device."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    return float(sum(tensor.numel() for tensor in model.parameters()) * itemsize)


def _adapter_bytes(folder: str) -> float:
    """Bytes of an adapter's weights, kept in float32; 0 if they are not on this disk."""
    sizes = 0
    for pattern in ("adapter_model*.safetensors", "adapter_model*.bin"):
        for path in Path(folder).glob(pattern):
            with suppress(OSError):
                sizes += path.stat().st_size
    return float(2 * sizes)


def _batch_bytes(config: Any, batch: int, asking: Asking, itemsize: int) -> float:
    """Bytes that answering one batch takes beside the weights."""
    heads = getattr(config, "num_attention_heads", None) or 1
    hidden = getattr(config, "hidden_size", None) or 1
    layers = getattr(config, "num_hidden_layers", None) or 1
    shared = getattr(config, "num_key_value_heads", None) or heads
    size = getattr(config, "head_dim", None) or hidden // heads
    inner = getattr(config, "intermediate_size", None) or 4 * hidden
    context = getattr(config, "max_position_embeddings", None) or PROMPT_TOKENS
    prompt = min(PROMPT_TOKENS, context)
    cache = 2 * layers * shared * size * (prompt + asking.max_new_tokens) * itemsize
    logits = (getattr(config, "vocab_size", None) or 1) * 4 * COPIES
    activations = prompt * (4 * hidden + 3 * inner) * itemsize
    return float(batch * (cache + logits + activations))


def _process(device: Any) -> float:
    """Bytes that this program takes in main memory; 0 where models are elsewhere."""
    if device.type != "cpu":
        return 0.0
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return float(line.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most if sys.platform == "darwin" else most * 1024)


def _free(device: Any) -> float:
    """Bytes available on the device. On a CPU, a container's limit counts if it is smaller than the machine's."""
    import psutil
    import torch

    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    available = float(psutil.virtual_memory().available)
    with suppress(OSError, ValueError):  # no cgroup v2, or "max": no limit
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        available = min(available, max(0, limit - int(Path("/sys/fs/cgroup/memory.current").read_text())))
    return available
