"""What the parts of the Evaluate room share: the models and their answers, and how they are drawn."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from rich.table import Table
from rich.text import Text
from textual.widgets import ContentSwitcher, Static

from smoltui.backends.evaluation import answers
from smoltui.backends.evaluation.resident import ResidentModels
from smoltui.core.evaluation.answer_figures import AnswerFigures
from smoltui.core.evaluation.column import Column
from smoltui.core.evaluation.figure_rows import result_words
from smoltui.core.evaluation.figures import ALIGNED, Tally
from smoltui.core.evaluation.memory_words import memory_in_words
from smoltui.core.evaluation.sheet import Sheet, sampling_as_json, sampling_in_words
from smoltui.core.runs.events import MemoryMeasured
from smoltui.core.settings.settings import EvaluationSettings
from smoltui.safe_text import redact, safe_line
from smoltui.screens.evaluate.answer_block import Look, figures_block
from smoltui.screens.evaluate.answer_sheet import AnswerSheet
from smoltui.screens.room import LOADING_RUNS, Room
from smoltui.widgets.actions import in_own_keys

NARROWEST = 34
"""Cells of a column beside another one."""
WIDE = 100
"""Columns of a terminal from which answers are side by side."""
LABEL_CELLS = 13
"""Of a row at the top: label and blanks."""
ROOMY = 30
"""Lines of a terminal from which each model has a line in the head."""
ANSWERS, HELD_OUT = "answers", "held-out"
"""The two views."""


class EvaluateBase(Room):
    """Holds the models and their answers, and draws them."""

    def __init__(self) -> None:
        super().__init__()
        self._loaded: answers.Opening | None = None
        self._failed = False
        """There is nothing to show, such as without a recipe; what could not be read is said instead of the heading."""
        self._sheet = Sheet()
        self._asked: list[int] = []
        """Indices of the prompts that were asked last."""
        self._tally: Tally | None = None
        self._working = ""
        """What the models are busy with; empty while they are idle."""
        self._models: ResidentModels | None = None
        """None before the first question."""
        self._memory: MemoryMeasured | None = None
        """What the loaded models need; None while none are loaded."""
        self._notices: dict[tuple[str, str], str] = {}
        """By column and kind, what makes its answers hard to compare."""
        self._thinking: bool | None = None
        """None: as in smoltui.toml."""
        self._unfolded = False
        self._first = 0
        """Leftmost column in view."""
        self._status = ""
        """What the status line says."""
        self._aside = ""
        """What the status says until something else is done: how the last act ended badly; empty for nothing."""
        self._figures: list[AnswerFigures] = []
        """Of the answers, per column; empty while they change."""
        self._view_chosen = False
        """A view was put in front on purpose; before, figures are shown if there are no answers."""

    # -- what is asked

    @property
    def settings(self) -> EvaluationSettings:
        """How answers are generated: smoltui.toml, with the switch of this room."""
        settings = self._loaded.settings if self._loaded is not None else EvaluationSettings()
        return settings if self._thinking is None else replace(settings, thinking=self._thinking)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The models that are compared."""
        return self._sheet.columns

    @property
    def view(self) -> str:
        """The view in front: `ANSWERS` or `HELD_OUT`."""
        return self.query_one(ContentSwitcher).current or ANSWERS

    def switch_view(self, view: str) -> None:
        """Puts a view in front and focuses what scrolls in it."""
        self._view_chosen = True
        self.query_one(ContentSwitcher).current = view
        self.query_one(f"#{view}").focus()
        self._draw_all()

    # -- drawing

    def _at_once(self) -> int:
        """Number of columns that fit side by side; all of them where they are one below the other."""
        count = len(self.columns)
        return count if self.size.width < WIDE else max(1, min(count, self.size.width // NARROWEST))

    def _look(self) -> Look:
        shown = self._at_once()
        self._first = max(0, min(self._first, len(self.columns) - shown))
        names = self._sheet.names[self._first : self._first + shown]
        manner = self._loaded.settings.manner if self._loaded else None
        return Look(names, self.size.width >= WIDE, manner, self._unfolded)

    def _draw_answers(self) -> None:
        self.query_one(AnswerSheet).show(self._sheet, self._look())

    def _draw_below(self) -> None:
        """Puts the figures of the set below the last prompt, while answers do not change."""
        loaded = self._loaded
        place = self.query_one(AnswerSheet)
        self._figures = []
        if loaded is None or self._working or not self._sheet.complete:
            place.show_below(None)
            return
        self._compute_figures(self._sheet)

    def _show_figures(self, sheet: Sheet, figures: list[AnswerFigures]) -> None:
        if sheet is self._sheet and not self._working:
            self._figures = figures
            self._redraw_below()

    def _redraw_below(self) -> None:
        """Draws the figures of the columns in view, if they are known."""
        if not self._figures:
            return
        count = len(self._sheet.prompts)
        title = f"Figures of these answers ({count:,} prompt{'' if count == 1 else 's'}, 95 % intervals in parentheses)"
        self.query_one(AnswerSheet).show_below(figures_block(self._figures, self._look(), title))

    def _compute_figures(self, sheet: Sheet) -> object:
        """Calls `_show_figures` when they are known."""
        raise NotImplementedError

    def _draw_all(self) -> None:
        if self.is_attached and self.size.width:
            self._draw_answers()
            self._draw_head()
            self._draw_notices()

    def _set_status(self, text: str) -> None:
        """Lays the room out again only if the status takes more or fewer lines: it changes ten times per second."""
        self._status = text
        said = Text(safe_line(redact(in_own_keys(self, text)), 400))
        place = self.query_one("#eval-status", Static)
        width, before = place.content_size.width, place.content
        if isinstance(before, Text) and before == said and width:
            return
        fits = isinstance(before, Text) and 0 < before.cell_len <= width and 0 < said.cell_len <= width
        place.update(said, layout=not fits)

    def _draw_head(self) -> None:
        loaded = self._loaded
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, style="dim", min_width=9, max_width=24)
        table.add_column(no_wrap=True, overflow="ellipsis")
        if loaded is not None:
            rows = [*self._result_rows(loaded), ("run", self._run_words(loaded)), *self._model_rows()]
            if self.size.height >= ROOMY or rows[0][0] != "result":
                rows.append(("prompts", self._set_words(loaded)))
            rows.append(("sampling", sampling_in_words(sampling_as_json(self.settings))))
            rows += loaded.standing
            for label, value in rows:
                table.add_row(Text(safe_line(label, 40)), Text(safe_line(redact(value), 300)))
        head = self.query_one("#eval-head", Static)
        head.display = loaded is not None or not self._failed
        head.update(table)
        self.refresh_bindings()

    def _result_rows(self, loaded: answers.Opening) -> list[tuple[str, str]]:
        """What the last measurement of the run found, at the top; on a short terminal, in place of the prompt set."""
        kept = loaded.measurement
        words = result_words(kept.reference, kept.aligned, loaded.settings.manner) if kept is not None else ""
        parts = words.split(" · ")
        while len(parts) > 1 and len(" · ".join(parts)) > self.size.width - LABEL_CELLS:
            parts.pop()
        return [("result", " · ".join(parts))] if words else []

    def _model_rows(self) -> list[tuple[str, str]]:
        if len(self.columns) > 2 and self.size.height < ROOMY:
            return [("columns", " · ".join(self._sheet.names))]
        return [(column.name, self._place(column.shown)) for column in self.columns]

    def _set_words(self, loaded: answers.Opening) -> str:
        count = len(self._sheet.prompts) - len(self._sheet.own)
        own = f" and {len(self._sheet.own)} of your own" if self._sheet.own else ""
        hidden = len(self.columns) - self._at_once()
        others = in_own_keys(self, "< and > show the others")
        shown = f" · {len(self.columns)} columns, {others}" if hidden else ""
        return f"{loaded.prompt_set.name}, {count:,}{own}{shown}"

    def _run_words(self, loaded: answers.Opening) -> str:
        run = loaded.run
        if run is None and not self.workspace.knows_runs_here:
            return LOADING_RUNS
        if run is None and loaded.comparison.aligned is not None:
            chosen = any(
                column.name != ALIGNED and column.weights == loaded.comparison.aligned.weights
                for column in self.columns
            )
            return "none; a model that was chosen" if chosen else "none; using the model in output_dir"
        if run is None:
            return "no run of this project has produced a model"
        at = [candidate.id for candidate in loaded.candidates].index(run.id) + 1
        switch = in_own_keys(self, "[ and ] switch runs")
        several = f" · {at} of {len(loaded.candidates)}, {switch}" if len(loaded.candidates) > 1 else ""
        return f"{run.name} {run.id} {run.stage}{several}"

    def _place(self, shown: str) -> str:
        """A path, relative if it is inside the project."""
        folder = self.workspace.project.folder
        return str(Path(shown).relative_to(folder)) if Path(shown).is_relative_to(folder) else shown

    def _draw_notices(self) -> None:
        """What one must know to compare the answers, and what is loaded."""
        lines = [(f"{column} {text}.", "yellow") for (column, _), text in self._notices.items()]
        loaded, sheet = self._loaded, self._sheet
        if loaded is not None and loaded.prompt_set.left_out:
            lines.append((f"Of these prompts: {loaded.prompt_set.left_out}.", "yellow"))
        if left_out := sum(bool(cell.left_out) for cell in sheet.cells.values()):
            reason = next(cell.left_out for cell in sheet.cells.values() if cell.left_out)
            lines.append((f"{left_out} without an answer, such as: {reason}.", "yellow"))
        if sheet.complete and sheet.sampling and dict(sheet.sampling) != sampling_as_json(self.settings):
            lines.append((f"These answers: {sampling_in_words(sheet.sampling)}. a asks all prompts again.", "yellow"))
        if self._memory is not None:
            lines.append((f"{memory_in_words(self._memory)} x unloads.", "dim"))
        text = Text("\n").join(Text(safe_line(redact(in_own_keys(self, line)), 300), style) for line, style in lines)
        place = self.query_one("#eval-notices", Static)
        place.display = bool(lines)
        place.update(text)


def when(at: float) -> str:
    """Local time, with the date unless it is today."""
    then = time.localtime(at)
    today = time.localtime()[:3] == then[:3]
    return time.strftime("at %H:%M" if today else "on %d %B %Y at %H:%M", then)
