"""Does it fit: an estimate of the memory that shows its parts.

Peak = W + R + G + O + K + A + H in the phase of a step that takes the most (`step_memory`), plus what the
device itself takes. The terms W, R, G and O were compared with real runs of a small SmolLM3 (within 5 %), the sums with
a simulation of the step, operation by operation; no GPU was measured. If anything is unknown, so is the result.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from smoltui.core.machine.model_shape import ModelShape
from smoltui.core.machine.step_memory import PHASES, Parts, Step, peak
from smoltui.core.recipe import checkpointing, get, mixed_precision, weight_type

GIB = 1 << 30

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


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
    """Bytes of one checkpoint on disk: trained weights and the optimizer's states."""
    phase: str = ""
    """What the step does when it takes the most, such as `the optimizer's step`."""

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
            "phase": self.phase,
        }


def estimate(
    values: Mapping[str, Any],
    shape: ModelShape | None,
    *,
    cuda: bool = True,
    devices: int = 1,
    strategy: str = "ddp",
    longest: int | None = None,
) -> Fit | None:
    """Memory for training with this recipe on each of `devices`; None if the model or a setting is unknown.

    `longest`: tokens of the longest sequence, if the pairs were measured; otherwise `max_length` is taken.

    `cuda` False means a processor: no mixed precision unless requested by the recipe, and a smaller context.
    """
    if (step := None if shape is None else step_of(values, shape, cuda=cuda, longest=longest)) is None:
        return None
    most = peak(replace(step, devices=devices, strategy=strategy))
    terms = _terms(step, most)
    total = sum(term.bytes for term in terms)
    context = int(1.5 * GIB + 0.05 * total) if cuda else int(0.5 * GIB)
    return Fit(
        terms=terms,
        context=context,
        trainable=step.trained,
        checkpoint=int(step.trained * (step.own + step.states)),
        phase=PHASES[most.phase],
    )


def step_of(
    values: Mapping[str, Any], shape: ModelShape, *, cuda: bool = True, longest: int | None = None
) -> Step | None:
    """What determines the memory of a step with this recipe; None if a setting is unknown."""
    weights = weight_type(values)
    width = BYTES.get(shape.dtype if weights == "auto" else weights)
    batch, length = get(values, "per_device_train_batch_size"), longest or get(values, "max_length")
    if width is None or not isinstance(batch, int) or not isinstance(length, int):
        return None
    adapter = bool(get(values, "use_peft"))
    trained = adapter_parameters(values, shape) if adapter else shape.parameters
    quantized = bool(get(values, "load_in_4bit") or get(values, "load_in_8bit"))
    own = 2 if quantized else 4 if adapter else width  # PEFT keeps an adapter in float32, except on a quantized base
    states = optimizer_bytes(str(get(values, "optim")), own)
    if trained is None or states is None:
        return None
    mixed = mixed_precision(values) is not None
    return Step(
        shape=shape,
        pairs=batch,
        length=length,
        weight=width,
        weights=_weights(values, shape, width),
        activation=2 if mixed or width == 2 else 4,
        mixed=mixed,
        adapter=adapter,
        trained=trained,
        own=own,
        states=states,
        reference=not get(values, "precompute_ref_log_probs"),
        checkpointing=checkpointing(values),
        offloading=cuda and bool(get(values, "activation_offloading")),
        accumulated=_more_than_one(get(values, "gradient_accumulation_steps")),
        quantized=quantized,
        dora=adapter and bool(get(values, "use_dora")),
        eager=shape.eager or get(values, "attn_implementation") == "eager",
        targets=(_targets(values, shape) or ()) if adapter else (),
        evaluated=_evaluated(values),
        cuda=cuda,
    )


def _more_than_one(value: object) -> bool:
    return isinstance(value, int) and value > 1


def _evaluated(values: Mapping[str, Any]) -> int:
    """Pairs of one batch of evaluation; 0 without an evaluation."""
    size = get(values, "per_device_eval_batch_size")
    return size if get(values, "eval_strategy") != "no" and isinstance(size, int) else 0


def _terms(step: Step, most: Parts) -> tuple[Term, ...]:
    """The parts of the phase that takes the most, as shown."""
    shape = step.shape
    stored = "one input per layer, and the work of one layer" if step.checkpointing else "all that each layer computes"
    activations = f"activations of {step.tokens:,} tokens: {stored}"
    kept = "Adam's two states" if step.states == 2 * step.own else "the optimizer's states"
    found = [
        Term("W", int(most.weights), f"the policy's weights, {_in(shape.parameters)} in {step.weight} bytes"),
        Term("R", int(most.reference), "the reference model" if most.reference else "no reference in memory"),
        Term("G", int(most.gradients), f"gradients of {_in(step.trained)} trained"),
        Term("O", int(most.optimizer), kept),
        Term("K", int(most.copies), "16-bit copies kept for mixed precision"),
        Term("A", int(most.activations), activations),
        Term("H", int(most.head), "head: tiles of logits and its gradient"),
    ]
    if most.transfer:
        found.append(Term("D", int(most.transfer), "buckets and whole layers of several devices"))
    return tuple(found)


