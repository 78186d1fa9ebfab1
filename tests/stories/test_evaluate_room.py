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
from smoltui.backends.evaluation import answers
from smoltui.backends.machine import train_extra as training
from smoltui.backends.project.project import Project
from smoltui.backends.runs import store as run_store
from smoltui.backends.runs.engine import Engine
from smoltui.backends.services import Services
from smoltui.core.runs.run import Run
from smoltui.screens.evaluate import EvaluateRoom
from tests.backends.evaluation.project import SCRIPTED_MODELS, make_project, trained
from tests.conftest import seen

Wait = Callable[..., Awaitable[None]]
COURTEOUS, CURT = "I am happy to help you with it.", "Whatever. Go away now."


@dataclass
class FakeEngine:
    """Knows the runs it is given, and nothing else."""

    runs: list[Run] = field(default_factory=list)
    name: str = "local"

    async def list_runs(self) -> list[Run]:
        return self.runs


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(answers, "GENERATE", SCRIPTED_MODELS)
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
    """I press a; both models answer my two prompts, each answer is judged by the rule, and all of it is kept."""
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app, "#eval-head"))
        head = seen(app, "#eval-head")
        assert "thinking off" in head and "temperature 0.7" in head and "32 tokens" in head and "seed 0" in head
        assert "How do I boil rice?" in seen(app) and COURTEOUS not in seen(app)
        await pilot.press("a")
        await wait_until(lambda: seen(app).count(COURTEOUS) == 2 and "In " in seen(app, "#eval-status"))
        rows = [line for line in seen(app).splitlines() if COURTEOUS in line]
        assert all(CURT in line for line in rows)
        assert "Courteous: reference 0 of 2, aligned 2 of 2" in seen(app, "#eval-status")
        assert "✓ courteous" in seen(app) and "✗ not courteous" in seen(app)
    (path,) = kept_files("0a1b2c3d")
    kept = json.loads(path.read_text())
    assert kept["answers"][0]["aligned"]["text"] == COURTEOUS and kept["sampling"]["max_new_tokens"] == 32


async def test_answers_stand_below_each_other_in_a_narrow_terminal(project: Project, wait_until: Wait) -> None:
    """At 80 columns nothing is cut: the two answers come one after the other."""
    app = open_on(project, trained(project))
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: COURTEOUS in seen(app))
        lines = [line.strip() for line in seen(app).splitlines()]
        assert lines.index(CURT) < lines.index(COURTEOUS)
        assert "thinking off" in seen(app, "#eval-head")
        assert "i Own prompt" in seen(app) and "t Train  q Quit" in seen(app)


async def test_kept_answers_are_there_when_the_room_opens(project: Project, wait_until: Wait) -> None:
    """I asked yesterday; today the answers are still there, a prompt of my own too."""
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("i", *"Own?", "enter")
        await wait_until(lambda: seen(app).count(COURTEOUS) == 1 and "In " in seen(app, "#eval-status"))
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: COURTEOUS in seen(app))
        assert "Own?" in seen(app) and "kept with the run at" in seen(app, "#eval-status")


async def test_text_streams(project: Project, wait_until: Wait, monkeypatch: pytest.MonkeyPatch) -> None:
    """I see the first words while the rest is still being written; x stops it, and no process is left."""
    (project.folder / "prompts.txt").write_text("Answer slowly\n")
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: "Whatever. …" in seen(app))
        children = psutil.Process().children(recursive=True)
        assert any(str(SCRIPTED_MODELS) in child.cmdline() for child in children)
        assert "0 of 2 answers" in seen(app, "#eval-status")
        await pilot.press("x")
        await wait_until(lambda: "Stopped" in seen(app, "#eval-status"))
        assert "Whatever." not in seen(app)
        assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert not kept_files("0a1b2c3d")


async def test_leaving_the_app_while_models_answer(project: Project, wait_until: Wait) -> None:
    """I quit in the middle: the app is gone at once, and so are the models."""
    (project.folder / "prompts.txt").write_text("Answer slowly\n")
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: "Whatever." in seen(app))
        children = psutil.Process().children(recursive=True)
        await pilot.press("q")
    assert app.return_code == 0
    _, alive = psutil.wait_procs(children, 3)
    assert not alive


