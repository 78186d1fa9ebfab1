"""A judge in the Evaluate room: chosen, priced, asked, stopped and continued, by keyboard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from smoltui.app import SmoltuiApp
from smoltui.backends.project.project import Project
from smoltui.screens.evaluate import judge_view as judge_view  # the guard measures keys, not the import
from smoltui.screens.evaluate.judge_view import JudgeView
from tests.backends.evaluation.project import make_project
from tests.conftest import seen
from tests.hub.judge import JudgeServer, judge_server
from tests.stories.test_judge_commands import KEY, ROWS
from tests.stories.test_vote_room import HOSTILE, open_on, store_answers

Wait = Callable[..., Awaitable[None]]


@pytest.fixture(autouse=True)
def guarded(loop_guard: list[str]) -> list[str]:
    return loop_guard


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    with judge_server() as found:
        yield found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path / "project")
    store_answers(made, ROWS)
    return made


def words(app: SmoltuiApp) -> str:
    return " ".join(seen(app).split())


async def open_judge(app: SmoltuiApp, pilot: Pilot[int], wait: Wait, then: str) -> None:
    await wait(lambda: "answers, saved with the run" in " ".join(seen(app, "#eval-status").split()))
    await pilot.press("J")
    await wait(lambda: isinstance(app.screen, JudgeView) and then in words(app))


@pytest.mark.slow
async def test_asked_stopped_and_continued(project: Project, server: JudgeServer, wait_until: Wait) -> None:
    """In a small terminal: I choose a judge, see what it costs, stop it in the middle, close the app, and continue."""
    server.sequence = ["longer"] * 5 + ["hang"] * 4
    app = open_on(project)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_judge(app, pilot, wait_until, "No judge is chosen yet")
        await pilot.press("o", *f"{server.url} wise", "enter")
        await wait_until(lambda: "20 calls in both orders" in words(app))
        await pilot.press("a")
        await wait_until(lambda: "Send the prompts and answers to wise" in words(app))
        assert "Cost unknown" in words(app) and not server.calls
        await pilot.press("n")
        await wait_until(lambda: isinstance(app.screen, JudgeView))
        assert not server.calls
        await pilot.press("a", "y")
        await wait_until(lambda: "5 of 20 replies" in words(app) and len(server.calls) == 9)
        await pilot.press("x")
        await wait_until(lambda: "Stopping after the calls in progress" in words(app))
        server.go_on.set()
        await wait_until(lambda: "Stopped. Replies so far are kept. Next: press a to continue" in words(app))
        await wait_until(lambda: "11 calls in both orders; 9 of 20 have been answered before" in words(app))
    app = open_on(project)
    with (project.folder / "smoltui.toml").open("a") as file:
        file.write(f'[judge]\nendpoint = "{server.url}"\nmodel = "wise"\n')
    async with app.run_test(size=(80, 24)) as pilot:
        await open_judge(app, pilot, wait_until, "9 of 20 have been answered before")
        await pilot.press("a", "y")
        await wait_until(lambda: "Done." in words(app))
        told = words(app)
        assert "The judge shows no difference on 10 matchups" in told and "aligned won 8 of 10" in told
        assert len(server.calls) == 20 and not server.twice
        await pilot.press("G")
        await wait_until(lambda: "judge, each verdict 20 of 20 100 %" in words(app))
        assert "All replies took 2,000 tokens" in words(app)


async def test_the_prompt_is_shown_and_edited(
    project: Project, server: JudgeServer, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """e makes a file of the prompt that comes with smoltui; one that lacks a placeholder is refused."""
    with (project.folder / "smoltui.toml").open("a") as file:
        file.write(f'[judge]\nendpoint = "{server.url}"\nmodel = "wise"\n')
    edits = iter(["{prompt} {answer_a}", "Mine: {prompt} {answer_a} {answer_b}"])
    monkeypatch.setattr(judge_view, "edit_file", lambda room, path: path.write_text(next(edits)))
    app = open_on(project)
    async with app.run_test(size=(120, 40)) as pilot:
        await open_judge(app, pilot, wait_until, "the prompt that comes with smoltui")
        await pilot.press("v")
        await wait_until(lambda: "{answer_b}" in words(app) and "[[A]] if answer A is better" in words(app))
        await pilot.press("escape")
        await wait_until(lambda: "20 calls in both orders" in words(app))
        await pilot.press("e")
        await wait_until(lambda: "The judge's prompt lacks {answer_b}" in words(app))
        await pilot.press("e")
        await wait_until(lambda: "judge-prompt.txt" in words(app) and "20 calls in both orders" in words(app))
        await pilot.press("v")
        await wait_until(lambda: "Mine: {prompt}" in words(app))


async def test_what_goes_wrong_and_what_must_not_be_shown(
    project: Project, server: JudgeServer, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that is rejected is named by its variable; names and messages with escapes are shown harmlessly."""
    monkeypatch.setenv("JUDGE_KEY", KEY)
    with (project.folder / "smoltui.toml").open("a") as file:
        file.write(f'[judge]\nendpoint = "{server.url}"\nmodel = "wise"\nkey_env = "JUDGE_KEY"\n')
    server.key, server.words = "another", HOSTILE
    app = open_on(project)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_judge(app, pilot, wait_until, "20 calls in both orders")
        await pilot.press("a", "y")
        await wait_until(lambda: "does not accept JUDGE_KEY" in words(app))
        assert KEY not in words(app) and "\x1b" not in seen(app) and "[@click=app.quit]" in words(app)
        server.key = None
        server.rule = "hang"
        await pilot.press("a", "y")
        await wait_until(lambda: len(server.calls) == 2)
        await pilot.press("q")
        await wait_until(lambda: not isinstance(app.screen, JudgeView))
        server.rule = "longer"
        server.go_on.set()
        await wait_until(lambda: len(server.answered) == 1)
        await open_judge(app, pilot, wait_until, "1 of 20 have been answered before")
        assert len(server.calls) == 2
