"""Any file, folder or Hub id opens as pairs by number, or says in one sentence why it cannot."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import pytest
import zstandard

from smoltui.backends.data_files import table_views, text_tables
from smoltui.backends.data_files.head import open_head
from smoltui.backends.data_files.parquet import ParquetTable
from smoltui.backends.data_files.source import (
    PairSource,
    PairsSpec,
    is_local,
    open_pairs,
    open_spec,
    project_pairs,
    recipe_pairs,
)
from smoltui.backends.data_files.splits import configured_splits, splits_of
from smoltui.backends.pairs.opened_set import imported, typed_spec
from smoltui.backends.project.project import Project
from smoltui.cli.pairs import Asked, pairs_report, print_report
from smoltui.errors import InputError, PairsError, RecipeError, UnreachableError
from smoltui.scripts.pair_how import How

ROWS = [{"prompt": f"Question {n}?", "chosen": f"Answer {n}, kindly.", "rejected": f"No {n}."} for n in range(1250)]
TEXT = "".join(json.dumps(row) + "\n" for row in ROWS)


def write_csv(path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(ROWS[0]))
        writer.writeheader()
        writer.writerows(ROWS)


def write_arrow_stream(path: Path) -> None:
    table = pyarrow.Table.from_pylist(ROWS)
    with pyarrow.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=100)


def write_arrow_file(path: Path) -> None:
    table = pyarrow.Table.from_pylist(ROWS)
    with pyarrow.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)


def write_parquet(path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path, row_group_size=300)


def write_packed_parquet(path: Path) -> None:
    plain = path.with_suffix("")
    write_parquet(plain)
    path.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()


FILES: dict[str, Callable[[Path], Any]] = {
    "pairs.jsonl": lambda path: path.write_text(TEXT),
    "bom and blank lines.jsonl": lambda path: path.write_text("\ufeff" + TEXT.replace("\n", "\r\n\n"), newline=""),
    "no newline at the end.JSONL": lambda path: path.write_text(TEXT.rstrip("\n")),
    "pairs.jsonl.gz": lambda path: path.write_bytes(gzip.compress(TEXT.encode())),
    "pairs.jsonl.zst": lambda path: path.write_bytes(zstandard.compress(TEXT.encode())),
    "array.json": lambda path: path.write_text(json.dumps(ROWS, indent=1)),
    "array.json.gz": lambda path: path.write_bytes(gzip.compress(json.dumps(ROWS).encode())),
    "lines.json": lambda path: path.write_text(TEXT),
    "pairs.csv": write_csv,
    "pairs.parquet": write_parquet,
    "pairs.parquet.gz": write_packed_parquet,
    "stream.arrow": write_arrow_stream,
    "file.arrow": write_arrow_file,
}


@pytest.mark.parametrize("name", FILES)
def test_every_file_opens_to_the_same_pairs(name: str, tmp_path: Path) -> None:
    """The ending says how it is read; what I see is the same."""
    FILES[name](tmp_path / name)
    source = open_pairs(name, base=tmp_path)
    assert (source.name, source.split, source.schema) == (name, "train", "standard")
    assert set(source.columns) == {"prompt", "chosen", "rejected"}
    assert len(source) == len(ROWS)
    assert [source.row(index) for index in (0, 299, 300, 1249)] == [ROWS[index] for index in (0, 299, 300, 1249)]
    assert list(source.rows(295, 905)) == ROWS[295:905]
    assert source.pair(700).chosen[0].content == "Answer 700, kindly."
    assert source.near(700)
    head = open_head(PairsSpec(name), tmp_path, 70)
    assert (head.name, head.split, head.splits, head.schema) == (name, "train", source.splits, "standard")
    assert (head.columns, head.rows, head.whole, head.spec) == (source.columns, ROWS[:70], False, source.spec)
    all_of_it = open_head(PairsSpec(name), tmp_path, 1250)
    assert (all_of_it.rows, all_of_it.whole) == (ROWS, True)
    with pytest.raises(IndexError):
        source.pair(len(ROWS))


REFUSED: dict[str, tuple[str, bytes, str]] = {
    "empty": ("pairs.jsonl", b"", "pairs.jsonl is empty"),
    "only blank lines": ("pairs.jsonl", b"\n \n", "pairs.jsonl is empty"),
    "an empty array": ("pairs.json", b"[]", "has no rows"),
    "broken array": ("pairs.json", b'[{"chosen": "a",\n "rejected" "b"}]', "pairs.json line 2 is not valid JSON"),
    "broken first line": ("pairs.jsonl", b'{"chosen": "a"\n', "pairs.jsonl line 1 is not a JSON object"),
    "unpaired": ("kto.jsonl", b'{"prompt":"a","completion":"b","label":true}\n', "Unpaired"),
    "missing column": ("pairs.jsonl", b'{"prompt":"a","chosen":"b"}\n', "Column rejected is missing"),
    "no table": ("notes.txt", b"hello", "unknown extension: .txt"),
    "csv without the columns": ("pairs.csv", b"a,b\n1,2\n", "Column chosen is missing"),
    "ragged csv": (
        "pairs.csv",
        b"prompt,chosen,rejected\n\na,b\n",
        "line 3 has 2 columns instead of 3: a,b",
    ),
    "csv of the old Mac": ("pairs.csv", b"prompt,chosen,rejected\ra,b,c\r", "pairs.csv cannot be read as a table"),
    "cut UTF-16": ("pairs.csv", "prompt,chosen,rejected\na,b,c\n".encode("utf-16")[:-1], "cannot be decoded: 0x0A"),
    "half a character of UTF-16": (
        "pairs.jsonl",
        b"\xff\xfe" + "{}\n".encode("utf-16-le") + b"\x00\xd8a\x00",
        "pairs.jsonl is UTF-16 text, but line 2 cannot be decoded: 0x00 0xD8 at byte 8",
    ),
    "only NULs": ("pairs.jsonl", bytes(5000), "pairs.jsonl line 1 is not a JSON object"),
    "nested too deeply": ("pairs.json", b"[" * 100_000, "nested too deeply"),
    "an empty gzip": ("pairs.jsonl.gz", gzip.compress(b""), "pairs.jsonl.gz is empty"),
    "no bytes for gzip": ("pairs.jsonl.gz", b"", "pairs.jsonl.gz is empty"),
    "array that does not end": (
        "pairs.json",
        b'[{"chosen": "a", "rejected": "b"},\n',
        "pairs.json line 2 is not valid",
    ),
    "text behind an array": (
        "pairs.json",
        b'[{"chosen": "a b", "rejected": "a c"}]\nx',
        "line 2 is not valid JSON (E",
    ),
    "string that does not end": ("pairs.json", b'[{"chosen": "a', "Unterminated string"),
    "cut arrow": ("pairs.arrow", b"\xff\xff\xff\xff\x00\x01\x00\x00abc", "not an Arrow file"),
    "header alone": ("pairs.csv", b"prompt,chosen,rejected\n", "has no rows"),
    "not parquet": ("pairs.parquet", b"hello world, this is no parquet", "not a Parquet file"),
    "not arrow": ("pairs.arrow", b"hello world, this is no arrow", "not an Arrow file"),
    "not gzip": ("pairs.jsonl.gz", b"hello", "cannot be unpacked"),
    "cut gzip": ("pairs.jsonl.gz", gzip.compress(TEXT.encode())[:100], "cannot be unpacked"),
    "not zst": ("pairs.jsonl.zst", b"hello there", "cannot be unpacked"),
    "not xz": ("pairs.jsonl.xz", b"hello there", "cannot be unpacked"),
    "cut xz": ("pairs.jsonl.xz", lzma.compress(TEXT.encode())[:100], "cannot be unpacked"),
    "not bzip2": ("pairs.jsonl.bz2", b"hello there", "cannot be unpacked"),
    "cut bzip2": ("pairs.jsonl.bz2", bz2.compress(TEXT.encode())[:100], "cannot be unpacked"),
    "not zip": ("pairs.zip", b"hello there", "cannot be unpacked"),
    "another compression": ("pairs.jsonl.lz4", b"x", "unknown extension: .lz4"),
    "a Git LFS pointer": (
        "pairs.jsonl",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "is a Git LFS pointer",
    ),
}


ONLY_AT_THE_END = {"array that does not end", "text behind an array"}
"""What the first row does not tell."""


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_pairs_says_so(name: str, tmp_path: Path) -> None:
    """One sentence with the file and line, and what to do next."""
    file, content, words = REFUSED[name]
    (tmp_path / file).write_bytes(content)
    with pytest.raises(PairsError) as refused:
        open_pairs(tmp_path / file)
    assert words in refused.value.message
    assert "\n" not in refused.value.message and refused.value.hint
    if name not in ONLY_AT_THE_END:
        with pytest.raises(type(refused.value)) as first:
            open_head(PairsSpec(file), tmp_path)
        assert (first.value.message, first.value.hint) == (refused.value.message, refused.value.hint)


def test_a_name_that_leads_nowhere(tmp_path: Path) -> None:
    """A path that does not exist is not asked of the Hub."""
    for name in ("nope.jsonl", "./nope", "a/b/c", "nope"):
        with pytest.raises(PairsError, match="No such file or folder") as refused:
            open_pairs(name, base=tmp_path)
        assert str(tmp_path) in refused.value.hint


def test_a_broken_line_in_the_middle_is_shown_as_a_row(tmp_path: Path) -> None:
    """I can read on behind it, and it says which line of the file it is."""
    (tmp_path / "pairs.jsonl").write_text(TEXT.replace(json.dumps(ROWS[5]), "\n\n{oops"))
    source = open_pairs(tmp_path / "pairs.jsonl")
    pair = source.pair(5)
    assert pair.reason == "broken" and pair.raw.strip() == "{oops"
    assert pair.problem is not None and pair.problem.startswith("pairs.jsonl line 8 is not a JSON object")
    assert source.pair(6).chosen[0].content == "Answer 6, kindly."
    (tmp_path / "cut.jsonl").write_text(f'{json.dumps(ROWS[0])}\n{{"chosen":\n')
    cut = open_pairs(tmp_path / "cut.jsonl").pair(1).problem
    assert cut is not None and "column 11" in cut  # where it breaks off, not the start of the next line


@pytest.mark.parametrize("name", ["~nobody-has-this-name/pairs", "a" * 400, "a/" + "b" * 400])
def test_a_name_that_no_file_can_have(tmp_path: Path, name: str) -> None:
    """I paste nonsense: one sentence, as for any other file that is not there."""
    with pytest.raises(PairsError):
        open_spec(*typed_spec(name, tmp_path))
    assert not is_local(PairsSpec(name), tmp_path)


def test_a_typed_path_is_looked_for_where_i_am_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """I typed a path as my shell completes it; a file of the project of that name comes first."""
    project, here = tmp_path / "project", tmp_path / "here"
    for folder in (project, here):
        folder.mkdir()
    (here / "pairs.jsonl").write_text(TEXT)
    monkeypatch.chdir(here)
    assert len(open_spec(*typed_spec("pairs.jsonl", project))) == len(ROWS)
    (project / "pairs.jsonl").write_text(json.dumps(ROWS[0]) + "\n")
    assert len(open_spec(*typed_spec("pairs.jsonl", project))) == 1


def test_odd_bytes_do_not_stop_the_reading(tmp_path: Path) -> None:
    """NUL, lone surrogates and NaN are in real files; so are bytes that are not UTF-8, which are named."""
    line = b'{"prompt": "a\\u0000", "chosen": "c", "rejected": "\\ud800", "score": NaN}\n'
    (tmp_path / "pairs.jsonl").write_bytes(line + line.replace(b'"c"', b'"c\xff\xfe"'))
    source = open_pairs(tmp_path / "pairs.jsonl")
    assert source.pair(0).rejected[0].content == "\ud800"
    assert source.pair(1).problem == "pairs.jsonl line 2 contains a byte that is not UTF-8: 0xFF, byte 35 of it"
    assert "c\\xff\\xfe" in source.pair(1).raw and "\ufffd" not in source.pair(1).raw


def test_a_folder_of_splits(tmp_path: Path) -> None:
    """train.jsonl and test.jsonl are two splits; what names none is left out."""
    (tmp_path / "train.jsonl").write_text(TEXT)
    (tmp_path / "test.jsonl").write_text(json.dumps(ROWS[3]))
    (tmp_path / "curation.jsonl").write_text("{}")
    source = open_pairs(tmp_path)
    assert (source.splits, source.split, len(source)) == (("train", "test"), "train", len(ROWS))
    other = open_spec(replace(source.spec, split="test"), None)
    assert (other.split, len(other), other.splits) == ("test", 1, ("train", "test"))
    with pytest.raises(PairsError, match="no such split: dev"):
        open_pairs(tmp_path, split="dev")
    (tmp_path / "empty").mkdir()
    with pytest.raises(PairsError, match="no file that can be read"):
        open_pairs(tmp_path / "empty")


def test_shards_are_one_split(tmp_path: Path) -> None:
    """Three parquet files of a split are read one behind the other."""
    (tmp_path / "data").mkdir()
    for shard in range(3):
        table = pyarrow.Table.from_pylist(ROWS[shard * 400 : shard * 400 + 400])
        pyarrow.parquet.write_table(table, tmp_path / "data" / f"train_prefs-{shard:05}-of-00003.parquet")
    source = open_pairs(tmp_path)
    assert (source.split, len(source)) == ("train_prefs", 1200)
    assert list(source.rows(390, 810)) == ROWS[390:810]
    assert source.row(800) == ROWS[800]


def test_a_folder_saved_by_datasets(tmp_path: Path) -> None:
    """Dataset.save_to_disk and DatasetDict.save_to_disk, without importing datasets."""
    for split in ("train", "test"):
        folder = tmp_path / split
        folder.mkdir()
        write_arrow_stream(folder / "data-00000-of-00001.arrow")
        (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
        (folder / "dataset_info.json").write_text("{}")
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    assert open_pairs(tmp_path).splits == ("train", "test")
    assert open_pairs(tmp_path, split="test").row(7) == ROWS[7]
    assert len(open_pairs(tmp_path / "train")) == len(ROWS)


@pytest.mark.parametrize(
    ("split", "first", "rows"),
    [("train[:10]", 0, 10), ("train[1000:]", 1000, 250), ("train[-5:]", 1245, 5), ("train[10%:20%]", 125, 125)],
)
def test_rows_of_a_split(split: str, first: int, rows: int, tmp_path: Path) -> None:
    """train[:1000], as TRL recipes say it."""
    (tmp_path / "pairs.jsonl").write_text(TEXT)
    source = open_pairs(tmp_path / "pairs.jsonl", split=split)
    assert (source.split, len(source)) == (split, rows)
    assert source.row(0) == ROWS[first]
    assert list(source.rows(0, 99_999)) == ROWS[first : first + rows]


def test_splits_are_told_from_names_as_datasets_does() -> None:
    """The layouts that sets on the Hub have."""
    hh = [
        "README.md",
        "harmless-base/train.jsonl.gz",
        "harmless-base/test.jsonl.gz",
        "helpful-base/train.jsonl.gz",
        "red-team-attempts/red_team_attempts.jsonl.gz",
    ]
    assert splits_of(hh) == {"train": [hh[1], hh[3]], "test": [hh[2]]}
    assert splits_of(["data/train-00000-of-00001-0a1b.parquet", "data/dev.parquet", "x.json"]) == {
        "train": ["data/train-00000-of-00001-0a1b.parquet"],
        "validation": ["data/dev.parquet"],
    }
    assert splits_of(["pairs.jsonl", "trainer.md"]) == {"train": ["pairs.jsonl"]}
    assert splits_of(["README.md", ".cache/train.jsonl"]) == {}
    configs = [
        {"config_name": "a", "data_files": [{"split": "train", "path": "a/*.jsonl"}]},
        {"config_name": "b", "default": True, "data_files": "b/*"},
    ]
    files = ["a/1.jsonl", "b/1.jsonl", "b/2.jsonl", "b/LICENSE"]
    assert configured_splits(files, configs, None, "o/n") == {"train": ["b/1.jsonl", "b/2.jsonl"]}
    assert configured_splits(files, configs, "a", "o/n") == {"train": ["a/1.jsonl"]}
    assert configured_splits(files, None, None, "o/n") is None
    with pytest.raises(PairsError, match="several configurations: a, c"):
        configured_splits(files, [configs[0], {"config_name": "c", "data_files": "c/*"}], None, "o/n")


def test_a_large_set_opens_without_being_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """100 000 lines: the first pair is there when a handful of rows has been decoded."""
    path = tmp_path / "pairs.jsonl"
    path.write_text(TEXT * 80)
    decoded = []
    decode = text_tables.decode_json
    monkeypatch.setattr(text_tables, "decode_json", lambda line: decoded.append(1) or decode(line))
    source = open_pairs(path)
    assert source.pair(99_999).prompt[0].content == "Question 1249?"
    assert 0 < len(decoded) < 30


def test_a_parquet_file_is_read_by_row_group(tmp_path: Path) -> None:
    """Only the group that holds the pair is decoded, and the next pair of it is at hand."""
    write_parquet(tmp_path / "pairs.parquet")
    table = ParquetTable(tmp_path / "pairs.parquet")
    assert not table.near(1000)
    table.row(1000)
    assert table.near(1100) and not table.near(0)


def test_a_file_that_changes_while_it_is_open(tmp_path: Path) -> None:
    """Somebody writes it anew, shorter: a sentence in the place of the row, no end of the program."""
    path = tmp_path / "pairs.jsonl"
    path.write_text(TEXT)
    source = open_pairs(path)
    path.write_text(json.dumps(ROWS[0]))
    assert source.pair(1000).reason == "broken"


# -- projects


def project(folder: Path, recipe: str, settings_text: str = "") -> Project:
    (folder / "recipe.yaml").write_text(recipe)
    if settings_text:
        (folder / "smoltui.toml").write_text(settings_text)
    return Project(folder)


def test_the_pairs_of_a_recipe(tmp_path: Path) -> None:
    """What the recipe trains on is what the room shows, in each way TRL lets it be said."""
    (tmp_path / "train.jsonl").write_text(TEXT)
    (tmp_path / "test.jsonl").write_text(TEXT)
    for recipe, split, rows in (
        ("dataset_name: train.jsonl\n", "train", 1250),
        ("dataset_name: .\ndataset_train_split: test\n", "test", 1250),
        ("datasets:\n  - path: json\n    data_files: train.jsonl\n    split: train[:10]\n", "train[:10]", 10),
        ("datasets:\n  - path: json\n    data_files: {train: train.jsonl, test: test.jsonl}\n", "train", 1250),
        ("datasets:\n  - path: json\n    data_files: [train.jsonl, test.jsonl]\n", "train", 2500),
    ):
        spec = recipe_pairs(project(tmp_path, recipe))
        assert spec is not None
        source = open_spec(spec, tmp_path)
        assert (source.split, len(source)) == (split, rows), recipe
    spec = recipe_pairs(project(tmp_path, "dataset_name: owner/set\ndataset_config: small\n"))
    assert spec is not None and (spec.source, spec.config) == ("owner/set", "small")
    assert recipe_pairs(project(tmp_path, "model_name_or_path: x\n")) is None
    with pytest.raises(RecipeError, match="datasets"):
        recipe_pairs(project(tmp_path, "datasets: [3]\n"))


def test_the_settings_may_name_other_pairs(tmp_path: Path) -> None:
    """smoltui.toml says what to look at; without it the recipe does; without a recipe there is nothing."""
    assert project_pairs(Project(tmp_path)) is None
    named = project(tmp_path, "dataset_name: owner/set\n", '[pairs]\nsource = "other.jsonl"\n')
    spec = project_pairs(named)
    assert spec is not None and spec.source == "other.jsonl"


# -- the Hub


def test_without_a_network_the_cache_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A set that was opened before opens on the train, too; another says that the Hub cannot be reached."""
    from smoltui.backends.data_files import hub as pair_hub

    def offline(*_: object, **__: object) -> Any:
        from httpx2 import ConnectError

        raise ConnectError("no route to host")

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", offline)
    (tmp_path / "train.jsonl").write_text(TEXT)
    cached: list[Path | None] = [tmp_path]

    def snapshot(*_: object, **__: object) -> str:
        from huggingface_hub.errors import LocalEntryNotFoundError

        if cached[0] is None:
            raise LocalEntryNotFoundError("nothing is cached")
        return str(cached[0])

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    monkeypatch.setattr(pair_hub, "hub_files", lambda repo, names, revision: [tmp_path / name for name in names])
    assert len(open_pairs("owner/set", base=tmp_path)) == len(ROWS)
    cached[0] = None
    with pytest.raises(UnreachableError, match="owner/set, and the set is not in the local cache"):
        open_pairs("owner/set", base=tmp_path)


