"""Running again: what it costs at most, what can be changed, and the question before a second run."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from smoltui.app import SmoltuiApp
from smoltui.backends.jobs.engine import HubEngine
from smoltui.backends.runs.plan import make_plan
from smoltui.backends.services import Services
from smoltui.cli.main import run as command
from smoltui.core.runs import events
from tests.conftest import seen
from tests.hub.server import LocalHub
from tests.stories.test_ask_before_paying import project
from tests.stories.test_job_again import hub_with
from tests.stories.test_jobs_way import said

Wait = Callable[..., Awaitable[None]]
LEAST, MOST = "COSTS AT MOST 7.50 USD", "COSTS AT MOST 22.50 USD"
CPU = {
    "name": "cpu-upgrade",
    "prettyName": "CPU Upgrade",
    "cpu": "8 vCPU",
    "ram": "32 GB",
    "accelerator": None,
    "unitCostMicroUSD": 500,
    "unitCostUSD": 0.0005,
    "unitLabel": "minute",
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, own_machine: Path) -> Iterator[LocalHub]:
    with hub_with(monkeypatch, CPU) as running:
        yield running


async def started(folder: Path, jobs: str = "", **recipe: object) -> SmoltuiApp:
    """An app on a project with one Job that is under way; `jobs`: more lines of its table in smoltui.toml."""
    opened = project(folder, **recipe)
    settings = folder / "smoltui.toml"
    settings.write_text(settings.read_text() + jobs)
    engine = HubEngine()
    plan = await make_plan(opened, engine.place)
    await engine.submit(plan.spec)
    return SmoltuiApp(opened, Services({"hub": engine}), opening="runs")


def submissions(server: LocalHub) -> list[dict[str, Any]]:
    return [request["body"] for request in server.asked("POST", "^/api/jobs/ada$")]


async def opened_again(app: SmoltuiApp, pilot: Pilot[None], wait_until: Wait, key: str = "R") -> None:
    await wait_until(lambda: bool(app.runs) and app.workspace.monitor.flavors("hub"))
    await wait_until(lambda: "USD" in seen(app, "#run-head") or "SCHEDULING" in seen(app, "RunList"))
    await pilot.press(key)
    await wait_until(lambda: "COSTS AT MOST" in said(app))


class TestASecondRun:
    """R beside a run that writes to the same place."""

    async def test_of_a_job_that_runs(self, server: LocalHub, tmp_path: Path, wait_until: Wait) -> None:
        """R on a RUNNING Job asks whether I want two; n leads back to the dialog, y starts it."""
        app = await started(tmp_path)
        async with app.run_test(size=(80, 24)) as pilot:
            await opened_again(app, pilot, wait_until)
            await pilot.press("y")
            await wait_until(lambda: "Start a second one all the same?" in said(app))
            assert "and pushes to the same repository: ada/aligned" in said(app)
            await pilot.press("n")
            await wait_until(lambda: "COSTS AT MOST" in said(app))
            assert len(submissions(server)) == 1
            await pilot.press("y")
            await wait_until(lambda: "Start a second one all the same?" in said(app))
            await pilot.press("y")
            await wait_until(lambda: len(submissions(server)) == 2)

    async def test_of_a_job_that_has_ended(self, server: LocalHub, tmp_path: Path, wait_until: Wait) -> None:
        """Nothing else writes there: nothing more is asked."""
        app = await started(tmp_path)
        next(iter(server.jobs.values())).stage = "CANCELED"
        async with app.run_test(size=(80, 24)) as pilot:
            await opened_again(app, pilot, wait_until)
            await pilot.press("y")
            await wait_until(lambda: len(submissions(server)) == 2)

    async def test_of_a_job_of_another_machine(self, server: LocalHub, tmp_path: Path, wait_until: Wait) -> None:
        """What a RUNNING Job that somebody else started writes is not known; I am asked before it runs twice."""
        app = SmoltuiApp(project(tmp_path), Services({"hub": HubEngine()}), opening="runs")
        server.add(["a line"], flavor="a100-large", dockerImage="python:3.12", timeoutSeconds=3600)
        async with app.run_test(size=(80, 24)) as pilot:
            await opened_again(app, pilot, wait_until)
            await pilot.press("y")
            await wait_until(lambda: "is RUNNING, and does the same" in said(app))

    async def test_of_several_marked_runs(self, server: LocalHub, tmp_path: Path, wait_until: Wait) -> None:
        """Two ended Jobs that push to one repository, both marked: the question says so, with what both cost."""
        app = await started(tmp_path)
        plan = await make_plan(app.workspace.project, HubEngine.place)
        await HubEngine().submit(plan.spec)
        first, second = server.jobs.values()
        first.stage = second.stage = "CANCELED"
        async with app.run_test(size=(100, 30)) as pilot:
            await wait_until(lambda: len(app.runs) == 2 and app.workspace.monitor.flavors("hub"))
            await pilot.press("space", "down", "space", "R")
            await wait_until(lambda: "push to the same repository: ada/aligned" in said(app))
            assert "Start a second one all the same? Costs at most 15.00 USD." in said(app)
            await pilot.press("n")
            second.stage = "RUNNING"
            await wait_until(lambda: any(run.stage == "RUNNING" for run in app.runs.values()))
            await pilot.press("R")
            await wait_until(lambda: "is RUNNING, and pushes to the same repository: ada/aligned" in said(app))

    async def test_beside_a_run_that_is_resumed(self, server: LocalHub, tmp_path: Path, wait_until: Wait) -> None:
        """x continues an ended run unasked, unless another one pushes to its repository meanwhile."""
        app = await started(tmp_path, save_steps=100)
        (first,) = server.jobs.values()
        first.created = time.time() - 60
        first.say(events.dump(events.Planned(max_steps=1000, train_pairs=8000)))
        first.say(events.dump(events.CheckpointKept(step=300, path="/checkpoints/checkpoint-300")))
        first.stage, first.message = "ERROR", "Job timeout"
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_until(lambda: app.runs and app.runs[first.id].resumable)
            await pilot.press("x")
            await wait_until(lambda: "from the checkpoint of step 300" in said(app))
            await pilot.press("space", "y")  # a new one instead
            await wait_until(lambda: len(submissions(server)) == 2 and len(app.runs) == 2)
            server.jobs["job0002"].created = time.time()
            await wait_until(lambda: next(iter(app.runs.values())).created_at > first.created)
            await pilot.press("end")
            await wait_until(lambda: app.screen.query_one("RunList").highlighted.id == first.id)  # type: ignore[attr-defined]
            await pilot.press("x")
            await wait_until(lambda: "from the checkpoint of step 300" in said(app))
            await pilot.press("y")
            await wait_until(lambda: "and pushes to the same repository: ada/aligned" in said(app))
            await pilot.press("y")
            await wait_until(lambda: len(submissions(server)) == 3)


class TestAttempts:
    """A Job that the Hub starts up to three times costs three times as much at most."""

    async def test_before_the_start(self, server: LocalHub, tmp_path: Path, wait_until: Wait) -> None:
        """The start dialog counts all of them, in the limit, the cost, the checks and on the button."""
        opened = project(tmp_path)
        settings = tmp_path / "smoltui.toml"
        settings.write_text(settings.read_text() + "attempts = 3\n")
        app = SmoltuiApp(opened, Services({"hub": HubEngine()}), opening="runs")
        async with app.run_test(size=(100, 40)) as pilot:
            await pilot.press("t")
            await wait_until(lambda: MOST in said(app) and "at most 22.50 USD" in seen(app, "#start-foot"))
            assert "3 attempts of 3 h 00 min" in seen(app, "#start-head")
            await pilot.press("space")
            await wait_until(lambda: "At most 22.50 USD: 3 attempts of 3 h 00 min of a100-large" in said(app))

    def test_in_the_command(self, server: LocalHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """train --dry-run says the same amount."""
        project(tmp_path)
        settings = tmp_path / "smoltui.toml"
        settings.write_text(settings.read_text() + "attempts = 3\n")
        assert command(["train", str(tmp_path), "--dry-run"]) == 0
        told = capsys.readouterr()
        assert "3 attempts of 3 h 00 min: at most 22.50 USD" in told.err and '"usd_at_most": 22.5' in told.out

    @pytest.mark.parametrize("said_by_hub", [True, False])
    async def test_again(self, server: LocalHub, tmp_path: Path, wait_until: Wait, said_by_hub: bool) -> None:
        """The column and R count them too, whether the Hub or only the record says it; + continues from three."""
        app = await started(tmp_path, "attempts = 3\n")
        (job,) = server.jobs.values()
        assert job.spec["attempts"] == 3
        if not said_by_hub:
            del job.spec["attempts"]
        async with app.run_test(size=(120, 30)) as pilot:
            await wait_until(lambda: "/ 22.50" in seen(app, "RunList"))
            await opened_again(app, pilot, wait_until)
            assert MOST in said(app) and "attempts 3 " in said(app)
            await pilot.press("plus")
            await wait_until(lambda: "COSTS AT MOST 30.00 USD" in said(app) and "attempts 4 " in said(app))
            await pilot.press("minus", "minus", "minus")
            await wait_until(lambda: LEAST in said(app) and "attempts 1 " in said(app))


async def test_the_flavor_that_it_had_is_among_the_others(server: LocalHub, tmp_path: Path, wait_until: Wait) -> None:
    """A Job on a CPU: its price is known, the arrows lead to a GPU and back."""
    app = await started(tmp_path)
    (job,) = server.jobs.values()
    engine = app.workspace.services.engines["hub"]
    plan = await make_plan(app.workspace.project, engine.place)
    job.stage = "COMPLETED"
    cheap = replace(plan.spec, flavor="cpu-upgrade", timeout_seconds=3600, processes=1)
    del server.jobs[(await engine.submit(cheap)).id].spec["timeoutSeconds"], server.jobs[job.id]
    async with app.run_test(size=(80, 24)) as pilot:
        await opened_again(app, pilot, wait_until)
        assert "cpu-upgrade · 0.03 USD per hour" in said(app) and "COSTS AT MOST 0.03 USD" in said(app)
        await pilot.press("right")
        await wait_until(lambda: "a100-large · 2.50 USD per hour" in said(app))
        await pilot.press("left")
        await wait_until(lambda: "cpu-upgrade · 0.03 USD per hour" in said(app))
        assert "cpu-basic" not in said(app)


async def test_a_job_of_another_machine_runs_as_it_was(server: LocalHub, tmp_path: Path, wait_until: Wait) -> None:
    """It timed out, and I did not start it here: no other limit is proposed, no key changes anything, y repeats it."""
    app = SmoltuiApp(project(tmp_path), Services({"hub": HubEngine()}), opening="runs")
    job = server.add(["a line"], flavor="a100-large", dockerImage="python:3.12", timeoutSeconds=3600, attempts=2)
    job.stage, job.message = "ERROR", "Job timeout"
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "was not started from this machine" in said(app))  # the next step
        assert "longer timeout (R" not in said(app) and "Run it again with a longer" not in said(app)
        await opened_again(app, pilot, wait_until)
        assert "limit 1 h 00 min" in said(app) and "too short" not in said(app) and "original recipe" not in said(app)
        assert "COSTS AT MOST 5.00 USD" in said(app) and "runs again exactly as it was" in said(app)
        await pilot.press("e", "right", "plus", "at")
        assert "COSTS AT MOST 5.00 USD" in said(app) and "time limit:" not in said(app)
        await pilot.press("y")
        await wait_until(lambda: len(submissions(server)) == 1)
        assert (submissions(server)[0]["timeoutSeconds"], submissions(server)[0]["attempts"]) == (3600, 2)


@pytest.mark.parametrize("size", [(40, 12), (30, 8), (80, 24)])
async def test_cost_and_answers_are_in_view(
    server: LocalHub, tmp_path: Path, wait_until: Wait, size: tuple[int, int]
) -> None:
    """However small the terminal is, I see what y costs, and what is above can be scrolled to."""
    app = await started(tmp_path, "attempts = 3\n")
    async with app.run_test(size=size) as pilot:
        await wait_until(lambda: bool(app.runs) and app.workspace.monitor.flavors("hub"))
        await pilot.press("R")
        await wait_until(lambda: MOST in said(app))
        foot = seen(app, "#again-foot")
        assert "22.50 USD" in foot and " y " in foot and "cancel" in foot
        await pilot.press(*["down"] * 9)
        await wait_until(lambda: "files." in seen(app, "#again"))
        await pilot.press("e")
        await wait_until(lambda: "time limit: 3h" in said(app))
        assert "22.50 USD" in seen(app, "#again-foot")


async def test_the_limit_is_asked_as_it_is(server: LocalHub, tmp_path: Path, wait_until: Wait) -> None:
    """A limit of 90 seconds is shown as such, and enter leaves it as it is."""
    app = await started(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened_again(app, pilot, wait_until)
        await pilot.press("e", "ctrl+u", *"90s", "enter")
        await wait_until(lambda: "limit 1 min 30 s" in said(app))
        await pilot.press("e")
        await wait_until(lambda: "time limit: 90s" in said(app))
        await pilot.press("enter")
        await wait_until(lambda: "time limit:" not in said(app))
        assert "limit 1 min 30 s" in said(app)
