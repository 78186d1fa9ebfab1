"""Files of choices, for scripts and for people who vote in an editor: JSON lines, checked as a whole before use.

Votes:  {"id": "32 hex digits", "vote": "a" | "b" | "tie" | "bad" | "skip" | "", …}
Labels: {"number": 1, "best": 2, "worst": 4}   or   {"id": "32 hex digits", "choice": "tie" | "bad" | "skip"}

An empty vote is none yet. Places count from 1, in the order in which `smoltui label --json` lists them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from smoltui.core.evaluation.label_set import Task
from smoltui.core.evaluation.vote_log import CHOICES, Choice
from smoltui.core.evaluation.vote_progress import BallotProgress, Progress
from smoltui.core.foreign import foreign_json
from smoltui.errors import InputError


def vote_choice(data: bytes, progress: BallotProgress) -> list[tuple[str, Choice]]:
    """(id, choice) of each vote in a file that is not already cast.

    Raises:
        InputError: a line is not a vote on this ballot.
    """
    found = []
    for number, line in _objects(data):
        matchup = progress.item(str(line.get("id")))
        if matchup is None:
            raise _wrong(number, "is about another prompt or other answers", "Write a new ballot: --ballot FILE")
        choice = line.get("vote")
        if choice in (None, ""):
            continue
        if choice not in CHOICES:
            raise _wrong(number, f"has no vote: {choice!r:.40}", f"A vote is one of {', '.join(CHOICES)}.")
        before = progress.log.votes.get(matchup.id)
        if before is None or before.choice != choice:
            found.append((matchup.id, cast("Choice", choice)))
    return found


def label_choice(data: bytes, progress: Progress[Task]) -> list[tuple[str, Choice, int, int]]:
    """(id, choice, place of the best, place of the worst, from 0) of each choice in a file.

    Raises:
        InputError: a line is not a choice in this set.
    """
    return [_label(number, line, progress) for number, line in _objects(data)]


def _label(number: int, line: Mapping[str, Any], progress: Progress[Task]) -> tuple[str, Choice, int, int]:
    place = line.get("number")
    if isinstance(place, int) and not isinstance(place, bool) and 0 < place <= len(progress.items):
        task: Task | None = progress.items[place - 1]
    else:
        task = progress.item(str(line.get("id")))
    if task is None:
        raise _wrong(number, "names no prompt of this set", "List them: smoltui label FOLDER --json")
    choice = line.get("choice", "a")
    if choice in ("tie", "bad", "skip"):
        return task.id, cast("Choice", choice), 0, 1
    best, worst = line.get("best"), line.get("worst")
    places = range(1, len(task.candidates) + 1)
    is_pair = choice == "a" and isinstance(best, int) and isinstance(worst, int) and best != worst
    if not (is_pair and best in places and worst in places):
        hint = f"best and worst are two different numbers from 1 to {len(places)}; or write a choice: tie, bad, skip."
        raise _wrong(number, "has no best and worst answer", hint)
    return task.id, "a", cast("int", best) - 1, cast("int", worst) - 1


def _objects(data: bytes) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The objects of a file of JSON lines, with their line numbers from 1."""
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            found = foreign_json.decode(line)
        except ValueError as error:
            raise _wrong(number, "is not JSON", "Write one JSON object per line.") from error
        if not isinstance(found, dict):
            raise _wrong(number, "is not a JSON object", "Write one JSON object per line.")
        yield number, found


def _wrong(number: int, what: str, hint: str) -> InputError:
    return InputError(f"Line {number} of the choices {what}; nothing was recorded", hint)
