"""Why active runs cannot be paused, in words: not every place can, and what is left of a run there differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from smoltui.core.runs.place import Place
from smoltui.core.runs.run import Run


def why_not_paused(runs: Sequence[tuple[Run, Place]]) -> str:
    """Why none of these active runs can be paused, with the next step; empty if one of them can, or there is none."""
    if not runs or any("pause" in place.can for _, place in runs):
        return ""
    cannot = " and ".join(dict.fromkeys(cannot_pause(place) for _, place in runs))
    return f"{cannot}. Press X to cancel {f'it{_later(*runs[0])}' if len(runs) == 1 else 'them'}"


def cannot_pause(place: Place) -> str:
    """Said of a place whose runs cannot be paused."""
    return f"{place.subject} cannot pause a run"


def _later(run: Run, place: Place) -> str:
    """Completes "cancel it": whether it can be resumed then. Empty where nobody knows."""
    spec = run.raw.get("spec")
    if "resume" not in place.can or not isinstance(spec, Mapping):
        return ""  # a run of which this machine has no record can't be resumed from here (`core.runs.run.can_resume`)
    if not spec.get("keep"):
        return "; it keeps no checkpoint to resume from"
    if run.kept_step is None:
        return "; x resumes it later if it has kept a checkpoint by then"
    return f"; x resumes it later from the checkpoint of step {run.kept_step}"
