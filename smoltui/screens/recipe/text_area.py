"""The text of a file with comments dimmed, problems marked, and nothing on the screen that could act on a terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.widgets import TextArea

from smoltui.redaction import may_hold_secret, redact
from smoltui.widgets.actions import bindings

_ODD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_KEY = re.compile(r"\s*(?:- )?[\w.-]+(?=\s*[:=])")
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
STYLES: Mapping[str, str] = {"stop": "bold red underline", "warn": "yellow underline"}


class FileArea(TextArea):
    """Edits a text. Its lines have as many characters on the screen as in the text, so that the cursor is where it
    seems to be."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("text")
    TAKES: ClassVar[frozenset[str]] = frozenset({"ctrl+z"})
    """Keys that mean something here before they mean something in the whole app."""

    def __init__(self, text: str) -> None:
        super().__init__(text, show_line_numbers=True, soft_wrap=False, tab_behavior="indent", id="text")
        self.indent_width = 2
        self.cursor_blink = False  # a blinking cursor keeps sending bytes
        self._problems: Mapping[int, str] = {}

    async def on_key(self, event: events.Key) -> None:
        if event.key == "escape":
            event.prevent_default()  # it closes the editor; Textual's own editor moves the focus

    def mark(self, problems: Mapping[int, str]) -> None:
        """Marks lines: row, from 0 → `stop` or `warn`."""
        if problems != self._problems:
            self._problems = problems
            self.notify_style_update()  # forgets the lines that are drawn
            self.refresh()

    def get_line(self, line_index: int) -> Text:
        line = shown(self.document.get_line(line_index))
        text = Text(line, end="", no_wrap=True)
        key = _KEY.match(line)
        if key is not None:
            text.stylize(STYLES.get(self._problems.get(line_index, ""), "cyan"), key.start(), key.end())
        elif line_index in self._problems:
            text.stylize(STYLES[self._problems[line_index]])
        if (comment := _COMMENT.search(line)) is not None:
            text.stylize("dim", comment.start(), comment.end())
        return text


def shown(line: str) -> str:
    """A line with secrets and odd characters replaced, in the same number of characters."""
    if not line.isascii() or not line.isprintable():
        line = _ODD.sub("\N{REPLACEMENT CHARACTER}", line)
    if not may_hold_secret(line) or (hidden := redact(line)) == line:
        return line
    shorter = min(len(line), len(hidden))
    start = next((at for at in range(shorter) if line[at] != hidden[at]), shorter)
    end = next((at for at in range(shorter - start) if line[-1 - at] != hidden[-1 - at]), shorter - start)
    return f"{line[:start]}{'•' * (len(line) - start - end)}{line[len(line) - end :]}"


def key_at(lines: list[str], row: int, *, toml: bool) -> str:
    """The key that a line belongs to, with its table for TOML: `beta`, `jobs.flavor`; empty if there is none."""
    key = table = ""
    for line in lines[: row + 1]:
        if toml and (head := re.match(r"\s*\[\s*([\w. -]+?)\s*\]", line)):
            table, key = f"{head[1].replace(' ', '')}.", ""
        elif found := re.match(r"\s*([\w.-]+)\s*=" if toml else r"([\w.-]+)\s*:", line):
            key = table + found[1]
        elif not line.strip() or line.startswith("#"):
            key = ""
    return key
