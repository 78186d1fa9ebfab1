"""What a command writes to a terminal, byte for byte, and what of it could act on one."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Sequence

import pytest

from smoltui.cli.main import run

HOSTILE = (
    "\x1b]0;PWN\x07\x1b[2J\x1b]52;c;aGk=\x07\x9b31m\u202eRLO\u200b\u2028\x7f\r[@click=app.quit]q[/] "
    "hf_SECRETsecret1234567"
)
"""A text that retitles, clears, writes to the clipboard, colours, reorders, hides, and gives a secret away."""
SECRET = b"SECRETsecret"

_COLOUR = re.compile("\x1b\\[[0-9;]*m")
_ACTING = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)


def unsafe(written: bytes) -> list[str]:
    """Each character of the output that acts on a terminal, reorders or hides, with the text around it.

    Colours are ours; text that is no UTF-8 fails at once.
    """
    text = _COLOUR.sub("", written.decode("utf-8"))
    return [repr(text[max(0, found.start() - 40) : found.start() + 30]) for found in _ACTING.finditer(text)]


def run_in_terminal(monkeypatch: pytest.MonkeyPatch, args: Sequence[str]) -> tuple[int, bytes]:
    """Exit code of a command whose stdout and stderr are a terminal, and what that got."""
    master, slave = os.openpty()
    got: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(master, 65_536):
                got.append(data)
        except OSError:  # Linux's end of a terminal
            pass

    reader = threading.Thread(target=read)
    reader.start()
    with monkeypatch.context() as patched, open(slave, "w", encoding="utf-8") as terminal:  # noqa: PTH123
        patched.setattr(sys, "stdout", terminal)
        patched.setattr(sys, "stderr", terminal)
        code = run(args)
    reader.join()
    os.close(master)
    return code, b"".join(got)
