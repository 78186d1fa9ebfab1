"""What a terminal answers, read from a real one: a pseudo-terminal whose other end is this test."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from smoltui.backends.machine import terminal_answers
from smoltui.backends.machine.terminal_answers import colours, inside, terminal_facts

ALL = b"\x1b[7;5R\x1bP>|foot(1.16)\x1b\\\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\\x1b[?2026;2$y\x1b[?62;4c"


def facts_with(monkeypatch: pytest.MonkeyPatch, answers: bytes) -> terminal_answers.TerminalFacts:
    """The facts about a terminal that sends `answers` when it is asked."""
    master, slave = os.openpty()

    def answer() -> None:
        got = b""
        while not got.endswith(b"\x1b[c"):
            got += os.read(master, 4096)
        os.write(master, answers)

    thread = threading.Thread(target=answer)
    thread.start()
    with open(slave, "r+b", buffering=0) as raw, monkeypatch.context() as patched:  # noqa: PTH123
        for name, mode in (("stdin", "r"), ("stdout", "w")):
            patched.setattr(sys, name, os.fdopen(os.dup(raw.fileno()), mode, encoding="utf-8"))
        found = terminal_facts({"TERM": "foot", "LANG": "C.UTF-8"})
        thread.join()
        os.close(master)
    return found


def test_all_answers_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    found = facts_with(monkeypatch, ALL)
    assert (found.asked, found.answers, found.interactive, found.encoding) == (True, True, True, "utf-8")
    assert (found.name, found.background) == ("foot(1.16)", "rgb:1e1e/1e1e/1e1e")
    assert (found.wide, found.steady, found.locale) == (4, True, "LANG=C.UTF-8")


def test_a_terminal_that_is_silent_or_says_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for long, and what it does not say is unknown; a narrow one is found out."""
    monkeypatch.setattr(terminal_answers, "SECONDS", 0.05)
    found = facts_with(monkeypatch, b"")
    assert (found.asked, found.answers, found.wide, found.steady) == (True, False, None, None)
    found = facts_with(monkeypatch, b"\x1b[1;3R\x1b[?2026;0$y\x1b[?1;2c")
    assert (found.answers, found.wide, found.steady, found.name) == (True, 2, False, None)


def test_without_a_terminal_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    found = terminal_facts({})
    assert (found.asked, found.term, found.locale) == (False, None, "")


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "truecolor (COLORTERM=truecolor)"),
        ({"TERM": "xterm-256color"}, "256 colors"),
        ({"TERM": "linux"}, "16 colors"),
        ({"TERM": "dumb"}, "none"),
        ({"TERM": "linux", "NO_COLOR": "1"}, "off (NO_COLOR is set); otherwise 16 colors"),
    ],
)
def test_colours(env: dict[str, str], said: str) -> None:
    assert colours(env) == said


def test_what_is_between_us_and_the_person() -> None:
    assert inside({"TMUX": "/tmp/t", "TERM_PROGRAM": "tmux", "SSH_TTY": "/dev/pts/1"}) == ["tmux", "SSH"]
    assert inside({"STY": "1.x", "TERM_PROGRAM": "WezTerm"}) == ["screen", "WezTerm"]
