"""What the Benchmarks view is about: the run, the chosen tasks, where they run, and whether they may."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual import work

from smoltui.backends.evaluation import answers, benchmark_jobs, benchmark_plan, benchmark_results
from smoltui.backends.evaluation.benchmark_plan import BOTH, Wishes
from smoltui.backends.evaluation.benchmark_preflight import Checked, check_benchmark
from smoltui.backends.runs import store as run_store
from smoltui.backends.system.threads import in_thread
from smoltui.core.evaluation.benchmark_result import BenchmarkResult
from smoltui.core.evaluation.benchmark_tasks import Harness, Task, task_table
from smoltui.core.evaluation.figures import ALIGNED
from smoltui.core.guide.ends import End
from smoltui.core.runs.log_text import LogLine as ShownLine
from smoltui.core.runs.place import Place
from smoltui.core.runs.run import Run
from smoltui.errors import SmoltuiError
from smoltui.screens.room import Room

if TYPE_CHECKING:
    from smoltui.backends.runs.engine import Engine

REHEARSAL = 10
"""Questions of each task in a rehearsal."""
CHECK_AFTER_SECONDS = 0.3
"""Delay before a changed choice is checked, so that several keys are checked once."""


@dataclass(slots=True)
class Loaded:
    """What the view shows of a run."""

    candidates: list[Run]
    run: Run | None
    tasks: tuple[str, ...]
    """Default tasks of the place."""
    kept: list[BenchmarkResult]
    problem: SmoltuiError | None = None
    """Why the kept results can't be read."""


class BenchmarkChoice(Room):
    """The state of the view, and how it is loaded and checked. Subclasses draw it."""

    def __init__(self) -> None:
        super().__init__()
        self._loaded: Loaded | None = None
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
        self._end: End | None = None
        """What has just ended here; None for nothing."""
        self._failed = False
        """The newest benchmark failed: its log stays visible."""
        self._checked_for: tuple[object, ...] = ()
        """Run, place and wishes that `_checked` is for."""
        self._known: frozenset[tuple[str, str]] = frozenset()
        """Finished runs that were offered last: id, and place of the model."""
        self._listed: dict[str, Run] = {}
        """Jobs by id, as listed when the view was opened."""
        self._unread: set[str] = set()
        """Jobs whose results could not be read: they are not asked for again until `r`."""

    def draw(self) -> None:
        """Draws everything."""
        raise NotImplementedError

    # -- what is chosen

    @property
    def _places(self) -> list[Place]:
        """Where a benchmark can run."""
        return [place for place in self.workspace.services.places if place.here or "command" in place.can]

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
        known = frozenset((run.id, run.model_path or run.pushed_to or "") for run in runs.values() if run.is_final)
        if known != self._known:
            self._known = known
            self._load()
        elif loaded is None or loaded.run is None:
            self.draw()  # whether runs are still being loaded may have changed
        elif benchmark_jobs.unread(self._jobs, loaded.run.id, loaded.kept):
            self._read_jobs()

    @property
    def _jobs(self) -> list[Run]:
        """All runs that are known, except Jobs whose results could not be read."""
        known = {**self._listed, **self.workspace.runs}
        return [run for run in known.values() if run.id not in self._unread]

    @work(group="list", exclusive=True)
    async def _list_jobs(self) -> None:
        """Asks for the Jobs, which are otherwise listed only while the Runs room is in front."""
        for place in self._places:
            if not place.here:
                with suppress(SmoltuiError):  # the checks say why, once Jobs are chosen
                    self._listed |= {run.id: run for run in await self._engine(place).list_runs()}
        self.draw()
        self._read_jobs()

    @work(group="load", exclusive=True)
    async def _load(self) -> None:
        runs, here, project = dict(self.workspace.runs), self.workspace.services.here, self.workspace.project
        harness = self._harness

        def read() -> Loaded:
            candidates = answers.runs_with_models(runs, project, here)
            run = next((run for run in candidates if run.id == self._wish), candidates[0] if candidates else None)
            tasks = benchmark_plan.default_tasks(project.settings(), harness) if harness is not None else ()
            found = Loaded(candidates, run, tasks, [])
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
        self.draw()
        self._check()
        self._read_jobs()

    @work(group="check", exclusive=True)
    async def _check(self) -> None:
        """Makes the plan of what is chosen and checks it."""
        loaded, where = self._loaded, self._where
        if loaded is None or where is None:
            return
        project, run, wishes = self.workspace.project, loaded.run, self._wishes()
        if (key := (run and run.id, where.name, wishes)) != self._checked_for:
            self._checked, self._checked_for = None, key
        self.draw()
        await asyncio.sleep(CHECK_AFTER_SECONDS)
        try:
            plan = await in_thread(lambda: benchmark_plan.make_plan(project, run, where, wishes))
            self._checked, self._problem = await check_benchmark(plan, self._engine(where)), None
        except SmoltuiError as error:
            self._checked, self._problem = None, error
        self.draw()

    def _engine(self, place: Place) -> Engine:
        return self.workspace.services.named(place.name)

    @work(group="read", exclusive=True)
    async def _read_jobs(self) -> None:
        """Reads the results of Jobs that have completed, and keeps them with the run."""
        loaded = self._loaded
        if loaded is None or (run := loaded.run) is None:
            return
        folder = run_store.run_dir(run.id)
        for job in benchmark_jobs.unread(self._jobs, run.id, loaded.kept):
            try:
                result = await in_thread(partial(benchmark_jobs.read_job, job))
                await in_thread(partial(benchmark_results.keep, folder, result))
                kept = await in_thread(lambda: benchmark_results.kept(folder))
                if (now := self._loaded) is not None and now.run is not None and now.run.id == run.id:
                    now.kept = kept
                self.say(f"Results of the Job {job.id} are saved with the run")
            except SmoltuiError as error:
                self._unread.add(job.id)
                self.say(error)
            self.draw()

    @property
    def _models_now(self) -> str:
        where = self._where
        return self._models or (ALIGNED if where is not None and where.pays else BOTH)
