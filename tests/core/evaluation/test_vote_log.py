"""Votes as lines: what is written is read back, and what is broken is counted and harms nothing else."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.evaluation.vote_ballot import Answer, Ballot, draw
from smoltui.core.evaluation.vote_log import (
    CHOICES,
    MOST_LINE_BYTES,
    BallotKept,
    Choice,
    Entry,
    Undo,
    Vote,
    VoteLog,
    by_ballot,
    line_of,
    parse,
    vote_on,
)
from tests.core.evaluation.test_vote_ballot import question, questions

text = st.text(st.characters(), max_size=30)
answers = st.builds(Answer, text, st.integers(0, 10**6), st.booleans())
ids = st.text("0123456789abcdef", min_size=32, max_size=32)
times = st.floats(0, 1e10)
turns = st.lists(st.tuples(text, text), max_size=3).map(tuple)
votes = st.builds(Vote, st.sampled_from(CHOICES), ids, turns, st.tuples(text, text), answers, answers, times)
ballots = st.builds(
    BallotKept,
    st.lists(ids, max_size=4).map(tuple),
    st.dictionaries(text, text, max_size=3),
    st.dictionaries(text, st.integers() | st.booleans(), max_size=3),
    st.integers(),
    times,
    text,
)
entries = st.one_of(votes, ballots, st.builds(Undo, ids, times))


@given(entries)
def test_a_line_is_read_back(entry: Entry) -> None:
    """Also lone surrogates, line separators and other characters that end no line here."""
    line = line_of(entry)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert parse(line) == entry


@given(entries, st.data())
def test_a_truncated_line_is_no_vote(entry: Entry, data: st.DataObject) -> None:
    line = line_of(entry)
    assert parse(line[: data.draw(st.integers(0, len(line) - 2))]) is None


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_anything_else_is_counted(junk: bytes) -> None:
    log = VoteLog()
    log.take_lines(junk)
    assert not log.history and len(log.unreadable) == sum(bool(line.strip()) for line in junk.split(b"\n"))


def test_values_that_do_not_fit() -> None:
    (matchup,) = draw([question(1)], ["reference", "aligned"], 0).matchups
    good = json.loads(line_of(vote_on(matchup, "a", 1.0)))
    assert parse(json.dumps(good).encode()) is not None
    for change in (
        {"vote": "c"},
        {"vote": None},
        {"id": "x" * 32},
        {"id": 3},
        {"prompt": "text"},
        {"prompt": [{"role": "user"}]},
        {"prompt": [["user", "text"]]},
        {"a": "text"},
        {"a": {"model": 1, "text": "t"}},
        {"a": {"model": "m", "text": None}},
        {"b": {"model": "m", "text": "t", "tokens": True}},
        {"at": "now"},
        {"at": -1},
        {"at": 1e20},
        {"v": 2},
    ):
        assert parse(json.dumps({**good, **change}).encode()) is None, change
    assert parse(b" " * MOST_LINE_BYTES + line_of(vote_on(matchup, "a", 1.0))) is None
    assert parse(b"[1]") is None and parse(b'{"v": 1, "ballot": [], "models": [], "seed": 0, "at": 1}') is None


def kept(ballot: Ballot, at: float = 0.0) -> BallotKept:
    return BallotKept(tuple(one.id for one in ballot.matchups), {name: name for name in ballot.models}, {}, 0, at)


def cast(log: VoteLog, ballot: Ballot, choices: dict[int, Choice], at: float = 1.0) -> None:
    for place, choice in choices.items():
        log.take(vote_on(ballot.matchups[place], choice, at + place))


def test_a_later_vote_counts_and_undo_takes_back_the_latest() -> None:
    ballot, log = draw(questions(2), ["reference", "aligned"], 0), VoteLog()
    first, second = (matchup.id for matchup in ballot.matchups)
    for choice in ("skip", "a"):
        cast(log, ballot, {0: choice})  # type: ignore[dict-item]
    cast(log, ballot, {1: "tie"})
    assert {one: vote.choice for one, vote in log.votes.items()} == {first: "a", second: "tie"}
    log.take(Undo(first, 9.0))
    assert log.votes[first].choice == "skip"
    log.take(Undo(first, 9.0))
    log.take(Undo(first, 9.0))  # one more than there are
    assert set(log.votes) == {second} and log.latest({first}) is None


def test_votes_move_on_when_other_answers_change() -> None:
    """Of three prompts, one gets another answer: its vote stays with the older ballot, the others count now."""
    old = draw(questions(3), ["reference", "aligned"], 0)
    new = draw([question(0), question(7), question(2)], ["reference", "aligned"], 0)
    log = VoteLog()
    log.take(kept(old))
    cast(log, old, {0: "a", 1: "b", 2: "skip"})
    log.take(kept(new))
    cast(log, new, {1: "tie"})
    now, before = by_ballot(log)
    assert [vote.choice for vote in now.votes] == ["a", "tie", "skip"] and now.current and now.moved == 0
    assert [vote.id for vote in before.votes] == [old.matchups[1].id] and not before.current and before.moved == 2


def test_votes_whose_ballot_cannot_be_read_are_not_lost() -> None:
    ballot, log = draw(questions(2), ["reference", "aligned"], 0), VoteLog()
    data = line_of(kept(ballot))[:-9] + b"\n" + b"".join(line_of(vote_on(each, "a", 3.0)) for each in ballot.matchups)
    log.take_lines(data)
    assert log.unreadable == [1]
    (group,) = by_ballot(log)
    assert len(group.votes) == 2 and set(group.ballot.models) == {"reference", "aligned"} and group.current


def test_the_model_of_a_vote() -> None:
    (matchup,) = draw([question(1)], ["reference", "aligned"], 0).matchups
    winners = {choice: vote_on(matchup, choice, 0.0).winner for choice in CHOICES}
    assert winners == {"a": matchup.models[0], "b": matchup.models[1], "tie": None, "bad": None, "skip": None}
    vote = vote_on(matchup, "a", 0.0)
    assert vote.chars("reference") == len("reference says 1.") and vote.chars("aligned") == len("aligned says 1.")
