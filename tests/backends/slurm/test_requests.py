"""Pausing and canceling a job that is not simply running; with commands that say what a test tells them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from smoltui.backends.slurm.queue import Queue
from smoltui.backends.slurm.records import Part, Records
from smoltui.backends.slurm.requests import send
from smoltui.errors import InputError, UnreachableError
from tests.slurm.fake_commands import FakeCommands


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCommands:
    fake = FakeCommands(tmp_path / "bin", monkeypatch)
    fake.says("scancel")
    return fake


@pytest.fixture
def records(tmp_path: Path) -> Records:
    status = {"part": 1, "job": "7", "started_at": time.time()}
    return Records(tmp_path, {}, (Part(1, "l", time.time() - 9, "7"),), {}, status)


def says(slurm: FakeCommands, state: str) -> None:
    slurm.says("squeue", f"7|{state}|None|0|0|10:00|main|n1|smoltui-run=l")


@pytest.mark.parametrize("state", ["SUSPENDED", "PENDING"])
def test_a_job_that_cannot_take_a_signal(slurm: FakeCommands, records: Records, state: str) -> None:
    """scancel would repeat a signal for 95 seconds: a pause is refused at once, and canceling does without it."""
    says(slurm, state)
    with pytest.raises(InputError, match="not running"):
        send(records, Queue(), "pause")
    assert not slurm.calls("scancel") and not records.asked("pause")
    send(records, Queue(), "cancel")
    assert slurm.calls("scancel") == ["7"] and records.asked("cancel")


def test_a_request_that_slurm_did_not_take(slurm: FakeCommands, records: Records) -> None:
    """A run is not called pausing if Slurm was never told."""
    says(slurm, "RUNNING")
    slurm.says("scancel", err="scancel: error: Unable to contact slurm controller", code=1)
    with pytest.raises(UnreachableError):
        send(records, Queue(), "pause")
    assert slurm.calls("scancel") == ["--signal=TERM 7"] and not records.asked("pause")
