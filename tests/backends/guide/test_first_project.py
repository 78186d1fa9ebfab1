"""A new project from pairs and a model: what is written, and that training takes it as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smoltui.backends.data_files.source import PairsSpec
from smoltui.backends.guide.first_project import NewProject, make_project
from smoltui.backends.guide.found_files import found_files
from smoltui.backends.guide.pairs_seen import look_at
from smoltui.backends.guide.situation import count_pairs, read_project
from smoltui.backends.pairs.counted import PairCounts
from smoltui.backends.pairs.curated import curate
from smoltui.backends.project.recipe_file import load_recipe
from smoltui.core.guide.first_recipe import Choices
from smoltui.core.guide.models import DEMO_MODEL, DEMO_SHAPE
from smoltui.errors import InputError


def rows(count: int, **more: object) -> str:
    return "".join(
        json.dumps({"prompt": f"Question {n}?", "chosen": f"Gladly, {n}.", "rejected": "No.", **more}) + "\n"
        for n in range(count)
    )


def new_from(folder: Path, source: str) -> NewProject:
    seen = look_at(PairsSpec(source), folder)
    choices = Choices(seen.facts(folder), DEMO_MODEL, DEMO_SHAPE, processor=True, project="mine")
    return NewProject(folder, choices, "local", seen=seen)


@pytest.mark.parametrize("count", [40, 60, 600])
def test_held_out_pairs_are_counted_as_the_run_holds_them_out(tmp_path: Path, count: int) -> None:
    """A share of the prompts is rarely the same share of the pairs, and the wizard says what the run will say."""
    (tmp_path / "my_pairs.jsonl").write_text(rows(count))
    new = new_from(tmp_path, "my_pairs.jsonl")
    project = make_project(new)
    made = curate(project, load_recipe(project.recipe_path).values)
    assert new.seen is not None and new.choices.pairs is not None and made is not None
    assert (new.choices.pairs.rows, new.seen.held) == (made.exported.train, made.exported.test)


def test_of_a_large_set_the_held_out_pairs_are_estimated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smoltui.backends.guide.pairs_seen.FULLY", 90)
    (tmp_path / "many.jsonl").write_text(rows(100))
    seen = look_at(PairsSpec("many.jsonl"), tmp_path)
    assert (seen.usable, seen.held, seen.facts(tmp_path).rows) == (100, None, 90)
    assert not seen.facts(tmp_path).exact


def test_from_a_single_file(tmp_path: Path) -> None:
    """The file stays where it is; a tenth of the prompts is held out, and asked; the demo's model is copied."""
    (tmp_path / "my_pairs.jsonl").write_text(rows(60))
    project = make_project(new_from(tmp_path, "my_pairs.jsonl"))
    values = load_recipe(project.recipe_path).values
    assert values["datasets"] == [{"path": "json", "data_files": "my_pairs.jsonl", "split": "train"}]
    assert (tmp_path / "model" / "model.safetensors").is_file() and project.settings().on == "local"
    made = curate(project, values)
    assert made is not None and made.evaluates and 0 < made.exported.test < 15
    held = (made.exported.folder / "test.jsonl").read_text()
    asked = (tmp_path / "prompts.txt").read_text().splitlines()[1:]
    assert asked and all(json.dumps(prompt)[1:-1] in held for prompt in asked)
    known, words = count_pairs(project, PairCounts())
    assert known is not None and known.words == "60 pairs, 10 % of the prompts held out" and "steps" in words
    assert read_project(project).found == ()


def test_from_a_folder_with_a_test_split(tmp_path: Path) -> None:
    """Its own held-out split is used, and no decision is written; a few rows hold nothing out."""
    (tmp_path / "pairs").mkdir()
    (tmp_path / "pairs" / "train.jsonl").write_text(rows(30))
    (tmp_path / "pairs" / "test.jsonl").write_text(rows(5))
    project = make_project(new_from(tmp_path, "pairs"))
    values = load_recipe(project.recipe_path).values
    assert (values["dataset_name"], values["dataset_test_split"]) == ("pairs", "test")
    assert not (tmp_path / "curation.jsonl").exists()
    (tmp_path / "few.jsonl").write_text(rows(5))
    few = look_at(PairsSpec("few.jsonl"), tmp_path)
    assert few.share == 0 and few.facts(tmp_path).rows == 5


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    """My prompts stay; a folder with a project is refused, and nothing is changed."""
    (tmp_path / "p.jsonl").write_text(rows(40))
    (tmp_path / "prompts.txt").write_text("mine\n")
    make_project(new_from(tmp_path, "p.jsonl"))
    assert (tmp_path / "prompts.txt").read_text() == "mine\n"
    before = (tmp_path / "recipe.yaml").read_text()
    with pytest.raises(InputError, match="already contains"):
        make_project(new_from(tmp_path, "p.jsonl"))
    assert (tmp_path / "recipe.yaml").read_text() == before


def test_a_set_whose_columns_have_to_be_mapped(tmp_path: Path) -> None:
    """Its shape is unknown: the result says so, with columns and rows to choose from."""
    (tmp_path / "odd.jsonl").write_text(json.dumps({"frage": "Why?", "gut": "So.", "schlecht": "No."}) + "\n")
    seen = look_at(PairsSpec("odd.jsonl"), tmp_path)
    assert seen.problem and seen.columns == ("frage", "gut", "schlecht") and seen.lines == ()


def test_which_files_are_offered(tmp_path: Path) -> None:
    """Pairs as they are first, then those to map; no models, no decisions, no numbers, nothing hidden."""
    (tmp_path / "b.jsonl").write_text(rows(2))
    (tmp_path / "a.jsonl").write_text(json.dumps({"frage": "Why?", "gut": "So.", "schlecht": "No."}) + "\n")
    (tmp_path / "numbers.csv").write_text("x,y\n1,2\n")
    (tmp_path / "curation.jsonl").write_text(rows(1))
    (tmp_path / ".hidden.jsonl").write_text(rows(1))
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.jsonl").write_text(rows(2))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    assert found_files(tmp_path) == ("b.jsonl", "set", "a.jsonl")
    assert found_files(tmp_path, but={"set"}) == ("b.jsonl", "a.jsonl")
    assert found_files(tmp_path / "nowhere") == ()