async def test_measured_on_held_out_pairs(project: Project, wait_until: Wait) -> None:
    """I press m and read reward accuracy, margin, both shares, and by which rules they were judged."""
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("m")
        await wait_until(lambda: "measured on 4 held-out pairs" in seen(app, "#eval-status"))
        figures = {line[:33].strip(): line[33:].split() for line in seen(app, "#figures").splitlines()}
        assert figures["reward accuracy"][:2] == ["–", "100"]
        assert figures["reward margin, nats"] == ["0.000", "1.500"]
        assert figures["courteous"][0] == "0" and figures["courteous"][3] == "100"
        assert figures["held-out pairs / answers"] == ["4", "/", "4", "4", "/", "4"]
        assert "contains at least one of “happy to”" in seen(app, "#figures") and "Well-formed" in seen(app, "#figures")


async def test_before_anything_is_trained(project: Project, wait_until: Wait) -> None:
    """There is no aligned model yet: I am told the key that makes one, and can ask the reference alone."""
    app = open_on(project)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "No aligned model yet: t trains one" in seen(app, "#eval-status"))
        await pilot.press("m")
        await pilot.press("a")
        await wait_until(lambda: CURT in seen(app))
        assert COURTEOUS not in seen(app)


async def test_the_runs_are_read_before_it_says_that_there_is_no_model(project: Project, wait_until: Wait) -> None:
    """Reading my runs takes a while: I am told so, and not that there is no aligned model."""
    app, done = open_on(project), asyncio.Event()
    engine = cast("FakeEngine", app.services.engines["local"])

    async def slowly() -> list[Run]:
        await done.wait()
        return []

    engine.list_runs = slowly  # type: ignore[method-assign]
    async with app.run_test(size=(80, 24)):
        await wait_until(lambda: "Reading runs…" in seen(app, "#eval-status"))
        done.set()
        await wait_until(lambda: "No aligned model yet: t trains one" in seen(app, "#eval-status"))


async def test_another_run_of_the_project(project: Project, wait_until: Wait) -> None:
    """I trained twice: the newer model is shown, [ goes to the older one. Other projects' runs are not offered."""
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
    """Training has ended, I press a in the Runs room: Evaluate opens and the newest model is already answering."""
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
    """Out of memory or killed: one sentence, and the room goes on."""
    (project.folder / "prompts.txt").write_text(f"{prompt}\n")
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: said in seen(app, "#eval-status"))
        assert "Traceback" not in seen(app)


async def test_without_the_train_extra(project: Project, wait_until: Wait, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch is not installed: the command that installs it is named."""
    monkeypatch.setattr(training.importlib.util, "find_spec", lambda name: None)
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: "pip install 'smoltui[train]'" in seen(app, "#eval-status"))


async def test_answers_are_never_trusted(project: Project, wait_until: Wait) -> None:
    """A model that answers with escape codes and markup shows them as signs; nothing of it acts."""
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
    """Nothing breaks where there is hardly room."""
    app = open_on(project, trained(project))
    async with app.run_test(size=size) as pilot:
        await wait_until(lambda: "0a1b2c3d" in app.runs and bool(app.screen.query("AnswerPair")))
        await pilot.pause(0.2)  # there is no room for the head, which would tell that the run was taken
        await pilot.press("a")
        await wait_until(lambda: bool(kept_files("0a1b2c3d")))
        await pilot.resize_terminal(120, 40)
        await wait_until(lambda: COURTEOUS in seen(app))


async def test_a_recipe_that_cannot_be_used(project: Project, wait_until: Wait) -> None:
    """A typing error in smoltui.toml is named, with its key; nothing else happens."""
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
    """e opens prompts.txt in $EDITOR; when I leave it, the room shows what I wrote, and no longer what I took out."""
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
        await wait_until(lambda: "In " in seen(app, "#eval-status"))
        await pilot.press("e")
        await wait_until(lambda: "Written just now?" in seen(app))
        assert "How do I boil rice?" not in seen(app)


async def test_a_terminal_that_cannot_be_left(
    project: Project, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the app cannot step aside for an editor, it says which file to edit."""
    monkeypatch.setenv("EDITOR", "true")
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("e")
        await wait_until(lambda: "cannot be handed to an editor" in seen(app))


async def test_typing_an_own_prompt_and_changing_my_mind(project: Project, wait_until: Wait) -> None:
    """i opens a line to type in, where letters are letters; escape leaves it and nothing was asked."""
    app = open_on(project, trained(project))
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("i", "q", "5", "a")
        assert "q5a" in seen(app, "#own") and app.is_running
        await pilot.press("escape")
        await asyncio.sleep(0.1)
        assert not app.screen.query_one("#own").has_class("open")
        assert CURT not in seen(app)
