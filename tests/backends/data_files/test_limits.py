"""Small files that would fill the memory, run for ever or end the process: one sentence each, in bounded memory."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
import zstandard

from smoltui.backends.data_files import arrow_messages, arrow_rows, parquet_pages, unpacking
from smoltui.backends.data_files import text as pair_text
from smoltui.backends.data_files.head import open_head
from smoltui.backends.data_files.source import PairsSpec, open_pairs
from smoltui.backends.data_files.text import Broken, decode_json
from smoltui.backends.pairs import import_set as pair_import
from smoltui.backends.pairs.opened_set import imported
from smoltui.cli.pairs import Asked, pairs_report, print_report
from smoltui.errors import PairsError

GOOD = {"prompt": "p", "chosen": "a", "rejected": "b"}


def repeated(text: str, rows: int) -> pa.Table:
    """One long text in a dictionary, which every row names."""
    prompts = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), [text])
    return pa.table({"prompt": prompts, "chosen": ["a"] * rows, "rejected": ["b"] * rows})


def write_arrow(path: Path, table: pa.Table, compression: str | None = None) -> None:
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_file(path, table.schema, options=options) as writer:
        writer.write_table(table)


def refused(path: Path) -> str:
    """The sentence that a file is refused with, the same whether it is opened or only its first rows."""
    with pytest.raises(PairsError) as opened:
        list(open_pairs(path).rows(0, 1 << 40))
    with pytest.raises(PairsError):
        open_head(PairsSpec(str(path)), path.parent)
    return opened.value.message


# -------------------------------------------------------------------------------------------------------- text


@pytest.mark.parametrize("ending", ["jsonl", "json"])
def test_a_column_with_half_a_character(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"pairs.{ending}"
    row = '{"prompt":"p","chosen":"a","rejected":"b","x\\ud800":"y"}'
    path.write_text(f"[{row}, {row}]" if ending == "json" else f"{row}\n" * 3)
    assert "A column name contains half a character: x" in refused(path)


def test_an_answer_with_half_a_character(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"prompt":"p","chosen":"a\\udfff","rejected":"b","x":"y\\ud800"}\n' * 3)
    report = pairs_report(Asked(str(path), where='"x" is not null', export=str(tmp_path / "out")), quiet=True)
    assert report["search"]["count"] == 3
    json.dumps(report, ensure_ascii=False).encode()
    print_report(report)
    assert capsys.readouterr().out


@pytest.mark.parametrize("inner", ["[" * 3000 + "]" * 3000, '{"a":' * 3000 + "1" + "}" * 3000, "[" * 300 + "]" * 300])
def test_a_row_that_is_nested_too_deeply(tmp_path: Path, inner: str) -> None:
    for ending, text in (("jsonl", "{}\n{}\n{}\n"), ("json", "[{},\n{},\n{}]")):
        path = tmp_path / f"pairs.{ending}"
        rows = [json.dumps(GOOD), json.dumps(GOOD)[:-1] + f', "more": {inner}}}', json.dumps(GOOD)]
        path.write_text(text.replace("{}", "%s") % tuple(rows))
        if ending == "json" and len(inner) > 3000:
            assert "line 2 is not valid JSON (nested too deeply)" in refused(path)
            continue
        found = list(open_pairs(path).rows(0, 3))
        assert isinstance(found[1], Broken) and "nested too deeply" in found[1].problem and found[2] == GOOD
        store = imported(PairsSpec(str(path)), tmp_path).store
        assert store is not None and store.meta.broken_rows == 1


def test_a_row_of_too_many_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_text, "MAX_ROW_PARTS", 1000)
    with pytest.raises(ValueError, match="more than 1,000 values"):
        decode_json(b"[" + b"{}," * 1000 + b"{}]")
    assert decode_json(json.dumps(["{},[]" * 1000]).encode()) == ["{},[]" * 1000]


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
@pytest.mark.parametrize("packed", ["gz", "zst"])
def test_nothing_but_blank_lines(tmp_path: Path, ending: str, packed: str) -> None:
    text = (b"prompt,chosen,rejected\n" if ending == "csv" else b"") + b"\n" * (300 << 10)
    path = tmp_path / f"pairs.{ending}.{packed}"
    path.write_bytes(gzip.compress(text) if packed == "gz" else zstandard.ZstdCompressor().compress(text))
    assert "only blank lines for 256 kB" in refused(path)


def test_a_table_of_too_many_columns(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(",".join(f"c{n}" for n in range(20_000)) + "\n" + "," * 19_999 + "\n")
    assert "has more than 10,000 columns" in refused(path)


def in_zip(text: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pairs.jsonl", text)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("ending", "pack"),
    [("jsonl.gz", gzip.compress), ("jsonl.xz", lzma.compress), ("jsonl.bz2", bz2.compress), ("zip", in_zip)],
)
def test_a_packed_file_that_unpacks_too_far(
    ending: str, pack: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "SMALL_BYTES", 1 << 20)
    path = tmp_path / f"pairs.{ending}"
    path.write_bytes(pack((json.dumps(GOOD).encode() + b"\n") * 50_000))
    with pytest.raises(PairsError, match="unpacks to more than 1 MB"):
        open_pairs(path)
    assert len(open_head(PairsSpec(str(path)), tmp_path).rows) == 64


def test_xz_that_wants_more_memory_than_it_may_have(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl.xz"
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 30}]
    path.write_bytes(lzma.compress(json.dumps(GOOD).encode(), filters=filters))
    assert "pairs.jsonl.xz cannot be unpacked: Memory usage limit exceeded" in refused(path)


def test_a_set_that_unfolds_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_import, "SMALL_CHARS", 1 << 20)
    write_arrow(tmp_path / "pairs.arrow", repeated("x" * 10_000, 2000))
    with pytest.raises(PairsError, match="unpacks to more than 100 times the size of its files, at row"):
        imported(PairsSpec("pairs.arrow"), tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(pair_import, "MAX_BATCH_CHARS", 1 << 20)
    with pytest.raises(PairsError, match="256 rows contain more than 1 MB of text, at row 105"):
        imported(PairsSpec("pairs.arrow"), tmp_path)


# --------------------------------------------------------------------------------------------------- Arrow, Parquet


def test_a_damaged_name_in_an_arrow_file(tmp_path: Path) -> None:
    path = tmp_path / "pairs.arrow"
    write_arrow(path, pa.Table.from_pylist([GOOD]))
    path.write_bytes(path.read_bytes().replace(b"prompt", b"pr\xf4mpt"))
    assert "pairs.arrow is not an Arrow file" in refused(path)


def test_every_damaged_byte_is_one_sentence_or_a_set(tmp_path: Path) -> None:
    """Offsets that point outside would end the process, names that are no text would be a traceback."""
    write_arrow(tmp_path / "plain.arrow", pa.Table.from_pylist([GOOD] * 3))
    write_arrow(tmp_path / "packed.arrow", pa.Table.from_pylist([GOOD] * 3), "zstd")
    write_arrow(tmp_path / "dictionary.arrow", repeated("p", 3))
    pq.write_table(pa.Table.from_pylist([GOOD] * 3), tmp_path / "plain.parquet")
    for name in ("plain.arrow", "packed.arrow", "dictionary.arrow", "plain.parquet"):
        data = (tmp_path / name).read_bytes()
        path = tmp_path / f"damaged{Path(name).suffix}"
        for at in range(0, len(data), 9):
            for byte in (0x00, 0xFF):
                path.write_bytes(data[:at] + bytes([byte]) + data[at + 1 :])
                try:
                    source = open_pairs(path)
                    list(source.rows(0, min(len(source), 100)))
                except PairsError:
                    pass


def test_offsets_that_point_elsewhere(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([{**GOOD, "prompt": "q" * 1000}, GOOD])
    path = tmp_path / "pairs.arrow"
    write_arrow(path, table)
    offsets = table.column("prompt").chunk(0).buffers()[1].to_pybytes()[:12]
    path.write_bytes(path.read_bytes().replace(offsets, offsets[:4] + b"\xff\xff\xff\x7f" + offsets[8:]))
    assert "cannot be read beyond row 0" in refused(path)


def test_a_dictionary_of_one_huge_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of the dictionary that is too large is not unpacked; a smaller one makes rows that are too long."""
    monkeypatch.setattr(arrow_rows, "MAX_ROW_BYTES", 100_000)
    for name, write in (("p", pq.write_table), ("a", lambda table, path: write_arrow(path, table))):
        path = tmp_path / f"pairs.{name}"
        path = path.with_suffix(".parquet" if name == "p" else ".arrow")
        write(repeated("x" * 200_000, 3000), path)
        assert path.stat().st_size < 300_000
        assert "row 1 is longer than" in refused(path)
    monkeypatch.setattr(parquet_pages, "MAX_PAGES_BYTES", 300_000)
    assert "its pages unpack to more than" in refused(tmp_path / "pairs.parquet")


