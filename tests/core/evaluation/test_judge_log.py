"""Lines of a judge's file: read back as they were written, and skipped where they are broken."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.evaluation.judge_log import Answered, Asked, Entry, Judged, JudgeLog, line_of, parse_line
from smoltui.core.evaluation.judge_plan import Judge
from smoltui.core.evaluation.judge_verdict import Reply
from smoltui.core.evaluation.vote_ballot import Answer, Matchup
from smoltui.core.evaluation.vote_log import BallotKept

ID = "0" * 32
ENTRIES: list[Entry] = [
    Asked(Judge("http://h/v1", "m", "{prompt}", 0.5, 9, 3, "w"), BallotKept((ID,), {"a": "x", "b": "y"}, {}, 0, 1.0)),
    Judged(Matchup(ID, (("user", "Q?"),), ("a", "b"), Answer("one"), Answer("two\ud800", 2, False)), ("k1", "k2")),
    Answered("k1", Reply("[[A]]", "stop", 5, None), 2.5),
]


@pytest.mark.parametrize("entry", ENTRIES, ids=["asked", "judged", "answered"])
def test_a_line_is_read_back(entry: Entry) -> None:
    assert parse_line(line_of(entry)) == entry


@given(st.text(max_size=80), st.integers(0, 2**40) | st.none())
def test_any_reply_is_read_back(text: str, tokens: int | None) -> None:
    entry = Answered("k", Reply(text, "length", tokens, tokens), 1.0)
    assert parse_line(line_of(entry)) == entry


@given(st.sampled_from(range(3)), st.data())
def test_no_line_is_an_error(which: int, data: st.DataObject) -> None:
    """A value of the wrong type, a missing one, a cut line."""
    whole = json.loads(line_of(ENTRIES[which]))
    key = data.draw(st.sampled_from(sorted(whole)))
    whole[key] = data.draw(st.none() | st.integers() | st.text(max_size=3) | st.lists(st.none(), max_size=2))
    parse_line(json.dumps(whole).encode())
    del whole[key]
    parse_line(json.dumps(whole).encode())
    line = line_of(ENTRIES[which])
    assert parse_line(line[: data.draw(st.integers(0, len(line) - 3))]) is None


def test_the_first_reply_counts_and_broken_lines_are_named() -> None:
    log = JudgeLog()
    lines = [line_of(entry) for entry in ENTRIES]
    log.take_lines(b"".join([*lines, b"\n", line_of(Answered("k1", Reply("[[B]]"), 9.0)), b'{"v": 1, "call": "k']))
    assert log.answered["k1"].reply.text == "[[A]]" and log.judged[ID] == ENTRIES[1] and log.asked == [ENTRIES[0]]
    assert log.unreadable == [6]
