"""Confirms a run before it starts: what runs, where, the results of the checks, and its maximum cost."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from smoltui.backends.machine.train_extra import lm_eval_version
from smoltui.backends.project.project import Project
from smoltui.backends.runs.plan import Plan, make_plan
from smoltui.backends.runs.preflight import gather
from smoltui.backends.services import Services
from smoltui.backends.system.paths import shown_path
from smoltui.backends.system.threads import in_thread
from smoltui.core.preflight.preflight import Check, Facts, may_start, preflight
from smoltui.core.recipe import Level
from smoltui.core.runs.chain import HERE_ONLY
from smoltui.core.runs.cost import price, usd, worst_cost
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.place import Place, Target
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe, safe_line
from smoltui.screens.modal import Modal

LABEL_WIDTH = 14
AFTERWARDS: tuple[tuple[tuple[str, ...], str], ...] = (
    ((), "nothing"),
    (("ask",), "compare the models"),
    (("ask", "measure"), "compare, then measure"),
    (("ask", "measure", "benchmark"), "compare, measure, then benchmark"),
)
"""Follow-up steps that `n` offers, and their words."""
KEY_GAP = 3
"""Blanks between two keys."""
MARKS = {Level.PASS: ("✓", "green"), Level.WARN: ("!", "yellow"), Level.STOP: ("✗", "bold red")}


class StartDialog(Modal[tuple[Plan, tuple[str, ...]] | None]):
    """Returns what to run and the follow-up steps (`core.runs.chain.STEPS`), or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "start", "Start", priority=True),
        Binding("tab", "switch_engine", "Switch between this machine and Jobs", priority=True),
        Binding("b", "parallel", "Run in parallel, or wait for other runs"),
        Binding("n", "next_steps", "Choose what to do afterwards: compare, measure, benchmark"),
        Binding("escape,q", "leave", "Cancel without starting"),
        Binding("up,k", "scroll(-1)", "Up", show=False),
        Binding("down,j", "scroll(1)", "Down", show=False),
    ]

    def __init__(self, project: Project, services: Services, warning: str = "") -> None:
        super().__init__()
        self._warning = warning
        """Shown above the checks; empty: nothing."""
        self._project = project
        self._services = services
        self._places = services.places
        self._first: Place | None = None
        """Where it would run according to smoltui.toml; None until that was read."""
        self._moved = 0
        """How often `tab` was pressed since, even before that was known."""
        self._beside = False
        self._then = 0
        """Place in the steps that are offered."""
        self._plan: Plan | None = None
        self._facts: Facts | None = None
        self._checks: list[Check] = []
        self._problem: SmoltuiError | None = None

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", id="start-dialog"):
            yield Static(id="start-text", markup=False)

    def on_mount(self) -> None:
        self._look()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    @work(exclusive=True)
    async def _look(self) -> None:
        """Makes the plan from the current files, then runs the checks."""
        self._plan, self._facts, self._checks, self._problem = None, None, [], None
        self._draw()
        try:
            settings = await in_thread(self._project.settings)
            if self._first is None:
                self._first = self._services.default(settings.on).place
                self._draw()
            place = self._place or self._first
            plan = await make_plan(
                self._project, place, settings=settings, counts=self._services.counts, free_output=True
            )
            self._facts = await gather(plan, self._services.named(place.name))
            self._checks = preflight(self._facts)
            self._plan = plan
        except SmoltuiError as error:
            self._first = self._first or self._places[0]
            self._problem = error
        self._draw()

    def _draw(self) -> None:
        if not self.query("#start-text"):
            return  # it was left while the checks ran
        text = Text()
        text.append("Train ", "bold").append(safe_line(self._project.name, 40), "bold")
        text.append("  on ")
        for place in self._places:
            text.append(f" {safe_line(place.title, 40)} ", "reverse" if place == self._place else "dim").append(" ")
        text.append("\n")
        # At the top, since the checks may be longer than the terminal.
        text.append_text(_in_lines(self._keys(), self._width)).append("\n\n")
        if self._problem is not None:
            text.append(safe(redact(str(self._problem)), 1000), "red")
        elif self._facts is None or self._plan is None:
            text.append("checking…", "dim")
        else:
            self._draw_plan(text, self._facts, self._plan)
        self.query_one("#start-text", Static).update(text)

    @property
    def _width(self) -> int:
        """Cells for the text, reserving one for a scroll bar; 0 or less before the first layout."""
        return self.query_one("#start-text").size.width - 1

    def _keys(self) -> list[Text]:
        """The keys that work now, with what they do."""
        keys: list[tuple[str, str]] = []
        if self._may_start:
            keys.append(("enter", "start"))
        if self._place is not None and len(self._places) > 1:
            after = self._places[(self._places.index(self._place) + 1) % len(self._places)]
            keys.append(("tab", f"switch to {safe_line(after.title, 40)}"))
        if self._place is not None and self._place.here:
            keys.append(("b", "run in parallel" if self._beside else "queue: wait for other runs"))
        keys.append(("n", f"afterwards: {self._steps[1]}"))
        keys.append(("esc", "cancel"))
        items = [Text().append(f" {key} ", "reverse").append(f" {words}") for key, words in keys]
        if self._checks and not self._may_start:
            items.insert(0, Text("Fix the ✗ lines first.", "red"))
        return items

    def _draw_plan(self, text: Text, facts: Facts, plan: Plan) -> None:
        rows = [
            ("model", str(facts.values.get("model_name_or_path", "–"))),
            ("plan", facts.summary.sentence),
            ("output", self._goes_to(facts, plan)),
        ]
        if plan.place.pays:
            rate = f" · {price(facts.flavor)}" if facts.flavor else ""
            rows.append(("flavor", f"{plan.spec.flavor}{rate}"))
            rows.append(("timeout", as_time(plan.spec.timeout_seconds)))
            worst = worst_cost(facts.flavor, plan.spec.timeout_seconds or 0) if facts.flavor else None
            rows.append(("costs at most", usd(worst)))
        for name, value in rows:
            self._add(text, Text(f"{name:<{LABEL_WIDTH}}", "dim"), Text(safe_line(redact(value), 300)))
        text.append("\n")
        if self._warning:
            mark, style = MARKS[Level.WARN]
            self._add(text, Text(f"{mark} ", style), Text(safe_line(redact(self._warning), 400)))
        for check in sorted(self._checks, key=lambda check: list(MARKS).index(check.level), reverse=True):
            mark, style = MARKS[check.level]
            self._add(text, Text(f"{mark} ", style), Text(safe_line(redact(check.sentence), 400)))
            if check.next_step:
                self._add(text, Text("  "), Text(safe_line(redact(check.next_step), 300), "dim"))

    def _add(self, text: Text, label: Text, value: Text) -> None:
        """Appends a label and a value; further lines of the value are indented as far as the first."""
        width = self._width - label.cell_len
        lines = value.wrap(self.app.console, width) if width > 0 else [value]
        for place, line in enumerate(lines):
            text.append_text(Text(" " * label.cell_len) if place else label).append_text(line).append("\n")

    def _goes_to(self, facts: Facts, plan: Plan) -> str:
        if plan.place.target is Target.LOCAL:
            return shown_path(plan.spec.output_dir)
        pushed = facts.values.get("push_to_hub") and facts.values.get("hub_model_id")
        return str(pushed or "model will be LOST: push_to_hub is off")

    @property
    def _place(self) -> Place | None:
        """Where it would run; None until that is known."""
        if self._first is None:
            return None
        return self._places[(self._places.index(self._first) + self._moved) % len(self._places)]

    @property
    def _may_start(self) -> bool:
        return self._plan is not None and may_start(self._checks)

    def action_start(self) -> None:
        if self._may_start and self._plan is not None:
            checks = tuple(f"{MARKS[check.level][0]} {check.sentence}" for check in self._checks)
            beside = self._beside and self._plan.place.here
            spec = replace(self._plan.spec, side_by_side=beside, checks=checks)
            self.dismiss((replace(self._plan, spec=spec), self._steps[0]))

    def action_switch_engine(self) -> None:
        self._moved += 1
        self._look()

    def action_parallel(self) -> None:
        """Switches between starting at once and waiting for other runs on this machine."""
        if self._place is not None and self._place.here:
            self._beside = not self._beside
            self._draw()

    @property
    def _offered(self) -> list[tuple[tuple[str, ...], str]]:
        """What can be done afterwards: a benchmark only on this machine, and if lm_eval is installed."""
        here = self._place is not None and self._place.here and lm_eval_version() is not None
        return [entry for entry in AFTERWARDS if here or not HERE_ONLY & set(entry[0])]

    @property
    def _steps(self) -> tuple[tuple[str, ...], str]:
        """What is done afterwards, and its words."""
        return self._offered[min(self._then, len(self._offered) - 1)]

    def action_next_steps(self) -> None:
        """Chooses what is done once the run is COMPLETED."""
        self._then = (self._offered.index(self._steps) + 1) % len(self._offered)
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
