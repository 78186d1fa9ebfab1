"""What the end of a run comes to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smoltui.core.runs.next_words import (
    continue_it,
    from_checkpoint,
    in_the_room,
    key_in,
    resume_from,
    run_again,
    run_longer,
    see_log,
)
from smoltui.core.runs.run import Run, Stage
from smoltui.core.runs.verdict import verdict_of
from smoltui.scripts.curve_remarks import Level, Remark

LOST = Remark("rising", Level.BROKEN, "rising", "The loss rose", "Lower learning_rate")
PUSHES = "push_to_hub: true\nhub_model_id: me/x\n"
FAILED = Run("6a77", "hub", "dpo", Stage.ERROR, message="Timed out", hint="Again", flavor="l4x1", started_at=1.0)


@pytest.mark.parametrize(
    ("run", "survived"),
    [
        (replace(FAILED, raw={"spec": {"recipe": PUSHES}}), "Nothing survives"),
        (replace(FAILED, raw={"spec": {"recipe": f"{PUSHES}hub_strategy: every_save\n"}}), "pushed survive: me/x"),
        (replace(FAILED, resumable=True), "A checkpoint survives"),
        (replace(FAILED, pushed_to="me/x"), "on the Hub: me/x"),
        (replace(FAILED, raw={"volumes": [{"type": "bucket", "source": "me/c", "readOnly": False}]}), "volumes"),
        (replace(FAILED, started_at=None, raw={"spec": {"recipe": PUSHES}}), ""),
        (FAILED, ""),
        (replace(FAILED, stage=Stage.COMPLETED, raw={"spec": {"recipe": "push_to_hub: false"}}), "Nothing survives"),
        (Run("r", "local", "r", Stage.COMPLETED, model_path="/m"), "The model is saved: /m"),
        (Run("r", "local", "r", Stage.CANCELED, resumable=True), "A checkpoint survives"),
    ],
)
def test_what_survived(run: Run, survived: str) -> None:
    """For a Job of others, whose recipe nobody knows, nothing is claimed."""
    verdict = verdict_of(run)
    assert verdict is not None and (survived in verdict.survived if survived else not verdict.survived)


def test_one_line_and_a_next_step() -> None:
    verdict = verdict_of(replace(FAILED, resumable=True, health=LOST), cost=2.4)
    assert verdict is not None
    assert verdict.sentence == "Timed out. broken: the loss rose. A checkpoint survives. Cost: 2.40 USD"
    assert verdict.next == "Again"
    assert verdict_of(Run("r", "hub", "r", Stage.RUNNING)) is None
    canceled = verdict_of(Run("r", "hub", "r", Stage.CANCELED, flavor="l4x1"))
    assert canceled is not None and "smoltui rerun r" in canceled.next


def test_the_key_of_a_next_step() -> None:
    """The Runs room names the key itself, and then leaves out a next step that says no more."""
    assert [key_in(words("6a77")) for words in (run_again, continue_it, see_log)] == ["R", "x", "v"]
    assert key_in(resume_from("6a77", 20)) == "x"
    assert from_checkpoint(run_longer("6a77", 2)) == (
        "Continue it with a longer timeout (x in the Runs room, or smoltui resume 6a77 --timeout 2h)"
    )
    assert from_checkpoint(run_again("6a77")) == continue_it("6a77") and from_checkpoint("Wait.") == "Wait."
    assert key_in("Lower learning_rate; then run it again (R).") is None


def test_the_room_does_not_name_its_own_commands() -> None:
    shown = [
        in_the_room(words)
        for words in (
            run_longer("6a77", 2),
            resume_from("6a77", 20),
            f"Free some space. {resume_from('6a77', 20)}",
            "Lower it; then run it again (R).",
        )
    ]
    assert shown == [
        "Run it again with a longer timeout (R)",
        "Resume from step 20 (x)",
        "Free some space. Resume from step 20 (x)",
        "Lower it; then run it again (R).",
    ]
