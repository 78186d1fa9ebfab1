"""From answers with a winner to a model: by keyboard in a small terminal, and with commands."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends import services
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.local.place import HERE
from smoltui.backends.pairs.export import read_export
from smoltui.backends.project.new_project import create_project
from smoltui.backends.project.project import Project
from smoltui.backends.services import Services
from smoltui.cli.main import run
from smoltui.screens.pairs import room as room  # the guard measures keys, not the import
from tests.conftest import seen
from tests.marks import needs_training
from tests.paths import DEMO, FAKE_TRAINING

Wait = Callable[..., Awaitable[None]]
ROWS = 24
TIES = (3, 7)
EMPTY = 5
"""This row's better answer is empty."""


@pytest.fixture
def project(own_machine: Path) -> Project:
    """The demo, with its pairs as two answers each, of which `votes` names the better one; some rows are ties."""
    made = create_project(own_machine / "votes", "demo")
    recipe = made.recipe_path.read_text("utf-8")
    for key, value in (("eval_strategy", '"no"'), ("num_train_epochs", "1\nmax_steps: 2"), ("logging_steps", "1")):
        recipe, count = re.subn(rf"(?m)^{key}:.*$", f"{key}: {value}", recipe)
        assert count == 1, key
    made.recipe_path.write_text(recipe, "utf-8")
    rows = [json.loads(line) for line in (DEMO / "pairs" / "train.jsonl").read_text("utf-8").splitlines()[:ROWS]]
    folder = made.folder / "pairs"
    for file in folder.iterdir():
        file.unlink()
    (folder / "train.jsonl").write_text("".join(f"{json.dumps(voted(at, row))}\n" for at, row in enumerate(rows)))
    return made


def voted(at: int, row: dict[str, Any]) -> dict[str, Any]:
    """A pair of the demo, its better answer in either column."""
    sides = [row["chosen"][0]["content"], row["rejected"][0]["content"]]
    if at == EMPTY:
        sides[0] = ""
    first = at % 2 == 0
    return {
        "ask": row["prompt"][0]["content"],
        "model_a": "m-1",
        "model_b": "m-2",
        "answer_a": sides[0] if first else sides[1],
        "answer_b": sides[1] if first else sides[0],
        "votes": "tie" if at in TIES else "answer_a" if first else "answer_b",
    }


def right_pairs(excluded: Sequence[int] = ()) -> list[tuple[str, str]]:
    """Chosen and rejected of what must be trained on."""
    rows = [json.loads(line) for line in (DEMO / "pairs" / "train.jsonl").read_text("utf-8").splitlines()[:ROWS]]
    return [
        (row["chosen"][0]["content"], row["rejected"][0]["content"])
        for at, row in enumerate(rows)
        if at not in (*TIES, EMPTY, *excluded)
    ]


