"""Runs: local runs and Jobs in one list; curves, log and everything known of the one under the cursor."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from textual import events as textual_events
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, VerticalScroll
from textual.widgets import ContentSwitcher, Static

from smoltui.backends.runs.acts import STARTING
from smoltui.backends.runs.log_spool import LogSpool
from smoltui.backends.system.threads import in_thread
from smoltui.core.meanings import all_cards
from smoltui.core.meanings.shown import CARDS_OF
from smoltui.core.runs.panels import PANELS
from smoltui.core.runs.pausing import why_not_paused
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import SmoltuiError
from smoltui.screens.editing import page_file, page_text
from smoltui.screens.room import LOADING_RUNS, View
from smoltui.screens.runs.base import VIEWS as VIEW_NAMES
from smoltui.screens.runs.charting import CHARTS, SHORT, TINY
from smoltui.screens.runs.copying import Copying
from smoltui.screens.runs.exporting import Exporting
from smoltui.screens.runs.following import Following
from smoltui.screens.runs.json_tree import JsonTree
from smoltui.screens.runs.listing import Listing
from smoltui.screens.runs.log_tail import LogTail
from smoltui.screens.runs.log_view import LogView
from smoltui.screens.runs.metric_chart import MetricChart, Shown
from smoltui.screens.runs.opening_ports import OpeningPorts
from smoltui.screens.runs.run_list import RunList
from smoltui.screens.runs.stats_panel import StatsPanel
from smoltui.widgets.actions import bindings
from smoltui.widgets.ask_line import AskLine

VIEW_OF: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("follow", "hit"), ("log",)),
    **dict.fromkeys(("page", "cursor", "smooth", "range"), ("curves",)),
    "detail": ("curves", "inspect"),
    "pager": ("log", "inspect"),
}
"""Action → the views that it works in."""
VIEW_WORDS = {"curves": "the curves", "log": "the log", "inspect": "the details"}
ACTS_ON_RUNS = frozenset({"cancel", "pause", "rerun", "labels", "wait", "ask_models", "export", "fix", "ports"})
"""Actions on the marked runs, or on the one under the cursor."""


class RunsRoom(Listing, Following, Copying, OpeningPorts, Exporting):
    """The list above, one run below."""

    MODE = "runs"
    VIEWS = (
        View("c", "Curves", "view('curves')"),
        View("l", "Log", "view('log')"),
        View("i", "Inspect: all details", "view('inspect')"),
        View("u", "Usage: processor, memory, GPUs, network", "view('stats')"),
        View("p", "Plan of the run", "view('plan')"),
    )
    CSS_PATH = "runs.tcss"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = bindings("runs")

    def compose_room(self) -> ComposeResult:
        yield Static(id="run-heading", markup=False)
        yield RunList(LOADING_RUNS, id="run-list")
        yield Static(id="engine-note", markup=False)
        yield Static(id="run-head", markup=False)
        with ContentSwitcher(id="run-views", initial="curves"):
            with Container(id="curves"):
                with Container(id="charts"):
                    for place, chart in enumerate(CHARTS):
                        yield MetricChart(Shown(PANELS[place]), id=chart)
                yield Static(id="unseen", markup=False)
                yield LogTail(id="tail")
            yield LogView(LogSpool, id="log")
            with Container(id="inspect"):
                yield JsonTree()
                with VerticalScroll(id="inspect-scroll"):
                    yield Static(id="inspect-raw", markup=False)
            yield StatsPanel(id="stats")
            with VerticalScroll(id="plan"):
                yield Static(id="plan-text", markup=False)
        yield AskLine()

    def on_mount(self) -> None:
        listed = self.query_one(RunList)
        listed.facts = self.row_facts
        self.recall_order()
        self.watch(self.app, "runs", self.show_runs)
        self.watch(self.app, "runs_errors", self.show_errors)
        self.watch(self.query_one(LogView), "drawn_status", self._log_changed, init=False)
        listed.focus()
        self.set_interval(1.0, self._tick)

    def on_resize(self, event: textual_events.Resize) -> None:
        self.draw_heading()
        self.set_class(event.size.height < SHORT, "short")
        self.set_class(event.size.height < TINY, "tiny")
        self.set_class(event.size.width >= 100 and event.size.height >= SHORT, "roomy")
        self._draw_all()

    def _draw_all(self) -> None:
        if self._run is not None:
            self.show_head()
        self.draw_charts()

    def on_screen_resume(self) -> None:
        self.workspace.look_at_runs(jobs=True)
        self.read_again()

    def show_runs(self, runs: dict[str, Run]) -> None:
        super().show_runs(runs)
        self.follow_on()
        self.show_head()

    def _tick(self) -> None:
        if self.is_current:
            if self._unfolded:
                self.list_again()  # how the steps of a chain stand
            else:
                self.query_one(RunList).tick()
                self.draw_note()
            row = self.query_one(RunList).highlighted
            if self._run is not None or (row is not None and row.stage == STARTING):
                self.show_head()

    def show_run(self, run_id: str) -> None:
        self.query_one(ContentSwitcher).current = "curves"
        super().show_run(run_id)

    def _log_changed(self) -> None:
        if self.view == "log":
            self.show_head()

    def run_changed(self) -> None:
        self._look()

    def _look(self) -> None:
        """Loads what the view in front shows."""
        match self.view:
            case "inspect":
                self.inspect()
            case "stats":
                self.watch_stats()
            case "plan":
                self.show_plan()
            case "curves":
                self.draw_charts()
        if self.view != "stats":
            self.workers.cancel_group(self, "stats")

    def explained(self) -> tuple[str, ...]:
        """First the current chart, or what the reading rests on; then everything else that is shown."""
        shown = CARDS_OF[f"runs.{self.view}"]
        rules = [remark.rule for remark in self.reading.remarks] if self.reading is not None else []
        cards = [f"run:{rule}" if f"run:{rule}" in all_cards() else f"finding:{rule}" for rule in rules]
        if self.view != "curves":
            return (*shown, *cards)
        current = [f"metric:{key}" for key in self.current_panel.keys]
        panels = [f"metric:{key}" for panel in self.panels for key in panel.keys]
        return (*current, *cards, *panels, *shown)

    # -- keys

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        if not self.is_mounted:
            return ""
        if self.query_one(AskLine).asking and action != "back":
            return None
        if (views := VIEW_OF.get(action)) is not None and self.view not in views:
            return f"This works in {' and in '.join(VIEW_WORDS[view] for view in views)}. Press V to choose a view"
        if action in ACTS_ON_RUNS:
            runs = self.chosen()
            row = self.query_one(RunList).highlighted
            if not runs and row is not None and row.stage == STARTING:
                mark = self.workspace.acts.mark(row)
                removes = action == "cancel" and mark is not None and mark.failed
                return "" if removes else "This run has no id yet: it has not started"
            return self._why_not_on(action, runs) if runs else "No run is selected"
        return super().why_not(action, parameters)

    def _why_not_on(self, action: str, runs: list[Run]) -> str:
        """Why an action cannot be done to these runs; empty if it can."""
        if action == "ports" and not all("expose" in self.engine_of(run).place.can for run in runs):
            return "Only Jobs have ports that can be opened"
        if action in ("cancel", "wait", "ports") and all(run.is_final for run in runs):
            return "The run has already ended" if len(runs) == 1 else "These runs have already ended"
        lost = [run for run in runs if run.is_final and not run.resumable and self.engine_of(run).place.pays]
        if action == "pause" and lost and len(lost) == len(runs) and any(run.stage != Stage.COMPLETED for run in lost):
            return "No checkpoint of this Job is left to resume from. Press R to run it again"
        if action == "pause" and all(self.has_not_begun(run) for run in runs):
            return "The run is waiting, so there is nothing to pause. Press X to cancel it"
        going = [(run, self.engine_of(run).place) for run in self.going(runs)]
        if action == "pause" and (why := why_not_paused(going)):
            return why
        if action == "pause" and all(run.stage == Stage.COMPLETED for run in runs):
            return "The run is complete: there is nothing to pause or resume"
        if action == "ask_models" and not (self.known is not None and self.has_model(self.known)):
            return "Only a completed run of this project that has produced a model can be compared here"
        if action == "fix" and not (
            self.known is not None and self.known.project == str(self.workspace.project.folder)
        ):
            return "This run belongs to another project: its recipe is not open here"
        return ""

    def action_view(self, view: str) -> None:
        self.bring(view)
        self._look()
        if view == "log":
            self.query_one(LogView).focus()
        elif view == "plan":
            self.query_one("#plan").focus()
        elif view in ("curves", "stats"):
            self.query_one(RunList).focus()

    @on(textual_events.Click, "#run-heading")
    def _heading_clicked(self) -> None:
        self.action_sort()

    def action_next_view(self) -> None:
        self.action_view(VIEW_NAMES[(VIEW_NAMES.index(self.view) + 1) % len(VIEW_NAMES)])

    @property
    def has_view_in_front(self) -> bool:
        return self.has_class("tall") or self.has_class("full") or self.view != VIEW_NAMES[0]

    def close_view(self) -> None:
        if not self._end_zoom():
            self.action_view(VIEW_NAMES[0])

    @property
    def bar_words(self) -> dict[str, str]:
        runs = self.chosen()
        stopped = bool(runs) and all(run.is_final and run.stage != Stage.COMPLETED for run in runs)
        return {**super().bar_words, **({"runs.pause": "Resume"} if stopped else {})}

    def action_item(self, by: int) -> None:
        """The next or previous curve; in the other views the next or previous run."""
        if self.view == "curves":
            self.action_curve(by)
        else:
            self.query_one(RunList).action_move(by)

    def action_detail(self) -> None:
        """Zooms one chart; in the details, switches between a tree and raw JSON."""
        if self.view == "inspect":
            self.action_raw()
        else:
            self.action_zoom()

    def action_only(self) -> None:
        """In the log, shows only matching lines; elsewhere, only runs of this project."""
        if self.view != "log":
            self.show_only_own()
            return
        log = self.query_one(LogView)
        if log.searched_for or log.only_hits:
            log.filter_to_hits(not log.only_hits)
        else:
            self.say("No active search. Press / to search the log")

    def action_other_half(self) -> None:
        """Moves the focus between the list and what is below it."""
        listed = self.query_one(RunList)
        if not listed.has_focus:
            listed.focus()
        elif self.view == "log":
            self.query_one(LogView).focus()
        elif self.view == "plan":
            self.query_one("#plan").focus()
        elif self.view == "inspect":
            (self.query_one("#inspect-scroll") if self._raw else self.query_one(JsonTree)).focus()

    def action_zoom(self) -> None:
        """More room: for the view without the list, for one chart, for the list alone; then as before."""
        if self.has_class("tall"):
            self.remove_class("tall")
        elif not self.has_class("full"):
            self.add_class("full")
        elif self.view == "curves" and not self._zoomed:
            self._zoomed = True
        else:
            self._zoomed = False
            self.remove_class("full")
            self.add_class("tall")
            self.query_one(RunList).focus()
        self.draw_charts()
        self.refresh_bindings()

    def action_back(self) -> None:
        """Leaves the question, the search, the full view, the marks or the filter, whichever is active first."""
        line, log, listed = self.query_one(AskLine), self.query_one(LogView), self.query_one(RunList)
        if line.asking:
            line.stop()
        elif self.view == "log" and log.searched_for:
            log.end_search()
        elif (self.view == "curves" and self.hide_cursor()) or self._end_zoom():
            pass
        elif listed.marked:
            listed.unmark()
            self.draw_charts()
        elif self.filtered:
            self.show_all()
        else:
            listed.focus()

    def _end_zoom(self) -> bool:
        """Shows list and view as before; False if neither has more room now."""
        if self.has_class("tall"):
            self.remove_class("tall")
        elif self.has_class("full"):
            self._zoomed = False
            self.remove_class("full")
            self.query_one(RunList).focus()
            self.draw_charts()
        else:
            return False
        self.refresh_bindings()
        return True

    def action_refresh(self) -> None:
        self.workspace.look_at_runs(jobs=True)

    def action_find(self) -> None:
        """Searches the log while it is shown, and runs otherwise."""
        if self.view == "log":
            self.ask("find in log:", "text or /regular expression/", self._search)
        else:
            self.ask_filter()

    # -- the log

    def _search(self, text: str) -> None:
        self.query_one(LogView).search(text)

    @on(LogView.Failed)
    def _log_failed(self, message: LogView.Failed) -> None:
        self.say(message.error)

    def action_hit(self, direction: int) -> None:
        log = self.query_one(LogView)
        round_again = log.next_hit(direction)
        if round_again is None:
            self.say("No match yet" if log.searched_for else "No active search. Press / to search the log")
        elif round_again:
            self.say(f"Wrapped to the {'first' if direction > 0 else 'last'} match")

    def action_follow(self) -> None:
        log = self.query_one(LogView)
        log.follow = not log.follow
        if log.follow:
            log.action_bottom()
        self.say("Following the log" if log.follow else "Paused. Press F or G to follow")

    def action_pager(self) -> None:
        """Opens the log, or the inspected JSON, in $PAGER."""
        if self.view == "log":
            self._page_log()
        elif self._inspected:
            page_text(self, self.inspected_text())

    @work(group="save")
    async def _page_log(self) -> None:
        """The pager gets a file: a log can be long."""
        with TemporaryDirectory(prefix="smoltui-log-") as folder:
            path = Path(folder) / "log.txt"
            try:
                await in_thread(partial(self.query_one(LogView).save, path))
            except SmoltuiError as error:
                self.say(error)
                return
            page_file(self, path)
