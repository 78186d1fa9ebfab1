"""Audits an imported set for possible problems, as a process: `python -m smoltui.backends.pairs.audit REQUEST.json`.

Prints JSON lines `{"progress": rows, "of": rows}`. Writes its results to the folder of the set: `part-N.audit.arrow`
and `audit.json`. DuckDB compares rows across the set, and writes to disk what exceeds its memory limit, so the memory
use of the process hardly grows with the set.
"""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoltui.backends.pairs.across import Across
from smoltui.backends.pairs.child_output import Line, Progress, run_child
from smoltui.backends.pairs.set_columns import column_values, holding
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
from smoltui.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

REPORT = "audit.json"
COMPARED_AT_ONCE = 20_000
"""Pairs of prompts compared at a time. As many prompts are in memory, 20 MB for a typical set."""
KEYS = tuple(f"key{number}" for number in range(BANDS + 1))
"""Columns with the results of `keys_of`."""
RowsDone = Callable[[int, int], object]
"""Called with the rows examined so far and the rows of the whole set."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What to audit."""

    store: Path
    """Folder of the imported set."""
    max_length: int | None
    """Of the recipe, in tokens; None: nothing is cut."""
    tokens: str | None
    """Kind of the files with token counts; None: not counted."""
    project: Path | None
    """Folder of the project whose evaluation prompts are compared; None: no project."""
    held_out: Path | None = None
    """Folder of the imported held-out split; None if there is none."""

    def as_json(self) -> dict[str, object]:
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
    """Writes the request to the folder of the set. Returns the arguments of this module.

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
    """The latest report.

    Raises:
        PairsError: there is none.
    """
    data = data_folder.read_json(folder / REPORT)
    if data is None:
        raise gone(folder)
    return audit_from_json(data)


def save_reports(audit: Audit, folder: Path) -> list[Path]:
    """Writes the report into a project folder, as JSON and as Markdown. Returns the paths.

    Raises:
        InputError: they cannot be written.
    """
    paths = [folder / "audit.json", folder / "audit.md"]
    try:
        data_folder.write_json(paths[0], audit.as_json(), private=False)
        data_folder.replace_file(paths[1], as_markdown(audit).encode(), private=False)
    except OSError as error:
        raise InputError(
            f"The report cannot be written ({error.strerror}): {folder}",
            "Free some space, or make the folder writable.",
        ) from error
    return paths


def main(arguments: list[str]) -> int:
    def unwritable(error: OSError) -> InputError:
        return InputError(f"The audit cannot be saved ({error.strerror or error})", "Free some space.")

    return run_child(lambda: _audited(Path(arguments[0])), unwritable)


def _audited(request: Path) -> Line:
    progress = Progress()
    asked = asked_from_json(json.loads(request.read_text(encoding="utf-8")))
    audit = make_audit(asked, lambda rows, of: progress({"progress": rows, "of": of}))
    return {"audit": audit.rows}


def make_audit(asked: Asked, progress: RowsDone = lambda rows, of: None) -> Audit:
    """Audits the whole set and writes the report to its folder.

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
        notes.append("Lengths in tokens were not checked, because tokens are not counted yet (m counts them).")
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


