"""Measurements kept in the folder of their run."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from smoltui.backends.evaluation import measured_pairs
from smoltui.backends.system import data_folder
from smoltui.core.evaluation.figures import ALIGNED, REFERENCE, Tally
from smoltui.core.evaluation.groups import groups
from smoltui.core.evaluation.measurement import Measurement, measurement_from_json
from smoltui.core.evaluation.pair_values import PairValue, pair_values
from smoltui.errors import InputError

NAME = "figures.json"
PACKAGES = ("torch", "transformers", "peft")
"""Whose versions can change a figure."""


def prompts_of(pairs: Sequence[Mapping[str, Any]]) -> list[str]:
    """One text per pair, the same for pairs with the same prompt."""
    return [json.dumps(pair["prompt"], sort_keys=True) for pair in pairs]


def measured(tally: Tally, pairs: Sequence[Mapping[str, Any]], *, date: str, seed: int) -> Measurement:
    """What was measured on `pairs`, with all intervals: takes a second with a thousand pairs."""
    prompts = prompts_of(pairs)
    values = pair_values(tally, ALIGNED, pairs)
    digest = hashlib.sha256("\n".join(json.dumps(pair, sort_keys=True) for pair in pairs).encode())
    return Measurement(
        at=time.time(),
        date=date,
        beta=tally.beta,
        seed=seed,
        pairs_hash=digest.hexdigest()[:32],
        versions=_versions(),
        reference=tally.figures(REFERENCE),
        aligned=tally.figures(ALIGNED, prompts),
        groups=groups(values, prompts),
        reference_at=tally.reference_at,
        dropped=len(pairs) - len(values),
        values=tuple(values),
    )


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def when(at: float) -> str:
    """Local date and time, such as 29 November 2026 at 09:30."""
    return time.strftime("%d %B %Y at %H:%M", time.localtime(at)).lstrip("0")


def keep(folder: Path, measurement: Measurement) -> Measurement | None:
    """Saves a measurement and the values of its pairs in a run's folder, and returns the previous one, now replaced.

    Raises:
        InputError: the folder cannot be written.
    """
    before = last(folder)
    try:
        data_folder.private_folder(folder)
        measured_pairs.keep(folder, measurement.at, measurement.values)
        data_folder.write_json(folder / NAME, measurement.as_json())
    except OSError as error:
        raise InputError(
            f"The figures could not be saved ({error.strerror}): {folder / NAME}",
            "Free some space there, make it writable, or set SMOLTUI_HOME to another data folder.",
        ) from error
    return before


def values_of(folder: Path | None, measurement: Measurement) -> Sequence[PairValue] | None:
    """The values of the pairs of a measurement: its own, or those kept in its run's folder; None without either."""
    if measurement.values or folder is None:
        return measurement.values or None
    return measured_pairs.kept(folder, measurement.at)


def last(folder: Path) -> Measurement | None:
    """The measurement stored in a run's folder; None without a readable one."""
    with suppress(KeyError, TypeError, ValueError, AttributeError):
        data = data_folder.read_json(folder / NAME)
        return None if data is None else measurement_from_json(data)
    return None
