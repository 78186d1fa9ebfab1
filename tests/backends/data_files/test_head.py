"""The first pairs of any set, at once: only the beginning of its files is read, whatever they are and however large."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import time
import tracemalloc
from array import array
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from smoltui.backends.data_files import parquet, text_tables
from smoltui.backends.data_files import text as pair_text
from smoltui.backends.data_files.head import open_head
from smoltui.backends.data_files.source import (
    PairsSpec,
    UnknownShapeError,
    files_stamp,
    is_local,
    open_pairs,
    open_spec,
    project_pairs,
)
from smoltui.backends.data_files.text import Broken
from smoltui.backends.project.project import Project
from smoltui.errors import PairsError, RecipeError
from tests.examples import examples

ROWS = [{"prompt": f"Question {n}?", "chosen": f"Answer {n}, kindly.", "rejected": f"No {n}."} for n in range(300)]
LONG = "Kindly, and at some length. " * 40


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


# -- size


def write_large(path: Path) -> None:
    """60 000 rows, 70 MB."""
    rows = [{"prompt": f"Question {n}?", "chosen": LONG, "rejected": f"No {n}."} for n in range(1000)]
    plain = path.name.removesuffix(".gz").removesuffix(".zst")
    match plain.rsplit(".")[-1]:
        case "jsonl":
            data = lines(rows).encode() * 60
        case "json":
            data = b"[" + b",\n".join([json.dumps(rows, indent=1).encode()[1:-1]] * 60) + b"]"
        case _:
            text = io.StringIO(newline="")
            csv.writer(text).writerows([row.values() for row in rows])
            data = b"prompt,chosen,rejected\r\n" + text.getvalue().encode() * 60
    if path.suffix == ".gz":
        data = gzip.compress(data, 1)
    if path.suffix == ".zst":
        data = zstandard.compress(data)
    path.write_bytes(data)


def long_table() -> pa.Table:
    chosen = [f"{n} {LONG}" for n in range(60_000)]
    return pa.table({"prompt": ["?"] * 60_000, "chosen": chosen, "rejected": ["no"] * 60_000})


def write_one_row_group(path: Path) -> None:
    pyarrow.parquet.write_table(long_table(), path, row_group_size=60_000, use_dictionary=False)


def write_arrow(path: Path) -> None:
    table = long_table()
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=1000)


LARGE: dict[str, Callable[[Path], None]] = {
    **dict.fromkeys(("a.jsonl", "a.json", "a.json.gz", "a.csv.zst"), write_large),
    "a.parquet": write_one_row_group,
    "a.arrow": write_arrow,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_a_large_set_is_never_held_whole(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """70 MB: the first pairs come after a fraction of them, and reading all of them takes a few MB of memory."""
    monkeypatch.setattr(parquet, "MAX_GROUP_BYTES", 8 << 20)  # so that this row group counts as a large one
    LARGE[name](tmp_path / name)
    open_head(PairsSpec(name), tmp_path)  # pyarrow is imported
    arrow_before, arrow_most = pa.total_allocated_bytes(), 0
    started = time.thread_time()
    head = open_head(PairsSpec(name), tmp_path)
    head_seconds, started = time.thread_time() - started, time.thread_time()
    assert sum(1 for _ in open_pairs(name, base=tmp_path).rows(0, 60_000)) == 60_000
    assert head_seconds < (time.thread_time() - started) / 3
    assert (len(head.rows), head.whole, head.schema) == (64, False, "standard")
    tracemalloc.start()
    try:
        source = open_pairs(name, base=tmp_path)
        read = 0
        for _ in source.rows(0, len(source)):
            read += 1
            if read % 200 == 0:
                arrow_most = max(arrow_most, pa.total_allocated_bytes())
        assert read == len(source) == 60_000
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()
    assert arrow_most - arrow_before < 40 << 20
    if name == "a.parquet":
        for index in (59_999, 5, 30_000, 6):
            assert source.row(index)["chosen"] == f"{index} {LONG}"
        assert not source.near(40_000) and source.near(6)


def test_a_row_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of 1 MB are pairs; one that is longer than any pair says so, and the rows around it are read."""
    long = [{"prompt": "a", "chosen": f"{n}" * 1_000_000, "rejected": "b"} for n in range(8)]
    (tmp_path / "long.jsonl").write_text(lines(long))
    head = open_head(PairsSpec("long.jsonl"), tmp_path)
    assert head.rows == long[: len(head.rows)] and 1 < len(head.rows) < 8 and not head.whole
    assert list(open_pairs("long.jsonl", base=tmp_path).rows(0, 8)) == long
    monkeypatch.setattr(pair_text, "MAX_ROW_BYTES", 100_000)
    monkeypatch.setattr(text_tables, "MAX_ROW_BYTES", 100_000)
    for ending, mark in (("jsonl", "line 2"), ("csv", "line 3")):
        rows = [ROWS[0], {**ROWS[1], "chosen": "x" * 3_000_000}, ROWS[2]]
        path = tmp_path / f"one.{ending}"
        if ending == "csv":
            with path.open("w", newline="") as file:
                csv.writer(file, quoting=csv.QUOTE_ALL).writerows([rows[0], *(row.values() for row in rows)])
        else:
            path.write_text(lines(rows))
        source = open_pairs(path)
        found = list(source.rows(0, 9))
        assert (found[0], found[2]) == (ROWS[0], ROWS[2]) and len(found) == 3
        assert isinstance(found[1], Broken) and found[1].problem.startswith(f"one.{ending} {mark} is longer than")
        assert len(found[1].text) <= 10_000
        assert open_head(PairsSpec(path.name), tmp_path).rows == found
    (tmp_path / "one.json").write_text(json.dumps(rows))
    with pytest.raises(PairsError, match=r"one.json line 1 is not valid JSON .a row of more than"):
        open_pairs(tmp_path / "one.json")