def test_values_that_share_their_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The footer says 1 MB, all rows together are 100 MB: few of them are decoded at once."""
    path = tmp_path / "pairs.parquet"
    prompts = ["x" * 1_000_000 + str(n) for n in range(100)]
    table = pa.table({"prompt": prompts, "chosen": ["a"] * 100, "rejected": ["b"] * 100})
    pq.write_table(table, path, use_dictionary=False, column_encoding={"prompt": "DELTA_BYTE_ARRAY"})
    source = open_pairs(path)
    before = pa.total_allocated_bytes()
    assert [row["prompt"][-2:] for row in source.rows(97, 100)] == ["97", "98", "99"]
    assert pa.total_allocated_bytes() - before < 40 << 20


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
def test_pages_are_read_as_they_are_written(tmp_path: Path, compression: str) -> None:
    """Every codec and both versions of pages, with texts, lists, nothing at all; rows as Arrow itself reads them."""
    rows = [
        {**GOOD, "prompt": f"prompt {n % 7} " * (n % 50), "tags": ["x"] * (n % 4), "score": n / 3, "no": None}
        for n in range(3000)
    ]
    for version in ("1.0", "2.0"):
        path = tmp_path / f"pairs{version[0]}.parquet"
        pq.write_table(
            pa.Table.from_pylist(rows),
            path,
            compression=compression,
            data_page_version=version,
            data_page_size=4096,
            row_group_size=1000,
        )
        assert list(open_pairs(path).rows(0, 3000)) == rows


def test_a_packed_batch_that_unfolds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pairs.arrow"
    write_arrow(
        path, pa.table({"prompt": ["x" * 1000] * 5000, "chosen": ["a"] * 5000, "rejected": ["b"] * 5000}), "zstd"
    )
    assert len(open_pairs(path)) == 5000
    monkeypatch.setattr(arrow_messages, "MAX_UNPACKED_BYTES", 1 << 20)
    assert "a batch unpacks to more than 1 MB" in refused(path)


@pytest.mark.parametrize(
    "column",
    [
        lambda: pa.RunEndEncodedArray.from_arrays(pa.array([3], pa.int32()), pa.array(["x"])),
        lambda: pa.array([["x"]] * 3, pa.list_view(pa.string())),
        lambda: pa.UnionArray.from_sparse(pa.array([0] * 3, pa.int8()), [pa.array(["x"] * 3)]),
    ],
)
def test_columns_in_which_little_stands_for_much(tmp_path: Path, column: Callable[[], Any]) -> None:
    path = tmp_path / "pairs.arrow"
    write_arrow(path, pa.Table.from_pylist([GOOD] * 3).append_column("more", column()))
    assert "Unsupported column type" in refused(path)


def test_lists_of_nothing_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million nulls take no room in the file, and eight bytes each in Python."""
    monkeypatch.setattr(arrow_rows, "MAX_ROW_BYTES", 100_000)
    nulls = pa.ListArray.from_arrays(pa.array([0, 1, 1_000_001], pa.int32()), pa.nulls(1_000_001))
    write_arrow(tmp_path / "pairs.arrow", pa.Table.from_pylist([GOOD] * 2).append_column("more", nulls))
    first, second = open_pairs(tmp_path / "pairs.arrow").rows(0, 2)
    assert first["more"] == [None] and isinstance(second, Broken) and "longer than" in second.problem


