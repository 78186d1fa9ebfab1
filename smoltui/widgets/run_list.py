"""The list of runs: rows drawn by line, updated in place, the cursor staying on its run."""

from __future__ import annotations

import time
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from smoltui.core.metrics import as_word
from smoltui.core.pace import as_age
from smoltui.core.run import Run
from smoltui.core.wording import PHASES
from smoltui.safe_text import redact, safe_line

STAGE_STYLES = {
    "RUNNING": "bold green",
    "SCHEDULING": "yellow",
    "COMPLETED": "green",
    "CANCELED": "dim",
    "ERROR": "bold red",
    "DELETED": "dim",
}


def row(run: Run, now: float, width: int) -> Text:
    """One run in `width` cells; the columns at the right go first when there is little room."""
    wide = width >= 100
    took = run.duration(now)
    step = f"{run.step}/{run.max_steps}" if run.max_steps else (str(run.step) if run.step else "–")
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f" {safe_line(run.name, 18):<19}")
    line.append(f"{safe_line(run.stage, 11):<12}", STAGE_STYLES.get(run.stage, ""))
    line.append(f"{safe_line(run.flavor or run.engine, 14):<12}")
    line.append(f"{as_age(now - run.created_at if run.created_at else None):>5}")
    short = run.is_final and took is not None and took < 100  # of a run that goes on it would change every second
    line.append(f"{f'{took:.0f}s' if short else as_age(took):>6}")
    line.append(f"{step:>11}")
    if wide:
        line.append(f"{as_word(run.history.last('loss')):>9}")
        line.append(f"{as_word(run.history.last('rewards/margins')):>9}")
    line.append(f"  {safe_line(redact(_doing(run)), 200)}", "dim")
    line.truncate(width, pad=True)
    return line


def _doing(run: Run) -> str:
    """Why it stands where it stands, or what it is busy with."""
    return run.message or ("" if run.is_final or not run.phase else PHASES.get(run.phase, run.phase))


def heading(width: int) -> Text:
    """The names of the columns of `row`."""
    text = f" {'name':<19}{'stage':<12}{'where':<12}{'age':>5}{'took':>6}{'step':>11}"
    if width >= 100:
        text += f"{'loss':>9}{'margin':>9}"
    line = Text(f"{text}  what it does", "bold dim", no_wrap=True)
    line.truncate(width, pad=True)
    return line


class RunList(ScrollView, can_focus=True):
    """Runs, newest first; posts `Highlighted` when the cursor comes to another run."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"run-list--cursor"}
    DEFAULT_CSS = """
    RunList { height: auto; }
    RunList > .run-list--cursor { background: $primary 50%; text-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "move(-10)", "Page up", show=False),
        Binding("pagedown", "move(10)", "Page down", show=False),
        Binding("g,home", "move(-1000000)", "First run", show=False),
        Binding("G,end", "move(1000000)", "Last run", show=False),
    ]

    cursor: reactive[int] = reactive(0)

    class Highlighted(Message):
        """The cursor stands on another run; `run_id` is None when there is none."""

        def __init__(self, run_id: str | None) -> None:
            super().__init__()
            self.run_id = run_id

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._runs: list[Run] = []
        self._drawn: list[Text] = []
        self._told: str | None = ""

    @property
    def highlighted(self) -> Run | None:
        """The run under the cursor, None in an empty list."""
        return self._runs[self.cursor] if self.cursor < len(self._runs) else None

    def show(self, runs: list[Run]) -> None:
        """Puts these runs in the list; only rows that look different are drawn again."""
        current = self.highlighted
        self._runs = runs
        if current is not None:
            where = next((index for index, run in enumerate(runs) if run.id == current.id), None)
            self.cursor = where if where is not None else max(0, min(self.cursor, len(runs) - 1))
        self.virtual_size = Size(0, len(runs))
        self.tick()
        self._tell()

    def select(self, run_id: str) -> bool:
        """Moves the cursor to a run; False when it is not in the list."""
        for index, run in enumerate(self._runs):
            if run.id == run_id:
                self.cursor = index
                return True
        return False

    def tick(self) -> None:
        """Draws the rows whose times have changed."""
        now, width = time.time(), self.size.width
        drawn = [row(run, now, width) for run in self._runs]
        if len(drawn) != len(self._drawn):
            self._drawn = drawn
            self.refresh(layout=True)
            return
        for index, (old, new) in enumerate(zip(self._drawn, drawn, strict=True)):
            if old != new or old.spans != new.spans:
                self._refresh_row(index)
        self._drawn = drawn

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return max(1, len(self._runs))

    def on_resize(self) -> None:
        self._drawn = []
        self.tick()

    def action_move(self, by: int) -> None:
        self.cursor = max(0, min(len(self._runs) - 1, self.cursor + by))

    def watch_cursor(self, old: int, new: int) -> None:
        self._refresh_row(old)
        self._refresh_row(new)
        self.scroll_to_region(Region(0, new, 1, 1), animate=False)
        self._tell()

    def _tell(self) -> None:
        run = self.highlighted
        run_id = run.id if run else None
        if run_id != self._told:
            self._told = run_id
            self.post_message(self.Highlighted(run_id))

    def _refresh_row(self, index: int) -> None:
        self.refresh(Region(0, index - round(self.scroll_y), self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        index, width = y + round(self.scroll_y), self.size.width
        base = self.rich_style
        if index >= len(self._drawn):
            if index == 0:
                text = Text(" No runs yet. Start one with t.", "dim")
                return Strip(text.render(self.app.console)).adjust_cell_length(width, base).apply_style(base)
            return Strip.blank(width, base)
        strip = Strip(self._drawn[index].render(self.app.console)).adjust_cell_length(width, base)
        if index == self.cursor:
            return strip.apply_style(self.get_component_rich_style("run-list--cursor"))
        return strip.apply_style(base)
