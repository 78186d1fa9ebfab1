"""Asks the terminal what it is and how wide it draws, as the app would find it; never waits long for an answer."""

from __future__ import annotations

import codecs
import locale
import os
import re
import select
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from smoltui.core.machine.health import TerminalFacts

SECONDS = 1.0
"""Time for all answers together: a terminal behind a slow line answers in half of it."""
WIDE = "漢字"
"""Two characters of two columns each."""
_QUESTIONS = f"\r{WIDE}\x1b[6n\r\x1b[K\x1b[>0q\x1b]11;?\x1b\\\x1b[?2026$p\x1b[c"
"""Cursor position behind `WIDE`, name, background, synchronized updates, attributes. All terminals answer the last."""
_CURSOR = re.compile(r"\x1b\[\d+;(\d+)R")
_NAME = re.compile(r"\x1bP>\|([^\x1b]{1,80})\x1b\\")
_BACKGROUND = re.compile(r"\x1b\]11;(rgba?:[0-9a-fA-F/]{5,30})")
_STEADY = re.compile(r"\x1b\[\?2026;(\d)\$y")
_ATTRIBUTES = re.compile(r"\x1b\[\?[\d;]*c")


def terminal_facts(environ: Mapping[str, str] | None = None) -> TerminalFacts:
    """What is known about the terminal. Blocks for `SECONDS` at most. `environ`: None for that of this process."""
    env = os.environ if environ is None else environ
    streams = [stream for stream in (sys.stdin, sys.stdout, sys.stderr) if stream is not None]
    encoding = getattr(sys.stdout, "encoding", None) or locale.getpreferredencoding(False)
    with suppress(LookupError):
        encoding = codecs.lookup(encoding).name
    facts = TerminalFacts(
        term=env.get("TERM"),
        interactive=any(stream.isatty() for stream in streams),
        encoding=encoding,
        locale=next((f"{name}={env[name]}" for name in ("LC_ALL", "LC_CTYPE", "LANG") if env.get(name)), ""),
        size=_size(),
        colours=colours(env),
        inside=tuple(inside(env)),
    )
    if not all(stream.isatty() for stream in streams[:2]):
        return facts
    return read_answers(facts, _ask(sys.stdin.fileno(), sys.stdout.fileno()))


def read_answers(facts: TerminalFacts, answers: str | None) -> TerminalFacts:
    """`facts` with what the terminal answered; None: it could not be asked."""
    if answers is None:
        return facts

    def first(pattern: re.Pattern[str]) -> str | None:
        match = pattern.search(answers)
        return match[1] if match else None

    column, steady = first(_CURSOR), first(_STEADY)
    return replace(
        facts,
        asked=True,
        answers=bool(answers),
        name=first(_NAME),
        background=first(_BACKGROUND),
        wide=None if column is None else int(column) - 1,
        steady=None if steady is None else steady in ("1", "2", "3"),
    )


def colours(env: Mapping[str, str]) -> str:
    """How many colors the app will use, and why."""
    term, program = env.get("TERM", ""), env.get("COLORTERM", "")
    known = next(
        (
            said
            for said, holds in (
                (f"truecolor (COLORTERM={program})", program in ("truecolor", "24bit")),
                ("256 colors", "256" in term),
                ("16 colors", bool(term) and term not in ("dumb", "unknown")),
            )
            if holds
        ),
        "none",
    )
    return f"off (NO_COLOR is set); otherwise {known}" if env.get("NO_COLOR") else known


def inside(env: Mapping[str, str]) -> list[str]:
    """The programs between smoltui and the person, the innermost first."""
    known = (("tmux", "TMUX"), ("screen", "STY"))
    found = [name for name, variable in known if env.get(variable)]
    if env.get("SSH_CONNECTION") or env.get("SSH_TTY"):
        found.append("SSH")
    if program := env.get("TERM_PROGRAM"):
        found.append(program)
    return list(dict.fromkeys(found))


def _size() -> tuple[int, int] | None:
    for stream in (sys.stdout, sys.stderr, sys.stdin):
        with suppress(OSError, ValueError, AttributeError):
            return tuple(os.get_terminal_size(stream.fileno()))  # type: ignore[return-value]
    return None


def _ask(keyboard: int, screen: int) -> str | None:
    """What the terminal sends within `SECONDS`, as far as its attributes; None if its mode cannot be set."""
    if sys.platform == "win32":
        return None
    import termios
    import tty

    try:
        before = termios.tcgetattr(keyboard)
    except termios.error:
        return None
    got = b""
    try:
        tty.setcbreak(keyboard, termios.TCSAFLUSH)
        os.write(screen, _QUESTIONS.encode())
        until = time.monotonic() + SECONDS
        while (left := until - time.monotonic()) > 0 and select.select([keyboard], [], [], left)[0]:
            got += os.read(keyboard, 4096)
            if _ATTRIBUTES.search(got.decode("utf-8", "replace")):
                break
    finally:
        termios.tcsetattr(keyboard, termios.TCSAFLUSH, before)
    return got.decode("utf-8", "replace")
