"""Which held-out pairs the model gets wrong: groups below the figures, their pairs, and each pair with its words."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends.evaluation import answers, measured_pairs, measurements, resident
from smoltui.backends.project.project import Project
from smoltui.backends.runs import store as run_store
from smoltui.backends.runs.engine import Engine
from smoltui.backends.services import Services
from smoltui.cli.main import run as smoltui
from smoltui.core.runs.run import Run
from smoltui.screens.evaluate.held_out_view import GONE, HeldOutView
from smoltui.screens.evaluate.room import EvaluateRoom
from tests.backends.evaluation.project import SCRIPTED_MODELS, make_project, trained
from tests.conftest import seen
from tests.stories.test_evaluate_room import FakeEngine
from tests.stories.test_every_key import Place, QuietEngine, press_every_key

Wait = Callable[..., Awaitable[None]]
RUN = "0a1b2c3d"


def row(number: int) -> dict[str, str]:
    """Twelve whose chosen answer is long and preferred, twelve whose chosen one is short and not; one is broken."""
    question = f"Question {number}?"
    if number < 12:
        return {"prompt": question, "chosen": f"Gladly, that is the number {number} of many.", "rejected": "No."}
    if number < 24:
        rejected = f"No, and do not ask again for {number}."
        return {"prompt": question, "chosen": f"{number}, sadly.", "rejected": rejected}
    return {"prompt": question, "chosen": "This is broken.", "rejected": "This one is not."}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(answers, "GENERATE", SCRIPTED_MODELS)
    monkeypatch.setattr(resident, "ANSWER_MODELS", SCRIPTED_MODELS)
    made = make_project(tmp_path / "project")
    rows = "".join(f"{json.dumps(row(number))}\n" for number in range(25))
    (made.folder / "pairs" / "test.jsonl").write_text(rows)
    settings = made.folder / "smoltui.toml"
    settings.write_text(settings.read_text().replace("held_out = 4", "held_out = 64"))
    return made


@pytest.fixture(autouse=True)
def guarded(loop_guard: list[str]) -> list[str]:
    return loop_guard


class Listing(QuietEngine):
    """Has a run that has ended."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._runs[run.id], self._events[run.id] = run, []


def opened(project: Project) -> SmoltuiApp:
    engine = cast("Engine", FakeEngine([trained(project)]))
    return SmoltuiApp(project, Services({"local": engine}), opening="evaluate")


def groups(app: SmoltuiApp) -> dict[str, list[str]]:
    """Name of each group on the screen → its figures."""
    lines = seen(app, "GroupList").splitlines()[1:]
    return {line[2:32].strip(): line[32:].split() for line in lines if line.strip()}


async def measured(app: SmoltuiApp, pilot: object, wait_until: Wait) -> None:
    await wait_until(lambda: RUN in seen(app, "#eval-head"))
    await pilot.press("m")  # type: ignore[attr-defined]
    await wait_until(lambda: "measured on 24 held-out pairs" in seen(app, "#eval-status") and bool(groups(app)))


async def test_from_a_group_to_a_pair_and_back(project: Project, wait_until: Wait) -> None:
    """The model is right where chosen is longer, wrong where it is shorter; I read the wrong pairs, word for word."""
    app = opened(project)
    async with app.run_test(size=(120, 60)) as pilot:
        await measured(app, pilot, wait_until)
        found = groups(app)
        assert found["chosen at least twice as long"][:3] == ["12", "100", "%"]
        assert found["chosen at most half as long"][:3] == ["12", "0", "%"]
        assert found["about as long (±10 %)"] == ["0", "+", "1", "NaN", "too", "few"]
        assert found["all pairs"][:6] == ["24", "+", "1", "NaN", "50", "%"] and "1 user turn" in found
        assert "tab selects a group" in seen(app, "#figures")
        row = next(line for line in seen(app, "#figures").splitlines() if "pairs that are not finite" in line)
        assert row.split()[-2:] == ["0", "1"]
        await pilot.press("tab", "enter")
        await wait_until(lambda: "12 wrong ✗, 12 right ✓, 1 not finite !" in seen(app))
        lines = seen(app, "PairValueList").splitlines()
        assert lines[1].split()[:4] == ["›✗", "−1.500", "−3.00", "0.00"] and "Question 12?" in lines[1]
        assert lines[13].split()[0] == "✓" and lines[25].split()[:2] == ["!", "NaN"]
        await pilot.press("down", "enter")
        await wait_until(lambda: "margin: −1.500 nats ✗" in seen(app))
        assert "change of chosen: −3.00" in seen(app) and "change of rejected: 0.00" in seen(app)
        assert "Question 13?" in seen(app, "PairView") and "13, sadly." in seen(app, "PairView")
        await pilot.press("right")
        await wait_until(lambda: "14, sadly." in seen(app, "PairView"))
        await pilot.press("escape")
        await wait_until(lambda: "›✗" in seen(app, "PairValueList"))
        assert "Question 14?" in next(line for line in seen(app).splitlines() if "›" in line)
        await pilot.press("escape")
        await wait_until(lambda: isinstance(app.screen, EvaluateRoom))
        await pilot.press("down", "down", "down", "enter")
        await wait_until(lambda: "chosen at least twice as long" in seen(app, "#held-out-head"))
        assert "0 wrong ✗, 12 right ✓" in seen(app)


