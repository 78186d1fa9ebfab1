"""The list of runs: its filter, its order, and what the rows show."""

from __future__ import annotations

import time
from collections.abc import Iterator

from rich.text import Text
from textual import on
from textual.widgets import Static

from smoltui.backends.runs.monitor import STALE_SECONDS
from smoltui.core.runs.chain import STEPS
from smoltui.core.runs.cost import usd
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.run import Run
from smoltui.core.runs.run_filter import RunFilter, parse_filter
from smoltui.core.runs.spending import spending
from smoltui.errors import NotLoggedInError, SmoltuiError
from smoltui.safe_text import redact, safe_line
from smoltui.screens.room import LOADING_RUNS
from smoltui.screens.runs.base import RunsBase
from smoltui.screens.runs.columns import INITIAL_ORDER, SORTS, RowFacts, heading, in_order
from smoltui.screens.runs.run_list import RunList
from smoltui.widgets.actions import in_own_keys

NOTHING_YET = "No runs yet. Press t to start one."


class Listing(RunsBase):
    """The upper part of the room."""

    def __init__(self) -> None:
        super().__init__()
        self._wanted: str | None = None
        self._recalled = ""
        """The run under the cursor when the app was left, until it is listed."""
        self._filter_text = ""
        self._filter = RunFilter()
        self._sort = INITIAL_ORDER
        self._descending = False
        self._unfolded: set[str] = set()
        self._only_own = False
        """Only runs of this project are listed."""

    @property
    def _is_sorted(self) -> bool:
        """Whether the order differs from the initial one."""
        return self._sort != INITIAL_ORDER or self._descending

    def recall_order(self) -> None:
        """Takes the order and the run that were left last."""
        known = self.workspace.remembered.project
        order = known.get("runs.sort", INITIAL_ORDER)
        if order in SORTS:
            self._sort, self._descending = order, known.get("runs.descending", False)
        self._recalled = known.get("runs.run", "")

    def _order_changed(self) -> None:
        self.workspace.remember("runs.sort", self._sort)
        self.workspace.remember("runs.descending", self._descending)
        self.draw_heading()
        self.list_again()

    def list_again(self) -> None:
        listed = self.query_one(RunList)
        own = str(self.workspace.project.folder) if self._only_own else None
        known = self.workspace.runs.values()
        runs = [run for run in known if self._filter.matches(run) and own in (None, run.project)]
        if self._is_sorted:
            runs = in_order(runs, self._sort, time.time(), self.row_facts, descending=self._descending)
        listed.empty_words = self._empty_words()
        listed.show([*self.workspace.acts.rows, *self._with_steps(runs)])
        if self._wanted and listed.select(self._wanted):
            self._wanted = None
        if self._recalled and (listed.select(self._recalled) or not self.workspace.monitor.reading):
            self._recalled = ""
        self.draw_note()

    def _empty_words(self) -> str:
        """What an empty list shows. Until every engine has answered, there may be runs."""
        if self._only_own and self.workspace.runs and not self._filter_text:
            return in_own_keys(self, "No run of this project yet (f or esc shows all runs)")
        if self._filter_text and self.workspace.runs:
            return f"No runs match “{safe_line(self._filter_text, 60)}” {in_own_keys(self, '(esc clears the filter)')}"
        monitor = self.workspace.monitor
        if monitor.reading:
            return LOADING_RUNS
        failed = any(not isinstance(error, NotLoggedInError) for error in self.workspace.runs_errors.values())
        if failed or any(monitor.problems.values()):
            return "No runs are known: not everything could be listed"
        return in_own_keys(self, NOTHING_YET)

    def _with_steps(self, runs: list[Run]) -> list[Run]:
        """The runs, with their follow-up steps as rows below those that are unfolded."""
        chains = self.workspace.monitor.follow_ups
        if not self._unfolded & chains.keys():
            return runs
        rows = []
        for run in runs:
            rows.append(run)
            if run.id in self._unfolded and run.id in chains:
                rows += [
                    Run(
                        f"{run.id}/{step.name}",
                        run.engine,
                        f"  └ {step.name}",
                        step.stage,
                        message=step.message or STEPS[step.name],
                        created_at=step.started_at or run.created_at,
                        started_at=step.started_at,
                        finished_at=step.finished_at,
                    )
                    for step in chains[run.id].steps
                ]
        return rows

    def action_unfold(self) -> None:
        """Shows or hides the follow-up steps of the run under the cursor."""
        run = self.query_one(RunList).highlighted
        if run is not None:
            self._unfolded ^= {run.id.partition("/")[0]}
            self.list_again()

    def show_run(self, run_id: str) -> None:
        """Moves the cursor to a run and shows its curves; the run may enter the list a moment later."""
        self._wanted, self._recalled = run_id, ""
        self.list_again()
        if self.query_one(RunList).select(run_id):
            self._wanted = None

    def follow_start(self, row: str, run_id: str) -> None:
        """Moves the cursor from the row of a start to its run, unless it is somewhere else by now."""
        highlighted = self.query_one(RunList).highlighted
        if self._wanted == row or highlighted is None or highlighted.id == row:
            self.show_run(run_id)

    def row_facts(self, run: Run) -> RowFacts:
        """What the row of a run shows in addition to the run itself."""
        monitor = self.workspace.monitor
        words = tuple(one.word for one in monitor.warned.get(run.id, ()))
        chain = monitor.follow_ups.get(run.id)
        notes = [chain.summary()] if chain is not None and run.id not in self._unfolded else []
        notes += ["bell"] if run.id in monitor.waited else []
        so_far = monitor.cost(run, time.time())
        return RowFacts(self.cost_words(run, so_far), so_far, words, " ".join(notes), self.workspace.acts.mark(run))

    # -- lines above and below the list

    def draw_heading(self) -> None:
        self.query_one("#run-heading", Static).update(
            heading(self.size.width, self._sort, descending=self._descending), layout=False
        )

    def draw_note(self) -> None:
        """Why an engine is not listed, how old its list is, and how the list is filtered and sorted."""
        parts = [*self._engine_notes(time.time()), *self._list_notes()]
        text = Text(" ", no_wrap=True, overflow="ellipsis")
        for number, (words, style) in enumerate(parts):
            text.append("  ·  " if number else "").append(safe_line(redact(words), 200), style)
        note = self.query_one("#engine-note", Static)
        if note.display != bool(parts):
            note.display = bool(parts)
        if parts and text != self._note_shown:
            note.update(text, layout=False)
        self._note_shown = text

    def _engine_notes(self, now: float) -> Iterator[tuple[str, str]]:
        """(text, style) for each engine that could not be listed, and each list of Jobs that is out of date."""
        monitor, engines = self.workspace.monitor, self.workspace.services.engines
        for name, error in self.workspace.runs_errors.items():
            if isinstance(error, NotLoggedInError) and not any(
                run.engine == name for run in self.workspace.runs.values()
            ):
                yield f"{engines[name].place.plural}: not logged in (optional): hf auth login", "dim"
                continue
            until = monitor.not_before.get(name)
            then = f", retrying in {until - now:.0f} s" if until is not None and until > now else f" → {error.hint}"
            yield f"{engines[name].place.plural}: {error.message}{then}", "yellow"
        for name, problems in monitor.problems.items():
            for owner, error in problems.items() if name not in self.workspace.runs_errors else ():
                yield f"{engines[name].place.plural} of {owner}: {error.message} → {error.hint}", "yellow"
        for name, at in monitor.listed_at.items():
            place = engines[name].place
            if not place.here and now - at > STALE_SECONDS:
                yield f"{place.plural} as of {as_time(now - at)} ago", "yellow"

    def _spent(self) -> str:
        """USD per hour now, and today's total; empty if nothing was spent today."""
        monitor = self.workspace.monitor
        found = spending(self.workspace.runs.values(), monitor.flavor, time.time())
        parts = [f"{usd(found.per_hour)} per hour now"] if found.per_hour else []
        parts += [f"{usd(found.today)} today"] if found.today >= 0.005 else []
        parts += [f"{found.unpriced} of unknown price"] if parts and found.unpriced else []
        return ", ".join(parts)

    def _list_notes(self) -> Iterator[tuple[str, str]]:
        """(text, style) of the costs, the filter, the order and the marks."""
        if spent := self._spent():
            yield spent, "dim"
        listed = self.query_one(RunList)
        if self._filter_text:
            found = f"{len(listed.runs):,} of {len(self.workspace.runs):,} runs match"
            yield f"{found} “{self._filter_text}”", "cyan"
        if self._only_own:
            yield "only this project", "cyan"
        if self._is_sorted:
            yield f"sorted by {self._sort}{', reversed' if self._descending else ''}", "cyan"
        if listed.marked:
            yield f"{len(listed.marked)} marked", "bold cyan"

    _note_shown: Text | None = None

    def show_runs(self, runs: dict[str, Run]) -> None:
        self.list_again()

    def show_errors(self, errors: dict[str, SmoltuiError]) -> None:
        self.draw_note()

    @on(RunList.Marked)
    def _marks_changed(self) -> None:
        self.draw_note()
        self.refresh_bindings()

    # -- keys

    def filter_by(self, text: str) -> None:
        """Shows only runs that match; an empty text shows all."""
        self._filter_text, self._filter = text, parse_filter(text, self.workspace.services.places)
        self.list_again()

    def ask_filter(self) -> None:
        self.ask("filter runs:", "words, stage: label: flavor: engine:", self.filter_by, self._filter_text)

    @property
    def filtered(self) -> bool:
        """Whether some runs are not listed."""
        return bool(self._filter_text) or self._only_own

    def show_only_own(self) -> None:
        """Lists only runs of this project, or all again."""
        self._only_own = not self._only_own
        self.list_again()

    def show_all(self) -> None:
        """Ends every filter."""
        self._only_own = False
        self.filter_by("")

    def action_sort(self) -> None:
        """Sorts by the next column."""
        names = list(SORTS)
        self._sort, self._descending = names[(names.index(self._sort) + 1) % len(names)], False
        self._order_changed()

    def action_reverse(self) -> None:
        self._descending = not self._descending
        self._order_changed()
