"""Finds problems of a recipe before anything is loaded or paid for, by rules that TRL applies late or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smoltui.core.recipe import argument_rules, model_rules, pair_rules, run_rules, trainer_rules
from smoltui.core.recipe.finding import RULES, Finding, Level, Recipe
from smoltui.core.recipe.key_rules import unread_keys, wrong_values
from smoltui.core.recipe.keys import snapshot
from smoltui.core.recipe.values import typed
from smoltui.core.runs.place import Target

RULE_MODULES = (model_rules, pair_rules, run_rules, trainer_rules, argument_rules)
"""They add their rules to `RULES`."""


def check(
    values: Mapping[str, Any],
    *,
    target: Target = Target.LOCAL,
    has_bf16: bool | None = None,
    model_type: str | None = None,
    pad_token_known: bool | None = None,
) -> list[Finding]:
    """All findings about a recipe that will run on `target`, the most severe first.

    `has_bf16`: whether the device supports bfloat16. `model_type`: as in the model's config.json. `pad_token_known`:
    whether the model has the recipe's pad_token. Each is None if unknown. An empty list means that nothing is wrong.
    """
    found = [*unread_keys(values), *wrong_values(values)]
    bad = {finding.key for finding in found if finding.level is Level.STOP}
    keys = snapshot().keys
    good = {key: typed(keys[key], value) for key, value in values.items() if key in keys and key not in bad}
    recipe = Recipe(good, target, has_bf16, model_type, pad_token_known)
    found += [finding for look in RULES for finding in look(recipe) if finding.key not in bad]
    return sorted(found, key=lambda finding: list(Level).index(finding.level), reverse=True)


def is_ok(findings: list[Finding]) -> bool:
    """Whether nothing stops the run."""
    return all(finding.level is not Level.STOP for finding in findings)
