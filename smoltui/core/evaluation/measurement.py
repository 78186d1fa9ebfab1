"""A finished measurement of two models on held-out pairs, as it is kept with the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from smoltui.core.evaluation.figures import Figures
from smoltui.core.evaluation.groups import Group, group_from_json
from smoltui.core.evaluation.pair_values import PairValue


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
    groups: tuple[Group, ...] = ()
    """Of the aligned model, all pairs first; empty in measurements of older versions."""
    reference_at: float | None = None
    """When the reference's values were computed, seconds since the epoch; None: in this measurement."""
    dropped: int = 0
    """Pairs that are not scored, because their prompt alone fills max_length: the trainer drops them, too."""
    values: tuple[PairValue, ...] = ()
    """Of each pair, in order. Kept in a file of their own (`backends/evaluation/measured_pairs.py`)."""

    def as_json(self) -> dict[str, Any]:
        """What `measurement_from_json` reads, without the values of the pairs."""
        whole = asdict(replace(self, values=()))
        del whole["values"]
        return whole


def measurement_from_json(data: Mapping[str, Any]) -> Measurement:
    """The measurement that `as_json` wrote. Raises KeyError, TypeError or ValueError for anything else."""
    reference_at = data.get("reference_at")
    return Measurement(
        at=float(data["at"]),
        date=str(data["date"]),
        beta=float(data["beta"]),
        seed=int(data["seed"]),
        pairs_hash=str(data["pairs_hash"]),
        versions=dict(data["versions"]),
        reference=_figures(data["reference"]),
        aligned=_figures(data["aligned"]),
        groups=tuple(group_from_json(group) for group in data.get("groups", ())),
        reference_at=None if reference_at is None else float(reference_at),
        dropped=int(data.get("dropped", 0)),
    )


def _figures(data: Mapping[str, Any]) -> Figures:
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    return Figures(**values)


def differences(before: Measurement, now: Measurement) -> list[str]:
    """What makes two measurements of a run incomparable, in words; empty if nothing does."""
    found = []
    if before.date != now.date:
        found.append(f"the date in the prompts was {before.date} and is {now.date}")
    if before.pairs_hash != now.pairs_hash:
        found.append("the held-out pairs differ")
    changed = [name for name in now.versions if before.versions.get(name) != now.versions[name]]
    if changed:
        found.append(f"{', '.join(changed)} changed")
    return found
