"""What will run, where, what was checked, and the most it can cost: asked once, before anything starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from smoltui.backends.project.project import Project
from smoltui.backends.runs.output_dir import free_output_dir
from smoltui.backends.runs.preflight import gather
from smoltui.backends.runs.spec import make_spec
from smoltui.backends.services import Services
from smoltui.backends.system.paths import shown_path
from smoltui.core.preflight.preflight import Check, Facts, may_start, preflight
from smoltui.core.recipe import Level
from smoltui.core.runs.cost import price, usd, worst_cost
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.place import Target
from smoltui.core.runs.run import RunSpec
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe, safe_line
from smoltui.screens.modal import Modal

MARKS = {Level.PASS: ("✓", "green"), Level.WARN: ("!", "yellow"), Level.STOP: ("✗", "bold red")}


class StartDialog(Modal[tuple[str, RunSpec, tuple[str, ...]] | None]):
    """Gives the engine's name, what to run and the steps that follow it (`core.runs.chain.STEPS`), or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "start", "Start", priority=True),
        Binding("tab", "elsewhere", "Elsewhere", priority=True),
        Binding("b", "beside", "Side by side"),
        Binding("n", "then", "Then ask"),
        Binding("escape,q", "leave", "Leave it"),
        Binding("up,k", "scroll(-1)", "Up", show=False),
        Binding("down,j", "scroll(1)", "Down", show=False),
    ]

    def __init__(self, project: Project, services: Services) -> None:
        super().__init__()
        self._project = project
        self._places = services.places
        self._place = self._places[0]
        self._beside = self._then = False
        self._spec: RunSpec | None = None
        self._facts: Facts | None = None
        self._checks: list[Check] = []
        self._problem: SmoltuiError | None = None

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", id="start-dialog"):
            yield Static(id="start-text", markup=False)

    def on_mount(self) -> None:
        try:
            wanted = self._project.settings().on
        except SmoltuiError as error:
            self._problem = error
        else:
            self._place = next((place for place in self._places if place.name == wanted), self._place)
        self._look()

    @work(exclusive=True)
    async def _look(self) -> None:
        """Makes the specification from the files as they are now, then gathers what the checks need."""
        self._spec, self._facts, self._checks, self._problem = None, None, [], None
        self._draw()
        try:
            spec = make_spec(self._project, self._place)
            if self._place.here:
                free = free_output_dir(Path(spec.output_dir))
                if free != Path(spec.output_dir):
                    spec = make_spec(self._project, self._place, output_dir=_inside(self._project, free))
            self._facts = await gather(self._project, self._place, spec)
            self._checks = preflight(self._facts)
            self._spec = spec
        except SmoltuiError as error:
            self._problem = error
        self._draw()

    def _draw(self) -> None:
        text = Text()
        text.append("Train ", "bold").append(safe_line(self._project.name, 40), "bold")
        text.append("  on ")
        for place in self._places:
            text.append(f" {safe_line(place.title, 40)} ", "reverse" if place == self._place else "dim").append(" ")
        text.append("\n")
        # On top, since the list below may be longer than the terminal.
        if self._may_start:
            text.append(" enter ", "reverse").append(" start    ")
        elif self._checks:
            text.append("Mend what is marked ✗ first.   ", "red")
        if len(self._places) > 1:
            text.append(" tab ", "reverse").append(" elsewhere    ")
        if self._place.here:
            words = "beside other runs" if self._beside else "after other runs"
            text.append(" b ", "reverse").append(f" {words}    ")
        text.append(" n ", "reverse").append(" then ask both models    " if self._then else " nothing after it    ")
        text.append(" esc ", "reverse").append(" leave it\n\n")
        if self._problem is not None:
            text.append(safe(redact(str(self._problem)), 1000), "red")
        elif self._facts is None or self._spec is None:
            text.append("checking…", "dim")
        else:
            self._draw_plan(text, self._facts, self._spec)
        self.query_one("#start-text", Static).update(text)

    def _draw_plan(self, text: Text, facts: Facts, spec: RunSpec) -> None:
        rows = [
            ("model", str(facts.values.get("model_name_or_path", "–"))),
            ("plan", facts.summary.sentence),
            ("goes to", self._goes_to(facts, spec)),
        ]
        if self._place.pays:
            rate = f" · {price(facts.flavor)}" if facts.flavor else ""
            rows.append(("flavor", f"{spec.flavor}{rate}"))
            rows.append(("killed after", as_time(spec.timeout_seconds)))
            worst = worst_cost(facts.flavor, spec.timeout_seconds or 0) if facts.flavor else None
            rows.append(("costs at most", usd(worst)))
        for name, value in rows:
            text.append(f"{name:<14}", "dim").append(f"{safe_line(redact(value), 300)}\n")
        text.append("\n")
        for check in sorted(self._checks, key=lambda check: list(MARKS).index(check.level), reverse=True):
            mark, style = MARKS[check.level]
            text.append(f"{mark} ", style).append(f"{safe_line(redact(check.sentence), 400)}\n")
            if check.mend:
                text.append(f"  {safe_line(redact(check.mend), 300)}\n", "dim")

    def _goes_to(self, facts: Facts, spec: RunSpec) -> str:
        if self._place.target is Target.LOCAL:
            return shown_path(spec.output_dir)
        pushed = facts.values.get("push_to_hub") and facts.values.get("hub_model_id")
        return str(pushed or "nowhere: push_to_hub is off")

    @property
    def _may_start(self) -> bool:
        return self._spec is not None and may_start(self._checks)

    def action_start(self) -> None:
        if self._may_start and self._spec is not None:
            checks = tuple(f"{MARKS[check.level][0]} {check.sentence}" for check in self._checks)
            spec = replace(self._spec, side_by_side=self._beside and self._place.here, checks=checks)
            self.dismiss((self._place.name, spec, ("ask",) if self._then else ()))

    def action_elsewhere(self) -> None:
        self._place = self._places[(self._places.index(self._place) + 1) % len(self._places)]
        self._look()

    def action_beside(self) -> None:
        """Starts at once whatever else trains here, or waits for its turn."""
        if self._place.here:
            self._beside = not self._beside
            self._draw()

    def action_then(self) -> None:
        """Has both models answer the project's prompts when the run COMPLETED, or not."""
        self._then = not self._then
        self._draw()

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_scroll(self, by: int) -> None:
        self.query_one("#start-dialog", VerticalScroll).scroll_relative(y=by, animate=False)


def _inside(project: Project, folder: Path) -> str:
    """A folder as the recipe should name it: relative where it lies in the project."""
    return str(folder.relative_to(project.folder)) if folder.is_relative_to(project.folder) else str(folder)
