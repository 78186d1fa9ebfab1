"""Writes curated pairs as a data set of TRL's form: a folder with train, perhaps test, a card and a manifest.

    OUT/train.jsonl  test.jsonl  (or .parquet)   README.md   smoltui.manifest

Everything is streamed, so memory does not grow with the set. The **pairs hash** says which pairs in which order:
SHA-256 over the content hashes of the training pairs, one a line, a line `--`, and those of the held-out pairs; its
first 32 hexadecimal digits. `scripts/dpo.py` computes the same one from what it trains on.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, Protocol

from smoltui import __version__
from smoltui.backends.system.data_folder import read_json
from smoltui.core.pairs.curation import Curation, HoldOut, held_out, prompt_hash
from smoltui.core.pairs.dataset_card import CardFacts, card
from smoltui.core.pairs.facts import sound
from smoltui.core.pairs.preference import Pair
from smoltui.errors import InputError, PairsError
from smoltui.safe_text import safe_line
from smoltui.scripts.pair_format import SCHEMAS, content_hash

FORMAT = 1
"""Of the folder; written into its manifest."""
MANIFEST, CARD = "smoltui.manifest", "README.md"
"""The manifest is JSON; with that ending, readers of folders would take it for pairs."""
TOLD_ROWS = 500
"""Rows between two calls of `progress` and `stopped`."""
GROUP_ROWS, GROUP_CHARS = 1000, 16 << 20
"""A Parquet row group is written at so many rows or characters."""

Kind = Literal["jsonl", "parquet"]
Row = tuple[Pair, str, Mapping[str, Any]]
"""A pair, its content hash in the source, and the further columns of its row; of those only `chat_template_kwargs`,
which TRL knows, is written."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What lies in the folder."""

    folder: Path
    hash: str
    """The pairs hash."""
    train_hash: str
    """The pairs hash when nothing is held out: of a training that does not look at test."""
    rows: int
    """Rows of the source."""
    train: int
    test: int
    """0 when nothing is held out; then there is no file of it."""
    excluded: int
    swapped: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Rows that are no usable pair, or whose answers are the same, by reason; not those left out by decision."""
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Excluded pairs by the reason that was said."""

    @property
    def touched(self) -> bool:
        """Whether a decision changed anything about the set."""
        return bool(self.excluded or self.swapped)


