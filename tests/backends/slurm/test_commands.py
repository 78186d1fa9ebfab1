"""Slurm's commands are called in an environment of ours, with a deadline, and their failures have words."""

from __future__ import annotations

from pathlib import Path

import pytest

from smoltui.backends.slurm import commands
from smoltui.errors import InputError, UnreachableError
from tests.slurm.fake_commands import FakeCommands


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCommands:
    return FakeCommands(tmp_path / "bin", monkeypatch)


def test_the_environment(fake: FakeCommands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what changes answers, and for a job without what is secret."""
    names = ("SQUEUE_FORMAT", "SBATCH_PARTITION", "SACCT_FORMAT", "SLURM_TIME_FORMAT", "SLURM_JOB_ID", "HF_TOKEN")
    for name in (*names, "KEEP"):
        monkeypatch.setenv(name, "x")
    fake.says("squeue", "")
    commands.asked("squeue")
    found = fake.env("squeue")
    assert (found["SLURM_TIME_FORMAT"], found["LC_ALL"], found["KEEP"]) == ("%s", "C", "x")
    assert not {"SQUEUE_FORMAT", "SBATCH_PARTITION", "SACCT_FORMAT", "SLURM_JOB_ID"} & found.keys()
    assert "KEEP" in commands.job_env() and not set(names) & commands.job_env().keys()


def test_failures(fake: FakeCommands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Too slow, silent, not configured, not installed: a sentence and a next step each."""
    fake.says("squeue", seconds=5)
    with pytest.raises(UnreachableError, match="did not answer within"):
        commands.call("squeue", seconds=0.1)
    fake.says("squeue", err="slurm_load_jobs error: Unable to contact slurm controller", code=1)
    with pytest.raises(UnreachableError, match="Unable to contact"):
        commands.asked("squeue")
    monkeypatch.setenv("SLURM_CONF", "/nowhere/slurm.conf")
    with pytest.raises(InputError, match="SLURM_CONF names a file that is not there: /nowhere"):
        commands.call("squeue")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="sbatch is not on the PATH"):
        commands.call("squeue")
