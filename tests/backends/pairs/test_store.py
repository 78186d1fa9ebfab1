"""A set is imported into the cache once, and then read, searched and sorted from there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.backends.data_files.source import PairsSpec, open_pairs
from smoltui.backends.pairs import store as pair_store
from smoltui.backends.pairs.cache_upkeep import remove_halves
from smoltui.backends.pairs.opened_set import PairSet, import_in_child, imported, open_set, request_import
from smoltui.backends.pairs.search import Search
from smoltui.backends.pairs.set_columns import column_values, sorted_rows
from smoltui.backends.pairs.store import PairStore
from smoltui.backends.pairs.summary import summary
from smoltui.core.pairs.facts import sound
from smoltui.core.pairs.query import PairQuery, parse_query
from smoltui.errors import InputError, PairsError, SmoltuiError


def pair(prompt: str, chosen: str, rejected: str, **more: Any) -> dict[str, Any]:
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected, **more}


ROWS = [
    pair("Is the mill far?", "It is a mile.", "No.", score=2.5, source="a"),
    pair("What is fog?", "A cloud at the ground.", "A cloud at the ground.", score=1),
    pair("Why?", "Because of the River.", "", score="high"),
    {"score": 3},
    pair("Is the mill far?", "No.", "It is a mile.", tags=["x", "y"], good=True),
]


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


@pytest.fixture
def opened(tmp_path: Path) -> PairSet:
    return imported(PairsSpec(str(write(tmp_path / "five.jsonl", ROWS))), tmp_path)


def found(opened: PairSet, text: str) -> list[int]:
    assert opened.store is not None
    query = parse_query(text)
    assert query is not None
    search = Search(opened.store, query)
    search.run()
    assert search.complete and search.looked_at == len(opened)
    return list(search.hits)


def test_what_is_stored_is_what_the_source_says(opened: PairSet, tmp_path: Path) -> None:
    source = open_pairs(tmp_path / "five.jsonl")
    assert len(opened) == len(source) == 5 and opened.complete and opened.total == 5
    for index in range(5):
        assert opened.pair(index) == source.pair(index)
    assert opened.store is not None
    assert opened.store.extra(0) == {"score": 2.5, "source": "a"}
    assert opened.store.meta.extras == {"score": "text", "source": "text", "tags": "json", "good": "yes/no"}
    with pytest.raises(IndexError):
        opened.pair(5)


def test_it_opens_again_from_the_cache(opened: PairSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the source is decoded a second time; a file that was written to is another set."""

    def no(*_: object) -> None:
        raise AssertionError("the source was read again")

    monkeypatch.setattr("smoltui.backends.pairs.opened_set.open_head", no)
    again = open_set(opened.spec, opened.base)
    assert again.complete and again.pair(0) == opened.pair(0) and again.changed() is None
    monkeypatch.undo()
    write(tmp_path / "five.jsonl", ROWS[:2])
    assert "has changed" in (again.changed() or "")
    assert again.pair(4).chosen[0].content == "No."  # what is open stays readable
    assert len(imported(opened.spec, opened.base)) == 2
    (tmp_path / "five.jsonl").unlink()
    assert "no longer exists" in (again.changed() or "")


def test_i_search_texts(opened: PairSet) -> None:
    assert found(opened, "MILE") == [0, 4]
    assert found(opened, "river") == [2]
    assert found(opened, "/River/") == [2] and found(opened, "/river/") == [] and found(opened, "/river/i") == [2]
    assert found(opened, "/^No\\.$/") == [0, 4]
    assert found(opened, '"score": 3') == [3]  # a row that is no pair is found by its text
    assert found(opened, "zebra") == []
    with pytest.raises(InputError, match="Not a valid regular expression") as caught:
        found(opened, "/(/")
    assert "missing" in caught.value.hint


