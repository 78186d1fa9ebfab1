"""Sentences that name keys, for a person who has changed them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from smoltui.core.actions import own_keys
from smoltui.core.actions.own_keys import follow, own_key, use_keys
from tests.paths import PACKAGE


@pytest.fixture(autouse=True)
def own() -> Iterator[None]:
    use_keys(
        {
            "app.train": "T",
            "runs.pause": "P",
            "decide.undo": "ctrl+u",
            "pairs-room.reload": "f5,R",
            "evaluate.columns": "",
            "pairs.find": "slash,F",
            "recipe.edit": "f2",
            "start.enter": "f3",
        }
    )
    yield
    use_keys({})


@pytest.mark.parametrize(
    ("place", "sentence", "shown"),
    [
        ("home", "Press t to train here.", "Press T to train here."),
        ("home", "Press 4, then x, to resume the run.", "Press 4, then P, to resume the run."),
        (
            "evaluate",
            "Press t to train one, c to choose one, or a to ask.",
            "Press T to train one, : to choose one, or a to ask.",
        ),
        ("decide", "beta 0.5 → 0.1 · u undoes", "beta 0.5 → 0.1 · ctrl+u undoes"),
        ("decide", "10 pairs. u undoes it", "10 pairs. ctrl+u undoes it"),
        ("submit", "(x stops it)", "(x stops it)"),
        ("runs", "Pausing… (x resumes it)", "Pausing… (P resumes it)"),
        ("pairs", "Search (/) or reload the set (r).", "Search (/) or reload the set (f5)."),
        ("recipe", "(or enter) · enter edits, tab goes", "(or f2) · f2 edits, tab goes"),
        ("start", "[ esc Cancel ] [ enter Fix ] space: show", "[ esc Cancel ] [ f3 Fix ] space: show"),
        ("decide", "what u has undone", "what ctrl+u has undone"),
        ("submit", "enter explains", "enter explains"),
        ("runs", "x is 3, a train set and t tests; a write token", "x is 3, a train set and t tests; a write token"),
    ],
)
def test_a_sentence_names_my_keys(place: str, sentence: str, shown: str) -> None:
    """Only keys that I changed, of actions that can be meant where the sentence is."""
    assert follow(sentence, [place]) == shown


def test_a_key_by_itself() -> None:
    assert [own_key(key, ["evaluate"]) for key in ("t", "c", "m")] == ["T", ":", "m"]


def test_without_a_key_map_nothing_changes() -> None:
    use_keys({})
    assert follow("Press t to train here.", ["home"]) == "Press t to train here."


NAMES_KEY = re.compile(r"(?<![\w`'-])(?:enter|esc|tab|ctrl\+[a-z]) \w|\b[Pp]ress (?!the )\S{1,2} ")
"""How a sentence may name a key, whether or not it is understood."""
STRING, NOT_SHOWN = re.compile(r'"((?:[^"\\]|\\.)+)"'), re.compile(r'\s*(?:"""|#)')
"""Strings in a line, and the beginning of a line without one."""


def test_every_key_that_is_named_is_found() -> None:
    """A sentence in which no key is found would name the key of the table to a person who has another."""
    missed = []
    for path in PACKAGE.rglob("*.py"):
        for line in filter(NAMES_KEY.search, path.read_text(encoding="utf-8").splitlines()):
            for text in STRING.findall(line.replace("\\n", "\n")) if not NOT_SHOWN.match(line) else ():
                found = [match.span() for match in re.finditer(own_keys._MENTION, text)]
                for named in NAMES_KEY.finditer(text):
                    if not any(start < named.end() and named.start() < end for start, end in found):
                        missed.append(f"{path.name}: {text}")
    assert not missed
