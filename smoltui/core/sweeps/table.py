"""The table of a sweep: what each run came to, the best first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smoltui.core.runs.cost import Flavor, cost_so_far, usd
from smoltui.core.runs.health import verdict_of
from smoltui.core.runs.metrics import as_word
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.run import Run, Stage
from smoltui.core.sweeps.sweep import Point, Sweep

HELD_OUT, TRAINING = "eval_", ""
"""Prefixes of TRL's names of metrics."""


@dataclass(frozen=True, slots=True)
class SweepRow:
    """One point of a sweep; None for what is unknown, or not measured yet."""

    point: Point
    stage: str
    """The stage of its run; empty before it was started."""
    accuracy: float | None
    """Reward accuracy, 0 to 1."""
    margin: float | None
    """Reward margin as TRL logs it: nats × beta."""
    beta: float | None
    """Of the loss; None if unknown."""
    health: str
    """What the training script found wrong in the curves: `watch`, `nothing learned` or `broken`; empty: nothing."""
    held_out: bool
    """They were measured on held-out pairs; otherwise on the last batches that were trained on."""
    pairs: int | None
    """Held-out pairs; None if unknown, or if none were measured."""
    length_ratio: float | None
    """Mean tokens of the aligned model's answers, divided by those of the model before; None if none were generated."""
    seconds: float | None
    usd: float | None
    """What the run cost so far; None where runs are free, or without a price."""
    step: int
    max_steps: int | None

    @property
    def nats(self) -> float | None:
        """Reward margin ÷ beta: only this compares runs with different beta."""
        return self.margin / self.beta if self.margin is not None and self.beta else None

    @property
    def cells(self) -> tuple[str, ...]:
        """As shown under `HEADINGS`."""
        how = self.stage.lower() or "not started"
        if self.stage == Stage.RUNNING and self.max_steps:
            how = f"step {self.step}/{self.max_steps}"
        if self.health:
            how = f"{how}, {self.health}"
        accuracy = "–" if self.accuracy is None else f"{self.accuracy:.0%}"
        return (
            self.point.words,
            f"{accuracy}{'' if self.held_out or self.accuracy is None else ' (train)'}",
            as_word(self.nats),
            as_word(self.length_ratio, 2),
            "–" if self.seconds is None else as_time(self.seconds),
            "–" if self.usd is None else usd(self.usd),
            how,
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "values": dict(self.point.values),
            "run": self.point.run_id or None,
            "stage": self.stage or None,
            "accuracy": _plain(self.accuracy),
            "margin": _plain(self.margin),
            "margin_nats": _plain(self.nats),
            "health": self.health or None,
            "held_out": self.held_out,
            "length_ratio": _plain(self.length_ratio),
            "seconds": self.seconds,
            "usd": self.usd,
            "step": self.step,
            "max_steps": self.max_steps,
        }


HEADINGS = ("values", "accuracy", "nats", "length", "time", "cost", "stage")


def rows_of(
    sweep: Sweep,
    runs: Mapping[str, Run],
    now: float,
    *,
    flavors: Mapping[str, Flavor] | None = None,
    ratios: Mapping[str, float] | None = None,
) -> list[SweepRow]:
    """The rows, the best first: held-out accuracy, then those with sound curves, then the margin in nats; runs without
    a figure come last.

    `runs` and `ratios` (length ratios) are by run id, `flavors` by name. `now` is seconds since the epoch.
    """
    made = [_row(point, runs.get(point.run_id), now, flavors or {}, ratios or {}) for point in sweep.points]
    return sorted(made, key=lambda row: (-_rank(row.accuracy), bool(row.health), -_rank(row.nats)))


def _row(
    point: Point, run: Run | None, now: float, flavors: Mapping[str, Flavor], ratios: Mapping[str, float]
) -> SweepRow:
    if run is None:
        return SweepRow(point, "", None, None, None, "", False, None, None, None, None, 0, None)
    held_out = run.history.last("eval_rewards/accuracies") is not None
    prefix = HELD_OUT if held_out else TRAINING
    return SweepRow(
        point,
        run.stage,
        run.history.last(f"{prefix}rewards/accuracies"),
        run.history.last(f"{prefix}rewards/margins"),
        run.plan.beta if run.plan is not None else point.values.get("beta"),
        "" if run.health is None else verdict_of(run.health),
        held_out,
        run.plan.held_out_pairs if held_out and run.plan is not None else None,
        ratios.get(run.id),
        run.duration(now),
        cost_so_far(flavors.get(run.flavor or ""), run, now),
        run.step,
        run.max_steps,
    )


def _rank(value: float | None) -> float:
    return -math.inf if value is None or not math.isfinite(value) else value


def _plain(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def missing(sweep: Sweep, runs: Mapping[str, Run]) -> list[Point]:
    """The points whose run was not started, failed, or was stopped: what continuing a sweep starts."""
    return [point for point in sweep.points if _lacks(runs.get(point.run_id))]


def _lacks(run: Run | None) -> bool:
    return run is None or (run.is_final and run.stage != Stage.COMPLETED)


def in_words(rows: Sequence[SweepRow]) -> str:
    """How far the sweep is, one sentence."""
    done = sum(row.stage == Stage.COMPLETED for row in rows)
    told = f"{done} of {len(rows)} runs completed"
    known = [row for row in rows if _plain(row.accuracy) is not None]
    if not known:
        return told
    alike = [row for row in known if not _is_beaten(row, known[0])]
    if len(alike) == 1:
        return f"{told} · best so far: {known[0].point.words}"
    return f"{told} · the accuracies of the best {len(alike)} differ by no more than chance: compare their answers"


def _is_beaten(row: SweepRow, best: SweepRow) -> bool:
    """Whether the accuracies differ by more than chance: 1.96 standard errors of the difference of two shares, with one
    hit and one miss added to each (Agresti and Caffo 2000). Without the number of pairs, whether they differ at all."""
    one, other = _share(row), _share(best)
    if one is None or other is None:
        return row.accuracy != best.accuracy
    return other[0] - one[0] > 1.96 * math.sqrt(one[1] + other[1])


def _share(row: SweepRow) -> tuple[float, float] | None:
    """The accuracy with one hit and one miss added, and its variance; None if the number of pairs is unknown."""
    if row.accuracy is None or not row.pairs:
        return None
    share = (row.accuracy * row.pairs + 1) / (row.pairs + 2)
    return share, share * (1 - share) / (row.pairs + 2)
