"""Looks through an imported set for what may be wrong with it, in a process of its own.

    python -m smoltui.backends.pair_audit REQUEST.json

Prints `{"progress": rows, "of": rows}` while it goes on. Leaves what it found beside the set: `part-N.audit.arrow`, and
`audit.json`. The memory it takes grows with the set, by about 400 bytes a pair (805 MB at 1.6 million).
"""

from __future__ import annotations

import json
import os
import sys
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smoltui.backends import run_store
from smoltui.backends.pair_import import TELL_SECONDS
from smoltui.backends.pair_search import column_values, holding
from smoltui.backends.pair_store import (
    AUDIT,
    AUDIT_FIELDS,
    FACTS,
    PART_ROWS,
    TEXT,
    PairStore,
    gone,
    schema_for,
    write_part,
)
from smoltui.backends.project import open_project
from smoltui.core.audit import EXAMPLES, Audit, LengthBias, audit_from_json, conditions, findings
from smoltui.core.audit_report import as_markdown
from smoltui.core.evaluation import read_prompts
from smoltui.core.near_duplicates import BANDS, BINS, EMPTY, SIMILAR, band_keys, normalised, sketch
from smoltui.errors import InputError, SmoltuiError

REPORT = "audit.json"
Progress = Callable[[int, int], object]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be looked at, and with what in mind."""

    store: Path
    """Folder of the imported set."""
    max_length: int | None
    """Tokens; None: nothing is cut."""
    tokens: str | None
    """Kind of the files that hold token counts; None: not counted."""
    project: Path | None
    """Whose evaluation prompts are looked for; None: no project."""
    held_out: Path | None = None
    """Folder of the imported held-out split; None: there is none."""

    def as_json(self) -> dict[str, Any]:
        return {
            "store": str(self.store), "max_length": self.max_length, "tokens": self.tokens,
            "project": str(self.project) if self.project else None,
            "held_out": str(self.held_out) if self.held_out else None,
        }  # fmt: skip


def asked_from_json(data: Mapping[str, Any]) -> Asked:
    paths = {name: Path(data[name]) if data[name] else None for name in ("project", "held_out")}
    return Asked(store=Path(data["store"]), max_length=data["max_length"], tokens=data["tokens"], **paths)


def audit_request(asked: Asked) -> list[str]:
    """Writes down what is asked, beside the set; gives the arguments of this module.

    Raises:
        InputError: the cache cannot be written.
    """
    path = asked.store / "audit-request.json"
    try:
        run_store.write_json(path, asked.as_json())
    except OSError as error:
        raise InputError(
            f"The audit cannot be kept, {error.strerror or error}: {asked.store.parent}", "Free some space there."
        ) from error
    return [str(path)]


def load_audit(folder: Path) -> Audit:
    """The report that was made last.

    Raises:
        PairsError: there is none (any more).
    """
    data = run_store.read_json(folder / REPORT)
    if data is None:
        raise gone(folder)
    return audit_from_json(data)


def save_reports(audit: Audit, folder: Path) -> list[Path]:
    """The report as JSON and as Markdown in a project folder.

    Raises:
        InputError: they cannot be written.
    """
    paths = [folder / "audit.json", folder / "audit.md"]
    try:
        run_store.write_json(paths[0], audit.as_json())
        beside = folder / ".audit.md.new"
        beside.write_text(as_markdown(audit), encoding="utf-8")
        beside.replace(paths[1])
    except OSError as error:
        raise InputError(
            f"The report cannot be written, {error.strerror}: {folder}", "Free some space, or allow writing there."
        ) from error
    return paths


def main(arguments: list[str]) -> int:
    with suppress(OSError):
        os.nice(5)
    told = 0.0

    def progress(rows: int, of: int) -> None:
        nonlocal told
        if (now := time.monotonic()) - told > TELL_SECONDS:
            told = now
            _tell({"progress": rows, "of": of})

    try:
        asked = asked_from_json(json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
        audit = make_audit(asked, progress)
    except SmoltuiError as error:
        _tell({"error": error.message, "hint": error.hint})
        return 2
    except OSError as error:
        _tell({"error": f"The audit cannot be kept, {error.strerror or error}", "hint": "Free some space."})
        return 2
    _tell({"audit": audit.rows})
    return 0


def make_audit(asked: Asked, progress: Progress = lambda rows, of: None) -> Audit:
    """Looks at the whole set and leaves the report beside it.

    Raises:
        PairsError: the cache was deleted meanwhile.
        RecipeError: smoltui.toml cannot be read.
        OSError: the cache cannot be written.
    """
    store = PairStore(asked.store)
    notes: list[str] = []
    try:
        unknown = _find_across(store, asked, notes, progress)
        counts, examples = _count(store, asked, progress)
    except FileNotFoundError as error:
        raise gone(asked.store) from error
    known = asked.tokens is not None and store.has(asked.tokens)
    if not known:
        notes.append("Lengths in tokens were not looked at: they are not counted (T counts them).")
    elif asked.max_length is None:
        notes.append("The recipe sets no max_length, so nothing is cut.")
    counted = {name: text for name, text in conditions(asked.max_length, known).items() if name not in unknown}
    clean = counts.pop("clean")
    audit = Audit(
        source=store.meta.name, split=store.meta.split, rows=len(store), clean=clean,
        findings=findings(len(store), counted, counts, examples),
        lengths=_length_bias(store, asked.tokens if known else None), max_length=asked.max_length, tokens_known=known,
        notes=tuple(notes),
    )  # fmt: skip
    run_store.write_json(asked.store / REPORT, audit.as_json())
    return audit


# ----------------------------------------------------------------------------------------------- across the whole set


def _find_across(store: PairStore, asked: Asked, notes: list[str], progress: Progress) -> set[str]:
    """Writes the columns of `AUDIT_FIELDS`: what a row says only beside others. Gives the findings it cannot tell."""
    import pyarrow as pa
    import pyarrow.compute as pc

    hashes = {name: _numbers(store, name) for name in ("prompt_hash", "chosen_hash", "rejected_hash")}
    prompt, chosen, rejected = hashes.values()
    readable = pc.is_valid(prompt)
    columns: dict[str, Any] = {
        "duplicate": _again([prompt, chosen, rejected], readable),
        "repeated_prompt": _again([prompt], readable),
        "contradicts": _contradicting(prompt, chosen, rejected, readable),
        "in_held_out": pa.nulls(len(store), pa.bool_()),
    }
    if asked.held_out is not None:
        other = _numbers(PairStore(asked.held_out), "prompt_hash")
        columns["in_held_out"] = pc.and_(pc.is_in(prompt, pc.unique(pc.drop_null(other))), readable)
    else:
        notes.append("No held-out split was compared with: the recipe names none. One carved with H shares no prompt.")
    evaluation = _evaluation_prompts(asked, notes)
    sketches, asks = _sketches(store, evaluation, progress)
    near = _near_duplicates(sketches, readable)
    columns["near_duplicate_prompt"] = pc.and_not(near, columns["repeated_prompt"])
    columns["in_evaluation_prompts"] = pa.array(asks, pa.bool_()) if evaluation else pa.nulls(len(store), pa.bool_())
    table = pa.table([columns[name] for name in AUDIT_FIELDS], schema=schema_for(AUDIT_FIELDS))
    for part in range(store.parts):
        write_part(store.folder, AUDIT, part, table.slice(part * PART_ROWS, PART_ROWS).combine_chunks())
    told = {"in_held_out": asked.held_out is not None, "in_evaluation_prompts": bool(evaluation)}
    return {name for name, known in told.items() if not known}


def _numbers(store: PairStore, name: str) -> Any:
    return store.tables(FACTS, [name]).column(name).combine_chunks()


def _order(keys: Sequence[Any]) -> Any:
    """Row numbers sorted by the keys, rows with equal keys in their order."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = [f"k{number}" for number in range(len(keys))]
    rows = pa.array(range(len(keys[0])), pa.int64())
    table = pa.table([*keys, rows], names=[*names, "row"])
    return pc.sort_indices(table, sort_keys=[(name, "ascending") for name in (*names, "row")])