def test_a_file_of_one_line_that_never_ends(tmp_path: Path) -> None:
    """300 MB without a newline, or of nothing but NULs: one sentence, at once."""
    path = tmp_path / "nuls.jsonl"
    with path.open("wb") as file:
        file.truncate(300 << 20)
    with pytest.raises(PairsError, match=r"nuls.jsonl line 1 is longer than 6 MB"):
        open_head(PairsSpec("nuls.jsonl"), tmp_path)
    with pytest.raises(PairsError, match="line 1 is longer than 6 MB"):
        open_pairs(path)


# -- odd text


ODD = st.text(st.characters(codec="utf-8") | st.sampled_from('\x00\r\n\t",\u2028\x85\ufeff\\[]{}'), max_size=30)
VALUE = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.integers(2**62, 2**70) | ODD | st.just("\ud83d"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD, inner, max_size=3),
    max_leaves=8,
)
ROW = st.dictionaries(ODD, VALUE, max_size=3).map(lambda more: {**more, "prompt": "a", "chosen": "b", "rejected": "c"})


def same(left: Any, right: Any) -> bool:
    """Equal, with NaN equal to itself and 1 another value than 1.0."""
    return repr(left) == repr(right)


@examples(150)
@given(st.lists(ROW, min_size=1, max_size=6), st.integers(1, 40), st.booleans(), st.sampled_from([None, 0, 1]))
def test_lines_and_arrays_give_what_json_gives(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, Any]],
    chunk: int,
    ascii_only: bool,
    indent: int | None,
) -> None:
    """Whatever the texts contain, wherever a window on the file ends: the rows are those that were written."""
    folder = tmp_path_factory.mktemp("odd")
    written = [json.dumps(row, ensure_ascii=ascii_only or "\\ud83d" in json.dumps(row)) for row in rows]
    (folder / "a.jsonl").write_bytes("\r\n\n".join(written).encode())
    array_text = json.dumps(json.loads(f"[{','.join(written)}]"), indent=indent)
    (folder / "b.json").write_bytes(b"\xef\xbb\xbf" + array_text.encode())
    spaced = " ,\t".join(written)
    (folder / "c.json").write_bytes(f" [\n {spaced}\n] ".encode())
    with pytest.MonkeyPatch.context() as patch:
        for module in (pair_text, text_tables):
            patch.setattr(module, "CHUNK", chunk)
        patch.setattr(text_tables, "BLOCK_BYTES", chunk)
        for name in ("a.jsonl", "b.json", "c.json"):
            source = open_pairs(name, base=folder)
            assert same(list(source.rows(0, len(source))), rows), name
            assert same([source.row(index) for index in range(len(source))], rows), name
            assert same(open_head(PairsSpec(name), folder).rows, rows), name