def trained_pairs(folder: Path) -> list[tuple[str, str]]:
    lines = (folder / "train.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in rows]


MADE = "answers in answer_a, answer_b; winner in votes; the better answer against the other"


@needs_training
async def test_by_keyboard_in_a_small_terminal(
    project: Project, own_machine: Path, wait_until: Wait, loop_guard: list[str]
) -> None:
    """I open the set, say what the columns are, audit, exclude a pair, train, and read in the run how it was made."""
    app = SmoltuiApp(project, Services({"local": LocalEngine()}), opening="pairs")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await wait_until(lambda: "Columns: ask, model_a, model_b, answer_a, answer_b, votes" in seen(app))
        await wait_until(lambda: "winner needs a column." in seen(app))
        await pilot.press("right", "up", *"votes")
        await wait_until(lambda: "First 24 rows: 21 pairs · 2 ties dropped · left out: empty answer (1)" in seen(app))
        await pilot.press("enter")
        await wait_until(lambda: "pair 1 of 24" in seen(app) and "loading" not in seen(app))
        settings = project.settings()
        assert settings.pair_columns == {"prompt": "ask"}
        assert (settings.pair_how.answers, settings.pair_how.winner) == (("answer_a", "answer_b"), "votes")

        await pilot.press("V", "h")
        await wait_until(lambda: "21 pairs" in seen(app, "HowPane") and "tie (2), empty answer (1)" in seen(app))
        assert "answer_a, answer_b" in seen(app) and "winner    votes" in seen(app)
        await pilot.press("escape", "a")
        await wait_until(lambda: "24 rows · 21 usable pairs" in seen(app), 60)
        await pilot.press("escape", "x")
        await wait_until(lambda: "excluded" in seen(app, "PairView"))

        await pilot.press("t")
        await wait_until(lambda: "checks passed" in seen(app, "#start-text"))
        await pilot.press("space")
        await wait_until(lambda: "1 excluded, 3 unusable" in " ".join(seen(app, "#start-text").split()), 60)
        await pilot.press("enter")
        await wait_until(lambda: "COMPLETED" in seen(app, "RunList"), 240)
        await pilot.press("V", "p")
        await wait_until(lambda: "winner in votes" in " ".join(seen(app).split()))
        trained = next(iter(app.runs.values()))
        assert trained.plan is not None and trained.plan.train_pairs == ROWS - 4
    check_record(own_machine, trained.plan.pairs_hash, excluded=[0])


def check_record(home: Path, pairs_hash: str | None, excluded: Sequence[int]) -> None:
    """The set that was trained on holds exactly these pairs, and its card says how they were made."""
    (folder,) = [path for path in (home / "smoltui" / "pairs").iterdir() if not path.name.startswith(".")]
    found = read_export(folder)
    assert found is not None and found.train_hash == pairs_hash and MADE in found.pairs_made
    assert MADE.replace("_", "\\_") in (folder / "README.md").read_text("utf-8")
    assert trained_pairs(folder) == right_pairs(excluded)


@needs_training
def test_with_commands(
    project: Project, own_machine: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same: what cannot be told is named with its option, then saved, audited, excluded, trained and inspected.

    The training is played: what counts here is what was exported for it.
    """
    others = [entry for entry in services.ENGINES if entry[0] is not HERE]
    monkeypatch.setattr(services, "ENGINES", [(HERE, lambda: LocalEngine(FAKE_TRAINING)), *others])

    def said(*arguments: object) -> Any:
        code = run([*map(str, arguments), "--json"])
        shown = capsys.readouterr()
        assert code == 0, shown.err
        return json.loads(shown.out)

    where = project.folder
    assert run(["pairs", str(where)]) == 2
    assert "--winner COLUMN" in capsys.readouterr().err
    asked = ("--columns", "prompt=ask", "--answers", "answer_a,answer_b", "--winner", "votes")
    shown = said("pairs", where, *asked, "--how", "--save")["how"]
    assert shown["parts"] == {"prompt": "ask", "answers": "answer_a,answer_b", "winner": "votes"}
    assert (shown["pairs"], shown["left_out"]) == (ROWS - 3, {"tie": 2, "empty_answer": 1})
    assert said("pairs", where, "--audit")["audit"]["rows"] == ROWS
    assert said("pairs", where, "--where", "row = 2", "--exclude")["excluded"] == 1
    assert said("pairs", where, "--row", 2, "--exclude")["excluded"] == 0
    assert run(["train", str(where), "--on", "local"]) == 0
    capsys.readouterr()
    (record,) = said("ps")
    spec = said("inspect", record["id"])["spec"]
    assert MADE in spec["pairs_from"] and "1 excluded, 3 unusable" in spec["pairs_from"]
    check_record(own_machine, spec["pairs_hash"], excluded=[2])


def test_excluding_needs_rows_and_a_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither is guessed; nothing is written."""
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"prompt": "p", "chosen": "a", "rejected": "b"}) + "\n")
    for arguments, said in (
        (["--exclude", "--row", "0"], "--exclude needs a project"),
        (["--save", "--winner", "w"], "--save needs a project"),
        (["--columns", "chosen=a,rejected=b", "--winner", "w"], "not both"),
        (["--min-margin", "-1"], "--min-margin takes a number from 0"),
        (["--pick", "worst"], "'best-random', 'best-each', 'all'"),
    ):
        assert run(["pairs", str(path), *arguments]) == 2
        assert said in capsys.readouterr().err
    (tmp_path / "recipe.yaml").write_text("dataset_name: a.jsonl\n")
    assert run(["pairs", str(tmp_path), "--exclude"]) == 2
    assert "--exclude needs rows" in capsys.readouterr().err
    assert sorted(found.name for found in tmp_path.iterdir()) == ["a.jsonl", "recipe.yaml"]
