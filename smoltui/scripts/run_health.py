"""Judges a training while it runs: what its curves show, as one remark, from the rules that the app reads curves with.

Standard library only, except for the callback. In the first tenth of a run, every step is judged by what TRL has
measured for it, because `logging_steps` values may be too few by then; later, what was logged is enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from smoltui.scripts import answer_rules, ruin_rules
    from smoltui.scripts.curve_remarks import RULES, Level, Remark
    from smoltui.scripts.curve_view import MARGIN, CurveView
    from smoltui.scripts.script_events import Lines
else:  # beside dpo.py
    import answer_rules
    import ruin_rules
    from curve_remarks import RULES, Level, Remark
    from curve_view import MARGIN, CurveView

RULE_MODULES = (ruin_rules, answer_rules)
"""They add their rules to `RULES`."""
EARLY_SHARE, EARLY_STEPS = 0.1, 1000
"""Share of the steps, and how many at most, of which every one is judged."""
GROWTH = 1.02
"""Growth of the number of values after which curves are judged again: a rule looks at all of them."""
OFTEN = 50
"""Up to this many values, each is judged."""
PER_STEP = (
    "rewards/chosen",
    "rewards/rejected",
    "rewards/margins",
    "rewards/accuracies",
    "logps/chosen",
    "logps/rejected",
)
"""Metrics that TRL's trainer keeps for each batch until they are logged (`DPOTrainer._metrics`)."""
SAME = 1e-6
"""Margins below it tell nothing of a pair, however many are judged together."""
PAIRS = 4
"""Steps of fewer pairs are judged together: a single pair says little."""
STOPPING = frozenset({"not_finite", "diverged", "wrong_way", "no_gradient"})
"""Rules that justify a stop: a curve alone can't say that answers are bad, but that the weights are lost."""

EARLY_WATCH = frozenset({"negative", "chosen_fell"})
"""Rules that ask to look at the answers and need many values in a row, so single batches don't mislead them."""

Curves = dict[str, list[tuple[int, float]]]


def remarks_of(view: CurveView) -> list[Remark]:
    """All remarks on some curves, the most important first."""
    found = [remark for rule in RULES for remark in rule(view)]
    return sorted(found, key=lambda remark: -remark.level)


class Judge:
    """Collects the values of a training and says what they show."""

    def __init__(self, planned: int, *, beta: float | None = None, dtype: str = "", pairs: int = PAIRS) -> None:
        """`planned`: steps of the run; `pairs`: of one step."""
        self.planned, self._beta, self._dtype = planned, beta, dtype
        self._together = math.ceil(PAIRS / max(pairs, 1))
        self._waiting: list[Mapping[str, float]] = []
        self._logged: Curves = {}
        self._each: Curves = {}
        """Of every step in the first part of the run."""
        self._judged_at = 0

    def is_early(self, step: int) -> bool:
        """Whether this step is in the part of the run of which every step is judged."""
        return step <= min(max(EARLY_SHARE * self.planned, 1), EARLY_STEPS)

    def logged(self, step: int, values: Mapping[str, float]) -> None:
        """Takes the values that were logged at a step."""
        _put(self._logged, step, values)

    def measured(self, step: int, values: Mapping[str, float]) -> None:
        """Takes what was measured at one early step."""
        self._waiting.append(values)
        if len(self._waiting) == self._together or all(abs(one.get(MARGIN, 1.0)) < SAME for one in self._waiting):
            _put(self._each, step, {key: _mean(one[key] for one in self._waiting if key in one) for key in values})
            self._waiting = []

    def early_remark(self) -> Remark | None:
        """The most important remark on the steps of the first part; None if nothing is wrong."""
        found = self._top({**self._logged, **self._each}, over=False)
        return found if found and (found.level > Level.WATCH or found.rule in EARLY_WATCH) else None

    def remark(self, *, over: bool = False) -> Remark | None:
        """The most important remark on what was logged; None if nothing is wrong."""
        return self._top(self._logged, over=over)

    def is_due(self) -> bool:
        """Whether enough values have come since the last time that this was true."""
        count = max((len(points) for points in self._logged.values()), default=0)
        if count > OFTEN and count < self._judged_at * GROWTH:
            return False
        self._judged_at = count
        return True

    def _top(self, curves: Curves, *, over: bool) -> Remark | None:
        view = CurveView(curves, self.planned, over=over, known_beta=self._beta, dtype=self._dtype)
        found = remarks_of(view)
        return found[0] if found and found[0].level > Level.NOTE else None