STATES: Mapping[str, float] = MappingProxyType(
    {
        **dict.fromkeys(("adamw_torch", "adamw_torch_fused", "adamw_torch_xla", "adamw_torch_npu_fused"), 2),
        **dict.fromkeys(("paged_adamw_32bit", "stable_adamw", "schedule_free_adamw", "schedule_free_radam"), 2),
        **dict.fromkeys(("ademamix", "paged_ademamix_32bit", "grokadamw"), 3),
        **dict.fromkeys(("lion_32bit", "paged_lion_32bit", "adagrad", "rmsprop", "schedule_free_sgd"), 1),
        **dict.fromkeys(("rmsprop_bnb", "rmsprop_bnb_32bit"), 1),
        **dict.fromkeys(("sgd", "adafactor", "lomo", "adalomo"), 0),
    }
)
"""Optimizer → states of the size of a trained weight. Adafactor keeps rows and columns only; SGD has no momentum."""
SMALL_STATES: Mapping[str, float] = MappingProxyType(
    {
        **dict.fromkeys(("adamw_bnb_8bit", "adamw_8bit", "paged_adamw_8bit", "adamw_torch_8bit"), 2.04),
        **dict.fromkeys(("ademamix_8bit", "paged_ademamix_8bit"), 3.05),
        **dict.fromkeys(("lion_8bit", "paged_lion_8bit", "rmsprop_bnb_8bit"), 1.02),
        "adamw_torch_4bit": 1.07,
    }
)
"""Optimizer → bytes of its quantized states for each weight: one or half a byte, and a scale for each block of 256 or
128 (bitsandbytes, torchao)."""


def optimizer_bytes(name: str, own: int) -> float | None:
    """Bytes of the optimizer's states for each trained weight of `own` bytes; None if unknown (GaLore, Apollo, …)."""
    if name in SMALL_STATES:
        return SMALL_STATES[name]
    return STATES[name] * own if name in STATES else None


def _weights(values: Mapping[str, Any], shape: ModelShape, width: int) -> int:
    linear = shape.linear_parameters
    if get(values, "load_in_4bit"):
        return int(linear * 0.54 + (shape.parameters - linear) * 2)
    if get(values, "load_in_8bit"):
        return linear + (shape.parameters - linear) * 2
    return shape.parameters * width


def adapter_parameters(values: Mapping[str, Any], shape: ModelShape) -> int | None:
    """Trained parameters of a LoRA adapter; None if unknown.

    Rank × (inputs + outputs) of each adapted layer, with DoRA one number for each output, and the modules of
    `lora_modules_to_save`, which are trained as they are.
    """
    names, rank = _targets(values, shape), get(values, "lora_r")
    saved = get(values, "lora_modules_to_save") or []
    if names is None or not isinstance(rank, int) or not isinstance(saved, list):
        return None
    if not {"embed_tokens", "lm_head"}.issuperset(saved):
        return None
    dora = bool(get(values, "use_dora"))
    layer = sum(rank * sum(shape.linears[name]) + dora * shape.linears[name][1] for name in names)
    return shape.layers * layer + len(saved) * shape.vocabulary * shape.hidden


_ONE_OF = re.compile(r"\.\*\\?\.\(?(?P<names>\w+(?:\|\w+)*)\)?")
"""A pattern for modules of these names."""


def _targets(values: Mapping[str, Any], shape: ModelShape) -> tuple[str, ...] | None:
    """Linear modules that get an adapter; None if one is unknown."""
    targets = values.get("lora_target_modules")
    names = [targets] if isinstance(targets, str) else targets
    if not isinstance(names, list):
        return None
    if names == ["all-linear"]:
        return tuple(shape.linears)
    if len(names) == 1 and (one := _ONE_OF.fullmatch(str(names[0]))):
        names = one["names"].split("|")
    elif len(names) == 1:  # a pattern for whole names (`core/recipe/trainer_rules.py`)
        return None
    return None if any(name not in shape.linears for name in names) else tuple(names)


def _in(parameters: int) -> str:
    return f"{parameters / 1e9:.2f} B" if parameters >= 1e8 else f"{parameters / 1e6:.2f} M"
