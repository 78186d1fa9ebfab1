"""One line that says what the curves of a run show: a verdict, what it rests on, and what to watch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from smoltui.core.runs.metrics import as_word
from smoltui.core.runs.run import Run
from smoltui.scripts.answer_rules import perfect_early, perfect_since
from smoltui.scripts.curve_remarks import FLAT_NATS, TREND_POINTS, Level, Remark, percent
from smoltui.scripts.curve_view import ACCURACY, HELD_OUT, MARGIN, CurveView, mean
from smoltui.scripts.ruin_rules import FLAT_LOSS
from smoltui.scripts.run_health import remarks_of

LONGER, CUT = 0.75, 0.05
"""Shares of pairs worth a remark: the longer answer is the chosen one; answers are cut at max_length."""
LEARNED = 0.55
"""Accuracy in the second half from which something was learned."""
STOPPED_SHARE = 0.95
"""Share of the planned steps below which a run counts as stopped on its way."""
MANY_CUT = 0.2
"""Share of cut answers from which a good curve means little: the model isn't taught to end."""


class Verdict(StrEnum):
    """What a reading comes to, as shown."""

    NONE = "no curve yet"
    EARLY = "too early to tell"
    UNCLEAR = "can't tell"
    HEALTHY = "healthy"
    WATCH = "watch"
    NOTHING = "nothing learned"
    BROKEN = "broken"


_VERDICTS = {Level.WATCH: Verdict.WATCH, Level.NOTHING: Verdict.NOTHING, Level.BROKEN: Verdict.BROKEN}


@dataclass(frozen=True, slots=True)
class PairFacts:
    """What an audit knows of the pairs of a run. Shares are 0..1; None if not counted."""

    chosen_longer: float | None = None
    longer_wins: float | None = None
    """Accuracy of the rule "the longer answer is the chosen one"."""
    chosen_cut: float | None = None
    """Chosen answers that are cut at max_length."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the curves of a run show."""

    verdict: Verdict
    summary: str
    """What a healthy verdict rests on, or why there is no verdict yet; with its period. Empty otherwise."""
    remarks: tuple[Remark, ...] = ()
    """Most important first; notes last."""

    @property
    def findings(self) -> tuple[Remark, ...]:
        """The remarks that decide the verdict."""
        return tuple(one for one in self.remarks if one.level > Level.NOTE)

    @property
    def notes(self) -> tuple[Remark, ...]:
        """Remarks that do not change a healthy verdict."""
        return tuple(one for one in self.remarks if one.level is Level.NOTE)

    @property
    def line(self) -> str:
        """The reading line. Sentences end with periods; the verdict comes first."""
        parts = [f"{self.verdict.value}."]
        if self.summary:
            parts.append(self.summary)
        if found := self.findings:
            parts.append(f"{'; '.join([found[0].sentence, *(_lower(one.sentence) for one in found[1:])])}.")
            parts.append(f"{found[0].act}.")
        if notes := self.notes:
            parts.append(f"Watch: {'; '.join(_lower(one.sentence) for one in notes)}.")
        return " ".join(parts)

    @property
    def short(self) -> str:
        """The reading in half a line: the verdict, and the first thing to know."""
        if self.findings:
            return f"{self.verdict.value}: {_lower(self.findings[0].sentence)}"
        if self.notes:
            return f"{self.verdict.value} · watch: {_lower(self.notes[-1].sentence)}"
        return self.line

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "verdict": self.verdict.value,
            "line": self.line,
            "remarks": [
                {"rule": one.rule, "level": one.level.name.lower(), "sentence": one.sentence, "act": one.act}
                for one in self.remarks
            ],
        }


def read_run(run: Run, pairs: PairFacts | None = None) -> Reading:
    """The reading of a run, whose history is loaded. Takes time in proportion to the logged values."""
    return read(view_of(run), pairs, run.health)


def health_of(run: Run) -> Remark | None:
    """The most important thing that is wrong in the curves of a run; None if nothing is, or nothing is known.

    Fast: a curve that was not read yet is not read for it; what the script has found is enough then.
    """
    if not run.history.loaded or not run.history.known:
        return run.health
    return next(iter(read_run(run).findings), None)


def view_of(run: Run) -> CurveView:
    """The curves of a run with what its plan says."""
    return CurveView(
        run.history.series,
        planned=run.max_steps,
        over=run.is_final,
        known_beta=run.plan.beta if run.plan else None,
        dtype=run.plan.dtype.removeprefix("torch.") if run.plan else "",
    )