@examples(300)
@given(
    st.binary(max_size=60) | st.text('{}[]":,\\ \n\t0-1.eEnulltrfasINiyud8', max_size=40).map(str.encode),
    st.integers(1, 30),
)
def test_an_array_is_refused_where_json_refuses_it(data: bytes, chunk: int) -> None:
    """The window finds the same elements as reading all of it, or refuses."""
    text = b"[" + data
    try:
        expected: Any = json.loads(text.decode("latin-1"))
    except (ValueError, RecursionError):
        expected = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pair_text, "CHUNK", chunk)
        try:
            elements = list(pair_text.ArrayElements(io.BufferedReader(io.BytesIO(text), 8), "a.json"))  # type: ignore[arg-type]
        except PairsError:
            assert expected is None
            return
    assert expected is not None
    assert same([json.loads(piece.data.decode("latin-1")) for piece in elements], expected)


@examples(200)
@given(
    st.lists(st.lists(ODD.map(lambda text: text.replace("\r", "")), min_size=3, max_size=3), min_size=1, max_size=6),
    st.integers(1, 40),
    st.sampled_from([",", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_a_table_gives_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], chunk: int, separator: str, end: str, quoting: Any
) -> None:
    """Quotes, separators and newlines in the texts, and texts that are empty."""
    rows = [["p" + row[0], *row[1:]] for row in rows]
    name = "a.csv" if separator == "," else "a.tsv"
    folder = tmp_path_factory.mktemp("csv")
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=separator, lineterminator=end, quoting=quoting)
        writer.writerows([["prompt", "chosen", "rejected"], *rows])
    expected = [dict(zip(("prompt", "chosen", "rejected"), row, strict=True)) for row in rows]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pair_text, "CHUNK", chunk)
        patch.setattr(text_tables, "BLOCK_BYTES", chunk)
        source = open_pairs(name, base=folder)
        assert list(source.rows(0, len(source))) == expected
        assert open_head(PairsSpec(name), folder).rows == expected


@examples(300)
@given(st.text('ab,"\n ', max_size=30))
def test_fields_are_those_of_the_csv_module(text: str) -> None:
    """One record, however its quotes stand."""
    record = text.replace("\n", "")
    rows = list(csv.reader([record]))
    assert pair_text.csv_fields(record.encode(), ",") == (rows[0] if rows and rows[0] else [""])


def test_odd_tables(tmp_path: Path) -> None:
    """Rows of another length, a quote that is never closed, blank lines, bytes that are no UTF-8: told, and read on."""
    (tmp_path / "a.csv").write_bytes(
        b"\xef\xbb\xbfprompt,chosen,rejected\r\n\r\n"
        b'one,"a\nb",c\r\n'
        b"two,a\r\n\r\n"
        b'three,5" screen,\xff\r\n'
        b'four,"a ""b"""\r\n'
        b'five,"never closed,c\r\n'
        b"six,a,\r\n"
        b"seven,a,\x00"
    )
    rows = list(open_pairs("a.csv", base=tmp_path).rows(0, 99))
    told = [row.problem if isinstance(row, Broken) else list(row.values()) for row in rows]
    assert told == [
        ["one", "a\nb", "c"],
        "a.csv line 5 has 2 columns instead of 3: two,a",
        "a.csv line 7 contains a byte that is not UTF-8: 0xFF, byte 17 of it",
        'a.csv line 8 has 2 columns instead of 3: four,"a ""b"""',
        'a.csv line 9 has 2 columns instead of 3: five,"never closed,c',
        ["six", "a", ""],
        ["seven", "a", "\x00"],
    ]
    assert open_head(PairsSpec("a.csv"), tmp_path).rows == rows


