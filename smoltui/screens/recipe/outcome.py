"""What a recipe comes to where it would run: steps, memory per device, and time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from smoltui.core.machine.duration import Duration, Hardware, duration
from smoltui.core.machine.fit import Fit, estimate
from smoltui.core.recipe import Summary, summarise
from smoltui.core.runs.place import Target
from smoltui.screens.recipe.surroundings import Surroundings, pairs_named

ACCELERATORS: Mapping[str, str] = {"a100": "A100", "h200": "H200", "l40s": "L40S", "l4": "L4"}
"""Beginning of a flavor's name → accelerator of which the speed is known."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A recipe in numbers; None for what is unknown."""

    summary: Summary
    fit: Fit | None
    """Memory on each device."""
    time: Duration | None


def outcome(values: Mapping[str, object], around: Surroundings, target: Target) -> Outcome:
    """With the devices that smoltui.toml names; pure, in about a millisecond."""
    local, settings = target is Target.LOCAL, around.settings
    accelerator, count = (around.memory_name, 1) if local else of_flavor(settings.jobs.flavor)
    devices = settings.local.processes if local else settings.jobs.processes or count
    strategy = settings.local.strategy if local else settings.jobs.strategy
    counted = around.rows if around.rows_of == pairs_named(values) else None
    summary = summarise(values, counted, devices)
    fit = estimate(values, around.shape, cuda=around.cuda or not local, devices=devices, strategy=strategy)
    hardware = Hardware(accelerator, accelerator, devices=devices) if accelerator else None
    return Outcome(summary, fit, duration(values, around.shape, summary, hardware))


def of_flavor(name: str) -> tuple[str | None, int]:
    """The accelerator of a flavor, if its speed is known, and how many there are: `l40sx8` has eight L40S."""
    found = re.fullmatch(r"(a100|h200|l40s|l4)(?:-large)?(?:x(\d+))?", name)
    return (None, 1) if found is None else (ACCELERATORS[found[1]], int(found[2] or 1))
