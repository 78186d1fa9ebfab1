"""The hardware of Jobs: prices, memory, and whether the project's recipe fits."""

from __future__ import annotations

import time
from functools import partial
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
from smoltui.backends.runs.past_speeds import past_speeds
from smoltui.backends.services import Services
from smoltui.backends.system.threads import in_thread
from smoltui.core.machine.hardware import FlavorFit, device_bytes, fits, gb
from smoltui.core.meanings.shown import CARDS_OF
from smoltui.core.runs.cost import Flavor, limit_words, usd_span, worst_cost
from smoltui.core.runs.pace import as_span
from smoltui.core.runs.place import Place
from smoltui.core.settings.settings import JobSettings
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe, safe_line
from smoltui.screens.explaining import Explains
from smoltui.screens.modal import Modal
from smoltui.widgets.actions import bindings, shown_key

SHORT = {"fits": "fits", "tight": "tight", "slow": "slow", "no": "too big", "unknown": "?"}
"""`Fit.verdict` in a word."""
STYLES = {"fits": "green", "tight": "yellow", "slow": "red", "no": "red", "unknown": "dim"}


class HardwareDialog(Modal[None], Explains[None]):
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
        try:
            listing = await self._services.hardware(on)
        except SmoltuiError as error:
            target.update(self._closed_by(Text(f"{safe(redact(str(error)), 800)}\n", "red")))
            return
        if listing is None:
            target.update(self._closed_by(Text("There is no engine here that has hardware to choose from.\n", "dim")))
            return
        engine, listed, problem = listing
        try:
            found, jobs = await in_thread(partial(self._found, listed))
        except SmoltuiError as error:
            target.update(self._closed_by(hardware_text([], error.message, engine.place)))
            return
        target.update(self._closed_by(hardware_text(found, problem, engine.place, jobs)))

    def _closed_by(self, text: Text) -> Text:
        """The table with the key that closes the dialog."""
        return text.append(f"\n {shown_key(self, 'esc')} ", "reverse").append(" close")

    def _found(self, listed: list[Flavor]) -> tuple[list[FlavorFit], JobSettings]:
        """Each flavor with what the recipe comes to there, and the settings of Jobs. Reads the disk."""
        project, counts = self._project, self._services.counts
        values, settings = dict(load_project_recipe(project).values), project.settings()
        rows, sizes = counts.rows(project, values, settings), counts.measured(project, values, settings)
        shape = recipe_shape(project, values)
        return fits(listed, values, shape, rows, sizes=sizes, past=past_speeds), settings.jobs

    def action_scroll(self, by: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)

    def action_leave(self) -> None:
        self.dismiss(None)


def hardware_text(rows: list[FlavorFit], problem: str, place: Place, jobs: JobSettings | None = None) -> Text:
    """The table, cheapest first where it costs something. `jobs`: what a Job may take; None: it could not be read."""
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"Hardware of {place.title}, and whether the recipe fits\n\n", "bold")
    if problem:
        text.append(f"{safe_line(redact(problem), 300)}\n", "red" if not rows else "yellow")
    if not rows:
        return text
    name, pays = place.asks.get("flavor", "flavor"), place.pays
    head = f"{name:<16}{'each':>6}{'×':>3}{'USD/h' if pays else '':>7}  {'recipe':<8}{'time':<15}"
    head += f"{'USD':<11}{'at most':>7}" if pays else ""
    text.append(f"{head.rstrip()}\n", "bold dim")
    for row in rows:
        flavor, hour = row.flavor, row.flavor.usd_per_hour
        each = gb(device_bytes(flavor) if flavor.count else None)
        text.append(f"{safe_line(flavor.name, 15):<16}{each:>6}{flavor.count or '–':>3}")
        text.append(f"{'' if not pays else '?' if hour is None else f'{hour:.2f}':>7}  ")
        text.append(f"{SHORT[row.verdict]:<8}", STYLES.get(row.verdict, ""))
        if row.verdict in ("no", "slow"):
            text.append("\n")
            continue
        text.append(f"{as_span(row.took.low, row.took.high) if row.took else '–':<15}")
        if pays:
            text.append(f"{'–' if row.cost is None else usd_span(*row.cost).removesuffix(' USD'):<11}")
            most = worst_cost(flavor, jobs.timeout_seconds, jobs.attempts) if jobs is not None else None
            text.append(f"{'' if most is None else f'{most:.2f}':>7}")
        text.append("\n")
    if needed := next((row.needed for row in rows if row.flavor.count and row.needed is not None), None):
        text.append(f"\nThe recipe needs about {gb(needed)} on each accelerator.\n", "dim")
    if rows:
        at = time.strftime("%Y-%m-%d %H:%M", time.localtime(rows[0].flavor.listed_at))
        source, what = ("Prices from the Hub", "time and cost") if pays else ("Partitions", "and time")
        text.append(f"{source}, {at}. Memory{',' if pays else ''} {what} of this recipe are estimated.\n", "dim")
        if pays and jobs is not None:
            limit = limit_words(jobs.timeout_seconds, jobs.attempts)
            text.append(f"A Job is killed at its limit, now {limit}: it costs at most that.\n", "dim")
    return text
