"""Each end of a job has a stage, a sentence, and something to do."""

from __future__ import annotations

import pytest

from smoltui.core.runs.run import Stage
from smoltui.core.slurm.answers import Row
from smoltui.core.slurm.ends import OVER, RUNNING, WAITING, end_of, gone, never_submitted

ERROR, CANCELED = Stage.ERROR, Stage.CANCELED


@pytest.mark.parametrize(
    ("state", "reason", "code", "signal", "stage", "words"),
    [
        ("COMPLETED", "", 0, 0, ERROR, "without training to its last step"),
        ("FAILED", "NonZeroExitCode", 7, 0, ERROR, "failed with exit code 7"),
        ("FAILED", "JobLaunchFailure", 0, 9, ERROR, "SIGKILL"),
        ("FAILED", "JobLaunchFailure", 0, 15, ERROR, "signal 15"),
        ("FAILED", "JobLaunchFailure", 0, 53, ERROR, "could not write the log"),
        ("FAILED", "JobLaunchFailure", None, None, ERROR, "could not start the job"),
        ("CANCELLED", "", 0, 15, CANCELED, "not by smoltui"),
        ("TIMEOUT", "TimeLimit", 0, 9, ERROR, "time limit"),
        ("DEADLINE", "", 0, 0, ERROR, "time limit"),
        ("OUT_OF_MEMORY", "OutOfMemory", 0, 125, ERROR, "more memory"),
        ("FAILED", "OutOfMemory", 0, 125, ERROR, "more memory"),
        ("NODE_FAIL", "NodeDown", 0, 0, ERROR, "node of the job failed"),
        ("BOOT_FAIL", "", 0, 0, ERROR, "node of the job failed"),
        ("PREEMPTED", "", 0, 0, ERROR, "took the nodes"),
    ],
)
def test_an_end(state: str, reason: str, code: int, signal: int, stage: Stage, words: str) -> None:
    row = Row("1", state, reason, exit_code=code, signal=signal)
    end = end_of(row, folder="/runs/1", started=True, asked=False)
    assert end.stage == stage and words in end.message
    assert end.hint or stage == CANCELED
    assert state in OVER


def test_a_cancelled_job() -> None:
    """Who asked, and whether it had started."""
    row = Row("1", "CANCELLED")
    assert end_of(row, folder="", started=False, asked=True).message == "Canceled before it started"
    assert end_of(row, folder="", started=True, asked=True).message == "Stopped on request"
    assert "before it started, not by smoltui" in end_of(row, folder="", started=False, asked=False).message


def test_a_job_that_nobody_knows() -> None:
    end = gone("7", "/runs/1", started=True)
    assert "no longer knows job 7" in end.message and "/runs/1/log" in end.hint
    assert "never started" in gone("7", "/runs/1", started=False).message
    assert "never submitted" in never_submitted().message


def test_no_state_is_in_two_groups() -> None:
    assert not WAITING & RUNNING and not RUNNING & OVER and not WAITING & OVER
