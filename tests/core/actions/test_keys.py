"""How keys are written, and read."""

from __future__ import annotations

import pytest

from smoltui.core.actions.keys import character_of, is_chord, key_name, written

PAIRS = [
    ("?", "question_mark"),
    ("/", "slash"),
    ("|", "vertical_line"),
    ("<", "less_than_sign"),
    ("@", "at"),
    ("\\", "backslash"),
    ("_", "underscore"),
    ("+", "plus"),
    ("esc", "escape"),
    ("pgdn", "pagedown"),
    ("↑", "up"),
    ("f1", "f1"),
    ("x", "x"),
    ("X", "X"),
    ("é", "é"),
    ("gg", "gg"),
    ("ctrl+p", "ctrl+p"),
    ("ctrl++", "ctrl+plus"),
    ("shift+tab", "shift+tab"),
    ("space", "space"),
]


@pytest.mark.parametrize(("text", "name"), PAIRS)
def test_a_key_is_read_as_it_is_written(text: str, name: str) -> None:
    assert key_name(text) == name and written(name) == text


def test_the_names_are_textuals() -> None:
    from textual.keys import _character_to_key

    for character in map(chr, range(33, 127)):
        assert key_name(character) == _character_to_key(character)


@pytest.mark.parametrize(
    ("text", "name"), [("Return", "enter"), ("DEL", "delete"), ("CTRL+P", "ctrl+p"), ("question_mark", "question_mark")]
)
def test_other_ways_to_write_one(text: str, name: str) -> None:
    assert key_name(text.lower() if text != "question_mark" else text) == name


@pytest.mark.parametrize("text", ["", "hello", "ctrl+hello", "ctrl+", "hyper-x", "\x1b", "strg+p", "g!"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        key_name(text)


def test_what_a_key_types() -> None:
    assert [character_of(key) for key in ("x", "space", "at", "enter", "gg", "ctrl+x")] == ["x", " ", "@", "", "", ""]


def test_which_keys_are_two() -> None:
    """`at` is the key @, and `up` and `f1` are keys with a name."""
    assert [key for key in ("gg", "n1", "at", "up", "f1", "g", "enter", "ctrl+g") if is_chord(key)] == ["gg", "n1"]
