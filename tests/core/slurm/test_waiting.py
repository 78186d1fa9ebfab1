"""Why a job waits, in words."""

from __future__ import annotations

import time

from smoltui.core.slurm.answers import Row
from smoltui.core.slurm.waiting import NEVER, REASONS, waits_in_words

NOW = time.mktime((2026, 11, 29, 12, 0, 0, 0, 0, -1))


def waits(reason: str, start: float | None = None) -> str:
    return waits_in_words(Row("47", "PENDING", reason, start=start), NOW)


def test_a_reason_in_words() -> None:
    """With the expected start where Slurm has one, and as Slurm writes it where nobody knows it."""
    assert waits("Resources") == "waiting for free nodes"
    assert waits("Resources", NOW + 3600) == "waiting for free nodes; start expected at 13:00"
    assert waits("Priority", NOW + 86_400).endswith("first; start expected on Nov 30, 12:00")
    assert waits("ReqNodeNotAvail, UnavailableNodes:n2").endswith("maintenance (UnavailableNodes:n2)")
    assert waits("FooLimit") == "waiting: FooLimit"
    assert waits("job_requeued_in_held_state", NOW + 60).endswith("scontrol release 47")
    assert waits("JobHeldUser") == "held by you: scontrol release 47"


def test_a_job_that_never_starts() -> None:
    """No time is promised, and the setting to change is named."""
    words = waits("PartitionTimeLimit", NOW + 60)
    assert words.startswith(NEVER) and "slurm.time" in words and "expected" not in words


def test_the_words_are_for_people() -> None:
    assert all(words[0].islower() and not words.endswith(".") for words in REASONS.values())
