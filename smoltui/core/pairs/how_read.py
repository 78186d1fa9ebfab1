"""How a set is read, to be shown: its shape, what each column is, what is left out and why, and the first pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from smoltui.core.pairs.column_guess import Guess, guess
from smoltui.core.pairs.mapping import Preview, how_in_words, margins_in_words, pick_in_words, preview, reasons_in_words
from smoltui.core.pairs.preference import pair_json
from smoltui.scripts.pair_how import AS_IT_IS, How
from smoltui.scripts.pair_shapes import SCHEMAS

PART_WORDS = {
    "prompt": "what is asked",
    "system": "the system text",
    "history": "earlier exchanges",
    "tools": "tools that the model may call",
    "chosen": "the preferred answer",
    "rejected": "the other answer",
    "answers": "the answers that are compared",
    "winner": "names the better answer",
    "score": "more is better",
    "rank": "less is better",
}
"""Part of a pair, or what decides between answers → what its column holds."""


@dataclass(frozen=True, slots=True)
class HowRead:
    """How one set is read."""

    schema: str
    """A key of `pair_shapes.SCHEMAS`."""
    parts: Mapping[str, str]
    """A key of `PART_WORDS` → its column, several separated by commas, or a path."""
    further: tuple[str, ...]
    """Columns that are none of these; they can be searched, but are not trained on."""
    made: str
    """How pairs are made of the rows, in words; empty if each row is one as its columns show."""
    pick: str
    """Of that, which answers are paired."""
    first: Preview
    """The first rows."""
    pairs: int | None = None
    """Usable pairs of the whole set; None until it is imported."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Reason → rows and pairs of the whole set that are not trained on."""
    note: str = ""
    """What training will not use of it, one sentence; empty if it uses all."""
    files: tuple[str, ...] = ()
    """What was done to read its files and what was left aside, one sentence each."""

    def as_json(self) -> dict[str, Any]:
        """For `smoltui pairs --how --json`."""
        return {
            "schema": self.schema,
            "parts": dict(self.parts),
            "further": list(self.further),
            "made": self.made,
            "pick": self.pick,
            "pairs": self.pairs,
            "left_out": dict(self.left_out),
            "note": self.note,
            "files": list(self.files),
            "first": {
                "rows": self.first.rows,
                "pairs": self.first.made,
                "left_out": dict(self.first.left_out),
                "margins": list(self.first.margins) if self.first.margins else None,
                "shown": [pair_json(pair) for pair in self.first.shown],
            },
        }


def how_lines(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Label and text of each line about a set, without its pairs. `found` is `HowRead.as_json`."""
    parts, first = found["parts"], found["first"]
    lines = [("shape", SCHEMAS[found["schema"]])]
    if "prompt" not in parts:
        lines.append(("prompt", "the beginning of both answers"))
    lines += [(part, column.replace(",", ", ")) for part, column in parts.items()]
    lines += [("pairs", found["pick"])] if found["pick"] else []
    lines += [("further", ", ".join(found["further"]))] if found["further"] else []
    whole = found["pairs"] is not None
    pairs, left_out = (found["pairs"], found["left_out"]) if whole else (first["pairs"], first["left_out"])
    of = "" if whole else f" in the first {first['rows']:,} rows"
    reasons = reasons_in_words(left_out)
    lines += [("usable", f"{pairs:,} pair{'' if pairs == 1 else 's'}{of}"), ("left out", reasons or "nothing")]
    lines += [("note", found["note"])] if found["note"] else []
    lines += [("files", sentence) for sentence in found["files"]]
    if first["margins"]:
        said = margins_in_words(first["margins"]).removeprefix("margins ").removeprefix("margin ")
        lines.append(("margin", f"{said}, in the first {first['rows']:,} rows"))
    return lines


def how_read(
    schema: str,
    rows: Sequence[object],
    columns: Mapping[str, str] | None,
    how: How = AS_IT_IS,
    counts: Mapping[str | None, int] | None = None,
) -> HowRead:
    """How a set of this shape is read, of which `rows` are the first ones, as in the file.

    `counts`: reason (None for a usable pair) → rows of the whole set; None if it is not imported.
    """
    found = guess(rows, columns, how)
    parts = parts_of(found)
    used = {name.split(".")[0] for column in parts.values() for name in column.split(",")} | set(parts.values())
    names = dict.fromkeys(str(name) for row in rows if isinstance(row, Mapping) for name in row)
    counted = dict(counts or {})
    return HowRead(
        schema,
        parts,
        tuple(name for name in names if name not in used),
        how_in_words(columns or {}, found.how, schema),
        pick_in_words(found.how, schema),
        preview(rows, columns or {}, how),
        None if counts is None else counted.pop(None, 0),
        {str(reason): count for reason, count in sorted(counted.items(), key=lambda item: -item[1]) if reason},
    )


def parts_of(found: Guess) -> dict[str, str]:
    """A key of `PART_WORDS` → its column, in their order, for those that have one."""
    how = found.how
    parts = {
        **found.columns,
        "tools": found.tools,
        "answers": ",".join(how.answers),
        "winner": how.winner,
        "score": how.score,
        "rank": how.rank,
    }
    return {part: column for part in PART_WORDS if (column := parts.get(part))}
