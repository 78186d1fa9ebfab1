"""What follows a run, and when."""

from __future__ import annotations

from dataclasses import replace

from smoltui.core.runs.chain import HERE_ONLY, STEPS, Chain, Step, chain_from_json
from smoltui.core.runs.run import Run, Stage


def run(stage: str) -> Run:
    return Run("r1", "local", "r", stage)


CHAIN = Chain("r1", "/p", (Step("ask"), Step("ask")))


def test_a_step_starts_when_the_one_before_is_done() -> None:
    assert CHAIN.due(run(Stage.RUNNING)) is None and CHAIN.due(run(Stage.ERROR)) is None
    assert CHAIN.due(run(Stage.COMPLETED)) == 0
    assert CHAIN.with_step(0, stage=Stage.RUNNING).due(run(Stage.COMPLETED)) == 0
    assert CHAIN.with_step(0, stage=Stage.COMPLETED).due(run(Stage.COMPLETED)) == 1
    done = CHAIN.with_step(0, stage=Stage.COMPLETED).with_step(1, stage=Stage.COMPLETED)
    assert done.due(run(Stage.COMPLETED)) is None and done.broken_by(run(Stage.ERROR)) is None


def test_what_fails_ends_what_follows() -> None:
    failed = CHAIN.with_step(0, stage=Stage.ERROR, message="no model")
    assert [step.stage for step in failed.steps] == [Stage.ERROR, Stage.CANCELED]
    assert failed.due(run(Stage.COMPLETED)) is None
    broken = CHAIN.broken_by(run(Stage.CANCELED))
    assert broken is not None and broken.steps[0].message == "the training ended as CANCELED"
    assert [step.stage for step in broken.steps] == [Stage.CANCELED, Stage.CANCELED]
    assert CHAIN.broken_by(replace(run(Stage.CANCELED), resumable=True)) is None, "a pause is no end"
    assert CHAIN.broken_by(run(Stage.COMPLETED)) is None and CHAIN.broken_by(run(Stage.RUNNING)) is None


def test_every_step_has_a_command() -> None:
    """A step is done by a command that takes a folder, --run and --json."""
    from smoltui.cli.main import smoltui

    assert STEPS.keys() >= HERE_ONLY
    for name in STEPS:
        options = {option for param in smoltui.commands[Step(name).command].params for option in param.opts}
        assert {"folder", "--run", "--json"} <= options
    choices = next(param for param in smoltui.commands["train"].params if param.name == "then")
    assert list(choices.type.choices) == list(STEPS)  # type: ignore[attr-defined]


def test_it_is_kept_and_told() -> None:
    begun = CHAIN.with_step(0, stage=Stage.RUNNING, started_at=1.0)
    assert chain_from_json(begun.as_json()) == begun
    assert begun.summary() == "→ ask runs, → ask waits"
