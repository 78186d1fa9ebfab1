"""A check: one line of what is looked at before a start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from smoltui.core.recipe import Fix, Level

JSON_STEP = "mend"
"""The field that holds a next step in JSON. Scripts read it, so it keeps the word that the screen no longer uses."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the list shown before a start."""

    name: str
    level: Level
    sentence: str
    next_step: str = ""
    """The key, option or command that fixes it; empty if there is nothing to do."""
    fix: Fix | None = None
    """What enter does about it; None if nothing helps."""
    estimated: bool = False
    """A stop that rests on an estimate, which a person may override; a fact can't be overridden."""

    def as_json(self) -> dict[str, str]:
        """For `--json`."""
        return {"name": self.name, "level": self.level.value, "sentence": self.sentence, JSON_STEP: self.next_step}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong or doubtful, before it becomes a check with a name."""

    sentence: str
    fix: str = ""
    """The next step; empty if there is none."""
    does: Fix | None = None
    """What enter does about it; None for what suits the check."""


def may_start(checks: Sequence[Check]) -> bool:
    """Whether no check stops the run."""
    return all(check.level is not Level.STOP for check in checks)


def only_estimates(checks: Sequence[Check]) -> bool:
    """Whether something stops the run, and all that does is an estimate, which can be overridden."""
    stops = [check for check in checks if check.level is Level.STOP]
    return bool(stops) and all(check.estimated for check in stops)


def overridden(checks: Sequence[Check]) -> list[Check]:
    """The checks with estimates as warnings."""
    return [
        replace(check, level=Level.WARN) if check.estimated and check.level is Level.STOP else check for check in checks
    ]
