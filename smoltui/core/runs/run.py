"""A run: one training with one configuration, anywhere: what was asked for (`RunSpec`), what is known (`Run`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from smoltui.core.runs import events
from smoltui.core.runs.metrics import History


class Stage(StrEnum):
    """Where a run stands; the Hub's own words (huggingface_hub `JobStage`), used for local runs too."""

    SCHEDULING = "SCHEDULING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"
    ERROR = "ERROR"
    DELETED = "DELETED"


FINAL = frozenset({Stage.COMPLETED, Stage.CANCELED, Stage.ERROR, Stage.DELETED})


def is_final(stage: str) -> bool:
    """Whether a run in this stage will never change again. A stage that only the server knows is not final."""
    return stage in FINAL


HUB_TIMEOUT_SECONDS = 1800
"""A Job without a timeout of its own is killed after this (Hub documentation, Jobs)."""
LABEL = "smoltui-run"
"""Label of a Job that finds it again when the answer to its submission was lost."""
JOB_OUTPUT = "/tmp/smoltui"
"""Where a Job writes: its own disk, which is deleted at its end."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """Everything an engine needs to start a run. Written beside the run and never changed afterwards."""

    name: str
    """For people; not unique."""
    project: str
    """Absolute folder the run was started from; relative paths of the recipe are relative to it."""
    recipe: str
    """Text of recipe.yaml at the start, with the overrides applied."""
    output_dir: str
    """Absolute folder the model is saved to (local), or its path inside the Job."""
    label: str
    """Unique value of the label `smoltui-run`: finds the run again when an answer was lost."""
    flavor: str | None = None
    """Hardware of a Job; None for this machine."""
    timeout_seconds: int | None = None
    """The Job is killed after this; None for this machine."""
    namespace: str | None = None
    """User or organization that owns and pays for the Job; None for this machine."""
    labels: Mapping[str, str] = field(default_factory=dict)
    overwrite: bool = False
    """A model that `output_dir` already holds may be replaced."""
    left_out: tuple[str, ...] = ()
    """Content hashes of pairs that are not trained on, besides those that a curated set leaves out already."""
    pairs_hash: str | None = None
    """Of the curated set that `recipe` names (`backends/pairs/curated.py`); None when that is the recipe's own set."""
    pairs_from: str | None = None
    """What the curated set was made from and how, one sentence; None as above."""
    checks: tuple[str, ...] = ()
    """What was checked before it was started, a sentence each with its mark; empty where nobody checked."""
    side_by_side: bool = False
    """Start at once on this machine, whatever else trains here; otherwise the run waits for its turn."""
    processes: int | None = None
    """Training processes on this machine, one a GPU; None for what smoltui.toml says (`local.processes`)."""
    strategy: str | None = None
    """How they share the training (`core.runs.accelerate.STRATEGIES`); None for what smoltui.toml says."""


