"""Which flavors of Jobs a recipe fits on, and flavors in words."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from smoltui.core.machine.duration import Duration, Hardware, Past, duration
from smoltui.core.machine.fit import Fit, estimate
from smoltui.core.machine.model_shape import ModelShape
from smoltui.core.pairs.sizes import PairSizes
from smoltui.core.recipe import summarise
from smoltui.core.runs.cost import Flavor, price, usd

FLAVORS = (
    *("cpu-basic", "cpu-upgrade", "cpu-performance", "cpu-xl", "t4-small", "t4-medium", "l4x1", "l4x4"),
    *("l40sx1", "l40sx4", "l40sx8", "a10g-small", "a10g-large", "a10g-largex2", "a10g-largex4"),
    *("a100-large", "a100x4", "a100x8", "h200", "h200x2", "h200x4", "h200x8"),
    *("rtx-pro-6000", "rtx-pro-6000x2", "rtx-pro-6000x4", "rtx-pro-6000x8"),
)
"""Flavors to complete without asking the Hub: those of huggingface_hub (`JobHardware`). Prices come from the Hub."""

VERDICTS = {
    "fits": "fits",
    "tight": "may run out of memory",
    "slow": "too slow without a GPU",
    "no": "does not fit",
    "unknown": "unknown",
}
"""`Fit.verdict` in words."""
SMALL_PARAMETERS = 500_000_000
"""A larger model takes weeks for what a GPU does in hours (its forward and backward passes are 6 operations per
parameter and token), so a flavor without one does not fit, however much memory it has."""


@dataclass(frozen=True, slots=True)
class FlavorFit:
    """Whether a recipe can be trained on a flavor."""

    flavor: Flavor
    verdict: str
    """A key of `VERDICTS`; unknown if the memory or the need is unknown."""
    needed: int | None
    """Estimated free bytes needed on each device; None without an estimate for this model or setting."""
    available: int | None
    """Bytes of one device, or of the machine's memory without accelerators; None if not in the list."""
    took: Duration | None = None
    """How long the recipe would train there; None if unknown."""

    @property
    def cost(self) -> tuple[float, float] | None:
        """USD of the training, from and to; None if its time or the price is unknown."""
        if self.took is None or self.flavor.usd_per_minute is None:
            return None
        return self.took.low / 60 * self.flavor.usd_per_minute, self.took.high / 60 * self.flavor.usd_per_minute

    @property
    def in_words(self) -> str:
        return VERDICTS[self.verdict]


def device_bytes(flavor: Flavor) -> int | None:
    """Memory of one of its accelerators, or of the machine without one, bytes. None if unknown."""
    if not flavor.count:
        return flavor.ram_bytes
    return None if flavor.vram_bytes is None else flavor.vram_bytes // flavor.count


def fits(
    flavors: Iterable[Flavor],
    values: Mapping[str, Any],
    shape: ModelShape | None,
    rows: int | None = None,
    *,
    sizes: PairSizes | None = None,
    past: Callable[[str], Sequence[Past]] = lambda _: (),
) -> list[FlavorFit]:
    """Each flavor with its verdict and its time, in the given order; `values` of a recipe and `shape` of its model.

    `rows` and `sizes`: of the pairs that are trained on, if known. `past`: name of hardware → what earlier runs on it
    took (`core.machine.duration`). Each accelerator holds the whole model, TRL's default: more of them add speed, not
    memory. The same number of pairs is trained on more of them in fewer steps.
    """
    longest = sizes.padded_to if sizes is not None else None
    on_card, on_processor = (estimate(values, shape, cuda=cuda, longest=longest) for cuda in (True, False))
    found = []
    for flavor in flavors:
        fit, available = (on_card if flavor.count else on_processor), device_bytes(flavor)
        found.append(
            FlavorFit(
                flavor=flavor,
                verdict=_verdict(flavor, fit, available, shape),
                needed=None if fit is None else fit.needed,
                available=available,
                took=_took(flavor, values, shape, rows, sizes, past),
            )
        )
    return found


