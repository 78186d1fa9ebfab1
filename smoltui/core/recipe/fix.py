"""What enter does about a check, as data: values to write, a field or file to open, or something to copy.

A rule names its fix beside its sentence (`core/recipe/checks.py`, `core/preflight`); whoever shows the check carries it
out (`screens/fixing.py`), so that a fix is the same in the Recipe room, in the start dialog and in a test.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from smoltui.core.recipe.changes import ABSENT
from smoltui.core.recipe.fields import field_for
from smoltui.core.recipe.values import REPOSITORY, show
from smoltui.safe_text import safe_line

ACCOUNT = "<account>"
"""Stands in a value for the name of the account, which only the Hub knows."""
MODEL_NAME = "smollm3-dpo-aligned"
"""Name of a repository for which the recipe has none."""


class Act(StrEnum):
    """What a fix does instead of writing something."""

    LOGIN = "login"
    """Runs `hf auth login` in this terminal."""
    PAIRS = "pairs"
    """Opens the Pairs room, with the recipe's pairs."""
    NEW = "new"
    """Starts a project step by step."""
    AGAIN = "again"
    """Runs the checks again."""


@dataclass(frozen=True, slots=True)
class Fix:
    """One of these; the first that is set counts."""

    recipe: Mapping[str, Any] = field(default_factory=dict)
    """Keys of recipe.yaml to write; `ABSENT` deletes a key."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Keys of smoltui.toml to write, such as `jobs.timeout`; `ABSENT` deletes a key."""
    edit: str = ""
    """A key of recipe.yaml, or with a dot one of smoltui.toml, whose field is opened."""
    file: str = ""
    """A file of the project that is opened in the person's editor."""
    act: Act | None = None
    copy: str = ""
    """A command or address for the clipboard."""

    @property
    def writes(self) -> bool:
        """Whether enter changes a file by itself."""
        return bool(self.recipe or self.settings)

    @property
    def needs_account(self) -> bool:
        """Whether the name of the account is missing in what is written."""
        return any(isinstance(value, str) and ACCOUNT in value for value in self.recipe.values())

    def for_account(self, name: str) -> Fix:
        """The same with the name of the account."""
        return replace(
            self,
            recipe={
                key: value.replace(ACCOUNT, name) if isinstance(value, str) else value
                for key, value in self.recipe.items()
            },
        )

    @property
    def verb(self) -> str:
        """The same in one or two words, for a button."""
        if self.writes:
            return "Fix"
        if self.edit:
            return "Edit"
        if self.file:
            return "Open the file"
        return _VERBS[self.act] if self.act is not None else "Copy"

    @property
    def words(self) -> str:
        """What enter does, without a period: `write beta: 0.1`."""
        if self.writes:
            return ", ".join(filter(None, (_written(self.recipe, ": "), _written(self.settings, " = "))))
        if self.edit:
            return f"edit {self.edit}"
        if self.file:
            return f"open {self.file} in your editor"
        match self.act:
            case Act.LOGIN:
                return "log in: hf auth login"
            case Act.PAIRS:
                return "look at the pairs"
            case Act.NEW:
                return "start a project step by step"
            case Act.AGAIN:
                return "check again"
        return f"copy {self.copy}" if self.copy else ""


_VERBS: Mapping[Act, str] = {
    Act.LOGIN: "Log in",
    Act.PAIRS: "Open Pairs",
    Act.NEW: "New project",
    Act.AGAIN: "Check again",
}


def _written(values: Mapping[str, Any], between: str) -> str:
    """`write a: 1, b: 2; delete c`."""
    kept = [f"{key}{between}{_shown(key, value)}" for key, value in values.items() if value is not ABSENT]
    gone = [key for key, value in values.items() if value is ABSENT]
    parts = [f"write {', '.join(kept)}"] if kept else []
    parts += [f"delete {', '.join(gone)}"] if gone else []
    return safe_line("; ".join(parts), 200)


def _shown(key: str, value: object) -> str:
    return show(field_for(key), value) if "." not in key else "true" if value is True else str(value)


def writes(**values: Any) -> Fix:
    """Writes keys of the recipe."""
    return Fix(recipe=values)


def deletes(*keys: str) -> Fix:
    """Deletes keys of the recipe."""
    return Fix(recipe=dict.fromkeys(keys, ABSENT))


def edits(key: str) -> Fix:
    """Opens the field of a key, or the file if the key has no field."""
    return Fix(file="recipe.yaml") if field_for(key).kind == "file" else Fix(edit=key)


def moves(values: Mapping[str, Any], old: str, new: str) -> Fix:
    """Writes a key's value under its new name; only deletes the old one if the new one is already there."""
    return Fix(recipe={old: ABSENT} if new in values else {new: values[old], old: ABSENT})


def repository(name: object, folder: object = "") -> str:
    """A repository of the account: with the name that a placeholder has, or that of the output folder."""
    wanted = str(name or "").rpartition("/")[2] or str(folder or "").rstrip("/").rpartition("/")[2]
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", wanted).strip("-.")
    return f"{ACCOUNT}/{plain if plain and REPOSITORY.fullmatch(plain) else MODEL_NAME}"


def applied(values: Mapping[str, Any], fix: Fix) -> dict[str, Any]:
    """A recipe's values after a fix."""
    kept = {key: value for key, value in values.items() if fix.recipe.get(key) is not ABSENT}
    return kept | {key: value for key, value in fix.recipe.items() if value is not ABSENT}
