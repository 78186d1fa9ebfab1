"""Encodings, dialects, archives, forms of JSON, folders and standard input: the same pairs, or one sentence."""

from __future__ import annotations

import bz2
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.backends.data_files.arrow_rows import rows_of
from smoltui.backends.data_files.csv_dialect import Dialect, dialect_of
from smoltui.backends.data_files.encodings import Recoded, sample_encoding
from smoltui.backends.data_files.head import open_head
from smoltui.backends.data_files.hub_names import HubName, hub_name
from smoltui.backends.data_files.source import PairsSpec, open_pairs
from smoltui.backends.data_files.standard_input import stored_input
from smoltui.backends.data_files.text import Broken
from smoltui.backends.pairs.opened_set import imported
from smoltui.cli.pairs import Asked, pairs_report
from smoltui.errors import InputError, PairsError
from tests.paths import ROOT

ROWS = [
    {"prompt": "Wie heißt der Fluß in Köln?", "chosen": "Der Rhein – ein großer Fluß.", "rejected": "Keine „Ahnung“."},
    {"prompt": "Name a river in France.", "chosen": "The Loire; it is long.\nVery | long,", "rejected": "Paris"},
    {"prompt": "What is 7 times 8?", "chosen": "56", "rejected": '"54"'},
]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
TABLE = {name: [row[name] for row in ROWS] for name in ROWS[0]}


def table(separator: str, end: str = "\n") -> str:
    def field(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',;|\t"\n') else text

    records = [list(ROWS[0]), *(list(row.values()) for row in ROWS)]
    return "".join(separator.join(map(field, record)) + end for record in records)


def zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def feather() -> bytes:
    sink = io.BytesIO()
    pyarrow.feather.write_feather(pa.Table.from_pylist(ROWS), sink)
    return sink.getvalue()


