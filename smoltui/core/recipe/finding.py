"""A finding: one problem of a recipe. Rules find them, each registered with `@rule`.

To add a check, write one function in the module of its subject (`model_rules`, `pair_rules`, `run_rules`,
`trainer_rules`, `argument_rules`):

    @rule
    def _seed(recipe: Recipe) -> Iterator[Finding]:
        if recipe.given("seed") == 0:
            yield warn("seed", "What is wrong, without a period", "What to write instead.")

It sees only keys that TRL knows, with values of the right type. Unknown keys, wrong types and values out of range are
found before, by `key_rules`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from smoltui.core.recipe.effective import get
from smoltui.core.recipe.fix import Fix, edits
from smoltui.core.runs.place import Target


class Level(StrEnum):
    """Severity of a finding."""

    PASS = "pass"
    WARN = "warn"
    """It runs, but perhaps not as intended."""
    STOP = "stop"
    """It would fail, or waste the run."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem of a recipe."""

    key: str
    """The key concerned; empty if it concerns the whole recipe."""
    level: Level
    sentence: str
    next_step: str = ""
    """What to write, or which key to press; empty if there is nothing to do."""
    fix: Fix | None = None
    """What enter does about it; None if nothing helps."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a rule looks at."""

    values: Mapping[str, Any]
    """What the recipe sets, of the types that TRL expects; a key that is already wrong counts as not set."""
    target: Target
    """Where it will run."""
    has_bf16: bool | None
    """Whether the device supports bfloat16; None if unknown."""
    model_type: str | None
    """As in the model's config.json; None if unknown."""
    pad_token_known: bool | None = None
    """Whether pad_token is in the model's vocabulary; None if unknown, or if the recipe doesn't set it."""

    def given(self, key: str) -> Any:
        """What the recipe sets; None if it doesn't."""
        return self.values.get(key)

    def get(self, key: str) -> Any:
        """What the recipe sets, or TRL's default."""
        return get(self.values, key)

    @property
    def is_quantized(self) -> bool:
        return bool(self.get("load_in_4bit") or self.get("load_in_8bit"))


Rule = Callable[[Recipe], Iterator[Finding]]
RULES: list[Rule] = []
"""In the order of their findings of one severity."""


def rule(function: Rule) -> Rule:
    """Adds a rule to `RULES`."""
    RULES.append(function)
    return function


def stop(key: str, sentence: str, next_step: str = "", fix: Fix | None = None) -> Finding:
    """A finding that stops a run; without a fix, enter edits the key."""
    return Finding(key, Level.STOP, sentence, next_step, fix or edits(key))


def warn(key: str, sentence: str, next_step: str = "", fix: Fix | None = None) -> Finding:
    """A finding that doesn't stop a run; without a fix, enter edits the key."""
    return Finding(key, Level.WARN, sentence, next_step, fix or edits(key))