SCRIPT = """
import sys
from pathlib import Path
from smoltui.backends.pairs.opened_set import imported
from smoltui.backends.data_files.source import PairsSpec
from smoltui.errors import PairsError
for path in sys.argv[1:]:
    try:
        imported(PairsSpec(path), Path("/"))
    except PairsError as error:
        print(error.message)
print(next(int(line.split()[1]) >> 10 for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells the memory of a process")
def test_memory_stays_small(tmp_path: Path) -> None:
    """Each of these would take gigabytes; all of them together leave the process under 400 MB."""
    (tmp_path / "values.jsonl").write_bytes(b'{"prompt":[' + b"{}," * 1_300_000 + b"{}]}")
    pq.write_table(repeated("x" * 20_000_000, 10_000), tmp_path / "pages.parquet", compression="zstd")
    pq.write_table(repeated("x" * 3_000_000, 2000), tmp_path / "rows.parquet", compression="zstd", store_schema=False)
    paths = [str(path) for path in sorted(tmp_path.iterdir())]
    assert all(path.stat().st_size < 5 << 20 for path in tmp_path.iterdir())
    done = subprocess.run([sys.executable, "-c", SCRIPT, *paths], capture_output=True, text=True, check=True)
    *said, peak = done.stdout.splitlines()
    assert len(said) == len(paths), done.stdout
    assert int(peak) < 400
