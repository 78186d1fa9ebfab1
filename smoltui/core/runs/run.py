"""A run: one training with one configuration, anywhere: what was requested (`RunSpec`) and what is known (`Run`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import singledispatch
from typing import TYPE_CHECKING, Any

from smoltui.core.runs import events
from smoltui.core.runs.health import health_json, remark_in
from smoltui.core.runs.metrics import History
from smoltui.core.runs.stage import FINAL as FINAL
from smoltui.core.runs.stage import Stage as Stage
from smoltui.core.runs.stage import is_final as is_final

if TYPE_CHECKING:
    from smoltui.scripts.curve_remarks import Remark

HUB_TIMEOUT_SECONDS = 1800
"""Timeout of a Job that does not set one (Hub documentation, Jobs)."""
CONTINUES = "smoltui-continues"
"""Label of a Job that continues a run: the id of the run's first Job."""
LABEL = "smoltui-run"
"""Label that finds a Job again if the response to its submission was lost."""
JOB_OUTPUT = "/tmp/smoltui"
"""Where a Job writes: its own disk, which is deleted at its end."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """Everything an engine needs to start a run. Stored with the run and never changed."""

    name: str
    """Display name; not unique."""
    project: str
    """Absolute path of the folder the run was started from; relative paths in the recipe start here."""
    recipe: str
    """Text of recipe.yaml at the start, with the overrides applied."""
    output_dir: str
    """Absolute path of the folder for the model (local), or its path inside the Job."""
    label: str
    """Unique value of the label `smoltui-run`: finds the run after a lost response."""
    flavor: str | None = None
    """Hardware of a Job; None for this machine."""
    timeout_seconds: int | None = None
    """The Job is killed after this; None for this machine."""
    namespace: str | None = None
    """User or organization that owns and pays for the Job; None for this machine."""
    labels: Mapping[str, str] = field(default_factory=dict)
    overwrite: bool = False
    """An existing model in `output_dir` may be replaced."""
    left_out: tuple[str, ...] = ()
    """Content hashes of pairs excluded from training, in addition to those that a curated set already excludes."""
    pairs_hash: str | None = None
    """Hash of the curated set in `recipe` (`backends/pairs/curated.py`); None if it is the recipe's own set."""
    pairs_from: str | None = None
    """Source and curation of the set, one sentence; None as above."""
    pairs_named: str | None = None
    """The recipe's keys of its own set as JSON, in whose place `recipe` names the curated one; None as above."""
    checks: tuple[str, ...] = ()
    """Results of the checks before the start, one sentence each with its mark; empty without checks."""
    side_by_side: bool = False
    """Start immediately, in parallel with other local runs; otherwise the run is queued."""
    stop_ruined: bool = False
    """The script stops the training when its curves show that the weights are lost (`scripts.run_health.STOPPING`)."""
    hardware: str = ""
    """What it trains on, if its time was estimated (`core.machine.duration.Hardware.name`)."""
    expected_low: float = 0.0
    """Seconds of training that were expected, at least; 0 if unknown, as in the next two."""
    expected_high: float = 0.0
    """…at most."""
    expected_usual: float = 0.0
    """…at the usual speed, without the correction by earlier runs (`core.machine.duration.Duration`)."""
    processes: int | None = None
    """Training processes on this machine, one per GPU; None for `local.processes` of smoltui.toml."""
    strategy: str | None = None
    """How they share the training (`core.runs.accelerate.STRATEGIES`); None for the setting in smoltui.toml."""
    packages: tuple[str, ...] = ()
    """Requirements of this recipe in addition to those of the script; a Job and an environment of uv install them."""
    python: str = ""
    """Which Python trains on this machine, as `local.python` of smoltui.toml says; empty for the app's own."""
    keep: str = ""
    """Where a Job keeps checkpoints that outlive it: `bucket:OWNER/NAME/FOLDER`, or a folder in the container, on a
    volume; empty: nowhere."""
    resumes: bool = False
    """It must resume from a checkpoint that is kept there."""
    attempts: int | None = None
    """How often the Hub starts the Job before it gives up; None: once."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What is asked of the place it runs at: keys of that place's table in smoltui.toml (`Place.table`), values as
    JSON. Only what is not the default."""
    then: tuple[str, ...] = ()
    """Steps that follow it (`core.runs.chain.STEPS`), in case its start is interrupted before they are stored."""


