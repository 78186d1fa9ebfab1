"""Why an active run cannot be paused, and what to do instead."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smoltui.backends.jobs.place import JOBS
from smoltui.backends.local.place import HERE
from smoltui.core.runs.pausing import why_not_paused
from smoltui.core.runs.run import Run, Stage
from tests.toy_engine import TOY

JOB = Run("1", "hub", "n", Stage.RUNNING)
KEEPS = {"spec": {"keep": "bucket:ada/jobs-artifacts/kept"}}


@pytest.mark.parametrize(
    ("run", "then"),
    [
        (replace(JOB, raw=KEEPS, kept_step=20), "; x resumes it later from the checkpoint of step 20"),
        (replace(JOB, raw=KEEPS), "; x resumes it later if it has kept a checkpoint by then"),
        (replace(JOB, raw={"spec": {"keep": ""}}), "; it keeps no checkpoint to resume from"),
        (replace(JOB, kept_step=20), ""),  # started elsewhere, so it is not resumed from here
    ],
)
def test_what_is_left_of_a_job_decides_what_is_promised(run: Run, then: str) -> None:
    assert why_not_paused([(run, JOBS)]) == f"HF Jobs cannot pause a run. Press X to cancel it{then}"


def test_a_place_that_can_pause_has_no_reason_against_it() -> None:
    """One run that can be paused is enough: the others are left out."""
    assert not why_not_paused([(JOB, TOY)]) and not why_not_paused([(JOB, JOBS), (JOB, HERE)])


def test_several_jobs_have_one_reason() -> None:
    assert why_not_paused([(JOB, JOBS), (JOB, JOBS)]) == "HF Jobs cannot pause a run. Press X to cancel them"
