"""The log of a run on the screen: following, scrolling back, searching, and unusual lines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.geometry import Region

from smoltui.backends.runs.log_spool import LogSpool
from smoltui.errors import InputError, SmoltuiError
from smoltui.screens.runs.log_view import LogView
from tests.backends.runs.test_log_spool import disk_of
from tests.conftest import seen
from tests.examples import examples
from tests.stories.hostile import ANY_TEXT, HOSTILE, assert_clean, assert_safe, lines_of

WaitUntil = Callable[..., Awaitable[None]]


class Host(App[None]):
    """Only a log on the screen; `n` and `N` step through the matches, `F` shows only those, escape ends the search."""

    CSS = "LogView { height: 1fr; padding: 0 1; }"
    BINDINGS = [
        Binding("n", "hit(1)"),
        Binding("N", "hit(-1)"),
        Binding("F", "filter"),
        Binding("escape", "end"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.changes = 0
        self.errors: list[SmoltuiError] = []
        self.went_round: list[bool | None] = []

    def compose(self) -> ComposeResult:
        yield LogView(LogSpool)

    def on_mount(self) -> None:
        self.view.focus()
        self.watch(self.view, "drawn_status", self._changed, init=False)

    @property
    def view(self) -> LogView:
        return self.query_one(LogView)

    @property
    def status(self) -> str:
        return self.view.status.plain

    def _changed(self) -> None:
        self.changes += 1

    @on(LogView.Failed)
    def _failed(self, message: LogView.Failed) -> None:
        self.errors.append(message.error)

    def action_hit(self, direction: int) -> None:
        self.went_round.append(self.view.next_hit(direction))

    def action_filter(self) -> None:
        self.view.filter_to_hits(not self.view.only_hits)

    def action_end(self) -> None:
        self.view.end_search()


def rows(app: Host) -> list[str]:
    """The lines on the screen, stripped."""
    return [line.strip() for line in seen(app).splitlines()]


def drawn(app: Host, text: str) -> list[str]:
    """The styles of all segments equal to `text`."""
    return [str(segment.style) for strip in lines_of(app.view) for segment in strip if segment.text == text]


def numbered(first: int, end: int, words: str = "") -> list[str]:
    return [f"line {number}{words}" for number in range(first, end)]


# -- following and moving


async def test_it_follows_until_i_scroll_up(wait_until: WaitUntil) -> None:
    """The end stays in view. Once I scroll up, new lines do not move the view, and G follows again."""
    app = Host()
    async with app.run_test(size=(60, 10)) as pilot:
        app.view.extend(numbered(1, 101))
        await wait_until(lambda: rows(app)[-1] == "line 100")
        assert app.status == "line 100 of 100 · following"
        await pilot.press("k")
        await wait_until(lambda: rows(app) == numbered(90, 100))
        assert not app.view.follow and app.status == "line 90 of 100 · paused, G follows"
        app.view.extend(numbered(101, 301))
        await pilot.pause()
        assert rows(app) == numbered(90, 100) and app.status == "line 90 of 300 · paused, G follows"
        await pilot.press("G")
        await wait_until(lambda: rows(app) == numbered(291, 301))
        assert app.view.follow
        app.view.extend(["line 301"])
        await wait_until(lambda: rows(app)[-1] == "line 301")


@pytest.mark.parametrize(
    "keys,first",
    [
        ("home", 1),
        ("home", 1),
        ("home j", 2),
        ("home down down up", 2),
        ("home pagedown", 10),
        ("home space space", 19),
        ("pageup", 82),
        ("up", 90),
        ("k k", 89),
    ],
)
async def test_keys_that_move(keys: str, first: int, wait_until: WaitUntil) -> None:
    app = Host()
    async with app.run_test(size=(60, 10)) as pilot:
        app.view.extend(numbered(1, 101))
        await pilot.press(*keys.split())
        await wait_until(lambda: rows(app) == numbered(first, first + 10))
        assert app.view.top_line == first and not app.view.follow


@pytest.mark.parametrize("key", ["end", "G", "pagedown", "j"])
async def test_the_end_is_followed_when_i_come_back_to_it(key: str, wait_until: WaitUntil) -> None:
    app = Host()
    async with app.run_test(size=(60, 10)) as pilot:
        app.view.extend(numbered(1, 101))
        await pilot.press("k")
        assert not app.view.follow
        await pilot.press(key)
        assert app.view.follow
        app.view.extend(["more"])
        await wait_until(lambda: rows(app)[-1] == "more")


async def test_a_short_log_follows_on(wait_until: WaitUntil) -> None:
    """There is nothing above, so up changes nothing."""
    app = Host()
    async with app.run_test(size=(60, 10)) as pilot:
        app.view.extend(["one", "two"])
        await pilot.press("k", "pageup")
        assert app.view.follow
        app.view.extend(numbered(1, 30))
        await wait_until(lambda: rows(app)[-1] == "line 29")


async def test_a_wide_line_is_read_to_its_end(wait_until: WaitUntil) -> None:
    """Right scrolls to the end of the longest line, left back."""
    app = Host()
    async with app.run_test(size=(32, 4)) as pilot:
        app.view.extend(["begin " + "-" * 40 + " end"])
        await wait_until(lambda: rows(app)[0] == "begin " + "-" * 24)
        await pilot.press("right", "right", "right", "right", "right")
        await wait_until(lambda: rows(app)[0].endswith("- end") and len(rows(app)[0]) == 30)
        await pilot.press(*["left"] * 5)
        await wait_until(lambda: rows(app)[0].startswith("begin -"))


async def test_wrapped_lines(wait_until: WaitUntil) -> None:
    """w wraps long lines; I scroll by row and by page, and the end is still followed."""
    app = Host()
    async with app.run_test(size=(12, 6)) as pilot:
        app.view.extend(["first", "0123456789abcdefghijXY", "日本語日本語!", *numbered(1, 9)])
        await pilot.press("w", "home")
        await wait_until(lambda: rows(app) == ["first", "0123456789", "abcdefghij", "XY", "日本語日本", "語!"])
        assert "wrapped" in app.status
        await pilot.press("j", "j")
        await wait_until(lambda: rows(app)[0] == "abcdefghij" and rows(app)[-1] == "line 2")
        await pilot.press("pagedown", "pagedown")
        await wait_until(lambda: rows(app) == numbered(3, 9))
        assert app.view.follow
        app.view.extend(["x" * 25])
        await wait_until(lambda: rows(app) == [*numbered(6, 9), "x" * 10, "x" * 10, "x" * 5])
        await pilot.press("k")
        await wait_until(lambda: rows(app) == [*numbered(5, 9), "x" * 10, "x" * 10])
        await pilot.press("pageup", "pageup", "pageup")
        await wait_until(lambda: rows(app)[0] == "first")
        await pilot.press("w")
        await wait_until(lambda: rows(app)[1] == "0123456789" and rows(app)[2] == "日本語日本")


async def test_a_wrapped_line_longer_than_the_screen(wait_until: WaitUntil) -> None:
    """Both its beginning and its end can be reached."""
    app = Host()
    async with app.run_test(size=(12, 5)) as pilot:
        app.view.extend(["top", "a" + "-" * 98 + "z", "last"])
        await pilot.press("w")
        await wait_until(lambda: rows(app)[-2:] == ["-" * 9 + "z", "last"])
        await pilot.press("home")
        await wait_until(lambda: rows(app)[:2] == ["top", "a" + "-" * 9])
        for _ in range(7):
            await pilot.press("j")
        await wait_until(lambda: rows(app)[-1] == "last")
        assert app.view.follow


async def test_times_of_the_lines(wait_until: WaitUntil) -> None:
    """z shows the local time of each line; a line without a time has none."""
    app = Host()
    moment = datetime(2026, 5, 12, 14, 58, 23, 645_000)
    async with app.run_test(size=(60, 5)) as pilot:
        app.view.extend(["with", "without"], [moment.timestamp(), None])
        app.view.extend(["never", "none"], [1e300, float("nan")])
        await wait_until(lambda: rows(app)[0] == "with")
        await pilot.press("z")
        await wait_until(lambda: rows(app)[:4] == ["14:58:23 with", "without", "--:--:-- never", "none"])
        assert seen(app).splitlines()[1].startswith(" " * 10 + "without")
        await pilot.press("z")
        await wait_until(lambda: rows(app)[0] == "with")


async def test_the_first_error(wait_until: WaitUntil) -> None:
    """e jumps to the first error; without one, it says so."""
    app = Host()
    async with app.run_test(size=(60, 9), notifications=True) as pilot:
        app.view.extend(["0 errors"] * 60)
        await pilot.press("right_square_bracket")
        await wait_until(lambda: "This log contains" in seen(app))
        app.view.extend(["Traceback (most recent call last):", "ValueError: x", *numbered(1, 100)])
        await pilot.press("right_square_bracket")
        await wait_until(lambda: any("Traceback" in row for row in rows(app)))
        assert not app.view.follow and app.view.first_error() == 61
        assert any("bold red" in style for style in drawn(app, "ValueError: x"))


async def test_a_progress_bar_lives(wait_until: WaitUntil) -> None:
    """Its states replace each other, whether visible or not."""
    app = Host()
    async with app.run_test(size=(70, 5)):
        app.view.extend(["start", " 10%|█         | 1/10 [00:00<00:04,  2.0it/s]"])
        await wait_until(lambda: "1/10" in rows(app)[1])
        app.view.extend([" 20%|██        | 2/10 [00:01<00:04,  2.0it/s]"])
        app.view.extend([" 30%|███       | 3/10 [00:01<00:03,  2.0it/s]\r"])
        await wait_until(lambda: "3/10" in rows(app)[1])
        assert app.view.line_count == 2 and rows(app)[2] == ""


async def test_another_run(wait_until: WaitUntil) -> None:
    """`clear` starts a new log, followed and without the previous search."""
    app = Host()
    async with app.run_test(size=(60, 6)) as pilot:
        app.view.extend(numbered(1, 50))
        app.view.search("line")
        await wait_until(lambda: app.view.hits == 49)
        await pilot.press("home")
        app.view.clear()
        await wait_until(lambda: rows(app) == [""] * 6)
        assert app.status == "empty log" and app.view.follow and app.view.line_count == 0
        assert app.view.top_line == 0 and app.view.searched_for == ""
        app.view.extend(["new"])
        await wait_until(lambda: rows(app)[0] == "new")


async def test_nothing_is_drawn_for_nothing() -> None:
    """Lines out of view, and redraws without changes, send nothing; one changed line sends only that line."""
    app = Host()
    async with app.run_test(size=(60, 6)) as pilot:
        app.view.extend(numbered(1, 50))
        await pilot.press("home")
        await pilot.pause()
        asked: list[tuple[Region, ...]] = []
        original = app.view.refresh

        def refresh(*regions: Region, **options: bool) -> LogView:
            asked.append(regions)
            return original(*regions, **options)

        app.view.refresh = refresh  # type: ignore[method-assign,assignment]
        changes = app.changes
        app.view.extend(numbered(50, 90))
        app.view.extend([])
        await pilot.press("up", "left")
        assert not asked
        await pilot.pause()
        assert app.changes == changes + 1  # the number of lines
        app.view.search("line 3")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert asked and all(region.y == 2 and region.height == 1 for regions in asked for region in regions)


# -- searching


async def test_i_search_the_log(wait_until: WaitUntil) -> None:
    """Matches are counted and highlighted, n and N step through them and wrap around, escape ends the search."""
    app = Host()
    async with app.run_test(size=(60, 10)) as pilot:
        app.view.extend(
            [f"{line} LOSS" if number in (20, 40, 60) else line for number, line in enumerate(numbered(0, 100))]
        )
        await pilot.press("home")
        app.view.search("loss")
        await wait_until(lambda: "match 1 of 3 for loss" in app.status)
        await wait_until(lambda: "line 20 LOSS" in rows(app))
        assert app.status.startswith("line 21 of 100 · ") and not app.view.follow
        assert "reverse" in drawn(app, "LOSS")[0]
        await pilot.press("n")
        await wait_until(lambda: "line 40 LOSS" in rows(app) and "match 2 of 3" in app.status)
        assert app.view.current_line_text() == "line 40 LOSS"
        await pilot.press("n", "n")
        await wait_until(lambda: "line 20 LOSS" in rows(app) and "match 1 of 3" in app.status)
        await pilot.press("N")
        await wait_until(lambda: "line 60 LOSS" in rows(app))
        assert app.went_round == [False, False, True, True]
        await pilot.press("home", "n")
        await wait_until(lambda: "match 1 of 3" in app.status)
        await pilot.press("escape")
        await wait_until(lambda: not drawn(app, "LOSS"))
        assert "hit" not in app.status and app.view.next_hit(1) is None


async def test_a_search_at_the_end_goes_to_the_nearest_hit(wait_until: WaitUntil) -> None:
    """While following with all matches above, the last one is shown."""
    app = Host()
    async with app.run_test(size=(60, 10)):
        app.view.extend([*numbered(0, 50), "needle a", *numbered(51, 70), "needle b", *numbered(71, 200)])
        app.view.search("needle")
        await wait_until(lambda: "needle b" in rows(app))
        assert "match 2 of 2" in app.status


async def test_a_search_goes_on_as_the_log_grows(wait_until: WaitUntil) -> None:
    """New matches are counted without moving the view; a progress bar counts while it matches."""
    app = Host()
    async with app.run_test(size=(60, 6)) as pilot:
        app.view.extend(numbered(0, 30))
        app.view.search("5/9")
        await wait_until(lambda: not app.view.searching)
        assert "0 matches for 5/9" in app.status
        await pilot.press("home")
        app.view.extend([*numbered(30, 40), "now 5/9", " 55%|█| 5/9 [00:01<00:01, 1.0it/s]"])
        await wait_until(lambda: app.view.hits == 2)
        app.view.extend([" 66%|█| 6/9 [00:01<00:01, 1.0it/s]"])
        await wait_until(lambda: app.view.hits == 1)
        assert rows(app) == numbered(0, 6)
        for _ in range(20):
            app.view.extend(["5/9 again"])
        await wait_until(lambda: app.view.hits == 21)


async def test_i_see_only_what_was_found(wait_until: WaitUntil) -> None:
    """With their line numbers in the log. The view follows, and shows all lines again where I was."""
    app = Host()
    async with app.run_test(size=(60, 6)) as pilot:
        app.view.extend(
            [f"{line} of {'ten' if number % 10 == 0 else 'all'}" for number, line in enumerate(numbered(0, 1000))]
        )
        await pilot.press("home")
        app.view.search("ten")
        await wait_until(lambda: "match 1 of 100" in app.status)
        await pilot.press("F")
        await wait_until(lambda: rows(app)[:3] == ["1 line 0 of ten", "11 line 10 of ten", "21 line 20 of ten"])
        assert "matches only" in app.status
        await pilot.press("n", "n")
        assert app.view.current_line_text() == "line 20 of ten"
        await pilot.press("G")
        await wait_until(lambda: rows(app)[-1] == "991 line 990 of ten")
        app.view.extend(["no", "again ten"])
        await wait_until(lambda: rows(app)[-1] == "1,002 again ten")
        await pilot.press("k")
        await wait_until(lambda: rows(app)[-1] == "991 line 990 of ten")
        top = app.view.top_line
        await pilot.press("F")
        await wait_until(lambda: rows(app)[0] == f"line {top - 1} of ten" and rows(app)[1] == f"line {top} of all")
        await pilot.press("F", "w", "z")
        await wait_until(lambda: "of ten" in rows(app)[0])
        await pilot.press("escape")
        assert not app.view.only_hits


async def test_nothing_found_shows_nothing(wait_until: WaitUntil) -> None:
    app = Host()
    async with app.run_test(size=(60, 6)) as pilot:
        app.view.extend(numbered(0, 9))
        app.view.search("absent")
        await wait_until(lambda: not app.view.searching)
        await pilot.press("F", "j", "k", "G", "n", "right_square_bracket", "w", "right")
        await wait_until(lambda: rows(app)[0] == "")
        assert app.went_round == [None] and app.view.visible_text() == "" and app.view.current_line_text() == ""


async def test_a_broken_expression_is_told(wait_until: WaitUntil) -> None:
    """With the reason; the log is unchanged, and the next search works."""
    app = Host()
    async with app.run_test(size=(60, 6)):
        app.view.extend(numbered(0, 9))
        app.view.search("/line (/")
        await wait_until(lambda: len(app.errors) == 1)
        assert isinstance(app.errors[0], InputError) and "line (" in app.errors[0].message
        assert app.view.searched_for == "" and rows(app)[:2] == ["line 3", "line 4"]
        app.view.search(r"/line [3-5]$/")
        await wait_until(lambda: app.view.hits == 3)


async def test_a_hit_far_to_the_right_is_shown(wait_until: WaitUntil) -> None:
    app = Host()
    async with app.run_test(size=(40, 4)) as pilot:
        app.view.extend(["-" * 500 + "needle" + "-" * 500, "short"])
        app.view.search("needle")
        await wait_until(lambda: "needle" in rows(app)[0])
        assert app.status.startswith("line 1 of 2 · match 1 of 1")
        await pilot.press("w")
        await wait_until(lambda: any("needle" in row for row in rows(app)) and "short" not in rows(app))
        await pilot.press("home")
        await wait_until(lambda: "needle" not in seen(app))
        await pilot.press("n")
        await wait_until(lambda: "needle" in seen(app))


async def test_a_search_is_left_for_another(wait_until: WaitUntil) -> None:
    """Matches of an older search are not counted."""
    app = Host()
    async with app.run_test(size=(60, 6)):
        for first in range(0, 60_000, 10_000):
            app.view.extend(numbered(first, first + 10_000, " of many"))
        for query in ("many", "line", "no", "line 59999"):
            app.view.search(query)
        await wait_until(lambda: not app.view.searching)
        assert app.view.hits == 1 and app.view.searched_for == "line 59999"


@pytest.mark.slow
@pytest.mark.usefixtures("loop_guard")
async def test_a_million_lines(wait_until: WaitUntil) -> None:
    """Followed, searched and read with only a screenful in memory, and without pauses."""
    app = Host()
    async with app.run_test(size=(100, 30)) as pilot:
        app.view.search("warm up")
        await wait_until(lambda: not app.view.searching)
        before = psutil.Process().memory_info().rss
        for first in range(0, 1_000_000, 10_000):
            app.view.extend([f"line {number} of a long log" for number in range(first, first + 10_000)])
            await pilot.pause()
        assert psutil.Process().memory_info().rss - before < 50 << 20
        assert rows(app)[-1] == "line 999999 of a long log"
        app.view.search("/line 12345[67] /")
        await wait_until(lambda: "match 2 of 2" in app.status)
        await wait_until(lambda: any(row.startswith("line 123457 ") for row in rows(app)))


# -- what leaves it


async def test_what_can_be_copied(wait_until: WaitUntil, tmp_path: Path) -> None:
    """The visible lines in full as plain text, the current line, the whole log in a file."""
    app = Host()
    async with app.run_test(size=(20, 3)) as pilot:
        app.view.extend(["a", "\x1b[31mred\x1b[0m " + "x" * 50, "c", "token hf_AbCdEfGhIjKlMnOp", "e\x1b]0;t\x07"])
        await wait_until(lambda: rows(app)[0] == "c")
        assert app.view.current_line_text() == "e␛]0;t␇"
        assert app.view.visible_text() == "c\ntoken hf_***\ne␛]0;t␇"
        await pilot.press("k")
        assert app.view.current_line_text() == "red " + "x" * 50
        await pilot.press("w")
        assert app.view.visible_text().splitlines()[0] == "red " + "x" * 50
        assert app.view.save(tmp_path / "log.txt") == 5
        with pytest.raises(InputError, match="cannot be saved"):
            app.view.save(tmp_path)
    assert (tmp_path / "log.txt").read_text() == f"a\nred {'x' * 50}\nc\ntoken hf_***\ne␛]0;t␇\n"


async def test_a_full_disk_is_told(wait_until: WaitUntil) -> None:
    """Once, with a hint. The status says that the log is incomplete, and its lines can still be read."""
    app = Host()
    async with app.run_test(size=(90, 6)) as pilot:
        app.view.extend(numbered(0, 50))
        with disk_of(2_000):
            for _ in range(3):
                app.view.extend(["x" * 100] * 100)
        await wait_until(lambda: len(app.errors) == 1)
        await pilot.pause()
        assert len(app.errors) == 1 and "incomplete" in app.status
        await pilot.press("home")
        await wait_until(lambda: rows(app) == numbered(0, 6))


# -- hostile lines


async def test_colours_of_the_log_are_colours() -> None:
    app = Host()
    async with app.run_test(size=(60, 5)) as pilot:
        app.view.extend(["\x1b[1;32mgood\x1b[0m plain \x1b[38;2;255;0;0mbad\x1b[0m", "UserWarning: x", "[red]x[/red]"])
        await pilot.pause()
        assert rows(app)[:3] == ["good plain bad", "UserWarning: x", "[red]x[/red]"]
        assert "bold color(2)" in drawn(app, "good")[0] and "rgb(255,0,0)" in drawn(app, "bad")[0]
        assert "yellow" in drawn(app, "UserWarning: x")[0]


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 12), (12, 4), (3, 2), (1, 1)])
async def test_hostile_lines_are_only_text(size: tuple[int, int]) -> None:
    """Wrapped or not, with times and matches, at any size: no control characters, and all rows as wide as the view."""
    app = Host()
    async with app.run_test(size=size) as pilot:
        width = app.view.size.width
        app.view.extend([*HOSTILE, "x" * 200_000, "\x1b[31m" + "日" * 300], [1e9] * (len(HOSTILE) + 2))
        app.view.search("e")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        for key in (
            "home",
            "w",
            "pagedown",
            "pagedown",
            "z",
            "right",
            "F",
            "w",
            "home",
            "n",
            "right",
            "F",
            "G",
            "pageup",
            "right_square_bracket",
        ):
            await pilot.press(key)
            assert_clean(lines_of(app.view), width)
        for text in (app.view.visible_text(), app.view.current_line_text(), app.status):
            for line in text.split("\n"):
                assert_safe(line)


async def test_any_line_keeps_every_row_clean() -> None:
    """Any output of a run."""
    app = Host()
    async with app.run_test(size=(34, 8)) as pilot:
        await pilot.pause()

        @examples(120)
        @given(st.lists(ANY_TEXT | st.sampled_from(HOSTILE[:-2]), max_size=9), st.booleans(), st.booleans())
        def check(lines: list[str], wrap: bool, times: bool) -> None:
            app.view.clear()
            app.view.wrap, app.view.times = wrap, times
            app.view.extend(lines)
            assert_clean(lines_of(app.view), 32)
            app.view.action_top()
            app.view.action_move(3)
            app.view.action_side(1)
            assert_clean(lines_of(app.view), 32)

        check()


async def test_a_change_of_size(wait_until: WaitUntil) -> None:
    """The end stays in view, or the line that I am reading stays first."""
    app = Host()
    async with app.run_test(size=(60, 10)) as pilot:
        app.view.extend(numbered(0, 100))
        await wait_until(lambda: rows(app)[-1] == "line 99")
        await pilot.resize_terminal(30, 5)
        await wait_until(lambda: rows(app) == numbered(95, 100))
        await pilot.press("k", "k")
        await pilot.resize_terminal(60, 20)
        await wait_until(lambda: len(rows(app)) == 20 and rows(app)[-1] == "line 99")
