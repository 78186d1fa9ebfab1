"""The documentation in the app: a list of topics, and the text of the selected one with scrolling and search."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown, TableElement
from rich.padding import Padding
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text
from rich.theme import Theme
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Static

from smoltui.docs import TOPICS, text_of, topics
from smoltui.safe_text import safe_line
from smoltui.screens.modal import Modal
from smoltui.widgets.actions import bindings
from smoltui.widgets.ask_line import AskLine
from smoltui.widgets.selectable import Selectable

WIDE = 96
"""Columns from which the list of topics is beside the text."""
LIST_WIDTH = 23
SUMMARIES_FROM = 60
"""Columns from which the list, if shown alone, includes a summary of each topic."""
MOST_WIDTH = 110
"""Maximum line length in cells; longer lines are hard to read."""


STYLES = Theme(
    {
        "markdown.code": "bold cyan",
        "markdown.h1": "bold underline",
        "markdown.h2": "bold underline",
        "markdown.h3": "bold",
        "markdown.h4": "bold",
        "markdown.link": "underline",
        "markdown.link_url": "underline",
    }
)
"""Replaces Rich's styles, some of which set a background that is unreadable on a light screen."""


class _Heading(Heading):
    """Left-aligned, where Rich centers the first level."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        text = self.text.copy()
        text.justify = "left"
        yield text


class _Code(CodeBlock):
    """Indented and without highlighting, which would load a lexer for three lines of shell."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in str(self.text).rstrip().split("\n"):
            yield Text(f"  {line}", "cyan", no_wrap=True, overflow="ellipsis")


