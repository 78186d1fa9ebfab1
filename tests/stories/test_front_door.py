"""From a folder with a single file of pairs, or a name on the Hub, to a trained and compared model: keys only."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends.evaluation import answers, resident
from smoltui.backends.guide.opening import find_target
from smoltui.backends.jobs import submit as hub_submit
from smoltui.backends.jobs import watching
from smoltui.backends.jobs.engine import HubEngine
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.project.new_project import PRESETS
from smoltui.backends.project.project import Project
from smoltui.backends.runs import monitor
from smoltui.backends.services import Services
from smoltui.core.runs import events
from tests.backends.evaluation.project import SCRIPTED_MODELS
from tests.conftest import seen
from tests.hub.cached import weights
from tests.hub.server import Dataset, LocalHub, local_hub
from tests.marks import needs_training
from tests.stories.test_evaluate_room import COURTEOUS, CURT

BASE = "HuggingFaceTB/SmolLM2-135M-Instruct"
Wait = Callable[..., Awaitable[None]]
ROWS = (PRESETS["demo"] / "pairs" / "train.jsonl").read_text().splitlines(keepends=True)


def folder_with_pairs(folder: Path, rows: int) -> Project:
    """A folder with nothing but my_pairs.jsonl."""
    folder.mkdir()
    (folder / "my_pairs.jsonl").write_text("".join(ROWS[:rows]))
    return Project(folder)


@needs_training
async def test_from_one_file_to_compared_models(tmp_path: Path, wait_until: Wait, loop_guard: list[str]) -> None:
    """A folder with only my_pairs.jsonl: nine keys later, both models have answered. I edited no file.

    The window is small until the run starts, and large from then on.
    """
    project = folder_with_pairs(tmp_path / "mine", 40)
    keys: list[str] = []
    app = SmoltuiApp(project, Services({"local": LocalEngine()}))
    async with app.run_test(size=(80, 24)) as pilot:

        async def press(key: str) -> None:
            keys.append(key)
            await pilot.press(key)

        await wait_until(lambda: "press n to start a project with my_pairs.jsonl" in seen(app))
        await press("enter")
        await wait_until(lambda: "40 usable pairs" in seen(app) and "10 % of the prompts" in seen(app))
        await press("enter")
        await wait_until(lambda: "Which model should learn?" in seen(app) and "GiB free" in seen(app))
        await press("G")
        await press("up")
        await wait_until(lambda: "› demo model" in seen(app))
        await press("enter")
        await wait_until(lambda: "› all weights, this machine" in seen(app) and ": fits" in seen(app))
        await press("enter")
        await wait_until(lambda: "learning_rate" in seen(app) and "high for DPO" in seen(app))
        assert not project.has_recipe
        await press("enter")
        await wait_until(lambda: "37 pairs of my_pairs.jsonl" in seen(app) and "Peak memory" in seen(app))
        assert not project.has_recipe
        await press("enter")
        await wait_until(lambda: "epochs of 37 pairs" in seen(app) and "Train mine" in seen(app))
        await press("enter")
        await pilot.resize_terminal(120, 40)
        await wait_until(lambda: "COMPLETED" in seen(app, "RunList"), 240)
        run = next(iter(app.runs.values()))
        assert run.history.last("eval_rewards/accuracies") is not None
        await press("a")
        await wait_until(lambda: "aligned" in seen(app) and not app.screen._working, 240)  # type: ignore[attr-defined]
        await wait_until(lambda: re.search(r"\d+ answers", seen(app)) is not None, 240)
        assert len(keys) <= 12, keys
        await pilot.press("0")
        await wait_until(lambda: "✓ Compare" in seen(app) and "press 6 to publish" in seen(app))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, own_machine: Path) -> Iterator[LocalHub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(own_machine / "hub"))
    monkeypatch.setattr(watching, "poll_seconds", lambda stage, polls: 0.1)
    monkeypatch.setattr(hub_submit, "ship", lambda *args: None)
    monkeypatch.setattr(monitor, "JOBS_SECONDS", 0.3)
    monkeypatch.setattr(monitor, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(answers, "GENERATE", SCRIPTED_MODELS)
    monkeypatch.setattr(resident, "ANSWER_MODELS", SCRIPTED_MODELS)
    with local_hub(monkeypatch) as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_from_a_name_on_the_hub_to_the_model_of_a_job(
    tmp_path: Path, hub: LocalHub, wait_until: Wait, size: tuple[int, int]
) -> None:
    """`smoltui ada/pairs` in an empty folder: a project, a Job, and its model compared, by keys that the app names."""
    hub.datasets["ada/pairs"] = Dataset({"train.jsonl": "".join(ROWS[:60]).encode()})
    for name in (BASE, "ada/trained"):
        hub.repos.add("model", name, {"config.json": b"{}", "model.safetensors": weights(300)})
    services = Services({"local": LocalEngine(), "hub": HubEngine()})
    app = SmoltuiApp(Project(tmp_path / "new"), services, target=find_target("ada/pairs", tmp_path))
    (tmp_path / "new").mkdir()

    async def then(*texts: str) -> None:
        await wait_until(lambda: all(text in " ".join(seen(app).split()) for text in texts))

    async with app.run_test(size=size) as pilot:
        await then("pair 1 of 60", "press U to train on them")
        await pilot.press("U")
        await then("60 pairs in the first 60 rows", "60 usable pairs", "10 % of the prompts (4 pairs)")
        await pilot.press("enter")
        await then("Which model should learn?", "› SmolLM2-135M-Instruct", "GiB free")
        await pilot.press("enter")
        await then("› all weights, this machine")
        await pilot.press("j", "j")
        await then("› all weights, HF Jobs")
        await pilot.press("enter")
        await then("test_split_size 0.1")
        await pilot.press("enter")
        await then("The first 60 rows of ada/pairs, train, read as pairs", "a new repository")
        await pilot.press("enter")
        await then("COSTS AT MOST", "enter Start Job")
        await pilot.press("enter")
        await wait_until(lambda: len(hub.jobs) == 1 and "SCHEDULING" in seen(app, "RunList"))
        (job,) = hub.jobs.values()
        job.say(events.dump(events.ModelPushed(repo="ada/trained")), events.dump(events.Finished(step=3, max_steps=3)))
        job.stage = "COMPLETED"
        await then("Next: press a to compare before and after")
        await pilot.press("a")
        await then("Download and load these models?", "aligned: ada/trained, 1 KiB to download")
        await pilot.press("y")
        await then(COURTEOUS, CURT, "Next: press m to measure")