@dataclass(frozen=True, slots=True)
class Run:
    """What is known of a run now. Times are seconds since the epoch (UTC), None when not reached or not known."""

    id: str
    engine: str
    """local, hub, or the name of another engine."""
    name: str
    stage: str
    """A `Stage`, or a word that only the server knows."""
    message: str | None = None
    """Why it waits, failed or stopped."""
    hint: str | None = None
    """What to do about a failure, where the script knew."""
    created_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    seconds_before: float = 0.0
    """What it ran before it was stopped and went on; `started_at` is then the start of its newest part."""
    project: str | None = None
    """Folder it was started from; None when it was not started by this machine's smoltui."""
    output_dir: str | None = None
    flavor: str | None = None
    namespace: str | None = None
    timeout_seconds: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    url: str | None = None
    phase: str | None = None
    """What the script is busy with (`events.PhaseChanged.phase`)."""
    step: int = 0
    bar_steps: int | None = None
    """Steps that a progress bar in the log speaks of; None where there is none, or a plan says it."""
    plan: events.Planned | None = None
    """None until the script has loaded model and pairs."""
    moved: float | None = None
    """Share of weights that changed, 0..1; None until the end."""
    model_path: str | None = None
    """Where the final model was saved; None until it was."""
    pushed_to: str | None = None
    """Repository the final model was pushed to; None until it was."""
    resumable: bool = False
    """It ended before its last step and left a complete checkpoint, so the engine can go on from there."""
    history: History = field(default_factory=History, compare=False, repr=False)
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """Everything as the engine gave it, for inspect."""

    @property
    def is_final(self) -> bool:
        return is_final(self.stage)

    @property
    def max_steps(self) -> int | None:
        """Planned optimizer steps, None until known."""
        return self.plan.max_steps if self.plan else self.bar_steps

    def duration(self, now: float) -> float | None:
        """Seconds it has run or ran, all its parts together; None before the start."""
        if self.started_at is None:
            return self.seconds_before or None
        end = self.finished_at if self.finished_at is not None else now
        return self.seconds_before + max(0.0, end - self.started_at)

    def after(self, event: events.Event) -> Run:
        """This run as it stands after `event`. The history is shared and grows in place: it can hold 100 000 points."""
        match event:
            case events.StageChanged(stage=stage, message=message, at=at):
                if self.is_final and not is_final(stage):
                    return self  # a late line cannot bring a finished run back
                started = self.started_at if self.started_at is not None else (at if stage == Stage.RUNNING else None)
                finished = at if is_final(stage) and self.finished_at is None else self.finished_at
                return replace(
                    self, stage=stage, message=message or (self.message if is_final(stage) else None),
                    hint=self.hint if is_final(stage) else None, started_at=started, finished_at=finished,
                )  # fmt: skip
            case events.PhaseChanged(phase=phase):
                return replace(self, phase=phase)
            case events.Planned():
                # Training begins, or goes on from a checkpoint: then the step it goes on from is said next.
                return replace(self, plan=event, step=0)
            case events.Progress(step=step, max_steps=most):
                # The bar of an evaluation is shorter than that of the training.
                bar = max(most or 0, self.bar_steps or 0) or None
                return replace(self, step=max(step, self.step), bar_steps=bar)
            case events.Metrics(step=step, values=values):
                self.history.add(step, values)
                return replace(self, step=max(step, self.step))
            case events.ModelSaved(path=path):
                return replace(self, model_path=path)
            case events.ModelPushed(repo=repo):
                return replace(self, pushed_to=repo)
            case events.WeightsMoved(share=share):
                return replace(self, moved=share)
            case events.Failed(cause=cause, hint=hint):
                return replace(self, message=cause, hint=hint or None)
            case events.Finished(step=step):
                return replace(self, step=max(step, self.step))
        return self

    def summary(self) -> dict[str, Any]:
        """What `ps --json` prints for it."""
        return {
            "id": self.id, "engine": self.engine, "name": self.name, "stage": self.stage, "message": self.message,
            "hint": self.hint, "created_at": self.created_at, "started_at": self.started_at,
            "finished_at": self.finished_at, "project": self.project, "output_dir": self.output_dir,
            "flavor": self.flavor, "namespace": self.namespace, "timeout_seconds": self.timeout_seconds,
            "labels": dict(self.labels), "url": self.url, "phase": self.phase, "step": self.step,
            "max_steps": self.max_steps, "pairs_hash": self.plan.pairs_hash if self.plan else None, "moved": self.moved,
            "model_path": self.model_path, "pushed_to": self.pushed_to, "resumable": self.resumable,
            "curve": self.history.rows(),
        }  # fmt: skip


def richer(run: Run, known: Run | None) -> Run:
    """`run` with what only `known` has: the plan, the step and the curve come from the log, not from a list."""
    if known is None or run.history.known or not (known.history.known or known.plan or known.step):
        return run
    return replace(
        run, plan=run.plan or known.plan, bar_steps=run.bar_steps or known.bar_steps,
        step=max(run.step, known.step), history=known.history,
        phase=run.phase or known.phase, moved=run.moved if run.moved is not None else known.moved,
        model_path=run.model_path or known.model_path, pushed_to=run.pushed_to or known.pushed_to,
    )  # fmt: skip


_TIMEOUT = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


LONGEST_TIMEOUT = 366 * 86_400
"""Seconds. Longer ones are slips of the finger, and the longest are infinite."""


def timeout_seconds(text: str) -> int:
    """Seconds in a Job timeout such as `3h`, `90m`, `1.5h` or `5400`; the Hub's client knows no other spelling.

    Raises:
        ValueError: for anything else, with a sentence that names the spelling to use where it can be told
            (`1h30m` → `90m`).
    """
    text = text.strip()
    if found := _TIMEOUT.fullmatch(text):
        seconds = round(min(float(found[1]) * _UNITS[found[2]], 2 * LONGEST_TIMEOUT))
        if seconds > LONGEST_TIMEOUT:
            raise ValueError(f"the timeout must be shorter than a year: {text}")
        if seconds <= 0:
            raise ValueError(f"the timeout must be longer than nothing: {text}")
        return seconds
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)[a-z]*", text.lower())
    total = round(min(sum(float(number) * _UNITS[unit] for number, unit in parts), 2 * LONGEST_TIMEOUT))
    if parts and total and not re.sub(r"[\d.\sa-z]", "", text.lower()):
        instead = f"{total // 3600}h" if total % 3600 == 0 else f"{total // 60}m" if total % 60 == 0 else f"{total}s"
        raise ValueError(f"Jobs takes one number and one unit, so write {instead} instead of: {text}")
    raise ValueError(f"a timeout is a number and one of s, m, h, d, such as 3h or 90m, not: {text}")