def export_pairs(
    pairs: Iterable[Row],
    curation: Curation,
    *,
    out: Path,
    kind: Kind = "jsonl",
    name: str,
    schema: str,
    thinking_off: bool,
    hold_out: HoldOut | None = None,
    test: Iterable[Row] | None = None,
    test_of: str = "",
    texts: bool = False,
    overwrite: bool = False,
    progress: Callable[[int], object] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Exported | None:
    """Writes the pairs that are not excluded and can be trained on into the folder `out`; None when it was stopped.

    `name` and `schema` (key of `SCHEMAS`) say where they come from. `thinking_off` adds the column that turns thinking
    off; it is also added where texts become messages, to which TRL would have applied no chat template. `test` is a
    held-out split that the source has by itself (called `test_of`); with `hold_out` one is carved by prompt. `texts`
    keeps pairs as the texts they were, to which TRL applies no chat template; turns before the last one go to `system`
    and `history`. `progress` is told the rows done.

    Raises:
        PairsError: no pair is left to train on.
        InputError: `out` is there and is no export, or one without `overwrite`; the disk is full or cannot be written.
    """
    _refuse(out, overwrite)
    thinking_off = not texts and (thinking_off or schema == "standard")
    beside = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    try:
        beside.mkdir(parents=True)
        export = _Export(curation, beside, kind, thinking_off, texts, progress, stopped)
        try:
            whole = export.take(pairs, hold_out) and (test is None or export.take(test, None, into="test"))
            export.close(whole)
        finally:
            export.abandon()
        if not whole:
            return None
        made = export.made(out)
        facts = CardFacts(
            name,
            SCHEMAS.get(schema, schema),
            export.files,
            made.rows,
            made.train,
            made.test,
            made.excluded,
            made.reasons,
            made.swapped,
            made.left_out,
            hold_out,
            test_of if test is not None else "",
            texts,
            thinking_off,
            made.hash,
        )
        _write(beside / CARD, card(facts))
        manifest = {
            "format": FORMAT,
            "made_by": f"smoltui {__version__}",
            "hash": made.hash,
            "train_hash": made.train_hash,
            "source": {"name": name, "schema": schema, "rows": made.rows},
            "pairs": {"train": made.train, "test": made.test},
            "excluded": made.excluded,
            "swapped": made.swapped,
            "left_out": dict(made.left_out),
            "reasons": dict(made.reasons),
            "hold_out": {"share": hold_out.share, "seed": hold_out.seed} if hold_out else None,
            "thinking_off": thinking_off,
            "files": {path.name: path.stat().st_size for path in sorted(beside.iterdir())},
        }
        _write(beside / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1) + "\n")
        _put(beside, out)
    except OSError as error:
        raise _unwritable(out, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return made


def read_export(folder: Path) -> Exported | None:
    """What an export holds, by its manifest; None when there is none, or files of it are missing or cut short."""
    data = read_json(folder / MANIFEST)
    try:
        if data is None or data["format"] != FORMAT:
            return None
        whole = all((folder / str(path)).stat().st_size == size for path, size in data["files"].items())
        return (
            Exported(
                folder,
                str(data["hash"]),
                str(data["train_hash"]),
                data["source"]["rows"],
                data["pairs"]["train"],
                data["pairs"]["test"],
                data["excluded"],
                data["swapped"],
                data["left_out"],
                data["reasons"],
            )
            if whole and data["files"]
            else None
        )
    except (OSError, KeyError, TypeError, AttributeError):
        return None


# ------------------------------------------------------------------------------------------------------------- writing


class _Export:
    """The files while they grow, and what is counted on the way."""

    def __init__(
        self,
        curation: Curation,
        folder: Path,
        kind: Kind,
        thinking_off: bool,
        texts: bool,
        progress: Callable[[int], object],
        stopped: Callable[[], bool],
    ) -> None:
        self._curation, self._folder, self._kind = curation, folder, kind
        self._thinking_off, self._texts = thinking_off, texts
        self._progress, self._stopped = progress, stopped
        self._writers: dict[str, _Writer] = {}
        self._train_hash = hashlib.sha256()
        self._test_hashes = bytearray()  # 16 bytes a pair: they come behind those of all training pairs
        self._counts = Counter[str]()
        self._left_out, self._reasons = Counter[str](), Counter[str]()
        self._done = 0
        self.files: dict[str, str] = {}
        """Split → name of its file."""

    def take(self, rows: Iterable[Row], hold_out: HoldOut | None, into: str = "train") -> bool:
        """Writes what is left of `rows`; whether it was not stopped on the way."""
        excluded, swapped = self._curation.excluded, self._curation.swapped
        for pair, digest, extra in rows:
            if self._done % TOLD_ROWS == 0:
                if self._stopped():
                    return False
                self._progress(self._done)
            self._done += 1
            if digest in excluded:
                self._counts["excluded"] += 1
                if why := self._curation.reasons.get(digest):
                    self._reasons[why] += 1
                continue
            if pair.problem is not None:
                self._left_out[(pair.reason or "unusable").replace("_", " ")] += 1
                continue
            if pair.chosen == pair.rejected:
                self._left_out["identical"] += 1
                continue
            split = into
            if hold_out is not None and held_out(prompt_hash(pair.prompt), hold_out.seed, hold_out.share):
                split = "test"
            self._counts[split] += 1
            self._add(split, pair, digest, extra, swapped=digest in swapped)
        self._progress(self._done)
        return True

    def _add(self, split: str, pair: Pair, digest: str, extra: Mapping[str, Any], *, swapped: bool) -> None:
        chosen, rejected = pair.chosen[0].content, pair.rejected[0].content
        if swapped:
            self._counts["swapped"] += 1
            chosen, rejected = rejected, chosen
        row: dict[str, Any] = {
            "prompt": [{"role": turn.role, "content": turn.content} for turn in pair.prompt],
            "chosen": [{"role": "assistant", "content": chosen}],
            "rejected": [{"role": "assistant", "content": rejected}],
        }
        sound = _is_sound(row)
        if not sound:
            row = _without_half_surrogates(row)
        if swapped or not sound:
            digest = content_hash(row)
        if self._texts:
            row = _as_texts(row)
        elif self._thinking_off:
            row["chat_template_kwargs"] = {"enable_thinking": False}
        elif isinstance(kwargs := extra.get("chat_template_kwargs"), Mapping):
            row["chat_template_kwargs"] = dict(kwargs)
        if split == "train":
            self._train_hash.update(f"{digest}\n".encode("ascii"))
        else:
            self._test_hashes += bytes.fromhex(digest)
        if split not in self._writers:
            name = self.files[split] = f"{split}.{self._kind}"
            file = (self._folder / name).open("wb", buffering=1 << 20)
            self._writers[split] = _WRITERS[self._kind](file)
        self._writers[split].write(row)

    def close(self, whole: bool) -> None:
        """Brings everything to the disk; of an export that was stopped nothing is wanted any more.

        Raises:
            PairsError: there is no pair to train on.
        """
        if not whole:
            return
        if not self._counts["train"]:
            said = ", ".join(f"{reason} ({count:,})" for reason, count in self._all_left_out().most_common(4))
            raise PairsError(
                f"None of the {self._done:,} rows are left to train on: {said or 'there are none'}",
                "Include pairs again or hold out fewer in the Pairs room.",
            )
        for writer in self._writers.values():
            writer.close()
        self.files = {split: self.files[split] for split in ("train", "test") if split in self.files}

    def _all_left_out(self) -> Counter[str]:
        more = {"excluded": self._counts["excluded"], "held out": self._counts["test"]}
        return self._left_out + Counter(more)

    def abandon(self) -> None:
        """Lets go of files that are still open."""
        for writer in self._writers.values():
            writer.abandon()

    def made(self, out: Path) -> Exported:
        with_test, without = self._train_hash.copy(), self._train_hash.copy()
        for digest in (with_test, without):
            digest.update(b"--\n")
        for at in range(0, len(self._test_hashes), 16):
            with_test.update(f"{self._test_hashes[at : at + 16].hex()}\n".encode("ascii"))
        return Exported(
            out,
            with_test.hexdigest()[:32],
            without.hexdigest()[:32],
            self._done,
            self._counts["train"],
            self._counts["test"],
            self._counts["excluded"],
            self._counts["swapped"],
            dict(self._left_out),
            dict(self._reasons),
        )


class _Writer(Protocol):
    file: IO[bytes]

    def __init__(self, file: IO[bytes]) -> None: ...

    def write(self, row: dict[str, Any]) -> None: ...

    def close(self) -> None:
        """Brings everything to the disk."""

    def abandon(self) -> None:
        """Lets go of the file, whatever is in it; nothing to do after `close`."""


class _Lines:
    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def write(self, row: dict[str, Any]) -> None:
        self.file.write(json.dumps(row, ensure_ascii=False).encode("utf-8") + b"\n")

    def close(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()

    def abandon(self) -> None:
        with suppress(OSError):  # what is in the buffer finds no space either
            self.file.close()


class _Groups:
    """Parquet, a row group at a time; the first group decides the columns."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self._rows: list[dict[str, Any]] = []
        self._chars = 0
        self._parquet: Any = None

    def write(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        self._chars += sum(map(_length, row.values()))
        if len(self._rows) >= GROUP_ROWS or self._chars >= GROUP_CHARS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            if self._parquet is None:
                names = list(dict.fromkeys(name for row in self._rows for name in row))
                table = pa.table({name: pa.array([row.get(name) for row in self._rows]) for name in names})
                self._parquet = pq.ParquetWriter(self.file, table.schema, compression="zstd")
            else:
                self._check(self._parquet.schema)
                table = pa.Table.from_pylist(self._rows, schema=self._parquet.schema)
        except (pa.ArrowException, OverflowError, TypeError) as error:  # a number of more than 64 bits is of no form
            raise _one_form("chat_template_kwargs") from error
        self._parquet.write_table(table)
        self._rows, self._chars = [], 0

    def _check(self, schema: Any) -> None:
        """Arrow drops what has no column without a word."""
        known = set(schema.names)
        column = "chat_template_kwargs"
        kwargs = {field.name for field in schema.field(column).type} if column in known else set()
        for row in self._rows:
            if more := row.keys() - known:
                raise _one_form(min(more))
            if row.get(column, {}).keys() - kwargs:
                raise _one_form(column)

    def close(self) -> None:
        if self._rows:
            self._flush()
        self._parquet.close()
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()

    def abandon(self) -> None:
        if self._parquet is not None:
            self._parquet.is_open = False  # it would write its end when it is deleted, and print that it cannot
        with suppress(OSError):
            self.file.close()


def _length(value: Any) -> int:
    """Characters of a text or of messages."""
    if isinstance(value, str):
        return len(value)
    return sum(len(turn["content"]) for turn in value if isinstance(turn, dict)) if isinstance(value, list) else 0


def _one_form(column: str) -> InputError:
    return InputError(
        f"A column changes its type within the set, which Parquet does not support: {column}",
        "Export as jsonl instead.",
    )


_WRITERS: Mapping[str, type[_Writer]] = {"jsonl": _Lines, "parquet": _Groups}


def _is_sound(row: Mapping[str, Any]) -> bool:
    """Whether no text holds half a surrogate pair, which no file can hold, nor what may stand in the place of one."""
    try:
        for side in ("prompt", "chosen", "rejected"):
            for turn in row[side]:
                if "\ufffd" in (text := turn["content"]):
                    return False
                text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _without_half_surrogates(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with each half of a surrogate pair as U+FFFD, as a store keeps it (`core.pairs.facts.sound`)."""
    return {side: [{**turn, "content": sound(turn["content"])} for turn in turns] for side, turns in row.items()}


def _as_texts(row: Mapping[str, Any]) -> dict[str, Any]:
    """TRL's standard form; turns before the last one stand in the columns that known sets have for them."""
    *before, last = row["prompt"]
    texts: dict[str, Any] = {"prompt": last["content"]}
    texts |= {side: row[side][0]["content"] for side in ("chosen", "rejected")}
    if before and before[0]["role"] == "system":
        texts["system"] = before.pop(0)["content"]
    if before:
        said = [turn["content"] for turn in before]
        texts["history"] = [list(exchange) for exchange in zip(said[::2], said[1::2], strict=True)]
    return texts


# ------------------------------------------------------------------------------------------------------------ in place


def _refuse(out: Path, overwrite: bool) -> None:
    """Raises InputError when something lies at `out` that may not be replaced."""
    try:
        inside = {path.name for path in out.iterdir()} if out.is_dir() else None
        there = out.is_symlink() or out.exists()
    except OSError as error:
        raise _unwritable(out, error) from error
    if not there or inside == set():
        return
    manifest = read_json(out / MANIFEST) if inside else None
    files = manifest.get("files") if manifest and "format" in manifest and not out.is_symlink() else None
    shown = safe_line(str(out), 300)
    if not isinstance(files, Mapping) or inside is None:
        raise InputError(
            f"This path already exists and is not an export, so nothing was written: {shown}",
            "Choose a folder that does not exist yet.",
        )
    if foreign := sorted(inside - set(files) - {MANIFEST}):
        raise InputError(
            f"The existing export contains a file that smoltui did not write ({safe_line(foreign[0], 80)}): {shown}",
            "Choose another folder, or move that file away.",
        )
    if not overwrite:
        raise InputError(f"An export already exists: {shown}", "Choose another folder, or replace it: --overwrite")


def _put(beside: Path, out: Path) -> None:
    """Renames the finished folder into place; what was there before stays until that worked."""
    old = None
    if out.is_dir() and any(out.iterdir()):
        old = out.with_name(f".{out.name}.old-{secrets.token_hex(4)}")
        out.rename(old)
    try:
        beside.rename(out)
    except OSError:
        if old is not None:
            old.rename(out)
        raise
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", errors="replace") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _unwritable(out: Path, error: OSError) -> InputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InputError(
            f"The disk is full, so the pairs were not written: {safe_line(str(out), 300)}",
            "Free some space, or choose a folder on another disk.",
        )
    return InputError(
        f"The pairs cannot be written ({error.strerror or error}): {safe_line(str(out), 300)}",
        "Choose a folder that you can write to.",
    )
