"""Scheduled Jobs: what the Hub starts on a schedule, and actions on it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from smoltui.core.meanings.shown import CARDS_OF
from smoltui.core.runs.acts import SCHEDULE
from smoltui.core.runs.cost import usd, worst_cost
from smoltui.core.runs.label_text import HINT as LABELS_HINT
from smoltui.core.runs.label_text import label_changes, labels_in_text
from smoltui.core.runs.pace import as_age, as_time
from smoltui.core.runs.run import Run
from smoltui.core.runs.scheduled import ScheduledJob, checked_schedule, each_time, scheduled_already
from smoltui.errors import InputError, SmoltuiError
from smoltui.safe_text import redact, safe, safe_line
from smoltui.screens.dialogs import Confirm
from smoltui.screens.explaining import Explains
from smoltui.screens.modal import Modal
from smoltui.widgets.actions import bindings, shown_key
from smoltui.widgets.ask_line import AskLine
from smoltui.workspace import Workspace

if TYPE_CHECKING:
    from smoltui.backends.runs.engine import Schedules

SHOWN = 12
"""Scheduled Jobs visible at once; the list scrolls with the cursor."""
SCHEDULE_HINT = "@hourly, @daily, … or five cron fields (UTC)"


class ScheduledDialog(Modal[None], Explains[None]):
    """Keys act on the schedule under the cursor; `a` creates one from the Job selected in the room."""

    AUTO_FOCUS = ""  # the input is hidden until it asks
    BINDINGS: ClassVar[list[BindingType]] = bindings("scheduled")

    def __init__(self, workspace: Workspace, job: Run | None) -> None:
        super().__init__()
        self._workspace = workspace
        self._job = job
        self._items: list[ScheduledJob] = []
        self._cursor = 0
        self._words = "Loading…"

    def explained(self) -> tuple[str, ...]:
        return CARDS_OF["scheduled"]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Static(id="scheduled", markup=False)
            yield AskLine()

    def on_mount(self) -> None:
        self._draw()
        self.action_reload()

    @property
    def _jobs(self) -> Schedules | None:
        engine = self._workspace.services.able("scheduled")
        return None if engine is None else engine.scheduled

    @property
    def _current(self) -> ScheduledJob | None:
        return self._items[self._cursor] if self._cursor < len(self._items) else None

    @work(exclusive=True)
    async def action_reload(self) -> None:
        jobs = self._jobs
        if jobs is None:
            self._words = "No engine here has scheduled Jobs."
        else:
            try:
                self._items = await jobs.list_all()
                self._words = "" if self._items else "None yet."
            except SmoltuiError as error:
                self._words = f"{error.message}. {error.hint}"
        self._cursor = max(0, min(self._cursor, len(self._items) - 1))
        self._draw()

    def _draw(self) -> None:
        now = time.time()
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append("Scheduled Jobs", "bold").append("  (schedules are in UTC)\n\n", "dim")
        first = max(0, min(self._cursor - SHOWN // 2, len(self._items) - SHOWN))
        for place, item in enumerate(self._items[first : first + SHOWN], first):
            state = "suspended" if item.suspended else as_time(item.next_at - now) if item.next_at else "–"
            last = f"last {as_age(now - item.last_at)} ago" if item.last_at else "never started"
            row = (
                f" {safe_line(item.name, 17):<19}{safe_line(item.schedule, 14):<16}{state:<14}{last:<15}"
                f"{safe_line(item.flavor or '', 12)}"
            )
            text.append(f"{row}\n", "reverse" if place == self._cursor else "")
        if self._words:
            text.append(f"{safe(redact(self._words), 600)}\n", "yellow")
        keys = [("space", "suspend, resume"), ("enter", "schedule"), ("i", "labels")]
        keys += [("R", "start now"), ("X", "delete"), ("r", "refresh")]
        keys += [("a", f"new from {safe_line(self._job.name, 20)}")] if self._job is not None else []
        for place, (key, words) in enumerate([*keys, ("esc", "close")]):
            text.append("\n" if place % 3 == 0 else "").append(f" {shown_key(self, key)} ", "reverse")
            text.append(f" {words}   ")
        for shown in self.query("#scheduled").results(Static):  # none if it was closed while a list was read
            shown.update(text)

    @work(exclusive=True)
    async def _do(self, act: Callable[[], Awaitable[object]], said: str) -> None:
        try:
            made = await self._workspace.acts.alone(SCHEDULE, said, act)
        except SmoltuiError as error:
            self._words = f"{error.message}. {error.hint}"
            self._draw()
            return
        if isinstance(made, Run):
            self._workspace.take_run(made)
        self._workspace.say(said)
        self.action_reload()

    def _confirmed(self, question: str, consequence: str, yes: str, then: Callable[[], object]) -> None:
        def answered(answer: bool | None) -> None:
            if answer:
                then()

        self.app.push_screen(Confirm(question, consequence, yes, "cancel"), answered)

    # -- keys

    def action_move(self, by: int) -> None:
        self._cursor = max(0, min(len(self._items) - 1, self._cursor + by))
        self._draw()

    def action_suspend(self) -> None:
        item, jobs = self._current, self._jobs
        if item is None or jobs is None:
            return
        if item.suspended:
            self._do(lambda: jobs.resume(item.id), f"{item.name} resumed")
        else:
            self._do(lambda: jobs.suspend(item.id), f"{item.name} suspended")

    def action_trigger(self) -> None:
        item, jobs = self._current, self._jobs
        if item is None or jobs is None:
            return
        engine = self._workspace.services.able("scheduled")
        flavor = self._workspace.monitor.flavor(engine.name, item.flavor) if engine else None
        worst = worst_cost(flavor, item.timeout_seconds, item.attempts) if flavor else None
        cost = f"Costs at most {usd(worst)}." if worst is not None else "The maximum cost is unknown."
        self._confirmed(
            f"Start {item.name} now?", cost, "start", lambda: self._do(lambda: jobs.trigger(item.id), "Started")
        )

    def action_delete(self) -> None:
        item, jobs = self._current, self._jobs
        if item is None or jobs is None:
            return
        self._confirmed(
            f"Delete the scheduled Job {item.name} ({item.id})?",
            "Jobs that are running continue; no new ones start.",
            "delete",
            lambda: self._do(lambda: jobs.delete(item.id), "Deleted"),
        )

    def action_reschedule(self) -> None:
        item, jobs = self._current, self._jobs
        if item is None or jobs is None:
            return
        self._ask("schedule:", SCHEDULE_HINT, lambda text: self._reschedule(jobs, item, text), item.schedule)

    def _reschedule(self, jobs: Schedules, item: ScheduledJob, text: str) -> None:
        if (schedule := self._checked(text)) is not None and schedule != item.schedule:
            self._do(
                lambda: jobs.reschedule(item.id, schedule), f"{item.name} now starts on schedule '{schedule}' (UTC)"
            )

    def action_labels(self) -> None:
        item, jobs = self._current, self._jobs
        if item is None or jobs is None:
            return
        self._ask("labels:", LABELS_HINT, lambda text: self._relabel(jobs, item, text), labels_in_text(item.labels))

    def _relabel(self, jobs: Schedules, item: ScheduledJob, text: str) -> None:
        new, gone = label_changes(text)
        if new or gone:
            self._do(lambda: jobs.labels(item.id, new, gone), f"{item.name} labeled")

    def action_create(self) -> None:
        job, jobs = self._job, self._jobs
        if job is None or jobs is None:
            return
        self._ask("schedule:", SCHEDULE_HINT, lambda text: self._create(jobs, job, text), "@daily")

    def _create(self, jobs: Schedules, job: Run, text: str) -> None:
        if (schedule := self._checked(text)) is None:
            return
        flavor = self._workspace.monitor.flavor(job.engine, job.flavor)
        worst = worst_cost(flavor, job.timeout_seconds, job.attempts) if flavor else None
        cost = f"{f'at most {usd(worst)}' if worst is not None else 'at an unknown price'} {each_time(schedule)}"
        twin = scheduled_already(job.labels.get("name", ""), self._items)
        words = f"{safe_line(job.flavor or '', 40)}, {cost}. Your token is stored with it as a secret."
        self._confirmed(
            f"Start this Job on schedule '{schedule}' (UTC)?",
            f"{twin}. {words}" if twin else words,
            "schedule it",
            lambda: self._do(lambda: jobs.create_from(job.raw, job.namespace or "", schedule), "Scheduled"),
        )

    def _checked(self, text: str) -> str | None:
        """The schedule in a text; None, and a sentence, for an invalid one."""
        try:
            return checked_schedule(text)
        except InputError as error:
            self._words = f"{error.message}. {error.hint}"
            self._draw()
            return None

    def _ask(self, question: str, hint: str, answered: Callable[[str], object], value: str) -> None:
        self.query_one(AskLine).ask(question, hint, answered, value)

    def action_leave(self) -> None:
        line = self.query_one(AskLine)
        if line.asking:
            line.stop()
        else:
            self.dismiss(None)
