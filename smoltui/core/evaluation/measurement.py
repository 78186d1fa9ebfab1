"""A finished measurement of two models on held-out pairs, as it is kept with the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from smoltui.core.evaluation.figures import Figures


@dataclass(frozen=True, slots=True)
class Measurement:
    """The figures of both models, and what they depend on."""

    at: float
    """When it ended, seconds since the epoch."""
    date: str
    """What chat templates took for today, such as 2026-11-29: SmolLM3's writes it into every prompt."""
    beta: float
    seed: int
    """Of the sampled answers."""
    pairs_hash: str
    """Hash of the measured pairs in order: 32 hexadecimal digits."""
    versions: Mapping[str, str]
    """Package → version."""
    reference: Figures
    aligned: Figures

    def as_json(self) -> dict[str, Any]:
        """What `measurement_from_json` reads."""
        return asdict(self)


def measurement_from_json(data: Mapping[str, Any]) -> Measurement:
    """The measurement that `as_json` wrote. Raises KeyError, TypeError or ValueError for anything else."""
    figures = {name: _figures(data[name]) for name in ("reference", "aligned")}
    at, beta, seed = float(data["at"]), float(data["beta"]), int(data["seed"])
    return Measurement(at, str(data["date"]), beta, seed, str(data["pairs_hash"]), dict(data["versions"]), **figures)


def _figures(data: Mapping[str, Any]) -> Figures:
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    return Figures(**values)


def differences(before: Measurement, now: Measurement) -> list[str]:
    """What makes two measurements of a run incomparable, in words; empty if nothing does."""
    found = []
    if before.date != now.date:
        found.append(f"the date in the prompts was {before.date} and is {now.date}")
    if before.pairs_hash != now.pairs_hash:
        found.append("the held-out pairs are others")
    changed = [name for name in now.versions if before.versions.get(name) != now.versions[name]]
    if changed:
        found.append(f"{', '.join(changed)} changed")
    return found