def _same_as_before(keys: Sequence[Any], order: Any) -> Any:
    """For each place of `order` whether its keys are those of the place before; null keys are never the same."""
    import pyarrow as pa
    import pyarrow.compute as pc

    same = None
    for key in keys:
        ordered = key.take(order)
        equal = pc.fill_null(pc.equal(ordered.slice(1), ordered.slice(0, max(len(ordered) - 1, 0))), False)
        same = equal if same is None else pc.and_(same, equal)
    return pa.concat_arrays([pa.array([False] if len(order) else [], pa.bool_()), same])


def _scatter(flags: Any, order: Any) -> Any:
    """Flags by place of `order` as flags by row."""
    import pyarrow.compute as pc

    return flags.take(pc.sort_indices(order))


def _again(keys: Sequence[Any], readable: Any) -> Any:
    """Rows whose keys stood in an earlier row."""
    import pyarrow.compute as pc

    order = _order(keys)
    return pc.and_(_scatter(_same_as_before(keys, order), order), readable)


def _contradicting(prompt: Any, chosen: Any, rejected: Any, readable: Any) -> Any:
    """Rows to which another one has the same prompt and the same answers the other way round."""
    import pyarrow as pa
    import pyarrow.compute as pc

    low, high = pc.min_element_wise(chosen, rejected), pc.max_element_wise(chosen, rejected)
    keys = [prompt, low, high]
    order = _order(keys)
    group = pc.cumulative_sum(pc.cast(pc.invert(_same_as_before(keys, order)), pa.int64()))
    side = pc.cast(pc.fill_null(pc.less(chosen, rejected), False), pa.int8()).take(order)
    # Both ways round in one group; groups are numbered from 1 in order, so a group's figures are found by its number.
    grouped = pa.table({"group": group, "side": side}).group_by("group", use_threads=False)
    told = grouped.aggregate([("side", "min"), ("side", "max")])
    both = pc.not_equal(told.column("side_min"), told.column("side_max")).combine_chunks()
    flags = both.take(pc.subtract(group, 1)) if len(group) else pa.array([], pa.bool_())
    differ = pc.fill_null(pc.not_equal(chosen, rejected), False)
    return pc.and_(pc.and_(_scatter(flags, order), differ), readable)


