"""A chain: steps that start automatically once the previous one COMPLETED. Training is the first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from smoltui.core.runs.run import Run, Stage, is_final

STEPS: Mapping[str, str] = {
    "ask": "both models answer the project's prompts",
    "measure": "both models are measured on held-out pairs",
    "benchmark": "lm_eval benchmarks both models on this machine",
    "push": "the model is pushed to the Hub",
}
"""Follow-up steps of a run, and what each does."""
COMMANDS: Mapping[str, str] = {"measure": "evaluate", "push": "card"}
"""Step → the command that does it, where the names differ."""
ARGUMENTS: Mapping[str, tuple[str, ...]] = {"ask": ("--yes",), "measure": ("--yes",), "push": ("--push", "--yes")}
"""Step → further arguments of its command. Whoever chose a step has agreed to the models being loaded."""
HERE_ONLY = frozenset({"benchmark"})
"""Steps that follow only runs whose model is on this machine's disks: one on the Hub would have to be downloaded, or a
Job be paid for."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step after a run."""

    name: str
    """Key of `STEPS`."""
    stage: str = Stage.SCHEDULING
    """As for a run: SCHEDULING while waiting."""
    message: str | None = None
    started_at: float | None = None
    """Seconds since the epoch; None before it started."""
    finished_at: float | None = None
    around: tuple[str, ...] = ()
    """Command that starts it elsewhere, up to and including the Python there; empty: it is done on this machine."""

    @property
    def arguments(self) -> tuple[str, ...]:
        """Further arguments of its command."""
        return ARGUMENTS.get(self.name, ())

    @property
    def command(self) -> str:
        """Name of the command that does it."""
        return COMMANDS.get(self.name, self.name)


@dataclass(frozen=True, slots=True)
class Chain:
    """The follow-up steps of one run."""

    run_id: str
    project: str
    """Folder of the project."""
    steps: tuple[Step, ...]

    def as_json(self) -> dict[str, Any]:
        from dataclasses import asdict

        return asdict(self)

    def with_step(self, number: int, **changes: Any) -> Chain:
        """The chain with one step changed; if that step did not complete, the later ones are CANCELED."""
        steps = list(self.steps)
        steps[number] = replace(steps[number], **changes)
        if is_final(steps[number].stage) and steps[number].stage != Stage.COMPLETED:
            for later in range(number + 1, len(steps)):
                steps[later] = replace(
                    steps[later], stage=Stage.CANCELED, message=f"{steps[number].name} did not complete"
                )
        return replace(self, steps=tuple(steps))

    def due(self, run: Run) -> int | None:
        """Number of the step to start now; None if there is none.

        A RUNNING step counts: the caller holds the chain's lock, so whoever started that step is gone.
        """
        if run.stage == Stage.COMPLETED:
            for number, step in enumerate(self.steps):
                if step.stage != Stage.COMPLETED:
                    return None if is_final(step.stage) else number
        return None

    def broken_by(self, run: Run) -> Chain | None:
        """The cancelled chain if the run ended without a model, so that nothing can follow; otherwise None.

        After a run that was paused, or that stopped and can be resumed, the steps wait.
        """
        lost = run.is_final and run.stage != Stage.COMPLETED and not run.resumable
        if not lost or all(is_final(step.stage) for step in self.steps):
            return None
        return self.with_step(0, stage=Stage.CANCELED, message=f"the training ended as {run.stage}")

    def summary(self) -> str:
        """For the run's row: each step and its stage."""
        words = {Stage.SCHEDULING: "waits", Stage.RUNNING: "runs", Stage.COMPLETED: "done"}
        return ", ".join(f"→ {step.name} {words.get(Stage(step.stage), step.stage.lower())}" for step in self.steps)


def chain_from_json(data: Mapping[str, Any]) -> Chain:
    """The chain that `Chain.as_json` wrote. Raises KeyError, TypeError or ValueError for anything else."""
    steps = tuple(Step(**{**step, "around": tuple(map(str, step.get("around", ())))}) for step in data["steps"])
    for step in steps:
        Stage(step.stage)
    return Chain(str(data["run_id"]), str(data["project"]), steps)
