"""Writes curated pairs as a dataset in a format of TRL: a folder with train, possibly test, a card and a manifest.

    OUT/train.jsonl  test.jsonl  (or .parquet)   README.md   smoltui.manifest

Pairs are streamed, so memory use does not grow with the set. The **pairs hash** identifies the pairs and their order:
SHA-256 over the content hashes of the training pairs, one per line, a line `--`, and those of the held-out pairs; its
first 32 hexadecimal digits. `scripts/dpo.py` computes it from what it trains on.
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
from dataclasses import dataclass, field
from pathlib import Path

from smoltui import __version__
from smoltui.backends.pairs.export_files import KWARGS, WRITERS, ExportRow, Kind, Writer
from smoltui.backends.system.data_folder import read_json
from smoltui.core.pairs.curation import Curation, HoldOut, held_out, prompt_hash
from smoltui.core.pairs.dataset_card import CardFacts, card
from smoltui.core.pairs.facts import sound
from smoltui.core.pairs.preference import Pair
from smoltui.errors import InputError, PairsError
from smoltui.safe_text import safe_line
from smoltui.scripts.pair_format import content_hash
from smoltui.scripts.pair_shapes import SCHEMAS

FORMAT = 1
"""Version of the folder's layout, written into its manifest."""
MANIFEST, CARD = "smoltui.manifest", "README.md"
"""The manifest is JSON; with the extension .json, programs that read folders would take it for pairs."""
PROGRESS_ROWS = 500
"""Rows between two calls of `progress` and `stopped`."""

_SIDES = ("prompt", "chosen", "rejected")
Row = tuple[Pair, str]
"""A pair and its content hash in the source."""


@dataclass(frozen=True, slots=True)
class Exported:
    """Contents of the folder."""

    folder: Path
    hash: str
    """The pairs hash."""
    train_hash: str
    """The pairs hash without held-out pairs: that of a training that does not use test."""
    rows: int
    """Rows of the source."""
    train: int
    test: int
    """0 if nothing is held out; then there is no file of it."""
    excluded: int
    swapped: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Reason → rows that are not usable pairs, or have identical answers; without those excluded by decision."""
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Stated reason → excluded pairs."""
    pairs_made: str = ""
    """How pairs were made of the source's rows, in words; empty if each row is one as its columns show."""

    @property
    def touched(self) -> bool:
        """Whether a decision changed anything about the set."""
        return bool(self.excluded or self.swapped)


