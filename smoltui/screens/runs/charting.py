"""The charts of the selected run: which are shown, what is behind them, and the cursor that reads their values."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace

from rich.text import Text
from textual import work
from textual.widgets import Static

from smoltui.backends.system.threads import in_thread
from smoltui.core.runs.metrics import History, load_all
from smoltui.core.runs.panels import PANELS, Panel
from smoltui.core.runs.run import Run
from smoltui.screens.runs.base import RunsBase
from smoltui.screens.runs.metric_chart import WORDS_FROM, Curve, MetricChart, Shown, head
from smoltui.screens.runs.run_list import RunList
from smoltui.scripts.curve_remarks import percent

CHARTS = tuple(f"chart-{place}" for place in range(4))
SMOOTHINGS = (0.0, 0.6, 0.9)
"""Weights of `metrics.smoothed`, in the order in which a key cycles through them."""
SMALLEST_SHARE = 1 / 64
"""Smallest share of the steps that can be shown."""
MOST_BEHIND = 4
"""Maximum number of other runs in a chart: one per color."""
ALL_WORDS = WORDS_FROM - 1
"""Width of a legend in the line of values without a chart."""
SHORT, TINY, NARROW, ROW = 30, 16, 60, 140
"""Height below which two charts are shown, height and width below which one is, and width from which four are in a
row of a short room."""


class Charting(RunsBase):
    """One chart is current: h and l move from it, and its card is the one that enter opens."""

    def __init__(self) -> None:
        super().__init__()
        self._at = 0
        """Place in `PANELS` of the current chart."""
        self._zoomed = False
        """The current chart fills the view."""
        self._smoothing = 0
        self._share = 1.0
        self._cursor: int | None = None
        """Step whose values are read; None: the newest."""
        self._unseen = Text()
        """The line of values without a chart, as it was drawn last."""

    @property
    def shown_count(self) -> int:
        """Charts that the room shows at once."""
        width, height = self.size
        if self._zoomed or height < TINY or width < NARROW:
            return 1
        return 4 if height >= SHORT or width >= ROW else 2

    @property
    def panels(self) -> tuple[Panel, ...]:
        """The charts shown now, the current one among them."""
        count = self.shown_count
        first = self._at // count * count
        return PANELS[first : first + count]

    @property
    def current_panel(self) -> Panel:
        """The current chart."""
        return PANELS[self._at]

    def draw_charts(self) -> None:
        """Redraws the curves after a change of how they are shown."""
        run = self._run
        known = self.known
        # The log of a run that was just selected has not been read yet.
        self.draw_charts_of(known if run is not None and known is not None and not run.history.known else run)

    def draw_charts_of(self, run: Run | None) -> None:
        """Draws the charts of a run; nothing while another view is in front."""
        if self.view != "curves":
            return
        panels, count = self.panels, self.shown_count
        charts = self.query_one("#charts")
        for number in (1, 2, 4):
            charts.set_class(count == number, f"n{number}")
        charts.set_class(count == 4 and self.size.height < SHORT, "row")
        behind = self._runs_behind(run)
        for place, chart in enumerate(CHARTS):
            widget = self.query_one(f"#{chart}", MetricChart)
            if widget.display != (place < len(panels)):
                widget.display = place < len(panels)
            if place < len(panels):
                widget.show(self._shown(panels[place], run, behind))

        self._draw_rest_of_page(run, panels)

    def _draw_rest_of_page(self, run: Run | None, panels: tuple[Panel, ...]) -> None:
        """The values of the first page that have no chart, in a line below those that have one."""
        line = Text()
        if len(panels) == 2 and run is not None:
            rest = [self._shown(panel, run, []) for panel in PANELS[: len(CHARTS)] if panel not in panels]
            line = _values_line(rest)
            if line.cell_len > self.size.width:  # rather all values than what they mean
                line = _values_line([replace(shown, panel=replace(shown.panel, words="")) for shown in rest])
        below = self.query_one("#unseen", Static)
        if below.display != bool(line):
            below.display = bool(line)
        if line != self._unseen:
            self._unseen = line
            below.update(line, layout=False)

    def _shown(self, panel: Panel, run: Run | None, behind: list[Run]) -> Shown:
        series = run.history.series if run is not None else {}
        wanted = [name for key in panel.keys for name in (key, f"eval_{key}")]
        over = (self.known or run).is_final if run is not None else True
        return Shown(
            panel,
            {name: tuple(series[name]) for name in wanted if name in series},
            tuple(Curve(other.name, tuple(other.history.series.get(panel.key, ()))) for other in behind),
            SMOOTHINGS[self._smoothing],
            self._share,
            None if over or run is None else run.max_steps,
            self._cursor,
            panel is self.current_panel,
            tuple(run.history.holes) if run is not None else (),
        )

    def _runs_behind(self, run: Run | None) -> list[Run]:
        """The marked runs besides `run`, as many as are drawn; those whose curves are not loaded yet follow later."""
        marked = self.query_one(RunList).marked
        wanted = [other for other in self.workspace.runs.values() if other.id in marked]
        others = [other for other in wanted if run is None or other.id != run.id][:MOST_BEHIND]
        loaded = [other for other in others if other.history.loaded]
        if len(loaded) < len(others):
            self._load_curves([other.history for other in others])
        return loaded

    @work(group="curves behind", exclusive=True)
    async def _load_curves(self, histories: list[History]) -> None:
        await in_thread(lambda: load_all(histories))
        self.draw_charts()

    # -- keys

    def action_curve(self, by: int) -> None:
        """Makes the next chart the current one, on the next page if need be."""
        self._at = (self._at + by) % len(PANELS)
        self.draw_charts()

    def action_page(self, by: int) -> None:
        """Shows the next page of charts, or the next chart while one fills the view."""
        count = self.shown_count
        pages = -(-len(PANELS) // count)
        self._at = (self._at // count + by) % pages * count
        self.draw_charts()

    def action_smooth(self) -> None:
        self._smoothing = (self._smoothing + 1) % len(SMOOTHINGS)
        weight = SMOOTHINGS[self._smoothing]
        self.say(f"Smoothing curves, weight {weight:.1f}" if weight else "Curves without smoothing")
        self.draw_charts()

    def action_range(self, factor: float) -> None:
        """Shows fewer or more of the newest steps."""
        self._share = min(1.0, max(SMALLEST_SHARE, self._share * factor))
        self.say("Showing all steps" if self._share == 1 else f"Showing the last {percent(self._share)} of the steps")
        self.draw_charts()

    def action_cursor(self, by: int) -> None:
        """Moves the cursor by logged values of the current chart; it starts at the newest one."""
        run = self._run if self._run is not None and self._run.history.known else self.known
        series = run.history.series if run is not None else {}
        steps = [step for step, _ in series.get(self.current_panel.key, ())]
        if not steps:
            self.say("No values yet")
            return
        if self._cursor is None:
            place = len(steps) - 1
        elif by < 0:
            place = bisect_left(steps, self._cursor) + by
        else:
            place = bisect_right(steps, self._cursor) - 1 + by
        self._cursor = steps[min(max(place, 0), len(steps) - 1)]
        self.draw_charts()

    def hide_cursor(self) -> bool:
        """Shows the newest values again; False if they already are."""
        if self._cursor is None:
            return False
        self._cursor = None
        self.draw_charts()
        return True


def _values_line(rest: Sequence[Shown]) -> Text:
    """The values of charts that are not drawn."""
    line = Text(no_wrap=True, overflow="ellipsis")
    for shown in rest:
        line.append_text(head(shown, ALL_WORDS)).append(" ")
    return line