async def test_they_are_there_after_a_restart(project: Project, wait_until: Wait) -> None:
    """Measured on the command line yesterday; today, groups and pairs are in the room, also at 80 columns."""
    app = opened(project)
    async with app.run_test(size=(80, 24)) as pilot:
        await measured(app, pilot, wait_until)
    (project.folder / "pairs" / "test.jsonl").unlink()  # what was measured is kept
    app = opened(project)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "50 % (31–69)" in seen(app, "#figures"))
        await pilot.press("tab", "j", "k", "enter")
        await wait_until(lambda: "12 wrong ✗" in seen(app))
        await pilot.press("enter")
        await wait_until(lambda: "12, sadly." in seen(app, "PairView"))
        await pilot.press("q", "q")
        await wait_until(lambda: isinstance(app.screen, EvaluateRoom))


async def test_in_a_tiny_terminal(project: Project, wait_until: Wait) -> None:
    """40 columns: margin, mark and the beginning of the prompt stay."""
    app = opened(project)
    async with app.run_test(size=(40, 12)) as pilot:
        await wait_until(lambda: RUN in app.runs)
        await pilot.pause(0.5)  # too small for the head, which would show that the run is loaded
        await pilot.press("m")
        await wait_until(lambda: measurements.last(run_store.run_dir(RUN)) is not None)
        await wait_until(lambda: bool(app.screen.query("GroupList").first().display))
        await pilot.press("tab", "enter")
        await wait_until(lambda: "✗    −1.500" in seen(app) and "Question" in seen(app))


async def test_pairs_that_are_not_kept(project: Project, wait_until: Wait) -> None:
    """Their file is gone, or they were too many for it: I read why I see none, and what to do."""
    app = opened(project)
    async with app.run_test(size=(120, 60)) as pilot:
        await measured(app, pilot, wait_until)
    path = run_store.run_dir(RUN) / measured_pairs.NAME
    data = json.loads(path.read_text())
    for pair in data["pairs"]:
        del pair["pair"]
    path.write_text(json.dumps(data))
    app = opened(project)
    async with app.run_test(size=(120, 60)) as pilot:
        await wait_until(lambda: "50 % (31–69)" in seen(app, "#figures"))
        await pilot.press("tab", "enter")
        await wait_until(lambda: "−1.500" in seen(app, "PairValueList"))
        await pilot.press("enter")
        await wait_until(lambda: "The text of this pair is not kept" in seen(app))
        await pilot.press("escape", "escape")
        path.unlink()
        await pilot.press("enter")
        await wait_until(lambda: GONE[:50] in seen(app))


async def test_figures_of_an_older_version_have_no_groups(project: Project, wait_until: Wait) -> None:
    app = opened(project)
    async with app.run_test(size=(120, 60)) as pilot:
        await measured(app, pilot, wait_until)
    folder = run_store.run_dir(RUN)
    kept = measurements.last(folder)
    assert kept is not None
    old = replace(kept, groups=()).as_json()
    for name in ("groups", "reference_at", "dropped"):
        del old[name]
    (folder / measurements.NAME).write_text(json.dumps(old))
    app = opened(project)
    async with app.run_test(size=(120, 60)) as pilot:
        await wait_until(lambda: "50 % (31–69)" in seen(app, "#figures"))
        assert "tab selects" not in seen(app) and not app.screen.query("GroupList").first().display
        await pilot.press("tab", "enter")
        assert isinstance(app.screen, EvaluateRoom)


async def test_the_models_are_asked_while_pairs_are_read(project: Project, wait_until: Wait) -> None:
    """A run that has ended lets the models answer: the answers are shown, not hidden below the list of pairs."""
    app = opened(project)
    async with app.run_test(size=(120, 60)) as pilot:
        await measured(app, pilot, wait_until)
        await pilot.press("tab", "enter")
        await wait_until(lambda: isinstance(app.screen, HeldOutView))
        app.ask_models(RUN)
        await wait_until(lambda: isinstance(app.screen, EvaluateRoom) and "I am happy to help" in seen(app))


async def test_a_model_without_a_run(project: Project, wait_until: Wait) -> None:
    """Trained by hand: its pairs are not kept, but are there as long as the figures are shown."""
    trained(project)
    services = Services({"local": cast("Engine", FakeEngine([]))})
    app = SmoltuiApp(project, services, opening="evaluate")
    async with app.run_test(size=(120, 60)) as pilot:
        await wait_until(lambda: "using the model in output_dir" in seen(app, "#eval-head"))
        await pilot.press("m")
        await wait_until(lambda: "measured on 24 held-out pairs" in seen(app, "#eval-status") and bool(groups(app)))
        await pilot.press("tab", "enter", "enter")
        await wait_until(lambda: "12, sadly." in seen(app, "PairView"))
        await pilot.press("escape", "escape")
        await wait_until(lambda: isinstance(app.screen, EvaluateRoom) and bool(groups(app)))


@pytest.mark.slow
async def test_every_key_in_list_and_pair(project: Project, wait_until: Wait) -> None:
    app = opened(project)
    async with app.run_test(size=(80, 24)) as pilot:
        await measured(app, pilot, wait_until)
    places = [Place("evaluate", ("tab", *keys)) for keys in (("enter",), ("enter", "enter"))]
    services = Services({"local": Listing(trained(project))})
    await press_every_key(SmoltuiApp(project, services, opening="evaluate"), places)


def test_groups_on_the_command_line(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same groups as text and as JSON; small ones are marked."""
    trained(project)
    assert smoltui(["evaluate", str(project.folder), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    found = {group["group"]: group for group in report["groups"]}
    assert found["much_longer"]["reward_accuracy"] == 1.0 and found["much_longer"]["pairs"] == 12
    assert found["alike"]["too_few"] and found["alike"]["not_finite"] == 1
    assert report["reference_at"] is None and report["dropped"] == 0
    assert smoltui(["evaluate", str(project.folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert next(line for line in lines if line.startswith("chosen at most half")).split()[6:9] == ["12", "0", "%"]
    assert any(line.startswith("Groups: by length gap") for line in lines)
