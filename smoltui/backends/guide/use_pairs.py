"""Makes an opened set the recipe's pairs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from smoltui.backends.data_files.source import PairsSpec
from smoltui.backends.guide.pairs_seen import hold_out_name, look_at
from smoltui.backends.project.journal import Journal
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_file import load_recipe
from smoltui.backends.project.settings_file import set_pair_reading
from smoltui.core.guide.first_recipe import pair_lines
from smoltui.core.pairs.curation import DEFAULT_SEED, Decision
from smoltui.core.recipe.pair_keys import PAIR_KEYS
from smoltui.core.settings.file_name import FILE_NAME
from smoltui.core.undo.history import Step
from smoltui.errors import PairsError


@dataclass(frozen=True, slots=True)
class Used:
    """What was written."""

    said: str
    """What was changed in recipe.yaml, in words; empty for nothing."""
    steps: tuple[Step, ...]
    """The changes of files that can be undone, in the order in which they were written."""
    hold_out: Decision | None = None
    """The decision that goes with it and is still to be taken: which share of the prompts is held out; None: none."""


def use_pairs(project: Project, spec: PairsSpec, base: Path) -> Used:
    """Writes a set into recipe.yaml, and how it is read into smoltui.toml.

    If the recipe measures and the set has no split for that, a share of the prompts is to be held out. Blocking.

    Raises:
        RecipeError: the recipe cannot be read or edited, or was changed by another program.
        PairsError, ServiceError: the set cannot be read.
        InputError: smoltui.toml cannot be written.
    """
    recipe = load_recipe(project.recipe_path)
    seen = look_at(spec, base)
    if seen.problem:
        raise PairsError(seen.problem, "Say first which column is which.")
    facts = seen.facts(project.folder)
    wanted = {line.key: line.value for line in pair_lines(facts)}
    for key in PAIR_KEYS:
        if key in recipe.values and key not in wanted:
            recipe.remove(key)
    for key, value in wanted.items():
        recipe.set(key, value)
    measures = str(recipe.values.get("eval_strategy") or "no") != "no"
    if measures and not facts.test_split and not facts.held_out_share:
        recipe.set("eval_strategy", "no")
    made = recipe.save()
    written = [project.recipe_path] if made.said and not made.not_undoable else []
    if project.settings().pair_columns != facts.columns or project.settings().pair_how != facts.how:
        reading = set_pair_reading(project, facts.columns, facts.how)
        written += [project.folder / FILE_NAME] if reading.said and not reading.not_undoable else []
    latest = [Journal(project.folder).next_steps(path.name)[0] for path in written]
    steps = tuple(step for step in latest if step is not None)
    if not facts.held_out_share:
        return Used(made.said, steps)
    of = hold_out_name(facts, seen, project.folder)
    return Used(made.said, steps, Decision("hold_out", of=of, share=facts.held_out_share, seed=DEFAULT_SEED))


def undo_use(project: Project, used: Used) -> None:
    """Restores the files that were not changed again, the last one first. Blocking. Raises as `Journal.undo`."""
    journal = Journal(project.folder)
    for step in reversed(used.steps):
        if journal.next_steps(step.file)[0] == step:
            journal.undo(step.file)
