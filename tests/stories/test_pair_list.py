"""The list of pairs: I move through any number of them, and see what each is."""

from __future__ import annotations

import re
import statistics
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.geometry import Region

from smoltui.screens.pairs.pair_list import PairLine, PairList, columns, drawn, heading
from smoltui.widgets.selectable import SelectsCells
from tests.benchmarks.terminal import Terminal
from tests.conftest import seen
from tests.stories.hostile import ANY_TEXT, HOSTILE, assert_clean, assert_safe, lines_of

WaitUntil = Callable[..., Awaitable[None]]


class Numbered:
    """As many lines as wanted, each known from its position alone; `missing` are not at hand yet."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.missing: set[int] = set()
        self.asked = 0
        self.flags: dict[int, set[str]] = {}

    def count(self) -> int:
        return self._count

    def line(self, position: int) -> PairLine | None:
        self.asked += 1
        if position in self.missing:
            return None
        return PairLine(
            position,
            frozenset(self.flags.get(position, ())),
            turns=3,
            prompt_chars=90,
            chosen_chars=1200 + position,
            rejected_chars=1000,
            chosen_tokens=300,
            rejected_tokens=None,
            similarity=0.996,
            excerpt=f"question {position}",
        )


class Quoting:
    """One line for each text."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts

    def count(self) -> int:
        return len(self.texts)

    def line(self, position: int) -> PairLine | None:
        return PairLine(position, excerpt=self.texts[position])


class Host(App[None]):
    """A list alone on the screen, with the keys a room would bind."""

    CSS = "PairList { height: 1fr; }"
    BINDINGS = [
        Binding("j", "move(1)"),
        Binding("k", "move(-1)"),
        Binding("space", "page(1)"),
        Binding("b", "page(-1)"),
        Binding("G", "go(100000000)"),
        Binding("g", "go(0)"),
        Binding("enter", "choose"),
    ]

    def __init__(self, source: Numbered | Quoting) -> None:
        super().__init__()
        self.source = source
        self.told: list[tuple[str, int]] = []

    def compose(self) -> ComposeResult:
        yield PairList()

    def on_mount(self) -> None:
        self.list.show(self.source)

    @property
    def list(self) -> PairList:
        return self.query_one(PairList)

    def action_move(self, by: int) -> None:
        self.list.move(by)

    def action_page(self, by: int) -> None:
        self.list.page(by)

    def action_go(self, position: int) -> None:
        self.list.go(position)

    def action_choose(self) -> None:
        self.list.choose()

    @on(PairList.Moved)
    def moved(self, event: PairList.Moved) -> None:
        self.told.append(("moved", event.position))

    @on(PairList.Chosen)
    def chosen(self, event: PairList.Chosen) -> None:
        self.told.append(("chosen", event.position))


def cursor_line(app: Host) -> str:
    """The line with the cursor's sign."""
    found = [line for line in seen(app).splitlines() if line.startswith("›")]
    assert len(found) == 1, found
    return found[0]


