"""Keys from bytes: escape and a key in one packet are two keys, and every sequence that terminals send is one."""

from __future__ import annotations

import pytest
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._xterm_parser import XTermParser
from textual.events import Key

from smoltui.wire.keys import KeyParser


def keys(*packets: str, parser: XTermParser | None = None) -> list[str]:
    """Names of the keys, and other events as text; the time between packets is too short to end a sequence."""
    parser = parser or KeyParser(environ={})
    found = [event for packet in packets for event in parser.feed(packet)]
    if parser._timeout_time is not None:
        parser._timeout_time = 0.0  # nothing more has come
        found += parser.tick()
    return [event.key if isinstance(event, Key) else type(event).__name__ for event in found]


@pytest.mark.parametrize(
    ("packet", "wanted"),
    [
        ("\x1bj", "escape j"),
        ("\x1bf", "escape f"),
        ("\x1bq\x1bk", "escape q escape k"),
        ("\x1b:120\r", "escape colon 1 2 0 enter"),
        ("\x1b\x1b", "escape escape"),
        ("\x1b\x1bj", "escape escape j"),
        ("\x1b[", "escape left_square_bracket"),
        ("\x1b[j", "escape left_square_bracket j"),
        ("\x1b]", "escape right_square_bracket"),
        ("\x1bO", "escape O"),
        ("\x1b\r", "escape enter"),
        ("\x1b\t", "escape tab"),
        ("\x1bé", "escape é"),
        ("j\x1b", "j escape"),
        ("\x1b[A", "up"),
        ("\x1b\x1b[A", "escape up"),
        ("\x1b[1;3D", "alt+left"),
        ("\x1b[106;3u", "alt+j"),
        ("\x1b\x7f", "ctrl+w"),
        ("\x1bOP", "f1"),
        ("\x1b[[A", "f1"),
        ("\x1b[3~j", "delete j"),
        ("\x1b[?1;2c", ""),
        ("\x1b[<0;3;4Mj", "MouseDown j"),
        ("\x1b[I\x1b[O", "AppFocus AppBlur"),
        ("\x1b[?2026;2$y", "TerminalSupportsSynchronizedOutput"),
        ("\x1b[200~a\x1bj\x1b[A\x1b[201~x", "Paste x"),
    ],
)
def test_a_packet(packet: str, wanted: str) -> None:
    assert keys(packet) == wanted.split()
    assert keys(*packet) == wanted.split(), "one character at a time"


def test_what_was_pasted_is_whole() -> None:
    events = list(KeyParser(environ={}).feed("\x1b[200~a\x1bj\x00\x1b[A\n\x1b[201~"))
    assert [getattr(event, "text", None) for event in events] == ["a\x1bj\x1b[A\n"]


def test_every_sequence_of_textual_means_the_same() -> None:
    """Outside the ones for alt and a letter, which are escape and the letter now."""
    short = [text for text in ANSI_SEQUENCES_KEYS if text[0] == "\x1b" and len(text) == 2 and text[1] not in "\x1b\x7f"]
    same = [text for text in ANSI_SEQUENCES_KEYS if text[0] == "\x1b" and len(text) > 2]
    assert len(same) > 200
    assert not [text for text in same if keys(text) != keys(text, parser=XTermParser())]
    assert all(keys(text)[0] == "escape" for text in short)


def test_the_console_of_linux_has_a_backtab() -> None:
    assert keys("\x1b\t", parser=KeyParser(environ={"TERM": "linux"})) == ["shift+tab"]


def test_a_sequence_without_an_end_is_given_up() -> None:
    assert keys("\x1b[" + "1" * 200 + "A")[-1] == "A"
