"""Columns beside the pair: I find by them, see them with each pair, and count their values."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from smoltui.app import SmoltuiApp
from smoltui.backends.project.project import Project
from smoltui.backends.services import Services
from smoltui.cli.main import run
from smoltui.screens.pairs.pair_list import Further, PairLine, PairList, columns, drawn, heading
from tests.conftest import seen
from tests.stories.hostile import HOSTILE, assert_safe
from tests.stories.test_pairs_room import told, write

WaitUntil = Callable[..., Awaitable[None]]
SIZES = [(120, 40), (40, 12)]


def rows(count: int = 60) -> list[dict[str, Any]]:
    return [
        {
            "prompt": f"question {number}",
            "chosen": "a" * (number % 5 + 1),
            "rejected": "bbb",
            "source": ("wiki", "reddit", "wiki", None)[number % 4],
            "score": number % 3 / 2,
            "note": HOSTILE[number % len(HOSTILE)].encode("utf-8", "replace").decode(),
            "id": f"id-{number}",
        }
        for number in range(count)
    ]


def opened(folder: Path, made: list[dict[str, Any]]) -> SmoltuiApp:
    folder.mkdir(exist_ok=True)
    write(folder / "train.jsonl", made)
    (folder / "recipe.yaml").write_text("dataset_name: train.jsonl\n")
    return SmoltuiApp(Project(folder), Services(), opening="pairs")


def listed(app: SmoltuiApp) -> int:
    """How many pairs the list shows: its status may have no room for that."""
    return app.screen.query_one("#pairs-list PairList", PairList).count


async def ready(app: SmoltuiApp, wait_until: WaitUntil) -> None:
    await wait_until(lambda: "pair 1" in seen(app) and "loading" not in seen(app))


async def typed(pilot: Pilot[int], text: str) -> None:
    await pilot.press(*("space" if char == " " else char for char in text))


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
async def test_columns_are_proposed_while_i_type(
    tmp_path: Path, wait_until: WaitUntil, loop_guard: object, size: tuple[int, int]
) -> None:
    """Tab completes the highlighted one, the arrows choose another; inside a value nothing is proposed."""
    app = opened(tmp_path, rows())
    async with app.run_test(size=size, notifications=True) as pilot:
        await ready(app, wait_until)
        await pilot.press("slash")
        await typed(pilot, "where so")
        await wait_until(lambda: "source" in seen(app, "Proposals") and "tab Complete" in seen(app, "KeyBar"))
        await pilot.press("backspace", "down", "tab")
        await wait_until(lambda: "where score" in seen(app, "Input"))
        assert not seen(app, "Proposals").strip()
        await typed(pilot, "> 0.9 and sour")
        await wait_until(lambda: "source" in seen(app, "Proposals"))
        await pilot.press("tab")
        await typed(pilot, "= 'wi")
        await wait_until(lambda: not seen(app, "Proposals").strip())
        await typed(pilot, "ki'")
        await pilot.press("enter")
        await wait_until(lambda: "pair 3 " in seen(app, "#pairs-where"))
        assert "10 pairs" in seen(app, "#pairs-status") or size[0] == 40
        await pilot.press("slash", "escape")  # the condition is there again, selected: nothing to propose
        assert not app.screen.query_one("AskLine").display


async def test_tab_means_what_it_did_where_nothing_is_proposed(tmp_path: Path, wait_until: WaitUntil) -> None:
    app = opened(tmp_path, rows())
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await ready(app, wait_until)
        await pilot.press("i", "7", "up", "down")
        assert not seen(app, "Proposals").strip() and "Complete" not in seen(app, "KeyBar")
        await pilot.press("enter")
        await wait_until(lambda: "note: 7" in seen(app))


async def test_a_wrong_column_gets_the_nearest(tmp_path: Path, wait_until: WaitUntil) -> None:
    app = opened(tmp_path, rows())
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ready(app, wait_until)
        await pilot.press("slash")
        await typed(pilot, "where scor > 1")
        await pilot.press("enter")
        await wait_until(lambda: "There is no column scor Did you mean score?" in told(app))


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
async def test_i_choose_columns_and_see_them_with_each_pair(
    tmp_path: Path, wait_until: WaitUntil, loop_guard: object, size: tuple[int, int]
) -> None:
    """In the list and below the pair, also the next time; hostile values are only text."""
    app = opened(tmp_path, rows())
    async with app.run_test(size=size, notifications=True) as pilot:
        await ready(app, wait_until)
        await pilot.press("c")
        await wait_until(lambda: "source" in seen(app, "ColumnList"))
        assert "wiki" in seen(app, "ColumnList") and "nothing further" in seen(app, "#columns-about")
        await pilot.press("space", "j", "j", "space")
        await wait_until(lambda: "source, note" in seen(app, "#columns-about"))
        settings = tmp_path / "smoltui.toml"
        await wait_until(lambda: settings.exists() and 'show = ["source", "note"]' in settings.read_text())
        await pilot.press("escape")
        await wait_until(lambda: "source: wiki" in seen(app, "PairView"))
        for number in range(2, 20):
            await pilot.press("l")
            await wait_until(lambda number=number: f"pair {number} " in seen(app, "#pairs-where"))
            assert_safe(seen(app).replace("\n", ""))
        await pilot.press("v")
        await wait_until(lambda: "wiki" in seen(app, "#pairs-list PairList"))
        assert "source" in seen(app, "#pairs-list PairList").splitlines()[0]
        assert_safe(seen(app).replace("\n", ""))
    again = SmoltuiApp(Project(tmp_path), Services(), opening="pairs")
    async with again.run_test(size=size) as pilot:
        await wait_until(lambda: "source: wiki" in seen(again, "PairView"))
        await pilot.press("c", "space", "j", "j", "space")
        await wait_until(lambda: "show" not in (tmp_path / "smoltui.toml").read_text())
        await pilot.press("escape")
        await wait_until(lambda: "pair 19 " in seen(again) and "source" not in seen(again, "PairView"))


async def test_a_long_word_begins_beside_its_name(tmp_path: Path, wait_until: WaitUntil) -> None:
    """Where there is one line below the pair, it is not wrapped out of sight."""
    app = opened(tmp_path, [{"prompt": "p", "chosen": "a", "rejected": "b", "page": "https://e.org/" + "x" * 90}])
    (tmp_path / "smoltui.toml").write_text('[pairs]\nshow = ["page", "gone"]\n')
    async with app.run_test(size=(40, 12)) as pilot:
        await wait_until(lambda: "page: https://e.org/xxx" in seen(app, "PairView"))
        await pilot.resize_terminal(120, 40)
        await wait_until(lambda: "gone: –" in seen(app, "PairView"))


@pytest.mark.slow
async def test_columns_of_another_set_are_not_remembered(tmp_path: Path, wait_until: WaitUntil) -> None:
    """Nor are our own columns shown, which are no part of the rows."""
    app = opened(tmp_path, rows())
    write(tmp_path / "other.jsonl", rows(5))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ready(app, wait_until)
        await pilot.press("o", *"other.jsonl", "enter")
        await wait_until(lambda: "not the recipe's pairs" in seen(app) and "loading" not in seen(app))
        await pilot.press("c", "space")
        await wait_until(lambda: "Shown until another set is opened" in told(app))
        await pilot.press("end", "space")
        await wait_until(lambda: "held_out isn't a column of the rows" in told(app))
        assert not (tmp_path / "smoltui.toml").exists()


@pytest.mark.parametrize("size", SIZES)
async def test_i_count_the_values_and_list_the_pairs_of_one(
    tmp_path: Path, wait_until: WaitUntil, loop_guard: object, size: tuple[int, int]
) -> None:
    """Enter lists the pairs of a value, escape returns to the values, then to the columns, then to the pair."""
    app = opened(tmp_path, rows())
    async with app.run_test(size=size, notifications=True) as pilot:
        await ready(app, wait_until)
        await pilot.press("c", "enter")
        await wait_until(lambda: "wiki" in seen(app, "FacetList"))
        listed = seen(app, "FacetList").splitlines()
        assert listed[1].split()[:3] == ["›", "wiki", "30"] and "(no value)" in listed[2] + listed[3]
        assert "3 values in 60 pairs" in seen(app, "#facet-about") or size[0] == 40
        await pilot.press("enter")
        await wait_until(lambda: "source: wiki" in seen(app) and "30 pairs" in seen(app))
        assert "question 0" in seen(app, "#pairs-list PairList") and "question 1 " not in seen(app, "PairList")
        await pilot.press("escape")
        await wait_until(lambda: "wiki" in seen(app, "FacetList"))
        assert app.screen.query_one("#pairs-status").display is False
        await pilot.press("escape")
        await wait_until(lambda: "score" in seen(app, "ColumnList"))
        await pilot.press("escape")
        await wait_until(lambda: "question 0" in seen(app, "PairView"))


@pytest.mark.slow
async def test_values_of_matches_and_their_order(tmp_path: Path, wait_until: WaitUntil) -> None:
    """After a search only its matches are counted, and a value lists a part of them."""
    app = opened(tmp_path, rows())
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ready(app, wait_until)
        await pilot.press("slash")
        await typed(pilot, "where score = 1")
        await pilot.press("enter")
        await wait_until(lambda: "20 pairs" in seen(app))
        await pilot.press("c", "enter")
        await wait_until(lambda: "3 values in 20 pairs with where score = 1" in seen(app, "#facet-about"))
        await pilot.press("j", "enter")
        await wait_until(lambda: "where score = 1, source: reddit" in seen(app) and "5 pairs" in seen(app))
        await pilot.press("escape")
        await wait_until(lambda: "20 pairs" in seen(app, "#pairs-status") and "reddit" in seen(app, "FacetList"))
        await pilot.press("s", "s")
        await wait_until(lambda: "value▲" in seen(app, "FacetList"))
        assert [line.split()[-5] for line in seen(app, "FacetList").splitlines()[1:3]] == ["reddit", "wiki"]
        await pilot.press("S")
        await wait_until(lambda: "value▼" in seen(app, "FacetList"))
        assert "wiki" in seen(app, "FacetList").splitlines()[1]
        await pilot.press("escape", "escape", "escape")
        await wait_until(lambda: not app.screen.query_one("#pairs-status").display)


@pytest.mark.slow
async def test_hostile_values_and_names(tmp_path: Path, wait_until: WaitUntil, loop_guard: object) -> None:
    """Each is listed as text and finds its pairs."""
    made = rows(30)
    for row in made:
        row["\x1b[31mname\u202e[b]"] = row["note"]
    app = opened(tmp_path, made)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await ready(app, wait_until)
        await pilot.press("slash")
        await typed(pilot, "where nam")
        await wait_until(lambda: "where nam" in seen(app, "Input"))
        assert_safe(seen(app).replace("\n", ""))
        await pilot.press("escape", "c", "j", "j", "j", "j", "space", "enter")
        await wait_until(lambda: "15 values" in seen(app, "#facet-about"))
        assert "␛[31mname⟨RLO⟩[b]" in seen(app)
        for _ in range(15):
            assert_safe(seen(app).replace("\n", ""))
            await pilot.press("enter")
            await wait_until(lambda: listed(app) == 2)
            assert_safe(seen(app).replace("\n", ""))
            await pilot.press("escape", "j")
            await wait_until(lambda: "15 values" in seen(app, "#facet-about"))


@pytest.fixture
def many(tmp_path: Path) -> SmoltuiApp:
    """The app on 100,000 pairs, each with another value."""
    made = [{"prompt": "p", "chosen": "a", "rejected": "b", "id": f"id-{number}"} for number in range(100_000)]
    return opened(tmp_path, made)


@pytest.mark.slow
async def test_a_hundred_thousand_values(many: SmoltuiApp, wait_until: WaitUntil, loop_guard: object) -> None:
    """Counted beside the screen, whose keys go on working; the most frequent ones are listed."""
    app = many
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await ready(app, wait_until)
        await wait_until(lambda: "of 100,000" in seen(app) and "loading" not in seen(app), 120)
        await pilot.press("c", "enter", "j", "k")
        await wait_until(lambda: "100,000 values, the 1,000 most frequent" in seen(app, "#facet-about"))
        await pilot.press("G", "enter")
        await wait_until(lambda: listed(app) == 1)


def test_a_chosen_column_is_kept_longest() -> None:
    """Where the list is narrow, our own columns are dropped before those that a person chose."""
    further = [Further("source", True), Further("score", False)]
    names = {width: [column.label for column in columns(width, "characters", further)] for width in (120, 80, 60, 40)}
    assert names[120] == ["pair", "turns", "chosen", "rejected", "gap", "alike", "source", "score"]
    assert names[60] == ["pair", "source", "score"] and names[40] == ["source"]
    line = PairLine(4, further=("日本語の長い文" * 9, None), excerpt="x")
    for width in (120, 80, 60, 40, 12):
        head, text = heading(width, "characters", "row", False, further), drawn(line, width, "tokens", True, further)
        assert "source" in head or width == 12
        assert_safe(text)


# -- commands


def report(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    code = run(["pairs", *map(str, arguments), "--json"])
    shown = capsys.readouterr()
    assert code == 0, shown.err
    found: dict[str, Any] = json.loads(shown.out)
    return found


@pytest.mark.slow
def test_values_as_json_and_as_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pairs.jsonl"
    write(path, rows())
    found = report(capsys, path, "--facet", "source")["facet"]
    assert (found["column"], found["kind"], found["pairs"], found["distinct"]) == ("source", "text", 60, 3)
    assert found["values"][0] == {"value": "wiki", "pairs": 30, "median_gap": 0, "where": "source = 'wiki'"}
    assert [value["value"] for value in found["values"]] == ["wiki", "reddit", None]
    for value in report(capsys, path, "--facet", "note")["facet"]["values"]:
        assert report(capsys, path, "--where", value["where"])["search"]["count"] == value["pairs"]
    among = report(capsys, path, "--where", "score = 1", "--facet", "score")
    assert among["facet"]["values"][0]["value"] == 1 and among["facet"]["pairs"] == among["search"]["count"] == 20
    assert run(["pairs", str(path), "--facet", "note"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("note: 15 values in 60 pairs\n") and "x" * 20 + "… 1,000,000 characters" in shown
    assert "\x1b" not in shown and "\u202e" not in shown and "(no value)" not in shown
    assert run(["pairs", str(path), "--facet", "sorce"]) == 2
    assert "There is no column sorce\nDid you mean source or score?" in capsys.readouterr().err
    assert run(["pairs", str(path), "--where", "sorce = 1"]) == 2
    assert "Did you mean source or score?" in capsys.readouterr().err


def test_further_columns_of_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pairs.jsonl"
    write(path, [*rows(3), {"prompt": "p", "chosen": "a", "rejected": "b", "row": 9}])
    pair = report(capsys, path, "--row", 1)["pair"]
    assert pair["further"] == {key: rows(3)[1][key] for key in ("source", "score", "note", "id")}
    head = report(capsys, path, "--head", 9)["head"]
    assert [one["row"] for one in head] == [0, 1, 2, 3] and head[3]["further"] == {"row": 9}
    assert [one["row"] for one in report(capsys, path, "--head", 1, "--where", "source = 'reddit'")["head"]] == [1]
    assert run(["pairs", str(path), "--row", "1"]) == 0
    shown = capsys.readouterr().out
    assert "\nsource: reddit\nscore: 0.5\n" in shown and "\x9b" not in shown
    assert run(["pairs", str(path), "--head", "2"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split() == ["0", "question", "0"] and shown[1].strip().startswith("source: wiki  score: 0  note:")
