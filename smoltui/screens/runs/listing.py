"""The list of runs: its filter, its order, and what the rows show."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.text import Text
from textual import on
from textual.widgets import Static

from smoltui.backends.runs.monitor import STALE_SECONDS
from smoltui.core.runs.chain import STEPS
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.run import Run
from smoltui.core.runs.run_filter import RunFilter, parse_filter
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe_line
from smoltui.screens.runs.base import RunsBase
from smoltui.screens.runs.run_list import NOTHING_YET, READING, RowFacts, RunList, heading

Key = Callable[[Run], float | str]


class Listing(RunsBase):
    """The upper part of the room."""

    def __init__(self) -> None:
        super().__init__()
        self._wanted: str | None = None
        self._filter_text = ""
        self._filter = RunFilter()
        self._sort = "age"
        self._descending = False
        self._unfolded: set[str] = set()

    def _keys(self) -> dict[str, Key]:
        """Sort keys by column; ascending `age` puts the youngest run first. Unknown values come last."""
        now = time.time()
        monitor = self.workspace.monitor

        def newest(value: float | None) -> float:
            return float("inf") if value is None else -value

        return {
            "age": lambda run: newest(run.created_at),
            "name": lambda run: run.name.casefold(),
            "stage": lambda run: run.stage,
            "where": lambda run: run.flavor or run.engine,
            "took": lambda run: newest(run.duration(now)),
            "cost": lambda run: newest(monitor.cost(run, now)),
            "loss": lambda run: -newest(run.history.last("loss")),
            "margin": lambda run: newest(run.history.last("rewards/margins")),
        }

    def list_again(self) -> None:
        listed = self.query_one(RunList)
        runs = [run for run in self.workspace.runs.values() if self._filter.matches(run)]
        if self._sort != "age" or self._descending:
            runs.sort(key=self._keys()[self._sort], reverse=self._descending)
        listed.empty_words = (
            f"No runs match “{safe_line(self._filter_text, 60)}” (esc clears the filter)"
            if self._filter_text and self.workspace.runs
            else NOTHING_YET
            if not self.workspace.monitor.reading
            else READING
        )
        listed.show(self._with_steps(runs))
        if self._wanted and listed.select(self._wanted):
            self._wanted = None
        self.draw_note()

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
        self._wanted = run_id
        if self.query_one(RunList).select(run_id):
            self._wanted = None

    def row_facts(self, run: Run) -> RowFacts:
        """What the row of a run shows besides the run."""
        monitor = self.workspace.monitor
        words = tuple(one.word for one in monitor.warned.get(run.id, ()))
        chain = monitor.follow_ups.get(run.id)
        notes = [chain.summary()] if chain is not None and run.id not in self._unfolded else []
        notes += ["bell"] if run.id in monitor.waited else []
        return RowFacts(self.cost_words(run), words, " ".join(notes))

    # -- lines around it

    def draw_heading(self) -> None:
        self.query_one("#run-heading", Static).update(heading(self.size.width), layout=False)

    def draw_note(self) -> None:
        """Why an engine is not listed, how old its list is, and how the list is filtered and sorted."""
        monitor, now = self.workspace.monitor, time.time()
        listed = self.query_one(RunList)
        parts: list[tuple[str, str]] = []
        engines = self.workspace.services.engines
        for name, error in self.workspace.runs_errors.items():
            words = f"{engines[name].place.plural}: {error.message}"
            if (until := monitor.not_before.get(name)) is not None and until > now:
                words += f", retrying in {until - now:.0f} s"
            else:
                words += f" → {error.hint}"
            parts.append((words, "yellow"))
        for name, at in monitor.listed_at.items():
            place = engines[name].place
            if not place.here and now - at > STALE_SECONDS:
                parts.append((f"{place.plural} as of {as_time(now - at)} ago", "yellow"))
        if self._filter_text:
            count = len(listed.runs)
            parts.append((f"{count:,} of {len(self.workspace.runs):,} runs match “{self._filter_text}”", "cyan"))
        if self._sort != "age" or self._descending:
            parts.append((f"sorted by {self._sort}{', reversed' if self._descending else ''}", "cyan"))
        if listed.marked:
            parts.append((f"{len(listed.marked)} marked", "bold cyan"))
        text = Text(" ", no_wrap=True, overflow="ellipsis")
        for number, (words, style) in enumerate(parts):
            text.append("  ·  " if number else "").append(safe_line(redact(words), 200), style)
        note = self.query_one("#engine-note", Static)
        if note.display != bool(parts):
            note.display = bool(parts)
        if parts and text != self._note_shown:
            note.update(text, layout=False)
        self._note_shown = text

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
        return bool(self._filter_text)

    def action_sort(self) -> None:
        """Sorts by the next column."""
        names = list(self._keys())
        self._sort, self._descending = names[(names.index(self._sort) + 1) % len(names)], False
        self.list_again()

    def action_reverse(self) -> None:
        self._descending = not self._descending
        self.list_again()
