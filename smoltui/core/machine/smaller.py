"""The smallest changes to a recipe that make it fit into memory, each by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from smoltui.core.machine.fit import Fit
from smoltui.core.recipe import checkpointing, get, weight_type

MOST = 4
"""Changes that are named."""
SHORTEST = 128
"""The least max_length that is proposed, tokens."""
ROUND = 64
"""A proposed max_length is a multiple of this."""

Estimating = Callable[[Mapping[str, Any]], Fit | None]
"""The memory of a recipe with other values."""


@dataclass(frozen=True, slots=True)
class Change:
    """Keys of the recipe to write together."""

    values: Mapping[str, Any]
    costs: str
    """What else it changes, as the end of a sentence."""
    needed: int
    """Bytes that must be free then."""


def smaller(values: Mapping[str, Any], estimating: Estimating, available: int, *, cuda: bool) -> list[Change]:
    """Changes after which the recipe fits into `available` bytes, the one that changes the least first.

    Empty if no single one is enough.
    """
    found: list[Change] = []
    for wanted, costs in _candidates(values, cuda=cuda):
        fit = estimating({**values, **wanted})
        if fit is not None and fit.needed <= available and all(change.costs != costs for change in found):
            found.append(Change(wanted, costs, fit.needed))
    return found[:MOST]


def _candidates(values: Mapping[str, Any], *, cuda: bool) -> Iterator[tuple[dict[str, Any], str]]:
    """Changes in the order of how much they change, with what they cost; of several sizes, the largest first."""
    adapter = bool(get(values, "use_peft"))
    if get(values, "eval_strategy") != "no":
        for size in _halves(get(values, "per_device_eval_batch_size")):
            yield {"per_device_eval_batch_size": size}, "evaluates in smaller batches"
    batch, steps = get(values, "per_device_train_batch_size"), get(values, "gradient_accumulation_steps")
    if isinstance(steps, int):
        for size in _halves(batch):
            changed = {"per_device_train_batch_size": size, "gradient_accumulation_steps": steps * batch // size}
            yield changed, "the same pairs per step"
    if not checkpointing(values):
        yield {"activation_checkpointing": True}, "about a quarter more time"
    if not adapter and not get(values, "precompute_ref_log_probs") and not get(values, "sync_ref_model"):
        yield {"precompute_ref_log_probs": True}, "the reference is computed once, before training"
    if adapter and weight_type(values) == "float32" and not isinstance(values.get("model_init_kwargs"), Mapping):
        yield {"dtype": "bfloat16"}, "the frozen weights are rounded"
    length = get(values, "max_length")
    if isinstance(length, int):
        for share in (3 / 4, 1 / 2, 1 / 4):
            if (shorter := int(length * share) // ROUND * ROUND) >= SHORTEST:
                yield {"max_length": shorter}, "cuts longer pairs"
    if cuda and not adapter and str(get(values, "optim")).startswith("adamw_torch"):
        yield {"optim": "adamw_bnb_8bit"}, "the optimizer's states are rounded; needs bitsandbytes"
    if not adapter:
        small = {"use_peft": True, "lora_target_modules": "all-linear", "dtype": "bfloat16"}
        yield small, "trains an adapter; raise the learning rate"
    elif cuda and not get(values, "load_in_4bit") and not get(values, "load_in_8bit"):
        yield {"load_in_4bit": True}, "the frozen weights are quantized; needs bitsandbytes"


def _halves(size: object) -> Iterator[int]:
    """Divisors of a batch by powers of two, the largest first."""
    if isinstance(size, int) and size < 1 << 20:
        while size > 1 and size % 2 == 0:
            size //= 2
            yield size
        if size > 1:
            yield 1