def _verdict(flavor: Flavor, fit: Fit | None, available: int | None, shape: ModelShape | None) -> str:
    if fit is None:
        return "unknown"
    found = fit.verdict(available)
    slow = not flavor.count and shape is not None and shape.parameters > SMALL_PARAMETERS
    return "slow" if slow and found != "no" else found


def alternatives(flavors: Sequence[Flavor], own: str, found: Sequence[FlavorFit] | None = None) -> list[Flavor]:
    """Flavors with accelerators that may replace the one named `own`, the cheapest first, and without it.

    `found`: whether the recipe fits, if that is known; otherwise each device must have as much memory as those of
    `own`, and there must be as many.
    """
    able = {fit.flavor.name for fit in found or () if fit.verdict == "fits"}
    mine = next((flavor for flavor in flavors if flavor.name == own), None)
    if not able and mine is not None:
        least, count = device_bytes(mine) or 0, mine.count
        able = {one.name for one in flavors if one.count >= count and (device_bytes(one) or 0) >= least}
    others = [one for one in flavors if one.name in able and one.name != own and one.count]
    return sorted(others, key=lambda one: one.usd_per_minute or 0.0)


def hardware_of(flavor: Flavor) -> Hardware | None:
    """What the speed of a run on this flavor depends on; None without an accelerator, whose cores are not counted."""
    if not flavor.count or not flavor.accelerator:
        return None
    return Hardware.gpus(flavor.accelerator, flavor.count)


def _took(
    flavor: Flavor,
    values: Mapping[str, Any],
    shape: ModelShape | None,
    rows: int | None,
    sizes: PairSizes | None,
    past: Callable[[str], Sequence[Past]],
) -> Duration | None:
    one, hardware = summarise(values, rows), hardware_of(flavor)
    if one.steps is None or hardware is None:
        return None
    devices = max(flavor.count, 1)
    shared = replace(one, steps=math.ceil(one.steps / devices), pairs_per_step=one.pairs_per_step * devices)
    return duration(values, shape, shared, hardware, sizes=sizes, past=past(hardware.name))


def accelerators_in(name: str) -> int:
    """The accelerators of a flavor, by its name: 8 of `l40sx8`, 1 of `a100-large` and `l4x1`."""
    found = re.search(r"x(\d{1,3})$", name)
    return max(1, int(found[1])) if found else 1


def gb(size: int | None) -> str:
    """Bytes in the format of the Hub's list: `80 GB`; `–` for None."""
    return "–" if size is None else f"{size / 1e9:.3g} GB" if size < 1e12 else f"{size / 1e9:.0f} GB"


def accelerators(flavor: Flavor) -> str:
    """Its accelerators in words: `4 x L4`; `–` without one."""
    if not flavor.count:
        return "–"
    name = flavor.accelerator or "unknown"
    return name if flavor.count == 1 else f"{flavor.count} x {name}"


def as_json(flavor: Flavor, fit: FlavorFit | None = None) -> dict[str, Any]:
    """A flavor as `hardware --json` prints it; with `fit` also whether the recipe fits."""
    told: dict[str, Any] = {
        "name": flavor.name,
        "pretty": flavor.pretty,
        "cpu": flavor.cpu,
        "ram_bytes": flavor.ram_bytes,
        "accelerator": flavor.accelerator,
        "count": flavor.count,
        "vram_bytes": flavor.vram_bytes,
        "device_bytes": device_bytes(flavor),
        "usd_per_minute": flavor.usd_per_minute,
        "usd_per_hour": flavor.usd_per_hour,
        "listed_at": flavor.listed_at,
    }
    if fit is not None:
        told |= {"fits": fit.verdict, "needed_bytes": fit.needed}
        took, cost = fit.took, fit.cost
        told |= {"seconds": [round(took.low), round(took.high)] if took else None}
        told |= {"usd": [round(part, 2) for part in cost] if cost else None}
    return told


def prices(flavor: Flavor) -> str:
    """Both prices in words: `2.50 USD per hour, 0.04 USD per minute`."""
    return (
        price(flavor) if flavor.usd_per_minute is None else f"{price(flavor)}, {usd(flavor.usd_per_minute)} per minute"
    )
