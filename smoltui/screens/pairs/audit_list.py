"""The audit report: one finding per line, with the one under the cursor explained below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.console import Console
from rich.text import Text
from textual.geometry import Region
from textual.strip import Strip

from smoltui.core.actions.own_keys import follow, own_key
from smoltui.safe_text import safe, safe_line
from smoltui.widgets.selectable import Selectable

HERE = ("audit",)
ACTS = ("pair-list",)
"""Where the keys of what fixes a finding work: in the list of its pairs."""
"""The place of the list in the table of actions."""
_STYLES = {"stop": "bold red", "warn": "bold yellow", "info": "cyan"}
_SIGNS = {"stop": "✗", "warn": "!", "info": "·"}
NARROW = 60
"""Width in cells below which the share is not shown."""
SHOWN = 10
"""Pair numbers listed for a finding."""


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding."""

    name: str
    title: str
    severity: str
    """stop, warn or info."""
    count: int | None
    """Pairs; None if they were not counted."""
    share: float | None
    """Of all pairs, 0..1; None if unknown."""
    why: str
    source: str
    examples: Sequence[int]
    """The first rows, numbered from 0."""
    act: str
    """What fixes it, in words."""


class AuditList(Selectable):
    """The parent binds the keys and calls `move`. A move redraws only the lines that changed."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"audit-list--cursor"}
    DEFAULT_CSS = """
    AuditList > .audit-list--cursor {
        background: $block-cursor-background; color: $block-cursor-foreground; text-style: bold;
    }
    """

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._header: list[str] = []
        self._all: list[FindingRow] = []
        self._rows: list[FindingRow] = []
        """Those that are listed."""
        self._unfolded = False
        self._progress = ""
        self._cursor = self._top = 0
        self._drawn: list[Strip] = []

    @property
    def current(self) -> FindingRow | None:
        """The finding under the cursor."""
        return self._rows[self._cursor] if self._cursor < len(self._rows) else None

    def show(self, header: Sequence[str], rows: Sequence[FindingRow], *, progress: str = "") -> None:
        """Replaces the report: findings with pairs first, by severity; then those not counted, then those without.

        Those without pairs are folded to one line, unless `unfold` was called.
        """
        place = {"stop": 0, "warn": 1, "info": 2}
        self._header, self._progress = list(header), progress
        self._all = sorted(rows, key=lambda row: (_turn(row), place.get(row.severity, 3)))
        self._list()

    @property
    def clean(self) -> int:
        """Number of findings that no pair has."""
        return sum(row.count == 0 for row in self._all)

    @property
    def is_unfolded(self) -> bool:
        """Whether findings without pairs are listed one by one."""
        return self._unfolded

    def unfold(self, unfolded: bool) -> None:
        """Lists findings without pairs one by one, or folds them to one line."""
        self._unfolded = unfolded
        self._list()

    def _list(self) -> None:
        before = self.current
        self._rows = [row for row in self._all if self._unfolded or row.count != 0]
        named = before.name if before is not None else ""
        last = max(len(self._rows) - 1, 0)
        self._cursor = next((at for at, row in enumerate(self._rows) if row.name == named), min(self._cursor, last))
        self._draw()

    def move(self, by: int) -> None:
        self._cursor = max(0, min(self._cursor + by, len(self._rows) - 1))
        self._draw()

    def on_resize(self) -> None:
        self._drawn = []
        self._draw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._drawn = []
        self._draw()

    def on_mouse_scroll_down(self) -> None:
        self.move(1)

    def on_mouse_scroll_up(self) -> None:
        self.move(-1)

    def _draw(self) -> None:
        if not self.is_attached or not self.size.width:
            return
        before, self._drawn = self._drawn, self._screen(*self.size)
        if len(before) != len(self._drawn):
            self.refresh()
        elif changed := [
            Region(0, y, self.size.width, 1)
            for y, (old, new) in enumerate(zip(before, self._drawn, strict=True))
            if old != new
        ]:
            self.refresh(*changed)

    def _screen(self, width: int, height: int) -> list[Strip]:
        """The lines from top to bottom: header, findings around the cursor, and the explanation of the one under it."""
        head = self._wrapped([Text(safe(line, 600)) for line in self._header])
        if self._progress:
            head.append(Text(safe_line(self._progress, 200), "italic"))
        current = self.current
        told = self._wrapped(_explanation(current)) if current is not None else []
        below = min(len(told) + 1, max(height // 2, 3)) if told else 0
        lines = [self._finish(line) for line in head]
        if self._rows:
            lines.append(self._finish(Text(_heading(width), "bold dim")))
        folded = self._folded()
        for number in self._in_view(max(height - len(head) - 1 - below - bool(folded), 1)):
            lines.append(self._finish(_line(self._rows[number], width), number == self._cursor))
        if folded:
            lines.append(
                self._finish(
                    Text.assemble(("✓", "green"), f" {folded}   ", (own_key("z", HERE), "bold cyan"), " lists them")
                )
            )
        lines += [self._finish(Text())] * (height - below - len(lines))
        if below:
            lines.append(self._finish(Text("─" * (width - 1), "dim")))
            lines += [self._finish(line) for line in told[: below - 1]]
        return lines[:height]

    def _folded(self) -> str:
        """What the findings without pairs are folded to; empty if there are none, or they are listed."""
        clean = 0 if self._unfolded else self.clean
        return f"{clean} other check{'' if clean == 1 else 's'} found nothing" if clean else ""

    def _in_view(self, count: int) -> range:
        """The findings that are listed in `count` lines; scrolls to keep the cursor among them."""
        self._top = max(min(self._top, self._cursor, max(len(self._rows) - count, 0)), self._cursor - count + 1, 0)
        return range(self._top, min(self._top + count, len(self._rows)))

    def _wrapped(self, texts: Sequence[Text]) -> list[Text]:
        width = max(self.size.width - 2, 1)
        console = Console(width=width)
        return [line for text in texts for line in list(text.wrap(console, width)) or [Text()]]

    def _finish(self, text: Text, cursor: bool = False) -> Strip:
        width, base = self.size.width, self.rich_style
        line = Text(" ", no_wrap=True).append_text(text)
        line.truncate(width, overflow="ellipsis", pad=True)
        strip = Strip(line.render(self.app.console)).adjust_cell_length(width, base).apply_style(base)
        return strip.apply_style(self.get_component_rich_style("audit-list--cursor")) if cursor else strip

    def render_line(self, y: int) -> Strip:
        if y < len(self._drawn) and self._drawn[y].cell_length == self.size.width:
            return self._drawn[y]
        return Strip.blank(self.size.width, self.rich_style)


def _heading(width: int) -> str:
    figures = f"{'pairs':>13}{'share':>8}" if width >= NARROW else f"{'pairs':>8}"
    return f"{figures}  {'':<8}finding"


def _turn(row: FindingRow) -> int:
    return 0 if row.count else 1 if row.count is None else 2


def _line(row: FindingRow, width: int) -> Text:
    """One finding; without its share if the list is narrow, so that its title can be read."""
    count = "–" if row.count is None else f"{row.count:,}"
    share = "" if row.share is None else (f"{row.share:.1%}" if row.count else "")
    figures = f"{count:>13}{share:>8}" if width >= NARROW else f"{count:>8}"
    line = Text(f"{figures}  ", no_wrap=True, overflow="ellipsis")
    severity = f"{_SIGNS.get(row.severity, ' ')} {safe_line(row.severity, 4):<5}"
    line.append(severity, _STYLES.get(row.severity, "") if row.count else "dim")
    return line.append(f" {safe_line(row.title, 200)}", "" if row.count else "dim")


def _explanation(row: FindingRow) -> list[Text]:
    """Why a finding matters, the source of that, its first pairs, and what fixes it."""
    lines = [Text(safe(row.why, 600)), Text(f"Source: {safe(row.source, 200)}", "dim")]
    if row.count:
        numbers = ", ".join(f"{number + 1:,}" for number in row.examples[:SHOWN])
        more = " …" if row.count > SHOWN else ""
        lines.append(Text(f"Pairs {numbers}{more}", "cyan"))
        lines.append(
            Text.assemble(
                (own_key("enter", HERE), "bold cyan"), " shows them; then: ", follow(safe(row.act, 200), ACTS)
            )
        )
    elif row.count is None:
        lines.append(Text(follow("Not counted: the lines at the top say why. r audits again.", HERE), "italic"))
    return lines
