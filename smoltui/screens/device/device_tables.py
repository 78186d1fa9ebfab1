"""The sections of the Device room as tables; imported with the first facts, not before the first frame."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from smoltui.core.machine.device import DeviceReport, Mark, Package, Sentence
from smoltui.safe_text import redact, safe_line

MARKS = {
    Mark.HERE: ("✓ ready", "green"),
    Mark.TIGHT: ("! tight", "yellow"),
    Mark.JOBS: ("→ Jobs", "cyan"),
    Mark.NO: ("✗ not yet", "red"),
}
OPTIONAL = ("– optional", "dim")
"""In place of `Mark.NO`."""


def verdict_table(sentences: Sequence[Sentence]) -> Table:
    """One sentence per row, preceded by its mark."""
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column(no_wrap=True)
    rows.add_column()
    for sentence in sentences:
        word, style = OPTIONAL if sentence.optional else MARKS[sentence.mark]
        rows.add_row(Text(word, style), Text(safe_line(redact(sentence.text), 600)))
    return rows


def facts_table(facts: Sequence[tuple[str, str]]) -> Table:
    """One fact per row, preceded by its label."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for label, value in facts:
        table.add_row(label, Text(safe_line(redact(value), 500)))
    return table


def packages_table(report: DeviceReport, unfolded: bool) -> Table | Text:
    """Each package with its installed version and the required range; unless `unfolded`, only those that don't fit."""
    if not report.packages:
        return Text("Packages: required versions are unknown, because smoltui is not installed as a package.", "dim")
    others = [package for package in report.packages if not package.fits]
    if not unfolded and not others:
        return _folded(f"all {len(report.packages)} packages fit")
    table = Table.grid(padding=(0, 2, 0, 0))
    for heading in ("package", "installed", "required", ""):
        table.add_column(heading, no_wrap=True)
    table.add_row(*(Text(word, "dim") for word in ("package", "installed", "required", "")))
    for package in report.packages if unfolded else others:
        table.add_row(*_package(package))
    if unfolded or len(others) == len(report.packages):
        return table
    outer = Table.grid()
    outer.add_row(table)
    outer.add_row(_folded(f"{len(report.packages) - len(others)} other packages fit"))
    return outer


def _folded(words: str) -> Text:
    return Text.assemble(("✓ ", "green"), f"{words}   ", ("z", "bold cyan"), " lists them")


def _package(package: Package) -> list[Text]:
    state = "✓" if package.fits else "✗ missing" if package.installed is None else "✗ out of range"
    return [
        Text(safe_line(package.name, 40)),
        Text(safe_line(package.installed or "–", 24)),
        Text(safe_line(package.wanted, 30), "dim"),
        Text(state, "green" if package.fits else "red"),
    ]