def _find_across(store: PairStore, asked: Asked, notes: list[str], progress: RowsDone) -> set[str]:
    """Writes the columns of `AUDIT_FIELDS`, which compare rows. Returns the findings that remain unknown."""
    import pyarrow as pa
    from pyarrow import compute as pc

    evaluation = _evaluation_prompts(asked, notes)
    with Across(store) as across:
        asks = _add_keys(across, store, evaluation, progress)
        repeated = across.repeated_prompts()
        columns = {
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
    known = {"in_held_out": asked.held_out is not None, "in_evaluation_prompts": bool(evaluation)}
    return {name for name, is_known in known.items() if not is_known}


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


def _add_keys(across: Across, store: PairStore, evaluation: set[bytes], progress: RowsDone) -> pa.Array:
    """Fills the table `keys` for prompts with words. Returns for each row whether it asks an evaluation prompt."""
    import pyarrow as pa

    fields = ", ".join(f"{name} BIGINT" for name in ("row", *KEYS))
    across.run(f"CREATE TABLE keys ({fields})")
    asks: list[pa.Array] = []
    for part in range(store.parts):
        table = store.table(TEXT, part, ["prompt", "roles", "turn_chars"])
        made = [
            (row, *keys_of(words))
            for row, text in enumerate(_questions(table), part * PART_ROWS)
            if (words := words_of(text))
        ]
        if made:
            across.add("keys", dict(zip(("row", *KEYS), map(list, zip(*made, strict=True)), strict=True)))
        last = _last_turns(table) if evaluation else [""] * len(table)
        asks.append(pa.array([bool(text) and normalised(text) in evaluation for text in last], pa.bool_()))
        progress(min((part + 1) * PART_ROWS, len(store)), len(store))
    return pa.concat_arrays(asks) if asks else pa.array([], pa.bool_())


def _questions(table: pa.Table) -> list[str]:
    """The prompt of each row without its system text, which many prompts may share; empty if the row is unreadable."""
    from pyarrow import compute as pc

    texts = [text or "" for text in table.column("prompt").to_pylist()]
    begins = pc.indices_nonzero(pc.starts_with(table.column("roles"), "s"))
    for row, chars in zip(begins.to_pylist(), table.column("turn_chars").take(begins).to_pylist(), strict=True):
        texts[row] = texts[row][chars[0] + len(TURN_JOINT) :]
    return texts


def _last_turns(table: pa.Table) -> Iterator[str]:
    texts, turns = table.column("prompt").to_pylist(), table.column("turn_chars").to_pylist()
    for text, chars in zip(texts, turns, strict=True):
        yield text[len(text) - chars[-1] :] if text and chars else ""


def _near_duplicates(across: Across, store: PairStore) -> pa.Array:
    """Rows whose prompt is almost the same as an earlier one. Repeated prompts are not compared.

    Each row is compared with two of those that share a key with it: the first, and the previous one.
    """
    same_words, *banded = KEYS
    across.run(f"CREATE TABLE found AS {across.again('prompt_hash')} UNION {across.again(same_words, table='keys')}")
    across.run("CREATE TABLE compared (row BIGINT, other BIGINT)")
    for key in banded:
        # Rows that share this key mostly share an earlier one too, and were compared then.
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


def _alike(store: PairStore, candidates: pa.Table) -> list[int]:
    """The rows of `row` whose prompt is almost the same as that of an `other` in the same line."""
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
    """Each of these rows with the `comparable` text of its prompt, in order."""
    for part, group in groupby(sorted(rows), lambda row: row // PART_ROWS):
        wanted = list(group)
        table = store.table(TEXT, part, ["prompt", "roles", "turn_chars"])
        texts = _questions(table.take([row - part * PART_ROWS for row in wanted]))
        yield from zip(wanted, map(comparable, texts), strict=True)


# ------------------------------------------------------------------------------------------------------------ counting


def _count(store: PairStore, asked: Asked, progress: RowsDone) -> tuple[dict[str, int], dict[str, list[int]]]:
    """Number of rows per finding (and of `clean`), and the first rows of each."""
    known = asked.tokens is not None and store.has(asked.tokens)
    wanted = {**conditions(asked.max_length, known), "clean": "reason IS NULL AND NOT identical"}
    counts, examples = dict.fromkeys(wanted, 0), {name: list[int]() for name in wanted}
    for name, rows in holding(store, wanted, tokens=asked.tokens):
        counts[name] += len(rows)
        examples[name] += rows.slice(0, max(EXAMPLES - len(examples[name]), 0)).to_pylist()
    progress(len(store), len(store))
    return counts, examples


def _length_bias(store: PairStore, tokens: str | None) -> LengthBias:
    """The length bias of the usable pairs."""
    from pyarrow import compute as pc

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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
