"""The Device room: what this machine is, and what can be trained on it."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from smoltui.app import SmoltuiApp
from smoltui.at_rest import OLD_DUE, OLD_OVERDUE, YOUNG_DUE, YOUNG_OVERDUE, AtRest
from smoltui.backends.hub import client as hub
from smoltui.backends.machine import devices
from smoltui.backends.project.project import Project
from smoltui.backends.runs.engine import Engine
from smoltui.backends.services import Services
from smoltui.core.machine.account import Account
from smoltui.core.machine.device import GIB, Accelerator
from smoltui.core.runs.run import Run
from smoltui.errors import NotLoggedInError, SmoltuiError, UnreachableError
from tests.backends.evaluation.project import make_project
from tests.backends.machine.test_devices import SCRIPT
from tests.conftest import seen
from tests.stories.test_evaluate_room import FakeEngine

Wait = Callable[..., Awaitable[None]]
ME = Account("ada", is_pro=True, can_pay=True, token_role="write", orgs=("lab",))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


@pytest.fixture(autouse=True)
def guarded(loop_guard: list[str]) -> list[float]:
    return loop_guard


@pytest.fixture(autouse=True)
def answer(monkeypatch: pytest.MonkeyPatch) -> list[Account | SmoltuiError]:
    """The Hub's answers to whoami; the last one repeats."""
    answers: list[Account | SmoltuiError] = [NotLoggedInError("You are not logged in to the Hub", "Run: hf auth login")]

    async def account(*, refresh: bool = False) -> Account:
        told = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(told, SmoltuiError):
            raise told
        return told

    monkeypatch.setattr(hub, "account", account)
    return answers


def open_on(project: Project, *runs: Run) -> SmoltuiApp:
    return SmoltuiApp(project, Services({"local": cast("Engine", FakeEngine(list(runs)))}), opening="device")


async def test_the_room_says_what_can_be_trained(project: Project, wait_until: Wait) -> None:
    """I open the room at 80x24 and read the verdict without scrolling."""
    app = open_on(project)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "SmolLM3-3B in full" in seen(app, "#verdict"))
        shown = seen(app)
        for words in ("SmolLM3-3B with LoRA", "SmolLM3-3B in full", "GiB"):
            assert words in " ".join(shown.split()), words
        verdict = app.screen.query_one("#verdict").region
        assert verdict.bottom <= 23
        assert "Hugging Face Jobs: log in" not in shown, "nobody who trains here needs it"
        await pilot.press("z")
        await wait_until(lambda: "– optional Hugging Face Jobs: log in with" in " ".join(seen(app).split()))


async def test_facts_of_machine_packages_and_account(
    project: Project, wait_until: Wait, answer: list[Account | SmoltuiError]
) -> None:
    """At 120x40, memory, disk, Python, packages with their ranges and my account are on one page."""
    answer[:] = [ME]
    app = open_on(project)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "ada, Pro plan, token role write, can pay" in seen(app))
        assert "packages fit   z lists them" in seen(app) and "==8.2.8" not in seen(app)
        await pilot.press("z")
        await wait_until(lambda: "==8.2.8" in seen(app))
        shown = seen(app)
        for words in ("cores available", "free of", "Python", "required >=3.11", "textual", "==8.2.8", "lab"):
            assert words in shown, words
        assert "Hugging Face Jobs: ready, logged in as ada" in shown


async def test_logging_in_while_the_room_is_open(
    project: Project, wait_until: Wait, answer: list[Account | SmoltuiError]
) -> None:
    """I log in in another terminal and press r, and the room shows my account."""
    answer.append(ME)
    app = open_on(project)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "not logged in" in seen(app, "#machine"))
        await pilot.press("r")
        await wait_until(lambda: "ada, Pro plan" in seen(app, "#machine"))


async def test_a_hub_that_cannot_be_reached_is_a_fact(
    project: Project, wait_until: Wait, answer: list[Account | SmoltuiError]
) -> None:
    """Without a network, the room works as usual, and says that the Hub did not answer."""
    answer[:] = [UnreachableError("The Hub did not answer \x1b[2J", "Try again.")]
    app = open_on(project)
    async with app.run_test(size=(120, 40)):
        await wait_until(lambda: "The Hub did not answer" in seen(app, "#machine"))
        assert "\x1b" not in seen(app) and "SmolLM3-3B with LoRA" in seen(app, "#verdict")


