"""The events of a run whose log is a file on this machine's disks, as they are written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

from smoltui.backends.local.log_lines import LineReader, last_lines
from smoltui.backends.system.threads import in_thread
from smoltui.core.runs import events
from smoltui.core.runs.run import Run


async def follow_log(
    get: Callable[[str], Awaitable[Run]],
    run_id: str,
    folder: Callable[[str], Path],
    *,
    follow: bool,
    tail: int | None,
    ours: Callable[[str], bool],
    poll_seconds: float,
    refuse: Callable[[Run], object],
) -> AsyncGenerator[events.Event, None]:
    """As `Engine.follow`, for a run whose `folder` has its log.

    `get`: the current state of a run. `ours`: whether the script uses our format, according to its log so far; asked in
    a thread. `refuse`: raises if the end of the run cannot be told.
    """
    stage = await get(run_id)
    run_id = stage.id  # it may have been named otherwise
    path = folder(run_id) / "log"
    key = (stage.raw.get("spec") or {}).get("log_key")  # proves which lines are ours (`log.from_supervisor`)
    told: list[events.Event] = []
    log = LineReader(path, key=key)  # a separate reader: `get` reads the log with its own
    if tail is not None:
        as_ours = await in_thread(lambda: ours(run_id))
        told, log = await in_thread(lambda: last_lines(path, tail, ours=as_ours, whole=stage.is_final, key=key))
    if not stage.is_final:
        yield events.StageChanged(stage=stage.stage, message=stage.message, at=stage.started_at)
    for event in told:
        yield event
    while True:
        new = await in_thread(log.read)
        for event in new or ():
            yield event
        if new is not None:
            continue
        if stage.is_final or not follow:
            break
        before, stage = stage, await get(run_id)
        if not stage.is_final:
            if (stage.stage, stage.message) != (before.stage, before.message):
                yield events.StageChanged(stage=stage.stage, message=stage.message, at=stage.started_at)
            await asyncio.sleep(poll_seconds)
    if stage.is_final:
        for event in log.end():
            yield event
    refuse(stage)
    yield events.StageChanged(stage=stage.stage, message=stage.message, at=stage.finished_at)
