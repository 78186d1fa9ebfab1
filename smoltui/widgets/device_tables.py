"""The sections of the Device room as tables; imported when the first facts are there, not before the first frame."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from smoltui.core.machine.device import DeviceReport, Mark, Package, Sentence
from smoltui.safe_text import redact, safe_line

MARKS = {
    Mark.HERE: ("✓ here", "green"),
    Mark.TIGHT: ("! tight", "yellow"),
    Mark.JOBS: ("→ Jobs", "cyan"),
    Mark.NO: ("✗ not yet", "red"),
}


def verdict_table(sentences: Sequence[Sentence]) -> Table:
    """One sentence a row, its mark before it."""
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column(no_wrap=True)
    rows.add_column()
    for sentence in sentences:
        word, style = MARKS[sentence.mark]
        rows.add_row(Text(word, style), Text(safe_line(redact(sentence.text), 600)))
    return rows


def facts_table(facts: Sequence[tuple[str, str]]) -> Table:
    """A label and its fact a row."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for label, value in facts:
        table.add_row(label, Text(safe_line(redact(value), 500)))
    return table


def packages_table(report: DeviceReport) -> Table | Text:
    """Each package with its version and the range it must lie in."""
    if not report.packages:
        return Text("Packages: smoltui is not installed as a package, so its ranges are not known.", "dim")
    table = Table.grid(padding=(0, 2, 0, 0))
    for heading in ("package", "installed", "needed", ""):
        table.add_column(heading, no_wrap=True)
    table.add_row(*(Text(word, "dim") for word in ("package", "installed", "needed", "")))
    for package in report.packages:
        table.add_row(*_package(package))
    return table


def _package(package: Package) -> list[Text]:
    state = "✓" if package.fits else "✗ missing" if package.installed is None else "✗ outside"
    return [
        Text(safe_line(package.name, 40)),
        Text(safe_line(package.installed or "–", 24)),
        Text(safe_line(package.wanted, 30), "dim"),
        Text(state, "green" if package.fits else "red"),
    ]
