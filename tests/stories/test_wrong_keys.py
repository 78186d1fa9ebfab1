"""One wrong key after another in every room that writes: nothing is lost, and undo restores everything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends.pairs.curation_file import CurationFile
from smoltui.backends.project.project import Project
from smoltui.backends.services import Services
from smoltui.core.pairs.curation import Curation
from smoltui.core.settings.file_name import FILE_NAME
from tests.backends.evaluation.project import make_project
from tests.conftest import seen

Wait = Callable[..., Awaitable[None]]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


@pytest.mark.slow
async def test_undo_restores_what_wrong_keys_wrote(
    project: Project, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Recipe and settings, I delete and switch whatever the cursor is on; in Pairs, I decide on everything."""
    before = {path: path.read_bytes() for path in (project.recipe_path, project.folder / FILE_NAME)}
    app = SmoltuiApp(project, Services({}), opening="recipe")
    heard: list[str] = []
    say = app.say
    monkeypatch.setattr(app, "say", lambda said, *args: heard.append(said) or say(said, *args))  # type: ignore[func-returns-value]
    async with app.run_test(size=(100, 30)) as pilot:

        async def undo_all() -> None:
            while True:
                heard.clear()
                await pilot.press("u")
                await wait_until(lambda: any("Undone" in said or "othing to undo" in said for said in heard), 10)
                if any("othing to undo" in said for said in heard):
                    return

        async def mash(path: Path, *keys: str) -> None:
            """Presses wrong keys until the file is another one, then undo until there is nothing left."""
            await pilot.press(*keys)
            await wait_until(lambda: path.read_bytes() != before[path], 10)
            await undo_all()
            await wait_until(lambda: path.read_bytes() == before[path], 1)

        await wait_until(lambda: "Learning rate" in seen(app))
        await mash(project.recipe_path, *"djd", "space", *"jdjd", "space", "space", *"Gdkkd", "space", "escape")
        await pilot.press("v")
        await wait_until(lambda: FILE_NAME in seen(app))
        wrong = ("slash", *"max_new", "enter", "enter", "9", "enter", "j", "d", "k", "d")
        await mash(project.folder / FILE_NAME, *wrong)
        await pilot.press("2")
        await wait_until(lambda: "pair 1 of" in seen(app) and "loading" not in seen(app))
        await pilot.press("x", "percent_sign", "space", "i", *"oops", "enter", "l", "x", "x", "percent_sign", "space")
        await pilot.press("H", "enter", "U", "A", "escape", "l", "x")
        decisions = CurationFile(project.folder)
        await wait_until(lambda: len(decisions.load().excluded) == 2 and bool(decisions.load().notes))
        await undo_all()
        left, nothing = decisions.load(), Curation()
        for name in ("excluded", "swapped", "pinned", "notes", "reasons", "hold_outs"):
            assert getattr(left, name) == getattr(nothing, name), name
    assert {path: path.read_bytes() for path in before} == before