def dumped(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def by_number(values: list[Any]) -> dict[str, Any]:
    return {str(number): value for number, value in enumerate(values)}


READ: dict[str, tuple[str, bytes]] = {
    "UTF-16 with a mark": ("a.jsonl", LINES.encode("utf-16")),
    "UTF-16, big end first, with a mark": ("a.jsonl", b"\xfe\xff" + LINES.encode("utf-16-be")),
    "UTF-16 without a mark": ("a.jsonl", LINES.encode("utf-16-le")),
    "UTF-16, big end first": ("a.jsonl", LINES.encode("utf-16-be")),
    "UTF-32 with a mark": ("a.jsonl", LINES.encode("utf-32")),
    "UTF-32 without a mark": ("a.jsonl", LINES.encode("utf-32-le")),
    "UTF-32, big end first": ("a.csv", table(",").encode("utf-32-be")),
    "UTF-16 in JSON": ("a.json", json.dumps(ROWS).encode("utf-16")),
    "Windows-1252": ("a.jsonl", LINES.encode("cp1252")),
    "Windows-1252 in a table": ("a.csv", table(";").encode("cp1252")),
    "UTF-16 in a table": ("a.csv", table("\t", "\r\n").encode("utf-16")),
    "semicolons": ("a.csv", table(";").encode()),
    "bars": ("a.csv", table("|").encode()),
    "tabs": ("a.csv", table("\t").encode()),
    "commas in a .tsv": ("a.tsv", table(",").encode()),
    "a line that names the separator": ("a.csv", b"sep=|\r\n" + table("|").encode()),
    "the same behind a mark": ("a.csv", b'\xef\xbb\xbf"sep=;"\n' + table(";").encode()),
    "a header with blanks": ("a.csv", table(",").replace("prompt,chosen,", " prompt , chosen ,", 1).encode()),
    "xz": ("a.jsonl.xz", lzma.compress(LINES.encode())),
    "xz in two streams": ("a.jsonl.xz", b"".join(lzma.compress(line.encode()) for line in LINES.splitlines(True))),
    "bzip2": ("a.csv.bz2", bz2.compress(table(",").encode())),
    "a zip archive": ("a.zip", zipped({"in/a.jsonl": LINES.encode(), "__MACOSX/in/._a.jsonl": b"x"})),
    "a table in a zip archive": ("a.csv.zip", zipped({"a.csv": table(";").encode("cp1252")})),
    "JSON in a zip archive": ("a.zip", zipped({"a.json": dumped({"data": ROWS})})),
    "Feather": ("a.feather", feather()),
    "rows in an object": ("a.json", dumped({"version": 1, "tags": ["a", 2, [3]], "data": ROWS, "license": None})),
    "the same over several lines": ("a.json", json.dumps({"meta": {"a": [1]}, "rows": ROWS}, indent=2).encode()),
    "columns": ("a.json", dumped(TABLE)),
    "columns over several lines": ("a.json", json.dumps(TABLE, indent=1).encode()),
    "columns by row": ("a.json", dumped({name: by_number(values) for name, values in TABLE.items()})),
    "rows by name": ("a.json", dumped(by_number(ROWS))),
    "columns and data": (
        "a.json",
        dumped({"columns": list(TABLE), "index": [0, 1, 2], "data": [list(row.values()) for row in ROWS]}),
    ),
    "columns, compressed": ("a.json.xz", lzma.compress(dumped(TABLE))),
}


@pytest.mark.parametrize("name", READ)
def test_every_form_gives_the_same_pairs(name: str, tmp_path: Path) -> None:
    file, data = READ[name]
    (tmp_path / file).write_bytes(data)
    source = open_pairs(file, base=tmp_path)
    assert list(source.rows(0, 99)) == ROWS
    assert source.schema == "standard"
    head = open_head(PairsSpec(file), tmp_path)
    assert (head.rows, head.whole, head.columns, head.notes) == (ROWS, True, source.columns, source.notes)
    named = next((word for word in ("UTF-16", "UTF-32", "Windows-1252") if word in name), None)
    expected = () if named is None else (f"{file} is not UTF-8; it is read as {named}.",)
    assert source.notes == expected or file == "a.csv.zip"


REFUSED: dict[str, tuple[str, bytes, str]] = {
    "several files in a zip archive": ("a.zip", zipped({"a.jsonl": b"x", "b.csv": b"y"}), "it has 2: a.jsonl, b.csv"),
    "no file in a zip archive": ("a.zip", zipped({"in/": b""}), "must contain exactly one file; it has none"),
    "another file in a zip archive": ("a.zip", zipped({"a.txt": b"x"}), "cannot be read from the archive: a.txt"),
    "several lists in an object": ("a.json", dumped({"train": ROWS, "test": ROWS}), "several lists of objects in it"),
    "an old Feather file": ("a.feather", b"FEA1" + bytes(60), "a.feather is not an Arrow file"),
    "Cyrillic, as Windows has it": (
        "a.jsonl",
        "".join(json.dumps({"prompt": "Столица Франции, какая она?"}, ensure_ascii=False)).encode("cp1251"),
        "contains a byte that is not UTF-8: 0xD1, byte 13 of it",
    ),
    "Polish, as Windows has it": (
        "a.jsonl",
        '{"prompt": "Która rzeka płynie, może Wisła, łódź?"}'.encode("cp1250"),
        "contains a byte that is not UTF-8: 0xF3, byte 15 of it",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_one_sentence(name: str, tmp_path: Path) -> None:
    file, data, words = REFUSED[name]
    (tmp_path / file).write_bytes(data)
    with pytest.raises(PairsError) as refused:
        open_pairs(file, base=tmp_path)
    assert words in refused.value.message and refused.value.hint


def test_damaged_bytes_in_utf8_are_named_row_by_row(tmp_path: Path) -> None:
    """One bad byte must not turn all other characters of the file into those of Windows-1252."""
    good = LINES.encode()
    (tmp_path / "a.jsonl").write_bytes(good + good.replace("ö".encode(), b"\xf6", 1))
    rows = list(open_pairs("a.jsonl", base=tmp_path).rows(0, 99))
    assert rows[:3] == ROWS and rows[4:] == ROWS[1:]
    assert isinstance(rows[3], Broken) and "a.jsonl line 4 contains a byte that is not UTF-8: 0xF6" in rows[3].problem
    with pytest.raises(PairsError, match="0xF6"):
        pairs_report(Asked(str(tmp_path / "a.jsonl")))


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.sampled_from(["utf-16", "utf-32", "utf-16-be"]))
def test_what_is_recoded_is_the_same_text(text: str, encoding: str) -> None:
    assert Recoded(io.BytesIO(text.encode(encoding)), encoding, "a").read() == text.encode()


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])).filter(lambda text: "\0" not in text))
def test_utf8_is_never_taken_for_anything_else(text: str) -> None:
    assert sample_encoding(text.encode()) == "utf-8"


