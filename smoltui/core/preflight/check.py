"""One line of the list that is shown before a start."""

from __future__ import annotations

from dataclasses import dataclass

from smoltui.core.recipe import Fix, Level


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

    def as_json(self) -> dict[str, str]:
        """For `--json`, where `next_step` keeps its first name so that scripts that read it keep working."""
        return {"name": self.name, "level": self.level.value, "sentence": self.sentence, "mend": self.next_step}
