"""Benchmarks of a run's models: choose tasks, see what they do and cost, start them, read the results."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events as textual_events
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from smoltui.backends.evaluation import answers, benchmark_jobs, benchmark_plan, benchmark_results
from smoltui.backends.evaluation.benchmark_plan import BOTH, MODELS, BenchmarkPlan, Wishes
from smoltui.backends.evaluation.benchmark_preflight import Checked, check_benchmark
from smoltui.backends.evaluation.benchmark_run import run_here
from smoltui.backends.runs import store as run_store
from smoltui.backends.runs.spec import new_label
from smoltui.backends.system.threads import in_thread
from smoltui.core.evaluation.benchmark_result import BenchmarkResult
from smoltui.core.evaluation.benchmark_table import tables
from smoltui.core.evaluation.benchmark_tasks import Harness, Task, task_table
from smoltui.core.evaluation.figures import ALIGNED
from smoltui.core.runs.cost import usd
from smoltui.core.runs.events import Event, LogLine
from smoltui.core.runs.log_text import LogLine as ShownLine
from smoltui.core.runs.log_text import collapsed
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.place import Place
from smoltui.core.runs.run import Run
from smoltui.errors import SmoltuiError, UnreachableError
from smoltui.safe_text import redact, safe, safe_line
from smoltui.screens.dialogs import Confirm
from smoltui.screens.evaluate.benchmark_list import BenchmarkList
from smoltui.screens.evaluate.benchmark_text import checks_text, results_text, section, task_text
from smoltui.screens.room import LOADING_RUNS, Room
from smoltui.widgets.page import Page

if TYPE_CHECKING:
    from smoltui.backends.runs.engine import Engine

SCREEN = "benchmarks"
"""Name under which the app keeps the view, so that a benchmark goes on while it is closed."""
REHEARSAL = 10
"""Questions of each task in a rehearsal."""
DRAW_SECONDS = 0.25
"""The log is drawn at most four times per second."""
CHECK_AFTER_SECONDS = 0.3
"""Delay before a changed choice is checked, so that several keys are checked once."""
LOG_LINES = 8
"""Lines of the log that are shown."""


@dataclass(slots=True)
class _Loaded:
    """What the view shows of a run."""

    candidates: list[Run]
    run: Run | None
    tasks: tuple[str, ...]
    """Default tasks of the place."""
    kept: list[BenchmarkResult]
    problem: SmoltuiError | None = None
    """Why the kept results can't be read."""


def open_benchmarks(room: Room) -> None:
    """Opens the view over a room; it stays in memory when it is closed."""
    if not room.app.is_screen_installed(SCREEN):
        room.app.install_screen(BenchmarksView(), SCREEN)
    room.app.push_screen(SCREEN)