class _Table(TableElement):
    """Without borders; if the columns do not fit, each row becomes a paragraph."""

    NARROW: ClassVar[int] = 60

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        heads, rows = self._cells()
        widest = [max(row[place].cell_len for row in [heads, *rows]) for place in range(len(heads))]
        if self._has_room(widest, options.max_width):
            yield self._grid(heads, rows, [min(width, options.max_width // (len(heads) + 1)) for width in widest])
        else:
            yield from self._paragraphs(heads, rows)

    def _cells(self) -> tuple[list[Text], list[list[Text]]]:
        """The headings, and the rows below them."""
        head = self.header.row if self.header is not None else None
        below = self.body.rows if self.body is not None else []
        return (
            [cell.content for cell in head.cells] if head is not None else [],
            [[cell.content for cell in row.cells] for row in below],
        )

    def _has_room(self, widest: list[int], width: int) -> bool:
        """Whether columns of these widths fit beside each other in `width` cells, or can be wrapped to fit."""
        count = len(widest)
        if sum(widest) + 2 * count <= width:
            return True
        narrow = width < self.NARROW and (count > 2 or widest[0] > width // 3)
        return not narrow and count <= 3

    def _grid(self, heads: list[Text], rows: list[list[Text]], least: list[int]) -> Table:
        """The columns beside each other; none is wrapped to less than its width in `least` to make room for another."""
        grid = Table.grid(padding=(0, 2), expand=False)
        for head, width in zip(heads, least, strict=True):
            grid.add_column(min_width=width)
            head.stylize("bold")
        for row in [heads, *rows] if any(head.plain for head in heads) else rows:
            grid.add_row(*row)
        return grid

    def _paragraphs(self, heads: list[Text], rows: list[list[Text]]) -> RenderResult:
        for row in rows:
            yield row[0]
            for place, cell in enumerate(row[1:], 1):
                if cell.plain:
                    # The second column is clear by itself; further ones need their heading.
                    text = Text().append(f"{heads[place].plain}: " if place > 1 and heads[place].plain else "", "dim")
                    yield Padding(text.append_text(cell), (0, 0, 0, 2))


class _Page(Markdown):
    elements: ClassVar = {
        **Markdown.elements,
        "heading_open": _Heading,
        "fence": _Code,
        "code_block": _Code,
        "table_open": _Table,
    }


@lru_cache(maxsize=2 * len(TOPICS))
def lines_of(markdown: str, width: int) -> list[list[Segment]]:
    """The lines of a text laid out for `width` columns; cached, since the longest takes 40 ms."""
    console = Console(width=width, color_system="truecolor", force_terminal=True, theme=STYLES)
    lines = console.render_lines(_Page(markdown, hyperlinks=False), pad=False)
    while lines and not "".join(segment.text for segment in lines[0]).strip():
        del lines[0]
    return lines


class Reader(ScrollView, Selectable):
    """The text of one topic, laid out once per width; only visible lines are drawn."""

    DEFAULT_CSS = """
    Reader {
        width: 1fr; height: 1fr; padding: 0 1; overflow-x: hidden;
        scrollbar-size-vertical: 1; scrollbar-gutter: stable;
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._markdown = ""
        self._lines: list[list[Segment]] = []
        self._width = 0
        self.hits: list[int] = []
        """Numbers of matching lines, from 0."""
        self.hit: int | None = None
        """The current line of `hits`; None without a search."""
        self._searched = ""

    def show(self, markdown: str) -> None:
        """Shows another text from its top."""
        self._markdown, self._width = markdown, 0
        self._layout_lines()
        self.scroll_to(y=0, animate=False, immediate=True)
        self.search("")

    def search(self, text: str) -> None:
        """Finds the lines that contain `text`, ignoring case, and jumps to the first below the top; "" ends it."""
        self._searched = text.casefold()
        self._find()
        self.hit = None
        if self.hits:
            top = self.scroll_offset.y
            self.go(next((line for line in self.hits if line >= top), self.hits[0]))
        self.refresh()

    def go(self, line: int) -> None:
        """Jumps to a matching line."""
        self.hit = line
        self.scroll_to(y=max(0, line - self.size.height // 3), animate=False, immediate=True)
        self.refresh()

    def next_hit(self, by: int) -> None:
        """Jumps to the next match, or with -1 to the previous one, wrapping around."""
        if self.hits:
            at = self.hits.index(self.hit) if self.hit in self.hits else -1
            self.go(self.hits[(at + by) % len(self.hits)])

    def on_resize(self) -> None:
        self._layout_lines()

    def _layout_lines(self) -> None:
        width = min(self.scrollable_content_region.width, MOST_WIDTH)
        if width <= 0 or width == self._width:
            return
        self._width = width
        self._lines = lines_of(self._markdown, width)
        self.virtual_size = Size(width, len(self._lines))
        self._find()
        self.refresh()

    def _find(self) -> None:
        self.hits = [
            number
            for number, line in enumerate(self._lines)
            if self._searched and self._searched in "".join(segment.text for segment in line).casefold()
        ]

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        number = y + self.scroll_offset.y
        if number >= len(self._lines):
            return Strip.blank(width, base)
        strip = Strip(self._lines[number]).adjust_cell_length(width, base).apply_style(base)
        if self._searched and number in self.hits:
            strip = strip.apply_style(Style(reverse=True) if number == self.hit else Style(underline=True))
        return strip


class Documentation(Modal[None]):
    """All topics. Opens with the list, or at `topic`."""

    DEFAULT_CSS = f"""
    Documentation {{ align: left top; background: $background; }}
    Documentation > Static {{ height: 1; background: $panel; }}
    #docs-list {{ height: 1fr; width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }}
    #docs-list.beside {{ width: {LIST_WIDTH}; border-right: solid $panel; }}
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings("docs")

    def __init__(self, topic: str | None = None) -> None:
        super().__init__()
        self._topics = topics()
        names = [entry.name for entry in self._topics]
        self._at = names.index(topic) if topic in names else 0
        self._choosing = topic is None
        """The movement keys act on the list."""
        self._in_list_first = topic is None
        """Escape returns to the list, if the text was opened from there."""
        self._missed = ""
        """The last query, if it had no matches."""

    def compose(self) -> ComposeResult:
        yield Static(id="docs-title", markup=False)
        with Horizontal():
            yield Static(id="docs-list", markup=False)
            yield Reader()
        yield AskLine()
        yield Static(id="docs-keys", markup=False)

    def on_mount(self) -> None:
        self._open()

    def on_resize(self, event: events.Resize) -> None:
        self._draw(event.size.width)

    def _open(self) -> None:
        self._missed = ""
        self.query_one(Reader).show(text_of(self._topics[self._at].name))
        self._draw(self.size.width)

    def _draw(self, width: int) -> None:
        reader, listed = self.query_one(Reader), self.query_one("#docs-list", Static)
        wide = width >= WIDE
        listed.display = wide or self._choosing
        reader.display = wide or not self._choosing
        listed.set_class(wide, "beside")
        text = Text(no_wrap=True, overflow="ellipsis")
        for place, entry in enumerate(self._topics):
            style = ("reverse bold" if self._choosing else "bold") if place == self._at else ""
            text.append(f" {entry.title:<{LIST_WIDTH - 3}}" if wide else f" {entry.title:<20}", style)
            text.append("\n" if wide or width < SUMMARIES_FROM else f" {entry.summary}\n", "dim")
        listed.update(text)
        title = Text(no_wrap=True, overflow="ellipsis").append(" Documentation", "bold")
        if not self._choosing or wide:
            title.append(f" · {self._topics[self._at].title}")
        self.query_one("#docs-title", Static).update(title)
        self._draw_keys()

    def _draw_keys(self) -> None:
        reader = self.query_one(Reader)
        shown: tuple[tuple[str, str], ...]
        if reader.hit is not None:
            place = f"match {reader.hits.index(reader.hit) + 1} of {len(reader.hits)}"
            shown = (("n N", "Next, previous"), ("esc", "Clear"), ("", place))
        elif self._missed:
            shown = (("/", "Find"), ("esc", "Back"), ("", f"No match for “{safe_line(self._missed, 40)}”"))
        elif self._choosing:
            shown = (("↓ ↑", "Choose"), ("enter", "Read"), ("q", "Close"))
        else:
            shown = (("↓ ↑", "Scroll"), ("← →", "Topic"), ("esc", "Back"), ("/", "Find"), ("tab", "Topics"))
        line = Text(no_wrap=True, overflow="ellipsis")
        for key, words in shown:
            line.append(f" {key}", "bold cyan").append(f" {words} ")
        self.query_one("#docs-keys", Static).update(line)

    # -- keys

    def action_move(self, by: int) -> None:
        if self._choosing:
            self._select(max(0, min(self._at + by, len(self._topics) - 1)))
        else:
            self.query_one(Reader).scroll_relative(y=by, animate=False, immediate=True)

    def action_page(self, by: int) -> None:
        reader = self.query_one(Reader)
        reader.scroll_relative(y=by * max(1, reader.size.height - 2), animate=False, immediate=True)

    def action_end(self, to: int) -> None:
        if self._choosing:
            self._select(0 if to < 0 else len(self._topics) - 1)
        else:
            reader = self.query_one(Reader)
            reader.scroll_to(y=0 if to < 0 else reader.max_scroll_y, animate=False, immediate=True)

    def action_topic(self, by: int) -> None:
        self._select((self._at + by) % len(self._topics))

    def _select(self, place: int) -> None:
        if place != self._at:
            self._at = place
            self._open()

    def action_list(self) -> None:
        self._choosing = not self._choosing
        self._draw(self.size.width)

    def action_read(self) -> None:
        if self._choosing:
            self._choosing = False
            self._draw(self.size.width)

    def action_find(self) -> None:
        self.action_read()
        self.query_one(AskLine).ask("find", "text in this topic", self._search)

    def _search(self, text: str) -> None:
        reader = self.query_one(Reader)
        reader.search(text)
        self._missed = text if text and not reader.hits else ""
        self._draw_keys()

    def action_hit(self, by: int) -> None:
        self.query_one(Reader).next_hit(by)
        self._draw_keys()

    def action_back(self) -> None:
        """Closes the innermost of: the input, the search, the text opened from the list, the documentation."""
        line = self.query_one(AskLine)
        if line.asking:
            line.stop()
        elif self.query_one(Reader).hit is not None:
            self._search("")
        elif self._in_list_first and not self._choosing:
            self.action_list()
        else:
            self.dismiss()

    def action_leave(self) -> None:
        self.dismiss()
