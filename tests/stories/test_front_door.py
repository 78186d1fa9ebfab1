"""From a folder with a single file of pairs, or a name on the Hub, to a trained and compared model: keys only."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.project.new_project import PRESETS
from smoltui.backends.project.project import Project
from smoltui.backends.services import Services
from tests.conftest import seen
from tests.marks import needs_training

Wait = Callable[..., Awaitable[None]]
ROWS = (PRESETS["demo"] / "pairs" / "train.jsonl").read_text().splitlines(keepends=True)


def folder_with_pairs(folder: Path, rows: int) -> Project:
    """A folder with nothing but my_pairs.jsonl."""
    folder.mkdir()
    (folder / "my_pairs.jsonl").write_text("".join(ROWS[:rows]))
    return Project(folder)


@needs_training
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_from_one_file_to_compared_models(
    tmp_path: Path, wait_until: Wait, loop_guard: list[str], size: tuple[int, int]
) -> None:
    """A folder with only my_pairs.jsonl: nine keys later, both models have answered. I edited no file."""
    project = folder_with_pairs(tmp_path / "mine", 120)
    keys: list[str] = []
    app = SmoltuiApp(project, Services({"local": LocalEngine()}))
    async with app.run_test(size=size) as pilot:

        async def press(key: str) -> None:
            keys.append(key)
            await pilot.press(key)

        await wait_until(lambda: "press n to start a project with my_pairs.jsonl" in seen(app))
        await press("enter")
        await wait_until(lambda: "120 usable pairs" in seen(app) and "10% of the prompts" in seen(app))
        await press("enter")
        await wait_until(lambda: "Which model should learn?" in seen(app) and "GiB free" in seen(app))
        await press("up")
        await press("up")
        await wait_until(lambda: "› demo model" in seen(app))
        await press("enter")
        await wait_until(lambda: "› all weights, this machine" in seen(app) and ": fits" in seen(app))
        await press("enter")
        await wait_until(lambda: "learning_rate" in seen(app) and "high for DPO" in seen(app))
        assert not project.has_recipe
        await press("enter")
        await wait_until(lambda: "108 pairs of my_pairs.jsonl" in seen(app) and "Peak memory" in seen(app))
        assert not project.has_recipe
        await press("enter")
        await wait_until(lambda: "per step" in seen(app) and "Train mine" in seen(app))
        await press("enter")
        await wait_until(lambda: "COMPLETED" in seen(app, "RunList"), 240)
        run = next(iter(app.runs.values()))
        assert run.history.last("eval_rewards/accuracies") is not None
        await press("a")
        await wait_until(lambda: "aligned" in seen(app) and not app.screen._working, 240)  # type: ignore[attr-defined]
        await wait_until(lambda: re.search(r"\d+ answers", seen(app)) is not None, 240)
        assert len(keys) <= 12, keys
        await pilot.press("0")
        await wait_until(lambda: "✓ Compare" in seen(app) and "press 6 to publish" in seen(app))
