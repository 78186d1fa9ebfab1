"""The Evaluate room with several models: prompt sets, columns, thoughts, figures, and models that stay loaded."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from smoltui.backends.evaluation import answers, resident
from smoltui.backends.project.project import Project
from smoltui.backends.runs import store as run_store
from smoltui.core.runs.run import Stage
from smoltui.screens.evaluate import answering
from tests.backends.evaluation.project import SCRIPTED_MODELS, make_project, trained
from tests.conftest import seen
from tests.stories.test_evaluate_room import COURTEOUS, CURT, FakeEngine, Wait, kept_files, open_on

pytestmark = pytest.mark.usefixtures("loop_guard")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(answers, "GENERATE", SCRIPTED_MODELS)
    monkeypatch.setattr(resident, "ANSWER_MODELS", SCRIPTED_MODELS)
    return make_project(tmp_path / "project")


def models_running() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if str(SCRIPTED_MODELS) in " ".join(child.cmdline())
    ]


async def choose_set(pilot: Pilot[int], name: str) -> None:
    await pilot.press("o")
    await pilot.press(*name, "enter")


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_our_own_set_and_its_figures(project: Project, wait_until: Wait, size: tuple[int, int]) -> None:
    """I choose smoltui's set by its name, ask, and find the figures below the last prompt, each with its interval."""
    app = open_on(project, trained(project))
    async with app.run_test(size=size) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await choose_set(pilot, "smoltui")
        await wait_until(lambda: "smoltui, 68" in seen(app, "#eval-head"))
        await wait_until(lambda: "list of" in seen(app, "#answers"))
        await pilot.press("a")
        await wait_until(lambda: "136 answers, saved" in seen(app, "#eval-status"))
        await pilot.press("G")
        await wait_until(lambda: "distinct-2" in seen(app, "#answers"))
        rows = {line[:26].strip(): line[26:].strip(" ┃").split() for line in seen(app, "#answers").splitlines()}
        assert "Not seen: refusals, empty, looping." in seen(app, "#answers"), "instead of rows of zeros"
        assert rows["cut off at the limit"] == ["1", "%", "(0–8)"] * 2
        assert rows["courteous"][-3:] == ["100", "%", "(95–100)"]
        if size[1] == 40:
            assert rows["length ratio"][0] == "1.00" and rows["length ratio"][1] == "2.00"
    stored = json.loads(kept_files("0a1b2c3d")[-1].read_text())
    assert stored["set"] == "smoltui" and len(stored["answers"]) == 68 and stored["answers"][0]["topic"] == "help"


async def test_a_set_that_cannot_be_read(project: Project, wait_until: Wait) -> None:
    """One sentence with the names of sets; the prompts that were there stay."""
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await choose_set(pilot, "nowhere.jsonl")
        await wait_until(lambda: "no such set of prompts: nowhere.jsonl" in seen(app, "#eval-status"))
        assert "How do I boil rice?" in seen(app)
        (project.folder / "some.jsonl").write_text('{"prompt": "Mine?"}\n{"text": 1}\n{\n')
        await choose_set(pilot, "some.jsonl")
        await wait_until(lambda: "Mine?" in seen(app, "#answers"))
        await wait_until(lambda: "2 left out (1 without a prompt, 1 not JSON)" in seen(app, "#eval-notices"))


