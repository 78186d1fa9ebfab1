"""Benchmarks of a run's models: choose tasks, see what they do and cost, start them, read the results."""

from __future__ import annotations

import time
from string import digits
from typing import ClassVar

from rich.text import Text
from textual import events as textual_events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from smoltui.backends.evaluation import benchmark_jobs
from smoltui.backends.evaluation.benchmark_plan import MODELS
from smoltui.core.evaluation.benchmark_table import tables
from smoltui.core.evaluation.benchmark_tasks import task_table
from smoltui.core.meanings.shown import CARDS_OF
from smoltui.core.runs.cost import usd
from smoltui.core.runs.log_text import collapsed
from smoltui.core.runs.pace import as_time
from smoltui.safe_text import redact, safe, safe_line
from smoltui.screens.copying import Copied, choose_what_to_copy, copy
from smoltui.screens.evaluate.benchmark_acting import BenchmarkActing, estimated
from smoltui.screens.evaluate.benchmark_choice import REHEARSAL
from smoltui.screens.evaluate.benchmark_list import BenchmarkList
from smoltui.screens.evaluate.benchmark_text import checks_text, results_text, section, task_text
from smoltui.screens.room import LOADING_RUNS, Room, hint_of
from smoltui.widgets.actions import bindings, in_own_keys
from smoltui.widgets.next_step import next_step
from smoltui.widgets.page import Page

SCREEN = "benchmarks"
"""Name under which the app keeps the view, so that a benchmark continues while it is closed."""
DRAW_SECONDS = 0.25
"""The log is drawn at most four times per second."""
NARROW = 60
"""Columns below which what is chosen is shown without labels."""
LOG_LINES = 8
"""Lines of the log that are shown."""


def open_benchmarks(room: Room) -> None:
    """Opens the view over a room; it stays in memory when it is closed."""
    if not room.app.is_screen_installed(SCREEN):
        room.app.install_screen(BenchmarksView(), SCREEN)
    room.app.push_screen(SCREEN)


