"""Looks through an imported set for what may be wrong with it, in a process of its own.

    python -m smoltui.backends.pairs.audit REQUEST.json

Prints `{"progress": rows, "of": rows}` while it goes on. Leaves what it found beside the set: `part-N.audit.arrow`, and
`audit.json`. What is compared across the set is DuckDB's, which writes to the disk what does not fit in its bound, so
that the memory of the process hardly grows with the set.
"""

from __future__ import annotations

import json
import os
import sys
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from smoltui.backends.pairs.across import Across
from smoltui.backends.pairs.import_set import TELL_SECONDS
from smoltui.backends.pairs.search import column_values, holding
from smoltui.backends.pairs.store import (
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
from smoltui.backends.project.project import open_project
from smoltui.backends.system import data_folder
from smoltui.backends.system.small_file import read_small_text
from smoltui.core.evaluation.figures import read_prompts
from smoltui.core.pairs.audit import EXAMPLES, Audit, LengthBias, audit_from_json, conditions, findings
from smoltui.core.pairs.audit_report import as_markdown
from smoltui.core.pairs.facts import TURN_JOINT
from smoltui.core.pairs.near_duplicates import BANDS, comparable, keys_of, nearly_same, normalised, words_of
from smoltui.errors import InputError, SmoltuiError

REPORT = "audit.json"
COMPARED_AT_ONCE = 20_000
"""Pairs of prompts that are compared at a time: at most so many prompts are held, 20 MB of a usual set."""
KEYS = tuple(f"key{number}" for number in range(BANDS + 1))
"""Columns of what `keys_of` gives."""
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
            "store": str(self.store),
            "max_length": self.max_length,
            "tokens": self.tokens,
            "project": str(self.project) if self.project else None,
            "held_out": str(self.held_out) if self.held_out else None,
        }


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
        data_folder.write_json(path, asked.as_json())
    except FileNotFoundError as error:
        raise gone(asked.store) from error
    except OSError as error:
        raise InputError(
            f"The audit cannot be saved ({error.strerror or error}): {asked.store.parent}", "Free some space there."
        ) from error
    return [str(path)]


