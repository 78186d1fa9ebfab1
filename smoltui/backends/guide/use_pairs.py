"""Makes an opened set the recipe's pairs."""

from __future__ import annotations

from pathlib import Path

from smoltui.backends.data_files.source import PairsSpec
from smoltui.backends.guide.pairs_seen import hold_out_name, look_at
from smoltui.backends.pairs.curation_file import CurationFile
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_file import load_recipe
from smoltui.backends.project.settings_file import set_pair_reading
from smoltui.core.guide.first_recipe import pair_lines
from smoltui.core.pairs.curation import DEFAULT_SEED, Decision
from smoltui.errors import PairsError

KEYS = ("datasets", "dataset_name", "dataset_config", "dataset_train_split", "dataset_test_split", "test_split_size")
"""Keys of a recipe that say what is trained on and measured on."""


def use_pairs(project: Project, spec: PairsSpec, base: Path) -> str:
    """Writes a set into recipe.yaml, and how it is read into smoltui.toml. Returns what was changed, in words.

    If the recipe measures and the set has no split for that, a share of the prompts is held out. Blocking.

    Raises:
        RecipeError: the recipe cannot be read or edited, or was changed by another program.
        PairsError, ServiceError: the set cannot be read.
        InputError: smoltui.toml or curation.jsonl cannot be written.
    """
    recipe = load_recipe(project.recipe_path)
    seen = look_at(spec, base)
    if seen.problem:
        raise PairsError(seen.problem, "Say first which column is which.")
    facts = seen.facts(project.folder)
    wanted = {line.key: line.value for line in pair_lines(facts)}
    for key in KEYS:
        if key in recipe.values and key not in wanted:
            recipe.remove(key)
    for key, value in wanted.items():
        recipe.set(key, value)
    measures = str(recipe.values.get("eval_strategy") or "no") != "no"
    if measures and not facts.test_split and not facts.held_out_share:
        recipe.set("eval_strategy", "no")
    made = recipe.save()
    if project.settings().pair_columns != facts.columns or project.settings().pair_how != facts.how:
        set_pair_reading(project, facts.columns, facts.how)
    if facts.held_out_share:
        of = hold_out_name(facts, seen, project.folder)
        decision = Decision("hold_out", of=of, share=facts.held_out_share, seed=DEFAULT_SEED)
        CurationFile(project.folder).append([decision])
    return made.said
