"""submissions.json: one entry more, every byte that was there unchanged; and one sentence for what is not JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.publish.board_file import HINT, MOST_BYTES, diff, read_board, with_entry
from smoltui.errors import InputError

ENTRY = {"username": "ada", "model_name": "m-1", "chapter": "3"}
OLD = [{"username": "carol", "model_name": "SmolLM3-Carol", "chapter": "1"}, {"username": "zoë", "note": "東京 \u2028"}]


def written(rows: list[Any], *, indent: int | str | None = 4, bare: bool = False, ascii_only: bool = False) -> str:
    return json.dumps(rows if bare else {"submissions": rows}, indent=indent, ensure_ascii=ascii_only)


SHAPES = {
    "four blanks": (written(OLD) + "\n").encode(),
    "two blanks": (written(OLD, indent=2) + "\n").encode(),
    "tabs": written(OLD, indent="\t").encode(),
    "no final newline": written(OLD).encode(),
    "CRLF": (written(OLD) + "\n").replace("\n", "\r\n").encode(),
    "CRLF and tabs": written(OLD, indent="\t").replace("\n", "\r\n").encode(),
    "BOM": b"\xef\xbb\xbf" + written(OLD).encode(),
    "minified": written(OLD, indent=None).encode(),
    "no blanks at all": json.dumps({"submissions": OLD}, separators=(",", ":")).encode(),
    "escaped": written(OLD, ascii_only=True).encode(),
    "a bare list": written(OLD, bare=True).encode(),
    "a bare list in one line": written(OLD, bare=True, indent=None).encode(),
    "one entry per line": ('{"submissions": [\n  ' + ",\n  ".join(map(json.dumps, OLD)) + "\n]}\n").encode(),
    "more keys around": json.dumps(
        {"about": {"submissions": [1], "x": {}}, "submissions": OLD, "end": [{"a": []}]}, indent=2
    ).encode(),
    "a list and an object inside an entry": written([{"tags": ["a", {"b": [1]}]}]).encode(),
    "empty": (written([]) + "\n").encode(),
    "empty in one line": written([], indent=None).encode(),
    "empty over two lines": b'{\n    "submissions": [\n    ]\n}\n',
    "a bare empty list": b"[]",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_an_entry_is_added_and_nothing_else_changes(shape: str) -> None:
    """Whatever the file looks like: its bytes are there as before, around the new ones, and it reads as JSON."""
    data = SHAPES[shape]
    board = read_board(data)
    edit = with_entry(board, ENTRY)
    assert edit.data[: edit.at] + edit.data[edit.at + len(edit.added) :] == data
    decoded = json.loads(edit.data.decode("utf-8-sig"))
    before = json.loads(data.decode("utf-8-sig"))
    rows, rows_before = (each["submissions"] if isinstance(each, dict) else each for each in (decoded, before))
    assert rows == [*rows_before, ENTRY]
    if isinstance(decoded, dict):
        assert {**decoded, "submissions": 0} == {**before, "submissions": 0}


@pytest.mark.parametrize("shape", ["four blanks", "two blanks", "tabs", "CRLF", "minified", "BOM", "escaped"])
def test_the_entry_is_written_as_the_others_are(shape: str) -> None:
    """Exactly what the same program would have written with one entry more."""
    data, whole = SHAPES[shape], [*OLD, ENTRY]
    indent = {"two blanks": 2, "tabs": "\t", "minified": None}.get(shape, 4)
    wanted = written(whole, indent=indent, ascii_only=shape == "escaped")
    wanted += "\n" if data.endswith(b"\n") else ""
    encoded = wanted.replace("\n", "\r\n").encode() if shape == "CRLF" else wanted.encode()
    assert with_entry(read_board(data), ENTRY).data == (b"\xef\xbb\xbf" if shape == "BOM" else b"") + encoded


def test_the_second_entry_of_a_file_in_one_line() -> None:
    """Blanks behind commas as between the fields."""
    for separators in ((", ", ": "), (",", ":")):
        data, wanted = (json.dumps(rows, separators=separators).encode() for rows in (OLD[:1], [OLD[0], ENTRY]))
        assert with_entry(read_board(data), ENTRY).data == wanted


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@given(
    st.lists(st.dictionaries(texts, values, max_size=4), max_size=5),
    st.sampled_from([None, 1, 2, 4, "\t"]),
    st.booleans(),
    st.booleans(),
    st.dictionaries(texts, texts, min_size=1, max_size=4),
)
def test_any_board_takes_any_entry(
    rows: list[dict[str, Any]], indent: Any, bare: bool, crlf: bool, entry: dict[str, str]
) -> None:
    """Brackets, quotes and line separators inside texts are no structure."""
    text = written(rows, indent=indent, bare=bare)
    data = text.replace("\n", "\r\n").encode() if crlf else text.encode()
    board = read_board(data)
    edit = with_entry(board, entry)
    assert edit.data[: edit.at] + edit.data[edit.at + len(edit.added) :] == data
    assert list(read_board(edit.data).entries) == [*rows, entry]
    assert any(line.startswith("+") for line in diff(board, edit))


BROKEN = {
    b'{"submissions": [{"a": "b"}, // mine\n]}': "a comment (line 1, column 30)",
    b'{\n# mine\n"submissions": []}': "a comment (line 2, column 1)",
    b'{"submissions": [{"a": "b"},\n ... ]}': "an ellipsis (line 2, column 2)",
    b'{"submissions": [{"a": "b"},\n]}': "a trailing comma",
    b'{"submissions": [{"a": "b",}]}': "a trailing comma",
    b'{"submissions": [{"a": "b", "a": "c"}]}': "has a key twice in one object: a",
    b'{"submissions": [], "submissions": []}': "has a key twice in one object: submissions",
    b'{"submissions": [{"a": NaN}]}': "has NaN, which is not JSON",
    b'{"submissions": [{"a": "b"}': "is not JSON (line 1",
    b"": "is empty",
    b" \n": "is empty",
    b'{"submissions": [1]}': "has an entry that is not an object: number 1",
    b'{"entries": []}': "has no list",
    b'"submissions"': "has no list",
    b'{"submissions": {}}': "has no list",
    b'\xff\xfe{"submissions": []}': "is not UTF-8 (byte 1)",
    b"[" * 2000 + b"]" * 2000: "is nested too deeply",
    b'[{"a": ' + b"9" * 5000 + b"}]": "has a number that is too long",
    b" " * (MOST_BYTES + 1): "is larger than 4 MB (4.2 MB)",
    ('{"submissions": [' + ", ".join(['{"a": "' + "x" * 4000 + '"}'] * 1250) + "]}").encode(): "is larger than 4 MB",
}


@pytest.mark.parametrize("data", BROKEN, ids=lambda data: repr(data[:40]))
def test_what_is_not_a_board_is_one_sentence(data: bytes) -> None:
    """What is wrong and where, that nothing was sent, and who can help."""
    with pytest.raises(InputError) as told:
        read_board(data)
    assert BROKEN[data] in told.value.message and told.value.message.startswith("The leaderboard's submissions.json ")
    assert told.value.hint == HINT and "\n" not in told.value.message and len(told.value.message) < 160


@given(st.sampled_from(sorted(SHAPES)), st.integers(0, 400), st.binary(max_size=3), st.integers(0, 3))
def test_a_damaged_file_is_read_or_refused(shape: str, at: int, put: bytes, cut: int) -> None:
    """A few bytes replaced anywhere: one sentence, or a file that still takes an entry without another change."""
    data = SHAPES[shape][:at] + put + SHAPES[shape][at + cut :]
    try:
        board = read_board(data)
        edit = with_entry(board, ENTRY)
    except InputError as error:
        assert error.message.startswith("The leaderboard's") and error.message.isprintable()
    else:
        assert edit.data[: edit.at] + edit.data[edit.at + len(edit.added) :] == data
        assert diff(board, edit)


def test_the_diff_shows_the_entry_and_its_surroundings() -> None:
    """The comma after the last entry, the added lines, and the lines that follow."""
    data = SHAPES["CRLF"]
    board = read_board(data)
    shown = diff(board, with_entry(board, ENTRY))
    assert shown[0].startswith("@@ submissions.json, line 11: one entry is added")
    assert "-         }" in shown and "+         }," in shown and '+             "username": "ada",' in shown
    assert shown[-2:] == ["      ]", "  }"] and not any("\r" in line for line in shown)


def test_the_diff_of_a_file_in_one_line_is_short() -> None:
    board = read_board(json.dumps({"submissions": OLD * 100}).encode())
    shown = diff(board, with_entry(board, ENTRY))
    assert max(map(len, shown)) < 200 and any(line.startswith('+ , {"username": "ada"') for line in shown)


def test_a_diff_has_no_escape_codes() -> None:
    """A name in the file that would clear my screen."""
    board = read_board(json.dumps([{"a": "\u202e evil"}], indent=1, ensure_ascii=False).encode())
    assert not any("\u202e" in line for line in diff(board, with_entry(board, ENTRY)))