def test_i_search_by_condition(opened: PairSet) -> None:
    assert found(opened, "where chosen_chars > 12") == [0, 1, 2]
    assert found(opened, "WHERE gap < 0") == [4]
    assert found(opened, "where identical or empty_rejected") == [1, 2]
    assert found(opened, "where reason is not null") == [2, 3]
    assert found(opened, "where chosen ilike '%mile%'") == [0]
    assert found(opened, "where source = 'a'") == [0]
    assert found(opened, "where good") == [4]
    assert found(opened, "where try_cast(score as double) >= 1") == [0, 1, 3]
    assert found(opened, "where tags like '%\"y\"%'") == [4]
    assert found(opened, "where chosen_chars = (select max(chosen_chars) from pairs)") == [1]
    assert found(opened, "where row = 2") == [2]
    assert found(opened, "where chosen_tokens is null and duplicate is null") == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("chosen_characters > 5", "There is no column chosen_characters"),
        ("chosen_chars >", "syntax error"),
        ("true); drop table part; select (1=1", "more than one condition"),
        ("true) union select 1 from read_csv('/etc/passwd') where (true", "more than one condition"),
        ("1 in (select 1 from read_csv('/etc/passwd'))", "file system operations are disabled"),
        ("exists (select * from '/etc/hostname')", "does not exist"),
        ("exists (select * from 'https://example.org/x.csv')", "file system operations are disabled"),
        ("1 = (select count(*) from opened)", "does not exist"),
    ],
)
def test_a_condition_reads_nothing_but_the_pairs(opened: PairSet, condition: str, words: str) -> None:
    """DuckDB's own words say what is wrong; files, the network, and the program's variables are out of its reach."""
    assert opened.store is not None
    with pytest.raises(InputError) as caught:
        Search(opened.store, PairQuery("where", condition)).run()
    assert words in f"{caught.value.message} {caught.value.hint}"
    assert "Traceback" not in str(caught.value)


def test_a_condition_cannot_write(opened: PairSet, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    assert opened.store is not None
    for condition in (f"true); copy part to '{target}'; select (true", "true); set memory_limit='9GB'; select (true"):
        with pytest.raises(InputError):
            Search(opened.store, PairQuery("where", condition)).run()
    assert not target.exists()


def test_sorting(opened: PairSet) -> None:
    assert opened.store is not None
    gap = column_values(opened.store, "gap")
    assert gap.to_pylist() == [10, 0, 21, None, -10]
    assert list(sorted_rows(gap, None, descending=True)) == [2, 0, 1, 4, 3]
    assert list(sorted_rows(gap, [0, 3, 4], descending=False)) == [4, 0, 3]
    turns = column_values(opened.store, "turns")
    assert list(sorted_rows(turns, None, descending=False)) == [0, 1, 2, 4, 3]  # equal ones stay in their order


def test_the_known_answers(shared_data: Path) -> None:
    """The real set, counted from the store."""
    told = summary(imported(PairsSpec("hh_harmless_test.jsonl.gz"), shared_data).store)  # type: ignore[arg-type]
    counts = {name: len(rows) for name, rows in told["findings"].items()}
    assert (told["rows"], told["clean"]) == (2312, 2299)
    assert counts["empty_chosen"] == 4 and counts["empty_rejected"] == 0 and counts["prompt_differs"] == 5
    assert counts["roles_do_not_alternate"] == 9 and counts["identical"] == 0 and counts["duplicates"] == 0
    assert counts["repeated_prompts"] == 2 and counts["trl_cut_inside_answer"] == 445 and counts["broken"] == 0
    assert {1254, 1688, 1950} <= set(told["findings"]["prompt_differs"])
    assert told["findings"]["trl_cut_inside_answer"][:6] == [6, 8, 9, 12, 14, 16]


def test_the_summary_counts_what_is_wrong(tmp_path: Path) -> None:
    good = pair("a", "b", "c")
    rows = [
        good,
        good,
        {**good, "rejected": "d"},
        pair("same", "b", "b"),
        pair("e", "", "c"),
        pair("f", "b", "\n"),
        pair("", "b", "c"),
        {"chosen": "x"},
    ]
    path = write(tmp_path / "odd.jsonl", rows)
    path.write_text(path.read_text() + "{broken\n")
    store = imported(PairsSpec(str(path)), tmp_path).store
    assert store is not None
    told = summary(store)
    assert {name: found for name, found in told["findings"].items() if found} == {
        "broken": [8],
        "not_pairs": [7],
        "no_prompt": [6],
        "empty_chosen": [4],
        "empty_rejected": [5],
        "identical": [3],
        "duplicates": [1],
        "repeated_prompts": [1, 2],
    }
    assert (told["rows"], told["clean"]) == (9, 3)
    assert told["left_out"] == {"broken": 1, "empty_answer": 2, "missing_column": 1, "no_prompt": 1}


HOSTILE = [
    "\x1b]52;c;aGk=\x07",
    "\x1b[2J\x1b[31m",
    "[red]x[/red] [/b] [@click=app.quit]x[/]",
    "\u202eevil\u2066",
    "a\u200db\u200b",
    "👨‍👩‍👧‍👦 family",
    "漢字かな한글",
    "tab\there",
    "nul\x00byte",
    "\ud83d lone",
    "\u2028line",
    "é" * 9,
    "x" * 1_000_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=[ascii(text[:12]) for text in HOSTILE])
def test_odd_text_is_stored_and_found(text: str, tmp_path: Path) -> None:
    """Nothing is dropped on the way, and what one sees can be searched for."""
    path = write(tmp_path / "odd.jsonl", [pair("plain", "a", "b"), pair("odd", f"before {text} after", "no")])
    opened = imported(PairsSpec(str(path)), tmp_path)
    assert opened.pair(1).chosen[0].content == f"before {sound(text)} after"
    assert found(opened, text[:400]) == [1]


def test_values_that_are_no_text(tmp_path: Path) -> None:
    """NaN, null, numbers and bytes that are no UTF-8 in a text column are rows with a problem, not an end."""
    path = tmp_path / "odd.jsonl"
    good = json.dumps(pair("p", "a", "b")).encode()
    path.write_bytes(
        b"\n".join(
            [
                good,
                b'{"prompt": "p", "chosen": NaN, "rejected": "b"}',
                b'{"prompt": null, "chosen": 1}',
                good.replace(b'"a"', b'"\xff\xfe bad"'),
                b"{broken",
                good,
            ]
        )
        + b"\n"
    )
    opened = imported(PairsSpec(str(path)), tmp_path)
    assert [opened.pair(row).reason for row in range(6)] == [
        None,
        "wrong_type",
        "missing_column",
        "broken",
        "broken",
        None,
    ]
    assert "\\xff\\xfe bad" in opened.pair(3).raw
    assert found(opened, "{broken") == [4] and found(opened, "\\xff") == [3] and found(opened, "\ufffd") == []
    assert opened.store is not None and "line 4" in (opened.store.meta.broken or "")
    assert opened.hash(0) == opened.hash(5) != opened.hash(4)


@given(st.lists(st.tuples(st.text(), st.text(), st.text()), min_size=1, max_size=4))
def test_any_text_comes_back(rows: list[tuple[str, str, str]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder, "any.jsonl"), [pair(*texts) for texts in rows])
        opened = imported(PairsSpec(str(path)), Path(folder))
        for index, (prompt, chosen, rejected) in enumerate(rows):
            known = opened.pair(index)
            assert (known.prompt[-1].content, known.chosen[0].content, known.rejected[0].content) == (
                sound(prompt),
                sound(chosen),
                sound(rejected),
            )


@given(
    st.lists(st.text(alphabet='aB é\n\\"(', max_size=6), min_size=1, max_size=12),
    st.text(alphabet='aB é\n\\"(', min_size=1, max_size=3),
)
def test_search_finds_what_reading_finds(texts: list[str], wanted: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder, "any.jsonl"), [pair("x", text, "y") for text in texts])
        store = imported(PairsSpec(str(path)), Path(folder)).store
        assert store is not None
        search = Search(store, PairQuery("text", wanted))
        search.run()
        assert list(search.hits) == [row for row, text in enumerate(texts) if wanted.casefold() in text.casefold()]


