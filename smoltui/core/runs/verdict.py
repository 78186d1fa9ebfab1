"""What the end of a run comes to: why it ended, what survived, what it cost, and what is next.

One verdict per end. The list, the head of the Runs room, `logs --follow`, `wait`, `train`, `ps` and the notification
show the same words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from smoltui.core.runs.cost import usd
from smoltui.core.runs.health import health_line
from smoltui.core.runs.next_words import continue_it, run_again, see_log
from smoltui.core.runs.run import Run, Stage

_PUSHES = re.compile(r"^push_to_hub:\s*(?:true|yes|on)\b", re.IGNORECASE | re.MULTILINE)
_EACH_SAVE = re.compile(r"^hub_strategy:\s*['\"]?(?:every_save|checkpoint|all_checkpoints)\b", re.MULTILINE)
_REPO = re.compile(r"^hub_model_id:\s*['\"]?([\w.-]+/[\w.-]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of a run, in sentences without a full stop. Not sanitized yet."""

    stage: str
    cause: str
    """Why it ended; empty for a completed run."""
    survived: str
    """What is left of it; empty if that is unknown."""
    cost: str
    """`0.82 USD`; empty if it was free or its price is unknown."""
    next: str
    """What to do now; empty after a completed run, whose next step depends on where one is."""
    health: str = ""
    """What its curves or its model say against it; empty if nothing does."""

    @property
    def sentence(self) -> str:
        """Everything but the next step, in one line."""
        parts = (self.cause, self.health, self.survived, f"Cost: {self.cost}" if self.cost else "")
        return ". ".join(part.rstrip(".") for part in parts if part)

    def as_json(self) -> dict[str, str]:
        """For commands with `--json`."""
        return {
            "cause": self.cause,
            "survived": self.survived,
            "cost": self.cost,
            "next": self.next,
            "health": self.health,
        }


def verdict_of(run: Run, *, cost: float | None = None) -> Verdict | None:
    """The verdict on a run; None if it has not ended.

    `cost`: USD in total, None if it was free or is unknown.
    """
    if not run.is_final:
        return None
    done = run.stage == Stage.COMPLETED
    cause = run.message or ("" if done else run.stage.capitalize())
    return Verdict(
        run.stage,
        cause,
        survived(run),
        "" if cost is None else usd(cost),
        "" if done else run.hint or _default_next(run),
        health_line(run.health) if run.health else "",
    )


def survived(run: Run) -> str:
    """What is left of a run that has ended; empty if that is unknown, or goes without saying."""
    if run.pushed_to:
        return f"The model is on the Hub: {run.pushed_to}"
    if not run.flavor:
        if run.stage == Stage.COMPLETED:
            return f"The model is saved: {run.model_path}" if run.model_path else ""
        return _checkpoint(run) if run.resumable else ""
    if run.resumable:
        return _checkpoint(run)
    spec = run.raw.get("spec")
    recipe = spec.get("recipe") if isinstance(spec, Mapping) else None
    if _has_volume(run):
        return "What it wrote to its volumes survives"
    if not isinstance(recipe, str):
        return ""
    if _PUSHES.search(recipe) and _EACH_SAVE.search(recipe) and run.started_at is not None:
        repo = _REPO.search(recipe)
        return f"Checkpoints that were pushed survive{f': {repo[1]}' if repo else ''}"
    if run.started_at is None:
        return ""  # there was nothing to lose
    if run.stage == Stage.COMPLETED and _PUSHES.search(recipe):
        return ""  # it was pushed, and the end of the log says where
    return "Nothing survives: the disk of a Job is deleted at its end"


def _checkpoint(run: Run) -> str:
    return f"The checkpoint of step {run.kept_step} survives" if run.kept_step else "A checkpoint survives"


def _has_volume(run: Run) -> bool:
    """Whether a bucket that it could write to was mounted, apart from the one its script came in."""
    volumes = run.raw.get("volumes")
    for volume in volumes if isinstance(volumes, list) else []:
        if isinstance(volume, Mapping) and volume.get("type") == "bucket" and volume.get("readOnly") is False:
            source = str(volume.get("source", ""))
            if not source.endswith("/jobs-artifacts"):
                return True
    return False


def _default_next(run: Run) -> str:
    if run.resumable:
        return continue_it(run.id)
    if run.stage == Stage.CANCELED:
        return run_again(run.id)
    return see_log(run.id)
