"""What the Recipe room finds out about the places where a recipe would run, so that it can say what it comes to."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from textual import work

from smoltui.backends.jobs.place import JOBS
from smoltui.backends.system.threads import in_thread
from smoltui.core.runs.place import Target
from smoltui.errors import ServiceError
from smoltui.screens.recipe.base import RecipeBase
from smoltui.screens.recipe.outcome import where_of
from smoltui.screens.recipe.surroundings import pairs_measured

REST_SECONDS = 0.5
"""The pairs are measured once no key was pressed for this long."""


class RecipeLooking(RecipeBase):
    """Looks at this machine, at earlier runs, at prices and at the pairs, and draws the totals again."""

    @work(exclusive=True, group="machine")
    async def _look_at_machine(self) -> None:
        """Finds the training device, and whether it supports bf16 according to the last test of PyTorch."""
        from smoltui.backends.machine.devices import device_report, remembered_torch_report

        if not self._around.memory_name:
            report = await in_thread(partial(device_report, self.workspace.project.folder))
            torch = await in_thread(partial(remembered_torch_report, report))
            device = report.accelerators[0] if report.accelerators else None
            is_of_device = device is not None and torch is not None and torch.kind == device.kind
            self._around = replace(
                self._around,
                accelerator=device.name if device else None,
                cores=report.cores,
                cuda=device is not None and device.kind == "cuda",
                has_bf16=False if device is None else torch.bf16 if torch is not None and is_of_device else None,
                memory=device.free if device else report.ram_available,
                memory_name=device.name if device else "this machine",
            )
            if self._sheet is not None:
                self._draw()
        self._look_further()

    @work(exclusive=True, group="further")
    async def _look_further(self) -> None:
        """What makes the estimates better and takes longer: earlier runs, prices of Jobs, and the pairs' tokens."""
        await self._look_at_past()
        if self._target is Target.JOB and not self._around.flavors:
            await self._look_at_prices()
        values = dict(self._values)
        if self._around.sizes_of == pairs_measured(values) or self._sheet is None:
            return
        await self.workspace.at_rest(REST_SECONDS)
        counts, project = self.workspace.services.counts, self.workspace.project
        sizes = await in_thread(partial(counts.measured, project, values, self._around.settings))
        self._around = replace(self._around, sizes=sizes, sizes_of=pairs_measured(values))
        self._draw_figures()

    async def _look_at_past(self) -> None:
        from smoltui.backends.runs.past_speeds import past_speeds

        hardware = where_of(self._values, self._around, self._target).hardware
        if hardware is None or hardware.name in self._around.past:
            return
        found = await in_thread(partial(past_speeds, hardware.name))
        self._around = replace(self._around, past={**self._around.past, hardware.name: found})
        self._draw_figures()

    async def _look_at_prices(self) -> None:
        engine = self.workspace.services.engines.get(JOBS.name)
        if engine is None:
            return
        try:
            listed = await engine.hardware()
        except ServiceError:
            return  # the cost stays unknown
        self._around = replace(self._around, flavors={flavor.name: flavor for flavor in listed})
        self._draw_figures()

    def _draw_figures(self) -> None:
        """Draws the totals with what became known; while a value is typed, the next key does."""
        if not self._editing and self._sheet is not None:
            self._draw_about()
            self._draw_totals(self._values)