@dataclass(frozen=True, slots=True)
class Part:
    """An earlier part of a run that was continued by another Job."""

    id: str
    flavor: str | None
    seconds: float
    """How long it ran."""
    started_at: float | None = None
    """When it began to run, seconds since the epoch; None if it never did."""


@dataclass(frozen=True, slots=True)
class Run:
    """What is known about a run. Times are seconds since the epoch (UTC); None if not reached or unknown."""

    id: str
    engine: str
    """local, hub, or the name of another engine."""
    name: str
    stage: str
    """A `Stage`, or a value known only to the server."""
    message: str | None = None
    """Why it is waiting, failed or stopped."""
    hint: str | None = None
    """What to do about a failure, if the script knew."""
    created_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    seconds_before: float = 0.0
    """Seconds it ran before it was stopped and resumed; `started_at` is then the start of its newest part."""
    parts: tuple[Part, ...] = ()
    """The Jobs before the present one, the oldest first, whose time is in `seconds_before`; empty for a run that needed
    one, or none."""
    project: str | None = None
    """Folder it was started from; None if not started by smoltui on this machine."""
    output_dir: str | None = None
    flavor: str | None = None
    """Rented hardware, whose disk is deleted at the end; None where runs are free."""
    namespace: str | None = None
    timeout_seconds: int | None = None
    """Each attempt is killed after this."""
    attempts: int | None = None
    """How often its service starts it before it gives up; None: once, or unknown."""
    labels: Mapping[str, str] = field(default_factory=dict)
    url: str | None = None
    phase: str | None = None
    """What the script is doing (`events.PhaseChanged.phase`)."""
    step: int = 0
    bar_steps: int | None = None
    """Total steps from a progress bar in the log; None without one, or if a plan has it."""
    plan: events.Planned | None = None
    """None until the script has loaded model and pairs."""
    trained_seconds: float | None = None
    """Wall-clock time of the training loop; None until its last step, and for a run that was resumed."""
    moved: float | None = None
    """Share of weights that changed, 0..1; None until the end."""
    health: Remark | None = None
    """What the script last found wrong in the curves; None if nothing, or if it doesn't say."""
    model_path: str | None = None
    """Where the final model was saved; None before."""
    pushed_to: str | None = None
    """Repository that the final model was pushed to; None before."""
    kept_step: int | None = None
    """Step of the newest checkpoint that outlives its machine; None without one."""
    resumable: bool = False
    """It ended before its last step with a complete checkpoint, from which the engine can resume."""
    history: History = field(default_factory=History, compare=False, repr=False)
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """Everything as returned by the engine, for inspect."""

    @property
    def is_final(self) -> bool:
        return is_final(self.stage)

    @property
    def disk_deleted(self) -> bool:
        """It has ended on rented hardware, so what it saved at its paths is gone."""
        return self.is_final and self.flavor is not None

    @property
    def saved_to(self) -> str | None:
        """Where its model is, a repository of the Hub or a folder; None if it has none yet, or no longer."""
        return self.pushed_to or (None if self.disk_deleted else self.model_path)

    @property
    def max_steps(self) -> int | None:
        """Planned optimizer steps, None until known."""
        return self.plan.max_steps if self.plan else self.bar_steps

    def duration(self, now: float) -> float | None:
        """Seconds it has run, all parts together; None before the start."""
        if self.started_at is None:
            return self.seconds_before or None
        end = self.finished_at if self.finished_at is not None else now
        return self.seconds_before + max(0.0, end - self.started_at)

    def after(self, event: events.Event) -> Run:
        """This run after `event`. The history is shared and grows in place: it can hold 100 000 points."""
        return _after(event, self)

    def summary(self) -> dict[str, Any]:
        """What `ps --json` prints for it."""
        return {
            "id": self.id,
            "engine": self.engine,
            "name": self.name,
            "stage": self.stage,
            "message": self.message,
            "hint": self.hint,
            "created_at": self.created_at,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "project": self.project,
            "output_dir": None if self.disk_deleted else self.output_dir,
            "flavor": self.flavor,
            "namespace": self.namespace,
            "timeout_seconds": self.timeout_seconds,
            "labels": dict(self.labels),
            "url": self.url,
            "phase": self.phase,
            "step": self.step,
            "max_steps": self.max_steps,
            "pairs_hash": self.plan.pairs_hash if self.plan else None,
            "trained_seconds": self.trained_seconds,
            "moved": self.moved,
            "health": health_json(self.health),
            "model_path": None if self.disk_deleted else self.model_path,
            "pushed_to": self.pushed_to,
            "kept_step": self.kept_step,
            "parts": [{"id": part.id, "flavor": part.flavor, "seconds": part.seconds} for part in self.parts],
            "resumable": self.resumable,
            "curve": self.history.rows(),
        }