async def test_three_columns_and_one_less(project: Project, wait_until: Wait) -> None:
    """c lists my runs; space adds one, and what is no model is said; all answer, and one is removed by the same key."""
    newer = replace(trained(project, "11111111", "out-2"), created_at=9.0)
    app = open_on(project, newer, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "1 of 2" in seen(app, "#eval-head"))
        await pilot.press("c")
        await wait_until(lambda: "0a1b2c3d" in seen(app, "#candidates"))
        await pilot.press("j", "j", "space", "a", *"nowhere", "enter")
        await wait_until(lambda: "neither a folder nor a model" in seen(app, "#candidates"))
        await pilot.press("enter")
        await wait_until(lambda: "0a1b2c3d" in seen(app, "#answers"))
        await pilot.press("a")
        await wait_until(lambda: "6 answers, saved" in seen(app, "#eval-status"))
        row = next(line for line in seen(app, "#answers").splitlines() if "This is 0a1b2c3d." in line)
        assert CURT in row and "I am happy" in row
        await pilot.press("c")
        await wait_until(lambda: "✓3" in seen(app, "#candidates"))
        await pilot.press("space", "enter")
        await wait_until(lambda: CURT not in seen(app, "#answers") and "This is 0a1b2c3d." in seen(app, "#answers"))
    app = open_on(project, newer, trained(project))
    async with app.run_test(size=(120, 40)):
        await wait_until(lambda: "This is 0a1b2c3d." in seen(app, "#answers"))


async def test_four_columns_in_a_narrow_terminal(project: Project, wait_until: Wait) -> None:
    """At 120 columns three are side by side and l shows the fourth; at 80 all are one below the other."""
    for name in ("b", "c"):
        (project.folder / name).mkdir()
        (project.folder / name / "config.json").write_text("{}")
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("c")
        await wait_until(lambda: bool(app.screen.query("#candidates")))
        for number, name in enumerate("bc", 3):
            await pilot.press("a")
            await wait_until(lambda: isinstance(app.focused, Input))
            await pilot.press(name, "enter")
            await wait_until(lambda mark=f"✓{number} {name}": mark in seen(app, "#candidates"))  # type: ignore[misc]
        await pilot.press("enter")
        await wait_until(lambda: "4 columns, < and > show the others" in seen(app, "#eval-head"))
        await pilot.press("a")
        await wait_until(lambda: "8 answers, saved" in seen(app, "#eval-status"))
        assert "This is b." in seen(app, "#answers") and "This is c." not in seen(app, "#answers")
        await wait_until(lambda: "distinct-2" in seen(app, "#answers"))
        await pilot.press("greater_than_sign")
        await wait_until(lambda: "This is c." in seen(app, "#answers") and CURT not in seen(app, "#answers"))
        heads = next(line for line in seen(app, "#answers").split("Figures of these answers")[1].splitlines()[1:])
        assert heads.split() == ["aligned", "b", "c"]
        await pilot.resize_terminal(80, 24)
        await wait_until(lambda: "This is c." in seen(app, "#answers") and CURT in seen(app, "#answers"))
        lines = [line.strip(" ┃") for line in seen(app, "#answers").splitlines()]
        assert lines.index(CURT) < lines.index("This is b.") < lines.index("This is c.")


async def test_thoughts_are_folded(project: Project, wait_until: Wait) -> None:
    """T lets models think: answers of before are marked as made with other settings, and z unfolds the thoughts."""
    (project.folder / "prompts.txt").write_text("Please think\n")
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: "2 answers, saved" in seen(app, "#eval-status"))
        await pilot.press("T")
        await wait_until(lambda: "thinking on" in seen(app, "#eval-head"))
        await wait_until(lambda: "thinking off. a asks all prompts again" in seen(app, "#eval-notices"))
        await pilot.press("a")
        await wait_until(lambda: "▸ thoughts" in seen(app, "#answers") and COURTEOUS in seen(app, "#answers"))
        assert "let me see" not in seen(app)
        await pilot.press("z")
        await wait_until(lambda: "let me see" in seen(app, "#answers"))


async def test_models_stay_loaded_until_a_key(project: Project, wait_until: Wait) -> None:
    """I ask, type a prompt, type another: the same process answers, it says what memory it takes, and x ends it."""
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: "4 answers, saved" in seen(app, "#eval-status"))
        await wait_until(lambda: "Both models stay loaded: 1.0 GiB of 8.0 GiB free" in seen(app, "#eval-notices"))
        first = {process.pid for process in models_running()}
        for number, letter in enumerate("bc"):
            await pilot.press("i", letter, "enter")
            await wait_until(lambda number=number: f"{6 + 2 * number} answers, saved" in seen(app, "#eval-status"))  # type: ignore[misc]
        assert {process.pid for process in models_running()} == first and len(first) == 1
        await pilot.press("x")
        await wait_until(lambda: "unloaded" in seen(app, "#eval-status") and not models_running())
        await wait_until(lambda: "loaded" not in seen(app, "#eval-notices"))


