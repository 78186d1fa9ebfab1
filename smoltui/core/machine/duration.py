"""How long a run will take: from the work of its steps, and from what earlier runs on the same hardware took.

The work is counted in FLOP. Without an earlier run, the speed is assumed: a share of what an accelerator's data sheet
says, or a rate per core of a processor; the range covers what such devices reach. With earlier runs, their time divided
by what was expected of them corrects the next estimate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from smoltui.core.machine.model_shape import ModelShape
from smoltui.core.pairs.sizes import PairSizes
from smoltui.core.recipe import Summary, checkpointing, get, mixed_precision, weight_type
from smoltui.scripts.curve_remarks import percent

DENSE_BF16 = {"A100": 312e12, "H200": 989e12, "H100": 989e12, "L40S": 362e12, "L4": 121e12, "A10G": 70e12}
"""FLOP/s of one accelerator, bfloat16, dense: NVIDIA's data sheets. There is no estimate for others."""
UTILISATION = (0.3, 0.4, 0.5)
"""Shares of it that training achieves: the least, the usual, the most; assumed. Published runs of dense models of a few
billion weights reach 0.3 to 0.5 on one node."""
CORE = (8e9, 25e9, 60e9)
"""FLOP/s of one core of a processor in float32, the same three: between old cores and those with AVX-512; assumed."""
PER_BATCH = {True: (0.2, 0.05, 0.02), False: (0.4, 0.08, 0.04)}
"""Accelerator? → seconds that a batch takes at least, whatever the model: launching operations, data, metrics. The
processor's were measured with a model of a million weights: 0.06 s on an idle machine."""
SHORT = 300
"""Tokens of a short sequence, where pairs were not measured: padded hh-rlhf pairs are between this and max_length."""
REMEMBERED = 5
"""Earlier runs that count."""
ALIKE = 30
"""Factor between the work of two runs beyond which one says nothing of the other: what a run of a tiny model takes is
mostly launching operations, which is nothing to a large one."""
SPREAD = 1.25
"""An earlier run is expected to be repeated to within this factor."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a run is trained on, as far as its speed depends on it."""

    name: str
    """The same name, the same speed: earlier runs are found by it."""
    accelerator: str | None = None
    """Such as A100 or NVIDIA A100-SXM4-80GB; None for a processor."""
    cores: int = 0
    """Of the processor; 0 if unknown."""
    devices: int = 1

    @classmethod
    def gpus(cls, accelerator: str, count: int) -> Hardware:
        """So many accelerators of one kind."""
        return cls(f"{count} × {accelerator}" if count > 1 else accelerator, accelerator, devices=count)

    @classmethod
    def processor(cls, cores: int) -> Hardware:
        """The cores of one machine."""
        return cls(f"CPU, {cores} cores", cores=cores)

    @property
    def flops(self) -> tuple[float, float, float] | None:
        """FLOP/s of all devices: the least, the usual, the most; None if unknown."""
        if self.accelerator is not None:
            words = self.accelerator.upper().replace("-", " ").split()
            most = next((rate for name, rate in DENSE_BF16.items() if name in words), None)
            if most is None:
                return None
            low, usual, high = (most * share * self.devices for share in UTILISATION)
            return low, usual, high
        low, usual, high = (rate * self.cores for rate in CORE)
        return (low, usual, high) if self.cores else None


@dataclass(frozen=True, slots=True)
class Duration:
    """Seconds of training, excluding loading, evaluation and saving."""

    low: float
    high: float
    assumed: str
    """What it rests on, in words."""
    usual: float = 0.0
    """What the work and the usual speed come to, without the correction by earlier runs, which is made with it."""


class Past(NamedTuple):
    """What an earlier run took."""

    ratio: float
    """Its seconds ÷ `usual`."""
    usual: float
    """`Duration.usual` of its estimate, seconds."""