@dataclass(frozen=True, slots=True)
class _Origin:
    """What is exported, for the card and the manifest."""

    name: str
    schema: str
    hold_out: HoldOut | None
    test_of: str
    texts: bool
    thinking_off: bool
    pairs_made: str


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
    pairs_made: str = "",
    overwrite: bool = False,
    progress: Callable[[int], object] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Exported | None:
    """Writes the usable pairs that are not excluded into the folder `out`; None if stopped.

    - `name` and `schema` (key of `SCHEMAS`) describe the source.
    - `thinking_off` adds the column that turns thinking off. It is always added if texts become messages, to which TRL
      would not have applied a chat template.
    - `test` is a held-out split of the source, named `test_of`; with `hold_out`, one is split off by prompt instead.
    - `texts` keeps plain text, to which TRL applies no chat template; turns before the last one are written to the
      columns `system` and `history`.
    - `pairs_made` says how pairs were made of the source's rows.
    - `progress` is called with the number of rows done.

    Raises:
        PairsError: no pair is left to train on.
        InputError: `out` exists and is not an export, or `overwrite` is not set; or it cannot be written.
    """
    _refuse_existing(out, overwrite)
    origin = _Origin(
        name,
        schema,
        hold_out,
        test_of if test is not None else "",
        texts,
        not texts and (thinking_off or schema == "standard"),
        pairs_made,
    )
    beside = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    try:
        beside.mkdir(parents=True)
        export = _Export(curation, beside, kind, origin, progress, stopped)
        if not export.write(pairs, test):
            return None
        made = export.result(out)
        _describe(origin, made, beside, export.files)
        _move_into_place(beside, out)
    except OSError as error:
        raise _unwritable(out, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return made


def _describe(origin: _Origin, made: Exported, folder: Path, files: Mapping[str, str]) -> None:
    """Writes the card and the manifest. `files`: split → name of its file."""
    _write(folder / CARD, card(_card_facts(origin, made, files)))
    _write(folder / MANIFEST, json.dumps(_manifest(origin, made, folder), ensure_ascii=False, indent=1) + "\n")


def _card_facts(origin: _Origin, made: Exported, files: Mapping[str, str]) -> CardFacts:
    return CardFacts(
        name=origin.name,
        schema=SCHEMAS.get(origin.schema, origin.schema),
        files=files,
        rows=made.rows,
        train=made.train,
        test=made.test,
        excluded=made.excluded,
        reasons=made.reasons,
        swapped=made.swapped,
        left_out=made.left_out,
        hold_out=origin.hold_out,
        test_of=origin.test_of,
        texts=origin.texts,
        thinking_off=origin.thinking_off,
        pairs_made=origin.pairs_made,
        digest=made.hash,
    )


def _manifest(origin: _Origin, made: Exported, folder: Path) -> dict[str, object]:
    """What `read_export` reads; with the sizes of the files in `folder`, which shows if one is truncated."""
    hold_out = origin.hold_out
    return {
        "format": FORMAT,
        "made_by": f"smoltui {__version__}",
        "hash": made.hash,
        "train_hash": made.train_hash,
        "source": {"name": origin.name, "schema": origin.schema, "rows": made.rows},
        "pairs": {"train": made.train, "test": made.test},
        "excluded": made.excluded,
        "swapped": made.swapped,
        "left_out": dict(made.left_out),
        "reasons": dict(made.reasons),
        "hold_out": {"share": hold_out.share, "seed": hold_out.seed} if hold_out else None,
        "thinking_off": origin.thinking_off,
        "pairs_made": origin.pairs_made,
        "files": {path.name: path.stat().st_size for path in sorted(folder.iterdir())},
    }


def read_export(folder: Path) -> Exported | None:
    """The contents of an export, from its manifest; None if there is none, or its files are missing or truncated."""
    data = read_json(folder / MANIFEST)
    try:
        if data is None or data["format"] != FORMAT or not data["files"]:
            return None
        if any((folder / str(path)).stat().st_size != size for path, size in data["files"].items()):
            return None
        return Exported(
            folder,
            hash=str(data["hash"]),
            train_hash=str(data["train_hash"]),
            rows=data["source"]["rows"],
            train=data["pairs"]["train"],
            test=data["pairs"]["test"],
            excluded=data["excluded"],
            swapped=data["swapped"],
            left_out=data["left_out"],
            reasons=data["reasons"],
            pairs_made=data.get("pairs_made", ""),
        )
    except (OSError, KeyError, TypeError, AttributeError):
        return None


# ------------------------------------------------------------------------------------------------------------- writing


class _Export:
    """The files being written, and the counts so far."""

    def __init__(
        self,
        curation: Curation,
        folder: Path,
        kind: Kind,
        origin: _Origin,
        progress: Callable[[int], object],
        stopped: Callable[[], bool],
    ) -> None:
        self._curation, self._folder, self._kind, self._origin = curation, folder, kind, origin
        self._progress, self._stopped = progress, stopped
        self._writers: dict[str, Writer] = {}
        self._train_hash = hashlib.sha256()
        self._test_hashes = bytearray()
        """16 bytes per pair: they are hashed after those of all training pairs."""
        self._counts = Counter[str]()
        self._left_out, self._reasons = Counter[str](), Counter[str]()
        self._done = 0
        self.files: dict[str, str] = {}
        """Split → name of its file."""

    def write(self, pairs: Iterable[Row], test: Iterable[Row] | None) -> bool:
        """Writes all pairs to disk. Returns whether it was not stopped.

        Raises:
            PairsError: there is no pair to train on.
        """
        try:
            if not self._take(pairs, self._origin.hold_out, "train"):
                return False
            if test is not None and not self._take(test, None, "test"):
                return False
            self._close()
        finally:
            for writer in self._writers.values():
                writer.abandon()
        return True

    def _take(self, rows: Iterable[Row], hold_out: HoldOut | None, split: str) -> bool:
        """Writes the usable pairs of `rows` to `split`, or to test if held out. Returns whether it was not stopped."""
        for pair, digest in rows:
            if self._done % PROGRESS_ROWS == 0:
                if self._stopped():
                    return False
                self._progress(self._done)
            self._done += 1
            if self._is_used(pair, digest):
                held = hold_out is not None and held_out(prompt_hash(pair.prompt), hold_out.seed, hold_out.share)
                self._add("test" if held else split, pair, digest)
        self._progress(self._done)
        return True

    def _is_used(self, pair: Pair, digest: str) -> bool:
        """Whether the pair is exported; counts the reason otherwise."""
        if digest in self._curation.excluded:
            self._counts["excluded"] += 1
            if why := self._curation.reasons.get(digest):
                self._reasons[why] += 1
        elif pair.problem is not None:
            self._left_out[(pair.reason or "unusable").replace("_", " ")] += 1
        elif pair.chosen == pair.rejected:
            self._left_out["identical"] += 1
        else:
            return True
        return False

    def _add(self, split: str, pair: Pair, digest: str) -> None:
        self._counts[split] += 1
        chosen, rejected = pair.chosen, pair.rejected
        swapped = digest in self._curation.swapped
        if swapped:
            self._counts["swapped"] += 1
            chosen, rejected = rejected, chosen
        row: ExportRow = {
            "prompt": [turn.as_json() for turn in pair.prompt],
            "chosen": [turn.as_json() for turn in chosen],
            "rejected": [turn.as_json() for turn in rejected],
        }
        if pair.tools:
            row["tools"] = list(pair.tools)
        is_sound = _is_sound(row)
        if not is_sound:
            row = _made_sound(row)
        if swapped or not is_sound:
            digest = content_hash(row)
        self._note_hash(split, digest)
        self._writer(split).write(self._formatted(row, pair.kwargs))

    def _formatted(self, row: ExportRow, kwargs: Mapping[str, object] | None) -> ExportRow:
        if self._origin.texts:
            return _as_texts(row)
        if kwargs is not None:
            return {**row, KWARGS: dict(kwargs)}
        if self._origin.thinking_off:
            return {**row, KWARGS: {"enable_thinking": False}}
        return row

    def _note_hash(self, split: str, digest: str) -> None:
        if split == "train":
            self._train_hash.update(f"{digest}\n".encode("ascii"))
        else:
            self._test_hashes += bytes.fromhex(digest)

    def _writer(self, split: str) -> Writer:
        if split not in self._writers:
            name = self.files[split] = f"{split}.{self._kind}"
            file = (self._folder / name).open("wb", buffering=1 << 20)
            self._writers[split] = WRITERS[self._kind](file)
        return self._writers[split]

    def _close(self) -> None:
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

    def result(self, out: Path) -> Exported:
        """The contents of the folder, once it is moved to `out`."""
        with_test, without = self._train_hash.copy(), self._train_hash.copy()
        for digest in (with_test, without):
            digest.update(b"--\n")
        for at in range(0, len(self._test_hashes), 16):
            with_test.update(f"{self._test_hashes[at : at + 16].hex()}\n".encode("ascii"))
        return Exported(
            out,
            hash=with_test.hexdigest()[:32],
            train_hash=without.hexdigest()[:32],
            rows=self._done,
            train=self._counts["train"],
            test=self._counts["test"],
            excluded=self._counts["excluded"],
            swapped=self._counts["swapped"],
            left_out=dict(self._left_out),
            reasons=dict(self._reasons),
            pairs_made=self._origin.pairs_made,
        )


def _is_sound(row: ExportRow) -> bool:
    """Whether no text contains a lone surrogate, which cannot be encoded, or U+FFFD, which may have replaced one."""
    try:
        for side in _SIDES:
            for turn in row[side]:
                if "\ufffd" in (text := turn["content"]):
                    return False
                text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _made_sound(row: ExportRow) -> ExportRow:
    """The row with lone surrogates replaced by U+FFFD, as in the store (`core.pairs.facts.sound`)."""
    texts = {side: [{**turn, "content": sound(turn["content"])} for turn in row[side]] for side in _SIDES}
    return {**row, **texts}


def _as_texts(row: ExportRow) -> ExportRow:
    """TRL's standard format; turns before the last one are in the columns that known sets use for them."""
    *before, last = row["prompt"]
    texts: ExportRow = {"prompt": last["content"]}
    texts |= {side: row[side][0]["content"] for side in ("chosen", "rejected")}
    if before and before[0]["role"] == "system":
        texts["system"] = before.pop(0)["content"]
    if before:
        said = [turn["content"] for turn in before]
        texts["history"] = [list(exchange) for exchange in zip(said[::2], said[1::2], strict=True)]
    return texts


# ------------------------------------------------------------------------------------------------------ the folder


def _refuse_existing(out: Path, overwrite: bool) -> None:
    """Raises InputError if `out` exists and must not be replaced."""
    try:
        inside = {path.name for path in out.iterdir()} if out.is_dir() else None
        exists = out.is_symlink() or out.exists()
    except OSError as error:
        raise _unwritable(out, error) from error
    if not exists or inside == set():
        return
    shown = safe_line(str(out), 300)
    ours = None if inside is None or out.is_symlink() else _files_of_export(out)
    if ours is None or inside is None:
        raise InputError(
            f"This path already exists and is not an export, so nothing was written: {shown}",
            "Choose a folder that does not exist yet.",
        )
    if foreign := sorted(inside - ours):
        raise InputError(
            f"The existing export contains a file that smoltui did not write ({safe_line(foreign[0], 80)}): {shown}",
            "Choose another folder, or move that file away.",
        )
    if not overwrite:
        raise InputError(f"An export already exists: {shown}", "Choose another folder, or replace it: --overwrite")


def _files_of_export(folder: Path) -> set[str] | None:
    """Names of the files that an export wrote; None if the folder is not an export."""
    manifest = read_json(folder / MANIFEST)
    files = manifest.get("files") if manifest and "format" in manifest else None
    return {*files, MANIFEST} if isinstance(files, Mapping) else None


def _move_into_place(beside: Path, out: Path) -> None:
    """Renames the finished folder to `out`; an earlier export is only deleted afterwards."""
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
