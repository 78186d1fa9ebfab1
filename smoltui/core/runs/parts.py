"""A run whose training was continued by other Jobs: one run, with one curve and one cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from smoltui.core.runs.next_words import from_checkpoint
from smoltui.core.runs.run import CONTINUES, Part, Run, Stage


def joined(parts: Sequence[Run]) -> Run:
    """The run of these Jobs, the first one first: its id and name are those of the first, its state is the last's.

    The first may itself be a run of several.
    """
    first, last = parts[0], parts[-1]
    if len(parts) == 1:
        return first
    before = tuple(part for run in parts[:-1] for part in (*run.parts, _newest(run)))
    known = list(reversed(parts))
    resumable = last.is_final and last.stage != Stage.COMPLETED and any(part.kept_step is not None for part in parts)
    return replace(
        last,
        id=first.id,
        hint=hint_of_whole(last, first.id, resumable=resumable),
        name=first.name,
        created_at=first.created_at,
        project=last.project or first.project,
        labels={key: value for key, value in {**first.labels, **last.labels}.items() if key != CONTINUES},
        seconds_before=sum(part.seconds for part in before),
        parts=before,
        plan=next((part.plan for part in known if part.plan is not None), None),
        step=last.step or max(part.step for part in parts),
        kept_step=next((part.kept_step for part in known if part.kept_step is not None), None),
        resumable=resumable,
        raw={**last.raw, "parts": [*(part.id for part in before), last.id]},
    )


def hint_of_whole(last: Run, first_id: str, *, resumable: bool) -> str | None:
    """The next step after the end of the last part, with the id of the run, which is that of the first part."""
    hint = last.hint and last.hint.replace(last.id, first_id)
    return from_checkpoint(hint) if hint and resumable else hint


def _newest(run: Run) -> Part:
    """The Job of a run that was started last."""
    return Part(run.raw.get("parts", [run.id])[-1], run.flavor, _seconds(run), run.started_at)


def _seconds(part: Run) -> float:
    """How long a part that has ended ran; 0 if it never started."""
    if part.started_at is None or part.finished_at is None:
        return 0.0
    return max(0.0, part.finished_at - part.started_at)


def folded(runs: Iterable[Run]) -> tuple[list[Run], Mapping[str, tuple[str, ...]]]:
    """The runs, newest first, with the Jobs that continue one joined to it; and first id → ids of the later Jobs.

    A Job whose first part is not among them stays a run of its own.
    """
    by_id = {run.id: run for run in runs}
    later: dict[str, list[Run]] = {}
    for run in by_id.values():
        first = run.labels.get(CONTINUES, "")
        if first in by_id and first != run.id:
            later.setdefault(first, []).append(run)
    for found in later.values():
        found.sort(key=lambda run: run.created_at or 0.0)
    gone = {run.id for found in later.values() for run in found}
    whole = [joined([run, *later.get(run.id, ())]) for run in by_id.values() if run.id not in gone]
    return whole, {first: tuple(run.id for run in found) for first, found in later.items()}
