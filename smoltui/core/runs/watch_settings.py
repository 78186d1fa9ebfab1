"""Which rules watch a run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """`[watch]` of smoltui.toml: which rules are on. 0 turns a rule off."""

    nan: bool = True
    """The loss is NaN or infinite, or far above its start."""
    margin_steps: int = 100
    """Nothing was learned in this many steps, or in half of the run if that is sooner."""
    logps: bool = True
    """The chosen answers became less likely."""
    accuracy: bool = True
    """The loss collapsed within the first fifth of the steps: the pairs are told apart by something trivial."""
    stop_ruined: bool = False
    """A run whose weights are lost, or that can't learn anything from its pairs, is stopped by its script."""
    silent_minutes: float = 10.0
    """A running run has printed nothing for this long."""
    waiting_minutes: float = 15.0
    """A Job has waited this long for its hardware."""
    cost_usd: float = 0.0
    """A Job has cost more than this."""
    cancel_over_cost: bool = False
    """…and is cancelled then."""
    time_left: bool = True
    """At the current pace, the timeout comes before the last step."""