def test_lines_are_named_as_an_editor_counts_them(tmp_path: Path) -> None:
    """Blank lines count, and many broken lines are named as fast as one."""
    parts = [
        lines(ROWS[:1]),
        "\n \n",
        "{oops\n" * 50_000,
        "\n",
        '{"n": ' + "9" * 5000 + "}\n",
        "[" * 100_000,
        "\n",
        lines(ROWS[1:2]),
    ]
    (tmp_path / "a.jsonl").write_text("".join(parts))
    source = open_pairs("a.jsonl", base=tmp_path)
    rows = list(source.rows(0, len(source)))
    assert [row.problem[:20] for row in (rows[1], rows[50_000])] == ["a.jsonl line 4 is no", "a.jsonl line 50003 i"]
    assert "line 50005 is not a JSON object (Exceeds the limit" in rows[50_001].problem
    assert "line 50006 is not a JSON object (nested too deeply" in rows[50_002].problem
    assert (rows[0], rows[-1], len(rows)) == (ROWS[0], ROWS[1], 50_004)
    assert source.row(50_000) == rows[50_000]


def test_odd_columns(tmp_path: Path) -> None:
    """Nulls, NaN, text that is not UTF-8, times of nanoseconds, dictionaries: nothing stops a Parquet or Arrow set."""
    bad = pa.StringArray.from_buffers(3, pa.py_buffer(array("i", [0, 1, 3, 4])), pa.py_buffer(b"a\xff\xfeb"))
    table = pa.table(
        {
            "prompt": bad,
            "chosen": pa.array(["x", None, "z"]),
            "rejected": pa.array(["k", "l", "k"]).dictionary_encode(),
            "score": [1.0, float("nan"), None],
            "at": pa.array([1, 2, 3], pa.timestamp("ns")),
            "deep": pa.StructArray.from_arrays([bad], ["text"]),
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    for name, opened in (("a.arrow", pa.ipc.new_stream), ("b.arrow", pa.ipc.new_file)):
        with opened(tmp_path / name, table.schema) as writer:
            writer.write_table(table)
    for name in ("a.parquet", "a.arrow", "b.arrow"):
        source = open_pairs(name, base=tmp_path)
        rows = list(source.rows(0, 3))
        assert isinstance(rows[1], Broken) and rows[1].problem.startswith(
            f"{name} row 2 contains a byte that is not UTF-8: 0xFF, byte 1 of a text"
        )
        assert (rows[0]["prompt"], rows[0]["rejected"], rows[0]["at"].microsecond, rows[2]["chosen"]) == (
            "a",
            "k",
            0,
            "z",
        )
        assert source.row(2) == rows[2] and open_head(PairsSpec(name), tmp_path).rows == rows
        plain = table.drop_columns(["deep"])
        pyarrow.parquet.write_table(plain, tmp_path / "plain.parquet")
        shown = open_pairs("plain.parquet", base=tmp_path).row(1)
        assert isinstance(shown, Broken) and shown.text == "\\xff\\xfe"


# -- several files


def test_a_pattern_is_all_the_files_it_finds(tmp_path: Path) -> None:
    """`shards/*.jsonl`, in order; the folders above it are mine and name no split."""
    folder = tmp_path / "test [1]" / "shards"
    folder.mkdir(parents=True)
    for shard in range(3):
        (folder / f"part-{shard}.jsonl").write_text(lines(ROWS[shard * 100 : shard * 100 + 100]))
    (folder / "part-9.txt").write_text("no pairs")
    (folder / "part-0-empty.jsonl").touch()
    spec = PairsSpec("shards/part-*.jsonl")
    source = open_spec(spec, folder.parent)
    assert (source.name, source.splits, len(source)) == ("shards/part-*.jsonl", ("train",), 300)
    assert list(source.rows(0, 300)) == ROWS
    head = open_head(spec, folder.parent, 150)
    assert (head.rows, head.whole, head.spec) == (ROWS[:150], False, source.spec)
    whole = open_head(spec, folder.parent, 400)
    assert (whole.rows, whole.whole) == (ROWS, True)
    assert len(open_spec(source.spec, None)) == 300  # from anywhere
    assert open_spec(replace(source.spec, split="train[:5]"), None).row(4) == ROWS[4]
    assert is_local(spec, folder.parent)
    stamped = [Path(path).name for path, size, changed in files_stamp(spec, folder.parent)]
    assert stamped == ["part-0-empty.jsonl", "part-0.jsonl", "part-1.jsonl", "part-2.jsonl"]
    with pytest.raises(PairsError, match=r"No file that can be read as pairs matches: .*nope") as refused:
        open_head(PairsSpec("shards/nope-*.parquet"), folder.parent)
    assert refused.value.hint
    with pytest.raises(PairsError, match="No file that can be read as pairs matches"):
        open_spec(PairsSpec("", files={"train": ("*.csv",)}), folder)
    listed = open_spec(PairsSpec("", files={"train": ("part-[12].jsonl", "part-0.jsonl")}), folder)
    assert list(listed.rows(0, 300)) == ROWS[100:] + ROWS[:100]


def test_a_pattern_of_several_splits(tmp_path: Path) -> None:
    """What the names say, as in a folder."""
    (tmp_path / "train-1.jsonl").write_text(lines(ROWS[:2]))
    (tmp_path / "test-1.jsonl").write_text(lines(ROWS[2:3]))
    assert open_pairs("t*.jsonl", base=tmp_path).splits == ("train", "test")
    head = open_head(PairsSpec("t*.jsonl", split="test"), tmp_path)
    assert (head.rows, head.whole, head.splits) == (ROWS[2:3], True, ("train", "test"))
    with pytest.raises(PairsError, match="no such split: dev"):
        open_head(PairsSpec("t*.jsonl", split="dev"), tmp_path)


@pytest.mark.parametrize(
    "split",
    ["train[:10]", "train[:64]", "train[200:]", "train[280:290]", "train[-5:]", "train[10%:20%]", "train[:90%]"],
)
def test_rows_of_a_split(split: str, tmp_path: Path) -> None:
    """The first pairs of train[…] are those that opening it gives."""
    (tmp_path / "a.jsonl").write_text(lines(ROWS))
    source = open_pairs("a.jsonl", base=tmp_path, split=split)
    head = open_head(PairsSpec("a.jsonl", split=split), tmp_path)
    assert head.rows == list(source.rows(0, 64))
    assert (head.split, head.whole) == (split, len(source) <= 64)
    with pytest.raises(PairsError, match=r"has no rows: train.900:."):
        open_head(PairsSpec("a.jsonl", split="train[900:]"), tmp_path)


def test_what_a_set_is_read_from_is_stamped(tmp_path: Path) -> None:
    """Any file of the set that changes, two folders deep or named one by one, makes another stamp."""
    for name in ("train.jsonl", "deep/more.jsonl", "deep/deeper/no.jsonl", ".hidden/no.jsonl", "notes.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(lines(ROWS[:1]))
    saved = tmp_path / "saved" / "train"
    saved.mkdir(parents=True)
    (saved / "data-0.arrow").write_bytes(b"x")
    (saved / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-0.arrow"}]}))
    (tmp_path / "saved" / "dataset_dict.json").write_text('{"splits": ["train"]}')

    def names(spec: PairsSpec) -> set[str]:
        return {Path(path).relative_to(tmp_path).as_posix() for path, _, _ in files_stamp(spec, tmp_path)}

    (tmp_path / "curation.jsonl").write_text("{}")
    assert names(PairsSpec(".")) == {"train.jsonl"}  # what else lies in the folder is not read
    assert names(PairsSpec("deep")) == {"deep/more.jsonl"}
    (tmp_path / "deep" / "more.jsonl").unlink()
    assert names(PairsSpec("deep")) == {"deep/deeper/no.jsonl"}
    (tmp_path / "deep" / "more.jsonl").touch()
    assert names(PairsSpec("saved")) == {
        "saved/dataset_dict.json",
        "saved/train/state.json",
        "saved/train/data-0.arrow",
    }
    assert names(PairsSpec("", files={"a": ("train.jsonl",), "b": ("deep/*.jsonl",)})) == {
        "train.jsonl",
        "deep/more.jsonl",
    }
    assert files_stamp(PairsSpec("owner/set"), tmp_path) == []
    before = files_stamp(PairsSpec("train.jsonl"), tmp_path)
    assert before == [
        (str(tmp_path / "train.jsonl"), *((stat := (tmp_path / "train.jsonl").stat()).st_size, stat.st_mtime_ns))
    ]
    os.utime(tmp_path / "train.jsonl", ns=(1, 1))
    assert files_stamp(PairsSpec("train.jsonl"), tmp_path) != before


# -- columns of other names


def test_a_set_of_no_known_shape_can_be_told(tmp_path: Path) -> None:
    """It says which columns there are, with the first rows; when I have named them it opens, all of it mapped."""
    rows = [{"q": {"text": row["prompt"]}, "answers": [row["chosen"], row["rejected"]], "id": 7} for row in ROWS]
    (tmp_path / "a.jsonl").write_text(lines(rows))
    spec = PairsSpec("a.jsonl")
    for opened in (open_head, open_spec):
        with pytest.raises(UnknownShapeError, match=r"a.jsonl does not contain preference pairs") as refused:
            opened(spec, tmp_path)
        assert refused.value.columns == ("q", "answers", "id")
        assert refused.value.rows == rows[: 64 if opened is open_head else 20]
    named = PairsSpec("a.jsonl", columns={"prompt": "q.text", "chosen": "answers.0", "rejected": "answers.1"})
    head, source = open_head(named, tmp_path), open_spec(named, tmp_path)
    assert head.schema == source.schema == "instruction"  # TRL would not read it as it is
    assert head.rows[3] == source.row(3) == next(source.rows(3, 4))
    assert source.pair(3).chosen[0].content == ROWS[3]["chosen"] and source.row(3)["id"] == 7
    wrong = PairsSpec("a.jsonl", columns={"prompt": "q.text", "chosen": "answers.0", "rejected": "answers.9"})
    with pytest.raises(UnknownShapeError) as again:
        open_head(wrong, tmp_path)
    assert again.value.rows == rows[:64]  # unchanged, so that their columns can be chosen again


def test_the_settings_name_the_columns(tmp_path: Path) -> None:
    """`[pairs.columns]` in smoltui.toml holds for the set it names, and for the recipe's."""
    (tmp_path / "a.jsonl").write_text(lines([{"question": "a", "good": "b", "bad": "c"}]))
    text = '[pairs]\nsource = "a.jsonl"\n[pairs.columns]\nprompt = "question"\nchosen = "good"\nrejected = "bad"\n'
    (tmp_path / "smoltui.toml").write_text(text)
    spec = project_pairs(Project(tmp_path))
    assert spec is not None
    assert open_head(spec, tmp_path).rows == [{"prompt": "a", "chosen": "b", "rejected": "c"}]
    (tmp_path / "smoltui.toml").write_text(text.replace('source = "a.jsonl"', ""))
    (tmp_path / "recipe.yaml").write_text("dataset_name: a.jsonl\n")
    spec = project_pairs(Project(tmp_path))
    assert spec is not None and open_spec(spec, tmp_path).pair(0).rejected[0].content == "c"
    (tmp_path / "smoltui.toml").write_text('[pairs.columns]\nanswer = "good"\n')
    with pytest.raises(RecipeError, match=r"pairs\.columns\.answer"):
        project_pairs(Project(tmp_path))


# -- what must not hang or break


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Nobody writes into it: a sentence at once."""
    os.mkfifo(tmp_path / "pipe.jsonl")
    for spec in (PairsSpec("pipe.jsonl"), PairsSpec("", files={"train": ("pipe.jsonl",)})):
        for opened in (open_head, open_spec):
            with pytest.raises(PairsError, match="pipe or device"):
                opened(spec, tmp_path)
    with pytest.raises(PairsError, match="no file that can be read"):
        open_pairs(tmp_path)


def test_odd_files_and_folders(tmp_path: Path) -> None:
    """A folder named like a file, links that lead in a circle, a file that may not be read."""
    folder = tmp_path / "x.jsonl"
    folder.mkdir()
    with pytest.raises(PairsError, match="contains no file that can be read"):
        open_head(PairsSpec("x.jsonl"), tmp_path)
    (folder / "loop.jsonl").symlink_to("loop.jsonl")
    (folder / "up").symlink_to(".")
    (folder / "pairs.jsonl").write_text(lines(ROWS[:2]))
    assert open_head(PairsSpec("x.jsonl"), tmp_path).rows == ROWS[:2]
    assert [Path(path).name for path, _, _ in files_stamp(PairsSpec("x.jsonl"), tmp_path)] == ["pairs.jsonl"]
    with pytest.raises(PairsError, match="No such file or folder"):
        open_head(PairsSpec("x.jsonl/loop.jsonl"), tmp_path)
    with pytest.raises(PairsError, match=r"x.jsonl cannot be read: Is a directory"):
        open_head(PairsSpec("", files={"train": ("x.jsonl",)}), tmp_path)
    closed = tmp_path / "closed.jsonl"
    closed.write_text(lines(ROWS))
    closed.chmod(0)
    if not os.access(closed, os.R_OK):  # the administrator may read everything
        with pytest.raises(PairsError, match=r"closed.jsonl cannot be read: Permission denied"):
            open_head(PairsSpec("closed.jsonl"), tmp_path)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.parquet", "a.arrow"])
def test_a_file_that_is_cut_short_while_it_is_read(name: str, tmp_path: Path) -> None:
    """Another program writes it anew: rows that say so or a sentence, not the end of the program."""
    path = tmp_path / name
    rows = [{"prompt": f"Question {n}?", "chosen": LONG + str(n), "rejected": "no"} for n in range(20_000)]
    match path.suffix:
        case ".jsonl":
            path.write_text(lines(rows))
        case ".json":
            path.write_text(json.dumps(rows))
        case ".csv":
            with path.open("w", newline="") as file:
                csv.writer(file).writerows([rows[0].keys(), *(row.values() for row in rows)])
        case ".parquet":
            pyarrow.parquet.write_table(pa.Table.from_pylist(rows), path, row_group_size=1000)
        case _:
            table = pa.Table.from_pylist(rows)
            with pa.ipc.new_stream(path, table.schema) as writer:
                writer.write_table(table, max_chunksize=1000)
    source = open_pairs(path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    if path.suffix in (".parquet", ".arrow"):
        with pytest.raises(PairsError, match=rf"{name} cannot be read beyond row \d+"):
            list(source.rows(0, len(source)))
    else:
        found = list(source.rows(0, len(source)))
        assert found[0] == rows[0] and len(found) == 20_000
        assert isinstance(found[-1], Broken) and found[-1].problem.endswith("no longer exists: the file was truncated")
    assert open_head(PairsSpec(name), tmp_path).rows if path.suffix != ".parquet" else True