def expected_seconds(spec: object) -> list[float] | None:
    """From and to, in a decoded `RunSpec`; None if it has no estimate."""
    known = spec if isinstance(spec, Mapping) else {}
    low, high = known.get("expected_low"), known.get("expected_high")
    return [low, high] if isinstance(low, int | float) and isinstance(high, int | float) and high > 0 else None


def can_resume(run: Run) -> bool:
    """Whether a Job that ended before its last step left a checkpoint where a new Job can continue from it."""
    spec = run.raw.get("spec")
    kept = isinstance(spec, Mapping) and bool(spec.get("keep"))
    return run.is_final and run.stage != Stage.COMPLETED and run.kept_step is not None and kept


@singledispatch
def _after(event: events.Event, run: Run) -> Run:
    """`run` after an event; one that says nothing about the run leaves it as it is."""
    return run


@_after.register(events.StageChanged)
def _(event: events.StageChanged, run: Run) -> Run:
    ends = is_final(event.stage)
    if run.is_final and not ends:
        return run  # a late line cannot revive a finished run
    started = event.at if run.started_at is None and event.stage == Stage.RUNNING else run.started_at
    finished = event.at if run.finished_at is None and ends else run.finished_at
    return replace(
        run,
        stage=event.stage,
        message=event.message or (run.message if ends else None),
        hint=(event.hint or run.hint) if ends else None,
        started_at=started,
        finished_at=finished,
    )


@_after.register(events.PhaseChanged)
def _(event: events.PhaseChanged, run: Run) -> Run:
    return replace(run, phase=event.phase)


@_after.register(events.Planned)
def _(event: events.Planned, run: Run) -> Run:
    # Training starts or resumes from a checkpoint, whose step is reported next.
    return replace(run, plan=event, step=0, health=None)


@_after.register(events.Progress)
def _(event: events.Progress, run: Run) -> Run:
    # The bar of an evaluation is shorter than that of the training.
    bar = max(event.max_steps or 0, run.bar_steps or 0) or None
    return replace(run, step=max(event.step, run.step), bar_steps=bar)


@_after.register(events.Metrics)
def _(event: events.Metrics, run: Run) -> Run:
    run.history.add(event.step, event.values)
    return replace(run, step=max(event.step, run.step))


@_after.register(events.Gap)
def _(event: events.Gap, run: Run) -> Run:
    run.history.interrupt()
    return run


@_after.register(events.CheckpointKept)
def _(event: events.CheckpointKept, run: Run) -> Run:
    return replace(run, kept_step=event.step)


@_after.register(events.ModelSaved)
def _(event: events.ModelSaved, run: Run) -> Run:
    return replace(run, model_path=event.path)


