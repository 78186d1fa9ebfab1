"""Held-out pairs in the form in which the trainer has them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smoltui.backends.data_files.source import open_pairs
from smoltui.backends.evaluation.held_out import as_trained, held_out_pairs
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_file import load_project_recipe
from smoltui.errors import PairsError, RecipeError
from tests.backends.evaluation.project import make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


def test_held_out_pairs_are_the_usable_ones_of_the_test_split(project: Project) -> None:
    """The first pairs of the test split, as the trainer has them; one with an empty answer is passed over."""
    pairs = held_out_pairs(project, load_project_recipe(project).values, 4)
    assert [pair["prompt"] for pair in pairs] == [f"Question {n}?" for n in (0, 2, 3, 4)]
    assert pairs[0]["chosen"] == "Gladly, 0."


def test_training_pairs_are_never_taken_for_held_out_ones(project: Project) -> None:
    """Without a test split, or with one file for everything, nothing is measured: it would flatter the model."""
    (project.folder / "pairs" / "test.jsonl").unlink()
    with pytest.raises(PairsError, match="no such split"):
        held_out_pairs(project, load_project_recipe(project).values, 4)
    project.recipe_path.write_text("model_name_or_path: model\ndataset_name: pairs/train.jsonl\n")
    with pytest.raises(RecipeError, match="without a held-out split"):
        held_out_pairs(project, load_project_recipe(project).values, 4)
    project.recipe_path.write_text("model_name_or_path: model\n")
    with pytest.raises(RecipeError, match="has no pairs"):
        held_out_pairs(project, load_project_recipe(project).values, 4)


def test_one_row_that_trl_cannot_take_converts_all(tmp_path: Path) -> None:
    """Even far behind those that are measured: the trainer judges the whole split."""
    path = tmp_path / "pairs.jsonl"
    texts = [{"prompt": f"Q{n}?", "chosen": "Yes.", "rejected": "No."} for n in range(5)]
    turn = {"role": "assistant", "content": "Yes."}
    odd = {"prompt": [{"role": "user", "content": "Q?"}], "chosen": [turn], "rejected": [{**turn, "content": "No."}]}
    path.write_text("".join(f"{json.dumps(row)}\n" for row in [*texts, {**texts[0], "prompt": [odd["prompt"][0]]}]))
    assert as_trained(open_pairs(path), 2) == [
        {**odd, "prompt": [{"role": "user", "content": f"Q{n}?"}], "chat_template_kwargs": {"enable_thinking": False}}
        for n in range(2)
    ]


def test_held_out_pairs_are_read_as_smoltui_toml_says(project: Project) -> None:
    """Answers with a winner: the better one is chosen, and ties are not measured."""
    rows = [{"ask": f"q{at}", "out": ["a b", "c d"], "votes": votes} for at, votes in enumerate([1, "tie", 0])]
    (project.folder / "pairs" / "test.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    with (project.folder / "smoltui.toml").open("a") as file:
        file.write('\n[pairs]\nanswers = ["out"]\nwinner = "votes"\n[pairs.columns]\nprompt = "ask"\n')
    pairs = held_out_pairs(project, load_project_recipe(project).values, 4)
    said = [(pair["prompt"][0]["content"], pair["chosen"][0]["content"]) for pair in pairs]
    assert said == [("q0", "c d"), ("q2", "a b")]
