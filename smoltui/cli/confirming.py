"""Questions of the commands before something costs money or is lost."""

from __future__ import annotations

import sys

from smoltui.backends.runs.engine import Engine
from smoltui.cli.output import confirm, note, print_warning
from smoltui.core.evaluation.loading import SMALL, LoadPlan
from smoltui.core.evaluation.memory_words import size
from smoltui.core.runs.place import Place
from smoltui.errors import InputError
from smoltui.safe_text import redact, safe_line


async def confirm_cost(
    engine: Engine,
    flavor_name: str | None,
    seconds: float,
    question: str,
    as_json: bool,
    *,
    attempts: int | None = None,
    each: str = "",
) -> None:
    """Asks for confirmation, stating the most that a run can cost; returns after a yes.

    `seconds` is its timeout, `attempts` how often it is started if it fails (None: once). `each` says that this is the
    cost of one run of several: `each time`.

    Raises:
        InputError: nobody can be asked, or there is no such flavor.
        click.Abort: the answer was no.
        ServiceError: the prices could not be read.
    """
    from smoltui.core.runs.cost import limit_words, usd, worst_cost

    _must_be_asked(as_json, f"A {engine.place.run} costs money and needs confirmation")
    known = {flavor.name: flavor for flavor in await engine.hardware()}
    flavor = known.get(flavor_name or "")
    if flavor is None:
        raise InputError(f"Unknown flavor: {safe_line(flavor_name or 'none given', 60)}", f"Known: {', '.join(known)}")
    cost = " ".join(filter(None, [usd(worst_cost(flavor, seconds, attempts)), each]))
    confirm(f"{flavor.name} for at most {limit_words(seconds, attempts)}: at most {cost}. {question}")


def confirm_second(
    rival: str,
    place: Place,
    *,
    yes: bool,
    as_json: bool,
    question: str = "Start a second one?",
    instead: str = "Cancel one of them: smoltui cancel ID",
) -> None:
    """Asks before a second run beside the one that the sentence `rival` is about (empty: none); returns after a yes.

    Only warns with `yes`, or where a run costs nothing; `instead` is what to do then. Raises as `confirm_cost`.
    """
    if rival and place.pays and not yes:
        _must_be_asked(as_json, f"{rival}. A second one needs confirmation")
        confirm(f"{rival}. {question}")
    elif rival:
        print_warning(rival, instead, as_json)


def confirm_loss(question: str, as_json: bool) -> None:
    """Asks for confirmation of what cannot be undone; returns after a yes. Raises as `confirm_cost`."""
    _must_be_asked(as_json, "This cannot be undone and needs confirmation")
    confirm(question)


def confirm_publishing(question: str, as_json: bool) -> None:
    """Asks for confirmation of what others will see; returns after a yes. Raises as `confirm_cost`."""
    _must_be_asked(as_json, "Publishing needs confirmation")
    confirm(question)


def confirm_judge(question: str, as_json: bool) -> None:
    """Asks for confirmation before a judge is asked; returns after a yes. Raises as `confirm_cost`."""
    _must_be_asked(as_json, "Asking a judge may cost money and needs confirmation")
    confirm(question)


def confirm_loading(plan: LoadPlan, *, yes: bool, as_json: bool) -> None:
    """States on stderr what loading these models takes, and asks for confirmation above the limit; returns after a yes.

    Raises:
        InputError: it cannot work, or nobody can be asked.
        click.Abort: the answer was no.
    """
    if plan.problem is not None:
        raise InputError(*plan.problem)
    asks = plan.asks() and not yes
    lines = [safe_line(redact(line), 400) for line in plan.words]
    if not as_json and (plan.asks() or yes):
        for line in lines:
            note(line)
    if asks:
        limit = f"models above {size(SMALL)} of memory"
        _must_be_asked(as_json, f"Downloads, and {limit}, need confirmation. {' '.join(lines)}")
        confirm("Load these models?")


def _must_be_asked(as_json: bool, why: str) -> None:
    """Raises InputError if nobody can be asked: with --json, or without a terminal."""
    if as_json or not sys.stdin.isatty():
        raise InputError(why, "Confirm with --yes")
