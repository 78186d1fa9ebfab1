"""One pair on the screen: white space, cuts, tokens, decisions, and whatever a text holds."""

from __future__ import annotations

import re
import statistics
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult
from textual.binding import Binding

from smoltui.core.pairs.preference import Message, Pair
from smoltui.screens.pairs.pair_view import Cut, Mark, PairView
from tests.benchmarks.terminal import Terminal
from tests.conftest import seen
from tests.examples import examples
from tests.stories.hostile import ANY_TEXT, HOSTILE, assert_clean, lines_of

WaitUntil = Callable[..., Awaitable[None]]


def pair(prompt: str, chosen: str, rejected: str, index: int = 0) -> Pair:
    return Pair(
        index,
        prompt=(Message("user", prompt),),
        chosen=(Message("assistant", chosen),),
        rejected=(Message("assistant", rejected),),
    )


RIVER = pair("Is the mill far?", "It is a mile; take the path.", "It is.")


class Host(App[None]):
    """A view alone on the screen; `space` goes to the next of its pairs, `w` shows white space."""

    CSS = "PairView { height: 1fr; }"
    BINDINGS = [Binding("space", "next"), Binding("w", "white")]

    def __init__(self, *pairs: Pair) -> None:
        super().__init__()
        self.pairs, self.at = pairs, 0

    def compose(self) -> ComposeResult:
        yield PairView()

    @property
    def view(self) -> PairView:
        return self.query_one(PairView)

    def on_mount(self) -> None:
        if self.pairs:
            self.view.show(self.pairs[0])

    def action_next(self) -> None:
        self.at = (self.at + 1) % len(self.pairs)
        self.view.show(self.pairs[self.at])

    def action_white(self) -> None:
        self.view.show_whitespace = not self.view.show_whitespace


def style_of(app: Host, text: str) -> list[tuple[bool | None, bool | None]]:
    """(dim, reverse) of every stretch that holds `text`."""
    return [
        (segment.style.dim, segment.style.reverse)
        for strip in lines_of(app.view)
        for segment in strip
        if text in segment.text and segment.style is not None
    ]


