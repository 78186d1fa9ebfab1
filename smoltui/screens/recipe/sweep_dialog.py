"""A sweep: its runs in one table, the best first, kept up to date while they run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from smoltui.backends.runs.engine import Engine
from smoltui.backends.sweeps import running
from smoltui.backends.system.threads import in_thread
from smoltui.core.meanings.shown import CARDS_OF
from smoltui.core.runs.cost import Flavor
from smoltui.core.runs.run import Run
from smoltui.core.sweeps.sweep import Sweep
from smoltui.core.sweeps.table import in_words, missing, rows_of
from smoltui.errors import ServiceError, SmoltuiError
from smoltui.safe_text import redact, safe_line
from smoltui.screens.explaining import Explains
from smoltui.screens.modal import Modal
from smoltui.screens.recipe.sweep_list import SweepList
from smoltui.widgets.actions import bindings, in_own_keys

LOOK_SECONDS = 2.0
"""Seconds between two looks at the runs on this machine; for others, five times as long."""


class SweepDialog(Modal[str | None], Explains[str | None]):
    """Returns the id of a run to open, `continue` to start what is missing, or None."""

    DEFAULT_CSS = "SweepDialog SweepList { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = bindings("sweep")

    def __init__(self, engine: Engine, sweep: Sweep) -> None:
        super().__init__()
        self._engine, self._sweep = engine, sweep
        self._runs: dict[str, Run] = {}
        self._flavors: Mapping[str, Flavor] | None = None
        """None until they were asked for."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog large"):
            yield Static(f"Sweep {self._sweep.id}", id="sweep-title", classes="title", markup=False)
            yield SweepList()
            yield Static(
                in_own_keys(self, "enter opens the run in Runs · t starts what is missing · K explains · esc closes"),
                markup=False,
            )

    def explained(self) -> tuple[str, ...]:
        return CARDS_OF["sweep"]

    def on_mount(self) -> None:
        self.query_one(SweepList).put_cursor(0, "Loading runs…")
        self.set_interval(LOOK_SECONDS * (5 if self._engine.place.pays else 1), self._look)
        self._look()

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        try:
            if self._flavors is None:
                self._flavors = await self._prices()
            self._sweep, self._runs = await running.runs_of(self._engine, self._sweep)
            ratios = await in_thread(partial(running.length_ratios, self._runs))
        except SmoltuiError as error:
            self._say(error.message)
            return
        table = self.query_one(SweepList)
        table.lines = rows_of(self._sweep, self._runs, time.time(), flavors=self._flavors, ratios=ratios)
        table.put_cursor(table.cursor, "")
        self._say(in_words(table.lines))

    async def _prices(self) -> Mapping[str, Flavor]:
        if not self._engine.place.pays:
            return {}
        try:
            return {flavor.name: flavor for flavor in await self._engine.hardware()}
        except ServiceError:
            return {}  # the table shows that costs are unknown

    def _say(self, text: str) -> None:
        self.query_one("#sweep-title", Static).update(f"Sweep {self._sweep.id}: {safe_line(redact(text), 200)}")

    def action_move(self, by: int) -> None:
        self.query_one(SweepList).move(by)

    def action_page(self, by: int) -> None:
        self.query_one(SweepList).page(by)

    def action_open(self) -> None:
        table = self.query_one(SweepList)
        if table.lines and (run_id := table.lines[table.cursor].point.run_id):
            self.dismiss(run_id)

    def action_continue(self) -> None:
        if self._runs and not missing(self._sweep, self._runs):
            self._say("nothing is missing")
        else:
            self.dismiss("continue")

    def action_again(self) -> None:
        self._look()

    def action_leave(self) -> None:
        self.dismiss(None)
