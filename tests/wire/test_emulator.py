"""The emulator that terminal tests look at: what it shows does not depend on where reads end."""

from __future__ import annotations

import pytest

from tests.emulator import Emulator

WRITTEN = (
    "\x1b[?2026h\x1b[2;3H\x1b[31mcafe\u0301 \x1b[m👩\u200d👩\u200d👧\u200d👦 👍🏽\x1b[2;14H🇫🇷✂️ 한국\x1b[<u"
    "e\u0301\x1b[?2048$p\x1b[3;1He\x1b[4;1H\u0301x\x1b]0;title\x07\x1bPq\x1b\\\x1b[?2026l"
).encode()


@pytest.mark.parametrize("size", range(1, 12))
def test_a_read_can_end_anywhere(size: int) -> None:
    """Inside a character, a sequence or a cluster, as when a busy program writes more than the terminal takes."""
    whole, cut = Emulator(40, 5), Emulator(40, 5)
    whole.feed(WRITTEN)
    for at in range(0, len(WRITTEN), size):
        cut.feed(WRITTEN[at : at + size])
    assert cut.cells() == whole.cells()
    assert "cafe\u0301 👩\u200d👩\u200d👧\u200d👦 👍🏽" in whole.text


def test_a_mark_joins_only_what_was_written_just_before() -> None:
    """After a sequence it has no base, however the bytes arrive."""
    emulator = Emulator(10, 2)
    emulator.feed(b"e\x1b[2;2H")
    emulator.feed("\u0301x".encode())
    assert emulator.text.split() == ["e", "x"]
