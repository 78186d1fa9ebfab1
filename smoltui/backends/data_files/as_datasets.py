"""Whether `datasets`, with which TRL loads pairs, reads a set as smoltui does; if not, training gets our export."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, cast

from smoltui.backends.data_files.encodings import UTF_8, file_encoding, sample_encoding
from smoltui.backends.data_files.json_documents import LOOK_BYTES, is_document, layout_of_file
from smoltui.backends.data_files.source import PairsSpec, find_set, is_local, named_on_hub
from smoltui.backends.data_files.splits import format_of
from smoltui.backends.data_files.tables import ending_of
from smoltui.backends.data_files.unpacking import compression_of, damage_named, unpacking
from smoltui.errors import PairsError

_PLAIN = (".jsonl", ".ndjson", ".json")
_KNOWN_FILES = 4096


def read_alike(spec: PairsSpec, folder: Path) -> bool:
    """Whether `datasets` gives the rows that smoltui shows, of a set whose relative paths start at `folder`.

    It does not for CSV (it guesses types, and takes NA for nothing), text that is not UTF-8, zip archives, Feather,
    most .json files that are one object, folders of several formats, and addresses or revisions in place of a name.
    On the Hub, only the name decides.

    Raises:
        PairsError: there is no such set.
    """
    if not is_local(spec, folder):
        named = named_on_hub(spec.source)
        return named is None or named.plain
    found = find_set(spec, folder)
    if any(PurePosixPath(name).suffix.lower() != ".md" for name in found.aside):
        return False
    paths = [Path(path) for paths in found.splits.values() for path in paths]
    return len({format_of(path.name) for path in paths}) <= 1 and all(map(_file_read_alike, paths))


def _file_read_alike(path: Path) -> bool:
    try:
        stat = path.stat()
    except OSError:
        return True  # opening it reports the error
    return _known_to_be_alike(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=_KNOWN_FILES)
def _known_to_be_alike(path: Path, size: int, changed: int) -> bool:
    """`_file_read_alike` for a file that is as large and as old as given."""
    ending = ending_of(path.name)
    if ending in (".parquet", ".arrow"):
        return not compression_of(path.name)
    if ending not in _PLAIN:
        return False
    try:
        with path.open("rb") as data:
            if compression := compression_of(path.name):
                return _start_read_alike(data, compression, ending)
            return file_encoding(data) == UTF_8 and (ending != ".json" or layout_of_file(data) in ("lines", "array"))
    except (OSError, PairsError):
        return True


def _start_read_alike(packed: IO[bytes], compression: str, ending: str) -> bool:
    """`_file_read_alike` for a compressed file, as its start shows."""
    with damage_named(""):
        start = io.BufferedReader(cast(io.RawIOBase, unpacking(packed, compression))).read(LOOK_BYTES)
    is_text = sample_encoding(start) == UTF_8
    return is_text and (ending != ".json" or not is_document(start, whole=len(start) < LOOK_BYTES))
