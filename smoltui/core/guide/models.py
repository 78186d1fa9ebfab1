"""Models that a new project offers, and the ways to train them: what fits on this machine, and what it costs elsewhere.

Memory is the estimate of `core/machine/fit.py`; prices are those of the engine's own list. What is unknown is None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from smoltui.core.machine.device import GIB, DeviceReport
from smoltui.core.machine.fit import Fit, estimate
from smoltui.core.machine.hardware import device_bytes
from smoltui.core.machine.model_shape import KNOWN, ModelShape
from smoltui.core.runs.cost import Flavor, rate
from smoltui.core.runs.place import Place


@dataclass(frozen=True, slots=True)
class Model:
    """A model that is offered."""

    name: str
    """Hub id, or `DEMO_MODEL`."""
    title: str
    shape: ModelShape | None
    """None for a model whose configuration is not known here."""
    license: str
    """Identifier of the Hub; `unknown` if it is not known here."""
    words: str
    """What it is good for, one phrase."""

    @property
    def size(self) -> str:
        """`135 M`; `size unknown`."""
        if self.shape is None:
            return "size unknown"
        count = self.shape.parameters
        return f"{count / 1e9:.1f} B" if count >= 1e9 else f"{count / 1e6:.0f} M"


UNKNOWN = "unknown"
"""License of any other model on the Hub: its card says it, which is not asked for before the model is chosen."""
APACHE = "apache-2.0"
"""Of the shipped models, as their pages on the Hub say, and of the demo's model, which is part of smoltui."""
DEMO_MODEL = "demo"
"""Stands for the model of the demo, which is copied into the project."""

DEMO_SHAPE = ModelShape(
    parameters=984_192,
    layers=4,
    hidden=128,
    vocabulary=1536,
    linears={
        "q_proj": (128, 128),
        "k_proj": (128, 64),
        "v_proj": (128, 64),
        "o_proj": (128, 128),
        "gate_proj": (128, 384),
        "up_proj": (128, 384),
        "down_proj": (384, 128),
    },
    kind="smollm3",
    heads=4,
)
"""As `shape_of` counts the config.json of the demo's model; a test compares them."""
DEMO_LENGTH = 512
"""Its longest sequence, tokens."""

_HUB = (
    ("SmolLM2-135M-Instruct", "smallest; trains on a laptop"),
    ("SmolLM2-360M-Instruct", "small; slow on a processor"),
    ("SmolLM2-1.7B-Instruct", "for a GPU"),
    ("SmolLM3-3B", "the model of the course; for a large GPU, or LoRA"),
)
SHIPPED: tuple[Model, ...] = (
    *(Model(f"HuggingFaceTB/{title}", title, KNOWN[f"HuggingFaceTB/{title}"], APACHE, words) for title, words in _HUB),
    Model(DEMO_MODEL, "demo model", DEMO_SHAPE, APACHE, "ships with smoltui; only to try the steps"),
)


class Method(StrEnum):
    """What is trained."""

    FULL = "full"
    LORA = "lora"
    QLORA = "qlora"


METHOD_WORDS = {
    Method.FULL: ("all weights", "learns most; needs the most memory"),
    Method.LORA: ("LoRA", "a small adapter; a fraction of the memory"),
    Method.QLORA: ("QLoRA", "an adapter on 4-bit weights; least memory, NVIDIA only"),
}
"""Method → its name, and what it means."""

LARGE = 700_000_000
"""Parameters from which an adapter is suggested even where all weights fit (it is faster, and its file is small), one
pair at once, and checkpointing of activations."""
LENGTH = 1024
"""Length that memory is estimated for, TRL's default for `max_length`."""


def is_large(shape: ModelShape | None) -> bool:
    """Whether a model counts as large; an unknown one does."""
    return shape is None or shape.parameters >= LARGE


def at_once(shape: ModelShape | None) -> int:
    """Pairs in one batch."""
    return 1 if is_large(shape) else 2


def method_values(method: Method, *, processor: bool) -> dict[str, Any]:
    """The recipe's values that make a method; `processor`: it trains without an accelerator."""
    if method is Method.FULL:
        return {"dtype": "float32"}
    adapter = {"use_peft": True, "lora_r": 16, "lora_alpha": 32, "lora_target_modules": "all-linear"}
    if method is Method.QLORA:
        return {"dtype": "bfloat16", **adapter, "load_in_4bit": True}
    return {"dtype": "float32" if processor else "bfloat16", **adapter}


def needed(shape: ModelShape | None, method: Method, *, processor: bool) -> Fit | None:
    """Memory of a training with the proposed recipe; None if the model's shape is unknown."""
    wanted = {
        "per_device_train_batch_size": at_once(shape),
        "max_length": LENGTH,
        "activation_checkpointing": is_large(shape),
        **method_values(method, processor=processor),
    }
    if method is not Method.FULL:
        wanted["lora_target_modules"] = ["all-linear"]
    if processor:
        wanted["bf16"] = False
    return estimate(wanted, shape, cuda=not processor)


