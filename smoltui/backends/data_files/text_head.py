"""The first rows of a text file of any size, from its start."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from functools import partial
from typing import IO, cast

from smoltui.backends.data_files.encodings import UTF_8, Recoded, encoding_note, sample_encoding
from smoltui.backends.data_files.text import (
    BOM,
    BUFFER,
    SEPARATORS,
    ArrayElements,
    CsvRecords,
    Head,
    Piece,
    column_names,
    csv_row,
    json_row,
    lines_of,
    no_rows,
)

SAMPLE_BYTES = 256 << 10
"""Bytes that show the encoding."""


def head_of_text(stream: IO[bytes], ending: str, name: str, rows: int, most_bytes: int) -> Head:
    """The first `rows` rows of a .jsonl, .ndjson, .json, .csv or .tsv, fewer if they take more than `most_bytes`.

    Raises:
        PairsError: as when opening the whole file, as far as its start shows.
    """
    buffered: io.BufferedReader = io.BufferedReader(cast(io.RawIOBase, stream), BUFFER)
    notes: tuple[str, ...] = ()
    encoding = sample_encoding(buffered.peek(SAMPLE_BYTES)[:SAMPLE_BYTES])
    if encoding != UTF_8:
        buffered = io.BufferedReader(Recoded(buffered, encoding, name), BUFFER)
        notes = (encoding_note(name, encoding),)
    columns, found = _rows(buffered, ending, name)
    first: list[object] = []
    for row, end in found:
        if len(first) == rows:
            return Head(columns, first, False, notes)
        first.append(row)
        if not columns and isinstance(row, dict):
            columns = column_names(row)
        if end > most_bytes:
            return Head(columns, first, False, notes)
    if not first:
        raise no_rows(name, columns)
    return Head(columns, first, True, notes)


def _rows(stream: io.BufferedReader, ending: str, name: str) -> tuple[tuple[str, ...], Iterator[tuple[object, int]]]:
    """(columns, as far as a header names them; decoded rows with the offsets where they end)."""
    if ending in SEPARATORS:
        records = CsvRecords(stream, name, SEPARATORS[ending])
        return records.columns, _csv_rows(records, name)
    if ending == ".json" and is_array(stream):
        return (), _json_rows(ArrayElements(stream, name), f"{name} row")
    return (), _json_rows(lines_of(stream, name), f"{name} line")


def is_array(stream: io.BufferedReader) -> bool:
    """Whether a .json file is an array of rows; many have one object per line. Nothing is consumed."""
    return stream.peek(4096)[:4096].removeprefix(BOM).lstrip(b" \t\r\n").startswith(b"[")


def _json_rows(pieces: Iterable[Piece], place: str) -> Iterator[tuple[object, int]]:
    for piece in pieces:
        yield json_row(piece.data, partial("{} {}".format, place, piece.number)), piece.offset + len(piece.data)


def _csv_rows(records: CsvRecords, name: str) -> Iterator[tuple[object, int]]:
    for piece in records:
        place = partial("{} line {}".format, name, piece.number)
        yield csv_row(piece.data, records.columns, records.separator, place), piece.offset + len(piece.data)
