"""What the engine is asked on demand: everything known about a run, its usage, its plan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import aclosing

from rich.text import Text
from textual import work
from textual.widgets import Static

from smoltui.core.runs.pace import as_time
from smoltui.core.runs.run import Run, RunSpec
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe, safe_line
from smoltui.screens.runs.base import RunsBase
from smoltui.screens.runs.json_tree import JsonTree
from smoltui.screens.runs.stats_panel import StatsPanel


class Asking(RunsBase):
    """Inspect, usage and plan of the selected run."""

    def __init__(self) -> None:
        super().__init__()
        self._inspected: Mapping[str, object] = {}
        self._raw = False

    # -- inspect

    @work(group="inspect", exclusive=True)
    async def inspect(self) -> None:
        """Loads everything that the engine knows about the run."""
        run = self._run
        tree, note = self.query_one(JsonTree), self.query_one("#inspect-raw", Static)
        self._inspected = {}
        tree.clear()
        note.update("")
        if run is None:
            return
        try:
            self._inspected = await self.engine_of(run).inspect(run.id)
        except SmoltuiError as error:
            self._show_raw(True)
            note.update(Text(safe(redact(str(error)))))
            return
        if access := self.engine_of(run).access(self._inspected):
            self._inspected = {"access": access, **self._inspected}
        tree.show(self._inspected)
        note.update(Text(safe(redact(self._as_json()), None)))
        self._show_raw(self._raw)

    def _as_json(self) -> str:
        return json.dumps(self._inspected, indent=2, ensure_ascii=False, default=str)

    def _show_raw(self, raw: bool) -> None:
        self.query_one(JsonTree).display = not raw
        self.query_one("#inspect-scroll").display = raw
        (self.query_one("#inspect-scroll") if raw else self.query_one(JsonTree)).focus()

    def action_raw(self) -> None:
        """Switches between raw JSON and a tree."""
        self._raw = not self._raw
        self._show_raw(self._raw)

    def inspected_text(self) -> str:
        """The JSON for copying, with secrets redacted."""
        return redact(self._as_json())

    # -- stats

    @work(group="stats", exclusive=True)
    async def watch_stats(self) -> None:
        """Shows the resource usage of the run while the view is in front."""
        run, panel = self.known, self.query_one(StatsPanel)
        if run is None:
            panel.clear("No run selected.")
            return
        if run.is_final:
            panel.clear("Usage is only shown while a run is active.")
            return
        panel.clear("Loading…")
        try:
            async with aclosing(self.engine_of(run).stats(run.id)) as samples:
                async for sample in samples:
                    panel.add(sample)
            panel.say("No more data: the run has ended or is paused.")
        except SmoltuiError as error:
            panel.say(f"{error.message}. {error.hint}".strip())

    # -- plan

    @work(group="plan", exclusive=True)
    async def show_plan(self) -> None:
        """Shows what the run was started with, and what its script reported."""
        run, target = self.known, self.query_one("#plan-text", Static)
        if run is None:
            target.update("")
            return
        target.update(plan_text(run, await self.engine_of(run).started_with(run)))


def plan_text(run: Run, spec: RunSpec | None) -> Text:
    """The plan of a run. `spec` is what it was started with; None if that is not known on this machine."""
    text = Text()

    def line(name: str, value: object) -> None:
        text.append(f"{name:<16}", "dim").append(f"{safe_line(redact(str(value)), 400)}\n")

    plan = run.plan
    if plan is not None:
        line("steps", f"{plan.max_steps}, {plan.epochs:.3g} epoch{'' if plan.epochs == 1 else 's'}")
        held_out = "none held out" if plan.held_out_pairs is None else f"{plan.held_out_pairs} held out"
        line("pairs", f"{plan.train_pairs} trained on, {held_out}")
        if plan.left_out:
            line("left out", ", ".join(f"{count} {reason}" for reason, count in plan.left_out.items()))
        line("pairs' hash", plan.pairs_hash or "unknown (streamed pairs)")
        line("weights", f"{plan.trainable:,} of {plan.parameters:,} trained as {plan.dtype} on {plan.device}")
        line("beta", plan.beta)
        line("versions", ", ".join(f"{name} {version}" for name, version in plan.versions.items()))
    else:
        said = "The script reported no plan.\n" if run.is_final else "The script has not reported its plan yet.\n"
        text.append(said, "dim")
    if spec is None:
        text.append("\nSubmitted from another machine; its recipe is not known here.\n", "dim")
        return text
    line("project", spec.project)
    line("output", spec.output_dir)
    if spec.flavor:
        line("flavor", spec.flavor)
        line("timeout", as_time(spec.timeout_seconds))
        line("billed to", spec.namespace or "the token's account")
    if spec.pairs_from:
        line("pairs from", spec.pairs_from)
    line(*(("again", f"smoltui rerun {run.id}") if spec.flavor else ("by hand", "trl dpo --config recipe.yaml")))
    if spec.checks:
        text.append("\nchecks before the start\n", "bold")
        for sentence in spec.checks:
            text.append(f"{safe_line(redact(sentence), 300)}\n")
    text.append("\nrecipe.yaml at the start\n", "bold").append(safe(redact(spec.recipe), None))
    return text