@dataclass(frozen=True, slots=True)
class Way:
    """A method at a place: one line to choose from."""

    method: Method
    place: Place
    verdict: str
    """As `Fit.verdict`: fits, tight, no or unknown."""
    needs: int | None
    """Bytes; None if unknown."""
    has: int | None
    """Bytes of memory there; None if unknown."""
    flavor: Flavor | None = None
    """Hardware that is paid for; None where nothing is, or its list is not known."""

    @property
    def words(self) -> str:
        """`3.1 of 22 GiB: fits`, with the price where it costs money."""
        if self.needs is None:
            memory = "memory unknown for this model"
        elif self.has is None:
            memory = f"needs {self.needs / GIB:.1f} GiB"
        else:
            said = {"fits": "fits", "tight": "may not fit", "no": "does not fit"}[self.verdict]
            memory = f"{self.needs / GIB:.1f} of {self.has / GIB:.0f} GiB: {said}"
        if not self.place.pays:
            return memory
        paid = f"{self.flavor.name}, {rate(self.flavor)}" if self.flavor is not None else "prices unknown"
        return f"{memory} · {paid}"


def memory_of(report: DeviceReport | None) -> tuple[int | None, bool]:
    """Bytes that a training can use on this machine (None: unknown), and whether it would use the processor."""
    if report is None:
        return None, True
    if not report.accelerators:
        return report.ram_available, True
    best = max(report.accelerators, key=lambda one: one.free or one.total or 0)
    return best.free if best.free is not None else best.total, False


def ways(
    shape: ModelShape | None,
    report: DeviceReport | None,
    places: Sequence[Place],
    flavors: Mapping[str, Sequence[Flavor]],
) -> list[Way]:
    """Every method at every place; of paid hardware, the cheapest that the method fits on.

    `flavors`: engine → its hardware, as far as known.
    """
    found = []
    for place in places:
        for method in Method:
            if place.here:
                way = _here(shape, method, place, report)
            elif place.pays:
                way = _paid(shape, method, place, flavors.get(place.name, ()))
            else:
                fit = needed(shape, method, processor=False)
                way = Way(method, place, "unknown", fit.needed if fit is not None else None, None)
            if way is not None:
                found.append(way)
    return found


def _here(shape: ModelShape | None, method: Method, place: Place, report: DeviceReport | None) -> Way | None:
    memory, processor = memory_of(report)
    if method is Method.QLORA and not (report is not None and any(one.kind == "cuda" for one in report.accelerators)):
        return None  # bitsandbytes needs an NVIDIA GPU
    fit = needed(shape, method, processor=processor)
    return Way(method, place, "unknown" if fit is None else fit.verdict(memory), fit.needed if fit else None, memory)


def _paid(shape: ModelShape | None, method: Method, place: Place, flavors: Sequence[Flavor]) -> Way:
    fit = needed(shape, method, processor=False)
    if fit is None:
        return Way(method, place, "unknown", None, None)
    able = [one for one in flavors if one.count == 1 and one.has_bf16]  # the first recipe computes in bfloat16
    fitting = [one for one in able if fit.verdict(device_bytes(one)) == "fits"]
    priced = [one for one in fitting if one.usd_per_minute is not None]
    best = min(priced, key=lambda one: one.usd_per_minute or 0.0) if priced else None
    verdict = "fits" if best is not None else "no" if flavors else "unknown"
    return Way(method, place, verdict, fit.needed, device_bytes(best) if best is not None else None, best)


def suggested(found: Sequence[Way], shape: ModelShape | None) -> int:
    """Position of the way to start from: here if it fits, otherwise the cheapest place where it does."""

    def rank(way: Way) -> tuple[int, int, float]:
        small = [Method.FULL, Method.LORA, Method.QLORA]
        order = [Method.LORA, Method.QLORA, Method.FULL] if is_large(shape) else small
        fits = {"fits": 0, "tight": 2, "unknown": 3, "no": 4}[way.verdict] + (0 if way.place.here else 1)
        cost = way.flavor.usd_per_minute if way.flavor is not None else None
        return fits, order.index(way.method), cost or 0.0

    return min(range(len(found)), key=lambda at: rank(found[at])) if found else 0


def suggested_model(models: Sequence[Model], report: DeviceReport | None) -> int:
    """Position of the model to start from: the largest that fits an accelerator here, or the smallest real one."""
    memory, processor = memory_of(report)
    if processor:
        return 0
    fitting = [
        at
        for at, model in enumerate(models)
        if model.name != DEMO_MODEL
        and (fit := needed(model.shape, Method.LORA, processor=False)) is not None
        and fit.verdict(memory) == "fits"
    ]
    return max(fitting, default=0)
