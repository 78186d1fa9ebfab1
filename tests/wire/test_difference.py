"""Any screen becomes any other, on terminals with different capabilities, and one with its own emoji widths."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.wire.clusters import clusters
from smoltui.wire.difference import difference
from smoltui.wire.frames import Frame
from smoltui.wire.grid import Row, cells_of
from smoltui.wire.scroll import after_scroll, scrolled
from smoltui.wire.style import PLAIN, Rendition, change
from smoltui.wire.terminal import Terminal, terminal_of
from tests.emulator import Emulator
from tests.examples import examples

WIDTH, HEIGHT = 30, 9
STYLES = (
    PLAIN,
    Rendition((), "31", ""),
    Rendition((1,), "", "44"),
    Rendition((), "38;2;1;2;3", "44"),
    Rendition((4,), "32", ""),
    Rendition((7,), "35", "46"),
)
PIECES = st.tuples(
    st.sampled_from(
        ("a", "bc", "word ", " ", "        ", "────────", "xxxxxxxxxxxx", "日本", "e\u0301", "👩\u200d👧", "🇫🇷", "✂️")
    ),
    st.sampled_from(STYLES),
)
ALLOWED = re.compile(r"(?:\x1b\[(?:[0-9;]*[mHCD]|[0-9]*[KXbST]|[0-9]+;[0-9]+r|r)|\r|[^\x00-\x1f\x7f-\x9f])*")
"""SGR, cursor moves, EL, ECH, REP, scroll regions with scrolling, and text."""
TERMINALS = [
    Terminal(bce, ech, rep, scroll)
    for bce in (False, True)
    for ech in (False, True)
    for rep in (False, True)
    for scroll in (False, True)
]


def row_of(pieces: list[tuple[str, Rendition]]) -> Row:
    row = Row([], [])
    for text, style in pieces:
        texts, styles = cells_of(text, style)
        if len(row.texts) + len(texts) <= WIDTH:
            row.texts += texts
            row.styles += styles
    blank = Row.blank(WIDTH - len(row.texts))
    return Row(row.texts + blank.texts, row.styles + blank.styles)


ROWS = st.lists(PIECES, max_size=20).map(row_of)
SCREENS = st.lists(ROWS, min_size=HEIGHT, max_size=HEIGHT).map(tuple)


def drawn_plainly(frame: Frame, screen: Emulator) -> None:
    """Each cell written separately with all attributes: a naive reference that cannot be wrong."""
    for y, row in enumerate(frame.rows):
        for x, (text, style) in enumerate(zip(row.texts, row.styles, strict=True)):
            if text:
                screen.feed(f"\x1b[{y + 1};{x + 1}H\x1b[m{change(PLAIN, style)}{text}")
    screen.feed(f"\x1b[m\x1b[{frame.cursor[1] + 1};{frame.cursor[0] + 1}H")


def screen_for(terminal: Terminal) -> Emulator:
    return Emulator(WIDTH, HEIGHT, background_erase=terminal.background_erase)


@pytest.mark.slow
@given(SCREENS, SCREENS, st.integers(-4, 4), st.sampled_from(TERMINALS), st.data())
def test_any_screen_becomes_any_other(
    first: tuple[Row, ...], other: tuple[Row, ...], by: int, terminal: Terminal, data: st.DataObject
) -> None:
    """From a known screen, from a partly unknown one, and after rows have moved."""
    moved = [first[y + by] if 0 <= y + by < HEIGHT else other[y] for y in range(HEIGHT)]
    kept = data.draw(st.sets(st.integers(0, HEIGHT - 1)))
    second = Frame(tuple(other[y] if y in kept else moved[y] for y in range(HEIGHT)), (3, 2))
    before = Frame(first, (WIDTH - 1, HEIGHT - 1))
    ours, expected = screen_for(terminal), Emulator(WIDTH, HEIGHT)
    ours.feed(difference((), before, terminal))
    unknown = data.draw(st.sets(st.integers(0, HEIGHT - 1), max_size=2))
    shown = [None if y in unknown else row for y, row in enumerate(first)]
    written = difference(shown, second, terminal)
    assert ALLOWED.fullmatch(written)
    ours.feed(written)
    drawn_plainly(second, expected)
    assert ours.cells() == expected.cells()
    assert (ours.cursor.x, ours.cursor.y) == (3, 2)


@given(SCREENS, SCREENS)
@examples(60)
def test_a_terminal_with_widths_of_its_own_keeps_the_columns(first: tuple[Row, ...], second: tuple[Row, ...]) -> None:
    """Even if a family emoji is drawn as four people side by side, the text after it is in place."""
    terminal = terminal_of({"TERM": "xterm-256color"})
    assert terminal is not None
    screen = Emulator(WIDTH, HEIGHT, clustered=False)
    screen.feed(difference((), Frame(first), terminal))
    screen.feed(difference(first, Frame(second), terminal))
    lines = screen.cells()
    for y, row in enumerate(second):
        own = False  # of a cluster that this terminal draws in its own way
        for x, text in enumerate(row.texts):
            own = x in row.unsure or (own and not text)
            if not own:
                assert lines[y][x][0] == text, (y, x, screen.text)


def test_only_what_changed_is_written() -> None:
    terminal = Terminal()
    row = row_of([("a line of text", STYLES[1])])
    frame = Frame((row,) * HEIGHT, (0, 0))
    changed = row_of([("a line of test", STYLES[1])])
    written = difference(frame.rows, Frame((*frame.rows[:4], changed, *frame.rows[5:]), (0, 0)), terminal)
    assert written == "\x1b[5;13H\x1b[31ms\x1b[m\x1b[H"


@pytest.mark.parametrize("by", [1, -1, 2])
def test_rows_that_moved_are_moved_by_the_terminal(by: int) -> None:
    """A list beside a fixed text: the terminal scrolls, and the text that scrolled along is restored."""
    lines = [f"{number} {chr(97 + number) * 9}" for number in range(40)]
    beside = [f"{chr(65 + y)}." for y in range(HEIGHT)]

    def view(top: int) -> tuple[Row, ...]:
        return tuple(row_of([(lines[top + y].ljust(20), STYLES[1]), (beside[y], PLAIN)]) for y in range(HEIGHT))

    old, new = view(10), view(10 + by)
    found = scrolled(old, new)
    assert found is not None and found.by == by
    assert after_scroll(old, found)[4].texts[:20] == new[4].texts[:20]
    terminal = Terminal(scroll=True)
    written = difference(old, Frame(new), terminal)
    assert f"{abs(by) if abs(by) > 1 else ''}{'S' if by > 0 else 'T'}\x1b[r" in written
    assert len(written) < len(difference(old, Frame(new), replace(terminal, scroll=False)))


def test_a_wide_character_is_never_cut() -> None:
    """Overwriting one half of a wide character blanks the other."""
    old, new = row_of([("日本日本", PLAIN)]), row_of([("a", PLAIN), ("日本", PLAIN), ("b", PLAIN)])
    screen = Emulator(WIDTH, 1)
    screen.feed(difference((), Frame((old,)), Terminal()))
    screen.feed(difference((old,), Frame((new,)), Terminal()))
    assert screen.text.rstrip() == "a日本b"


def test_the_emulator_joins_what_rich_joins() -> None:
    """The tests above rely on this: a family takes two cells on one terminal and eight on the other."""
    family = "👩\u200d👩\u200d👧\u200d👦"
    assert [cluster.width for cluster in clusters(family)] == [2]
    for clustered, column in ((True, 2), (False, 8)):
        screen = Emulator(20, 1, clustered=clustered)
        screen.feed(family)
        assert screen.cursor.x == column
