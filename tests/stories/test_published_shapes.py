"""Preference data as people have it, opened with the commands: the pair is the one that I would have written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from smoltui.cli.main import run
from tests.paths import PACKAGE

RECIPE = PACKAGE / "demo" / "project" / "recipe.yaml"

NOT_PAIRS = {
    "kto": "Unpaired",
    "rlaifv": "holds images",
    "unsloth_no_prompt": "no prompt",
}
"""Shapes that are refused or shown, with what is said."""


def report(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    code = run(["pairs", *map(str, arguments), "--json"])
    shown = capsys.readouterr()
    assert code == 0, shown.err
    found: dict[str, Any] = json.loads(shown.out)
    return found


def shapes(cases: Path) -> list[Path]:
    return sorted((cases / "pairs" / "shapes").iterdir())


@pytest.fixture(scope="module")
def cases() -> Path:
    folder = Path(__file__).parents[3] / "shared" / "cases"
    if not (folder / "pairs").is_dir():
        pytest.skip(f"the published shapes are not here: {folder}")
    return folder


GOOD = ("eight minutes", "Loire", "56", "It is ten")
BAD = ("Dunno", "ask somebody else", "Paris", "Alps", "54", "Who knows", "Look it up")


def test_every_published_shape(cases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The question is asked by the user, the good answer is chosen; brackets and marks are nobody's words."""
    seen = 0
    for path in shapes(cases):
        if path.stem in NOT_PAIRS:
            continue
        pair = report(capsys, path, "--row", 0)["pair"]
        assert "problem" not in pair, path.name
        question, chosen, rejected = pair["prompt"][-1], pair["chosen"][-1]["content"], pair["rejected"][0]["content"]
        assert question["role"] == "user" and question["content"].endswith("?"), path.name
        assert any(word in chosen for word in GOOD) or chosen == "Eat it.", path.name
        assert any(word in rejected for word in BAD), path.name
        for text in (question["content"], chosen, rejected):
            assert not text.startswith(("[", "{", "<", "\n")) and "<|" not in text and "</s>" not in text, path.name
        seen += 1
    assert seen > 35


@pytest.mark.parametrize("name", NOT_PAIRS)
def test_what_cannot_be_trained_on_says_why(cases: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    code = run(["pairs", str(cases / "pairs" / "shapes" / f"{name}.jsonl"), "--row", "0", "--json"])
    shown = capsys.readouterr()
    assert NOT_PAIRS[name] in (shown.err if code else shown.out)


def test_ties_are_left_out_and_counted(cases: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Two answers of an arena, one of them a tie."""
    rows = [
        {"prompt": "Why?", "response_a": "No.", "response_b": "Because.", "winner": "model_b"},
        {"prompt": "Who?", "response_a": "Me.", "response_b": "You.", "winner": "tie"},
    ]
    (tmp_path / "arena.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = report(capsys, tmp_path / "arena.jsonl")
    assert (found["rows"], found["clean"], found["left_out"]) == (2, {"count": 1}, {"tie": 1})


AMBIGUOUS = {"question": "Why?", "context": "The sky.", "chosen": "Because.", "rejected": "No."}


def test_two_possible_prompts_are_asked_for(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A command can't ask: it fails and names the option."""
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(AMBIGUOUS) + "\n")
    assert run(["pairs", str(path)]) == 2
    error = capsys.readouterr().err
    assert "question or context" in error and "--columns" in error
    found = report(capsys, path, "--columns", "prompt=question", "--row", 0)
    assert found["pair"]["prompt"] == [{"role": "user", "content": "Why?"}]
    assert run(["pairs", str(path), "--columns", "promt=question"]) == 2
    assert "Parts are prompt, chosen, rejected, system" in capsys.readouterr().err


@pytest.mark.parametrize("on", ["local", "hub"])
def test_a_recipe_without_a_usable_pair_is_stopped(capsys: pytest.CaptureFixture[str], tmp_path: Path, on: str) -> None:
    """Here and for a Job; a half-usable set is only warned of, with the number."""
    recipe = RECIPE.read_text("utf-8").replace("dataset_name: pairs", "dataset_name: rows")
    (tmp_path / "recipe.yaml").write_text(recipe)
    rows = tmp_path / "rows" / "train.jsonl"
    rows.parent.mkdir()
    (rows.parent / "test.jsonl").write_text(json.dumps({"prompt": "a", "chosen": "b", "rejected": "c"}) + "\n")
    empty = json.dumps({"prompt": "a", "chosen": "", "rejected": "c"}) + "\n"
    rows.write_text(empty * 3)
    assert run(["recipe", "check", str(tmp_path), "--on", on]) == 2
    assert "None of the 3 rows is a usable pair: empty answer (3)" in capsys.readouterr().out
    rows.write_text(empty + json.dumps({"prompt": "a", "chosen": "b", "rejected": "c"}) + "\n")
    run(["recipe", "check", str(tmp_path), "--on", on])
    assert "1 of 2 rows is not trained on: empty answer (1)" in capsys.readouterr().out