async def test_pytorch_is_tested_in_a_child(
    project: Project, wait_until: Wait, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I press a. The result of the test appears, and is still there when I open the app again."""
    script = tmp_path / "probe.py"
    script.write_text(SCRIPT)
    real = devices.torch_report

    async def asked(report: devices.DeviceReport) -> devices.TorchReport:
        return await real(report, script=script)

    monkeypatch.setattr(devices, "torch_report", asked)
    app = open_on(project)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "not tested yet; press a" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: "NVIDIA Test 80.0 GiB, compute 9.0" in " ".join(seen(app, "#machine").split()))
        assert "bf16 works" in " ".join(seen(app, "#machine").split())
    app = open_on(project)
    async with app.run_test(size=(120, 40)):
        await wait_until(lambda: "NVIDIA Test" in seen(app, "#machine"))


async def test_a_card_is_shown_with_its_memory(
    project: Project, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """My 24 GB card is listed, LoRA fits it, and full fine-tuning needs Jobs."""
    real = devices.device_report
    card = Accelerator("cuda", "NVIDIA [bold]Test[/foo]", 24 * GIB, 23 * GIB, "580.65")
    monkeypatch.setattr(devices, "device_report", lambda folder: replace(real(folder), accelerators=(card,)))
    app = open_on(project)
    async with app.run_test(size=(120, 40)):
        await wait_until(lambda: "23.0 GiB free of 24.0 GiB, driver 580.65" in " ".join(seen(app, "#machine").split()))
        shown = " ".join(seen(app, "#verdict").split())
        assert "fits here: NVIDIA" in shown and "has 23.0 GiB free" in shown and "use Jobs (a100-large)" in shown
        assert "[bold]Test[/foo]" in shown


@pytest.mark.parametrize("size", [(40, 12), (20, 5), (1, 1)])
async def test_a_tiny_terminal(project: Project, wait_until: Wait, size: tuple[int, int]) -> None:
    """Nothing breaks in a tiny terminal, and everything is there once it grows."""
    app = open_on(project)
    async with app.run_test(size=size) as pilot:
        await pilot.pause(0.3)
        await pilot.press("r", "down", "down")
        await pilot.resize_terminal(120, 40)
        await wait_until(lambda: "SmolLM3-3B in full" in seen(app) and "packages fit" in seen(app))


@pytest.mark.parametrize(
    ("typing", "gathered", "looked_through"),
    [
        (False, (YOUNG_DUE - 1, 0, 0), []),
        (False, (YOUNG_DUE, 0, 0), [1]),
        (False, (YOUNG_DUE, 0, OLD_DUE), [2]),
        (True, (YOUNG_DUE, YOUNG_OVERDUE - 1, OLD_DUE), []),
        (True, (0, YOUNG_OVERDUE, 0), [1]),
        (True, (0, 0, OLD_OVERDUE), [2]),
    ],
)
def test_memory_is_looked_through_while_nobody_types(
    monkeypatch: pytest.MonkeyPatch,
    typing: bool,
    gathered: tuple[int, int, int],
    looked_through: list[int],
) -> None:
    """Garbage collection waits until I pause, unless too much has accumulated."""
    rest = AtRest()
    collected: list[int] = []
    monkeypatch.setattr(gc, "collect", lambda generation=2: collected.append(generation))
    monkeypatch.setattr(gc, "get_count", lambda: gathered)
    monkeypatch.setattr(rest, "pressed_within", lambda seconds: typing)
    rest.collect()
    assert collected == looked_through


async def test_memory_is_looked_through_by_itself(
    project: Project, monkeypatch: pytest.MonkeyPatch, wait_until: Wait
) -> None:
    """A moment after startup, and repeatedly after that."""
    collected: list[int] = []
    monkeypatch.setattr(gc, "collect", lambda generation=2: collected.append(generation))
    monkeypatch.setattr(gc, "get_count", lambda: (YOUNG_DUE, 0, 0))
    async with open_on(project).run_test(size=(80, 24)):
        await wait_until(lambda: collected[:2] == [1, 1])
