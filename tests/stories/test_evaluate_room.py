"""The Evaluate room: both models answer my prompts, and are measured on held-out pairs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import psutil
import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends.evaluation import answers, resident
from smoltui.backends.local.place import HERE
from smoltui.backends.machine import train_extra as training
from smoltui.backends.project.project import Project
from smoltui.backends.runs import store as run_store
from smoltui.backends.runs.engine import Engine
from smoltui.backends.services import Services
from smoltui.core.runs.place import Place
from smoltui.core.runs.run import Run
from smoltui.errors import SmoltuiError
from smoltui.screens.evaluate.room import EvaluateRoom
from tests.backends.evaluation.project import SCRIPTED_MODELS, make_project, trained
from tests.conftest import seen

Wait = Callable[..., Awaitable[None]]
COURTEOUS, CURT = "I am happy to help you with it.", "Whatever. Go away now."


@dataclass
class FakeEngine:
    """Lists the runs it was given, and nothing else."""

    runs: list[Run] = field(default_factory=list)
    place: Place = HERE
    name: str = HERE.name
    problems: dict[str, SmoltuiError] = field(default_factory=dict)

    async def list_runs(self) -> list[Run]:
        return self.runs

    def around(self, run: Run, step: str) -> tuple[str, ...]:
        return ()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(answers, "GENERATE", SCRIPTED_MODELS)
    monkeypatch.setattr(resident, "ANSWER_MODELS", SCRIPTED_MODELS)
    return make_project(tmp_path / "project")


@pytest.fixture(autouse=True)
def guarded(loop_guard: list[str]) -> list[float]:
    return loop_guard


def open_on(project: Project, *runs: Run) -> SmoltuiApp:
    engine = cast("Engine", FakeEngine(list(runs)))
    return SmoltuiApp(project, Services({"local": engine}), opening="evaluate")


def kept_files(run_id: str) -> list[Path]:
    return sorted(run_store.run_dir(run_id).glob("answers-*.json"))


async def test_both_models_answer_side_by_side(project: Project, wait_until: Wait) -> None:
    """I press a: both models answer my two prompts, each answer is judged by the rule, and everything is saved."""
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app, "#eval-head"))
        head = seen(app, "#eval-head")
        assert "thinking off" in head and "temperature 0.7" in head and "32 tokens" in head and "seed 0" in head
        assert "How do I boil rice?" in seen(app) and COURTEOUS not in seen(app)
        await pilot.press("a")
        await wait_until(lambda: seen(app).count(COURTEOUS) == 2 and "Took " in seen(app, "#eval-status"))
        rows = [line for line in seen(app).splitlines() if COURTEOUS in line]
        assert all(CURT in line for line in rows)
        assert "Courteous: reference 0 of 2, aligned 2 of 2" in seen(app, "#eval-status")
        await wait_until(lambda: "✓ courteous" in seen(app) and "✗ not courteous" in seen(app))
    (path,) = kept_files("0a1b2c3d")
    kept = json.loads(path.read_text())
    assert kept["answers"][0]["aligned"]["text"] == COURTEOUS and kept["sampling"]["max_new_tokens"] == 32


async def test_answers_are_stacked_in_a_narrow_terminal(project: Project, wait_until: Wait) -> None:
    """At 80 columns nothing is cut off: the second answer is below the first."""
    app = open_on(project, trained(project))
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: COURTEOUS in seen(app))
        lines = [line.strip(" ┃") for line in seen(app).splitlines()]
        assert lines.index(CURT) < lines.index(COURTEOUS)
        assert "thinking off" in seen(app, "#eval-head")
        assert "i Own prompt" in seen(app) and "t Train  q Quit" in seen(app)


async def test_saved_answers_are_there_when_the_room_opens(project: Project, wait_until: Wait) -> None:
    """Yesterday's answers are still there today, including the one to my own prompt."""
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("i", *"Own?", "enter")
        await wait_until(lambda: seen(app).count(COURTEOUS) == 1 and "Took " in seen(app, "#eval-status"))
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: COURTEOUS in seen(app))
        await wait_until(lambda: "Own?" in seen(app) and "saved with the run at" in seen(app, "#eval-status"))


def children_since(before: set[psutil.Process]) -> list[psutil.Process]:
    """Processes that the app started."""
    return [child for child in psutil.Process().children(recursive=True) if child not in before]