# -- the twin


def test_the_report_of_the_real_set(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`smoltui pairs` on 2 312 real transcripts: every known answer."""
    report = pairs_report(Asked(str(shared_data / "hh_harmless_test.jsonl.gz")))
    json.dumps(report)
    assert report["rows"] == 2312
    assert report["clean"] == {"count": 2299}
    assert {
        name: report[name]["count"]
        for name in (
            "identical",
            "duplicates",
            "repeated_prompts",
            "empty_chosen",
            "empty_rejected",
            "prompt_differs",
            "roles_do_not_alternate",
            "trl_cut_inside_answer",
        )
    } == {
        "identical": 0,
        "duplicates": 0,
        "repeated_prompts": 2,
        "empty_chosen": 4,
        "empty_rejected": 0,
        "prompt_differs": 5,
        "roles_do_not_alternate": 9,
        "trl_cut_inside_answer": 445,
    }
    assert (report["schema"], report["columns"]) == ("hh-rlhf", ["chosen", "rejected"])
    print_report(report)
    assert "2,299  clean" in capsys.readouterr().out


def test_the_report_shows_a_row_and_hits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--row and --search; a row that is not there is said so."""
    (tmp_path / "train.jsonl").write_text(TEXT)
    report = pairs_report(Asked("train.jsonl", row=3, search="Answer 12", limit=2), base=tmp_path)
    assert report["pair"]["chosen"] == [{"role": "assistant", "content": "Answer 3, kindly."}]
    assert report["search"] == {"text": "Answer 12", "count": 61, "rows": [12, 120]}
    print_report(report)
    assert "Answer 3, kindly." in capsys.readouterr().out
    with pytest.raises(InputError, match="No such row: 1250"):
        pairs_report(Asked("train.jsonl", row=1250), base=tmp_path)
    project(tmp_path, "dataset_name: train.jsonl\n")
    assert pairs_report(Asked(str(tmp_path)))["source"] == "train.jsonl"


def test_a_row_and_the_first_pairs_need_no_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(TEXT.replace('"Answer 1, kindly."', '""'))
    monkeypatch.setattr("smoltui.cli.pairs.imported", lambda *_, **__: pytest.fail("imported"))
    for row in (3, 1249):
        report = pairs_report(Asked(str(path), row=row))
        assert report["pair"]["chosen"][0]["content"] == f"Answer {row}, kindly."
        assert (report["rows"], report["schema"]) == (None if row == 3 else 1250, "standard")
    report = pairs_report(Asked(str(path), head=3))
    assert report["judged"] == {"rows": 3, "usable": 2, "left_out": {"empty_answer": 1}}
    assert [pair["row"] for pair in report["head"]] == [0, 1, 2] and report["rows"] is None
    print_report(report)
    assert "2 of these 3 rows are usable pairs" in capsys.readouterr().out
    for asked in (Asked(str(path), row=1250), Asked(str(path), row=-1), Asked(str(path), head=0)):
        with pytest.raises(InputError):
            pairs_report(asked)


def test_a_row_of_five_megabytes_is_a_pair(tmp_path: Path) -> None:
    """Training reads it, so it is judged like any other."""
    (tmp_path / "a.jsonl").write_text(json.dumps(ROWS[0] | {"chosen": "word " * 1_000_000}) + "\n")
    report = pairs_report(Asked(str(tmp_path / "a.jsonl")))
    assert (report["clean"]["count"], report["broken"]["count"]) == (1, 0)


def test_sources_keep_their_place_for_other_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative name stays the same file when the current folder changes."""
    (tmp_path / "train.jsonl").write_text(TEXT)
    source: PairSource = open_pairs("train.jsonl", base=tmp_path)
    monkeypatch.chdir("/")
    assert open_spec(replace(source.spec, split="train[:3]"), None).row(2) == ROWS[2]


def test_rows_of_several_pairs_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing a set with several rejected answers does not read it to count it first."""
    read = []
    unfolded = table_views.pairs_in

    def counted(row: object, how: How) -> Any:
        read.append(row)
        return unfolded(row, how)

    monkeypatch.setattr(table_views, "pairs_in", counted)
    rows = [{"prompt": f"p{number}", "chosen": "a", "rejected": ["b", "c"]} for number in range(50)]
    (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    opened = imported(PairsSpec("a.jsonl"), tmp_path)
    assert len(opened) == 100 and len(read) == 50
    source = open_spec(PairsSpec("a.jsonl"), tmp_path)
    assert source.known_length is None and len(source) == 100 == source.known_length
