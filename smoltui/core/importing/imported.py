"""What an import found: values for a recipe, settings of a Job, and what had to be changed or left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from smoltui.core.recipe.keys import GONE, MOVED, RENAMED, near, snapshot
from smoltui.core.recipe.values import is_placeholder

MODELS: Mapping[str, str] = {"HuggingFaceTB/SmolLM3-3B-Instruct": "HuggingFaceTB/SmolLM3-3B"}
"""Names that the course uses and the Hub does not have → the model that is meant."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was changed or left out."""

    line: int
    """One-based line of the source; 0 for the whole."""
    what: str
    """What is wrong or different, one sentence without a full stop."""
    done: str
    """What the import made of it, one sentence."""

    def as_json(self) -> dict[str, Any]:
        return {"line": self.line, "what": self.what, "done": self.done}


@dataclass(slots=True)
class Imported:
    """The result of an import, filled while the source is read."""

    values: dict[str, Any] = field(default_factory=dict)
    """Keys of the recipe in the order of the source, all known to TRL."""
    jobs: dict[str, Any] = field(default_factory=dict)
    """Settings of `[jobs]`."""
    notes: list[Note] = field(default_factory=list)

    def note(self, line: int, what: str, done: str) -> None:
        """Adds a note, once."""
        found = Note(line, what, done)
        if found not in self.notes:
            self.notes.append(found)

    def put(self, key: str, value: object, line: int) -> None:
        """Takes a key as TRL calls it today; a former, unknown or obsolete one is noted."""
        if key in RENAMED or key in MOVED:
            name = RENAMED.get(key) or MOVED[key]
            why = GONE[key][0] if key in GONE else "transformers renamed it"
            self.note(line, f"{key}: {why}", f"Written as {name}.")
            self.values[name] = value
        elif key in GONE:
            why, _ = GONE[key]
            self.note(line, f"{key} no longer exists: {why}", "Left out.")
        elif key not in snapshot().keys:
            like = near(key)
            hint = f" Did you mean {like[0]}?" if like else ""
            self.note(line, f"{key} is not a key of TRL {snapshot().versions['trl']}", f"Left out.{hint}")
        elif key == "model_name_or_path" and value in MODELS:
            self.note(line, f"The Hub has no model {value}", f"Written as {MODELS[str(value)]}.")
            self.values[key] = MODELS[str(value)]
        else:
            if key == "hub_model_id" and isinstance(value, str) and is_placeholder(value):
                self.note(line, f"hub_model_id is a placeholder: {value}", "Write your own name before the slash.")
            self.values[key] = value

    def finish(self) -> None:
        """Notes in the order of the source."""
        self.notes.sort(key=lambda note: note.line)