def many(count: int) -> list[Any]:
    return [pair(f"question {number}", f"answer {number}" + " x" * (number % 7), "no") for number in range(count)]


async def test_a_child_imports_and_tells_how_far_it_is(tmp_path: Path) -> None:
    rows = 2 * pair_store.PART_ROWS + 5
    opened = open_set(PairsSpec(str(write(tmp_path / "many.jsonl", many(rows)))), tmp_path)
    assert not opened.complete and len(opened) >= 1 and opened.pair(0).prompt[0].content == "question 0"
    steps = [step async for step in import_in_child(opened)]
    assert steps[-1] == rows == len(opened) == opened.total and opened.complete
    assert found(opened, f"question {rows - 1}") == [rows - 1]
    assert opened.pair(rows - 1).prompt[0].content == f"question {rows - 1}"


def test_a_search_goes_on_with_what_comes_later(tmp_path: Path) -> None:
    """One can search while the set is being read."""
    opened = imported(PairsSpec(str(write(tmp_path / "many.jsonl", many(pair_store.PART_ROWS + 9)))), tmp_path)
    store = opened.store
    assert store is not None
    store.meta.rows, store.meta.complete = pair_store.PART_ROWS, False  # as it was a moment ago
    search = Search(store, PairQuery("text", "question"))
    search.run()
    assert len(search.hits) == pair_store.PART_ROWS and not search.complete
    store.refresh()
    search.run()
    assert list(search.hits) == list(range(pair_store.PART_ROWS + 9)) and search.complete


def test_a_search_can_be_left(opened: PairSet) -> None:
    assert opened.store is not None
    search = Search(opened.store, PairQuery("text", "mile"))
    search.run(lambda: True)
    assert not search.hits and not search.complete


