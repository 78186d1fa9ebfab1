"""Pairs from standard input: stored in a file that is named by what the data looks like."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from smoltui.backends.data_files.encodings import UTF_8, sample_encoding
from smoltui.backends.data_files.tables import POINTER
from smoltui.backends.data_files.text import BOM, CHUNK
from smoltui.backends.data_files.unpacking import ZIP, damage_named, unpacking
from smoltui.errors import InputError, PairsError

NAME = "-"
"""What stands for standard input in place of a file."""
SHOWN = "standard-input"
_PACKED = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst", b"\xfd7zXZ\0": ".xz", b"BZh": ".bz2"}
_TABLES = {b"PAR1": ".parquet", b"ARROW1": ".arrow", b"\xff\xff\xff\xff": ".arrow", b"PK\x03\x04": ZIP}
"""First bytes → extension."""
_START_BYTES = 4096


@contextmanager
def stored_input(stream: IO[bytes]) -> Iterator[Path]:
    """A file with everything that comes from `stream`, deleted at the end of the block.

    Raises:
        PairsError: nothing comes.
        InputError: it cannot be stored, or `stream` is a terminal.
    """
    if stream.isatty():
        raise InputError("Standard input is a terminal", "Pipe the pairs into it: smoltui pairs - < pairs.jsonl")
    with tempfile.TemporaryDirectory(prefix="smoltui-") as folder:
        plain = Path(folder) / SHOWN
        try:
            with plain.open("wb") as file:
                shutil.copyfileobj(stream, file, CHUNK)
        except OSError as error:
            raise InputError(
                f"Standard input cannot be stored ({error.strerror or error}): {folder}",
                "Free some space there, or set TMPDIR to another folder.",
            ) from error
        if plain.stat().st_size == 0:
            raise PairsError("Standard input is empty.", "Expected JSON, JSONL, CSV, Parquet or Arrow.")
        with plain.open("rb") as file:
            ending = ending_of_data(file)
        yield plain.rename(plain.with_name(f"{SHOWN}{ending}"))


def ending_of_data(data: IO[bytes]) -> str:
    """The extension that a file with these bytes should have. Raises: PairsError: it is compressed and damaged."""
    start = data.read(_START_BYTES)
    for magic, ending in _TABLES.items():
        if start.startswith(magic):
            return ending
    for magic, packed in _PACKED.items():
        if start.startswith(magic):
            data.seek(0)
            with damage_named(SHOWN):
                return _ending_of_text(unpacking(data, packed).read(_START_BYTES)) + packed
    return _ending_of_text(start)


def _ending_of_text(start: bytes) -> str:
    for magic, ending in _TABLES.items():
        if start.startswith(magic):
            return ending
    encoding = sample_encoding(start)
    text = start.removeprefix(BOM) if encoding == UTF_8 else start.decode(encoding, "ignore").encode()
    is_json = text.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"["))
    return ".json" if is_json or start.startswith(POINTER) else ".csv"