@_after.register(events.ModelPushed)
def _(event: events.ModelPushed, run: Run) -> Run:
    return replace(run, pushed_to=event.repo)


@_after.register(events.WeightsMoved)
def _(event: events.WeightsMoved, run: Run) -> Run:
    return replace(run, moved=event.share)


@_after.register(events.HealthChanged)
def _(event: events.HealthChanged, run: Run) -> Run:
    return replace(run, health=remark_in(event))


@_after.register(events.Failed)
def _(event: events.Failed, run: Run) -> Run:
    return replace(run, message=event.cause, hint=event.hint or None)


@_after.register(events.Finished)
def _(event: events.Finished, run: Run) -> Run:
    whole = event.step >= event.max_steps and not run.seconds_before
    return replace(run, step=max(event.step, run.step), trained_seconds=event.seconds if whole else run.trained_seconds)


def richer(run: Run, known: Run | None) -> Run:
    """`run` with what only `known` has: the plan, the step and the curve come from the log, not from a list."""
    if known is None or run.history.known or not (known.history.known or known.plan or known.step):
        return run
    kept = [step for step in (run.kept_step, known.kept_step) if step is not None]  # the list may be older than the log
    return replace(
        run,
        plan=run.plan or known.plan,
        bar_steps=run.bar_steps or known.bar_steps,
        step=max(run.step, known.step),
        history=known.history,
        phase=run.phase or known.phase,
        moved=run.moved if run.moved is not None else known.moved,
        kept_step=max(kept, default=None),
        health=run.health or known.health,
        model_path=run.model_path or known.model_path,
        pushed_to=run.pushed_to or known.pushed_to,
    )


_TIMEOUT = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SPELLED_OUT = re.compile(
    r"(\d+(?:\.\d+)?)\s*(?:(s)(?:ec(?:ond)?s?)?|(m)(?:in(?:ute)?s?)?|(h)(?:(?:ou)?rs?)?|(d)(?:ays?)?)(?![a-z])"
)
"""A part of a time as people write it: `2 hours`, `30min`."""


LONGEST_TIMEOUT = 366 * 86_400
"""Seconds. Longer ones are typos, and the longest are infinite."""


def as_timeout(seconds: int) -> str:
    """These seconds as `timeout_seconds` reads them, exactly and in the largest unit: `3h`, `90m`, `90s`."""
    return f"{seconds // 3600}h" if seconds % 3600 == 0 else f"{seconds // 60}m" if seconds % 60 == 0 else f"{seconds}s"


def timeout_seconds(text: str) -> int:
    """Seconds in a Job timeout such as `3h`, `90m`, `1.5h` or `5400`; the Hub's client accepts no other format.

    Raises:
        ValueError: for anything else, with a sentence that suggests the right spelling if possible
            (`1h30m` → `90m`).
    """
    text = text.strip()
    if found := _TIMEOUT.fullmatch(text):
        return _in_limits(float(found[1]) * _UNITS[found[2]])
    low = re.sub(r"h\s*(\d+)$", r"h\1m", text.lower())  # 2h30 means minutes
    parts = [[part for part in found.groups() if part] for found in _SPELLED_OUT.finditer(low)]
    if parts and not re.sub(r"[\s,]|and", "", _SPELLED_OUT.sub("", low)):
        seconds = _in_limits(sum(float(number) * _UNITS[unit] for number, unit in parts))
        raise ValueError(f"A time is one number and one unit; write {as_timeout(seconds)}.")
    raise ValueError("A time is a number followed by s, m, h or d, such as 3h or 90m.")


def _in_limits(seconds: float) -> int:
    """A timeout as a whole number. Raises ValueError for one that is too short or too long, as `timeout_seconds`."""
    if seconds > LONGEST_TIMEOUT:
        raise ValueError("The time must be shorter than a year.")
    if seconds < 1:
        raise ValueError("The time must be at least 1 second.")
    return round(seconds)
