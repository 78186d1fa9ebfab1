"""What a recipe comes to where it would run: steps, memory per device, time and cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from smoltui.core.machine.duration import Duration, Hardware, duration
from smoltui.core.machine.fit import Fit, estimate
from smoltui.core.machine.hardware import accelerators_in
from smoltui.core.pairs.sizes import PairSizes
from smoltui.core.recipe import Summary, summarise
from smoltui.core.runs.cost import usd_span, worst_cost
from smoltui.core.runs.place import Target
from smoltui.core.slurm.submission import gpu_hours, processes_per_node
from smoltui.screens.recipe.surroundings import Surroundings, pairs_measured, pairs_named

ACCELERATORS: Mapping[str, str] = {"a100": "A100", "h200": "H200", "l40s": "L40S", "l4": "L4", "a10g": "A10G"}
"""Beginning of a flavor's name → accelerator of which the speed is known."""


@dataclass(frozen=True, slots=True)
class Where:
    """What a recipe would be trained on."""

    hardware: Hardware | None
    """None if its speed is unknown."""
    devices: int
    """Training processes."""
    strategy: str
    cuda: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """A recipe in numbers; None for what is unknown."""

    summary: Summary
    fit: Fit | None
    """Memory on each device."""
    time: Duration | None
    usd: tuple[float, float] | None = None
    """Expected cost of a Job, from and to; None where runs are free."""
    hours: tuple[float, float] | None = None
    """GPU hours on a cluster (core hours without a GPU); None elsewhere."""


def outcome(values: Mapping[str, object], around: Surroundings, target: Target) -> Outcome:
    """With the devices that smoltui.toml names; pure, in about a millisecond."""
    where = where_of(values, around, target)
    counted = around.rows if around.rows_of == pairs_named(values) else None
    sizes = sizes_for(values, around)
    summary = summarise(values, counted, where.devices)
    fit = estimate(
        values,
        around.shape,
        cuda=where.cuda,
        devices=where.devices,
        strategy=where.strategy,
        longest=sizes.padded_to if sizes is not None else None,
    )
    past = around.past.get(where.hardware.name, ()) if where.hardware is not None else ()
    time = duration(values, around.shape, summary, where.hardware, sizes=sizes, past=past)
    return Outcome(summary, fit, time, _usd(time, around, target), _hours(time, around, target))


def where_of(values: Mapping[str, object], around: Surroundings, target: Target) -> Where:
    """The devices of the place that is shown."""
    settings = around.settings
    if target is Target.JOB:
        accelerator, count = of_flavor(settings.jobs.flavor)
        return Where(_gpus(accelerator, count), settings.jobs.processes or count, settings.jobs.strategy, True)
    if around.on_cluster:
        slurm = settings.slurm
        devices = slurm.nodes * processes_per_node(slurm)
        return Where(_gpus(slurm.gpu_type or None, devices), devices, slurm.strategy, bool(slurm.gpus))
    devices, strategy = settings.local.processes, settings.local.strategy
    if around.accelerator and not values.get("use_cpu"):
        return Where(_gpus(around.accelerator, devices), devices, strategy, around.cuda)
    hardware = Hardware.processor(around.cores) if around.cores else None
    return Where(hardware, devices, strategy, around.cuda)


def of_flavor(name: str) -> tuple[str | None, int]:
    """The accelerator of a flavor, if its speed is known, and how many there are: `l40sx8` has eight L40S."""
    found = re.fullmatch(r"(a100|h200|l40s|l4|a10g)(?:-large|-small)?(?:x\d+)?", name)
    return (None, 1) if found is None else (ACCELERATORS[found[1]], accelerators_in(name))


def sizes_for(values: Mapping[str, object], around: Surroundings) -> PairSizes | None:
    """The sizes of the recipe's pairs, cut at its `max_length`; None if they were not measured."""
    if around.sizes is None or around.sizes_of != pairs_measured(values):
        return None
    limit = values.get("max_length", around.sizes.max_length)
    return replace(around.sizes, max_length=limit if isinstance(limit, int) else None)


def _gpus(accelerator: str | None, count: int) -> Hardware | None:
    return None if accelerator is None else Hardware.gpus(accelerator, count)


def _usd(time: Duration | None, around: Surroundings, target: Target) -> tuple[float, float] | None:
    flavor = around.flavors.get(around.settings.jobs.flavor) if target is Target.JOB else None
    if flavor is None or time is None:
        return None
    low, high = worst_cost(flavor, time.low), worst_cost(flavor, time.high)
    return None if low is None or high is None else (low, high)


def _hours(time: Duration | None, around: Surroundings, target: Target) -> tuple[float, float] | None:
    if time is None or target is Target.JOB or not around.on_cluster:
        return None
    return gpu_hours(around.settings.slurm, time.low), gpu_hours(around.settings.slurm, time.high)


def cost_in_words(found: Outcome) -> str:
    """The expected cost: `1.6 – 5.5 USD`, `2 – 7 GPU hours`; empty where a run is free, or the cost is unknown."""
    if found.usd is not None:
        return usd_span(*found.usd)
    if found.hours is not None:
        low, high = (f"{part:.2g}" for part in found.hours)
        return f"{low} – {high} GPU hours" if low != high else f"{low} GPU hours"
    return ""
