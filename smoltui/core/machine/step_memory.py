"""The memory of one training step: the most of its phases, each a sum that can be read.

A step has a forward pass, one of the reference, a backward pass through the head, the last and the first layer, and the
optimizer's update. What is alive in each was derived from the operations of transformers 5.23 and TRL 1.16, and
compared with a simulation of the step, operation by operation (`tests/benchmarks/step_memory.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from smoltui.core.machine.model_shape import ModelShape

HEAD_ROWS, HEAD_COLUMNS = 4096, 32768
"""Tokens and words of a tile of logits: TRL's head never holds logits of all words for all tokens
(`trl/trainer/utils.py`, `_CHUNKED_LOGPROB_CHUNK_SIZE`)."""
HEAD_TILES: Mapping[int, tuple[float, float]] = MappingProxyType({4: (4.25, 8.2), 2: (3.6, 7.8)})
"""Bytes of an activation → tiles in float32 that the head holds at once without CUDA, forward and backward."""
EAGER_WEIGHTS = 2
"""Attention weights that a layer keeps for its backward pass without a fused kernel: before and after the softmax."""
DDP_BUCKETS = 1.0
"""DistributedDataParallel copies gradients into buckets: once more the size of all gradients
(`gradient_as_bucket_view` is off)."""
FSDP_LAYERS = 2
"""Layers whose whole weights are on the device at once: the current one, and the next one, which is fetched early."""
ZERO3_LIVE = 1e9
"""Weights that DeepSpeed ZeRO-3 keeps whole at most (`stage3_max_live_parameters`)."""
REDUCE_BUCKET = 5e8
"""Elements of DeepSpeed's bucket for gradients (`reduce_bucket_size`)."""

PHASES: Mapping[str, str] = MappingProxyType(
    {
        "forward": "the forward pass",
        "reference": "the forward pass of the reference",
        "head": "the backward pass through the head",
        "last layer": "the backward pass through the last layer",
        "first layer": "the backward pass through the first layer",
        "optimizer": "the optimizer's step",
        "evaluation": "the evaluation",
    }
)
"""Phase → its name in a sentence."""


@dataclass(frozen=True, slots=True)
class Step:
    """What determines the memory of a step on one device. Sizes are bytes unless said otherwise."""

    shape: ModelShape
    pairs: int
    """Pairs of one batch."""
    length: int
    """Tokens of each sequence."""
    weight: int
    """Of one weight of the policy: 4 or 2."""
    weights: int
    """Of all weights of the policy without adapter: fewer when quantized."""
    activation: int
    """Of one activation: 2 with mixed precision or 16-bit weights, otherwise 4."""
    mixed: bool
    """Whether mixed precision keeps 16-bit copies of trained weights."""
    adapter: bool
    trained: int
    """Number of trained weights."""
    own: int
    """Of one trained weight."""
    states: float
    """Of the optimizer for one trained weight."""
    reference: bool
    """Whether the step computes the reference."""
    checkpointing: bool
    offloading: bool = False
    """Whether stored activations go to the main memory."""
    accumulated: bool = False
    """Whether gradients of earlier batches are kept during a step."""
    quantized: bool = False
    dora: bool = False
    eager: bool = False
    """Whether attention holds a weight for each pair of tokens."""
    targets: tuple[str, ...] = ()
    """Linear modules with an adapter; empty for all."""
    evaluated: int = 0
    """Pairs of one batch of evaluation; 0 without one."""
    cuda: bool = True
    strategy: str = "ddp"
    """A key of `core.runs.accelerate.STRATEGIES`, or zero2."""
    devices: int = 1

    @property
    def tokens(self) -> int:
        """Tokens of a batch: two answers for each pair, all of full length."""
        return 2 * self.pairs * self.length


@dataclass(frozen=True, slots=True)
class Parts:
    """The memory of one phase, bytes."""

    phase: str
    weights: float
    reference: float
    gradients: float
    optimizer: float
    copies: float
    activations: float
    head: float
    transfer: float = 0.0
    """Buckets and whole layers of several devices."""

    @property
    def total(self) -> float:
        return (
            self.weights
            + self.reference
            + self.gradients
            + self.optimizer
            + self.copies
            + self.activations
            + self.head
            + self.transfer
        )


