"""What runs use, and what of them can be reached, on the command line: stats, expose."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing

from smoltui.backends.runs.engine import Engine
from smoltui.backends.services import default_services
from smoltui.cli import runs
from smoltui.cli.output import cell, note, note_error, print_json, say
from smoltui.core.machine.sample import Sample, in_words
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import InputError, SmoltuiError
from smoltui.safe_text import redact, safe_line


def stats(run_ids: Sequence[str], *, follow: bool, as_json: bool) -> None:
    """Prints what runs use now, without ids all that are running; with `follow`, a line per second until each ends.

    Raises:
        InputError: none of them is running, so there is nothing to print.
    """

    async def work() -> tuple[int, list[tuple[Engine, Run]]]:
        found = [await runs.find(run_id) for run_id in dict.fromkeys(run_ids)] if run_ids else await _running(as_json)
        several = not run_ids or len(found) > 1
        told = await asyncio.gather(*(_print_usage(*one, follow, as_json, several) for one in found))
        return sum(told), found

    told, found = runs.run_async(work())
    if not run_ids and not found:
        note("Nothing is running")
    elif not told and not follow:
        run = found[0][1]
        raise InputError(
            f"No usage, because the run is not running: {run.id} is {safe_line(run.stage, 40)}",
            "If the run has yet to start, wait for it with --follow.",
        )


async def _running(as_json: bool) -> list[tuple[Engine, Run]]:
    """The running runs of all engines that report usage; those that cannot be asked are reported on stderr."""
    found = []
    for engine in default_services().engines.values():
        if "stats" not in engine.place.can:
            continue
        try:
            found += [(engine, run) for run in await engine.list_runs() if run.stage == Stage.RUNNING]
        except SmoltuiError as error:
            note_error(f"{engine.place.plural[:1].upper()}{engine.place.plural[1:]} are not listed", error, as_json)
    return found


async def _print_usage(engine: Engine, run: Run, follow: bool, as_json: bool, named: bool) -> int:
    """Prints the samples of one run, and returns how many there were; `named`: each with the run."""
    told = 0
    async with aclosing(engine.stats(run.id, follow=follow)) as samples:
        async for sample in samples:
            told += 1
            _print(run, sample, follow, as_json, named)
    return told


def _print(run: Run, sample: Sample, follow: bool, as_json: bool, named: bool) -> None:
    if as_json:
        print_json({**sample.as_json(), **({"run": run.id} if named else {})})
        return
    when = f"{time.strftime('%H:%M:%S', time.localtime(sample.at))}  " if follow else ""
    say(f"{when}{f'{cell(run.id, 26)}{cell(run.name, 20)}' if named else ''}{in_words(sample)}")


def expose(run_id: str, ports: Sequence[int], public: Sequence[int], *, clear: bool, as_json: bool) -> None:
    """Opens ports of a Job in place of the open ones, and prints how to reach it.

    Raises:
        InputError: neither ports nor `clear` is given, or both are; or the engine of the run has no such thing.
    """
    if bool(ports or public) == clear:
        raise InputError("Name the ports to open, or --clear to close all", f"smoltui expose {run_id} 8000")

    async def work() -> tuple[Run, list[str]]:
        engine, run = await runs.find(run_id)
        changed = await engine.expose(run.id, [*ports, *(port for port in public if port not in ports)], list(public))
        return changed, engine.access(await engine.inspect(run.id))

    run, ways = runs.run_async(work())
    if as_json:
        print_json({"id": run.id, "access": ways})
        return
    for way in ways:
        say(safe_line(redact(way)))
    if not ways:
        note("No open ports" if clear else "The Hub does not say yet where the ports are: smoltui inspect ID")