async def test_tokens_stand_in_the_heads(wait_until: WaitUntil) -> None:
    """Where they are known; a head without them is as it was."""
    async with Host(RIVER).run_test(size=(120, 20)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        await wait_until(lambda: "chosen · 28 characters · 7 words " in seen(app))
        app.view.show(RIVER, tokens={"prompt": 21, "chosen": 1012, "rejected": None})
        await wait_until(lambda: "chosen · 28 characters · 7 words · 1,012 tokens" in seen(app))
        assert "prompt · 1 turn · 16 characters · 21 tokens" in seen(app)
        assert "rejected · 6 characters · 2 words " in seen(app)


@pytest.mark.parametrize("width", [120, 60])
async def test_i_see_where_max_length_cuts(width: int, wait_until: WaitUntil) -> None:
    """The mark is where the rest begins, and the rest looks different; the other side is whole."""
    async with Host().run_test(size=(width, 24)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        app.view.show(RIVER, cuts={"chosen": Cut(14, 1024)})
        await wait_until(lambda: "✂ cut at max_length 1,024 tokens" in seen(app))
        lines = [line.strip(" ▌") for line in seen(app).splitlines()]
        at = next(number for number, line in enumerate(lines) if "✂" in line)
        assert lines[at - 1].startswith("It is a mile;") and lines[at + 1].startswith("take the path.")
        assert seen(app).count("✂") == 1
        assert style_of(app, "take") == [(True, None)] and style_of(app, "mile") == [(None, None)]


async def test_cuts_at_the_ends(wait_until: WaitUntil) -> None:
    """Nothing is left of an answer, all is left of it, or the cut is in the part that is too long to be shown."""
    async with Host().run_test(size=(120, 24)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        app.view.show(RIVER, cuts={"chosen": Cut(-3, 64), "rejected": Cut(6, 64)})
        await wait_until(lambda: "✂ cut at max_length 64 tokens" in seen(app))
        assert seen(app).count("✂") == 1 and style_of(app, "mile") == [(True, None)]
        app.view.show(pair("Long?", "word " * 9000, "No."), cuts={"chosen": Cut(44_000, 9000)})
        app.view.scroll_by(lines=10_000)
        await wait_until(lambda: "✂ cut at max_length 9,000 tokens, in what is not shown" in seen(app))
        assert "… 25,000 more" in seen(app)


async def test_a_cut_keeps_a_picture_whole_and_counts_what_is_made_visible(wait_until: WaitUntil) -> None:
    """The offset is one of the answer itself, where a control character is one and a tab is one."""
    async with Host().run_test(size=(120, 24)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        app.view.show(pair("?", "a\tb\x9b\r\n👩‍👩‍👧Xrest", "no"), cuts={"chosen": Cut(8, 5)})
        await wait_until(lambda: "✂" in seen(app))
        lines = [line[: line.index("▌", 3)].strip(" ▌") for line in seen(app).splitlines() if line.count("▌") == 2]
        assert lines[1:4] == ["a   b⟨9B⟩", "✂ cut at max_length 5 tokens", "👩‍👩‍👧Xrest"]


async def test_i_see_white_space(wait_until: WaitUntil) -> None:
    """Spaces, tabs, line ends and spaces that only look like one; the words that differ stay marked."""
    shown = pair("two  spaces", "one\ttab \nend\r\n", "no-break\u00a0em\u2003wide\u3000.")
    async with Host(shown).run_test(size=(120, 20)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        await wait_until(lambda: "two  spaces" in seen(app))
        before = seen(app)
        await pilot.press("w")
        await wait_until(lambda: "two··spaces" in seen(app))
        screen = seen(app)
        assert "user  two··spaces" in screen  # what is not of the text stays as it is
        assert "one→tab·↵" in screen and "end␍↵" in screen
        assert "no-break⟨NBSP⟩em⟨EMSP⟩wide⟨IDSP⟩." in screen
        await pilot.press("w")
        await wait_until(lambda: seen(app) == before)


async def test_white_space_with_a_search_and_a_cut(wait_until: WaitUntil) -> None:
    """The marks of both stay on their characters."""
    shown = pair("?", "first line\nsecond needle here\nthird", "no")
    async with Host().run_test(size=(120, 20)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        app.view.show(shown, "needle here", cuts={"chosen": Cut(29, 9)})
        app.action_white()
        await wait_until(lambda: "second·needle·here" in seen(app))
        assert style_of(app, "needle·here") == [(None, True)]
        lines = [line[: line.index("▌", 3)].strip(" ▌") for line in seen(app).splitlines() if line.count("▌") == 2]
        assert lines[1:6] == ["first·line↵", "second·needle·here", "✂ cut at max_length 9 tokens", "↵", "third"]


async def test_decisions_stand_above(wait_until: WaitUntil) -> None:
    """Excluded with its reason, pinned, a note; swapped sides are drawn as they will be trained, figures and all."""
    async with Host().run_test(size=(120, 20)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        marks = [Mark("excluded", "identical"), Mark("pinned"), Mark("note", "[red]ask\x1b Ana[/b]\nsoon")]
        app.view.show(RIVER, marks=marks)
        await wait_until(lambda: "excluded: identical · pinned · note: [red]ask␛ Ana[/b]↵soon" in seen(app))
        app.view.show(
            RIVER, tokens={"chosen": 11, "rejected": 4}, cuts={"chosen": Cut(14, 99)}, marks=[Mark("swapped")]
        )
        await wait_until(lambda: "swapped: chosen and rejected exchanged" in seen(app))
        screen = seen(app)
        assert "chosen · 6 characters · 2 words · 4 tokens" in screen
        assert "rejected · 28 characters · 7 words · 11 tokens" in screen
        line = next(line for line in screen.splitlines() if "✂" in line)
        assert line.index("✂") > 60  # with the text it cuts
        unreadable = Pair(4, problem="Column chosen is missing", reason="not_pairs", raw='{"score": 3}')
        app.view.show(unreadable, marks=[Mark("excluded")])
        await wait_until(lambda: "Not a pair: Column chosen is missing" in seen(app))
        assert seen(app).splitlines()[0].strip() == "excluded"


async def test_a_search_may_be_an_expression(wait_until: WaitUntil) -> None:
    """Every match is marked, the first comes into view, and one that matches nothing at all marks nothing."""
    lines = "\n".join(f"line {number}" for number in range(200))
    async with Host().run_test(size=(120, 20)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        app.view.show(pair("?", f"{lines}\nneedle 17 and 42\n{lines}", "short"), re.compile(r"needle \d+|and (?=42)"))
        await wait_until(lambda: "needle 17" in seen(app))
        assert style_of(app, "needle 17") == [(None, True)] and style_of(app, "and ")[0] == (None, True)
        assert style_of(app, "42") == [(None, None)]
        app.view.show(RIVER, re.compile("x*"))
        await wait_until(lambda: "take the path" in seen(app))
        assert not any(segment.style and segment.style.reverse for strip in lines_of(app.view) for segment in strip)


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 12), (5, 3), (1, 1)])
async def test_hostile_texts_are_only_text(size: tuple[int, int]) -> None:
    """In every place of a pair, with white space seen and without, cut and whole."""
    async with Host().run_test(size=size) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        await pilot.pause()
        for text in HOSTILE:
            # A million times x has no white space, and takes seconds where a line holds one of them.
            for white in (False, True) if len(text) < 100_000 else (False,):
                app.view.show_whitespace = white
                app.view.show(
                    pair(text, text, f"{text}."),
                    text[:30],
                    cuts={"chosen": Cut(len(text) // 2, 1024)},
                    marks=[Mark("note", text), Mark(text[:50])],
                )
                assert_clean(lines_of(app.view), size[0])
            app.view.show(Pair(0, problem=text[:2000], reason="broken", raw=text))
            assert_clean(lines_of(app.view), size[0])


async def test_any_text_keeps_every_line_clean() -> None:
    """Whatever a pair contains: lines of the right width, nothing that acts on the terminal."""
    async with Host().run_test(size=(110, 16)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        await pilot.pause()

        @examples(80)
        @given(ANY_TEXT, ANY_TEXT, ANY_TEXT, st.integers(-1, 40), st.booleans())
        def check(prompt: str, chosen: str, rejected: str, at: int, white: bool) -> None:
            app.view.show_whitespace = white
            app.view.show(
                pair(prompt, chosen, rejected),
                chosen[1:3],
                cuts={"chosen": Cut(at, 7), "rejected": Cut(at, 7)},
                marks=[Mark("swapped"), Mark("note", prompt)],
            )
            assert_clean(lines_of(app.view), 110)

        check()


HOST = """
from tests.stories.test_pair_view import Host, pair
words = [f"some words of answer {n} that go on for a while and then stop, or not." for n in range(60)]
answers = ["\\\\n".join(words[:8]), "\\\\n".join(words[1::7]), "\\\\n".join(words[9:22])]
Host(*(pair(f"question {n}?", answers[n % 3], answers[(n + 1) % 3], n) for n in range(9))).run()
"""


def test_the_next_pair_costs_few_bytes() -> None:
    """In a real terminal of 120x40, going on to the next pair sends well under 12 kB: less than a full repaint."""
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    with Terminal([sys.executable, "-c", HOST], env=environment) as terminal:
        terminal.wait_for(r"question 0\?")
        terminal.settle()
        sent = [terminal.press(" ")[1] for _ in range(12)]
        assert "question 3?" in terminal.text()
    assert 0 < statistics.median(sent) < 9_000, sent