def _evaluation_prompts(asked: Asked, notes: list[str]) -> set[str]:
    if asked.project is None:
        return set()
    project = open_project(asked.project)
    path = project.resolve(project.settings().evaluation.prompts)
    try:
        return {normalised(prompt) for prompt in read_prompts(path.read_text(encoding="utf-8"))} - {""}
    except (OSError, UnicodeDecodeError):
        notes.append(f"There are no evaluation prompts to compare with: {path.name}")
        return set()


def _sketches(store: PairStore, evaluation: set[str], progress: Progress) -> tuple[list[array[int]], list[bool]]:
    """`BINS` columns of sketches and `BANDS` of band keys over the rows, and which rows ask an evaluation prompt."""
    bins = [array("i") for _ in range(BINS)]
    bands = [array("q") for _ in range(BANDS)]
    asks: list[bool] = []
    nothing = [EMPTY] * BINS
    for part in range(store.parts):
        table = store.table(TEXT, part, ["prompt", "turn_chars"])
        for text, turns in zip(table.column("prompt").to_pylist(), table.column("turn_chars").to_pylist(), strict=True):
            made = sketch(text) if text else nothing
            for column, value in zip(bins, made, strict=True):
                column.append(value)
            for column, value in zip(bands, band_keys(made), strict=True):
                column.append(value)
            asks.append(bool(evaluation and text and normalised(text[-turns[-1] :] if turns[-1] else "") in evaluation))
        progress(min((part + 1) * PART_ROWS, len(store)), len(store))
    return [*bins, *bands], asks


def _near_duplicates(sketches: list[array[int]], readable: Any) -> Any:
    """Rows whose prompt is nearly that of an earlier row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    bins = [pa.array(column, pa.int32()) for column in sketches[:BINS]]
    filled = pc.and_(pc.greater_equal(pc.max_element_wise(*bins), 0), readable)
    found = pa.array([False] * len(readable), pa.bool_())
    for column in sketches[BINS:]:
        key = pc.if_else(filled, pa.array(column, pa.int64()), pa.scalar(None, pa.int64()))
        order = _order([key])
        same = _same_as_before([key], order)
        # Each row of a group is compared with the group's first one.
        places = pa.array(range(len(order)), pa.int64())
        first = pc.cumulative_max(pc.if_else(same, 0, places))
        later = pc.indices_nonzero(same)
        rows, firsts = order.take(later), order.take(first.take(later))
        alike, either = pa.array([0] * len(later), pa.int32()), pa.array([0] * len(later), pa.int32())
        for values in bins:
            left, right = values.take(rows), values.take(firsts)
            held = pc.greater_equal(pc.max_element_wise(left, right), 0)
            alike = pc.add(alike, pc.cast(pc.and_(pc.equal(left, right), held), pa.int32()))
            either = pc.add(either, pc.cast(held, pa.int32()))
        share = pc.divide(pc.cast(alike, pa.float64()), pc.cast(pc.max_element_wise(either, 1), pa.float64()))
        near = rows.filter(pc.greater_equal(share, SIMILAR))
        found = pc.or_(found, pc.is_in(pa.array(range(len(readable)), near.type), near))
    return found


# ------------------------------------------------------------------------------------------------------------ counting


def _count(store: PairStore, asked: Asked, progress: Progress) -> tuple[dict[str, int], dict[str, list[int]]]:
    """How many rows each finding has (and `clean`), and its first rows."""
    known = asked.tokens is not None and store.has(asked.tokens)
    wanted = {**conditions(asked.max_length, known), "clean": "reason IS NULL AND NOT identical"}
    counts, examples = dict.fromkeys(wanted, 0), {name: list[int]() for name in wanted}
    for name, rows in holding(store, wanted, tokens=asked.tokens):
        counts[name] += len(rows)
        examples[name] += rows.slice(0, max(EXAMPLES - len(examples[name]), 0)).to_pylist()
    progress(len(store), len(store))
    return counts, examples


def _length_bias(store: PairStore, tokens: str | None) -> LengthBias:
    """Over the usable pairs."""
    import pyarrow.compute as pc

    usable = pc.is_null(store.tables(FACTS, ["reason"]).column("reason"))
    gap = column_values(store, "gap").filter(usable)
    pairs = len(gap)
    longer, equal = (int(pc.sum(test(gap, 0)).as_py() or 0) for test in (pc.greater, pc.equal))
    median = pc.quantile(gap, 0.5)[0].as_py() if pairs else 0.0
    counted = None
    if tokens is not None:
        sides = [column_values(store, f"{side}_tokens", tokens).filter(usable) for side in ("chosen", "rejected")]
        counted = pc.quantile(pc.subtract(*sides), 0.5)[0].as_py() if pairs else None
    return LengthBias(pairs, longer, equal, float(median or 0.0), counted)


def _tell(line: dict[str, Any]) -> None:
    print(json.dumps(line, ensure_ascii=True), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
