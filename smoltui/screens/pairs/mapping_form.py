"""A form that maps columns to prompt, chosen and rejected, with a preview of the first pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from rich.console import Console
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from smoltui.core.pairs.preference import Pair
from smoltui.safe_text import safe, safe_line

FIELDS = ("prompt", "chosen", "rejected", "system")
"""All but the last are required."""


class MappingForm(Widget, can_focus=True):
    """Up and down select a field, left and right a column; a column or a dotted path can also be typed.

    The first letter typed in a field replaces its value; a dot extends it to a path.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"mapping-form--cursor"}
    DEFAULT_CSS = "MappingForm > .mapping-form--cursor { background: $primary 50%; text-style: bold; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,shift+tab", "field(-1)", "Field above", show=False),
        Binding("down,tab", "field(1)", "Field below", show=False),
        Binding("left", "column(-1)", "Previous column", show=False),
        Binding("right", "column(1)", "Next column", show=False),
        Binding("backspace", "shorten", "Delete a character", show=False),
        Binding("enter", "accept", "Use these columns"),
    ]

    class Changed(Message):
        """A field has changed."""

        def __init__(self, mapping: Mapping[str, str]) -> None:
            super().__init__()
            self.mapping = dict(mapping)

    class Accepted(Message):
        """The mapping was accepted."""

        def __init__(self, mapping: Mapping[str, str]) -> None:
            super().__init__()
            self.mapping = dict(mapping)

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._problem = ""
        self._columns: tuple[str, ...] = ()
        self._preview: Callable[[Mapping[str, str]], Sequence[Pair]] = lambda mapping: ()
        self._values = dict.fromkeys(FIELDS, "")
        self._at = 0
        self._typing = False
        self._lines: list[tuple[Text, bool]] = []

    def offer(
        self,
        problem: str,
        columns: Sequence[str],
        preview: Callable[[Mapping[str, str]], Sequence[Pair]],
        guess: Mapping[str, str],
    ) -> None:
        """Asks for the columns of a set. `preview` returns its first pairs for a mapping; `guess` fills in the form."""
        self._problem, self._columns, self._preview = problem, tuple(columns), preview
        self._values = {name: guess.get(name, "") for name in FIELDS}
        self._at, self._typing = 0, False
        self._build()

    @property
    def mapping(self) -> dict[str, str]:
        """The fields that are filled in."""
        return {name: value for name, value in self._values.items() if value}

    def action_field(self, by: int) -> None:
        self._at, self._typing = (self._at + by) % len(FIELDS), False
        self._build()

    def action_column(self, by: int) -> None:
        field = FIELDS[self._at]
        choices = ["", *self._columns]
        at = choices.index(self._values[field]) if self._values[field] in choices else 0
        self._typing = False
        self._fill(choices[(at + by) % len(choices)])

    def action_shorten(self) -> None:
        self._typing = True
        self._fill(self._values[FIELDS[self._at]][:-1])

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
        kept = self._values[FIELDS[self._at]] if self._typing or text.startswith(".") else ""
        self._typing = True
        self._fill(kept + text)

    def _fill(self, value: str) -> None:
        field = FIELDS[self._at]
        if value != self._values[field]:
            self._values[field] = value
            self._build()
            self.post_message(self.Changed(self.mapping))

    def action_accept(self) -> None:
        pairs = self._preview(self.mapping)
        if any(pair.readable for pair in pairs):
            self.post_message(self.Accepted(self.mapping))
        else:
            self.app.bell()

    def on_resize(self) -> None:
        self._build()

    def _build(self) -> None:
        """Lays out the form for the current width."""
        width = max(self.size.width - 2, 10)
        lines: list[tuple[Text, bool]] = []

        def add(text: Text, cursor: bool = False) -> None:
            console = Console(width=width)
            lines.extend((line, cursor) for line in (text.wrap(console, width) or [Text()]))

        add(Text(safe(self._problem, 500), "bold yellow"))
        add(Text(f"Columns: {safe_line(', '.join(self._columns), 300)}", "dim"))
        add(Text())
        for number, field in enumerate(FIELDS):
            value = safe_line(self._values[field], 80) or ("–" if field == "system" else "which column?")
            here = number == self._at
            arrows = "◂ ", " ▸" if here else ""
            add(Text(f"{field:<10}{arrows[0] if here else '  '}{value}{arrows[1]}"), here)
        add(Text())
        add(Text("↑ ↓ field   ← → column   or type a path such as answers.0.text   enter uses it   esc cancels", "dim"))
        add(Text())
        pairs = self._preview(self.mapping) if self._columns else ()
        if pairs:
            first = next((pair for pair in pairs if pair.readable), pairs[0])
            if first.readable:
                add(Text("The first pair would be:", "bold"))
                for title, style, text in (
                    ("prompt", "", "\n".join(f"{turn.role}: {turn.content}" for turn in first.prompt)),
                    ("chosen", "green", first.chosen_text),
                    ("rejected", "red", first.rejected_text),
                ):
                    add(Text.assemble((f"{title}  ", f"bold {style}"), safe(text, 300)))
            if first.problem:
                add(Text(safe(first.problem, 300), "bold yellow"))
        elif self._columns:
            add(Text("chosen and rejected need a column each.", "italic"))
        self._lines = lines
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        if y >= len(self._lines):
            return Strip.blank(width, base)
        text, cursor = self._lines[y]
        line = Text(" ", no_wrap=True).append_text(text)
        line.truncate(width, pad=True)
        strip = Strip(line.render(self.app.console)).adjust_cell_length(width, base).apply_style(base)
        return strip.apply_style(self.get_component_rich_style("mapping-form--cursor")) if cursor else strip