class BenchmarksView(Room):
    """One line per task, and below it the checks, the command and the results."""

    MODE = "evaluate"
    CSS_PATH = "benchmarks.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "start", "Run"),
        Binding("space", "mark", "Mark"),
        Binding("tab", "place", "Where"),
        Binding("b", "models", "Which models"),
        Binding("d", "rehearse", "Rehearsal"),
        Binding("x", "stop", "Stop"),
        Binding("y", "copy", "Copy command"),
        Binding("enter", "unfold", "Show all checks, or only open ones", show=False),
        Binding("r", "reload", "Reload", show=False),
        Binding("left_square_bracket", "other(1)", "Older run", key_display="[", show=False),
        Binding("right_square_bracket", "other(-1)", "Newer run", key_display="]", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("g,home", "end(-1)", "First task", show=False),
        Binding("G,end", "end(1)", "Last task", show=False),
        Binding("pagedown,ctrl+d", "scroll(1)", "Scroll the text below down", show=False),
        Binding("pageup,ctrl+u", "scroll(-1)", "Scroll the text below up", show=False),
        Binding("escape,q", "leave", "Back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._loaded: _Loaded | None = None
        self._wish: str | None = None
        """Id of the run; None: the newest."""
        self._place: Place | None = None
        self._models: str | None = None
        """One of `MODELS`; None: the default of the place."""
        self._rehearses = self._unfolded = False
        self._marked: dict[str, tuple[str, ...]] = {}
        """Place → marked task strings."""
        self._checked: Checked | None = None
        self._problem: SmoltuiError | None = None
        """Why there is no plan."""
        self._busy = ""
        """Role of the model that is being benchmarked here; empty while none is."""
        self._begun = 0.0
        self._lines: deque[ShownLine] = deque(maxlen=200)
        self._outcome = ""
        self._unread: set[str] = set()
        """Jobs whose results could not be read: they are not asked for again until `r`."""

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

    def on_screen_resume(self) -> None:
        if self._loaded is not None:
            self._load()

    def on_resize(self, event: textual_events.Resize) -> None:
        self.set_class(event.size.height < 16, "tiny")
        self.call_after_refresh(self._draw)

    # -- what is chosen

    @property
    def _places(self) -> list[Place]:
        """Where a benchmark can run."""
        return [place for place in self.workspace.services.places if place.here or "commands" in place.can]

    @property
    def _where(self) -> Place | None:
        return self._place or next(iter(self._places), None)

    @property
    def _harness(self) -> Harness | None:
        where = self._where
        return None if where is None else benchmark_plan.harness_for(where)

    @property
    def _tasks(self) -> list[Task | str]:
        """The tasks of the table, and those of smoltui.toml that it does not have."""
        harness, loaded = self._harness, self._loaded
        if harness is None or loaded is None:
            return []
        table = task_table()
        own = [text for text in loaded.tasks if table.find(harness, text) is None]
        return [*own, *table.of(harness)]

    @property
    def _chosen(self) -> tuple[str, ...]:
        """The marked tasks, in the order of the list."""
        marked = self._marks
        return tuple(text for task in self._tasks if (text := task if isinstance(task, str) else task.text) in marked)

    @property
    def _marks(self) -> tuple[str, ...]:
        where, loaded = self._where, self._loaded
        if where is None or loaded is None:
            return ()
        return self._marked.get(where.name, loaded.tasks)

    def _wishes(self) -> Wishes:
        return Wishes(self._chosen, self._models, REHEARSAL if self._rehearses else None)

    # -- loading and checking

    def _runs_changed(self, runs: dict[str, Run]) -> None:
        loaded = self._loaded
        known = [run.id for run in loaded.candidates] if loaded is not None else []
        finished = [run.id for run in runs.values() if run.is_final and run.model_path]
        if loaded is None or loaded.run is None or set(finished) - set(known):
            self._load()
        elif benchmark_jobs.unread(self._open_jobs(runs), loaded.run.id, loaded.kept):
            self._read_jobs()

    def _open_jobs(self, runs: dict[str, Run]) -> list[Run]:
        return [run for run in runs.values() if run.id not in self._unread]

    @work(group="load", exclusive=True)
    async def _load(self) -> None:
        runs, here, project = dict(self.workspace.runs), self.workspace.services.here, self.workspace.project
        harness = self._harness

        def read() -> _Loaded:
            candidates = answers.runs_with_models(runs, project, here)
            run = next((run for run in candidates if run.id == self._wish), candidates[0] if candidates else None)
            tasks = benchmark_plan.default_tasks(project.settings(), harness) if harness is not None else ()
            found = _Loaded(candidates, run, tasks, [])
            if run is not None:
                try:
                    found.kept = benchmark_results.kept(run_store.run_dir(run.id))
                except SmoltuiError as error:
                    found.problem = error
            return found

        try:
            self._loaded, self._problem = await in_thread(read), None
        except SmoltuiError as error:
            self._loaded, self._problem = None, error
        self._draw()
        self._check()
        if self._loaded is not None and self._loaded.run is not None:
            self._read_jobs()

    @work(group="check", exclusive=True)
    async def _check(self) -> None:
        """Makes the plan of what is chosen and checks it."""
        loaded, where = self._loaded, self._where
        if loaded is None or where is None:
            return
        self._checked = None
        self._draw()
        await asyncio.sleep(CHECK_AFTER_SECONDS)
        project, run, wishes = self.workspace.project, loaded.run, self._wishes()
        try:
            plan = await in_thread(lambda: benchmark_plan.make_plan(project, run, where, wishes))
            self._checked, self._problem = await check_benchmark(plan, self._engine(where)), None
        except SmoltuiError as error:
            self._problem = error
        self._draw()

    def _engine(self, place: Place) -> Engine:
        return self.workspace.services.named(place.name)

    @work(group="read", exclusive=True)
    async def _read_jobs(self) -> None:
        """Reads the results of Jobs that have completed, and keeps them with the run."""
        loaded = self._loaded
        if loaded is None or (run := loaded.run) is None:
            return
        folder = run_store.run_dir(run.id)
        for job in benchmark_jobs.unread(self._open_jobs(dict(self.workspace.runs)), run.id, loaded.kept):
            try:
                result = await in_thread(lambda job=job: benchmark_jobs.read_job(job))  # type: ignore[misc]
                await in_thread(lambda result=result: benchmark_results.keep(folder, result))  # type: ignore[misc]
                loaded.kept = await in_thread(lambda: benchmark_results.kept(folder))
                self.say(f"Results of the Job {job.id} are saved with the run")
            except SmoltuiError as error:
                self._unread.add(job.id)
                self.say(error)
            self._draw()

    # -- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disables the actions that are not available now."""
        loaded, can = self._loaded, True
        if action == "start":
            can = not self._busy and self._checked is not None and self._checked.may_start
        elif action == "stop":
            can = bool(self._busy)
        elif action in ("mark", "models", "rehearse"):
            can = loaded is not None
        elif action == "place":
            can = len(self._places) > 1
        elif action == "copy":
            can = self._checked is not None
        elif action == "other":
            can = not self._busy and loaded is not None and len(loaded.candidates) > 1
        return True if can else None

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

    @property
    def _models_now(self) -> str:
        where = self._where
        return self._models or (ALIGNED if where is not None and where.pays else BOTH)

    def action_rehearse(self) -> None:
        """Only the first questions of each task, or all of them."""
        self._rehearses = not self._rehearses
        self._check()

    def action_unfold(self) -> None:
        self._unfolded = not self._unfolded
        self._draw()

    def action_reload(self) -> None:
        self._unread.clear()
        self._load()

    def action_other(self, step: int) -> None:
        loaded = self._loaded
        if loaded is None or loaded.run is None:
            return
        ids = [run.id for run in loaded.candidates]
        self._wish = ids[(ids.index(loaded.run.id) + step) % len(ids)]
        self._outcome = ""
        self._load()

    def action_copy(self) -> None:
        if self._checked is not None:
            self.app.copy_to_clipboard("\n".join(redact(item.shown) for item in self._checked.plan.items))
            self.say("Command copied (if nothing arrives, your terminal blocks OSC 52)")

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

    # -- running

    def action_start(self) -> None:
        checked = self._checked
        if checked is None or self._busy or not checked.may_start:
            return
        if not checked.plan.place.pays:
            self._run(checked.plan)
            return
        number = len(checked.plan.items)
        what = "this Job" if number == 1 else f"these {number} Jobs"
        costs = f"Costs at most {usd(checked.most_usd)}; {_estimated(checked)}."
        lines = [costs, *(f"{item.role}: {item.command.model}" for item in checked.plan.items)]
        if self._rehearses:
            lines.insert(0, "A rehearsal: its figures can't be submitted.")
        labels = [new_label() for _ in checked.plan.items]

        def answered(yes: bool | None) -> None:
            if yes:
                self._start_jobs(checked.plan, labels)

        self.app.push_screen(Confirm(f"Start {what}?", "\n".join(lines), "start", "cancel"), answered)

    @work(group="submit")
    async def _start_jobs(self, plan: BenchmarkPlan, labels: list[str]) -> None:
        """Starts one Job per model; the same labels again never start a second one."""
        started = []
        try:
            for item, label in zip(plan.items, labels, strict=True):
                job = await benchmark_jobs.start(self._engine(plan.place), plan, item, label)
                self.workspace.take_run(job)
                started.append(job.id)
        except UnreachableError as error:
            self._ask_again(plan, labels, error)
            return
        except SmoltuiError as error:
            self.say(error)
            return
        finally:
            self._outcome = f"Started: {', '.join(started)}. Press 4 to follow the log." if started else self._outcome
            self._draw()

    def _ask_again(self, plan: BenchmarkPlan, labels: list[str], error: UnreachableError) -> None:
        def answered(again: bool | None) -> None:
            if again:
                self._start_jobs(plan, labels)

        looks = "Trying again first looks for the Job by its label, so it is not started twice."
        self.app.push_screen(Confirm(f"{error.message}.", f"{error.hint}\n\n{looks}", "try again", "cancel"), answered)

    @work(group="benchmark", exclusive=True)
    async def _run(self, plan: BenchmarkPlan) -> None:
        """Runs lm_eval on one model after the other. The view may be closed meanwhile."""
        date, self._begun, self._outcome = answers.today(), time.monotonic(), ""
        self._lines.clear()
        unkept: list[BenchmarkResult] = []
        try:
            for item in plan.items:
                self._busy = item.role
                self.refresh_bindings()
                async with aclosing(run_here(plan, item, date=date)) as stream:
                    async for event in stream:
                        if isinstance(event, BenchmarkResult):
                            unkept += [event] if plan.folder is None else []
                        else:
                            self._take(event)
            took = as_time(time.monotonic() - self._begun)
            self._outcome = f"Benchmark done in {took}."
            if not self.is_current:
                self.workspace.say(f"Benchmark of {plan.run.name if plan.run else plan.project.name}: done in {took}")
        except SmoltuiError as error:
            self._outcome = " → ".join(filter(None, (error.message, error.hint)))
            self.say(error)
        except asyncio.CancelledError:
            self._outcome = "Stopped. The results of models that were finished are kept."
            raise
        finally:
            self._busy = ""
            if self.is_attached:
                await self._reread(plan, unkept)

    async def _reread(self, plan: BenchmarkPlan, unkept: list[BenchmarkResult]) -> None:
        """Shows what is kept now, with `unkept` if there is no run to keep it with."""
        loaded, folder = self._loaded, plan.folder
        if loaded is not None and (loaded.run and loaded.run.id) == (plan.run and plan.run.id):
            try:
                loaded.kept = [*loaded.kept, *unkept] if folder is None else benchmark_results.kept(folder)
            except SmoltuiError as error:
                loaded.problem = error
        self.refresh_bindings()
        self._draw()

    def _take(self, event: Event) -> None:
        if isinstance(event, LogLine) and event.text.strip():
            self._lines.append(ShownLine(redact(event.text)))

    def action_stop(self) -> None:
        def answered(yes: bool | None) -> None:
            if yes:
                self.workers.cancel_group(self, "benchmark")

        done = "What was computed of this model is lost; a model that was finished is kept."
        self.app.push_screen(Confirm("Stop the benchmark?", done, "stop", "keep it running"), answered)

    # -- drawing

    def _tick(self) -> None:
        if self._busy and self.is_current:
            self._draw_status()
            self._draw_text()

    def _draw(self) -> None:
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
        loaded, where, harness = self._loaded, self._where, self._harness
        text = Text(no_wrap=True, overflow="ellipsis")
        run = loaded.run if loaded is not None else None
        text.append("Benchmarks  ", "bold")
        if loaded is not None and run is not None:
            at = [candidate.id for candidate in loaded.candidates].index(run.id) + 1
            several = f" · {at} of {len(loaded.candidates)}, [ and ] switch runs" if len(loaded.candidates) > 1 else ""
            text.append(safe_line(f"{run.name} {run.id}{several}", 120))
        elif loaded is not None:
            reading = self.workspace.monitor.reading
            text.append(LOADING_RUNS if reading else "no run of this project has produced a model")
        if where is not None and harness is not None:
            questions = f"REHEARSAL, first {REHEARSAL}" if self._rehearses else "all"
            text.append("\n")
            for label, value in (
                ("where", f"{where.title}, {harness.value}"),
                ("models", self._models_now),
                ("questions", questions),
            ):
                text.append(f"{label} ", "dim").append(f"{safe_line(value, 60)}   ")
        self.query_one("#bench-head", Static).update(text)

    def _draw_status(self) -> None:
        self.query_one("#bench-status", Static).update(Text(safe_line(redact(self._status()), 400)))

    def _status(self) -> str:
        loaded = self._loaded
        if self._busy:
            took = as_time(time.monotonic() - self._begun)
            return f"Benchmarking the {self._busy} model, {took}. x stops it; esc leaves it running."
        if self._problem is not None:
            return " → ".join(filter(None, (self._problem.message, self._problem.hint)))
        if loaded is None:
            return "Loading the project…"
        if self._outcome:
            return self._outcome
        active = benchmark_jobs.active(self.workspace.runs.values(), loaded.run.id) if loaded.run is not None else []
        if active:
            return f"{len(active)} running as {active[0].id}. Press 4 to follow; results are read when it has ended."
        checked = self._checked
        if checked is None:
            return "Checking…"
        if not checked.may_start:
            return "Fix the ✗ lines first."
        if checked.plan.place.pays:
            return f"Press a to start: costs at most {usd(checked.most_usd)}, {_estimated(checked)}."
        return "Press a to run here, free. Time depends on this machine: try a rehearsal (d) first."

    def _draw_text(self) -> None:
        loaded, checked = self._loaded, self._checked
        width = self.query_one("#bench-page").size.width - 3
        text = task_text(self.query_one(BenchmarkList).current, task_table()).append("\n\n")
        if self._lines:
            lines = collapsed(list(self._lines))[-LOG_LINES:]
            text.append_text(section("Log", Text("\n".join(safe_line(line.text, max(width, 20)) for line in lines))))
        if checked is not None and not self._busy:
            checks = checks_text(checked.checks, unfolded=self._unfolded)
            text.append_text(section("Checks  (enter shows all)" if not self._unfolded else "Checks", checks))
        if loaded is not None:
            body = results_text(tables(loaded.kept), width)
            if loaded.problem is not None:
                body = Text(safe(redact(str(loaded.problem)), 600), "red").append("\n")
            text.append_text(section("Results", body))
        if checked is not None:
            commands = Text("\n".join(f"{item.role}: {safe(redact(item.shown), 3000)}" for item in checked.plan.items))
            text.append("\n").append_text(section("Command  (y copies)", commands))
            if checked.plan.place.pays:
                text.append(task_table().how_estimated, "dim")
        self.query_one("#bench-text", Static).update(text)


def _estimated(checked: Checked) -> str:
    minutes = checked.minutes
    return "no estimate of the time" if minutes is None else f"estimated {as_time(minutes * 60)}"