async def test_i_see_what_each_pair_is(wait_until: WaitUntil) -> None:
    """Marks, number, turns, lengths, gap, likeness and the question, under their names, the sorted one marked."""
    source = Numbered(12)
    source.flags = {0: {"excluded", "held_out"}, 1: {"swapped", "pinned", "noted", "problem"}}
    async with Host(source).run_test(size=(120, 20)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        await wait_until(lambda: "question 11" in seen(app))
        lines = seen(app).splitlines()
        assert lines[0].split() == ["pair▲", "turns", "chosen", "rejected", "gap", "alike", "last", "user", "turn"]
        assert lines[1].split() == ["›x", "h", "1", "3", "1,200", "1,000", "+200", "99", "%", "question", "0"]
        assert lines[2].split() == ["spn!", "2", "3", "1,201", "1,000", "+201", "99", "%", "question", "1"]
        app.list.show(source, sort="gap", descending=True, unit="tokens", position=3)
        await wait_until(lambda: "gap chr▼" in seen(app))
        assert "chosen tok" in seen(app) and "pair▲" not in seen(app)
        assert cursor_line(app).split()[:5] == ["›", "4", "3", "300", "–"]  # tokens of rejected are not known
        assert app.told == []  # only a person's moves are told


async def test_i_move(wait_until: WaitUntil, loop_guard: object) -> None:
    """By line, by page, to the ends; the cursor is always in view, and enter chooses."""
    async with Host(Numbered(1_600_000)).run_test(size=(100, 21)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        await wait_until(lambda: "question 0" in seen(app))
        await pilot.press("j", "j", "k", "enter")
        await wait_until(lambda: app.told == [("moved", 1), ("moved", 2), ("moved", 1), ("chosen", 1)])
        await pilot.press("space")
        await wait_until(lambda: "question 20" in cursor_line(app))
        await pilot.press("G")
        await wait_until(lambda: "1,600,000" in cursor_line(app))
        assert list(app.list.in_view)[-1] == 1_599_999 and len(app.list.in_view) == 20
        await pilot.press("j")
        assert app.list.cursor == 1_599_999 and app.told[-1] == ("moved", 1_599_999)
        await pilot.press("b", "g")
        await wait_until(lambda: "question 0" in cursor_line(app))
        for _ in range(45):
            await pilot.press("j")
        assert app.list.cursor in app.list.in_view and "question 45" in cursor_line(app)


async def test_a_move_draws_two_lines() -> None:
    """A cursor that stays on its page changes two lines; only those are asked to be drawn."""
    async with Host(Numbered(500)).run_test(size=(120, 40)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        await pilot.pause()
        asked: list[Region] = []
        refresh = app.list.refresh

        def counting(*regions: Region, **rest: bool) -> PairList:
            assert regions, "the whole list is drawn again"
            asked.extend(regions)
            return refresh(*regions, **rest)

        app.list.refresh = counting  # type: ignore[method-assign, assignment]
        app.list.move(1)
        assert sorted(asked) == [Region(0, 1, 120, 1), Region(0, 2, 120, 1)]


HOST = """
from tests.stories.test_pair_list import Host, Numbered
Host(Numbered(1_600_000)).run()
"""


def test_a_key_costs_few_bytes() -> None:
    """In a real terminal of 120x40 a move inside the page sends at most 600 bytes: it is the same over a slow line."""
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    with Terminal([sys.executable, "-c", HOST], env=environment) as terminal:
        terminal.wait_for("question 38")
        terminal.settle()
        sent = [terminal.press("j")[1] for _ in range(20)]
        assert re.search(r"›\s+21 .*question 20", terminal.text())
    assert 0 < statistics.median(sent) <= 600, sent


async def test_a_list_of_any_length_is_there_at_once() -> None:
    """Nothing is made per pair: 1.6 million lines are asked for only where they are seen."""
    source = Numbered(1_600_000)
    async with Host(Numbered(0)).run_test(size=(120, 40)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        await pilot.pause()
        assert "This list is empty." in seen(app)
        app.list.show(source, position=1_234_567)
        app.list.go(800_000)
        assert source.asked <= 2 * 39


async def test_what_is_not_at_hand_comes_later(wait_until: WaitUntil) -> None:
    source = Numbered(30)
    source.missing = {1, 2}
    async with Host(source).run_test(size=(80, 24)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        await wait_until(lambda: "question 3" in seen(app))
        assert seen(app).splitlines()[2].split()[0] == "…" and "question 1 " not in seen(app)
        source.missing.clear()
        app.list.reload()
        await wait_until(lambda: "question 1 " in seen(app))
        assert app.told == []


async def test_a_list_that_shrinks_keeps_its_cursor_inside() -> None:
    """After another search there are fewer pairs."""
    async with Host(Numbered(100)).run_test(size=(80, 24)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        await pilot.press("G")
        app.source._count = 5  # type: ignore[union-attr]
        app.list.reload()
        await pilot.pause()
        assert app.list.cursor == 4 and "question 4" in cursor_line(app)
        app.list.show(Numbered(0), empty="No pair holds this text.")
        await pilot.press("j", "enter")
        assert "No pair holds this text." in seen(app) and app.list.cursor == 0 and app.told == [("moved", 99)]


async def test_the_mouse_moves_too(wait_until: WaitUntil) -> None:
    async with Host(Numbered(100)).run_test(size=(80, 24)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        await pilot.click(PairList, offset=(20, 5))
        await wait_until(lambda: app.told == [("moved", 4)])
        await pilot.click(PairList, offset=(20, 5))
        await wait_until(lambda: app.told == [("moved", 4), ("chosen", 4)])


class Selecting(Host):
    """The list on a screen of ours."""

    def get_default_screen(self) -> SelectsCells[None]:
        return SelectsCells()


async def test_dragging_selects() -> None:
    """From one line to the next: that text is highlighted and can be copied; the cursor stays and no pair opens."""
    async with Selecting(Numbered(100)).run_test(size=(80, 24)) as pilot:
        app: Selecting = pilot.app  # type: ignore[assignment]
        shown = [strip.text for strip in lines_of(app.list)]
        await pilot.mouse_down(PairList, offset=(3, 5))
        await pilot.hover(PairList, offset=(20, 6))
        await pilot.mouse_up(PairList, offset=(20, 6))
        await pilot.pause()
        assert app.screen.get_selected_text() == f"{shown[5][3:].rstrip(' ┃')}\n{shown[6][:21].rstrip()}"
        drawn = app.list.render_lines(app.list.size.region)
        marked = ["".join(part.text for part in line if part.style and part.style.reverse) for line in drawn]
        assert marked[5:8] == [shown[5][3:], shown[6][:21], ""] and app.told == []
        await pilot.click(PairList, offset=(20, 7))
        assert not app.screen.selections and app.told == [("moved", 6)]


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 12), (12, 4), (3, 2), (1, 1)])
async def test_hostile_texts_are_only_text(size: tuple[int, int]) -> None:
    """Escape codes, markup, bidi, pictures of joined characters and a line of 1 MB, at every size."""
    async with Host(Quoting(*HOSTILE)).run_test(size=size) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        await pilot.pause()
        for position in range(len(HOSTILE)):
            app.list.go(position)
            assert_clean(lines_of(app.list), size[0])
        if size == (120, 40):
            assert "␛[2J␛]0;owned␇" in seen(app) and "[@click=app.quit]x[/]" in seen(app)


def test_columns_go_where_there_is_no_room() -> None:
    """At 80 columns all are there, at 40 the number and the gap (one cell is the bar's); the excerpt has some cells."""
    assert [column.key for column in columns(79, "characters")] == [
        "row",
        "turns",
        "chosen_chars",
        "rejected_chars",
        "gap",
        "similarity",
    ]
    assert [column.key for column in columns(39, "characters")] == ["row", "gap"]
    line = drawn(
        PairLine(41, frozenset({"pinned"}), chosen_chars=3, rejected_chars=5, excerpt="why"), 40, "characters", True
    )
    assert line.split() == ["›", "p", "42", "−2", "why"] and len(line) == 40


@pytest.mark.slow
@given(ANY_TEXT, st.integers(1, 140), st.booleans(), st.sets(st.sampled_from(["excluded", "noted", "problem"])))
def test_any_text_makes_a_line_of_the_right_width(text: str, width: int, is_cursor: bool, flags: set[str]) -> None:
    """Whatever a row contains: as wide as it should be, and nothing that acts on the terminal."""
    for unit in ("characters", "tokens"):
        line = drawn(PairLine(7, flags, similarity=1.0, excerpt=text), width, unit, is_cursor)  # type: ignore[arg-type]
        assert cell_len(line) == width
        assert_safe(line)
        assert cell_len(heading(width, unit, "gap", True)) == width  # type: ignore[arg-type]
