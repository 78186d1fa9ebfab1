"""Runs: local runs and Jobs in one list; curves, log and everything known of the one under the cursor."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from textual import events as textual_events
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.widgets import ContentSwitcher, Static

from smoltui.backends.runs.log_spool import LogSpool
from smoltui.backends.system.threads import in_thread
from smoltui.core.meanings import all_cards
from smoltui.core.meanings.shown import CARDS_OF
from smoltui.core.runs.panels import PANELS
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import SmoltuiError
from smoltui.screens.editing import page_file, page_text
from smoltui.screens.room import LOADING_RUNS
from smoltui.screens.runs.acting import Acting
from smoltui.screens.runs.asking import Asking
from smoltui.screens.runs.charting import CHARTS, SHORT, TINY
from smoltui.screens.runs.exporting import Exporting
from smoltui.screens.runs.following import Following
from smoltui.screens.runs.json_tree import JsonTree
from smoltui.screens.runs.listing import Listing
from smoltui.screens.runs.log_tail import LogTail
from smoltui.screens.runs.log_view import LogView
from smoltui.screens.runs.metric_chart import MetricChart, Shown
from smoltui.screens.runs.run_list import RunList
from smoltui.screens.runs.stats_panel import StatsPanel
from smoltui.widgets.ask_line import AskLine

VIEW_OF = {
    **dict.fromkeys(("follow", "hit", "only_hits"), "log"),
    **dict.fromkeys(("page", "curve", "cursor", "smooth", "range"), "curves"),
    "raw": "inspect",
}
"""Action → the view that it works in."""


class RunsRoom(Listing, Following, Asking, Acting, Exporting):
    """The list above, one run below."""

    MODE = "runs"
    CSS_PATH = "runs.tcss"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "view('curves')", "Curves"),
        Binding("l", "view('log')", "Log"),
        Binding("i", "view('inspect')", "Inspect"),
        Binding("slash", "find", "Find", key_display="/"),
        Binding("c", "cancel", "Cancel"),
        Binding("a", "ask_models", "Ask"),
        Binding("u", "view('stats')", "Usage"),
        Binding("p", "view('plan')", "Plan"),
        # Not in the bottom line, which has to fit in 80 columns. `?` lists all keys.
        Binding("enter", "explain", "Explain", show=False),
        Binding("escape", "back", "Back", show=False),
        Binding("tab", "other_half", "Switch between list and view", show=False),
        Binding("o", "unfold", "Show follow-up steps", show=False),
        Binding("s", "sort", "Sort by the next column", show=False),
        Binding("S", "reverse", "Reverse sort order", show=False),
        Binding("x", "pause", "Pause / resume", show=False),
        Binding("R", "rerun", "Run again", show=False),
        Binding("W", "wait", "Notify when finished", show=False),
        Binding("L", "labels", "Labels", show=False),
        Binding("O", "rules", "Warning rules", show=False),
        Binding("H", "hardware", "Job hardware and prices", show=False),
        Binding("T", "scheduled", "Scheduled Jobs", show=False),
        Binding("f", "follow", "Follow the end of the log", show=False),
        Binding("n", "hit(1)", "Next match in the log", show=False),
        Binding("N", "hit(-1)", "Previous match", key_display="N", show=False),
        Binding("F", "only_hits", "Only matching lines", show=False),
        Binding("E", "export", "Save a report or the log", show=False),
        Binding("P", "pager", "Open in the pager", show=False),
        Binding("y", "copy", "Copy", show=False),
        Binding("J", "raw", "Raw JSON", show=False),
        Binding("right_square_bracket", "page(1)", "Next charts", key_display="]", show=False),
        Binding("left_square_bracket", "page(-1)", "Previous charts", key_display="[", show=False),
        Binding("h,left", "curve(-1)", "Previous curve", show=False),
        Binding("right", "curve(1)", "Next curve", show=False),
        Binding("comma", "cursor(-1)", "Value before", key_display=",", show=False),
        Binding("full_stop", "cursor(1)", "Value after", key_display=".", show=False),
        Binding("less_than_sign", "cursor(-10)", "Ten values before", key_display="<", show=False),
        Binding("greater_than_sign", "cursor(10)", "Ten values after", key_display=">", show=False),
        Binding("z", "zoom", "Hide the list, then show one chart", show=False),
        Binding("m", "smooth", "Smooth curves", show=False),
        Binding("plus", "range(0.5)", "Fewer steps", key_display="+", show=False),
        Binding("minus", "range(2)", "More steps", key_display="-", show=False),
        Binding("r", "refresh", "Refresh", show=False),
    ]

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

    def show_runs(self, runs: dict[str, Run]) -> None:
        super().show_runs(runs)
        self.follow_on()
        if self._run is not None:
            self.show_head()

    def _tick(self) -> None:
        if self.is_current:
            if self._unfolded:
                self.list_again()  # how the steps of a chain stand
            else:
                self.query_one(RunList).tick()
                self.draw_note()
            if self._run is not None:
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

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if not self.is_mounted:
            return True
        if self.query_one(AskLine).asking and action != "back":
            return False
        view = VIEW_OF.get(action)
        works = self.view == view if view is not None else self._can(action)
        return works or None

    def _can(self, action: str) -> bool:
        """Whether an action that does not depend on the view has a run to act on."""
        match action:
            case "cancel":
                return any(not run.is_final for run in self.chosen())
            case "pause":
                return any(run.stage != Stage.COMPLETED for run in self.chosen())
            case "export":
                return self.known is not None
            case "rerun" | "labels" | "wait":
                return bool(self.chosen())
            case "ask_models":
                return self.known is not None and self._has_model_here(self.known)
        return True

    def _has_model_here(self, run: Run) -> bool:
        """Whether a run of this project has left a model on this machine."""
        ours = run.project == str(self.workspace.project.folder) and run.engine in self.workspace.services.here
        return ours and run.stage == Stage.COMPLETED

    def action_view(self, view: str) -> None:
        self.bring(view)
        self._look()
        if view == "log":
            self.query_one(LogView).focus()
        elif view == "plan":
            self.query_one("#plan").focus()
        elif view in ("curves", "stats"):
            self.query_one(RunList).focus()

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
        """More room for the view: without the list, then for one chart alone, then as before."""
        if not self.has_class("full"):
            self.add_class("full")
        elif self.view == "curves" and not self._zoomed:
            self._zoomed = True
        else:
            self._zoomed = False
            self.remove_class("full")
            self.query_one(RunList).focus()
        self.draw_charts()

    def action_back(self) -> None:
        """Leaves the question, the search, the full view, the marks or the filter, whichever is active first."""
        line, log, listed = self.query_one(AskLine), self.query_one(LogView), self.query_one(RunList)
        if line.asking:
            line.stop()
        elif self.view == "log" and log.searched_for:
            log.end_search()
        elif self.view == "curves" and self.hide_cursor():
            pass
        elif self.has_class("full"):
            self._zoomed = False
            self.remove_class("full")
            listed.focus()
            self.draw_charts()
        elif listed.marked:
            listed.unmark()
            self.draw_charts()
        elif self.filtered:
            self.filter_by("")
        else:
            listed.focus()

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

    def action_only_hits(self) -> None:
        log = self.query_one(LogView)
        log.filter_to_hits(not log.only_hits)

    def action_follow(self) -> None:
        log = self.query_one(LogView)
        log.follow = not log.follow
        if log.follow:
            log.action_bottom()
        self.say("Following the log" if log.follow else "Paused. Press f or G to follow")

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

    def action_copy(self) -> None:
        """Copies to the clipboard of the terminal, if it allows that (OSC 52)."""
        if self.view == "log":
            text, words = self.query_one(LogView).visible_text(), "The visible lines"
        elif self.view == "inspect":
            text, words = self.inspected_text(), "The JSON"
        elif self._run is not None:
            text, words = self._run.id, "The run id"
        else:
            return
        self.app.copy_to_clipboard(text)
        self.say(f"{words} copied (if nothing arrives, your terminal blocks OSC 52)")
