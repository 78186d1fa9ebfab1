"""Starting and stopping benchmarks: lm_eval here, LightEval as a Job."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

from textual import work

from smoltui.backends.evaluation import answers, benchmark_jobs, benchmark_results
from smoltui.backends.evaluation.benchmark_plan import BenchmarkPlan
from smoltui.backends.evaluation.benchmark_preflight import Checked
from smoltui.backends.evaluation.benchmark_run import run_here
from smoltui.backends.runs.elsewhere import around_of
from smoltui.backends.runs.spec import new_label
from smoltui.backends.system.threads import in_thread
from smoltui.core.evaluation.benchmark_result import BenchmarkResult, with_new
from smoltui.core.guide.ends import Act, End, Outcome, cause_of
from smoltui.core.runs.cost import usd
from smoltui.core.runs.events import Event, LogLine
from smoltui.core.runs.log_text import LogLine as ShownLine
from smoltui.core.runs.pace import as_time
from smoltui.errors import SmoltuiError, UnreachableError
from smoltui.safe_text import redact
from smoltui.screens.dialogs import Confirm
from smoltui.screens.evaluate.benchmark_choice import BenchmarkChoice


class BenchmarkActing(BenchmarkChoice):
    """What `a` and `x` do. A benchmark continues while the view is closed."""

    def action_start(self) -> None:
        checked = self._checked
        if checked is None or self._busy or not checked.may_start:
            return
        if not checked.plan.place.pays:
            self._run(checked.plan)
            return
        number = len(checked.plan.items)
        what = "this Job" if number == 1 else f"these {number} Jobs"
        costs = f"Costs at most {usd(checked.most_usd)}; {estimated(checked)}."
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
            self.draw()

    def _ask_again(self, plan: BenchmarkPlan, labels: list[str], error: UnreachableError) -> None:
        def answered(again: bool | None) -> None:
            if again:
                self._start_jobs(plan, labels)

        looks = "Trying again first looks for the Job by its label, so it is not started twice."
        self.app.push_screen(Confirm(f"{error.message}.", f"{error.hint}\n\n{looks}", "try again", "cancel"), answered)

    @work(group="benchmark", exclusive=True)
    async def _run(self, plan: BenchmarkPlan) -> None:
        """Runs lm_eval on one model after the other. The view may be closed meanwhile."""
        date, self._begun, self._outcome, self._failed = answers.today(), time.monotonic(), "", False
        self._end = None
        self._lines.clear()
        new: list[BenchmarkResult] = []
        around = around_of(self.workspace.services.engines, plan.run, "benchmark")
        try:
            for item in plan.items:
                self._busy = item.role
                self.refresh_bindings()
                async with aclosing(run_here(plan, item, date=date, around=around)) as stream:
                    async for event in stream:
                        if isinstance(event, BenchmarkResult):
                            new.append(event)
                        else:
                            self._take(event)
            took = as_time(time.monotonic() - self._begun)
            self._outcome, self._end = f"Benchmark done in {took}.", End(Act.BENCHMARK)
            if not self.is_current:
                self.workspace.say(f"Benchmark of {plan.run.name if plan.run else plan.project.name}: done in {took}")
        except SmoltuiError as error:
            self._outcome, self._failed = f"{error.message}. {error.hint}".strip(), True
            self._end = End(Act.BENCHMARK, Outcome.FAILED, cause_of(error.message))
        except asyncio.CancelledError:
            self._outcome = "Stopped. The results of finished models are kept."
            self._end = End(Act.BENCHMARK, Outcome.STOPPED)
            raise
        finally:
            self._busy = ""
            if self.is_attached:
                await self._reread(plan, new)

    async def _reread(self, plan: BenchmarkPlan, new: list[BenchmarkResult]) -> None:
        """Shows what is kept now, with the new results if they could not be kept."""
        loaded, folder = self._loaded, plan.folder
        if loaded is not None and (loaded.run and loaded.run.id) == (plan.run and plan.run.id):
            try:
                kept = loaded.kept if folder is None else await in_thread(lambda: benchmark_results.kept(folder))
                loaded.kept = with_new(kept, new)
            except SmoltuiError as error:
                loaded.problem = error
        self.refresh_bindings()
        self.draw()

    def _take(self, event: Event) -> None:
        if isinstance(event, LogLine) and event.text.strip():
            self._lines.append(ShownLine(redact(event.text)))

    def action_stop(self) -> None:
        def answered(yes: bool | None) -> None:
            if yes:
                self.workers.cancel_group(self, "benchmark")

        done = "This model's results so far are lost; results of finished models are kept."
        self.app.push_screen(Confirm("Stop the benchmark?", done, "stop", "keep it running"), answered)


def estimated(checked: Checked) -> str:
    """The estimated time in words."""
    minutes = checked.minutes
    return "no estimate of the time" if minutes is None else f"estimated {as_time(minutes * 60)}"
