"""What is asked of the engine when one wants to see it: everything known of a run, its machine, its plan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from rich.text import Text
from textual import work
from textual.widgets import Static

from smoltui.core.runs.pace import as_time
from smoltui.core.runs.run import Run, RunSpec
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe, safe_line
from smoltui.screens.runs.base import RunsBase
from smoltui.widgets.json_tree import JsonTree
from smoltui.widgets.stats_panel import StatsPanel


class Asking(RunsBase):
    """Inspect, stats and plan of the run that is read."""

    def __init__(self) -> None:
        super().__init__()
        self._inspected: Mapping[str, Any] = {}
        self._raw = False

    # -- inspect

    @work(group="inspect", exclusive=True)
    async def inspect(self) -> None:
        """Asks the engine for all it has about the run."""
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
        """The JSON as it is, or as a tree."""
        self._raw = not self._raw
        self._show_raw(self._raw)

    def inspected_text(self) -> str:
        """What is copied: the JSON, secrets taken out."""
        return redact(self._as_json())

    # -- stats

    @work(group="stats", exclusive=True)
    async def watch_stats(self) -> None:
        """Shows what the run takes of its machine for as long as the view is in front."""
        run, panel = self.known, self.query_one(StatsPanel)
        if run is None:
            panel.clear("There is no run.")
            return
        if run.is_final:
            panel.clear("It has ended: what it took of its machine was not kept.")
            return
        panel.clear("asking…")
        try:
            async with aclosing(self.engine_of(run).stats(run.id)) as samples:
                async for sample in samples:
                    panel.add(sample)
            panel.say("It tells nothing more: the run has ended, or rests.")
        except SmoltuiError as error:
            panel.say(f"{error.message}. {error.hint}".strip())

    # -- plan

    @work(group="plan", exclusive=True)
    async def show_plan(self) -> None:
        """What the run was started with, and what its script found."""
        run, target = self.known, self.query_one("#plan-text", Static)
        if run is None:
            target.update("")
            return
        target.update(plan_text(run, await self.engine_of(run).started_with(run)))


def plan_text(run: Run, spec: RunSpec | None) -> Text:
    """The plan of a run for the screen."""
    text = Text()

    def line(name: str, value: object) -> None:
        text.append(f"{name:<16}", "dim").append(f"{safe_line(redact(str(value)), 400)}\n")

    plan = run.plan
    if plan is not None:
        line("steps", f"{plan.max_steps}, {plan.epochs:.3g} epochs")
        held_out = "none held out" if plan.held_out_pairs is None else f"{plan.held_out_pairs} held out"
        line("pairs", f"{plan.train_pairs} trained on, {held_out}")
        if plan.left_out:
            line("left out", ", ".join(f"{count} {reason}" for reason, count in plan.left_out.items()))
        line("pairs' hash", plan.pairs_hash or "unknown: the pairs are streamed")
        line("weights", f"{plan.trainable:,} of {plan.parameters:,} trained as {plan.dtype} on {plan.device}")
        line("beta", plan.beta)
        line("versions", ", ".join(f"{name} {version}" for name, version in plan.versions.items()))
    else:
        text.append("The script has not told its plan (yet).\n", "dim")
    if spec is None:
        text.append("\nWhat it was started with is not known here: it was submitted elsewhere.\n", "dim")
        return text
    line("project", spec.project)
    line("model goes to", spec.output_dir)
    if spec.flavor:
        line("flavor", spec.flavor)
        line("killed after", as_time(spec.timeout_seconds))
        line("paid by", spec.namespace or "the token's account")
    if spec.pairs_from:
        line("pairs from", spec.pairs_from)
    by_hand = "trl dpo --config recipe.yaml" if not spec.flavor else f"smoltui train {spec.project} --on {run.engine}"
    line("by hand", by_hand)
    if spec.checks:
        text.append("\nchecked before the start\n", "bold")
        for sentence in spec.checks:
            text.append(f"{safe_line(redact(sentence), 300)}\n")
    text.append("\nrecipe.yaml as it was started with\n", "bold").append(safe(redact(spec.recipe), None))
    return text
