"""Values on the command line: those of a column, and the further columns of rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from smoltui.cli.output import say, say_data
from smoltui.core.pairs.facet import VALUE_CHARS, Facet, FacetValue
from smoltui.core.pairs.further import value_text
from smoltui.core.pairs.preference import Pair, pair_json
from smoltui.safe_text import safe_line

LISTED = 40
"""Values that are printed as text; JSON has up to `core.pairs.facet.MOST_VALUES`."""
CELL = 60
"""Characters of a value that are printed in a line."""


def facet_json(facet: Facet) -> dict[str, Any]:
    """`facet` of the report: `column`, `kind`, `pairs`, `distinct`, and `values`, the most frequent first.

    Each value has `value`, `pairs`, `median_gap` (characters), with scores `median_margin`, and `where`, the condition
    for its pairs; `characters` is the length of a value that is cut off.
    """
    return {
        "column": facet.column.name,
        "kind": facet.column.kind,
        "pairs": facet.pairs,
        "distinct": facet.distinct,
        "values": [_value_json(value, facet) for value in facet.values],
    }


def _value_json(value: FacetValue, facet: Facet) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "value": _typed(value, facet.column.kind),
        "pairs": value.pairs,
        "median_gap": value.gap,
        "where": value.condition,
    }
    if facet.has_margin:
        shown["median_margin"] = value.margin
    if value.chars > VALUE_CHARS:
        shown["characters"] = value.chars
    return shown


def _typed(value: FacetValue, kind: str) -> object:
    if value.text is not None and kind == "yes/no":
        return value.text == "yes"
    return value.text if value.number is None else value.number


def print_facet(facet: Mapping[str, Any]) -> None:
    """Prints the values of a column, one per line."""
    values = facet["values"]
    has_margin = any("median_margin" in value for value in values)
    many = "" if facet["distinct"] == 1 else "s"
    say(f"{safe_line(facet['column'], CELL)}: {facet['distinct']:,} value{many} in {facet['pairs']:,} pairs")
    say(f"{'pairs':>9}  {'share':>6}  {'median gap':>10}  {'median margin  ' if has_margin else ''}value")
    for value in values[:LISTED]:
        gap = "–" if value["median_gap"] is None else f"{value['median_gap']:+,.0f}"
        margin = value.get("median_margin")
        shown_margin = f"{'–' if margin is None else f'{margin:+.3g}':>13}  " if has_margin else ""
        share = value["pairs"] / max(facet["pairs"], 1)
        # The values are data, as the texts of pairs are.
        say_data(f"{value['pairs']:>9,}  {share:>6.1%}  {gap:>10}  {shown_margin}{_shown(value)}")
    if facet["distinct"] > LISTED:
        say(f"{'…':>9}  {facet['distinct'] - min(len(values), LISTED):,} more values (--json lists the first 1,000)")


def _shown(value: Mapping[str, Any]) -> str:
    text = value_text(value["value"])
    if text is None:
        return "(no value)"
    cut = f" {value['characters']:,} characters" if "characters" in value else ""
    return f"{safe_line(text, 20 if cut else CELL)}{cut}" if text.strip() else repr(text[:CELL])


def with_further(pair: Pair, columns: Mapping[str, object]) -> dict[str, Any]:
    """A pair in TRL's conversational form, with the other columns of its row as `further`."""
    shown = pair_json(pair)
    said = shown.keys() & {"chat_template_kwargs", "tools"}
    further = {name: value for name, value in columns.items() if name not in said}
    return shown | ({"further": further} if further else {})


def print_further(pair: Mapping[str, Any]) -> None:
    """Prints the further columns of a pair, one per line."""
    for name, value in pair.get("further", {}).items():
        text = value_text(value)
        say_data(f"{safe_line(name, CELL)}: {'–' if text is None else safe_line(text)}")


def print_head(pairs: Iterable[Mapping[str, Any]]) -> None:
    """Prints pairs in two lines each: number and question, then the further columns."""
    for pair in pairs:
        users = [turn["content"] for turn in pair.get("prompt", ()) if turn["role"] == "user"]
        asked = users[-1] if users else pair.get("problem", "")
        say_data(f"{pair['row']:>7}  {safe_line(asked.strip(), CELL)}")
        cells = [
            f"{safe_line(name, 30)}: {'–' if (text := value_text(value)) is None else safe_line(text, 30)}"
            for name, value in pair.get("further", {}).items()
        ]
        if cells:
            say_data(f"{'':>9}{'  '.join(cells)}")
