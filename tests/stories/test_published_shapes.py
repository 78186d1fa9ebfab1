"""Preference data as people have it, opened with the commands: the pair is the one that I would have written."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from smoltui.app import SmoltuiApp
from smoltui.backends.project.project import Project
from smoltui.backends.services import Services
from smoltui.cli.main import run
from tests.conftest import seen
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


@pytest.mark.slow
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


def test_an_encoding_is_part_of_how_a_set_is_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "old.jsonl").write_bytes('{"prompt": "Wie?", "chosen": "Groß.", "rejected": "Nö."}\n'.encode("cp1252"))
    assert run(["pairs", str(tmp_path / "old.jsonl"), "--how"]) == 0
    assert "old.jsonl is not UTF-8; it is read as Windows-1252." in capsys.readouterr().out


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


QUESTIONS = ("How do I boil an egg?", "Name a river in France.", "What is 7 times 8?")
ROWS = {"kto": 0, "many_rejected": 6, "unsloth_no_prompt": 2}
"""Rows where there are not three."""
TIED = {"arena_33k": 1, "arena_55k": 1}
BEFORE = {
    "axolotl_chat_template": [("system", "Answer briefly.")],
    "axolotl_userdef": [("system", "Answer briefly.")],
    "orca_pairs": [("system", "Answer briefly.")],
    "swift_query_response": [("system", "Answer briefly."), ("user", "Hi"), ("assistant", "Hello")],
    "llama_inst": [("system", "Be brief")],
}
"""Turns before the question."""
THINKING = {"smoltalk2_pref": [False, True, False], "implicit_thinking": [True, True, True]}


@pytest.mark.parametrize("part", range(4))
def test_every_row_of_every_shape(cases: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, part: int) -> None:
    """Exported, each pair is the question with the good answer over the bad one, in order, and nothing else."""
    for path in shapes(cases)[part::4]:
        if path.stem in NOT_PAIRS or path.stem == "toolcall_pref":
            continue
        rows, tied = ROWS.get(path.stem, 3), TIED.get(path.stem, 0)
        found = report(capsys, path, "--export", tmp_path / path.stem)
        assert (found["rows"], found["clean"]["count"]) == (rows, rows - tied), path.name
        assert found.get("left_out", {}) == ({"tie": tied} if tied else {}), path.name
        lines = (tmp_path / path.stem / "train.jsonl").read_text("utf-8").splitlines()
        pairs = [json.loads(line) for line in lines]
        asked = [pair["prompt"][-1]["content"] for pair in pairs]
        assert list(dict.fromkeys(asked)) == list(QUESTIONS[: len(dict.fromkeys(asked))]), path.name
        for pair in pairs:
            at = QUESTIONS.index(pair["prompt"][-1]["content"])
            before = [(turn["role"], turn["content"]) for turn in pair["prompt"][:-1]]
            assert before == BEFORE.get(path.stem, []), path.name
            assert GOOD[at] in pair["chosen"][0]["content"], path.name
            assert any(word in pair["rejected"][0]["content"] for word in BAD), path.name
        if path.stem in THINKING:
            kept = [pair["chat_template_kwargs"]["enable_thinking"] for pair in pairs]
            assert kept == THINKING[path.stem], path.name


def test_the_winner_is_chosen_whichever_column_it_is_in(cases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What decides is named; another column, key, pick or margin gives what it says."""
    folder = cases / "pairs" / "shapes"

    def how(name: str, *options: object) -> dict[str, Any]:
        found: dict[str, Any] = report(capsys, folder / name, "--how", *options)["how"]
        return found

    assert how("pku_safe.jsonl")["parts"]["winner"] == "better_response_id"
    other = how("pku_safe.jsonl", "--winner", "safer_response_id")["first"]["shown"][0]
    assert other["chosen"][0]["content"] == "Dunno."
    assert how("arena_55k.csv")["parts"]["winner"] == "winner_model_a,winner_model_b"
    assert how("webgpt.jsonl")["parts"] == {
        "prompt": "question.full_text",
        "answers": "answer_0,answer_1",
        "score": "score_0,score_1",
    }
    assert how("nectar.jsonl")["parts"]["rank"] == "rank"
    assert how("nectar.jsonl", "--pick", "all")["pairs"] == 9
    assert how("nectar.jsonl", "--pick", "best-each", "--min-margin", 2)["pairs"] == 3
    raw = how("ultrafeedback_raw.jsonl", "--score", "fine-grained_score", "--min-margin", 2)
    assert (raw["pairs"], raw["first"]["margins"]) == (3, [2.0, 2.0, 2.0])
    assert how("tldr_comparisons.jsonl")["parts"] == {"prompt": "info.post", "answers": "summaries", "winner": "choice"}
    assert how("many_rejected.jsonl")["made"] == "one pair for each rejected answer"
    assert how("many_rejected.jsonl", "--pick", "best-random")["pairs"] == 3
    scored = how("simpo_all.jsonl", "--answers", "all_generated_responses", "--score", "all_rm_scores", "--pick", "all")
    assert scored["pairs"] == 9 and scored["first"]["shown"][0]["rejected"][0]["content"] == "Look it up."
    assert how("toolcall_pref.jsonl")["parts"]["tools"] == "tools"


def test_a_project_that_maps_columns_keeps_the_history(cases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = report(capsys, cases / "pairs" / "proj_history", "--row", 0)["pair"]
    assert [(turn["role"], turn["content"]) for turn in pair["prompt"]] == [
        ("system", "Be brief."),
        ("user", "Name a river in France."),
        ("assistant", "The Loire."),
        ("user", "And in Spain?"),
    ]
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == ("The Ebro.", "Madrid.")


IN_THE_ROOM = (
    "arena_55k",
    "axolotl_chat_template",
    "json_in_text",
    "many_rejected",
    "multi_turn_answers",
    "nectar",
    "rlaifv",
    "smoltalk2_pref",
    "spaces_header",
    "swift_query_response",
    "templated",
    "toolcall_pref",
    "unsloth_no_prompt",
)
"""One of each kind: the room reads through the same code as the commands, which open all of them."""


@pytest.mark.slow
async def test_shapes_in_the_room(cases: Path, tmp_path: Path, wait_until: Callable[..., Awaitable[None]]) -> None:
    """Opened by its path: the first question with a good answer, or the reason; `i` says how it is read."""
    app = SmoltuiApp(Project(tmp_path), Services(), opening="pairs")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await wait_until(lambda: "has no pairs yet" in seen(app))
        for path in shapes(cases):
            if path.stem not in IN_THE_ROOM:
                continue
            await pilot.press("o")
            app.screen.query_one(Input).value = str(path)
            await pilot.press("enter")
            shown = path.stem if len(path.stem) < 12 else path.stem[:12]
            await wait_until(lambda name=shown: name in seen(app, "#pairs-where") and "loading" not in seen(app), 20)
            text = " ".join(seen(app).split())
            if path.stem in NOT_PAIRS:
                assert NOT_PAIRS[path.stem] in text, path.name
            else:
                assert any(word in text for word in GOOD) and any(word in text for word in BAD), path.name
                assert any(question in text for question in (*QUESTIONS, "What time is it?")), path.name
            await pilot.press("V", "h")
            await wait_until(lambda: "The first rows" in seen(app, "HowPane"), 20)
            assert "left out" in seen(app, "HowPane"), path.name
            await pilot.press("escape")
