"""What a Job costs: its flavor's price times time. The Hub has no endpoint for the spend, so it is computed.

Jobs are billed by the minute while Starting or Running, not while building or queued (Hub documentation, Jobs pricing).
All amounts are United States dollars (USD).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from smoltui.core.runs.pace import as_time
from smoltui.core.runs.run import HUB_TIMEOUT_SECONDS, Run


@dataclass(frozen=True, slots=True)
class Flavor:
    """One entry of the Hub's hardware list (`GET /api/jobs/hardware`). None: not in the list."""

    name: str
    """Value for `--flavor`, for example a100-large."""
    pretty: str
    """Display name, for example Nvidia A100 - large."""
    cpu: str
    """As in the list, for example 12 vCPU."""
    ram_bytes: int | None
    accelerator: str | None
    """Model of the accelerator, for example A100; None without one."""
    count: int
    """Number of accelerators; 0 without one."""
    vram_bytes: int | None
    """Memory of all accelerators together."""
    usd_per_minute: float | None
    listed_at: float
    """When the list was read, seconds since the epoch."""

    @property
    def usd_per_hour(self) -> float | None:
        return None if self.usd_per_minute is None else self.usd_per_minute * 60

    @property
    def has_bf16(self) -> bool:
        """Whether its accelerator computes in bfloat16: of those listed, only the T4 (compute capability 7.5) cannot.

        NVIDIA, CUDA C++ Programming Guide: bfloat16 needs compute capability 8.0.
        """
        return bool(self.count) and "T4" not in (self.accelerator or "").upper().split()


def worst_cost(flavor: Flavor, timeout_seconds: float | None, attempts: int | None = None) -> float | None:
    """Maximum cost of a Job, USD: each of its attempts (None: one) is killed at its timeout (None: the Hub's default).

    The Hub does not document whether the timeout is that of an attempt or of all of them: this is the larger amount.
    None if the price is unknown.
    """
    if flavor.usd_per_minute is None:
        return None
    seconds = HUB_TIMEOUT_SECONDS if timeout_seconds is None else timeout_seconds
    return flavor.usd_per_minute * seconds / 60 * (attempts or 1)


def limit_words(timeout_seconds: float | None, attempts: int | None = None) -> str:
    """How long a Job may run, as `worst_cost` takes it: `3 h 00 min`, `3 attempts of 3 h 00 min`."""
    limit = as_time(timeout_seconds)
    return f"{attempts} attempts of {limit}" if attempts and attempts > 1 else limit


def cost_so_far(flavor: Flavor | None, run: Run, now: float) -> float | None:
    """USD spent on a run until `now` (seconds since the epoch), or in total once it has ended.

    0 before the start, because waiting is free. None if the flavor or its price is unknown.
    """
    if flavor is None or flavor.usd_per_minute is None:
        return None
    return flavor.usd_per_minute * (run.duration(now) or 0.0) / 60


def cost_of(run: Run, flavor_of: Callable[[str | None], Flavor | None], now: float) -> float | None:
    """USD spent on all parts of a run until `now`, each at the price of its own flavor; None if one is unknown."""
    own = cost_so_far(flavor_of(run.flavor), replace(run, seconds_before=0.0) if run.parts else run, now)
    before = [cost_of_part(flavor_of(part.flavor), part.seconds) for part in run.parts]
    return None if own is None or None in before else own + sum(cost for cost in before if cost is not None)


def cost_of_part(flavor: Flavor | None, seconds: float) -> float | None:
    """USD for `seconds` on a flavor; None if it or its price is unknown."""
    return None if flavor is None else worst_cost(flavor, seconds)


def usd(amount: float | None) -> str:
    """An amount with its unit: `7.50 USD`; three decimals below a cent, so that it does not appear as zero."""
    if amount is None:
        return "unknown"
    if 0 < amount < 0.01:
        return f"{amount:.3f} USD" if amount >= 0.0005 else "< 0.001 USD"
    return f"{amount:,.2f} USD"


def usd_span(low: float, high: float) -> str:
    """A range of estimated amounts, without digits that nobody knows: `1.0 – 5.9 USD`, `12 – 40 USD`, `< 0.01 USD`."""
    if 0 < high < 0.005:
        return "< 0.01 USD"
    first, last = _rough(low), _rough(high)
    return f"about {last} USD" if first == last else f"{first} – {last} USD"


def _rough(amount: float) -> str:
    return f"{amount:.2f}" if amount < 1 else f"{amount:.1f}" if amount < 10 else f"{amount:,.0f}"


def usd_in_short(amount: float) -> str:
    """An amount without its unit for a narrow column: without cents from 100 USD on."""
    return f"{amount:,.0f}" if amount >= 100 else usd(amount).removesuffix(" USD").replace("< ", "<")


def rate(flavor: Flavor) -> str:
    """The same, for a column or a row: `2.50 USD/h`."""
    return "price unknown" if flavor.usd_per_hour is None else f"{flavor.usd_per_hour:.2f} USD/h"


def price(flavor: Flavor) -> str:
    """A flavor's price with its unit: `2.50 USD per hour`."""
    return "price unknown" if flavor.usd_per_hour is None else f"{usd(flavor.usd_per_hour)} per hour"
