"""Why a run ended, on the command line: the same verdict as in the app."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from smoltui.backends.runs.engine import Engine
from smoltui.cli.output import note, print_json
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe_line

if TYPE_CHECKING:
    from smoltui.core.runs.verdict import Verdict

EXPLAINED = 20
"""Maximum number of logs that `ps` reads to say why runs failed; what they say is kept."""


async def explained(runs: list[Run], engines: Mapping[str, Engine], recent: Collection[str]) -> list[Run]:
    """The runs, with the reason of those that failed and whose log has to be read for it; `recent`: ids of those for
    which that is done."""
    due = [
        run
        for run in runs
        if run.id in recent and run.stage in (Stage.ERROR, Stage.CANCELED) and not engines[run.engine].place.on_disk
    ][:EXPLAINED]
    known = {run.id: run for run in await asyncio.gather(*(settled(engines[run.engine], run) for run in due))}
    return [known.get(run.id, run) for run in runs]


async def settled(engine: Engine, run: Run) -> Run:
    """A run that has ended, with what the end of its log says; unchanged if that cannot be read."""
    try:
        return await engine.settled(run)
    except SmoltuiError:
        return run


async def verdict_on(engine: Engine, run: Run) -> Verdict | None:
    """The verdict on a run that has ended (`settled`), with its cost if the prices can be read; None if it has not."""
    from smoltui.core.runs.cost import cost_of
    from smoltui.core.runs.verdict import verdict_of

    cost = None
    if run.is_final and run.flavor and "hardware" in engine.place.can:
        with suppress(SmoltuiError):
            flavors = {flavor.name: flavor for flavor in await engine.hardware()}
            cost = cost_of(run, lambda name: flavors.get(name or ""), time.time())
    return verdict_of(run, cost=cost)


def print_verdict(verdict: Verdict | None, as_json: bool) -> None:
    """Prints on stderr why a run did not complete and what is next, or `{"error", "hint"}` with the whole verdict."""
    if verdict is None or verdict.stage == Stage.COMPLETED:
        return
    if as_json:
        print_json({"error": verdict.cause, "hint": verdict.next, **verdict.as_json()}, err=True)
    else:
        note(f"{safe_line(redact(verdict.sentence), 1000)}.\nNext: {safe_line(redact(verdict.next), 1000)}")
