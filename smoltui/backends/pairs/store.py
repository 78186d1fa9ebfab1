"""An imported set of pairs: Arrow files in the cache folder, read part by part.

    <cache>/pairs/<key>/meta.json                   facts about the set, and whether it is complete
                        part-00000.text.arrow       texts of `PART_ROWS` pairs
                        part-00000.facts.arrow      numbers and flags of the same pairs
                        part-00000.tokens-<k>.arrow token counts by one tokenizer
                        part-00000.audit.arrow      results of the audit

Parts are written to a temporary file and renamed, so readers only see complete ones. They are read, not mapped, so that
memory use does not grow with the set. Everything but `pair` may take a while and belongs off the UI thread.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoltui.backends.system import data_folder, locks
from smoltui.core.pairs.facts import LETTER_ROLES, TURN_JOINT, Columns, with_more
from smoltui.core.pairs.preference import Message, Pair
from smoltui.errors import PairsError

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 5
"""Version of the files; a set with another one is imported again."""
PART_ROWS = 4096
"""Rows per part: read in a few milliseconds, and the first is written half a second after an import starts."""
BATCH_ROWS = 256
"""Rows per batch inside a part, the unit that is read for one pair."""
KEPT_BATCHES = 8
"""Batches in memory."""
TEXT, FACTS, AUDIT = "text", "facts", "audit"

TEXT_FIELDS: Mapping[str, str] = {
    "prompt": "string",
    "roles": "string",
    "turn_chars": "list<int32>",
    "chosen": "string",
    "rejected": "string",
    "more": "string",
    "raw": "string",
    "problem": "string",
    "reason": "string",
    "trl_cut": "string",
    "answer_at": "int32",
    "trl_at": "int32",
    "extra": "string",
}
FACTS_FIELDS: Mapping[str, str] = {
    "hash": "binary16",
    "prompt_hash": "int64",
    "chosen_hash": "int64",
    "rejected_hash": "int64",
    "reason": "string",
    "turns": "int32",
    "prompt_chars": "int32",
    "chosen_chars": "int32",
    "rejected_chars": "int32",
    "similarity": "float32",
    "empty_chosen": "bool",
    "empty_rejected": "bool",
    "prompt_differs": "bool",
    "roles_wrong": "bool",
    "identical": "bool",
    "cut_inside_answer": "bool",
    "refusal_chosen": "bool",
    "refusal_rejected": "bool",
    "control_chars": "bool",
    "bidi_chars": "bool",
    "mixed_scripts": "bool",
    "thoughts_unwanted": "bool",
    "thoughts_missing": "bool",
}
AUDIT_FIELDS: Mapping[str, str] = dict.fromkeys(
    ("duplicate", "repeated_prompt", "near_duplicate_prompt", "contradicts", "in_held_out", "in_evaluation_prompts"),
    "bool",
)
TOKENS_FIELDS: Mapping[str, str] = dict.fromkeys(("prompt_tokens", "chosen_tokens", "rejected_tokens"), "int32")


def schema_for(fields: Mapping[str, str]) -> pa.Schema:
    """The Arrow schema of one kind of file."""
    import pyarrow as pa

    kinds = {
        "string": pa.string(),
        "list<int32>": pa.list_(pa.int32()),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "float32": pa.float32(),
        "bool": pa.bool_(),
        "binary16": pa.binary(16),
    }
    return pa.schema([(name, kinds[kind]) for name, kind in fields.items()])


def tokens_kind(key: str) -> str:
    """The kind of the files with token counts by the tokenizer with this key."""
    return f"tokens-{key}"


@dataclass(slots=True)
class Meta:
    """Facts about the set, stored in meta.json."""

    name: str
    """File name, folder name or Hub id."""
    split: str
    splits: list[str]
    schema: str
    """Key of `pair_shapes.SCHEMAS`."""
    columns: list[str]
    """Of the source, in its order."""
    rows: int = 0
    """Rows in complete parts."""
    total: int | None = None
    """Rows of the source; None if unknown."""
    complete: bool = False
    broken: str | None = None
    """Problem of the first row that cannot be decoded; None if there is none."""
    broken_rows: int = 0
    extras: dict[str, str] = field(default_factory=dict)
    """Further column of the rows → number, text, yes/no or json, whichever represents all of its values."""
    notes: list[str] = field(default_factory=list)
    """What was done to read it, and what was left aside, one sentence each."""
    thinking_off: bool = True
    """Whether training turns thinking off: rows that are converted have answers without thoughts."""
    made: str = ""
    """How pairs are made of its rows, in words; empty if each row is one as its columns show."""
    format: int = FORMAT


def pairs_cache() -> Path:
    """Folder of imported sets: in `SMOLTUI_HOME` if set, or else in the system's cache folder."""
    if os.environ.get("SMOLTUI_HOME"):
        return data_folder.home() / "cache" / "pairs"
    from platformdirs import user_cache_path

    return user_cache_path("smoltui", appauthor=False) / "pairs"


