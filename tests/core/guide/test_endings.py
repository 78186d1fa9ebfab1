"""How a run ended, for what is next."""

from __future__ import annotations

import pytest

from smoltui.core.guide.endings import end_of
from smoltui.core.guide.ends import Act, Cause, End, Outcome
from smoltui.core.runs.run import Run, Stage

PUSHES = {"spec": {"recipe": "beta: 0.1\npush_to_hub: true\n"}}


def run(stage: str, **values: object) -> Run:
    return Run(id="r", engine="hub", name="dpo", stage=stage, project="/p", **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ended", "here", "has_model", "end"),
    [
        (run(Stage.COMPLETED), True, True, End(Act.TRAIN, facts=frozenset({"model"}))),
        (run(Stage.COMPLETED, raw=PUSHES), False, False, End(Act.TRAIN)),
        (run(Stage.COMPLETED, raw={"spec": {"recipe": "push_to_hub: false"}}), False, False, None),
        (
            run(Stage.CANCELED, resumable=True),
            True,
            False,
            End(Act.TRAIN, Outcome.STOPPED, facts=frozenset({"resumable"})),
        ),
        (
            run(Stage.ERROR, message="This machine ran out of memory"),
            True,
            False,
            End(Act.TRAIN, Outcome.FAILED, Cause.MEMORY),
        ),
        (run("WEIRD"), True, False, End(Act.TRAIN, Outcome.STOPPED)),
    ],
)
def test_ends(ended: Run, here: bool, has_model: bool, end: End | None) -> None:
    found = end_of(ended, project="/p", here=here, has_model=has_model)
    assert found == (end or End(Act.TRAIN, facts=frozenset({"lost"})))


def test_a_run_of_another_project() -> None:
    assert "other" in end_of(run(Stage.COMPLETED), project="/q", here=True, has_model=False).facts