class BenchmarksView(BenchmarkActing):
    """One line per task, and below it the checks, the command and the results."""

    MODE = "evaluate"
    CSS_PATH = "benchmarks.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("benchmarks")

    def compose_room(self) -> ComposeResult:
        yield Static(id="bench-head", markup=False)
        yield Static("Loading the project…", id="bench-status", markup=False)
        yield BenchmarkList(id="bench-tasks")
        with Page(id="bench-page", can_focus=False):
            yield Static(id="bench-text", markup=False)

    def on_mount(self) -> None:
        self.watch(self.app, "runs", self._runs_changed, init=False)
        self.set_interval(DRAW_SECONDS, self._tick)
        self._load()
        self._list_jobs()

    def on_screen_resume(self) -> None:
        if self._loaded is not None:
            self._load()

    def on_resize(self, event: textual_events.Resize) -> None:
        self.set_class(event.size.height < 16, "tiny")
        self.call_after_refresh(self.draw)

    def explained(self) -> tuple[str, ...]:
        return CARDS_OF["benchmarks"]

    # -- keys

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        loaded, checked = self._loaded, self._checked
        if action in ("start", "other") and self._busy:
            return "Benchmarks are running. Press x to stop them"
        if action in ("mark", "models", "rehearse", "start", "other", "copy", "copy_what") and loaded is None:
            return "The project is not loaded; the status line says why"
        if action == "start" and not (checked is not None and checked.may_start):
            return "Fix the lines marked ✗ first" if checked is not None else "The checks are still running"
        if action == "copy" and checked is None:
            return "The checks are still running"
        if action == "stop" and not self._busy:
            return "No benchmark is running"
        if action == "place" and len(self._places) < 2:
            return "There is only one place to run benchmarks"
        if action == "other" and loaded is not None and len(loaded.candidates) < 2:
            return "There is no other finished run in this project"
        return super().why_not(action, parameters)

    def action_mark(self) -> None:
        current, where = self.query_one(BenchmarkList).current, self._where
        if current is None or where is None:
            return
        text, marked = current if isinstance(current, str) else current.text, self._marks
        self._marked[where.name] = tuple(one for one in marked if one != text) if text in marked else (*marked, text)
        self._check()

    def action_place(self) -> None:
        """Switches between this machine and Jobs, and with them the harness."""
        places, where = self._places, self._where
        if where is None or not places:
            return
        self._place = places[(places.index(where) + 1) % len(places)]
        self.query_one(BenchmarkList).go(0)
        self._load()

    def action_models(self) -> None:
        at = MODELS.index(self._models_now)
        self._models = MODELS[(at + 1) % len(MODELS)]
        self._check()

    def action_rehearse(self) -> None:
        """Only the first questions of each task, or all of them."""
        self._rehearses = not self._rehearses
        self._check()

    def action_unfold(self) -> None:
        self._unfolded = not self._unfolded
        self.draw()

    def action_reload(self) -> None:
        self._unread.clear()
        self._load()
        self._list_jobs()

    def action_other(self, step: int) -> None:
        loaded = self._loaded
        if loaded is None or loaded.run is None:
            return
        ids = [run.id for run in loaded.candidates]
        self._wish = ids[(ids.index(loaded.run.id) + step) % len(ids)]
        self._outcome, self._failed = "", False
        self._load()

    def action_copy(self) -> None:
        if self._checked is not None:
            copy(self, "the command", "\n".join(redact(item.shown) for item in self._checked.plan.items))

    def action_copy_what(self) -> None:
        """Offers the task under the cursor and the commands, one by one."""
        task, items = self.query_one(BenchmarkList).current, self._checked.plan.items if self._checked else ()
        name = task if isinstance(task, str | None) else task.text
        one_by_one = [
            Copied(digit, f"the command for the {item.role} model", redact(item.shown))
            for digit, item in zip(digits[1:], items, strict=False)
        ]
        everything = "\n".join(one.text for one in one_by_one)
        choose_what_to_copy(
            self,
            [
                Copied("t", "the name of the task", name or ""),
                *one_by_one,
                Copied("c", "all commands", everything if len(one_by_one) > 1 else ""),
            ],
        )

    def action_move(self, by: int) -> None:
        self.query_one(BenchmarkList).move(by)
        self._draw_text()

    def action_end(self, which: int) -> None:
        self.query_one(BenchmarkList).go(len(self._tasks) if which > 0 else 0)
        self._draw_text()

    def action_scroll(self, pages: int) -> None:
        page = self.query_one("#bench-page", Page)
        page.scroll_relative(y=pages * max(page.size.height - 1, 1), animate=False)

    def action_leave(self) -> None:
        if self.is_current and len(self.app.screen_stack) > 1:
            self.app.pop_screen()

    # -- drawing

    def _tick(self) -> None:
        if self._busy and self.is_current:
            self._draw_status()
            self._draw_text()

    def draw(self) -> None:
        if not self.is_mounted:
            return
        self._draw_head()
        self._draw_status()
        flavor = self._flavor
        items = REHEARSAL if self._rehearses else None
        tasks, table = self._tasks, task_table()
        minutes = [
            None if flavor is None or isinstance(task, str) else table.minutes(task, flavor, items) for task in tasks
        ]
        self.query_one(BenchmarkList).show(tasks, self._marks, minutes)
        self._draw_text()
        self.refresh_bindings()

    @property
    def _flavor(self) -> str | None:
        """Hardware that times are estimated for; None on this machine."""
        commands = [item.command for item in self._checked.plan.items] if self._checked is not None else []
        return next((getattr(command, "flavor", None) for command in commands), None)

    def _draw_head(self) -> None:
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append("Benchmarks  ", "bold").append(self._run_words())
        if choices := self._choices():
            text.append("\n")
            for label, value in choices:
                text.append("" if self._narrow else f"{label} ", "dim").append(f"{safe_line(value, 60)}   ")
        self.query_one("#bench-head", Static).update(text)

    def _run_words(self) -> str:
        """The run, and its place among those that can be benchmarked; empty until they are read."""
        if self._loaded is None:
            return ""
        run, candidates = self._loaded.run, self._loaded.candidates
        if run is None:
            known = self.workspace.knows_runs_here
            return "no run of this project has produced a model" if known else LOADING_RUNS
        at = [candidate.id for candidate in candidates].index(run.id) + 1
        switch = in_own_keys(self, "[ and ] switch runs")
        several = f" · {at} of {len(candidates)}, {switch}" if len(candidates) > 1 else ""
        return safe_line(f"{run.name} {run.id}{several}", 120)

    @property
    def _narrow(self) -> bool:
        return self.size.width < NARROW

    def _choices(self) -> list[tuple[str, str]]:
        """What is chosen, with its label; empty until the project is read."""
        where, harness = self._where, self._harness
        if where is None or harness is None:
            return []
        parts = [("where", f"{where.title}, {harness.value}"), ("models", self._models_now)]
        questions = ("questions", f"REHEARSAL, first {REHEARSAL}" if self._rehearses else "all")
        # In a narrow terminal the end is cut off: there a rehearsal is said first.
        parts.insert(0 if self._narrow and self._rehearses else len(parts), questions)
        return parts

    def _draw_status(self) -> None:
        self.query_one("#bench-status", Static).update(Text(safe_line(redact(in_own_keys(self, self._status())), 400)))

    def _status(self) -> str:
        loaded = self._loaded
        if self._busy:
            took = as_time(time.monotonic() - self._begun)
            return f"Benchmarking the {self._busy} model, {took}. x stops it; esc leaves it running."
        if self._problem is not None:
            return " → ".join(filter(None, (self._problem.message, hint_of(self._problem))))
        if loaded is None:
            return "Loading the project…"
        if self._outcome:
            return f"{self._outcome} {next_step(self, self._end) if self._end is not None else ''}".strip()
        active = benchmark_jobs.active(self._jobs, loaded.run.id) if loaded.run is not None else []
        if active:
            return f"{len(active)} running as {active[0].id}. Press 4 to follow; results are read when it has ended."
        checked = self._checked
        if checked is None:
            return "Checking…"
        if not checked.may_start:
            return "Fix the ✗ lines first."
        if checked.plan.place.pays:
            return f"Press a to start: costs at most {usd(checked.most_usd)}, {estimated(checked)}."
        return "Press a to run here, free. Time depends on this machine: try a rehearsal (Q) first."

    def _draw_text(self) -> None:
        """What the task does, then what matters now: the log, what to fix, or the results."""
        checked = self._checked if not self._busy else None
        width = self.query_one("#bench-page").size.width - 3
        text = task_text(self.query_one(BenchmarkList).current, task_table()).append("\n\n")
        if self._busy or self._failed:
            lines = collapsed(list(self._lines))[-LOG_LINES:]
            text.append_text(section("Log", Text("\n".join(safe_line(line.text, max(width, 20)) for line in lines))))
        parts = [self._results(width)]
        if checked is not None:
            checks = checks_text(checked.checks, width, unfolded=self._unfolded)
            title = "Checks" if self._unfolded else in_own_keys(self, "Checks  (enter shows all)")
            parts.insert(0 if not checked.may_start else 1, section(title, checks))
            commands = Text("\n".join(f"{item.role}: {safe(redact(item.shown), 3000)}" for item in checked.plan.items))
            parts.append(section(in_own_keys(self, "Command  (y copies)"), commands))
            if checked.plan.place.pays:
                parts.append(Text(task_table().how_estimated, "dim"))
        self.query_one("#bench-text", Static).update(text.append_text(Text("\n").join(parts)))

    def _results(self, width: int) -> Text:
        loaded = self._loaded
        if loaded is None:
            return Text()
        if loaded.problem is not None:
            return section("Results", Text(safe(redact(str(loaded.problem)), 600), "red").append("\n"))
        return section("Results", results_text(tables(loaded.kept), width))
