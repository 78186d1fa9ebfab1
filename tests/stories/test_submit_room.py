"""The Submit room: I read the card, let everything be checked, push, and submit to the leaderboard by keyboard."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends.project.project import Project
from smoltui.backends.runs.engine import Engine
from smoltui.backends.services import Services
from smoltui.core.runs.run import Run
from smoltui.screens.submit import room as room  # the guard measures keys, not the import
from tests.backends.publish.published import MODEL, OLD, board_bytes, finished, make_published, seed
from tests.conftest import seen
from tests.hub.repos import Repo
from tests.hub.server import LocalHub, local_hub

Wait = Callable[..., Awaitable[None]]
SIZES = [(120, 40), (80, 24)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    with local_hub(monkeypatch) as running:
        yield running


@pytest.fixture
def space(server: LocalHub) -> Repo:
    return seed(server)


@pytest.fixture
def made(tmp_path: Path) -> tuple[Project, Engine, Run]:
    return make_published(tmp_path / "project")


@pytest.fixture(autouse=True)
def guarded(loop_guard: list[str]) -> list[str]:
    return loop_guard


def open_on(made: tuple[Project, Engine, Run]) -> SmoltuiApp:
    return SmoltuiApp(made[0], Services({"local": made[1]}), opening="submit")


def status(app: SmoltuiApp) -> str:
    return " ".join(seen(app, "#submit-status").split())


def words(app: SmoltuiApp) -> str:
    """All that is on the screen, on one line."""
    return " ".join(seen(app).replace("│", " ").split())


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
async def test_from_card_to_pull_request(
    size: tuple[int, int], made: tuple[Project, Engine, Run], space: Repo, server: LocalHub, wait_until: Wait
) -> None:
    """I read the card, push it with the model after seeing every file, and open the pull request after its diff."""
    del server.repos.all["model", MODEL]
    app = open_on(made)
    async with app.run_test(size=size) as pilot:
        await wait_until(lambda: "demo 0a1b2c3d COMPLETED" in words(app))
        assert "Press a to check" in status(app) and f"{MODEL} · the card and the model" in words(app)
        await pilot.press("v")
        await wait_until(lambda: "base_model:" in seen(app, "#card"))
        await pilot.press("G")
        await wait_until(lambda: "Trained by smoltui" in seen(app, "#card"))
        assert not server.requests, "reading the card asks nobody"
        await pilot.press("P")
        await wait_until(lambda: "publish for everybody" in words(app))
        assert "a new repository is created" in words(app) and "model.safetensors" in words(app)
        assert ("model", MODEL) not in server.repos.all, "nothing before the yes"
        await pilot.press("y")
        await wait_until(lambda: "Published:" in status(app) and "Next: press S to submit" in status(app))
        assert "model.safetensors" in server.repos.all["model", MODEL].files
        await pilot.press("5", "6", "S")
        await wait_until(lambda: "Submit to the leaderboard" in words(app))
        assert '"username": "ada"' in words(app) and "based on" in words(app) and not space.pulls
        await pilot.press("y")
        await wait_until(lambda: "Pull request #1 is open" in status(app))
        await pilot.press("a")
        await wait_until(lambda: "Submitted: pull request #1 is open" in status(app))
        await wait_until(lambda: "○ open" in seen(app, "#checks"))
        assert len(space.pulls) == 1
    new = json.loads(space.commits[space.refs["refs/pr/1"]].tree["submissions.json"])["submissions"]
    assert new[:-1] == OLD and new[-1]["model_name"] == "smollm3-dpo"


async def test_esc_publishes_nothing(
    made: tuple[Project, Engine, Run], space: Repo, server: LocalHub, wait_until: Wait
) -> None:
    """I look at both dialogs, press enter and q, and nothing was sent."""
    app = open_on(made)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "Press a to check" in status(app))
        for key, title in (("P", "Push to the Hub"), ("S", "Submit to the leaderboard")):
            await pilot.press(key)
            await wait_until(lambda title=title: title in words(app))  # type: ignore[misc]
            await pilot.press("enter", "q")
            await wait_until(lambda: "Nothing was published." in status(app))
    assert not [r for r in server.requests if r["method"] != "GET" and "validate" not in r["path"]] and not space.pulls


async def test_what_stops_it_is_listed_with_the_next_step(
    made: tuple[Project, Engine, Run], space: Repo, server: LocalHub, wait_until: Wait
) -> None:
    """My results are private: the list says so, and the dialog offers no y."""
    server.repos.all["dataset", "ada/details_ada__smollm3-dpo"].private = True
    app = open_on(made)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "Press a to check" in status(app))
        await pilot.press("a")
        await wait_until(lambda: "1 to fix" in status(app))
        assert "✗ The results dataset is not public" in seen(app, "#checks")
        await pilot.press("S")
        await wait_until(lambda: "Fix the ✗ lines first." in words(app))
        await pilot.press("y")
        assert "Fix the ✗ lines first." in words(app)
        await pilot.press("escape")
        await wait_until(lambda: "Nothing was published." in status(app))
    assert not space.pulls


async def test_a_conflict_is_closed_and_opened_again_after_a_question(
    made: tuple[Project, Engine, Run], space: Repo, server: LocalHub, wait_until: Wait
) -> None:
    """Somebody was merged before me: the room says it, C asks, and a new one is open."""
    app = open_on(made)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "Press a to check" in status(app))
        await pilot.press("S")
        await wait_until(lambda: "Submit to the leaderboard" in words(app))
        await pilot.press("y")
        await wait_until(lambda: "Pull request #1 is open" in status(app))
        space.change({"submissions.json": board_bytes([*OLD, {"username": "dave", "chapter": "3"}])})
        await pilot.press("a")
        await wait_until(lambda: "✗ conflicting" in seen(app, "#checks"))
        await pilot.press("C")
        await wait_until(lambda: "Close pull request #1 and open a new one" in words(app))
        assert space.pulls[0].status == "open" and '"username": "ada"' in words(app), "what the new one changes"
        await pilot.press("y")
        await wait_until(lambda: "Pull request #2 is open" in status(app))
    assert [pull.status for pull in space.pulls] == ["closed", "open"]


async def test_the_board_with_my_place(
    made: tuple[Project, Engine, Run], space: Repo, server: LocalHub, wait_until: Wait
) -> None:
    """The entries of my chapter, mine marked, and my pull requests."""
    rows = [{"username": name, "model_name": f"m-{name}", "chapter": "3"} for name in ("eve", "Ada", "bob")]
    space.change({"submissions.json": board_bytes([*OLD, *rows])})
    space.open_pull("Mine", "ada")
    app = open_on(made)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "Press a to check" in status(app))
        await pilot.press("v", "v", "v")
        await wait_until(lambda: "▸" in seen(app, "#board"))
        board = seen(app, "#board")
        assert "Yours: 2 of 3 entries of chapter 3" in board and "pull request #1 is open" in " ".join(board.split())
        assert "SmolLM3-Carol" not in board and "m-eve" in board


async def test_a_board_that_is_not_json(
    made: tuple[Project, Engine, Run], space: Repo, server: LocalHub, wait_until: Wait
) -> None:
    """One sentence in the view; what I would have sent is saved, and the dialog says where it goes."""
    space.change({"submissions.json": b'{"submissions": [...]}'})
    app = open_on(made)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "Press a to check" in status(app))
        await pilot.press("v", "v", "v")
        await wait_until(lambda: "it has an ellipsis" in words(app))
        await pilot.press("S")
        await wait_until(lambda: "entry.json goes to the end of the list" in words(app))
        await pilot.press("escape")
        await wait_until(lambda: "Saved in" in status(app))
    assert (made[0].folder / "submission" / "entry.json").is_file()


async def test_i_edit_the_card_and_undo_it(
    made: tuple[Project, Engine, Run],
    server: LocalHub,
    tmp_path: Path,
    wait_until: Wait,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """e opens my editor on the card, and on smoltui.toml in the other views; u discards my edits after a question."""
    from contextlib import nullcontext

    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\ncase "$1" in *.md) echo "MY OWN WORDS" >> "$1";; *) echo "# seen" >> "$1";; esac\n')
    editor.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(editor))
    monkeypatch.setattr(SmoltuiApp, "suspend", lambda self: nullcontext())
    app = open_on(made)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "Press a to check" in status(app))
        await pilot.press("e")
        await wait_until(lambda: "# seen" in (made[0].folder / "smoltui.toml").read_text())
        await pilot.press("v", "e")
        await wait_until(lambda: "edited by you" in words(app))
        await pilot.press("G")
        await wait_until(lambda: "MY OWN WORDS" in seen(app, "#card"))
        await pilot.press("u")
        await wait_until(lambda: "Discard your edits" in words(app))
        await pilot.press("y")
        await wait_until(lambda: "edited by you" not in words(app))
        assert "MY OWN WORDS" not in seen(app, "#card")
        await pilot.press("ctrl+r")
        await wait_until(lambda: "edited by you" in words(app))


async def test_what_is_uploaded_is_chosen_by_w(tmp_path: Path, wait_until: Wait, server: LocalHub) -> None:
    """An adapter can go as it is, merged, or not at all; the card follows."""
    app = open_on(make_published(tmp_path / "project", adapter=True))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "the card and the LoRA adapter" in words(app))
        await pilot.press("v")
        await wait_until(lambda: "library_name: peft" in seen(app, "#card"))
        await pilot.press("space")
        await wait_until(lambda: "the card and the merged model" in words(app))
        assert "library_name: transformers" in seen(app, "#card")
        await pilot.press("space")
        await wait_until(lambda: "the card only" in words(app))


async def test_nothing_trained_and_nobody_logged_in(
    tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty project says what is missing; without a login the checks say how to log in."""
    empty = tmp_path / "empty"
    empty.mkdir()
    project, engine, run = make_published(tmp_path / "project")
    app = SmoltuiApp(Project(empty), Services({"local": engine}), opening="submit")
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "No finished run of this project has a model" in status(app))
        await pilot.press("a", "P", "S", "v", "r")
    app = open_on((project, engine, run))
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "Press a to check" in status(app))
        await pilot.press("a")
        await wait_until(lambda: "hf auth login" in status(app))


async def test_two_runs(tmp_path: Path, wait_until: Wait) -> None:
    """[ and ] switch runs, and the room keeps the one I chose."""
    project, engine, run = make_published(tmp_path / "project")
    engine.runs.append(finished(project, run_id="ffff0000"))  # type: ignore[attr-defined]
    app = open_on((project, engine, run))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "1 of 2" in words(app))
        await pilot.press("left_square_bracket")
        await wait_until(lambda: "demo ffff0000" in words(app))
        await pilot.press("5", "6")
        await wait_until(lambda: "2 of 2" in words(app))


async def test_a_small_terminal(made: tuple[Project, Engine, Run], space: Repo, wait_until: Wait) -> None:
    """At 40x12 I still see the checks and can submit."""
    app = open_on(made)
    async with app.run_test(size=(40, 12)) as pilot:
        await wait_until(lambda: "Press a to check" in status(app))
        await pilot.press("a")
        await wait_until(lambda: "✓" in seen(app, "#checks") or "!" in seen(app, "#checks"))
        await pilot.press("S")
        await wait_until(lambda: "Submit to the leaderboard" in words(app))
        await pilot.press("y")
        await wait_until(lambda: "Pull request #1" in status(app))
