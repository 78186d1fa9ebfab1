"""I leave, come back, and it looks as I left it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends.project.new_project import create_project
from smoltui.backends.project.project import Project
from smoltui.backends.services import Services
from smoltui.backends.system.ui_state import Remembered
from tests.conftest import seen

WaitUntil = Callable[..., Awaitable[None]]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return create_project(tmp_path / "demo", "demo")


def started(project: Project) -> SmoltuiApp:
    """As the command does it: what is remembered is read before the app is there."""
    remembered = Remembered(project.folder)
    remembered.read()
    return SmoltuiApp(project, Services({}), remembered=remembered)


@pytest.mark.slow
async def test_i_come_back(project: Project, wait_until: WaitUntil) -> None:
    """Theme, room, pair, field of the recipe, order of the runs, and what I unfolded."""
    app = started(project)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("4", "s", "S", "2")
        await wait_until(lambda: "pair 1 of 768" in seen(app))
        await pilot.press("l", "l", "3")
        await wait_until(lambda: "Beta" in seen(app))
        for _ in range(6):
            await pilot.press("j")
        await wait_until(lambda: "dataset_test_split" in seen(app))
        app.theme = "nord"
    app = started(project)
    async with app.run_test(size=(100, 30)) as pilot:
        assert app.theme == "nord"
        await wait_until(lambda: "dataset_test_split" in seen(app))
        await pilot.press("2")
        await wait_until(lambda: "pair 3 of 768" in seen(app))
        await pilot.press("4")
        await wait_until(lambda: "sorted by" in seen(app) and "reversed" in seen(app))


@pytest.mark.slow
async def test_views_and_orders_that_i_left(project: Project, wait_until: WaitUntil) -> None:
    """The order of the pairs, the prompt that I was reading, and the view of Submit."""
    app = started(project)
    async with app.run_test(size=(100, 16)) as pilot:
        await pilot.press("6", "v", "2")
        await wait_until(lambda: "pair 1 of 768" in seen(app) and "loading" not in seen(app))
        await pilot.press("s", "S", "5")
        await wait_until(lambda: "1  My kettle is full of chalk" in seen(app, "AnswerSheet"))
        await pilot.press("l", "l")
        await wait_until(lambda: app.workspace.remembered.project.get("evaluate.prompt", 0) == 2)
    app = started(project)
    async with app.run_test(size=(100, 16)) as pilot:
        await wait_until(lambda: seen(app, "AnswerSheet").lstrip().startswith("3  "))
        await pilot.press("6")
        await wait_until(lambda: bool(app.screen.query("CardReader")) and app.screen.query_one("CardReader").display)
        await pilot.press("2", "v")
        await wait_until(lambda: "turns▲" in seen(app))


async def test_other_pairs_begin_at_the_first(project: Project, wait_until: WaitUntil) -> None:
    app = started(project)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("2")
        await wait_until(lambda: "pair 1 of 768" in seen(app))
        await pilot.press("l")
        await wait_until(lambda: "pair 2 of 768" in seen(app))
    (project.folder / "other.jsonl").write_text('{"prompt": "p", "chosen": "a", "rejected": "b"}\n' * 3)
    recipe = project.recipe_path.read_text()
    project.recipe_path.write_text(recipe.replace("dataset_name: pairs", "dataset_name: other.jsonl"))
    app = started(project)
    async with app.run_test(size=(100, 30)):
        await wait_until(lambda: "pair 1 of 3" in seen(app))


async def test_a_room_that_is_gone(project: Project) -> None:
    remembered = Remembered(project.folder)
    remembered.project.put("room", "attic")
    remembered.app.put("theme", "gone")
    remembered.write()
    app = started(project)
    async with app.run_test():
        assert app.theme == "smoltui-dark" and app.current_mode == SmoltuiApp(project).DEFAULT_MODE
