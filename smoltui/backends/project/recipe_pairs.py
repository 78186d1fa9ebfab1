"""Makes the recipe train on an exported folder of pairs."""

from __future__ import annotations

from pathlib import Path

from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_file import load_recipe
from smoltui.backends.project.settings_file import set_pair_reading


def train_on(project: Project, folder: Path, *, has_test: bool) -> list[str]:
    """Writes the pairs of `folder`, with a `train` and perhaps a `test` split, into recipe.yaml.

    Returns what was changed, such as `dataset_name: pairs → votes-pairs`. Without a test split, evaluation during
    training is turned off. How the former set was read is removed from smoltui.toml. Blocking.

    Raises:
        RecipeError: the recipe cannot be read or edited, or was changed by another program.
        InputError: smoltui.toml cannot be written.
    """
    recipe = load_recipe(project.recipe_path)
    name = str(folder.relative_to(project.folder)) if folder.is_relative_to(project.folder) else str(folder)
    wanted: dict[str, object] = {"dataset_name": name, "dataset_train_split": "train"}
    if has_test:
        wanted["dataset_test_split"] = "test"
    elif recipe.values.get("eval_strategy", "no") not in ("no", False):
        wanted["eval_strategy"] = "no"
    changed = []
    for key in ("datasets", "dataset_config"):
        if key in recipe.values:
            recipe.remove(key)
            changed.append(f"{key} removed")
    for key, value in wanted.items():
        before = recipe.values.get(key)
        if before != value and not (key == "dataset_train_split" and before is None):
            recipe.set(key, value)
            changed.append(f"{key}: {'–' if before is None else before} → {value}")
    recipe.save()
    if project.settings().reads_pairs:
        set_pair_reading(project, {})
        changed.append("pairs.columns removed from smoltui.toml")
    return changed
