"""JSON of strangers: what is too deep, too large or not JSON at all is a ValueError and nothing else."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.foreign.foreign_json import DEEPEST, JSONLimitError, check_size, decode
from smoltui.core.pairs import curation
from smoltui.core.runs import events

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(JSON_VALUES)
def test_what_json_reads_is_read(value: Any) -> None:
    text = json.dumps(value)
    assert decode(text) == decode(text.encode()) == value


@given(st.binary() | st.text())
def test_anything_else_is_a_value_error(source: bytes | str) -> None:
    with contextlib.suppress(ValueError):
        decode(source)


@pytest.mark.parametrize(
    "source",
    [
        "[" * 100_000,
        "[" * 500 + "]" * 500,
        '{"a":' * 200_000,
        '{"a":' * 500 + "1" + "}" * 500,
        "1" * 5000,
        b"\xff",
        b"\x00\x00\x00[\x00\x00\x00]",
        "",
    ],
)
def test_deep_huge_and_broken(source: bytes | str) -> None:
    with pytest.raises(ValueError):
        decode(source)


def test_the_depth_that_is_allowed() -> None:
    assert decode("[" * DEEPEST + "]" * DEEPEST)
    with pytest.raises(JSONLimitError, match="nested too deeply"):
        decode("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1))
    assert decode(json.dumps(["[[[{{{" * 100])) == ["[[[{{{" * 100]


def test_sizes() -> None:
    with pytest.raises(JSONLimitError, match="larger than"):
        decode(b"[1]", most_bytes=2)
    many = b"[" + b"{}," * 50 + b"{}]"
    with pytest.raises(JSONLimitError, match="more than 50 values"):
        check_size(many, 1000, 50)
    check_size(json.dumps([many.decode()]).encode(), 1000, 50)  # inside a string they are no values


def test_a_deep_line_is_no_decision_and_no_event() -> None:
    deep = '{"act":"note","note":' + "[" * 5000 + "]" * 5000 + "}"
    assert curation.parse(deep) is None
    assert [type(event) for event in events.Reader().feed('{"event": ' + "[" * 5000)] == [events.LogLine]
