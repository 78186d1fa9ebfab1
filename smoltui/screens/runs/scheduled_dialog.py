"""Scheduled Jobs: what the Hub starts again and again, and what can be done to it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static

from smoltui.core.runs.cost import usd, worst_cost
from smoltui.core.runs.pace import as_age, as_time
from smoltui.core.runs.run import HUB_TIMEOUT_SECONDS, Run
from smoltui.core.runs.scheduled import ScheduledJob, checked_schedule
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe, safe_line
from smoltui.screens.dialogs import Confirm
from smoltui.screens.modal import Modal
from smoltui.widgets.ask_line import AskLine

if TYPE_CHECKING:
    from smoltui.app import SmoltuiApp
    from smoltui.backends.jobs.scheduled import ScheduledJobs

SHOWN = 12
"""Scheduled Jobs in view; the cursor moves the window over the others."""


class ScheduledDialog(Modal[None]):
    """Keys act on the one under the cursor; `n` makes one out of the Job that the room's cursor was on."""

    AUTO_FOCUS = ""  # the line that asks has no keys before it asks
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "Leave"),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("s", "suspend", "Suspend"),
        Binding("t", "trigger", "Start now"),
        Binding("d", "delete", "Delete"),
        Binding("n", "create", "New"),
        Binding("r", "reload", "Read again"),
    ]

    def __init__(self, app: SmoltuiApp, job: Run | None) -> None:
        super().__init__()
        self._smoltui = app
        self._job = job
        self._items: list[ScheduledJob] = []
        self._cursor = 0
        self._words = "asking…"

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Static(id="scheduled", markup=False)
            yield AskLine()

    def on_mount(self) -> None:
        self._draw()
        self.action_reload()

    @property
    def _jobs(self) -> ScheduledJobs | None:
        engine: Any = self._smoltui.services.engines.get("hub")
        return getattr(engine, "scheduled", None)

    @property
    def _current(self) -> ScheduledJob | None:
        return self._items[self._cursor] if self._cursor < len(self._items) else None

    @work(exclusive=True)
    async def action_reload(self) -> None:
        jobs = self._jobs
        if jobs is None:
            self._words = "There is no engine here that has scheduled Jobs."
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
        text.append("Scheduled Jobs", "bold").append("  (times of the schedule are UTC)\n\n", "dim")
        first = max(0, min(self._cursor - SHOWN // 2, len(self._items) - SHOWN))
        for place, item in enumerate(self._items[first : first + SHOWN], first):
            state = "suspended" if item.suspended else as_time(item.next_at - now) if item.next_at else "–"
            last = f"last {as_age(now - item.last_at)} ago" if item.last_at else "never started"
            row = (
                f" {safe_line(item.name, 22):<23}{safe_line(item.schedule, 16):<17}{state:<16}{last:<16}"
                f"{safe_line(item.flavor or '', 12)}"
            )
            text.append(f"{row}\n", "reverse" if place == self._cursor else "")
        if self._words:
            text.append(f"{safe(redact(self._words), 600)}\n", "yellow")
        text.append("\n s ", "reverse").append(" suspend, resume   ")
        text.append(" t ", "reverse").append(" start now   ")
        text.append(" d ", "reverse").append(" delete   ")
        if self._job is not None:
            text.append(" n ", "reverse").append(f" new from {safe_line(self._job.name, 20)}   ")
        text.append("\n r ", "reverse").append(" read again   ").append(" esc ", "reverse").append(" leave it")
        self.query_one("#scheduled", Static).update(text)

    @work(exclusive=True)
    async def _do(self, act: Callable[[], Awaitable[object]], said: str) -> None:
        try:
            made = await act()
        except SmoltuiError as error:
            self._words = f"{error.message}. {error.hint}"
            self._draw()
            return
        if isinstance(made, Run):
            self._smoltui.take_run(made)
        self._smoltui.say(said)
        self.action_reload()

    def _confirmed(self, question: str, consequence: str, yes: str, then: Callable[[], object]) -> None:
        def answered(answer: bool | None) -> None:
            if answer:
                then()

        self.app.push_screen(Confirm(question, consequence, yes, "leave it"), answered)

    # -- keys

    def action_move(self, by: int) -> None:
        self._cursor = max(0, min(len(self._items) - 1, self._cursor + by))
        self._draw()

    def action_suspend(self) -> None:
        item, jobs = self._current, self._jobs
        if item is None or jobs is None:
            return
        if item.suspended:
            self._do(lambda: jobs.resume(item.id), f"{item.name} starts again by its schedule")
        else:
            self._do(lambda: jobs.suspend(item.id), f"{item.name} is suspended")

    def action_trigger(self) -> None:
        item, jobs = self._current, self._jobs
        if item is None or jobs is None:
            return
        flavor = self._smoltui.keeper.prices.get(item.flavor or "")
        worst = worst_cost(flavor, item.timeout_seconds or HUB_TIMEOUT_SECONDS) if flavor else None
        cost = f"It can cost at most {usd(worst)}." if worst is not None else "What it can cost is not known."
        self._confirmed(
            f"Start {item.name} now?", cost, "start it", lambda: self._do(lambda: jobs.trigger(item.id), "Started")
        )

    def action_delete(self) -> None:
        item, jobs = self._current, self._jobs
        if item is None or jobs is None:
            return
        self._confirmed(
            f"Delete the scheduled Job {item.name} ({item.id})?", "Jobs that it has started go on; it starts no more.",
            "delete it", lambda: self._do(lambda: jobs.delete(item.id), "Deleted"),
        )  # fmt: skip

    def action_create(self) -> None:
        job = self._job
        if job is None or self._jobs is None:
            return
        self.query_one(AskLine).ask(
            "start it:", "@hourly, @daily, … or five cron fields (UTC)", lambda text: self._create(job, text), "@daily"
        )

    def _create(self, job: Run, text: str) -> None:
        jobs = self._jobs
        assert jobs is not None
        try:
            schedule = checked_schedule(text)
        except ValueError as error:
            self._words = f"This is not a schedule that the Hub understands: {error}"
            self._draw()
            return
        flavor = self._smoltui.keeper.prices.get(job.flavor or "")
        worst = worst_cost(flavor, job.timeout_seconds or HUB_TIMEOUT_SECONDS) if flavor else None
        cost = f"at most {usd(worst)} each time" if worst is not None else "at an unknown price each time"
        self._confirmed(
            f"Start such a Job each time of '{schedule}' (UTC)?",
            f"{safe_line(job.flavor or '', 40)}, {cost}. The token is kept with it as a secret.", "schedule it",
            lambda: self._do(lambda: jobs.create_from(job.raw, job.namespace or "", schedule), "Scheduled"),
        )  # fmt: skip

    def action_leave(self) -> None:
        line = self.query_one(AskLine)
        if line.asking:
            line.stop()
        else:
            self.dismiss(None)
