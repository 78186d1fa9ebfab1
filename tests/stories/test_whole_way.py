"""From pairs to answers with the real demo, the real trainer and the keyboard."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.project import recipe_facts
from smoltui.backends.project.new_project import create_project
from smoltui.backends.project.project import Project
from smoltui.backends.services import Services
from tests.conftest import seen
from tests.marks import needs_training

Wait = Callable[..., Awaitable[None]]


@pytest.fixture
def demo(own_machine: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Project:
    """The demo; except for screenshots, with a third of its steps: `test_dpo.py` trains it to the end."""
    # Screenshots must not show paths of the machine they were taken on.
    monkeypatch.setattr(recipe_facts, "SCRIPTS", Path("smoltui/scripts"))
    project = create_project(own_machine / "smoltui-demo", "demo")
    if not request.config.getoption("--screenshots"):
        with project.recipe_path.open("a") as file:
            file.write("max_steps: 16\n")
    return project


@needs_training
async def test_from_pairs_to_answers_in_three_keys(
    demo: Project, wait_until: Wait, loop_guard: list[str], picture: Callable[[SmoltuiApp, str], None]
) -> None:
    """I open the demo, visit each room, then press t, enter, and a after the run. Both models answer."""
    app = SmoltuiApp(demo, Services({"local": LocalEngine()}))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "press t to train here" in seen(app))
        await wait_until(lambda: "hf auth login" in seen(app))
        picture(app, "home")
        await pilot.press("1")
        await wait_until(lambda: "SmolLM3-3B with LoRA" in seen(app))
        picture(app, "device")
        await pilot.press("2")
        await wait_until(lambda: re.search(r"1 of 7\d\d", seen(app)) is not None)
        await wait_until(lambda: "tokens" in seen(app) and "loading" not in seen(app))
        picture(app, "pairs")
        await pilot.press("3")
        await wait_until(lambda: "Learning rate" in seen(app))
        picture(app, "recipe")

        await pilot.press("t")
        await wait_until(lambda: "checks passed" in seen(app, "#start-text") and "enter Start" in seen(app))
        picture(app, "start")
        await pilot.press("enter")

        await wait_until(lambda: "RUNNING" in seen(app, "RunList"), 30)
        await wait_until(lambda: re.search(r"[1-9]\d*/\d+ steps", seen(app, "#run-head")) is not None, 90)
        await wait_until(lambda: "COMPLETED" in seen(app, "RunList"), 240)
        await wait_until(lambda: "press a to compare before and after" in seen(app, "#run-head"))
        run = next(iter(app.runs.values()))
        accuracy = run.history.last("eval_rewards/accuracies")
        assert accuracy is not None and accuracy >= 0.95
        assert run.moved is not None and run.moved > 0.9
        await wait_until(lambda: "Reading: healthy. The margin has risen" in seen(app, "#run-head"))
        assert (demo.folder / "aligned" / "model.safetensors").is_file()
        picture(app, "runs")

        await pilot.press("a")
        await wait_until(lambda: "aligned" in seen(app), 30)
        await wait_until(lambda: "saved with the run" in seen(app), 120)
        folder = Path(os.environ["SMOLTUI_HOME"]) / "runs" / run.id
        await wait_until(lambda: len(list(folder.glob("answers-*.json"))) == 1)
        picture(app, "evaluate")


@needs_training
async def test_a_second_start_goes_into_a_folder_of_its_own(demo: Project, wait_until: Wait) -> None:
    """The first model is kept: the dialog shows the next free folder."""
    (demo.folder / "aligned").mkdir(exist_ok=True)
    (demo.folder / "aligned" / "config.json").touch()
    app = SmoltuiApp(demo, Services({"local": LocalEngine()}))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "aligned-2" in seen(app, "#start-text"))
        await pilot.press("escape")
        await pilot.pause()
        assert await app.workspace.services.engines["local"].list_runs() == []
