"""What the Submit room shows, as text: checks with their next steps, the change of the leaderboard, the board."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from smoltui.core.preflight.check import Check
from smoltui.core.publish.leaderboard import PullRequest, Row, State, place_in_words
from smoltui.core.recipe import Level
from smoltui.safe_text import redact, safe, safe_line

MARKS: Mapping[Level, tuple[str, str]] = {
    Level.PASS: ("✓", "green"),
    Level.WARN: ("!", "yellow"),
    Level.STOP: ("✗", "bold red"),
}
STATES: Mapping[State, tuple[str, str]] = {
    State.OPEN: ("○", "cyan"),
    State.CONFLICTING: ("✗", "bold red"),
    State.MERGED: ("✓", "green"),
    State.CLOSED: ("–", "dim"),
    State.UNKNOWN: ("?", "dim"),
}


def card_preview(text: str) -> str:
    """A card as Markdown for the terminal: its metadata as a block of text, its picture by its description."""
    shown = safe(redact(text), None)
    head = re.match(r"---\n(.*?\n)---\n", shown, re.DOTALL)
    if head:
        shown = f"```yaml\n{head[1]}```\n{shown[head.end() :]}"
    return re.sub(r"!\[([^\]\n]*)\]\([^)\n]*\)", r"(picture: \1)", shown)


def heading(words: str) -> Text:
    return Text(f"{words}\n", "bold")


def checks_text(checks: Sequence[Check]) -> Text:
    """Each check in a line, those that stop first, its next step below."""
    text = Text()
    order = [Level.STOP, Level.WARN, Level.PASS]
    for check in sorted(checks, key=lambda each: order.index(each.level)):
        mark, style = MARKS[check.level]
        text.append(f"{mark} ", style).append(f"{safe_line(redact(check.sentence), 400)}\n")
        if check.next_step:
            text.append(f"  {safe_line(redact(check.next_step), 400)}\n", "dim")
    return text


def diff_text(lines: Sequence[str]) -> Text:
    """The lines of a diff; added ones are green and begin with +."""
    text = Text(no_wrap=False)
    for line in lines:
        style = "green" if line.startswith("+") else "red" if line.startswith("-") else "dim"
        text.append(f"{safe(redact(line), None)}\n", style)
    return text


def pulls_text(pulls: Sequence[PullRequest]) -> Text:
    """One's own pull requests with their state."""
    text = Text()
    for pull in pulls:
        mark, style = STATES[pull.state]
        text.append(f"{mark} {pull.state.value:<12}", style).append(f"#{pull.number} {pull.title}\n")
        text.append(f"  {pull.url}\n", "dim")
    return text


def board_table(rows: Sequence[Row], wide: bool) -> Table:
    """The entries; `wide`: with the results dataset."""
    table = Table.grid(padding=(0, 2, 0, 0))
    heads = ["", "#", "user", "model", "chapter", "method", "date", *(["results"] if wide else [])]
    for head in heads:
        table.add_column(no_wrap=True, overflow="ellipsis", justify="right" if head == "#" else "left")
    table.add_row(*[Text(head, "bold") for head in heads])
    for row in rows:
        cells = ["▸" if row.mine else " ", str(row.number), row.username, row.model_name, row.chapter, row.method]
        cells += [row.submission_date, *([row.results_dataset] if wide else [])]
        table.add_row(*[Text(cell, "bold cyan" if row.mine else "") for cell in cells])
    return table


def place_text(rows: Sequence[Row], pulls: Sequence[PullRequest], chapter: str) -> Text:
    return Text(f"{place_in_words(rows, pulls, chapter)}.\n")


def sizes_text(sizes: Sequence[tuple[str, int]]) -> Text:
    """Files with their sizes."""
    text = Text()
    for name, size in sizes:
        text.append(f"  {in_bytes(size):>10}  ", "dim").append(f"{safe_line(name, 120)}\n")
    return text


def in_bytes(size: int) -> str:
    """A size for display, such as 6.2 GB."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"
