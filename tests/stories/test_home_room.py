"""Home: what this project is, what is done, and the next step on one key."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends.guide.recent import recent_projects, remember
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.pairs.curation_file import CurationFile
from smoltui.backends.project.new_project import create_project
from smoltui.backends.project.project import Project
from smoltui.backends.runs.engine import Engine
from smoltui.backends.services import Services
from smoltui.core.runs.run import Run
from tests.backends.evaluation.project import make_project, trained
from tests.conftest import seen, told
from tests.stories.test_evaluate_room import FakeEngine

Wait = Callable[..., Awaitable[None]]
ROW = {"prompt": "Why?", "chosen": "Gladly.", "rejected": "No."}


@pytest.fixture(autouse=True)
def guarded(loop_guard: list[str]) -> list[str]:
    return loop_guard


def open_on(project: Project, *runs: Run) -> SmoltuiApp:
    return SmoltuiApp(project, Services({"local": cast("Engine", FakeEngine(list(runs)))}))


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_first_screen_of_a_project(own_machine: Path, wait_until: Wait, size: tuple[int, int]) -> None:
    """I open the demo and read what it is, what is done and the next key, without scrolling; D has the details."""
    demo = create_project(own_machine / "smoltui-demo", "demo")
    app = SmoltuiApp(demo, Services({"local": LocalEngine()}))
    async with app.run_test(size=size) as pilot:
        assert "Teach SmolLM3 which of two answers is better" in seen(app)
        await wait_until(lambda: "hf auth login" in seen(app))
        shown = seen(app)
        for words in (
            "0 Home",
            "6 Submit",
            "~/smoltui-demo",
            "✓ Pairs     768 for training, 64 held out",
            "✓ Recipe    model · beta 0.5 · 48 steps",
            "fits: ",
            "▸ Train     not yet",
            "· Compare   needs a trained model",
            "▸ Next: press t to train here.",
            "CPU",
            "q Quit",
        ):
            assert words in shown, words
        await pilot.press("D")
        await wait_until(lambda: "SmolLM3-3B with LoRA" in seen(app))
        await pilot.press("0")
        await wait_until(lambda: "▸ Next: press t" in seen(app))
        await pilot.press("enter")
        await wait_until(lambda: "per step" in seen(app))


async def test_what_follows_a_trained_model(tmp_path: Path, wait_until: Wait) -> None:
    """A run has left a model: enter compares it. A recipe that I break meanwhile comes first, as soon as I am back."""
    project = make_project(tmp_path / "project")
    app = open_on(project, trained(project))
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "Next: press a to compare the model before and after" in seen(app))
        good = project.recipe_path.read_text()
        await pilot.press("3")
        project.recipe_path.write_text("beta: [1\n")
        await pilot.press("0")
        await wait_until(lambda: "Next: press 3 to fix the recipe" in seen(app) and "✗ Recipe" in seen(app))
        await pilot.press("3")
        project.recipe_path.write_text(good)
        await pilot.press("0")
        await wait_until(lambda: "Next: press a to compare" in seen(app))


@pytest.mark.slow
async def test_from_an_empty_folder_to_the_demo_and_back(tmp_path: Path, wait_until: Wait) -> None:
    """Nothing here: d makes the demo and opens it, and p leads back to a project that I had open before."""
    mine = make_project(tmp_path / "mine")
    remember(mine.folder)
    (tmp_path / "empty").mkdir()
    app = open_on(Project(tmp_path / "empty"), trained(mine))
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "Next: press d to try the demo" in seen(app) and "mine (trained)" in seen(app))
        await pilot.press("2")
        await wait_until(lambda: "has no pairs yet" in seen(app))
        await pilot.press("0", "d")
        await wait_until(lambda: "768 for training" in seen(app) and "smoltui-demo" in seen(app, "#room-bar"))
        assert (tmp_path / "empty" / "smoltui-demo" / "recipe.yaml").is_file()
        await pilot.press("2")
        await wait_until(lambda: "1 of 768" in seen(app))  # no room still shows the folder before
        await pilot.press("0", "p", "enter")
        await wait_until(lambda: "model · beta 0.5" in seen(app) and "5 for training" in seen(app))
        assert [one.folder.name for one in recent_projects()] == ["mine", "smoltui-demo"]


@pytest.mark.slow
async def test_opening_what_i_type(tmp_path: Path, wait_until: Wait) -> None:
    """o takes a file or a folder; for a name with a typo, it says which one is near."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "my_pairs.jsonl").write_text(json.dumps(ROW) + "\n")
    other = make_project(tmp_path / "other")
    app = open_on(Project(tmp_path / "here"))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await wait_until(lambda: "Next: press n to start a project with my_pairs.jsonl" in seen(app))
        await pilot.press("o", *"my_pair.jsonl", "enter")
        await wait_until(lambda: "Did you mean my_pairs.jsonl?" in told(app))
        await pilot.press("o", "enter")
        await wait_until(lambda: "1 of 1" in seen(app) and "Gladly." in seen(app))
        await pilot.press("0", "o", *str(other.folder), "enter")
        await wait_until(lambda: "other" in seen(app, "#room-bar") and "Recipe    model" in seen(app))


@pytest.mark.slow
async def test_making_an_opened_set_the_recipes(tmp_path: Path, wait_until: Wait) -> None:
    """U in Pairs: the recipe names the set that I opened, a share is held out, and u takes both back."""
    project = make_project(tmp_path / "project")
    rows = "".join(json.dumps({**ROW, "prompt": f"Why {n}?"}) + "\n" for n in range(40))
    (project.folder / "mine.jsonl").write_text(rows)
    before = project.recipe_path.read_text()
    app = open_on(project)
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        await wait_until(lambda: "Recipe    model" in seen(app))
        await pilot.press("o", *"mine.jsonl", "enter")
        await wait_until(lambda: "1 of 40" in seen(app) and "not the recipe's pairs" in seen(app))
        await pilot.press("U")
        await wait_until(lambda: "holds out 10 % of the prompts · u undoes" in told(app))
        assert "data_files: mine.jsonl" in project.recipe_path.read_text()
        await wait_until(lambda: "1 of 40" in seen(app) and "not the recipe's pairs" not in seen(app))
        await pilot.press("x", "u")  # a decision since then comes first
        await wait_until(lambda: "Undone: exclude" in told(app))
        assert "data_files: mine.jsonl" in project.recipe_path.read_text()
        await pilot.press("u")
        await wait_until(lambda: project.recipe_path.read_text() == before)
        await wait_until(lambda: CurationFile(project.folder).load().hold_outs == {})


@pytest.mark.parametrize("size", [(40, 12), (20, 5), (1, 1)])
async def test_a_tiny_terminal(tmp_path: Path, wait_until: Wait, size: tuple[int, int]) -> None:
    """Nothing breaks in a tiny terminal, and everything is there once it grows."""
    app = open_on(make_project(tmp_path / "project"))
    async with app.run_test(size=size) as pilot:
        await pilot.pause(0.2)
        await pilot.press("r", "down", "p", "escape", "o", "escape")
        await pilot.resize_terminal(120, 40)
        await wait_until(lambda: "Next: press t to train" in seen(app) and "THIS MACHINE" in seen(app))
