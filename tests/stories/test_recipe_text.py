"""A file as text in the Recipe room: typed, checked meanwhile, saved, undone; what others write is not lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends.project.file_text import read_text, write_text
from smoltui.backends.project.new_project import create_project
from smoltui.backends.project.project import Project
from smoltui.backends.services import Services
from smoltui.screens.recipe.text_area import key_at, shown
from tests.conftest import seen, told

Wait = Callable[..., Awaitable[None]]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return create_project(tmp_path / "mine", "course-jobs")


@pytest.mark.slow
async def test_i_edit_the_file_as_text(project: Project, wait_until: Wait, loop_guard: list[str]) -> None:
    """What I type is checked, esc asks before it is lost, and what another program wrote meanwhile can be kept."""
    before = project.recipe_path.read_bytes()
    app = SmoltuiApp(project, Services(), opening="recipe")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await wait_until(lambda: "16 pairs per step" in seen(app, "#below"))
        await pilot.press("slash", *"beta", "enter", "i")
        await wait_until(lambda: "Pull towards the reference" in seen(app, "#text-about"))
        await pilot.press("end", "enter", *"foo: [")
        await wait_until(lambda: "is not YAML" in seen(app, "#text-checks") and "not saved" in seen(app))
        await pilot.press("ctrl+s")
        await wait_until(lambda: "Not saved yet" in told(app))
        await pilot.press("ctrl+u", *"betta: 1")
        await wait_until(lambda: "no such key: betta" in seen(app, "#text-checks"))
        await pilot.press("ctrl+q")
        await wait_until(lambda: "save and quit" in seen(app))
        await pilot.press("escape", "ctrl+s")
        await wait_until(lambda: b"betta: 1" in project.recipe_path.read_bytes())
        await pilot.press(*"23")
        theirs = before.replace(b"max_steps: 1000", b"max_steps: 10")
        project.recipe_path.write_bytes(theirs)
        await pilot.press("ctrl+s")
        await wait_until(lambda: "Another program has changed recipe.yaml" in seen(app))
        await pilot.press("m")
        await wait_until(lambda: b"betta: 123" in project.recipe_path.read_bytes())
        await pilot.press("x", "escape")
        await wait_until(lambda: "discard them and close" in seen(app))
        await pilot.press("d")
        await wait_until(lambda: "to fix" in seen(app, "#checks-head"))
        await pilot.press("u")
        await wait_until(lambda: project.recipe_path.read_bytes() == theirs)


def test_a_broken_text_can_be_saved_and_is_what_is_read(tmp_path: Path) -> None:
    """The editor writes what is typed, whatever it is, byte for byte."""
    project = create_project(tmp_path / "mine", "demo")
    file, made = write_text(project, read_text(project, "recipe.yaml"), "beta: [\r\nü")
    assert (project.folder / "recipe.yaml").read_bytes() == "beta: [\r\nü".encode() and made.said == "edits of the text"
    assert read_text(project, "recipe.yaml") == file
    assert write_text(project, file, "beta: 0.3")[1].said == "edits of the text"


def test_a_line_has_as_many_characters_on_the_screen_as_in_the_file() -> None:
    """Nothing in it acts on the terminal, no secret is shown, and the cursor is where it seems to be."""
    assert shown("beta: 0.1") == "beta: 0.1"
    assert shown("a\x1b]0;x\x07b\u202ec") == "a\ufffd]0;x\ufffdb\ufffdc"
    token = "hub_token: hf_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7" * 2 + "  # mine"
    assert "hf_" not in shown(token) and shown(token).endswith("  # mine") and len(shown(token)) == len(token)


def test_the_key_of_a_line() -> None:
    """A line within a value belongs to its key; one of TOML also to its table."""
    lines = ["beta: 1", "datasets:", "  - path: json", "", "# more", "seed: 2"]
    assert [key_at(lines, row, toml=False) for row in range(6)] == ["beta", "datasets", "datasets", "", "", "seed"]
    lines = ["[run]", 'on = "local"', "", "[evaluation.manner]", "none_of = [", '  "x",']
    expected = ["", "run.on", "", "", "evaluation.manner.none_of", "evaluation.manner.none_of"]
    assert [key_at(lines, row, toml=True) for row in range(6)] == expected
