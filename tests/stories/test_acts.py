"""What I do to runs is visible at once, and survives leaving the room; leaving the app in the middle asks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends.jobs import ends, pending, watching
from smoltui.backends.jobs import submit as hub_submit
from smoltui.backends.jobs.engine import HubEngine
from smoltui.backends.project.new_project import create_project
from smoltui.backends.runs import chains
from smoltui.backends.services import Services
from smoltui.core.runs.run import RunSpec
from tests.conftest import seen, told
from tests.hub.server import LocalHub, local_hub
from tests.stories.test_jobs_way import said

Wait = Callable[..., Awaitable[None]]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    monkeypatch.setattr(watching, "poll_seconds", lambda stage, polls: 5.0)
    monkeypatch.setattr(hub_submit, "ship", lambda *args: None)
    with local_hub(monkeypatch) as running:
        yield running


@pytest.fixture
def app(own_machine: Path, server: LocalHub) -> SmoltuiApp:
    project = create_project(own_machine / "demo", "demo")
    return SmoltuiApp(project, Services({"hub": HubEngine()}), opening="runs")


async def ten_are_being_canceled(
    app: SmoltuiApp, server: LocalHub, press: Callable[..., Awaitable[None]], latency: float = 0.3
) -> None:
    """Ten Jobs are marked and canceled; the Hub takes so many seconds for each answer."""
    server.latency = latency
    await press(*["space"] * 10, "X", "y")


async def test_ten_jobs_are_canceled_and_i_wait(app: SmoltuiApp, server: LocalHub, wait_until: Wait) -> None:
    """I cancel ten Jobs and press q at once: I am asked, choose to wait, and all ten are canceled."""
    for _ in range(10):
        server.add(["working"], flavor="h200x8")
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: len(app.runs) == 10)
        await ten_are_being_canceled(app, server, pilot.press, 2.0)
        await wait_until(lambda: seen(app, "RunList").count("canceling…") >= 5)
        await pilot.press("q")
        await wait_until(
            lambda: "of 10 canceled: wait, or leave them" in said(app) and "y wait, then quit" in said(app)
        )
        await pilot.press("y")
        await wait_until(lambda: not app.is_running)
    assert {job.stage for job in server.jobs.values()} == {"CANCELED"}


async def test_ten_jobs_are_canceled_and_i_leave(
    app: SmoltuiApp, server: LocalHub, wait_until: Wait, capsys: pytest.CaptureFixture[str]
) -> None:
    """I leave at once: what is printed counts the Jobs whose cancel nobody confirmed."""
    for _ in range(12):
        server.add(["working"], flavor="h200x8")
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: len(app.runs) == 12)
        await ten_are_being_canceled(app, server, pilot.press, 3.0)
        await pilot.press("q")
        await wait_until(lambda: "0 of 10 canceled" in seen(app))
        await pilot.press("n")
    printed = " ".join(capsys.readouterr().err.split())
    assert printed.startswith("10 runs may continue, because no answer came: job0012, ") and "smoltui ps" in printed
    assert sum("canceled_at" in end for end in ends.read_all().values()) == 10, "the Hub may still do as it was asked"


async def test_a_cancel_that_fails_keeps_its_mark(app: SmoltuiApp, server: LocalHub, wait_until: Wait) -> None:
    """Of two Jobs one cannot be canceled: its row says so until it is tried again, and the sum names it."""
    good, bad = server.add(["a"], labels={"name": "good"}), server.add(["b"], labels={"name": "bad"})
    server.spoil("POST", f"{bad.id}/cancel", status=403, body={"error": "No"})
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        await wait_until(lambda: len(app.runs) == 2)
        await pilot.press("space", "space", "X", "y")
        await wait_until(lambda: "1 of 2 canceled. Not canceled: bad" in told(app))
        assert "✗ cancel" in seen(app, "RunList") and "not canceled" in seen(app, "RunList")
        assert good.stage == "CANCELED"
        await pilot.press("k", "X", "y")
        await wait_until(lambda: bad.stage == "CANCELED" and "✗ cancel" not in seen(app, "RunList"))


async def test_a_job_cannot_be_paused(app: SmoltuiApp, server: LocalHub, wait_until: Wait) -> None:
    """x is dim on a running Job; pressed all the same, it asks nothing, and says why and what to do instead."""
    job = server.add(["working"])
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await wait_until(lambda: "RUNNING" in seen(app, "RunList"))
        assert app.screen.check_action("pause", ()) is None, "dim"
        await pilot.press("x")
        await wait_until(lambda: "HF Jobs cannot pause a run. Press X to cancel it" in told(app))
        assert "Pause" not in said(app).replace("x Pause", "") and "✗ pause" not in seen(app, "RunList")
        assert "resumes" not in told(app), "it was started elsewhere, so it can't be resumed here"
    assert job.stage == "RUNNING"


async def test_why_a_job_failed_is_readable_in_a_small_terminal(
    app: SmoltuiApp, server: LocalHub, wait_until: Wait
) -> None:
    """At 80x24, the whole reason and the whole next step are there, in two lines each; the end of the log has it, too,
    behind lines that are too wide."""
    lines = ["torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."]
    lines += [f"a word {'x' * 200}", *["日本" * 80] * 20]
    server.add(lines, stage="ERROR")
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "then run it again (R). Reading" in " ".join(seen(app, "#run-head").split()))
        head = " ".join(seen(app, "#run-head").split())
        assert ": 2.00 GiB more did not fit" in head and "Lower per_device_train_batch_size or max_length" in head
        await wait_until(lambda: "[ERROR] The GPU ran out of memory" in seen(app, "LogTail"))
        await pilot.resize_terminal(120, 40)
        await wait_until(lambda: len(seen(app, "LogTail").split("日本")) > 3)
        assert "[ERROR] The GPU ran out of memory" in seen(app, "LogTail")


async def test_why_a_job_was_not_canceled_is_readable_in_a_small_terminal(
    app: SmoltuiApp, server: LocalHub, wait_until: Wait
) -> None:
    """At 80x24, the Hub's whole sentence is in the lines about the run, after the message is gone."""
    job = server.add(["a"])
    server.spoil("POST", f"{job.id}/cancel", status=403, body={"error": "the owner of this organization forbids it"})
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: len(app.runs) == 1)
        await pilot.press("X", "y")
        await wait_until(lambda: "forbids it" in " ".join(seen(app, "#run-head").split()))


