"""A form that says how a set is read: its columns, and how pairs are made of them, with a preview of the first rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.console import Console
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.strip import Strip

from smoltui.core.pairs.mapping import Preview, preview
from smoltui.core.pairs.preference import Pair
from smoltui.core.pairs.reading_fields import Read, ReadingFields
from smoltui.safe_text import safe, safe_line
from smoltui.screens.pairs.first_rows import first_rows
from smoltui.scripts.pair_how import AS_IT_IS
from smoltui.widgets.actions import bindings
from smoltui.widgets.selectable import Selectable

LABEL_CELLS = 12
VALUE_CELLS = 28
"""Width of a value before its explanation."""
HINT = "↑ ↓ field   ← → value   or type: a column, a path (answers.0.text), or a,b"


class MappingForm(Selectable, can_focus=True):
    """Up and down select a field, left and right a value; a column or a dotted path can also be typed.

    The first letter typed in a field replaces its value; a dot extends it to a path, a comma to several columns.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"mapping-form--cursor"}
    DEFAULT_CSS = """
    MappingForm > .mapping-form--cursor {
        background: $block-cursor-background; color: $block-cursor-foreground; text-style: bold;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings("mapping")

    class Changed(Message):
        """A field has changed."""

        def __init__(self, read: Read) -> None:
            super().__init__()
            self.read = read

    class Accepted(Message):
        """It was said how the set is read; None: as before."""

        def __init__(self, read: Read | None) -> None:
            super().__init__()
            self.read = read

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._problem = ""
        self._rows: Sequence[object] = ()
        self.fields = ReadingFields((), Read({}, AS_IT_IS))
        self._at = 0
        self._typing = False
        self._seen: tuple[Read, Preview] | None = None
        """The preview of the current values."""
        self._lines: list[tuple[Text, bool]] = []

    def offer(self, problem: str, rows: Sequence[object], fields: ReadingFields) -> None:
        """Asks how a set is read, of which `rows` are the first ones. `problem` says why, or what is asked about."""
        self._problem, self._rows, self.fields = problem, rows, fields
        self._at, self._typing, self._seen = 0, False, None
        self._build()

    @property
    def name_at_cursor(self) -> str:
        """The field under the cursor."""
        names = self.fields.names
        return names[min(self._at, len(names) - 1)]

    @property
    def found(self) -> Preview:
        """What comes of the first rows with the current values."""
        read = self.fields.read
        if self._seen is None or self._seen[0] != read:
            self._seen = (read, preview(self._rows, read.columns, read.how))
        return self._seen[1]

    def action_field(self, by: int) -> None:
        names = self.fields.names
        self._at, self._typing = (names.index(self.name_at_cursor) + by) % len(names), False
        self._build()

    def action_value(self, by: int) -> None:
        self._typing = False
        self._fill(self.fields.step(self.name_at_cursor, by))

    def action_shorten(self) -> None:
        self._typing = True
        self._fill(self.fields.values[self.name_at_cursor][:-1])

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Consumes printable characters, so that they are typed instead of triggering keys of the room."""
        return character is not None and character.isprintable()

    def on_key(self, event: events.Key) -> None:
        if event.is_printable and event.character:
            event.stop()
            event.prevent_default()
            self._type(event.character)

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        if lines := event.text.splitlines():
            self._type(lines[0])

    def _type(self, text: str) -> None:
        name = self.name_at_cursor
        if name in ("pairs from", "pick"):  # chosen from few
            return
        kept = self.fields.values[name] if self._typing or text.startswith((".", ",")) else ""
        self._typing = True
        self._fill(kept + text)

    def _fill(self, value: str) -> None:
        name = self.name_at_cursor
        if value != self.fields.values[name]:
            self.fields.fill(name, value)
            self._build()
            self.post_message(self.Changed(self.fields.read))

    def action_accept(self) -> None:
        if self._rows and not self.fields.problem and self.found.readable:
            self.post_message(self.Accepted(None if self.fields.is_unchanged else self.fields.read))
        else:
            self.app.bell()

    def on_resize(self) -> None:
        self._build()

    # -- drawing

    def _build(self) -> None:
        """Lays out the form for the current size."""
        width = max(self.size.width - 2, 10)
        console = Console(width=width)
        lines: list[tuple[Text, bool]] = []

        def add(text: Text, cursor: bool = False) -> None:
            lines.extend((line, cursor) for line in (text.wrap(console, width) or [Text()]))

        add(Text(safe(self._problem, 300), "bold yellow"))
        columns = Text(f"Columns: {safe_line(', '.join(self.fields.columns), 300)}", "dim", no_wrap=True)
        columns.truncate(width, overflow="ellipsis")
        add(columns)
        if self._rows:
            cursor = self.name_at_cursor
            lines.extend((self._field(name, width), name == cursor) for name in self.fields.names)
            for text in self._outcome(width, self.size.height - len(lines)):
                add(text)
        self._lines = lines
        self.refresh()

    def _field(self, name: str, width: int) -> Text:
        """The line of one field."""
        here = name == self.name_at_cursor
        value = self.fields.values[name]
        required = self.fields.is_required(name)
        shown = safe_line(self.fields.words(name) if name == "pairs from" else value, 80)
        shown = shown or ("which column?" if required else "–")
        line = Text(f"{name:<{LABEL_CELLS}}{'◂ ' if here else '  '}{shown}{' ▸' if here else ''}", no_wrap=True)
        said = "" if name == "pairs from" else self.fields.words(name)
        if said and len(line) + len(said) + 2 <= width:
            line.pad_right(max(LABEL_CELLS + VALUE_CELLS - len(line), 2))
            line.append(said, "dim")
        line.truncate(width, overflow="ellipsis")
        return line

    def _outcome(self, width: int, room: int) -> list[Text]:
        """What comes of the first rows, and the keys; on a high screen with the first pair in full."""
        found, problem = self.found, self.fields.problem
        hint = Text(HINT, "dim", no_wrap=True)
        hint.truncate(width, overflow="ellipsis")
        said = Text(safe_line(problem, 200), "bold yellow") if problem else Text(found.sentence, "bold")
        lines = [said, *first_rows(found.shown, width), hint]
        first = next((pair for pair in found.shown if pair.readable), None)
        if first is not None and room - len(lines) > 6:
            lines += [Text(), *_in_full(first)]
        return lines

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        y += self._top()
        if y >= len(self._lines):
            return Strip.blank(width, base)
        text, cursor = self._lines[y]
        line = Text(" ", no_wrap=True).append_text(text)
        line.truncate(width, pad=True)
        strip = Strip(line.render(self.app.console)).adjust_cell_length(width, base).apply_style(base)
        return strip.apply_style(self.get_component_rich_style("mapping-form--cursor")) if cursor else strip

    def _top(self) -> int:
        """The first line that is drawn: the field under the cursor is always visible."""
        at = next((number for number, (_, cursor) in enumerate(self._lines) if cursor), 0)
        return max(at - self.size.height + 1, 0)


def _in_full(pair: Pair) -> list[Text]:
    """The whole first pair, turn by turn."""
    turns = "\n".join(f"{turn.role}: {turn.content}" for turn in pair.prompt)
    sides = (("prompt", "", turns), ("chosen", "green", pair.chosen_text), ("rejected", "red", pair.rejected_text))
    return [
        Text.assemble((f"{title:<{LABEL_CELLS}}  ", f"bold {style}"), safe(text, 300)) for title, style, text in sides
    ]
