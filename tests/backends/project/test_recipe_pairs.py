"""Making a recipe train on an exported folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_file import load_project_recipe
from smoltui.backends.project.recipe_pairs import train_on
from smoltui.errors import RecipeError

RECIPE = "model_name_or_path: model  # mine\ndataset_name: pairs\ndataset_train_split: part\neval_strategy: steps\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    (tmp_path / "smoltui.toml").write_text(
        '[pairs]\nwinner = "votes"\n[pairs.columns]\nprompt = "ask"\n[run]\non = "local"\n'
    )
    return Project(tmp_path)


def test_the_folder_replaces_the_pairs_and_how_they_were_read(project: Project) -> None:
    """Without a test split, nothing is evaluated during training; comments and other settings stay."""
    changed = train_on(project, project.folder / "votes-pairs", has_test=False)
    assert changed == [
        "dataset_name: pairs → votes-pairs",
        "dataset_train_split: part → train",
        "eval_strategy: steps → no",
        "pairs.columns removed from smoltui.toml",
    ]
    values = load_project_recipe(project).values
    assert (values["dataset_name"], values["dataset_train_split"], values["eval_strategy"]) == (
        "votes-pairs",
        "train",
        "no",
    )
    assert "# mine" in project.recipe_path.read_text()
    settings = project.settings()
    assert not settings.reads_pairs and settings.on == "local"
    assert train_on(project, project.folder / "votes-pairs", has_test=False) == []


def test_a_test_split_is_used(project: Project) -> None:
    assert "dataset_test_split: – → test" in train_on(project, project.folder / "votes-pairs", has_test=True)
    assert load_project_recipe(project).values["eval_strategy"] == "steps"


def test_a_mixture_is_replaced(project: Project, tmp_path: Path) -> None:
    project.recipe_path.write_text("model_name_or_path: model\ndatasets: [{path: a}]\n")
    other = tmp_path.parent / "elsewhere"
    assert train_on(project, other, has_test=False)[:2] == ["datasets removed", f"dataset_name: – → {other}"]
    assert load_project_recipe(project).values["dataset_name"] == str(other)


def test_without_a_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError):
        train_on(Project(tmp_path), tmp_path / "votes-pairs", has_test=False)
