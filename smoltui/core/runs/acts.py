"""Acts on runs, in words: what a row says while an act is under way, what it came to, and what leaving means for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smoltui.core.runs.run import Run
from smoltui.safe_text import safe_line


@dataclass(frozen=True, slots=True)
class Verb:
    """One kind of act."""

    name: str
    """Its name in a row whose act failed: `✗ cancel`."""
    doing: str
    """What the row says meanwhile, at most 11 cells: `canceling…`."""
    done: str
    """Completes "3 of 10": `canceled`; with a capital, it begins the outcome."""
    otherwise: str
    """What happens to the runs that the act does not reach: `continue`."""
    shows_failure: bool = True
    """If it fails, the row of the run says so in place of the stage. Not if only a detail of the run was to change."""


CANCEL = Verb("cancel", "canceling…", "canceled", "continue")
PAUSE = Verb("pause", "pausing…", "asked to pause", "continue")
RESUME = Verb("resume", "resuming…", "resumed", "stay stopped")
RERUN = Verb("rerun", "starting…", "started again", "are not started again")
RELABEL = Verb("labels", "labeling…", "labeled", "keep their labels", shows_failure=False)
EXPOSE = Verb("ports", "opening…", "changed", "keep their ports", shows_failure=False)
START = Verb("start", "starting…", "started", "may not start")
SCHEDULE = Verb("schedule", "scheduling…", "changed", "may stay as they are")


@dataclass(frozen=True, slots=True)
class Mark:
    """What a row says of an act on its run."""

    short: str
    """In place of the stage: `canceling…`, `✗ cancel`."""
    words: str = ""
    """Details: the progress of a start, or why the act failed; empty for nothing more."""
    failed: bool = False


def named(names: Sequence[str]) -> str:
    """The first three names, and how many more there are."""
    shown = ", ".join(safe_line(name, 30) for name in names[:3])
    return shown + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def outcome(verb: Verb, done: Sequence[Run], failed: Sequence[tuple[str, str]]) -> str:
    """What an act on several runs came to: `failed` are names with reasons. Empty if it reached no run."""
    total = len(done) + len(failed)
    over = [run.name for run in done if verb is not CANCEL or run.is_final]
    slow = [run.name for run in done if verb is CANCEL and not run.is_final]
    asked = f"Asked to cancel, but still running: {named(slow)}" if slow else ""
    if not failed:
        return ". ".join(filter(None, (f"{verb.done.capitalize()}: {named(over)}" if over else "", asked)))
    reasons = "; ".join(f"{safe_line(name, 30)}: {safe_line(why, 160)}" for name, why in failed[:2])
    more = f"; and {len(failed) - 2} more" if len(failed) > 2 else ""
    asked = f" {asked}." if asked else ""
    return f"{len(over)} of {total} {verb.done}.{asked} Not {verb.done}: {reasons}{more}"


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an act has come that has not ended."""

    verb: Verb
    done: int
    total: int
    waiting: tuple[str, ...] = ()
    """Runs, each as name and id, that nothing was requested for yet."""
    asked: tuple[str, ...] = ()
    """Runs whose request was sent, and not answered yet."""
    words: str = ""
    """Its progress: `sending files, 3 of 12 MB`; empty if there is nothing to say."""

    @property
    def sentence(self) -> str:
        """`3 of 10 canceled`; for a start, what is being started and how far it is."""
        if self.verb is START:
            return f"Starting {named(self.asked)}{f' ({self.words})' if self.words else ''}"
        return f"{self.done} of {self.total} {self.verb.done}"


def question(standings: Sequence[Standing]) -> str:
    """What is asked before leaving in the middle of acts."""
    told = ". ".join(standing.sentence for standing in standings)
    return f"{told}: wait, or leave {'it' if _left(standings) == 1 else 'them'}?"


def consequence(standings: Sequence[Standing]) -> str:
    """What leaving now means, one sentence per act."""
    return " ".join(_without(standing) for standing in standings)


def _left(standings: Sequence[Standing]) -> int:
    return sum(len(standing.waiting) + len(standing.asked) for standing in standings)


def _without(standing: Standing) -> str:
    number = len(standing.waiting) + len(standing.asked)
    if standing.verb is START:
        return f"Leaving now stops the start of {named(standing.asked)}; if its Job exists by then, it runs."
    return f"Leaving now: {_counted(number)} may {_singular(standing.verb.otherwise, 1, modal=True)}."


def farewell(standings: Sequence[Standing]) -> str:
    """What is printed after leaving in the middle of acts: how many runs they did not reach, and how to look."""
    lines = []
    for standing in standings:
        verb = standing.verb
        if verb is START:
            found = "if its Job exists, it is listed by: smoltui ps"
            lines.append(f"Left while starting {named(standing.asked)}; {found}")
            continue
        if standing.waiting:
            number = len(standing.waiting)
            words = _singular(verb.otherwise, number)
            lines.append(f"{_counted(number)} {words}, {_were(number)} not {verb.done}: {', '.join(standing.waiting)}")
        if standing.asked:
            number = len(standing.asked)
            words = _singular(verb.otherwise, number, modal=True)
            lines.append(f"{_counted(number)} may {words}, because no answer came: {', '.join(standing.asked)}")
    return "\n".join([*lines, "Check: smoltui ps"]) if lines else ""


def _counted(number: int) -> str:
    return f"{number} run{'' if number == 1 else 's'}"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _singular(words: str, number: int, *, modal: bool = False) -> str:
    """`continue` → `continues` for one run; `are not started` → `is not started`, after "may" `not be started`."""
    first, _, rest = words.partition(" ")
    if modal:
        first = {"are": "be", "may": ""}.get(first, first)
    elif number == 1:
        first = {"are": "is", "may": "may"}.get(first, f"{first}s")
    return f"{first} {rest}".strip()
