"""The terminal's answer about its background, among keys: in time, late, in pieces, nonsense, or never."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.wire.replies import GIVE_UP_SECONDS, RGB, Replies, color_of

DARK = "\x1b]11;rgb:1c1c/1c1c/1c1c\x07"
LIGHT = "\x1b]11;rgb:ffff/fafa/f0f0\x1b\\"


class Heard:
    """A terminal that was asked, and what was understood."""

    def __init__(self) -> None:
        self.now = 0.0
        self.colors: list[RGB] = []
        self.replies = Replies(self.colors.append, lambda: self.now)
        self.replies.expect()

    def keys(self, *pieces: str) -> str:
        """What is left for the keyboard of pieces that arrive 0.1 s apart."""
        got = ""
        for piece in pieces:
            got += self.replies.feed(piece)
            self.now += 0.1
            got += self.replies.idle()
        return got


@pytest.mark.parametrize(
    ("answer", "color"),
    [
        ("rgb:1c1c/1c1c/1c1c", (28, 28, 28)),
        ("rgb:ff/80/00", (255, 128, 0)),
        ("rgba:0000/2b2b/3636/ffff", (0, 43, 54)),
        ("rgb:f/f/f", (255, 255, 255)),
        ("?", None),
        ("", None),
        ("rgb:zz/00/00", None),
        ("rgb:11111/0/0", None),
        ("white", None),
    ],
)
def test_answers(answer: str, color: RGB | None) -> None:
    assert color_of(answer) == color


def test_in_time() -> None:
    heard = Heard()
    assert heard.keys(f"j{DARK}k") == "jk"
    assert heard.colors == [(28, 28, 28)]


@pytest.mark.parametrize("cut", range(1, len(LIGHT)))
def test_in_two_pieces(cut: int) -> None:
    """Wherever the line cuts it, no part becomes a key; after its first characters, not even after a pause."""
    heard = Heard()
    first, second = f"j{LIGHT[:cut]}", f"{LIGHT[cut:]}k"
    got = heard.replies.feed(first) + (heard.replies.idle() if cut >= 5 else "") + heard.replies.feed(second)
    assert got == "jk"
    assert heard.colors == [(255, 250, 240)]


def test_never() -> None:
    """Keys pass at once, except a lone escape, which might be the answer's first character."""
    heard = Heard()
    assert heard.keys("j", "\x1b", "\x1b[A", "]", "11;") == "j\x1b\x1b[A]11;"
    heard.now += GIVE_UP_SECONDS
    heard.keys("")
    assert heard.replies.feed("\x1b") == "\x1b", "nothing is awaited any more"


def test_late() -> None:
    heard = Heard()
    heard.now += 60
    heard.keys("")
    assert heard.keys(DARK) == "", "it does not become keys"
    assert heard.colors == [], "and no longer changes colors"


def test_only_when_asked() -> None:
    """A text that is pasted cannot change the colors."""
    heard = Heard()
    heard.keys(DARK)
    assert heard.keys(LIGHT) == ""
    assert heard.colors == [(28, 28, 28)]


def test_unfinished() -> None:
    heard = Heard()
    assert heard.keys("\x1b]11;rgb:1c1c/1c") == ""
    heard.now += GIVE_UP_SECONDS + 1
    assert heard.keys("") == ""
    assert heard.keys("1c/1c1c\x07q") == "q", "its rest is dropped"
    assert heard.keys("j") == "j"
    assert heard.colors == []


def test_endless() -> None:
    heard = Heard()
    assert heard.keys("\x1b]11;" + "0" * 5000) == ""
    assert heard.keys("q", "j") == "qj"


def test_alt_and_bracket_is_a_key() -> None:
    heard = Heard()
    assert heard.keys("\x1b]") == "\x1b]"


@given(st.lists(st.text(st.sampled_from("\x1b]1;rgb:/0f\x07\\qj["), max_size=12), max_size=8))
def test_nothing_fails_and_keys_come_back(pieces: list[str]) -> None:
    """Whatever arrives: no error, and after the time to give up plus one answer's end, keys are keys."""
    heard = Heard()
    heard.keys(*pieces)
    heard.now += 2 * GIVE_UP_SECONDS
    heard.keys("")
    heard.now += 2 * GIVE_UP_SECONDS
    heard.keys("")
    heard.keys("q")
    assert heard.keys("j") == "j"
