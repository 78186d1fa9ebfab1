"""Starting, showing and continuing sweeps from the Recipe room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial

from smoltui.backends.runs.engine import Engine
from smoltui.backends.runs.plan import Plan
from smoltui.backends.sweeps import running, store
from smoltui.backends.system.threads import in_thread
from smoltui.core.runs.cost import usd, worst_cost
from smoltui.core.sweeps.sweep import Sweep
from smoltui.core.sweeps.typed import assignments_in, axes_of
from smoltui.errors import ServiceError, SmoltuiError
from smoltui.screens.dialogs import Choose, Confirm
from smoltui.screens.recipe.comparing import Ask
from smoltui.screens.recipe.sweep_dialog import SweepDialog
from smoltui.screens.room import Room

SHOWN = 8
"""Combinations that the question names."""


class Sweeping:
    """The sweeps of a room's project."""

    def __init__(self, room: Room, ask: Ask) -> None:
        """`ask` opens the room's input line with a question, and calls back with what was typed."""
        self._room, self._ask = room, ask

    def start(self) -> None:
        """Offers the newest sweep, or asks for the values of a new one."""
        self._work(self._offer)

    def _work(self, work: Callable[[], object]) -> None:
        self._room.run_worker(work, group="sweep", exclusive=True)

    async def _offer(self) -> None:
        project = self._room.workspace.project
        found = await in_thread(partial(store.read_all, project.folder))
        if found:
            count = len(found[0].points)
            choices = {"n": "a new sweep", "s": f"show the newest one: {found[0].id}, {count} runs"}
            chosen = await self._room.app.push_screen_wait(Choose("Sweep", choices))
            if chosen == "s":
                await self._show(found[0])
            if chosen != "n":
                return
        self._ask("sweep, such as beta=0.05,0.1,0.5: ", self._typed)

    def _typed(self, line: str) -> None:
        self._work(partial(self._new, line))

    async def _new(self, line: str) -> None:
        workspace = self._room.workspace
        try:
            settings = await in_thread(workspace.project.settings)
            engine = workspace.services.default(settings.on)
            sweep = running.new_sweep(workspace.project, engine, axes_of(assignments_in(line)))
        except SmoltuiError as error:
            self._room.say(error)
            return
        await self._begin(engine, sweep)

    async def _begin(self, engine: Engine, sweep: Sweep) -> None:
        """Asks, starts the runs that the sweep lacks, and shows its table."""
        try:
            planned = await running.plans(self._room.workspace.project, engine, sweep)
            if planned and not await self._agreed(engine, sweep, planned):
                return
            async with aclosing(running.start(engine, sweep, planned)) as started:
                async for now, run in started:
                    sweep = now
                    self._room.workspace.take_run(run)
        except SmoltuiError as error:
            self._room.say(error)
            return
        await self._show(sweep)

    async def _agreed(self, engine: Engine, sweep: Sweep, planned: Sequence[Plan]) -> bool:
        """Whether the person wants these runs, and what they can cost. Raises ServiceError."""
        names = [point.words for point in sweep.points if not point.run_id]
        text = "\n".join(names[:SHOWN]) + (f"\n… and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        cost = ""
        if engine.place.pays:
            cost = f"\n\nAll together at most {await self._most(engine, planned)}."
        what = engine.place.run if len(names) == 1 else engine.place.plural
        question = Confirm(f"Start {len(names)} {what}?", f"{text}{cost}", yes="start", no="cancel")
        agreed = await self._room.app.push_screen_wait(question)
        return bool(agreed)

    async def _most(self, engine: Engine, planned: Sequence[Plan]) -> str:
        try:
            known = {flavor.name: flavor for flavor in await engine.hardware()}
        except ServiceError:
            return "an unknown amount, since the prices could not be read"
        spec = planned[0].spec
        flavor = known.get(spec.flavor or "")
        most = None if flavor is None else worst_cost(flavor, spec.timeout_seconds or 0, spec.attempts)
        return usd(None if most is None else most * len(planned))

    async def _show(self, sweep: Sweep) -> None:
        workspace = self._room.workspace
        try:
            engine = workspace.services.named(sweep.engine)
        except SmoltuiError as error:
            self._room.say(error)
            return
        chosen = await self._room.app.push_screen_wait(SweepDialog(engine, sweep))
        if chosen == "continue":
            try:
                sweep, runs = await running.runs_of(engine, sweep)
                sweep, resumed = await running.to_continue(engine, sweep, runs)
            except SmoltuiError as error:
                self._room.say(error)
                return
            for run in resumed:
                workspace.take_run(run)
            await self._begin(engine, sweep)
        elif chosen:
            workspace.open_typed(chosen)