def peak(step: Step) -> Parts:
    """The phase that takes the most."""
    return max(phases(step), key=lambda parts: parts.total)


def phases(step: Step) -> list[Parts]:
    """All phases of a step, in order."""
    if step.devices > 1:
        return [_on_devices(step, parts) for parts in _phases(step)]
    return _phases(step)


@dataclass(frozen=True, slots=True)
class _Layer:
    """The activations of one layer, bytes."""

    saved: float
    """What it keeps for its backward pass."""
    mask: float
    """The mask of its attention, expanded."""
    stream: float
    """Its input."""
    work: float
    """What its backward pass holds besides."""
    forward: float
    """What a forward pass without gradients holds."""


def _layer(step: Step) -> _Layer:
    tokens, size, shape = step.tokens, step.activation, step.shape
    work = tokens * size * 2 * (shape.wide + shape.hidden)
    if step.adapter and size == 2:
        work += tokens * 4 * (shape.wide + shape.hidden)
    largest = max((inputs * outputs for inputs, outputs in shape.linears.values()), default=0)
    if step.quantized:
        work += largest * 2  # one linear module is unpacked at a time
    if step.dora:
        work += largest * step.own * 3  # the weight with the adapter, for its norm
    weights = EAGER_WEIGHTS * tokens * step.length * shape.heads * size if step.eager else 0
    return _Layer(
        saved=tokens * _saved(step) + weights,
        mask=tokens * step.length * size,
        stream=tokens * shape.hidden * (4 if step.weight == 4 else 2),
        work=work,
        forward=tokens * size * 3 * (shape.wide + shape.hidden) + weights,
    )


def _saved(step: Step) -> int:
    """Bytes that a layer keeps of a token for its backward pass."""
    size, shape = step.activation, step.shape
    hidden, wide = shape.hidden, shape.wide
    # Queries, keys and values, the attention's output and a rotation; gate, up and silu.
    saved = size * (hidden + 2 * shape.attention + 2 * shape.keys + (3 if shape.gated else 2) * wide)
    # Of each norm its input, and if it is trained the normalized input.
    saved += (1 if step.adapter else 2) * shape.norms * hidden * (2 if size == 2 and not step.mixed else 4)
    if size == 2:  # norms compute in float32
        saved += shape.norms * (4 if step.mixed and step.weight == 2 else 2) * hidden
    inputs = {name: shape.linears[name][0] for name in (step.targets or shape.linears)}
    ends: tuple[str, ...] = ("o_proj", "down_proj")
    if shape.widths is not None:  # other names: a module that leads back to the residual stream, or from the MLP
        ends = tuple(name for name, sizes in shape.linears.items() if sizes[1] == hidden)
    if size == 2 and not step.mixed and step.own == 4:
        saved += 4 * sum(inputs.values())  # each adapted module casts its input to the adapter's float32
    elif size == 2 and step.weight == 4:
        saved += 2 * sum(width for name, width in inputs.items() if name not in ends)
        saved += 2 * wide * any(name in ends and width == wide for name, width in inputs.items())
    elif shape.widths is not None:
        saved += size * hidden * min(2, sum(width == hidden and name not in ends for name, width in inputs.items()))
        saved += size * wide * any(name in ends and width == wide for name, width in inputs.items())
    else:  # modules with the same input share it
        saved += size * hidden * any(name in inputs for name in ("q_proj", "k_proj", "v_proj"))
        saved += size * hidden * any(name in inputs for name in ("gate_proj", "up_proj"))
        saved += size * wide * ("down_proj" in inputs)
    if step.dora:
        saved += 8 * sum(shape.linears[name][1] for name in inputs)  # outputs of the base and of the adapter
    return saved


