"""The hardware of Jobs: prices, memory, and whether the project's recipe fits."""

from __future__ import annotations

import time
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_facts import recipe_shape
from smoltui.backends.project.recipe_file import load_project_recipe
from smoltui.backends.services import Services
from smoltui.backends.system.threads import in_thread
from smoltui.core.machine.hardware import FlavorFit, device_bytes, fits, gb
from smoltui.core.machine.model_shape import ModelShape
from smoltui.core.meanings.shown import CARDS_OF
from smoltui.core.runs.pace import as_span
from smoltui.core.runs.place import Place
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe, safe_line
from smoltui.screens.explaining import Explains
from smoltui.screens.modal import Modal
from smoltui.widgets.actions import bindings

SHORT = {"fits": "fits", "tight": "tight", "slow": "slow", "no": "too big", "unknown": "?"}
"""`Fit.verdict` in a word."""
STYLES = {"fits": "green", "tight": "yellow", "slow": "red", "no": "red", "unknown": "dim"}


class HardwareDialog(Explains[None], Modal[None]):
    """Read-only; choose a flavor in smoltui.toml or in the Recipe room."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("hardware")

    def __init__(self, project: Project, services: Services) -> None:
        super().__init__()
        self._project, self._services = project, services

    def explained(self) -> tuple[str, ...]:
        return CARDS_OF["hardware"]

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog wide"):
            yield Static(Text("Loading hardware…", "dim"), id="hardware", markup=False)

    def on_mount(self) -> None:
        self._look()

    @work(exclusive=True)
    async def _look(self) -> None:
        target = self.query_one("#hardware", Static)
        try:
            on = (await in_thread(self._project.settings)).on
        except SmoltuiError:
            on = ""  # the recipe's checks say what is wrong with it
        engine = self._services.able("hardware", on)
        if engine is None:
            target.update(Text("There is no engine here that has hardware to choose from.", "dim"))
            return
        try:
            listed = await engine.hardware()
        except SmoltuiError as error:
            target.update(Text(safe(redact(str(error)), 800), "red"))
            return
        problem = ""
        values: dict[str, object] = {}
        shape: ModelShape | None = None
        try:
            values, shape = await in_thread(self._recipe)
        except SmoltuiError as error:
            problem = error.message
        target.update(hardware_text(fits(listed, values, shape) if not problem else [], problem, engine.place))

    def _recipe(self) -> tuple[dict[str, object], ModelShape | None]:
        values = dict(load_project_recipe(self._project).values)
        return values, recipe_shape(self._project, values)

    def action_scroll(self, by: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)

    def action_leave(self) -> None:
        self.dismiss(None)


def hardware_text(rows: list[FlavorFit], problem: str, place: Place) -> Text:
    """The table, cheapest first where it costs something."""
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"Hardware of {place.title}, and whether the recipe fits\n\n", "bold")
    if problem:
        text.append(f"{safe_line(problem, 300)}\n", "red")
        return text
    head = f"{'flavor':<16}{'each':>7}{'×':>3}{'USD/h':>8}  {'recipe':<9}{'time':<17}{'USD':<14}"
    text.append(f"{head.rstrip()}\n", "bold dim")
    for row in rows:
        flavor, hour = row.flavor, row.flavor.usd_per_hour
        each = gb(device_bytes(flavor) if flavor.count else None)
        text.append(f"{safe_line(flavor.name, 15):<16}{each:>7}{flavor.count or '–':>3}")
        text.append(f"{'?' if hour is None else f'{hour:.2f}':>8}  ")
        text.append(f"{SHORT[row.verdict]:<9}", STYLES.get(row.verdict, ""))
        style = "dim" if row.verdict == "no" else ""
        text.append(f"{as_span(row.took.low, row.took.high) if row.took else '–':<17}", style)
        text.append(f"{'–' if row.cost is None else '{:.2f} – {:.2f}'.format(*row.cost)}\n", style)
    if needed := next((row.needed for row in rows if row.flavor.count and row.needed is not None), None):
        text.append(f"\nThe recipe needs about {gb(needed)} on each accelerator.\n", "dim")
    if rows:
        at = time.strftime("%Y-%m-%d %H:%M", time.localtime(rows[0].flavor.listed_at))
        source = "Prices from the Hub" if place.pays else "Partitions"
        text.append(f"{source}, {at}. Memory, time and cost of this recipe are estimated.\n", "dim")
    text.append("\n esc ", "reverse").append(" close")
    return text
