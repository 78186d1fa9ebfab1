"""A leaderboard as a table: its entries, one's own among them, and one's pull requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from smoltui.safe_text import redact, safe_line

_FIELDS = ("username", "model_name", "chapter", "method", "submission_date", "results-dataset")
"""Fields of an entry that a row has."""


@dataclass(frozen=True, slots=True)
class Row:
    """One entry, its foreign texts safe for display."""

    number: int
    """Place in the file, from 1."""
    username: str
    model_name: str
    chapter: str
    method: str
    submission_date: str
    results_dataset: str
    mine: bool = False
    """Whether it is one of the account's."""

    def as_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "username": self.username,
            "model_name": self.model_name,
            "chapter": self.chapter,
            "method": self.method,
            "submission_date": self.submission_date,
            "results-dataset": self.results_dataset,
            "mine": self.mine,
        }


class State(StrEnum):
    """State of a pull request."""

    OPEN = "open"
    CONFLICTING = "conflicting"
    """Open, but the file has changed in the same place: it cannot be merged."""
    MERGED = "merged"
    CLOSED = "closed"
    UNKNOWN = "unknown"
    """A state that only the server knows, such as a draft."""


@dataclass(frozen=True, slots=True)
class PullRequest:
    """One's own pull request to the leaderboard."""

    number: int
    title: str
    url: str
    state: State
    has_entry: bool | None = None
    """Whether its file has the entry in question; None: not read."""
    created_at: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"number": self.number, "title": self.title, "url": self.url, "state": self.state.value}


def rows_of(entries: Sequence[Mapping[str, Any]], account: str | None, chapter: str = "") -> list[Row]:
    """The rows of a board; with `chapter`, only its entries. `account` None: nobody is logged in."""
    found = []
    for number, entry in enumerate(entries, 1):
        username, model, written, method, date, results = (_text(entry.get(name)) for name in _FIELDS)
        row = Row(number, username, model, written, method, date, results)
        if chapter and row.chapter != chapter:
            continue
        mine = account is not None and row.username.casefold() == account.casefold()
        found.append(replace(row, mine=mine))
    return found


def _text(value: object) -> str:
    return (
        safe_line(redact(value), 96) if isinstance(value, str) else "" if value is None else safe_line(str(value), 96)
    )


def place_in_words(rows: Sequence[Row], pulls: Sequence[PullRequest], chapter: str) -> str:
    """Where the account stands, in one sentence."""
    mine = [row for row in rows if row.mine]
    waiting = [pull for pull in pulls if pull.state in (State.OPEN, State.CONFLICTING)]
    entries = f"{len(rows)} {'entry' if len(rows) == 1 else 'entries'}"
    of = f"{entries} of chapter {chapter}" if chapter else entries
    parts = []
    if mine:
        places = [at for at, row in enumerate(rows, 1) if row.mine]
        parts.append(f"Yours: {_listed(places)} of {of}, in the order of submission")
    else:
        parts.append(f"{of[0].upper()}{of[1:]}, none of them yours")
    if waiting:
        parts.append(", ".join(f"pull request #{pull.number} is {pull.state.value}" for pull in waiting))
    return "; ".join(parts)


def _listed(numbers: Sequence[int]) -> str:
    *others, last = [str(number) for number in numbers]
    return f"{', '.join(others)} and {last}" if others else last


def state_of(status: object, conflicts: object) -> State:
    """The state of a pull request from the Hub's `status` and the files in conflict."""
    if status == "open":
        return State.CONFLICTING if conflicts else State.OPEN
    return next((state for state in (State.MERGED, State.CLOSED) if status == state), State.UNKNOWN)