def read(view: CurveView, pairs: PairFacts | None = None, said: Remark | None = None) -> Reading:
    """What the curves show. Remarks below the verdict's level are kept, but those of a broken run say nothing more.

    `said`: what the training script has found (`Run.health`). It looks at each of the first steps, so it may know of
    lost weights that the logged means don't show.
    """
    if not view.points("loss") and not view.points(MARGIN):
        return Reading(Verdict.NONE, "")
    remarks = remarks_of(view)
    if said is not None and said.level > worst(remarks) and said.level is Level.BROKEN:
        remarks.insert(0, said)
    top = remarks[0].level if remarks else Level.NOTE
    if top >= Level.NOTHING:
        return Reading(_VERDICTS[top], "", tuple(one for one in remarks if one.level == top)[:1])
    notes = tuple(_notes(view, pairs))
    if top is Level.NOTE and any(one.level is Level.WATCH for one in notes):
        top = Level.WATCH
    found = sorted((*remarks, *notes), key=lambda remark: -remark.level)
    if top is Level.WATCH:
        return Reading(Verdict.WATCH, "", tuple(found))
    if not _is_enough(view):
        return Reading(*_undecided(view), tuple(found))
    return Reading(Verdict.HEALTHY, _summary(view), tuple(found))


def _undecided(view: CurveView) -> tuple[Verdict, str]:
    """Why there is no verdict: yet, or at the end."""
    if view.over:
        steps = "1 step" if view.step == 1 else f"{view.step} steps"
        return Verdict.UNCLEAR, f"{steps}: too few values, or too small a change."
    planned = f" of {view.planned}" if view.planned else ""
    return Verdict.EARLY, f"{view.step}{planned} step{'' if view.step == 1 and not planned else 's'} so far."


def _is_enough(view: CurveView) -> bool:
    """Whether there is evidence of learning, rather than only none against it."""
    points = len(view.finite("loss")) or len(view.finite(MARGIN))
    margin, first, loss = view.nats(MARGIN), view.first("loss"), view.end("loss")
    accuracy = view.half(ACCURACY)
    moved = (margin is not None and margin > FLAT_NATS) or (
        first is not None and loss is not None and first - loss > FLAT_LOSS * abs(first)
    )
    moved = moved and (not accuracy or mean(accuracy) > LEARNED)
    long_enough = points >= TREND_POINTS or view.is_past(0.5)
    return long_enough and points >= 2 and moved


def _summary(view: CurveView) -> str:
    margin, accuracy = view.end(MARGIN), view.half(ACCURACY)
    parts = []
    if view.over and view.planned and not view.is_past(STOPPED_SHARE):
        parts.append(f"It ended after {view.step} of {view.planned} steps")
    if margin is not None:
        parts.append(f"{'t' if parts else 'T'}he margin has risen to {as_word(margin, 2)}")
    since = perfect_since(view)
    if since is not None:
        parts.append(f"accuracy has been 100 % since step {since}")
    elif accuracy:
        parts.append(f"accuracy is {percent(mean(accuracy))}")
    held = view.last(f"{HELD_OUT}loss")
    if held is not None:
        parts.append(f"{_held_out(view)} (loss {as_word(held, 2)})")
    elif view.over:
        parts.append("no held-out pairs were measured")
    return f"{', '.join(parts)}." if parts else ""


def _held_out(view: CurveView) -> str:
    """How the last held-out values compare with training."""
    held, trained = view.last(f"{HELD_OUT}{ACCURACY}"), view.half(ACCURACY)
    if held is None or not trained:
        return "held-out measured"
    return "held-out agrees" if held > mean(trained) - 0.1 else f"held-out accuracy is {percent(held)}"


def _notes(view: CurveView, pairs: PairFacts | None) -> list[Remark]:
    """What is worth knowing of a good curve: accuracy that was perfect early, and what the audit counted."""
    notes = []
    if pairs is not None and pairs.chosen_cut is not None and pairs.chosen_cut >= CUT:
        level = Level.WATCH if pairs.chosen_cut >= MANY_CUT else Level.NOTE
        sentence = (
            f"{pairs.chosen_cut * 100:.3g} % of the chosen answers are cut at max_length: no end is learned there"
        )
        notes.append(Remark("chosen_cut", level, "answers cut", sentence, "Raise max_length"))
    since = perfect_early(view)
    if since is not None:
        sentence = "Accuracy was perfect in the first fifth"
        notes.append(Remark("perfect_early", Level.NOTE, "1.0 early", sentence, "Look for what tells the sides apart"))
    if pairs is not None and pairs.longer_wins is not None and pairs.longer_wins >= LONGER:
        share = pairs.chosen_longer if pairs.chosen_longer is not None else pairs.longer_wins
        sentence = f"Chosen is longer in {share * 100:.3g} % of pairs (length may be what is learned)"
        notes.append(Remark("much_longer_chosen", Level.NOTE, "longer", sentence, "Compare the lengths of answers"))
    return notes


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def worst(remarks: Sequence[Remark]) -> Level:
    """The highest level of some remarks; NOTE without any."""
    return max((one.level for one in remarks), default=Level.NOTE)