@given(st.binary(min_size=1, max_size=60))
def test_no_bytes_are_replaced(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    """Whatever the bytes: a row is read as they say, or is unreadable. U+FFFD is never made."""
    path = tmp_path_factory.mktemp("junk") / "a.csv"
    text = junk.replace(b"\n", b"").replace(b"\r", b"").replace(b'"', b"").replace(b",", b"")
    path.write_bytes(b"prompt,chosen,rejected\n" + text + b",a,b\n" + b"p,a,b\n")
    rows = list(open_pairs(path).rows(0, 9))
    for row in rows:
        assert isinstance(row, Broken) or "\ufffd" not in "".join(row.values()) or b"\xef\xbf\xbd" in junk


def test_the_separator_is_told_from_the_header() -> None:
    assert dialect_of(b"prompt,chosen;x;y,rejected\n", ",") == Dialect(",", 0)
    assert dialect_of(b"Question, asked;chosen;rejected\n", ",") == Dialect(";", 0)
    assert dialect_of(b'"a;b;c;d","e"\n', ",") == Dialect(",", 0)
    assert dialect_of(b"alone\n", "\t") == Dialect("\t", 0)


@given(
    st.lists(
        st.none() | st.lists(st.none() | st.fixed_dictionaries({"role": st.text(), "n": st.none() | st.integers(0, 9)}))
    )
)
def test_values_of_arrow_are_those_of_pyarrow(values: list[Any]) -> None:
    kind = pa.list_(pa.struct([("role", pa.string()), ("n", pa.int32())]))
    column = pa.array([[], *values, None, []], kind)
    for part in (column, column.slice(1), column.slice(2, 3)):
        batch = pa.RecordBatch.from_arrays([part, part.is_valid()], ["turns", "ok"])
        assert list(rows_of(batch, 0, "a.arrow")) == batch.to_pylist()


# -------------------------------------------------------------------------------------------------------------- folders


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def test_a_folder_says_what_was_left_aside(tmp_path: Path) -> None:
    """Files that only describe the set are not its rows, and of two formats one is read."""
    described = {"config.json": b'{"a": 1}', "stats.json": b'{\n "rows": 3\n}', "notes.txt": b"x", "README.md": b"x"}
    write(tmp_path, {"a.jsonl": LINES.encode(), "b.csv": table(",").encode(), ".hidden": b"x", **described})
    source = open_pairs(tmp_path)
    assert list(source.rows(0, 9)) == ROWS
    assert source.notes == ("Left aside: README.md, b.csv, config.json, notes.txt, stats.json.",)
    assert open_head(PairsSpec(str(tmp_path)), None).notes == source.notes
    assert pairs_report(Asked(str(tmp_path)))["notes"] == list(source.notes)


def test_splits_may_have_different_formats(tmp_path: Path) -> None:
    write(tmp_path, {"train.jsonl": LINES.encode(), "test.csv": table(";").encode()})
    for split in ("train", "test"):
        source = open_pairs(tmp_path, split=split)
        assert (source.splits, source.notes) == (("train", "test"), ())
        assert list(source.rows(0, 9)) == ROWS


def test_a_folder_of_shapes_to_be_mapped_is_kept(tmp_path: Path) -> None:
    """Where no file has a known shape, none is left aside."""
    write(tmp_path, {"a.json": json.dumps([{"x": "1", "y": "2"}]).encode()})
    assert open_pairs_columns(tmp_path) == {"x": "1", "y": "2"}


def open_pairs_columns(folder: Path) -> object:
    with pytest.raises(PairsError) as refused:
        open_pairs(folder)
    return getattr(refused.value, "rows")[0]  # noqa: B009


# ------------------------------------------------------------------------------------------------------- standard input


class _Piped(io.BytesIO):
    def isatty(self) -> bool:
        return False


@pytest.mark.parametrize("name", READ)
def test_standard_input(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(_Piped(READ[name][1])))
    report = pairs_report(Asked("-", row=1))
    assert (report["rows"], report["clean"]["count"]) == (3, 3)
    assert report["pair"]["chosen"][0]["content"] == ROWS[1]["chosen"]


def test_nothing_is_kept_of_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    with stored_input(_Piped(LINES.encode())) as path:
        assert imported(PairsSpec(str(path)), path.parent).folder.is_dir()
    assert not path.exists()
    with pytest.raises(PairsError, match="is empty"), stored_input(_Piped(b"")):
        pass
    monkeypatch.setattr(_Piped, "isatty", lambda stream: True)
    with pytest.raises(InputError, match="is a terminal"), stored_input(_Piped(b"")):
        pass


# --------------------------------------------------------------------------------------------------------- on the Hub

NAMED: dict[str, HubName | None] = {
    "owner/name": HubName("owner/name"),
    "owner/name:small": HubName("owner/name", "small", plain=False),
    "owner/name:small@v1": HubName("owner/name", "small", None, "v1", plain=False),
    "datasets/owner/name": HubName("owner/name", plain=False),
    "hf://datasets/owner/name": HubName("owner/name", plain=False),
    "hf://datasets/owner/name@v1/data/a.jsonl": HubName("owner/name", None, None, "v1", "data/a.jsonl", False),
    "hf://datasets/owner/name@refs/convert/parquet/small": HubName(
        "owner/name", None, None, "refs/convert/parquet", "small", False
    ),
    "hf://datasets/owner/name@refs%2Fpr%2F1/a": HubName("owner/name", None, None, "refs/pr/1", "a", False),
    "https://huggingface.co/datasets/owner/name": HubName("owner/name", plain=False),
    "https://huggingface.co/datasets/owner/name/viewer/default/train?p=2": HubName(
        "owner/name", None, "train", plain=False
    ),
    "huggingface.co/datasets/owner/name/viewer/small": HubName("owner/name", "small", plain=False),
    "https://hf.co/datasets/owner/name/tree/main": HubName("owner/name", plain=False),
    "https://huggingface.co/datasets/owner/name/blob/v2/a%20b.jsonl": HubName(
        "owner/name", None, None, "v2", "a b.jsonl", False
    ),
    "https://huggingface.co/datasets/owner/name/resolve/refs/pr/3/a.csv?download=true": HubName(
        "owner/name", None, None, "refs/pr/3", "a.csv", False
    ),
    "pairs.jsonl": None,
    "a/b/c": None,
    "data/*.jsonl": None,
}


@pytest.mark.parametrize("text", NAMED)
def test_names_of_the_hub(text: str) -> None:
    assert hub_name(text) == NAMED[text]


@pytest.mark.parametrize(
    "text",
    [
        "https://huggingface.co/owner/name",
        "https://huggingface.co/spaces/owner/name",
        "https://example.com/datasets/owner/name",
        "hf://owner/name/a.jsonl",
        "hf://datasets/owner",
        "https://huggingface.co/datasets/owner/name/blob/main/../../x",
        "https://[",
    ],
)
def test_other_addresses_are_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(PairsError, match=r"not on the Hub|not the address of a dataset"):
        open_pairs(text, base=tmp_path)


# ------------------------------------------------------------------------------------------------------- shared cases

CASES = ROOT.parent / "shared" / "cases" / "pairs" / "files"
ASIDE = {"dir_with_metas": "config.json, stats.json", "dir_mixed": "README.md, b.csv, config.json, notes.txt"}
names = sorted(path.name for path in CASES.iterdir()) if CASES.is_dir() else []


@pytest.mark.parametrize("name", names)
def test_each_shared_file_gives_what_it_must(name: str) -> None:
    ask: Callable[[], dict[str, Any]] = lambda: pairs_report(Asked(str(CASES / name), row=0))  # noqa: E731
    if name.startswith("lfs_pointer"):
        with pytest.raises(PairsError, match="is a Git LFS pointer") as refused:
            ask()
        assert "git lfs pull" in refused.value.hint
        return
    report = ask()
    assert report["clean"]["count"] == report["rows"] == (1 if name == "messages_cells.csv" else 3)
    asked = report["pair"]["prompt"][-1]["content"]
    assert asked == ("q" if name == "messages_cells.csv" else "Wie heißt der Fluß in Köln?")
    assert report.get("notes", [""])[0] == (f"Left aside: {ASIDE[name]}." if name in ASIDE else _encoding_note(name))


def _encoding_note(name: str) -> str:
    kinds = {"utf16": "UTF-16", "utf32": "UTF-32", "latin1": "Windows-1252", "cp1252": "Windows-1252"}
    kind = next((kind for start, kind in kinds.items() if name.startswith(start)), "")
    return f"{name} is not UTF-8; it is read as {kind}." if kind else ""