def load_audit(folder: Path) -> Audit:
    """The report that was made last.

    Raises:
        PairsError: there is none (any more).
    """
    data = data_folder.read_json(folder / REPORT)
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
        data_folder.write_json(paths[0], audit.as_json(), private=False)
        beside = folder / ".audit.md.new"
        beside.write_text(as_markdown(audit), encoding="utf-8")
        beside.replace(paths[1])
    except OSError as error:
        raise InputError(
            f"The report cannot be written ({error.strerror}): {folder}",
            "Free some space, or make the folder writable.",
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
        _tell({"error": f"The audit cannot be saved ({error.strerror or error})", "hint": "Free some space."})
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
        notes.append("Lengths in tokens were not checked, because tokens are not counted yet (T counts them).")
    elif asked.max_length is None:
        notes.append("The recipe sets no max_length, so nothing is cut.")
    counted = {name: text for name, text in conditions(asked.max_length, known).items() if name not in unknown}
    clean = counts.pop("clean")
    audit = Audit(
        source=store.meta.name,
        split=store.meta.split,
        rows=len(store),
        clean=clean,
        findings=findings(len(store), counted, counts, examples),
        lengths=_length_bias(store, asked.tokens if known else None),
        max_length=asked.max_length,
        tokens_known=known,
        notes=tuple(notes),
    )
    data_folder.write_json(asked.store / REPORT, audit.as_json())
    return audit


# ----------------------------------------------------------------------------------------------- across the whole set


def _find_across(store: PairStore, asked: Asked, notes: list[str], progress: Progress) -> set[str]:
    """Writes the columns of `AUDIT_FIELDS`: what a row says only beside others. Gives the findings it cannot tell."""
    import pyarrow as pa
    import pyarrow.compute as pc

    evaluation = _evaluation_prompts(asked, notes)
    with Across(store) as across:
        asks = _add_keys(across, store, evaluation, progress)
        repeated = across.repeated_prompts()
        columns: dict[str, Any] = {
            "duplicate": across.duplicates(),
            "repeated_prompt": repeated,
            "near_duplicate_prompt": pc.and_not(_near_duplicates(across, store), repeated),
            "contradicts": across.contradictions(),
            "in_held_out": pa.nulls(len(store), pa.bool_()),
            "in_evaluation_prompts": asks if evaluation else pa.nulls(len(store), pa.bool_()),
        }
        if asked.held_out is not None:
            columns["in_held_out"] = across.shared_with(PairStore(asked.held_out))
    if asked.held_out is None:
        notes.append(
            "There was no held-out split to compare with: the recipe has none for this set. "
            "A test set split off with H shares no prompts."
        )
    table = pa.table([columns[name] for name in AUDIT_FIELDS], schema=schema_for(AUDIT_FIELDS))
    for part in range(store.parts):
        write_part(store.folder, AUDIT, part, table.slice(part * PART_ROWS, PART_ROWS).combine_chunks())
    told = {"in_held_out": asked.held_out is not None, "in_evaluation_prompts": bool(evaluation)}
    return {name for name, known in told.items() if not known}


def _evaluation_prompts(asked: Asked, notes: list[str]) -> set[bytes]:
    if asked.project is None:
        return set()
    project = open_project(asked.project)
    path = project.resolve(project.settings().evaluation.prompts)
    try:
        return {normalised(prompt) for prompt in read_prompts(read_small_text(path))} - {b""}
    except (OSError, UnicodeDecodeError):
        notes.append(f"There are no evaluation prompts to compare with: {path.name}")
        return set()


def _add_keys(across: Across, store: PairStore, evaluation: set[bytes], progress: Progress) -> Any:
    """Fills a table `keys` with those of the prompts that have words; gives which rows ask an evaluation prompt."""
    import pyarrow as pa

    fields = ", ".join(f"{name} BIGINT" for name in ("row", *KEYS))
    across.run(f"CREATE TABLE keys ({fields})")
    asks: list[Any] = []
    for part in range(store.parts):
        table = store.table(TEXT, part, ["prompt", "roles", "turn_chars"])
        made = [
            (row, *keys_of(words))
            for row, text in enumerate(_asked(table), part * PART_ROWS)
            if (words := words_of(text))
        ]
        if made:
            across.add("keys", dict(zip(("row", *KEYS), map(list, zip(*made, strict=True)), strict=True)))
        last = _last_turns(table) if evaluation else [""] * len(table)
        asks.append(pa.array([bool(text) and normalised(text) in evaluation for text in last], pa.bool_()))
        progress(min((part + 1) * PART_ROWS, len(store)), len(store))
    return pa.concat_arrays(asks) if asks else pa.array([], pa.bool_())


def _asked(table: Any) -> list[str]:
    """The prompt of each row, empty where it cannot be read; without its system text, which many prompts may share."""
    import pyarrow.compute as pc

    texts = [text or "" for text in table.column("prompt").to_pylist()]
    begins = pc.indices_nonzero(pc.starts_with(table.column("roles"), "s"))
    for row, chars in zip(begins.to_pylist(), table.column("turn_chars").take(begins).to_pylist(), strict=True):
        texts[row] = texts[row][chars[0] + len(TURN_JOINT) :]
    return texts


def _last_turns(table: Any) -> Iterator[str]:
    texts, turns = table.column("prompt").to_pylist(), table.column("turn_chars").to_pylist()
    for text, chars in zip(texts, turns, strict=True):
        yield text[len(text) - chars[-1] :] if text and chars else ""


def _near_duplicates(across: Across, store: PairStore) -> Any:
    """Rows whose prompt is nearly that of an earlier row. Repeated prompts are not looked at again.

    Of the rows that share a key, each is compared with the first and with the one before it.
    """
    same_words, *banded = KEYS
    across.run(f"CREATE TABLE found AS {across.again('prompt_hash')} UNION {across.again(same_words, table='keys')}")
    across.run("CREATE TABLE compared (row BIGINT, other BIGINT)")
    for key in banded:
        # What was compared under an earlier key is mostly what stands beside a row under this one.
        across.run(
            "CREATE OR REPLACE TABLE candidates AS SELECT DISTINCT row, other FROM ("
            "SELECT row, unnest([first, before]) AS other FROM (SELECT row, first_value(row) OVER alike AS first, "
            f"lag(row) OVER alike AS before FROM keys WINDOW alike AS (PARTITION BY {key} ORDER BY row)"
            ") WHERE before IS NOT NULL) ANTI JOIN found USING (row) ANTI JOIN compared USING (row, other)"
        )
        across.run("INSERT INTO compared SELECT * FROM candidates")
        near = array("q")
        for batch in across.batches("FROM candidates ORDER BY other", COMPARED_AT_ONCE):
            near.extend(_alike(store, batch))
        across.add("found", {"row": near})
    return across.flags("SELECT row FROM found")


def _alike(store: PairStore, candidates: Any) -> list[int]:
    """Those of the `row`s whose prompt is nearly that of an `other` beside it."""
    candidates = candidates.sort_by("row")
    rows, others = candidates.column("row").to_pylist(), candidates.column("other").to_pylist()
    earlier = dict(_texts_of(store, set(others)))
    near = []
    for (row, text), group in zip(
        _texts_of(store, set(rows)), groupby(zip(rows, others, strict=True), itemgetter(0)), strict=True
    ):
        if any(nearly_same(text, earlier[other]) for _, other in group[1]):
            near.append(row)
    return near


def _texts_of(store: PairStore, rows: Iterable[int]) -> Iterator[tuple[int, str]]:
    """Each of these rows with what is compared of its prompt, in order."""
    for part, group in groupby(sorted(rows), lambda row: row // PART_ROWS):
        wanted = list(group)
        table = store.table(TEXT, part, ["prompt", "roles", "turn_chars"])
        texts = _asked(table.take([row - part * PART_ROWS for row in wanted]))
        yield from zip(wanted, map(comparable, texts), strict=True)


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
