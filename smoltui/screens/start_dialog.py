"""Confirms a run before it starts: what runs, where, the results of the checks, and its maximum cost."""

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

from smoltui.backends.machine.train_extra import free_output_dir
from smoltui.backends.project.project import Project, shown_path
from smoltui.backends.runs.preflight import gather
from smoltui.backends.runs.spec import make_spec
from smoltui.backends.services import Services
from smoltui.core.preflight.preflight import Check, Facts, may_start, preflight
from smoltui.core.recipe import Level
from smoltui.core.runs.cost import price, usd, worst_cost
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.run import RunSpec
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe, safe_line
from smoltui.screens.modal import Modal

LABEL_WIDTH = 14
KEY_GAP = 3
"""Blanks between two items of the line of keys."""
MARKS = {Level.PASS: ("✓", "green"), Level.WARN: ("!", "yellow"), Level.STOP: ("✗", "bold red")}
PLACES = {"local": "this machine", "hub": "HF Jobs"}


class StartDialog(Modal[tuple[str, RunSpec, tuple[str, ...]] | None]):
    """Returns the engine's name, the run's specification and follow-up steps (`core.runs.chain.STEPS`), or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "start", "Start", priority=True),
        Binding("tab", "elsewhere", "Switch between this machine and Jobs", priority=True),
        Binding("b", "beside", "Run in parallel, or wait for other runs"),
        Binding("n", "then", "Compare the models afterwards, or not"),
        Binding("escape,q", "leave", "Cancel without starting"),
        Binding("up,k", "scroll(-1)", "Up", show=False),
        Binding("down,j", "scroll(1)", "Down", show=False),
    ]

    def __init__(self, project: Project, services: Services) -> None:
        super().__init__()
        self._project = project
        self._engines = list(services.engines)
        self._engine = self._engines[0]
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
            self._engine = wanted if wanted in self._engines else self._engine
        self._look()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    @work(exclusive=True)
    async def _look(self) -> None:
        """Builds the specification from the current files, then runs the checks."""
        self._spec, self._facts, self._checks, self._problem = None, None, [], None
        self._draw()
        try:
            spec = make_spec(self._project, self._engine)
            if self._engine == "local":
                free = free_output_dir(Path(spec.output_dir))
                if free != Path(spec.output_dir):
                    spec = make_spec(self._project, self._engine, output_dir=_inside(self._project, free))
            self._facts = await gather(self._project, self._engine, spec)
            self._checks = preflight(self._facts)
            self._spec = spec
        except SmoltuiError as error:
            self._problem = error
        self._draw()

    def _draw(self) -> None:
        text = Text()
        text.append("Train ", "bold").append(safe_line(self._project.name, 40), "bold")
        text.append("  on ")
        for name in self._engines:
            text.append(f" {PLACES.get(name, name)} ", "reverse" if name == self._engine else "dim").append(" ")
        text.append("\n")
        # At the top, since the list below may be longer than the terminal.
        text.append_text(_in_lines(self._keys(), self._width)).append("\n\n")
        if self._problem is not None:
            text.append(safe(redact(str(self._problem)), 1000), "red")
        elif self._facts is None or self._spec is None:
            text.append("checking…", "dim")
        else:
            self._draw_plan(text, self._facts, self._spec)
        self.query_one("#start-text", Static).update(text)

    @property
    def _width(self) -> int:
        """Cells for the text, less one for a scroll bar that may appear; 0 or less before the first layout."""
        return self.query_one("#start-text").size.width - 1

    def _keys(self) -> list[Text]:
        """The keys that work now and what each of them does."""
        keys: list[tuple[str, str]] = []
        if self._may_start:
            keys.append(("enter", "start"))
        if len(self._engines) > 1:
            name = self._next_engine
            keys.append(("tab", f"switch to {PLACES.get(name, name)}"))
        if self._engine == "local":
            keys.append(("b", "run in parallel" if self._beside else "queue: wait for other runs"))
        keys.append(("n", "afterwards: compare the models" if self._then else "afterwards: nothing"))
        keys.append(("esc", "cancel"))
        items = [Text().append(f" {key} ", "reverse").append(f" {words}") for key, words in keys]
        if self._checks and not self._may_start:
            items.insert(0, Text("Fix the ✗ lines first.", "red"))
        return items

    def _draw_plan(self, text: Text, facts: Facts, spec: RunSpec) -> None:
        rows = [
            ("model", str(facts.values.get("model_name_or_path", "–"))),
            ("plan", facts.summary.sentence),
            ("output", self._goes_to(facts, spec)),
        ]
        if self._engine != "local":
            rate = f" · {price(facts.flavor)}" if facts.flavor else ""
            rows.append(("flavor", f"{spec.flavor}{rate}"))
            rows.append(("timeout", as_time(spec.timeout_seconds)))
            worst = worst_cost(facts.flavor, spec.timeout_seconds or 0) if facts.flavor else None
            rows.append(("costs at most", usd(worst)))
        for name, value in rows:
            self._add(text, Text(f"{name:<{LABEL_WIDTH}}", "dim"), Text(safe_line(redact(value), 300)))
        text.append("\n")
        for check in sorted(self._checks, key=lambda check: list(MARKS).index(check.level), reverse=True):
            mark, style = MARKS[check.level]
            self._add(text, Text(f"{mark} ", style), Text(safe_line(redact(check.sentence), 400)))
            if check.mend:
                self._add(text, Text("  "), Text(safe_line(redact(check.mend), 300), "dim"))

    def _add(self, text: Text, label: Text, value: Text) -> None:
        """Appends a label and a value; further lines of the value are indented as far as the first."""
        width = self._width - label.cell_len
        lines = value.wrap(self.app.console, width) if width > 0 else [value]
        for place, line in enumerate(lines):
            text.append_text(Text(" " * label.cell_len) if place else label).append_text(line).append("\n")

    def _goes_to(self, facts: Facts, spec: RunSpec) -> str:
        if self._engine == "local":
            return shown_path(spec.output_dir)
        pushed = facts.values.get("push_to_hub") and facts.values.get("hub_model_id")
        return str(pushed or "model will be LOST: push_to_hub is off")

    @property
    def _may_start(self) -> bool:
        return self._spec is not None and may_start(self._checks)

    def action_start(self) -> None:
        if self._may_start and self._spec is not None:
            checks = tuple(f"{MARKS[check.level][0]} {check.sentence}" for check in self._checks)
            spec = replace(self._spec, side_by_side=self._beside and self._engine == "local", checks=checks)
            self.dismiss((self._engine, spec, ("ask",) if self._then else ()))

    def action_elsewhere(self) -> None:
        self._engine = self._next_engine
        self._look()

    @property
    def _next_engine(self) -> str:
        return self._engines[(self._engines.index(self._engine) + 1) % len(self._engines)]

    def action_beside(self) -> None:
        """Switches between starting at once and waiting for other runs on this machine."""
        if self._engine == "local":
            self._beside = not self._beside
            self._draw()

    def action_then(self) -> None:
        """Switches whether both models answer the project's prompts once the run is COMPLETED."""
        self._then = not self._then
        self._draw()

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_scroll(self, by: int) -> None:
        self.query_one("#start-dialog", VerticalScroll).scroll_relative(y=by, animate=False)


def _in_lines(items: list[Text], width: int) -> Text:
    """The items in lines of `width` cells, none of them broken; in one line if `width` is not positive."""
    text, used = Text(), 0
    for item in items:
        if used and 0 < width < used + KEY_GAP + item.cell_len:
            text.append("\n")
            used = 0
        elif used:
            text.append(" " * KEY_GAP)
            used += KEY_GAP
        text.append_text(item)
        used += item.cell_len
    return text


def _inside(project: Project, folder: Path) -> str:
    """A folder as the recipe should name it: relative if it is inside the project."""
    return str(folder.relative_to(project.folder)) if folder.is_relative_to(project.folder) else str(folder)
