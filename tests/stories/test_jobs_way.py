"""A Job from the first key to the bill, by keyboard alone at 80x24, with a local Hub."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends.jobs import submit as hub_submit
from smoltui.backends.jobs import watching
from smoltui.backends.jobs.engine import HubEngine
from smoltui.backends.project.new_project import create_project
from smoltui.backends.runs import monitor
from smoltui.backends.services import Services
from smoltui.core.runs import events
from smoltui.screens.runs.room import RunsRoom
from smoltui.screens.runs.run_list import RunList
from tests.conftest import seen
from tests.hub.server import TOKEN, LocalHub, local_hub

Wait = Callable[..., Awaitable[None]]
TITLE_AND_CLIPBOARD = "\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07"


def said(app: SmoltuiApp) -> str:
    """The words on the screen, regardless of how a dialog wraps them; those of a dialog without what is beside it,
    too."""
    return " ".join(re.sub("[│╭╮╰╯─]", " ", f"{seen(app, '.dialog')}\n{seen(app)}").split())


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    monkeypatch.setattr(watching, "poll_seconds", lambda stage, polls: 0.1)
    monkeypatch.setattr(hub_submit, "ship", lambda *args: None)
    monkeypatch.setattr(monitor, "JOBS_SECONDS", 0.3)
    monkeypatch.setattr(monitor, "IDLE_SECONDS", 0.1)
    with local_hub(monkeypatch) as running:
        yield running


@pytest.fixture
def app(own_machine: Path, server: LocalHub) -> SmoltuiApp:
    project = create_project(own_machine / "demo", "demo")
    return SmoltuiApp(project, Services({"hub": HubEngine()}), opening="runs")


@pytest.mark.slow
async def test_a_job_by_keyboard_alone(
    app: SmoltuiApp, server: LocalHub, wait_until: Wait, picture: Callable[..., None]
) -> None:
    """I submit a Job, watch its curves, search its log, cancel it, run it again, wait for its end and see its cost."""
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "COSTS AT MOST  7.50 USD" in seen(app, "#start-text"))
        await pilot.press("enter")
        await wait_until(lambda: len(server.jobs) == 1 and "SCHEDULING" in seen(app, "RunList"))
        room = app.screen
        assert isinstance(room, RunsRoom)
        await wait_until(lambda: "waiting, so there is nothing to pause" in (room.why_not("pause", ()) or ""))
        (first,) = server.jobs.values()
        first.stage, first.created = "RUNNING", time.time() - 60
        first.say("===== Job started at noon =====", events.dump(events.Planned(max_steps=20, train_pairs=640)))
        for step in range(1, 13):
            values = {"loss": 0.7 - step / 50, "rewards/margins": step / 10}
            first.say(events.dump(events.Metrics(step=step, values=values, at=first.created + step)))
        first.say("a needle in the hay", f"leaked {TOKEN} here", TITLE_AND_CLIPBOARD, "[red]markup[/]")
        await wait_until(lambda: "reward margin 1.200" in seen(app, "#curves"))
        assert "12/20 steps" in seen(app, "#run-head") and "USD" in seen(app, "#run-head")
        await wait_until(lambda: "RUNNING" in seen(app, "RunList"))
        picture(app, "jobs")
        await pilot.press("V", "p")
        await wait_until(lambda: "timeout         3 h 00 min" in seen(app, "#plan"))
        await pilot.press("pagedown")
        await wait_until(lambda: "✓ " in seen(app, "#plan"))

        await pilot.press("V", "l")
        await wait_until(lambda: "[red]markup[/]" in seen(app, "LogView"))
        assert TOKEN not in seen(app) and "leaked hf_*** here" in seen(app, "LogView")
        await pilot.press("slash", *"NEEDLE", "enter")
        await wait_until(lambda: "match 1 of 1 for NEEDLE" in seen(app, "#run-head"))
        await pilot.press("escape")
        await wait_until(lambda: "match" not in seen(app, "#run-head"))

        await pilot.press("X")
        await wait_until(lambda: "A Job's disk is deleted when it ends" in said(app))
        await pilot.press("y")
        await wait_until(lambda: first.stage == "CANCELED" and "CANCELED" in seen(app, "RunList"))

        await pilot.press("R")
        await wait_until(lambda: "COSTS AT MOST 7.50 USD" in said(app))
        await pilot.press("y")
        await wait_until(lambda: len(server.jobs) == 2)
        second = list(server.jobs.values())[1]
        assert second.spec["labels"]["smoltui-run"] != first.spec["labels"]["smoltui-run"]
        assert second.spec["command"] == first.spec["command"] and second.spec["secrets"] == {"HF_TOKEN": TOKEN}
        await wait_until(lambda: second.id in app.runs)

        await wait_until(lambda: app.screen.query_one(RunList).highlighted == app.runs[second.id])
        await pilot.press("exclamation_mark")
        await wait_until(lambda: app.workspace.monitor.waited == {second.id})
        second.stage = "RUNNING"
        second.say("done", events.dump(events.ModelSaved(path="/tmp/smoltui/out")))
        second.stage = "COMPLETED"
        await wait_until(lambda: "ended: COMPLETED" in seen(app))
        await pilot.resize_terminal(160, 24)
        await wait_until(lambda: "nothing survives: the disk of a Job" in seen(app, "#run-head"))
        assert "saved to" not in seen(app)
        await pilot.resize_terminal(80, 24)
        await wait_until(lambda: "0.04 USD" in seen(app, "#run-head"))  # one minute at 2.50 USD per hour


async def test_an_answer_that_is_lost(
    app: SmoltuiApp, server: LocalHub, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Hub's response is lost, and the Job cannot be looked up: I try again, and there is only one Job."""

    def ship(*_: object) -> None:
        server.spoil("GET", r"^/api/jobs/ada$", status=503, times=1_000)

    monkeypatch.setattr(hub_submit, "ship", ship)
    server.spoil("POST", r"^/api/jobs/ada$", how="close", after=True)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "COSTS AT MOST  " in seen(app, "#start-text"))
        await pilot.press("enter")
        await wait_until(lambda: "it may or may not have started" in said(app))
        assert len(server.jobs) == 1 and "try again" in seen(app)
        server._faults.clear()
        await pilot.press("y")
        await wait_until(lambda: len(app.runs) == 1 and "SCHEDULING" in seen(app, "RunList"))
        assert len(server.jobs) == 1 and len(server.asked("POST", r"^/api/jobs/ada$")) == 1