@pytest.mark.slow
async def test_ports_are_opened_and_a_schedule_is_changed(app: SmoltuiApp, server: LocalHub, wait_until: Wait) -> None:
    """# opens a port of a Job, after a question, and says where it is; @ schedules the Job, and enter changes when."""
    job = server.add(["working"], labels={"name": "serve"}, dockerImage="python:3.12")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await wait_until(lambda: len(app.runs) == 1)
        await pilot.press("number_sign", *"8000 public:7860", "enter")
        await wait_until(lambda: "Anyone with the address can reach 7860" in said(app))
        await pilot.press("y")
        await wait_until(lambda: f"https://{job.id}--7860.hf.jobs" in told(app))
        assert job.spec["expose"] == {"ports": [8000, 7860], "portsPublic": [7860]}
        await pilot.press("at")
        await wait_until(lambda: "None yet." in said(app))
        await pilot.press("a", "enter")
        await wait_until(lambda: "Start this Job on schedule '@daily'" in said(app))
        assert "each time (once a day). Your token" in " ".join(said(app).split())
        await pilot.press("y")
        await wait_until(lambda: "never started" in said(app), 10)
        (item,) = server.scheduled.values()
        await pilot.press("a", "enter")
        await wait_until(lambda: f"serve is already scheduled ({item.id}, @daily)" in said(app))
        await pilot.press("escape")
        await pilot.press("enter", "ctrl+u", *"@never", "enter")
        await wait_until(lambda: "Not a valid schedule: @never. Write @hourly" in " ".join(said(app).split()))
        await pilot.press("enter", "ctrl+u", *"@weekly", "enter")
        await wait_until(lambda: "@weekly" in said(app) and item.body["schedule"] == "@weekly")
        await pilot.press("i", "end", *" team=x", "enter")
        await wait_until(lambda: item.body["jobSpec"]["labels"].get("team") == "x")
        assert item.body["jobSpec"]["labels"]["name"] == "serve"
        server.spoil("DELETE", f"/{item.id}$", how="garbage")
        await pilot.press("X", "y")
        await wait_until(lambda: f"the scheduled Job {item.id} still exists" in " ".join(said(app).split()))
        server.latency = 0.2
        await pilot.press("r", "escape")  # closed before the list has come, which has nowhere to go then
        await asyncio.sleep(0.5)


async def test_a_second_start_is_asked(
    app: SmoltuiApp, server: LocalHub, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """t enter t enter: the first start has a row at once, the second is questioned, and there is one Job; q asks."""
    hold = asyncio.Event()
    original = hub_submit.upload

    async def upload(shipment: Any, namespace: str, label: str, token: str, tell: hub_submit.Tell) -> Any:
        tell("sending files, 3 of 12 MB")
        await hold.wait()
        return await original(shipment, namespace, label, token, tell)

    monkeypatch.setattr(hub_submit, "upload", upload)
    async with app.run_test(size=(110, 30)) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "COSTS AT MOST  7.50 USD" in seen(app, "#start-text"))
        await pilot.press("enter")
        await wait_until(lambda: "starting…" in seen(app, "RunList"))
        await wait_until(lambda: "sending files, 3 of 12 MB" in seen(app, "#run-head"))
        await pilot.press("t")
        await wait_until(lambda: "COSTS AT MOST  7.50 USD" in seen(app, "#start-text"))
        await pilot.press("enter")
        await wait_until(lambda: "demo is being started, and trains the same recipe" in said(app))
        await pilot.press("enter", "n", "escape", "q")
        await wait_until(lambda: "Starting demo (sending files, 3 of 12 MB): wait" in said(app))
        await pilot.press("escape")
        hold.set()
        await wait_until(lambda: len(app.runs) == 1 and "SCHEDULING" in seen(app, "RunList"))
        assert len(server.jobs) == 1 and len(server.asked("POST", r"^/api/jobs/ada$")) == 1
        assert not list(pending.folder().iterdir())


async def test_a_start_that_was_killed_is_found(server: LocalHub, own_machine: Path) -> None:
    """smoltui was killed while it started a Job: the next list finds the Job by its label, as one of this project, and
    the steps that were to follow it."""
    spec = RunSpec("demo", str(own_machine), "beta: 0.1\n", "/tmp/x", "0123456789abcdef", "cpu-basic", 60)
    spec = replace(spec, labels={"smoltui-run": spec.label}, then=("ask", "push"))
    pending.begin(spec)
    assert await HubEngine().list_runs() == []  # nothing was started yet
    job = server.add(["x"], labels={"name": "demo", "smoltui-run": spec.label})
    (run,) = await HubEngine().list_runs()
    assert (run.id, run.project, run.timeout_seconds) == (job.id, str(own_machine), 60)
    assert (chain := chains.read(job.id)) is not None and [step.name for step in chain.steps] == ["ask", "push"]
    assert not list(pending.folder().iterdir())