def test_an_import_that_was_killed_goes_on(tmp_path: Path) -> None:
    """What whole parts hold is kept; nothing comes twice."""
    rows = many(2 * pair_store.PART_ROWS + 5)
    spec = PairsSpec(str(write(tmp_path / "many.jsonl", rows)))
    opened = open_set(spec, tmp_path)
    request_import(opened)
    child = subprocess.Popen(
        [sys.executable, "-m", "smoltui.backends.pairs.import_set", str(opened.folder)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None and '"rows"' in child.stdout.readline()
    child.kill()
    child.wait()
    whole = imported(spec, tmp_path)
    assert len(whole) == len(rows) and found(whole, "/^answer 4095/") == [4095]
    assert len(found(whole, "question")) == len(rows)


def test_a_file_that_changes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "five.jsonl", ROWS)
    spec = PairsSpec(str(path))
    from smoltui.backends.pairs import import_set as pair_import

    real = pair_import.write_meta

    def write_and_change(folder: Path, meta: Any) -> None:
        real(folder, meta)
        os.utime(path, ns=(1, 1))

    monkeypatch.setattr(pair_import, "write_meta", write_and_change)
    with pytest.raises(PairsError, match="changed while being read"):
        imported(spec, tmp_path)
    monkeypatch.undo()
    assert imported(spec, tmp_path).complete


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first pairs can be read, nothing half-written is taken for a set, and with space it is imported."""
    import errno

    import pyarrow as pa

    spec = PairsSpec(str(write(tmp_path / "five.jsonl", ROWS)))
    real = pa.RecordBatchFileWriter.write_table

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pyarrow.ipc.new_file", full)
    with pytest.raises(InputError, match=r"cannot be cached \(No space left on device") as caught:
        imported(spec, tmp_path)
    assert "Free some space" in caught.value.hint
    opened = open_set(spec, tmp_path)
    assert not opened.complete and opened.pair(0).prompt[0].content == "Is the mill far?"
    assert not list(opened.folder.glob("*part*"))
    monkeypatch.undo()
    assert real and imported(spec, tmp_path).complete


def test_a_cache_that_was_deleted(opened: PairSet) -> None:
    import shutil

    shutil.rmtree(opened.folder)
    fresh = PairSet(opened.spec, opened.base, opened.stamp, opened.folder)
    fresh.store = opened.store
    assert opened.store is not None
    with pytest.raises(SmoltuiError, match="was deleted"):
        opened.store.pair(0)
    with pytest.raises(SmoltuiError, match="was deleted"):
        Search(opened.store, PairQuery("text", "x")).run()
    assert imported(opened.spec, opened.base).complete


def test_two_at_once_import_it_once(tmp_path: Path) -> None:
    spec = PairsSpec(str(write(tmp_path / "many.jsonl", many(pair_store.PART_ROWS + 1))))
    opened = open_set(spec, tmp_path)
    request_import(opened)
    command = [sys.executable, "-m", "smoltui.backends.pairs.import_set", str(opened.folder)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    ends = [json.loads(child.communicate()[0].splitlines()[-1]) for child in children]
    assert ends == [{"done": pair_store.PART_ROWS + 1}] * 2
    assert PairStore(opened.folder).meta.complete


def test_old_sets_leave_the_cache(opened: PairSet, tmp_path: Path) -> None:
    """A set nobody opened for two months goes when another one is imported."""
    os.utime(opened.folder, (1, 1))
    imported(PairsSpec(str(write(tmp_path / "other.jsonl", ROWS))), tmp_path)
    assert not opened.folder.exists()


def test_what_killed_imports_left_behind_goes(tmp_path: Path) -> None:
    """The next import of the set deletes their half-written files, and none that somebody still writes."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    for name in (
        f".part-00001.text.arrow.{gone.pid}",
        f".part-00001.text.arrow.{os.getpid()}",
        "part-00001.text.arrow",
    ):
        (tmp_path / name).write_bytes(b"half")
    remove_halves(tmp_path)
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {f".part-00001.text.arrow.{os.getpid()}", "part-00001.text.arrow"}


def test_what_killed_commands_left_behind_goes(tmp_path: Path) -> None:
    """A command imports in its own process: the next one deletes what it had begun to write."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    opened = open_set(PairsSpec(str(write(tmp_path / "five.jsonl", ROWS))), tmp_path)
    request_import(opened)
    half = opened.folder / f".part-00000.text.arrow.{gone.pid}"
    half.write_bytes(b"half")
    assert imported(opened.spec, opened.base).complete and not half.exists()
