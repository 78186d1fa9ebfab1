"""Sentences that name keys, for a person who has changed them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from smoltui.core.actions.own_keys import follow, own_key, use_keys


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
        ("runs", "x is 3, a train set and t tests", "x is 3, a train set and t tests"),
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
