"""A Job by keyboard at 80x24, from a placeholder to the end of its second start; and one that times out and resumes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends.jobs import submit as hub_submit
from smoltui.backends.jobs import watching
from smoltui.backends.jobs.engine import HubEngine
from smoltui.backends.runs import hub_facts, monitor
from smoltui.backends.services import Services
from smoltui.core.runs import events
from smoltui.widgets.actions import refusal
from tests.conftest import seen
from tests.hub.server import Dataset, Job, LocalHub, local_hub
from tests.stories.test_ask_before_paying import PAIR, project
from tests.stories.test_jobs_way import said

Wait = Callable[..., Awaitable[None]]


CHEAPER = {
    "name": "l40sx1",
    "prettyName": "L40S",
    "unitCostUSD": 0.03,
    "unitCostMicroUSD": 30_000,
    "accelerator": {"type": "gpu", "model": "L40S", "quantity": "1", "vram": "48 GB"},
}


@contextmanager
def hub_with(monkeypatch: pytest.MonkeyPatch, flavor: Mapping[str, object]) -> Iterator[LocalHub]:
    """A Hub with a model, pairs, and one more flavor, that is asked often; nothing is uploaded to it."""
    monkeypatch.setattr(watching, "poll_seconds", lambda stage, polls: 0.1)
    monkeypatch.setattr(hub_submit, "ship", lambda *args: None)
    monkeypatch.setattr(hub_facts, "_kept", {})
    monkeypatch.setattr(monitor, "JOBS_SECONDS", 0.3)
    monkeypatch.setattr(monitor, "IDLE_SECONDS", 0.1)
    with local_hub(monkeypatch) as running:
        running.repos.add("model", "labs/small", {"config.json": b"{}", "model.safetensors": b"x"})
        running.datasets["labs/pairs"] = Dataset({"train.jsonl": (PAIR * 3).encode()})
        running.hardware = [*running.hardware, {**running.hardware[0], **flavor}]
        yield running


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, own_machine: Path) -> Iterator[LocalHub]:
    with hub_with(monkeypatch, CHEAPER) as running:
        yield running


def trains(job: Job, first: int, last: int) -> None:
    job.stage, job.created = "RUNNING", time.time() - 60
    job.say("===== Job started at noon =====", events.dump(events.Planned(max_steps=1000, train_pairs=8000)))
    for step in range(first, last + 1, 20):
        job.say(
            events.dump(events.Metrics(step=step, values={"loss": 0.7 - step / 2000, "rewards/margins": step / 500}))
        )


@pytest.mark.slow
async def test_from_a_placeholder_to_a_longer_limit_and_on_after_a_timeout(
    server: LocalHub, tmp_path: Path, wait_until: Wait
) -> None:
    """I fix the placeholder with enter, take a cheaper flavor, start, watch, cancel, and run it again for longer; that
    one times out at step 640, and x continues it for two hours: one curve of 1 000 steps, one cost."""
    opened = project(tmp_path, hub_model_id="<you>/aligned", save_steps=100)
    app = SmoltuiApp(opened, Services({"hub": HubEngine()}), opening="runs")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "hub_model_id is still a placeholder" in seen(app, "#start-text"))
        await pilot.press("enter")
        await wait_until(lambda: "MODEL GOES TO  ada/aligned" in seen(app, "#start-text"))
        await wait_until(lambda: "enter Start Job · at most 7.50 USD" in seen(app, "#start-text"))
        await pilot.press("left")
        await wait_until(lambda: "enter Start Job · at most 5.40 USD" in seen(app, "#start-text"))
        await pilot.press("enter")
        await wait_until(lambda: len(server.jobs) == 1 and "SCHEDULING" in seen(app, "RunList"))
        (first,) = server.jobs.values()
        assert first.spec["flavor"] == "l40sx1" and first.spec["command"][-2] == "--keep"
        trains(first, 20, 300)
        first.say(events.dump(events.CheckpointKept(step=300, path="/checkpoints/checkpoint-300")))
        await wait_until(lambda: "300/1000 steps" in seen(app, "#run-head"))
        await wait_until(lambda: (app.runs[first.id].kept_step or first.say("a line")) == 300)  # the list follows
        why = refusal(app.screen, "pause", ())
        assert why.endswith(
            "cannot pause a run. Press X to cancel it; x resumes it later from the checkpoint of step 300"
        )
        await pilot.press("X")
        await wait_until(lambda: "The checkpoint of step 300 is kept: x resumes from it" in said(app))
        await pilot.press("y")
        await wait_until(lambda: first.stage == "CANCELED" and "CANCELED" in seen(app, "RunList"))

        await pilot.press("R")
        await wait_until(lambda: "from the first step, as a new run" in said(app))
        await pilot.press("e", "ctrl+u", *"4h", "enter")
        await wait_until(lambda: "COSTS AT MOST 7.20 USD" in said(app))
        await pilot.press("y")
        await wait_until(lambda: len(server.jobs) == 2)
        second = list(server.jobs.values())[1]
        assert second.spec["timeoutSeconds"] == 4 * 3600
        await wait_until(lambda: second.id in app.runs)

        trains(second, 20, 640)
        second.say(events.dump(events.CheckpointKept(step=600, path="/checkpoints/checkpoint-600")))
        await wait_until(lambda: "640/1000 steps" in seen(app, "#run-head"))
        second.stage, second.message = "ERROR", "Job timeout"
        await wait_until(lambda: app.runs[second.id].resumable)
        await wait_until(lambda: "x to resume" in seen(app, "#run-head"))
        await pilot.press("x")
        await wait_until(lambda: "from the checkpoint of step 600" in said(app))
        await pilot.press("right", "left", "e", "ctrl+u", *"2h", "enter")
        await wait_until(lambda: "COSTS AT MOST 3.60 USD" in said(app))
        await pilot.press("y")
        await wait_until(lambda: len(server.jobs) == 3)
        third = list(server.jobs.values())[2]
        assert third.spec["labels"]["smoltui-continues"] == second.id and third.spec["command"][-1] == "--must-resume"
        trains(third, 620, 1000)
        third.stage = "COMPLETED"
        await wait_until(lambda: app.runs[second.id].stage == "COMPLETED")
        assert third.id not in app.runs and len(app.runs) == 2
        await wait_until(lambda: app.screen._run is not None and app.screen._run.step == 1000)  # type: ignore[attr-defined]
        curve = app.screen._run.history.series["loss"]  # type: ignore[attr-defined]
        assert [step for step, _ in curve] == list(range(20, 1001, 20))
        await wait_until(lambda: "0.06 USD" in seen(app, "#run-head"))  # two minutes at 1.80 USD per hour