async def test_text_streams(project: Project, wait_until: Wait, monkeypatch: pytest.MonkeyPatch) -> None:
    """I see the first words while the rest is still being generated; x stops it, a second x unloads the models."""
    before = set(psutil.Process().children(recursive=True))
    (project.folder / "prompts.txt").write_text("Answer slowly\n")
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: "Whatever. …" in seen(app))
        children = children_since(before)
        assert any(str(SCRIPTED_MODELS) in child.cmdline() for child in children)
        await wait_until(lambda: "0 of 2 answers" in seen(app, "#eval-status"))
        await pilot.press("x")
        await wait_until(lambda: "Stopped" in seen(app, "#eval-status"))
        assert "Whatever." not in seen(app)
        await pilot.press("x")
        await wait_until(lambda: "unloaded" in seen(app, "#eval-status"))
        assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert not kept_files("0a1b2c3d")


async def test_leaving_the_app_while_models_answer(project: Project, wait_until: Wait) -> None:
    """I quit while the models answer: the app exits at once, and so do the models."""
    before = set(psutil.Process().children(recursive=True))
    (project.folder / "prompts.txt").write_text("Answer slowly\n")
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: "Whatever." in seen(app))
        children = children_since(before)
        assert children
        await pilot.press("q")
    assert app.return_code == 0
    _, alive = psutil.wait_procs(children, 60)
    assert not alive


async def test_measured_on_held_out_pairs(project: Project, wait_until: Wait) -> None:
    """I press m and read reward accuracy, margin, both shares, and the rules behind them."""
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("m")
        await wait_until(lambda: "measured on 4 held-out pairs" in seen(app, "#eval-status"))
        figures = {line[:33].strip(): line[33:].split() for line in seen(app, "#figures").splitlines()}
        assert figures["reward accuracy"][:2] == ["–", "100"]
        assert " ".join(figures["reward margin, nats"]) == "0.000 1.500 (1.500 to 1.500)"
        assert " ".join(figures["change of chosen, nats"]) == "– 3.00 (3.00 to 3.00)"
        assert figures["change of rejected, nats"][:2] == ["–", "0.00"]
        assert figures["courteous"][0] == "0" and figures["courteous"][3] == "100"
        assert figures["held-out pairs / answers"] == ["4", "/", "4", "4", "/", "4"]
        assert "contains at least one of “happy to”" in seen(app, "#figures") and "Well-formed" in seen(app, "#figures")


async def test_figures_are_kept_with_the_run(
    project: Project, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I come back tomorrow: yesterday's figures are there, and new ones say what they can't be compared for."""
    monkeypatch.setattr(answers, "today", lambda: "2026-11-28")
    app = open_on(project, trained(project))
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("m")
        await wait_until(lambda: "measured on 4 held-out pairs" in seen(app, "#eval-status"))
    monkeypatch.setattr(answers, "today", lambda: "2026-11-29")
    app = open_on(project, trained(project))
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "1.500 (1.500 to 1.500)" in seen(app, "#figures"))
        assert "2026-11-28" in seen(app, "#figures")
        await pilot.press("m")
        said = "Not comparable with the last figures: the date in the prompts was 2026-11-28 and is 2026-11-29"
        await wait_until(lambda: said in " ".join(seen(app, "#eval-status").split()))
        await wait_until(lambda: "2026-11-29" in seen(app, "#figures"))


async def test_before_anything_is_trained(project: Project, wait_until: Wait) -> None:
    """There is no aligned model yet: I read which key trains one, and can ask the reference alone."""
    app = open_on(project)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "No aligned model yet. Press t to train one" in seen(app, "#eval-status"))
        await pilot.press("m")
        await pilot.press("a")
        await wait_until(lambda: CURT in seen(app))
        assert COURTEOUS not in seen(app)


@pytest.mark.parametrize(
    ("has_model", "run", "status"),
    [(False, "no run of this project", "No aligned model yet. Press t"), (True, "none; using the model", "Press a")],
)
async def test_runs_are_loaded_before_it_says_that_there_is_none(
    project: Project, wait_until: Wait, *, has_model: bool, run: str, status: str
) -> None:
    """Loading my runs takes a while: the room says so, and not that there is no run, or no aligned model."""
    if has_model:
        trained(project)
    app, done = open_on(project), asyncio.Event()
    engine = cast("FakeEngine", app.workspace.services.engines["local"])

    async def slowly() -> list[Run]:
        await done.wait()
        return []

    engine.list_runs = slowly  # type: ignore[method-assign]
    async with app.run_test(size=(80, 24)):
        await wait_until(lambda: "Loading runs…" in seen(app, "#eval-head"))
        assert "Loading runs…" in seen(app, "#eval-status")
        done.set()
        await wait_until(lambda: run in seen(app, "#eval-head") and status in seen(app, "#eval-status"))


async def test_another_run_of_the_project(project: Project, wait_until: Wait) -> None:
    """I trained twice: the newer model is shown, [ selects the older one. Other projects' runs are not offered."""
    newer = replace(trained(project, "11111111", "out-2"), created_at=9.0)
    other = replace(trained(project, "22222222", "out-3"), project="/somewhere/else", created_at=20.0)
    app = open_on(project, other, newer, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "out-2" in seen(app, "#eval-head"))
        assert "11111111" in seen(app, "#eval-head") and "1 of 2" in seen(app, "#eval-head")
        await pilot.press("left_square_bracket")
        await wait_until(lambda: "0a1b2c3d" in seen(app, "#eval-head"))
        assert "2 of 2" in seen(app, "#eval-head")
        await pilot.press("right_square_bracket")
        await wait_until(lambda: "11111111" in seen(app, "#eval-head"))


async def test_the_app_starts_the_answers(project: Project, wait_until: Wait) -> None:
    """After training, I press a in the Runs room: Evaluate opens, and the newest model starts to answer."""
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: bool(app.runs))
        room = app.screen
        assert isinstance(room, EvaluateRoom)
        room.start_asking()
        await wait_until(lambda: seen(app).count(COURTEOUS) == 2)
        await pilot.pause()


@pytest.mark.parametrize(("prompt", "said"), [("fail", "does not fit into memory"), ("crash", "memory runs out")])
async def test_models_that_cannot_answer(project: Project, wait_until: Wait, prompt: str, said: str) -> None:
    """Out of memory or killed: one sentence, and the room still works."""
    (project.folder / "prompts.txt").write_text(f"{prompt}\n")
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: said in seen(app, "#eval-status"))
        assert "Traceback" not in seen(app)


