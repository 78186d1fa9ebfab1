"""A third engine, as somebody might write it for a cluster: what an engine has to do, and pausing besides."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from smoltui.backends.runs.engine import Engine
from smoltui.core.runs import events
from smoltui.core.runs.place import Place
from smoltui.core.runs.rerun import NO_CHANGES, Changes
from smoltui.core.runs.run import Run, RunSpec, Stage
from smoltui.errors import InputError

TOY = Place(
    name="toy",
    title="the toy cluster",
    run="run",
    plural="toy runs",
    can=frozenset({"pause", "resume", "rerun"}),
)


class ToyEngine(Engine):
    """Runs live in memory; `steps`, `pause` and `end: hang` in the recipe are what `fake_training.py` takes."""

    place = TOY

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}
        self._specs: dict[str, RunSpec] = {}
        self._events: dict[str, list[events.Event]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def submit(self, spec: RunSpec) -> Run:
        for run_id, known in self._specs.items():
            if known.label == spec.label:
                return self._runs[run_id]
        run = Run(
            f"toy-{len(self._runs)}",
            self.name,
            spec.name,
            Stage.RUNNING,
            created_at=time.time(),
            started_at=time.time(),
            project=spec.project,
            output_dir=spec.output_dir,
            raw={"recipe": spec.recipe, "spec": asdict(spec)},
        )
        self._runs[run.id], self._specs[run.id], self._events[run.id] = run, spec, []
        self._tasks[run.id] = asyncio.create_task(self._train(run.id))
        return run

    async def _train(self, run_id: str) -> None:
        asked = dict(line.split(": ", 1) for line in self._specs[run_id].recipe.splitlines() if ": " in line)
        steps = int(asked.get("steps", 3))
        done = self._runs[run_id].step
        if not done:
            self._say(run_id, events.LogLine(text="a warning of a library\x1b[31m"))
            self._say(run_id, events.Planned(max_steps=steps, train_pairs=8))
        for step in range(done + 1, steps + 1):
            await asyncio.sleep(float(asked.get("pause", 0)))
            while step == steps and "until" in asked and not await asyncio.to_thread(Path(asked["until"]).exists):
                await asyncio.sleep(0.02)
            self._say(
                run_id, events.Metrics(step=step, values={"loss": 0.7 - step / 100, "rewards/margins": step / 10})
            )
        while asked.get("end") == "hang":
            await asyncio.sleep(0.05)
        self._say(run_id, events.ModelSaved(path=self._specs[run_id].output_dir))
        self._say(run_id, events.StageChanged(stage=Stage.COMPLETED, at=time.time()))

    def _say(self, run_id: str, event: events.Event) -> None:
        self._events[run_id].append(event)
        self._runs[run_id] = self._runs[run_id].after(event)

    async def list_runs(self) -> list[Run]:
        return sorted(self._runs.values(), key=lambda run: run.created_at or 0, reverse=True)

    async def get(self, run_id: str) -> Run:
        if run_id not in self._runs:
            raise InputError(f"No run has this id: {run_id}", "See the list.")
        return self._runs[run_id]

    async def follow(
        self, run_id: str, *, follow: bool = True, tail: int | None = None
    ) -> AsyncGenerator[events.Event, None]:
        await self.get(run_id)
        told = self._events[run_id]
        lines = [place for place, event in enumerate(told) if isinstance(event, events.LogLine)]
        dropped = set(lines[: -tail or None]) if tail is not None else set()
        place = 0
        while True:
            while place < len(told):
                place += 1
                if place - 1 not in dropped:
                    yield told[place - 1]
            if not follow or self._runs[run_id].is_final:
                break
            await asyncio.sleep(0.01)
        if not told or not isinstance(told[-1], events.StageChanged):
            yield events.StageChanged(stage=self._runs[run_id].stage)

    async def cancel(self, run_id: str) -> Run:
        run = await self.get(run_id)
        if not run.is_final:
            self._tasks[run_id].cancel()
            self._say(run_id, events.StageChanged(stage=Stage.CANCELED, at=time.time()))
        return await self.get(run_id)

    async def pause(self, run_id: str) -> Run:
        run = await self.get(run_id)
        if run.is_final:
            raise InputError(f"It has ended, so there is nothing to pause: {run_id}", "See the list.")
        self._tasks[run_id].cancel()
        self._say(run_id, events.StageChanged(Stage.CANCELED, message=f"Paused at step {run.step}", at=time.time()))
        self._runs[run_id] = replace(self._runs[run_id], resumable=True)
        return self._runs[run_id]

    async def resume(self, run_id: str, changes: Changes = NO_CHANGES) -> Run:
        self.refuse_changes(changes)
        run = await self.get(run_id)
        if not run.resumable:
            raise InputError(f"It was not paused, so there is nothing to resume: {run_id}", "See the list.")
        told = self._events[run_id]
        told[:] = [event for event in told if not isinstance(event, events.StageChanged)]
        self._runs[run_id] = replace(
            run, stage=Stage.RUNNING, message=None, finished_at=None, started_at=time.time(), resumable=False
        )
        self._tasks[run_id] = asyncio.create_task(self._train(run_id))
        return self._runs[run_id]

    async def inspect(self, run_id: str) -> dict[str, Any]:
        run = await self.get(run_id)
        return {**replace(run, raw={}).summary(), **run.raw}