def make_private(folder: Path) -> None:
    """Creates the folder of a set in the cache, readable only by its owner. Raises OSError."""
    cache = pairs_cache()
    root = data_folder.home() if os.environ.get("SMOLTUI_HOME") else cache.parent
    for one in (cache.parent, cache, folder):
        locks.private_folder(one, root)


def store_key(identity: object) -> str:
    """Name of a set's folder: 24 hexadecimal digits of a hash over its identity and the state of its files."""
    text = json.dumps([FORMAT, identity], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


class PairStore:
    """An imported set, or the part of it that is imported so far. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.meta = read_meta(folder)
        self._lock = threading.Lock()
        self._batches: OrderedDict[tuple[str, int, int], pa.RecordBatch] = OrderedDict()
        self._last: Pair | None = None
        """The pair read last: a key asks for it several times, and a long one takes 20 ms."""
        with suppress(OSError):  # the time of last use: the least recently used sets are deleted first
            os.utime(folder)

    def __len__(self) -> int:
        return self.meta.rows

    def refresh(self) -> bool:
        """Reads how much is imported. Returns whether it has changed."""
        before = (self.meta.rows, self.meta.complete)
        self.meta = read_meta(self.folder)
        return (self.meta.rows, self.meta.complete) != before

    @property
    def parts(self) -> int:
        """Number of parts."""
        return -(-self.meta.rows // PART_ROWS)

    # -- one pair

    def pair(self, index: int) -> Pair:
        """The pair of one row. Reads a batch from disk, in about a millisecond, and keeps it.

        Raises:
            IndexError: no such row, or not imported yet.
            PairsError: the cache was deleted meanwhile.
        """
        last = self._last
        if last is None or last.index != index:
            self._last = last = pair_of_columns(index, self._text_row(index), self.meta.schema)
        return last

    def extra(self, index: int) -> dict[str, object]:
        """The further columns of a row: name → value."""
        text = self.fact(index, "extra", TEXT)
        return further_in(text) if text else {}

    def fact(self, index: int, name: str, kind: str = FACTS) -> Any:
        """One value; None also if there is no file of that kind."""
        with suppress(FileNotFoundError):
            batch, at = self._batch(kind, index)
            return batch.column(name)[at].as_py() if name in batch.schema.names else None
        return None

    def facts(self, index: int, kind: str = FACTS) -> Columns | None:
        """All values of a row from one kind of file; None if there is no such file."""
        with suppress(FileNotFoundError):
            batch, at = self._batch(kind, index)
            return dict(batch.slice(at, 1).to_pylist()[0])
        return None

    def hash(self, index: int) -> str:
        """The content hash of a row, 32 hexadecimal digits."""
        value = self.fact(index, "hash")
        if value is None:
            raise gone(self.folder)
        return bytes(value).hex()

    def _text_row(self, index: int) -> Columns:
        try:
            batch, at = self._batch(TEXT, index)
        except FileNotFoundError as error:
            raise gone(self.folder) from error
        row: Columns = batch.slice(at, 1).to_pylist()[0]
        return row

    def _batch(self, kind: str, index: int) -> tuple[pa.RecordBatch, int]:
        """The batch that contains a row, and the row's place in it."""
        if not 0 <= index < self.meta.rows:
            raise IndexError(index)
        part, inside = divmod(index, PART_ROWS)
        number, at = divmod(inside, BATCH_ROWS)
        key = (kind, part, number)
        with self._lock:
            batch = self._batches.get(key)
            if batch is None:
                with _opened(self._path(kind, part)) as reader:
                    batch = reader.get_batch(number)
                self._batches[key] = batch
                while len(self._batches) > KEPT_BATCHES:
                    self._batches.popitem(last=False)
            self._batches.move_to_end(key)
        return batch, at

    def forget(self, kind: str) -> None:
        """Drops cached batches of this kind, whose files were rewritten."""
        with self._lock:
            for key in [key for key in self._batches if key[0] == kind]:
                del self._batches[key]

    # -- many rows

    def table(self, kind: str, part: int, columns: Sequence[str] | None = None) -> pa.Table:
        """One part, with only these columns (None: all).

        Raises:
            FileNotFoundError: there is no such file.
        """
        return _read_table(self._path(kind, part), columns)

    def tables(self, kind: str, columns: Sequence[str]) -> pa.Table:
        """These columns of all parts as one table: for numbers and flags, not for texts.

        Raises:
            FileNotFoundError: a part has no file of this kind.
        """
        import pyarrow as pa

        # Copied part by part: a column as read keeps the whole batches in memory.
        tables = [self.table(kind, part, columns).combine_chunks() for part in range(self.parts)]
        return pa.concat_tables(tables) if tables else None

    def has(self, kind: str) -> bool:
        """Whether all parts have a file of this kind."""
        return all(self._path(kind, part).is_file() for part in range(self.parts))

    def pairs(self, start: int = 0) -> Iterator[tuple[Pair, str]]:
        """Yields each pair from `start` on, with its content hash.

        Raises:
            PairsError: the cache was deleted meanwhile.
        """
        for part in range(start // PART_ROWS, self.parts):
            try:
                rows = self.table(TEXT, part).to_pylist()
                hashes = self.table(FACTS, part, ["hash"]).column("hash").to_pylist()
            except FileNotFoundError as error:
                raise gone(self.folder) from error
            for index, (row, digest) in enumerate(zip(rows, hashes, strict=True), part * PART_ROWS):
                if index >= start:
                    yield pair_of_columns(index, row, self.meta.schema), digest.hex()

    def _path(self, kind: str, part: int) -> Path:
        return part_path(self.folder, kind, part)


def further_in(text: str) -> dict[str, object]:
    """The further columns in a row's `extra`."""
    import orjson

    try:
        extra: dict[str, object] = orjson.loads(text)
    except orjson.JSONDecodeError:  # NaN, and whole numbers beyond 64 bits
        extra = json.loads(text)
    return extra


def pair_of_columns(index: int, row: Columns, schema: str) -> Pair:
    """The pair in the text columns of a row."""
    if row["chosen"] is None:
        return Pair(index, problem=row["problem"], reason=row["reason"], raw=row["raw"] or "")
    text, turns, at = row["prompt"], [], 0
    for letter, count in zip(row["roles"], row["turn_chars"], strict=True):
        turns.append(Message(LETTER_ROLES[letter], text[at : at + count]))
        at += count + len(TURN_JOINT)
    pair = Pair(
        index,
        prompt=tuple(turns),
        chosen=(Message("assistant", row["chosen"]),),
        rejected=(Message("assistant", row["rejected"]),),
        problem=row["problem"],
        reason=row["reason"],
        schema=schema,
        trl_cut=row["trl_cut"],
        answer_at=row["answer_at"],
        trl_at=row["trl_at"],
    )
    return with_more(pair, row["more"]) if row["more"] else pair


def part_path(folder: Path, kind: str, part: int) -> Path:
    return folder / f"part-{part:05d}.{kind}.arrow"


def write_part(folder: Path, kind: str, part: int, table: pa.Table) -> None:
    """Writes one file: to a temporary name, which is then renamed.

    Raises:
        OSError: the disk is full, or the folder cannot be written; no incomplete file is left.
    """
    with PartFile(folder, kind, part, table.schema) as file:
        file.write(table)


class PartFile:
    """A file that is written batch by batch, and renamed at the end of the block. Raises as `write_part`.

    Every batch but the last must have `BATCH_ROWS` rows.
    """

    def __init__(self, folder: Path, kind: str, part: int, schema: pa.Schema) -> None:
        self._path = part_path(folder, kind, part)
        self._beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        self._schema = schema

    def __enter__(self) -> PartFile:
        import pyarrow as pa

        self._file = pa.OSFile(str(self._beside), "wb")
        try:
            self._writer = pa.ipc.new_file(self._file, self._schema)
        except BaseException:
            self._file.close()
            self._beside.unlink(missing_ok=True)
            raise
        return self

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table, max_chunksize=BATCH_ROWS)

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            with self._file, self._writer:  # closes both in any case, and raises the first error
                pass
            if kind is None:
                self._beside.replace(self._path)
        finally:
            self._beside.unlink(missing_ok=True)


def write_meta(folder: Path, meta: Meta) -> None:
    data_folder.write_json(folder / "meta.json", asdict(meta))


def gone(folder: Path) -> PairsError:
    """The error for missing files in the cache."""
    return PairsError("The cached copy of this set was deleted.", f"Press r to reload. It was at {folder}")


class _opened:
    """An Arrow file that is read, not mapped; with `columns`, only these are read."""

    def __init__(self, path: Path, columns: Sequence[str] | None = None) -> None:
        self._path, self._columns = path, columns

    def __enter__(self) -> pa.ipc.RecordBatchFileReader:
        import pyarrow as pa

        self._file = pa.OSFile(str(self._path), "rb")
        if self._columns is None:
            return pa.ipc.open_file(self._file)
        with pa.ipc.open_file(self._file) as reader:
            names = reader.schema.names
        included = [names.index(name) for name in self._columns]
        return pa.ipc.open_file(self._file, options=pa.ipc.IpcReadOptions(included_fields=included))

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _read_table(path: Path, columns: Sequence[str] | None) -> pa.Table:
    with _opened(path, columns) as reader:
        table = reader.read_all()
    return table if columns is None else table.select(list(columns))


def read_meta(folder: Path) -> Meta:
    """meta.json of a set in the cache.

    Raises:
        PairsError: there is none, or another version wrote it.
    """
    data = data_folder.read_json(folder / "meta.json")
    if data is None or data.get("format") != FORMAT:
        raise gone(folder)
    try:
        return Meta(**data)
    except TypeError as error:  # unknown or missing fields
        raise gone(folder) from error