async def test_without_the_train_extra(project: Project, wait_until: Wait, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch is not installed: I read the command that installs it."""
    monkeypatch.setattr(training.importlib.util, "find_spec", lambda name: None)
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: "pip install 'smoltui[train]'" in seen(app, "#eval-status"))


async def test_answers_are_never_trusted(project: Project, wait_until: Wait) -> None:
    """Escape codes and markup in an answer are shown as text and have no effect."""
    (project.folder / "prompts.txt").write_text("escape \x1b[2J [/foo]\n")
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: "[@click=app.quit]here[/]" in seen(app))
        text = seen(app)
        assert "\x1b" not in text and "\u202e" not in text and "␛]0;owned" in text


@pytest.mark.parametrize("size", [(40, 12), (20, 5)])
async def test_a_tiny_terminal(project: Project, wait_until: Wait, size: tuple[int, int]) -> None:
    """Nothing breaks in a tiny terminal."""
    app = open_on(project, trained(project))
    async with app.run_test(size=size) as pilot:
        await wait_until(lambda: "0a1b2c3d" in app.runs and bool(app.screen.query_one("AnswerSheet").count))
        await pilot.pause(0.2)  # too small for the head, which would show that the run is loaded
        await pilot.press("a")
        await wait_until(lambda: bool(kept_files("0a1b2c3d")))
        await pilot.resize_terminal(120, 40)
        await wait_until(lambda: COURTEOUS in seen(app))


async def test_a_recipe_that_cannot_be_used(project: Project, wait_until: Wait) -> None:
    """A typo in smoltui.toml is reported with its key; nothing else happens."""
    (project.folder / "smoltui.toml").write_text("[evaluation]\ntemprature = 1\n")
    app = open_on(project)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "evaluation.temprature" in seen(app, "#eval-status"))
        await pilot.press("a", "m", "e", "i")


@contextmanager
def _left() -> Iterator[None]:
    yield


async def test_prompts_in_my_own_editor(
    project: Project, wait_until: Wait, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """e opens prompts.txt in $EDITOR; afterwards the room shows what I added, and no longer what I removed."""
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\necho 'Written just now?' > \"$2\"\n")
    editor.chmod(0o755)
    monkeypatch.setenv("EDITOR", f"{editor} --wait")
    monkeypatch.delenv("VISUAL", raising=False)
    app = open_on(project, trained(project))
    monkeypatch.setattr(app, "suspend", _left)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: "Took " in seen(app, "#eval-status"))
        await pilot.press("e")
        await wait_until(lambda: "Written just now?" in seen(app))
        assert "How do I boil rice?" not in seen(app)


async def test_a_terminal_that_cannot_be_suspended(
    project: Project, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the app cannot be suspended for an editor, it says which file to edit."""
    monkeypatch.setenv("EDITOR", "true")
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("e")
        await wait_until(lambda: "cannot be handed to an editor" in seen(app))


async def test_typing_an_own_prompt_and_changing_my_mind(project: Project, wait_until: Wait) -> None:
    """i opens an input, where letters are letters; escape closes it, and nothing is asked."""
    app = open_on(project, trained(project))
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("i", "q", "5", "a")
        assert "q5a" in seen(app, "#own") and app.is_running
        await pilot.press("escape")
        await pilot.pause()
        assert not app.screen.query_one("#own").has_class("open")
        assert CURT not in seen(app)
