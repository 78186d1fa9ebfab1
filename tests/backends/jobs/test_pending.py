"""Two apps that start the same at the same time pay one Job."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.jobs import pending, records
from smoltui.backends.jobs import submit as hub_submit
from smoltui.backends.jobs.engine import HubEngine
from smoltui.backends.system.processes import this_process
from smoltui.core.runs.run import Run, RunSpec
from smoltui.errors import InputError, UnreachableError
from tests.hub.server import LocalHub, local_hub

PUSHES = "beta: 0.1\npush_to_hub: true\nhub_model_id: ada/aligned\n"
HERE = this_process()["host"]


def spec(label: str, recipe: str = PUSHES, project: str = "/p") -> RunSpec:
    return RunSpec("demo", project, recipe, "/tmp/x", label, "cpu-basic", 60, labels={"smoltui-run": label})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    with local_hub(monkeypatch) as running:
        yield running


@pytest.fixture
def other_app() -> Iterator[int]:
    """The process id of something that runs."""
    process = subprocess.Popen(["sleep", "60"])
    yield process.pid
    process.kill()
    process.wait()


def under_way(one: RunSpec, **of: Any) -> None:
    pending.folder().mkdir(parents=True, exist_ok=True)
    data = {"spec": asdict(one), "host": HERE, "at": time.time(), **of}
    (pending.folder() / f"{one.label}.json").write_text(json.dumps(data))


async def test_what_another_app_is_starting_is_not_started_again(
    own_machine: Path, server: LocalHub, other_app: int
) -> None:
    under_way(spec("theirs"), pid=other_app)
    with pytest.raises(InputError) as caught:
        await HubEngine().submit(spec("mine", project=str(own_machine)))
    assert caught.value.message == (
        "Another smoltui was first: demo is being started, and pushes to the same repository: ada/aligned"
    )
    assert not server.asked("POST", r"^/api/jobs/ada$")
    assert [path.stem for path in pending.folder().iterdir()] == ["theirs"]


@pytest.mark.parametrize(
    ("of", "refused"),
    [
        ({"pid": os.getpid()}, False),  # the app asked about it itself
        ({"pid": "4"}, False),
        ({"pid": -1}, False),
        ({"pid": 1 << 22, "at": 0.0}, False),  # killed: it is found by its label
        ({"pid": os.getppid()}, True),
        ({"pid": os.getppid(), "at": 1.0}, False),  # another process has its id now
        ({"pid": 0, "unclear": False}, False),  # certainly nothing was started
        ({"pid": 0, "unclear": True}, True),
        ({"pid": 0, "unclear": True, "at": time.time() - 600}, False),
        ({"pid": 1 << 22, "host": "another-machine"}, True),
        ({"pid": 1 << 22, "host": "another-machine", "at": time.time() - 600}, False),
        ({"pid": 1 << 22, "host": "another-machine", "at": "now"}, False),
    ],
)
def test_a_start_is_under_way_as_long_as_its_process(own_machine: Path, of: dict[str, Any], refused: bool) -> None:
    under_way(spec("theirs"), **of)
    if refused:
        with pytest.raises(InputError, match="Another smoltui was first"):
            pending.begin(spec("mine"))
    else:
        pending.begin(spec("mine"))


def test_only_the_same_is_refused(own_machine: Path, other_app: int) -> None:
    under_way(spec("theirs"), pid=other_app)
    pending.begin(spec("mine", "beta: 0.1\npush_to_hub: true\nhub_model_id: ada/other\n"))
    pending.begin(spec("theirs"))  # the same submission, once more


def test_a_job_that_was_not_listed_here_yet_counts_too(own_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records.write(Run("0123", "hub", "demo", "RUNNING"), spec("theirs"))
    pending.begin(spec("mine"))  # of this app
    pending.end("mine")
    record = records.read("0123") or {}
    records.save({**record, "submitted_by": {"host": HERE, "pid": 1 << 22}})
    with pytest.raises(InputError, match="Another smoltui was first"):
        pending.begin(spec("mine"))
    pending.begin(spec("mine"), {"0123"})  # the person was asked
    pending.end("mine")
    monkeypatch.setattr(pending, "UNSEEN_SECONDS", 0.0)
    pending.begin(spec("mine"))


@pytest.mark.parametrize(("stage", "refused"), [("RUNNING", True), ("CANCELED", False), (None, False)])
async def test_a_second_one_is_refused_only_while_the_first_runs(
    own_machine: Path, server: LocalHub, monkeypatch: pytest.MonkeyPatch, stage: str | None, *, refused: bool
) -> None:
    """Another process submitted it a moment ago; since then it has been canceled, or deleted."""
    monkeypatch.setattr(hub_submit, "ship", lambda *args: None)
    job_id = server.add(stage=stage).id if stage else "0123456789abcdef01234567"
    theirs = spec("theirs", project=str(own_machine))
    records.write(Run(job_id, "hub", "demo", "RUNNING", namespace="ada"), theirs)
    records.save({**(records.read(job_id) or {}), "submitted_by": {"host": HERE, "pid": 1 << 22}})
    if not refused:
        assert not (await HubEngine().submit(spec("mine", project=str(own_machine)))).is_final
        return
    with pytest.raises(InputError, match=f"{job_id}. is RUNNING, and pushes") as caught:
        await HubEngine().submit(spec("mine", project=str(own_machine)))
    assert f"smoltui cancel {job_id}" in caught.value.hint


@pytest.mark.parametrize("unclear", [False, True])
async def test_a_start_that_failed_does_not_keep_others_from_starting(
    own_machine: Path, server: LocalHub, monkeypatch: pytest.MonkeyPatch, *, unclear: bool
) -> None:
    """The Hub refuses the POST. If it can't say whether there is a Job, other processes wait two minutes."""
    monkeypatch.setattr(hub_submit, "ship", lambda *args: None)
    monkeypatch.setattr(hub_submit, "LOOKS", (0.0, 0.0))
    server.spoil("POST", "^/api/jobs/ada$", status=503)
    if unclear:
        find, looks = hub_submit.find, iter((True,))

        async def silent(namespace: str, label: str) -> dict[str, Any] | None:
            if next(looks, False):
                return await find(namespace, label)
            raise UnreachableError("silence")

        monkeypatch.setattr(hub_submit, "find", silent)
    with pytest.raises(UnreachableError, match="may or may not" if unclear else "no Job was started"):
        await HubEngine().submit(spec("mine", project=str(own_machine)))
    data = json.loads((pending.folder() / "mine.json").read_text())
    assert pending._is_under_way(data) is unclear and list(pending.interrupted()) == ["mine"]


def test_of_four_that_begin_at_once_one_goes_on(own_machine: Path) -> None:
    code = """
import sys
from smoltui.backends.jobs import pending
from smoltui.errors import InputError
from tests.backends.jobs.test_pending import spec
sys.stdin.readline()
try:
    pending.begin(spec(sys.argv[1]))
    print("begun", flush=True)
except InputError as error:
    print(error.message, flush=True)
sys.stdin.readline()  # it is still under way
"""
    apps = [
        subprocess.Popen(
            [sys.executable, "-c", code, f"label{number}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for number in range(4)
    ]
    for app in apps:
        assert app.stdin is not None
        app.stdin.write("\n")
        app.stdin.flush()
    said = [app.stdout.readline() for app in apps if app.stdout is not None]
    for app in apps:
        app.communicate("\n")
    assert said.count("begun\n") == 1
    assert sum("Another smoltui was first: demo is being started" in line for line in said) == 3
