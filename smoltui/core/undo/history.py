"""What was written to the files of a project, in order, and what undo and redo take next.

A step is one change of one file, with the digests of the file before and after it. The contents themselves are kept by
the caller. Files have histories of their own: undoing a change of one does not touch another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

MOST_STEPS = 200
"""Number of steps that are kept."""
NO_FILE = ""
"""Digest of a file that does not exist."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change of one file."""

    file: str
    """Its name in the project folder."""
    said: str
    """What changed: `beta 0.5 → 0.1 (TRL's default)`."""
    before: str
    """SHA-256 of the file before the change, hexadecimal; `NO_FILE` if it did not exist."""
    after: str
    """The same after the change."""
    at: float
    """When it was written, seconds since the epoch."""
    by: int = 0
    """Id of the process that wrote it; 0 for a change by another program."""
    undone: int = 0
    """0: the change applies. Otherwise it was undone; the largest number last."""


@dataclass(slots=True)
class History:
    """The steps of a project, oldest first."""

    steps: list[Step] = field(default_factory=list)

    def add(self, step: Step) -> None:
        """Takes a new change. What was undone in its file can no longer be redone."""
        self.steps = [old for old in self.steps if not (old.undone and old.file == step.file)]
        self.steps = [*self.steps, step][-MOST_STEPS:]

    def to_undo(self, file: str | None = None) -> Step | None:
        """The latest change that applies, of one file or of any; None without one."""
        return next((step for step in reversed(self.steps) if _of(step, file) and not step.undone), None)

    def to_redo(self, file: str | None = None) -> Step | None:
        """The change that was undone last, of one file or of any; None without one."""
        undone = [step for step in self.steps if _of(step, file) and step.undone]
        return max(undone, key=lambda step: step.undone, default=None)

    def undo(self, step: Step) -> None:
        """Marks a step as undone."""
        self._replace(step, replace(step, undone=1 + max(known.undone for known in self.steps)))

    def redo(self, step: Step, before: str) -> None:
        """Marks a step as done again, on a file with the digest `before`."""
        self._replace(step, replace(step, undone=0, before=before))

    def undo_outside(self, step: Step, now: str, at: float) -> Step:
        """Inserts what another program changed after `step`, as a step that is undone; returns it."""
        outside = Step(step.file, "the change by another program", step.after, now, at)
        self.steps.insert(self.steps.index(step) + 1, outside)
        self.undo(outside)
        return outside

    @property
    def digests(self) -> set[str]:
        """Of every content that undo and redo may need."""
        return {digest for step in self.steps for digest in (step.before, step.after)} - {NO_FILE}

    def drop_oldest(self) -> None:
        """Forgets the oldest step."""
        self.steps = self.steps[1:]

    def _replace(self, old: Step, new: Step) -> None:
        self.steps = [new if step is old else step for step in self.steps]


def _of(step: Step, file: str | None) -> bool:
    return file is None or step.file == file


def steps_as_json(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """The steps, as `steps_from_json` reads them."""
    return [{name: getattr(step, name) for name in Step.__slots__} for step in steps]


def steps_from_json(data: object) -> list[Step]:
    """The steps of a decoded file; those that are none are left out."""
    found = [_step(item) for item in data] if isinstance(data, list) else []
    return [step for step in found if step is not None][-MOST_STEPS:]


_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "file": str,
    "said": str,
    "before": str,
    "after": str,
    "at": (int, float),
    "by": int,
    "undone": int,
}


def _step(data: object) -> Step | None:
    if not isinstance(data, Mapping):
        return None
    values = {name: data.get(name) for name in _KINDS}
    if any(isinstance(values[name], bool) or not isinstance(values[name], kind) for name, kind in _KINDS.items()):
        return None
    step = Step(**values)  # type: ignore[arg-type]  # each was checked
    return step if step.file and "/" not in step.file and step.file not in (".", "..") else None