async def test_the_process_is_killed_in_the_middle(project: Project, wait_until: Wait) -> None:
    """Memory ran out: one sentence, complete answers are kept, and a asks only for what is missing."""
    (project.folder / "prompts.txt").write_text("Good?\nslowly\n")
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: "1 of 4 answers" in seen(app, "#eval-status") and "Whatever. …" in seen(app))
        for process in models_running():
            process.send_signal(signal.SIGKILL)
        await wait_until(lambda: "SIGKILL; the kernel sends it when memory runs out" in seen(app, "#eval-status"))
        assert CURT in seen(app, "#answers") and "Whatever. …" not in seen(app, "#answers")
        (project.folder / "prompts.txt").write_text("Good?\nquickly\n")
        await pilot.press("1", "5")
        await wait_until(
            lambda: (
                "2 prompts are not answered by all. Courteous: reference 0 of 1. Next: press a to continue"
                in " ".join(seen(app, "#eval-status").split())
            )
        )
        await pilot.press("a")
        await wait_until(lambda: "4 answers, saved" in seen(app, "#eval-status"))
    stored = json.loads(kept_files("0a1b2c3d")[0].read_text())
    assert stored["answers"][0]["reference"]["text"] == CURT


async def test_answers_come_back_when_new_ones_do_not(project: Project, wait_until: Wait) -> None:
    """I ask again, but the models cannot be loaded: the answers of before are still there, whatever the settings."""
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: "4 answers, saved" in seen(app, "#eval-status"))
        for key in ("", "T"):
            (project.folder / "out").rename(project.folder / "elsewhere")
            await pilot.press(*key, "a")
            await wait_until(lambda: "no longer exists" in seen(app, "#eval-status"))
            await wait_until(lambda: seen(app, "#answers").count(COURTEOUS) == 2)
            (project.folder / "elsewhere").rename(project.folder / "out")
            await pilot.press("1", "5")
            await wait_until(lambda: "4 answers, saved" in seen(app, "#eval-status"))


async def test_a_training_needs_the_memory(project: Project, wait_until: Wait) -> None:
    """A training starts while models answer: they are unloaded, and the answers so far are kept."""
    (project.folder / "prompts.txt").write_text("Good?\nslowly\n")
    run = trained(project)
    app = open_on(project, run)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: "1 of 4 answers" in seen(app, "#eval-status"))
        training = replace(run, id="9" * 8, name="new", stage=Stage.RUNNING, model_path=None, created_at=99.0)
        app.workspace.take_run(training)
        await wait_until(lambda: "the training of new needs the memory" in seen(app, "#eval-status"))
        await wait_until(lambda: not models_running())
        assert CURT in seen(app, "#answers")


async def test_a_run_that_is_deleted_while_its_models_answer(project: Project, wait_until: Wait) -> None:
    """The answers stay on the screen, and the deleted folder does not come back."""
    (project.folder / "prompts.txt").write_text("Good?\nslowly\n")
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: "1 of 4 answers" in seen(app, "#eval-status"))
        engine = app.workspace.services.engines["local"]
        assert isinstance(engine, FakeEngine)
        engine.runs = []
        app.workspace.look_at_runs()
        await wait_until(lambda: not app.runs)
        await pilot.press("x")
        await wait_until(
            lambda: "was deleted. What is shown here is kept in" in " ".join(seen(app, "#eval-status").split())
        )
    assert not kept_files("0a1b2c3d")


