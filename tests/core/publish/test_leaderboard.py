"""The board as a table, with my place in it."""

from __future__ import annotations

import pytest

from smoltui.core.publish.leaderboard import PullRequest, State, place_in_words, rows_of, state_of

ENTRIES = [
    {"username": "carol", "model_name": "c", "chapter": "1", "submission_date": "2025-09-20"},
    {"username": "Ada", "model_name": "a", "chapter": "3", "method": "DPO", "results-dataset": "ada/d"},
    {"username": "\x1b[2Jeve", "model_name": 5, "chapter": "3"},
]


def test_my_entries_are_marked() -> None:
    rows = rows_of(ENTRIES, "ada", "3")
    assert [(row.number, row.username, row.mine) for row in rows] == [(2, "Ada", True), (3, "␛[2Jeve", False)]
    assert place_in_words(rows, [], "3") == "Yours: 1 of 2 entries of chapter 3, in the order of submission"
    assert rows[0].as_json()["results-dataset"] == "ada/d" and rows[1].model_name == "5"


def test_without_an_entry_and_with_a_pull_request() -> None:
    pulls = [PullRequest(7, "Add x", "u", State.CONFLICTING), PullRequest(6, "Add y", "u", State.MERGED)]
    said = place_in_words(rows_of(ENTRIES, "bob"), pulls, "")
    assert said == "3 entries, none of them yours; pull request #7 is conflicting"
    assert place_in_words(rows_of(ENTRIES[:1], None, "1"), [], "1") == "1 entry of chapter 1, none of them yours"


@pytest.mark.parametrize(
    ("status", "conflicts", "state"),
    [
        ("open", [], State.OPEN),
        ("open", ["submissions.json"], State.CONFLICTING),
        ("merged", None, State.MERGED),
        ("closed", None, State.CLOSED),
        ("draft", None, State.UNKNOWN),
        (None, None, State.UNKNOWN),
    ],
)
def test_the_state_is_the_hub_s(status: object, conflicts: object, state: State) -> None:
    assert state_of(status, conflicts) is state
