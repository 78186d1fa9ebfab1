"""The table is whole: ids, places, words."""

from __future__ import annotations

from smoltui.core.actions.action import UNBOUND
from smoltui.core.actions.table import ACTIONS, PLACES, around


def test_names_are_unique_within_a_place() -> None:
    assert len(ACTIONS) == sum(len(place.actions) for place in PLACES.values()) > 300
    assert not [name for name, action in ACTIONS.items() if name != f"{action.place}.{action.name}"]


def test_no_key_stands_twice_in_a_place() -> None:
    for place in PLACES.values():
        keys = [key for action in place.actions for key in action.key_names]
        assert len(keys) == len(set(keys)), place.name


def test_each_place_is_in_known_places() -> None:
    """The way outwards ends at the app, at a dialog, or at an input line."""
    for place in PLACES.values():
        assert [found.name for found in around(place)][-1] in ("app", "dialog", "line"), place.name


def test_wherever_lines_are_moved_over_both_ends_have_a_key() -> None:
    """In the labels, g and the letters around it choose answers; one pair has its keys on the keypad."""
    for place in PLACES.values():
        keys = {key for action in place.actions for key in action.key_names}
        if "j" in keys and place.name != "label":
            assert {"gg", "G"} <= keys or {"home", "end"} <= keys, place.name


def test_an_action_without_a_key_has_one_that_is_never_pressed() -> None:
    docs = ACTIONS["app.docs"]
    assert docs.key_names == (f"{UNBOUND}app.docs",)
    assert ACTIONS["app.train"].key_names == ("t",)


def test_words_are_imperative_and_short_enough_for_a_line() -> None:
    for action in ACTIONS.values():
        assert action.words[0].isupper() and not action.words.endswith("."), action.id
        assert len(action.words) <= 74 and len(action.bar) <= 22, action.id