def _head(step: Step, *, backward: bool) -> float:
    tile = min(step.tokens, HEAD_ROWS) * min(step.shape.vocabulary, HEAD_COLUMNS)
    size = tile * step.activation if step.cuda else tile * 4 * HEAD_TILES[step.activation][backward]
    if not backward:
        return size
    gradient = 0 if step.adapter else step.shape.vocabulary * step.shape.hidden * 4
    return size + step.tokens * step.shape.hidden * 8 + gradient


def _copies(step: Step) -> float:
    """16-bit copies of trained weights, which mixed precision keeps during a forward pass."""
    return step.trained * 2 if step.mixed and step.own == 4 else 0


def _phases(step: Step) -> list[Parts]:
    layer, shape = _layer(step), step.shape
    gradients = step.trained * step.own
    per_layer = gradients / shape.layers if step.adapter else shape.layer_parameters * step.own
    earlier = gradients if step.accumulated else 0
    kept = shape.layers * (layer.stream if step.checkpointing else layer.saved + layer.mask)
    if step.offloading:
        kept = 2 * kept / shape.layers
    copies, again = _copies(step), layer.saved + layer.mask
    empty = Parts(
        phase="",
        weights=step.weights + (gradients if step.adapter else 0),
        reference=0 if step.adapter or not step.reference else step.weights,
        gradients=earlier,
        optimizer=step.trained * step.states,
        copies=0,
        activations=0,
        head=0,
    )
    held = 0 if step.checkpointing else copies
    first = layer.saved * 0.55 if step.checkpointing else 0
    table = 0 if step.adapter else shape.vocabulary * shape.hidden * step.own
    found = [
        replace(empty, phase="forward", copies=copies, activations=kept + first, head=_head(step, backward=False)),
        replace(empty, phase="head", copies=held, activations=kept, head=_head(step, backward=True)),
        replace(
            empty,
            phase="last layer",
            gradients=max(earlier, table),
            activations=kept + (again if step.checkpointing else 0) + layer.work,
        ),
        replace(
            empty,
            phase="first layer",
            gradients=earlier or gradients - per_layer,
            activations=again + layer.work,
        ),
        replace(empty, phase="optimizer", gradients=gradients),
    ]
    if step.reference:
        during = replace(empty, phase="reference", copies=held, activations=kept)
        found.insert(1, max(_forward(during, layer), _head_of(during, step), key=lambda parts: parts.total))
    if step.evaluated:
        batch = replace(step, pairs=step.evaluated)
        one = _layer(batch)
        ended = replace(empty, phase="evaluation", gradients=0, copies=copies)
        found.append(max(_forward(ended, one), _head_of(ended, batch), key=lambda parts: parts.total))
    return found


def _forward(parts: Parts, layer: _Layer) -> Parts:
    """In a layer of a forward pass without gradients."""
    return replace(parts, activations=parts.activations + layer.forward + 2 * layer.mask)


def _head_of(parts: Parts, step: Step) -> Parts:
    """In the head, after such a pass."""
    return replace(parts, head=_head(step, backward=False))


def _on_devices(step: Step, parts: Parts) -> Parts:
    """The part of one device of several."""
    gradients = step.trained * step.own
    if step.strategy == "ddp":
        return replace(parts, transfer=gradients * DDP_BUCKETS)
    whole: float = FSDP_LAYERS * step.shape.layer_parameters * step.weight
    bucket = 0.0
    if step.strategy == "zero2":
        bucket = min(REDUCE_BUCKET, step.trained) * step.own
        return replace(
            parts,
            gradients=parts.gradients / step.devices,
            optimizer=parts.optimizer / step.devices,
            transfer=bucket,
        )
    if step.strategy == "zero3":
        whole = min(ZERO3_LIVE, step.shape.parameters) * step.activation
        bucket = min(REDUCE_BUCKET, step.trained) * step.own
    table = step.shape.vocabulary * step.shape.hidden * step.weight
    return replace(
        parts,
        weights=parts.weights / step.devices,
        reference=parts.reference / step.devices,
        gradients=parts.gradients / step.devices,
        optimizer=parts.optimizer / step.devices,
        transfer=max(whole, table) + bucket,
    )