def _put(curves: Curves, step: int, values: Mapping[str, float]) -> None:
    for key, value in values.items():
        points = curves.setdefault(key, [])
        if points and points[-1][0] == step:
            points[-1] = (step, value)
        else:
            points.append((step, value))


class Batches:
    """The newest means of what TRL's trainer measures for each batch; empty where a release keeps it elsewhere.

    The loss of a batch is kept by nobody, so `compute_loss` is listened to until `leave`.
    """

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer
        self._kept = getattr(trainer, "_metrics", None)
        self._seen: dict[str, int] = {}
        self._losses: list[Any] = []
        compute = trainer.compute_loss

        def listened(*args: Any, **kwargs: Any) -> Any:
            found = compute(*args, **kwargs)
            if trainer.model.training:
                self._losses.append((found[0] if isinstance(found, tuple) else found).detach())
            return found

        trainer.compute_loss = listened

    def leave(self) -> None:
        """Listens to no further loss."""
        self._losses = []
        if "compute_loss" in vars(self._trainer):
            del self._trainer.compute_loss

    def newest(self) -> dict[str, float]:
        """The mean over the batches since the last call, by metric. All processes of a run call it together."""
        kept = self._kept.get("train") if isinstance(self._kept, Mapping) else None
        found = {}
        if self._losses:
            found["loss"] = _mean(self._trainer.accelerator.gather(one).mean().item() for one in self._losses)
            self._losses = []
        for key in PER_STEP:
            values: Sequence[float] = kept.get(key, ()) if isinstance(kept, Mapping) else ()
            seen = self._seen.get(key, 0)
            new = values[seen if seen <= len(values) else 0 :]
            self._seen[key] = len(values)
            if new:
                found[key] = _mean(new)
        return found

    def forget(self) -> None:
        """The trainer has logged, and starts new lists."""
        self._seen.clear()


def health_callback(lines: Lines, trainer: Any, *, stop: bool) -> Any:
    """A TrainerCallback that prints a `health` event when what the curves show has changed.

    With `stop`, it ends the training when the weights are lost; `ruined` then has the remark, otherwise None.
    """
    from transformers import TrainerCallback

    class Health(TrainerCallback):  # type: ignore[misc]
        ruined: Remark | None = None
        lost: Remark | None = None
        """The weights are lost, whatever the curves show later."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            dtype = next((str(one.dtype) for one in trainer.model.parameters() if one.requires_grad), "")
            pairs = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
            self.judge = Judge(state.max_steps, beta=float(args.beta), dtype=dtype.removeprefix("torch."), pairs=pairs)
            self.batches = Batches(trainer)
            self.told: tuple[str, Level] | None = None
            for entry in state.log_history:  # of the part before it was resumed
                self.judge.logged(int(entry.get("step", 0)), _numbers(entry))

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if not self.judge.is_early(state.global_step):
                self.batches.leave()
                return
            rates = more["lr_scheduler"].get_last_lr() if more.get("lr_scheduler") else []
            rate = {"learning_rate": float(rates[0])} if rates else {}
            self.judge.measured(state.global_step, {**self.batches.newest(), **rate})
            if early := self.judge.early_remark():
                self.tell(state, control, early)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            self.batches.forget()
            self.judge.logged(state.global_step, _numbers(logs or {}))
            over = state.global_step >= state.max_steps
            if not over and (self.judge.is_early(state.global_step) or not self.judge.is_due()):
                return
            self.tell(state, control, self.judge.remark(over=over))

        def tell(self, state: Any, control: Any, remark: Remark | None) -> None:
            if remark is not None and remark.level is Level.BROKEN:
                self.lost = remark
            remark = self.lost or remark
            key = None if remark is None else (remark.rule, remark.level)
            if key != self.told:
                self.told = key
                lines.emit("health", step=state.global_step, **as_event(remark))
            if stop and remark is not None and remark.rule in STOPPING and state.global_step < state.max_steps:
                self.ruined = remark
                control.should_training_stop = True

    return Health()


def as_event(remark: Remark | None) -> dict[str, str]:
    """The fields of a `health` event; without a remark, it withdraws the previous one."""
    if remark is None:
        return {"level": Level.NOTE.name.lower()}
    return {
        "rule": remark.rule,
        "level": remark.level.name.lower(),
        "word": remark.word,
        "sentence": remark.sentence,
        "act": remark.act,
    }


def _mean(values: Iterable[float]) -> float:
    """The mean of at least one value."""
    listed = list(values)
    return sum(value / len(listed) for value in listed)


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {key: float(value) for key, value in values.items() if isinstance(value, int | float) and key != "step"}