def duration(
    values: Mapping[str, Any],
    shape: ModelShape | None,
    summary: Summary,
    hardware: Hardware | None,
    *,
    sizes: PairSizes | None = None,
    past: Sequence[Past] = (),
) -> Duration | None:
    """How long the run takes; None if the model, the number of steps or the speed of the hardware is unknown.

    `sizes`: of the pairs, if they were measured. `past`: earlier runs on this hardware, the newest first; those with
    far more or less work (`ALIKE`) don't count.
    """
    if shape is None or hardware is None or hardware.flops is None or summary.steps is None:
        return None
    if hardware.accelerator is not None and mixed_precision(values) is None and _is_float32(values):
        return None  # float32 uses other units of the GPU
    lengths = _lengths(values, summary, sizes)
    if lengths is None:
        return None
    batches = summary.steps * _accumulation(values)
    (slow, usual, fast), (late, mean, early) = hardware.flops, PER_BATCH[hardware.accelerator is not None]
    sequences = 2 * summary.steps * summary.pairs_per_step
    short, long = (sequences * _work(values, shape, length) for length in lengths)
    expected = max((short + long) / 2 / usual, batches * mean)
    said = _in_words(lengths)
    alike = [run for run in past if run.usual / ALIKE <= expected <= run.usual * ALIKE]
    if ratios := [run.ratio for run in alike if run.ratio > 0][:REMEMBERED]:
        count = "the last run" if len(ratios) == 1 else f"the last {len(ratios)} runs"
        middle = expected * median(ratios)
        low = min(expected * min(ratios), middle / SPREAD)
        high = max(expected * max(ratios), middle * SPREAD)
        return Duration(low, high, f"as {count} on this hardware took; {said}", expected)
    return Duration(
        max(short / fast, batches * early),
        max(long / slow, batches * late),
        f"{_speed_in_words(hardware)}; {said}{_first_pass(values)}",
        expected,
    )


def _lengths(values: Mapping[str, Any], summary: Summary, sizes: PairSizes | None) -> tuple[float, float] | None:
    """Tokens of a padded sequence, from and to; None if unknown."""
    batch = get(values, "per_device_train_batch_size")
    if sizes is not None and isinstance(batch, int) and (padded := sizes.padded(batch)) is not None:
        return padded, padded
    limit = get(values, "max_length")
    return (min(SHORT, limit), limit) if isinstance(limit, int) else None


def _work(values: Mapping[str, Any], shape: ModelShape, length: float) -> float:
    """FLOP of training on one sequence.

    2 for each weight and token, times 5 for all weights with checkpointing and a reference (forward, again, backward
    twice, reference); one less without checkpointing, with a precomputed reference, and for an adapter.
    """
    spared = (not checkpointing(values), get(values, "precompute_ref_log_probs"), get(values, "use_peft"))
    passes = 5 - sum(map(bool, spared))
    attention = 1 + 0.03 * length / 1024
    body = passes * 2 * shape.linear_parameters * attention
    head = 4 * 2 * shape.vocabulary * shape.hidden / 2  # about half of the tokens are answers
    return length * (body + head)


def _accumulation(values: Mapping[str, Any]) -> int:
    steps = get(values, "gradient_accumulation_steps")
    return steps if isinstance(steps, int) and steps > 0 else 1


def _is_float32(values: Mapping[str, Any]) -> bool:
    return weight_type(values) not in ("bfloat16", "float16")


def _first_pass(values: Mapping[str, Any]) -> str:
    first = " and one pass of the reference" if get(values, "precompute_ref_log_probs") else ""
    return f"; excluding loading{first}"


def _speed_in_words(hardware: Hardware) -> str:
    if hardware.accelerator is not None and hardware.flops is not None:
        most = hardware.flops[0] / UTILISATION[0] / hardware.devices
        of = "" if hardware.devices == 1 else f" on each of {hardware.devices}"
        return f"{percent(UTILISATION[0])} to {percent(UTILISATION[-1])} of {most / 1e12:.0f} TFLOP/s{of}"
    return f"{CORE[0] / 1e9:.0f} to {CORE[-1] / 1e9:.0f} GFLOP/s on each of {hardware.cores} cores"


def _in_words(lengths: tuple[float, float]) -> str:
    short, long = (round(length) for length in lengths)
    return f"pairs padded to {short} tokens" if short == long else f"pairs of {short} to {long} tokens"