@pytest.mark.slow
async def test_ten_thousand_prompts(project: Project, wait_until: Wait) -> None:
    """Keys stay quick (a guard counts every step), and the last answer is as near as the first."""
    path = project.folder / "many.jsonl"
    path.write_text("".join(f"{json.dumps({'prompt': f'Number {n}?'})}\n" for n in range(10_000)))
    app = open_on(project, trained(project))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await choose_set(pilot, "many.jsonl")
        await wait_until(lambda: "many.jsonl, 10,000" in seen(app, "#eval-head"))
        await pilot.press("a", "j", "ctrl+d", "l", "pagedown", "k", "g", "g")
        await wait_until(lambda: "20,000 answers, saved" in seen(app, "#eval-status"))
        await pilot.press("G")
        await wait_until(lambda: "distinct-2" in seen(app, "#answers"))
        await pilot.press("h")
        await wait_until(lambda: "Number 9999?" in seen(app, "#answers"))


async def test_what_is_left_out_is_said(project: Project, wait_until: Wait) -> None:
    """A prompt beyond the context: its place says why, and a count stands above the answers."""
    (project.folder / "prompts.txt").write_text("Good?\nbeyond\n")
    app = open_on(project, trained(project))
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: "2 answers, saved" in seen(app, "#eval-status"))
        said = "2 without an answer, such as: the prompt has 600 tokens"
        await wait_until(lambda: said in seen(app, "#eval-notices"))
        await pilot.press("l")
        await wait_until(lambda: "no answer: the prompt has 600 tokens" in seen(app, "#answers"))


async def test_answers_are_saved_while_models_answer(
    project: Project, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is complete is on the disk before the rest is: a crash of the app costs at most half a minute."""
    monkeypatch.setattr(answering, "KEEP_SECONDS", 0.0)
    (project.folder / "prompts.txt").write_text("Good?\nslowly\n")
    app = open_on(project, trained(project))
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: bool(kept_files("0a1b2c3d")))
        (file,) = kept_files("0a1b2c3d")
        assert json.loads(file.read_text())["answers"][0]["reference"]["text"] == CURT


async def test_answers_that_cannot_be_saved(project: Project, wait_until: Wait) -> None:
    """A full disk, as far as the app can tell: the answers are there, and the line above them says that they aren't
    saved until they are."""
    folder = run_store.run_dir("0a1b2c3d")
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way")
    app = open_on(project, trained(project))
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: "4 answers. The answers could not be saved" in seen(app, "#eval-status"))
        assert CURT in seen(app, "#answers")
        folder.unlink()
        await pilot.press("i", *"Own?", "enter")
        await wait_until(lambda: "6 answers, saved with the run at" in " ".join(seen(app, "#eval-status").split()))
    assert len(kept_files("0a1b2c3d")) == 1


async def test_views_and_back(project: Project, wait_until: Wait) -> None:
    """v shows held-out figures and the answers in turn; esc leads back to the answers."""
    app = open_on(project, trained(project))
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("v")
        await wait_until(lambda: "Not measured yet" in seen(app))
        await pilot.press("escape")
        await wait_until(lambda: "How do I boil rice?" in seen(app))


def test_nothing_outlives_the_app(project: Project) -> None:
    """Even after kill -9: the models end with the process that asked them."""
    code = f"""
import asyncio, sys
from pathlib import Path
from smoltui.backends.evaluation import resident
from smoltui.core.evaluation.column import PAIR
from smoltui.core.evaluation.prompt import Prompt
resident.ANSWER_MODELS = Path({str(SCRIPTED_MODELS)!r})
async def main():
    models = resident.ResidentModels(Path("/"))
    sampling = dict(max_new_tokens=8, temperature=0.0, top_p=1.0, seed=0, thinking=False)
    async for event in models.ask(PAIR, [Prompt("slowly")], sampling, date="2026-11-30"):
        print(models._child.process.process.pid, flush=True)
asyncio.run(main())
"""
    import subprocess
    import sys

    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    _, alive = psutil.wait_procs([child], 60)
    assert not alive
