"""Health of a run: what is wrong in its curves, as found by the training script while it trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smoltui.core.runs import events
    from smoltui.scripts.curve_remarks import Remark


def remark_in(event: events.HealthChanged) -> Remark | None:
    """The remark of a `health` event; None if it says that nothing is wrong, or has a level of a later version."""
    from smoltui.scripts.curve_remarks import Level, Remark  # not before the first frame

    level = Level.__members__.get(event.level.upper(), Level.NOTE)
    if level is Level.NOTE or not event.sentence:
        return None
    return Remark(event.rule, level, event.word, event.sentence, event.act)


def verdict_of(remark: Remark) -> str:
    """The verdict that a remark gives a run, as in the reading line: watch, nothing learned or broken."""
    return {"NOTHING": "nothing learned"}.get(remark.level.name, remark.level.name.lower())


def is_ruined(remark: Remark) -> bool:
    """Whether the run is lost: its weights can't be used, or nothing was learned."""
    return remark.level.name in ("NOTHING", "BROKEN")


def health_json(remark: Remark | None) -> dict[str, str] | None:
    """For `--json`: verdict, rule, sentence and act; None without a remark."""
    if remark is None:
        return None
    return {"verdict": verdict_of(remark), "rule": remark.rule, "sentence": remark.sentence, "act": remark.act}


def health_line(remark: Remark) -> str:
    """One line: `broken: the loss rose …`."""
    return f"{verdict_of(remark)}: {remark.sentence[:1].lower()}{remark.sentence[1:]}"
