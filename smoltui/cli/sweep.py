"""smoltui sweep: runs that differ in named values, and their table."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from smoltui.backends.project.project import Project
from smoltui.backends.runs.engine import Engine
from smoltui.backends.runs.plan import Plan
from smoltui.backends.runs.spec import Options
from smoltui.backends.services import default_services
from smoltui.backends.sweeps import running, store
from smoltui.backends.system.threads import in_thread
from smoltui.cli.confirming import confirm_cost
from smoltui.cli.follow_ups import carried_out
from smoltui.cli.output import cell, note, print_json, say
from smoltui.cli.runs import run_async
from smoltui.core.runs.cost import Flavor
from smoltui.core.runs.run import Run
from smoltui.core.sweeps.sweep import Sweep
from smoltui.core.sweeps.table import HEADINGS, SweepRow, in_words, rows_of
from smoltui.core.sweeps.typed import axes_of
from smoltui.errors import InputError, ServiceError
from smoltui.safe_text import redact, safe_line

POLL_SECONDS = 1.0
"""Seconds between two looks at the runs."""
WIDTHS = (44, 16, 9, 8, 14, 11, 20)


@dataclass(frozen=True, slots=True)
class Sweeping:
    """The options of `smoltui sweep`."""

    assignments: tuple[str, ...]
    """KEY=VALUE,VALUE…; empty to show a sweep, or to continue it."""
    sweep_id: str
    """Empty for the newest of the project."""
    go_on: bool
    """Start what is missing."""
    engine: str | None
    flavor: str | None
    timeout: str | None
    yes: bool
    measure: bool
    """Measure each model on held-out pairs after its run."""
    detach: bool
    as_json: bool


def sweep(project: Project, asked: Sweeping) -> int:
    """Starts or continues a sweep, waits for its runs unless detached, and prints the table; returns the exit code.

    The code is 1 if a run did not complete. ctrl+c stops waiting; the runs continue.
    """
    return run_async(_swept(project, asked))


async def _swept(project: Project, asked: Sweeping) -> int:
    services, options = default_services(), Options(flavor=asked.flavor, timeout=asked.timeout)
    if asked.assignments:
        settings = project.settings()
        engine = services.named(asked.engine) if asked.engine else services.default(settings.on)
        made = running.new_sweep(project, engine, axes_of(asked.assignments))
        runs: dict[str, Run] = {}
    else:
        made = store.newest(project.folder, asked.sweep_id)
        engine = services.named(made.engine)
        made, runs = await running.runs_of(engine, made)
    if asked.assignments or asked.go_on:
        made, resumed = await running.to_continue(engine, made, runs) if runs else (made, [])
        for run in resumed:
            note(safe_line(f"Resumed: {run.name}: {run.id}"))
        planned = await running.plans(project, engine, made, options)
        await _ask(engine, planned, asked)
        then = ("measure",) if asked.measure else ()
        async with aclosing(running.start(engine, made, planned, then)) as started:
            async for now, run in started:
                made = now
                note(safe_line(f"{run.name}: {run.id} ({run.engine})"))
        if not asked.detach:
            await _wait(engine, made, asked.as_json)
        made, runs = await running.runs_of(engine, made)
    ratios = await in_thread(lambda: running.length_ratios(runs))
    rows = rows_of(made, runs, time.time(), flavors=await _flavors(engine), ratios=ratios)
    _print(made, rows, as_json=asked.as_json)
    waited = not asked.detach and (asked.assignments or asked.go_on)
    return 1 if waited and any(row.stage != "COMPLETED" for row in rows) else 0


async def _ask(engine: Engine, planned: Sequence[Plan], asked: Sweeping) -> None:
    """Asks before runs that cost money are started. Raises as `confirm_cost`."""
    if not planned or not engine.place.pays or asked.yes:
        return
    spec, count = planned[0].spec, len(planned)
    seconds = (spec.timeout_seconds or 0) * count
    question = f"Start {count} {engine.place.run}{'' if count == 1 else 's'}?"
    await confirm_cost(engine, spec.flavor, seconds, question, asked.as_json, attempts=spec.attempts)


async def _wait(engine: Engine, made: Sweep, as_json: bool) -> None:
    """Returns when every run has ended and its follow-up steps are done, noting each end once."""
    told: set[str] = set()
    try:
        while True:
            going = 0
            for point in made.points:
                if point.run_id in told or not point.run_id:
                    continue
                try:
                    run = await engine.get(point.run_id)
                except InputError:
                    told.add(point.run_id)  # it was deleted
                    continue
                if run.is_final:
                    told.add(run.id)
                    note(safe_line(redact(f"{run.stage}: {point.words}")))
                    await carried_out(run, as_json)
                else:
                    going += 1
            if not going:
                return
            await asyncio.sleep(max(POLL_SECONDS, POLL_SECONDS * engine.place.pays * 10))
    except asyncio.CancelledError:
        note(f"Stopped waiting; the runs continue. Look at them again: smoltui sweep --id {made.id}")
        raise


async def _flavors(engine: Engine) -> Mapping[str, Flavor]:
    if not engine.place.pays:
        return {}
    try:
        return {flavor.name: flavor for flavor in await engine.hardware()}
    except ServiceError:
        return {}  # the table shows that costs are unknown


def _print(made: Sweep, rows: Sequence[SweepRow], *, as_json: bool) -> None:
    if as_json:
        report: dict[str, Any] = {"sweep": made.id, "engine": made.engine, "rows": [row.as_json() for row in rows]}
        print_json(report)
        return
    say("".join(cell(text, width) for text, width in zip(HEADINGS, WIDTHS, strict=True)).rstrip())
    for row in rows:
        cells = (safe_line(redact(text), 200) for text in row.cells)
        say("".join(cell(text, width) for text, width in zip(cells, WIDTHS, strict=True)).rstrip())
    say(f"\nSweep {made.id}: {in_words(rows)}.")
    if any(row.stage not in ("COMPLETED", "RUNNING", "SCHEDULING") for row in rows):
        say(f"Start what is missing: smoltui sweep --id {made.id} --continue")
