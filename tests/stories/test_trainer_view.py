"""What the trainer sees: I look at a pair as it is tokenized, and know what is trained on and what is not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult

from smoltui.core.pairs.preference import Message, Pair, pair_of
from smoltui.core.pairs.rendering import (
    CUT,
    OURS,
    TRL,
    SideView,
    Token,
    TrainerView,
    cut_at,
    find_answer,
    legend,
    prompt_length,
    side_view,
    trl_in_answers,
)
from smoltui.safe_text import safe
from smoltui.screens.pairs.trainer_view import MAX_DRAWN, TrainerPane, _rendered
from tests.conftest import seen

WaitUntil = Callable[..., Awaitable[None]]

START, END = "<|im_start|>", "<|im_end|>"


def side(answer: str, prompt: str = "What is fog?", max_length: int | None = None, trl: int | None = None) -> SideView:
    """Prompt and answer in a chat template; every word is a token, and each special token is one."""
    marked = [(START, True), (f"user\n{prompt}", False), (END, True), ("\n", False), (START, True)]
    marked += [("assistant\n", False)]
    before = "".join(text for text, _ in marked)
    tokens: list[Token] = []
    at = 0
    for text, special in [*marked, (answer, False), (END, True), ("\n", False)]:
        if special:
            tokens.append(Token(at, at + len(text), True))
        else:
            begins = [place for place, letter in enumerate(text) if place == 0 or letter == " "]
            tokens += [
                Token(at + begin, at + end, False) for begin, end in zip(begins, [*begins[1:], len(text)], strict=True)
            ]
        at += len(text)
    count = sum(token.end <= len(before) for token in tokens)
    return side_view(
        f"{before}{answer}{END}\n",
        tokens,
        count,
        answer=answer,
        answer_at=len(before),
        max_length=max_length,
        trl_in_answer=trl,
    )


def view(chosen: str, rejected: str, prompt: str = "What is fog?", max_length: int | None = None) -> TrainerView:
    sides = {"chosen": side(chosen, prompt, max_length), "rejected": side(rejected, prompt, max_length)}
    dropped = max_length is not None and sides["chosen"].prompt_tokens >= max_length
    return TrainerView(**sides, max_length=max_length, dropped=dropped)


class Host(App[None]):
    """Nothing but the pane."""

    BINDINGS = [
        ("down", "move(1, 0)"),
        ("up", "move(-1, 0)"),
        ("pagedown", "move(0, 1)"),
        ("pageup", "move(0, -1)"),
        ("home", "move(-1000000, 0)"),
        ("end", "move(1000000, 0)"),
    ]

    def __init__(self, shown: TrainerView | str) -> None:
        super().__init__()
        self.shown = shown

    def compose(self) -> ComposeResult:
        yield TrainerPane()

    def on_mount(self) -> None:
        self.tell(self.shown)

    def tell(self, shown: TrainerView | str) -> None:
        pane = self.query_one(TrainerPane)
        pane.say(shown) if isinstance(shown, str) else pane.show(shown)

    def action_move(self, lines: int, pages: int) -> None:
        self.query_one(TrainerPane).scroll_by(lines, pages)


def flat(app: App[None]) -> str:
    """What is seen, on one line."""
    return " ".join(seen(app).split())


async def test_i_see_what_is_trained_on(wait_until: WaitUntil, loop_guard: object) -> None:
    """Both sides beside each other, the prompt dim, special tokens bold, a mark before the answer, tokens in words."""
    app = Host(view("A cloud at the ground.", "Look it up.", max_length=1024))
    async with app.run_test(size=(120, 30)):
        await wait_until(lambda: f"{OURS}A cloud at the ground.{END}↵" in seen(app))
        screen = seen(app)
        assert "Tokens: prompt 8 · chosen 7 (15 with the prompt) · rejected 5 (13 with the prompt)" in screen
        assert "max_length 1,024" in screen
        assert f"{OURS} the answer begins here, after 62 characters" in screen
        assert f"{TRL} none: TRL alone would start the answer at the same place." in screen
        assert f"{CUT} none: nothing is cut at max_length 1,024." in screen
        line = next(line for line in screen.splitlines() if f"{OURS}A cloud at the ground.{END}↵" in line)
        assert f"{OURS}Look it up.{END}↵" in line
        assert "chosen · 7 tokens" in screen and "rejected · 5 tokens" in screen
        pane = app.query_one(TrainerPane)
        tones = {
            segment.text.strip(): segment.style
            for strip in map(pane.render_line, range(pane.size.height))
            for segment in strip
            if segment.style and segment.text.strip()
        }
        assert tones["What is fog?"].dim and not tones["What is fog?"].bold
        assert tones[END].bold and tones[START].bold and tones[END].color != tones["What is fog?"].color
        assert not tones["A cloud at the ground."].dim and not tones["A cloud at the ground."].bold


async def test_i_see_what_max_length_cuts(wait_until: WaitUntil) -> None:
    """The cut is marked in the text, struck through behind it, and said in words for each side."""
    app = Host(view("A cloud at the ground.", "Look it.", max_length=11))
    async with app.run_test(size=(120, 30)):
        await wait_until(lambda: f"{OURS}A cloud at{CUT} the ground.{END}↵" in seen(app))
        assert f"{CUT} max_length 11 cuts 4 tokens of chosen and 1 token of rejected from here on: never" in flat(app)
        assert "chosen · 7 tokens · 4 cut" in seen(app) and f"{OURS}Look it.{END}{CUT}↵" in seen(app)
        pane = app.query_one(TrainerPane)
        struck = [
            segment.text
            for strip in map(pane.render_line, range(pane.size.height))
            for segment in strip
            if segment.style and segment.style.strike
        ]
        assert f" the ground.{END}↵" in struck and not any("A cloud" in text for text in struck)


async def test_a_prompt_as_long_as_max_length(wait_until: WaitUntil) -> None:
    """I am told that TRL leaves the pair out, and how to fix it."""
    app = Host(view("A cloud.", "No.", max_length=8))
    async with app.run_test(size=(120, 30)):
        words = "The prompt alone fills max_length 8: TRL skips this pair. Raise max_length."
        await wait_until(lambda: words in flat(app))


async def test_where_trl_alone_would_cut(wait_until: WaitUntil) -> None:
    """Its mark is inside the answers, after the words they share, and the legend says how far."""
    sides = {name: side(text, trl=6) for name, text in (("chosen", "It is a mile."), ("rejected", "It is."))}
    sides["rejected"] = side("It is 5.", trl=6)
    app = Host(TrainerView(**sides, max_length=None))
    async with app.run_test(size=(120, 30)):
        await wait_until(lambda: f"{OURS}It is {TRL}a mile.{END}" in seen(app))
        assert f"{OURS}It is {TRL}5.{END}" in seen(app)
        words = "TRL alone, given the raw row, would start the answer here, 6 characters later."
        assert f"{TRL} {words}" in flat(app) and "no max_length" in seen(app)


async def test_below_100_columns_rejected_stands_below(wait_until: WaitUntil) -> None:
    app = Host(view("A cloud at the ground.", "Look it up."))
    async with app.run_test(size=(80, 30)) as pilot:
        await wait_until(lambda: f"{OURS}Look it up." in seen(app))
        lines = seen(app).splitlines()
        places = [next(n for n, line in enumerate(lines) if text in line) for text in ("A cloud at", "Look it up.")]
        assert places[0] < places[1]
        await pilot.resize_terminal(120, 30)
        await wait_until(lambda: any("A cloud at" in line and "Look it up." in line for line in seen(app).splitlines()))


async def test_a_long_prompt_opens_where_the_answer_begins(wait_until: WaitUntil, loop_guard: object) -> None:
    """200 turns before it: I see the answer at once, scroll up to the beginning, and a resize keeps my place."""
    prompt = "\n".join(f"line {number} of it" for number in range(200))
    app = Host(view("A cloud.", "No.", prompt))
    async with app.run_test(size=(120, 30)) as pilot:
        await wait_until(lambda: f"{OURS}A cloud." in seen(app))
        assert "line 199 of it" in seen(app) and "line 0 of it" not in seen(app) and "┃" in seen(app)
        await pilot.press("home")
        await wait_until(lambda: "line 0 of it" in seen(app) and f"{OURS}A cloud." not in seen(app))
        await pilot.press("down", "down", "down")
        await wait_until(lambda: "line 1 of it" not in seen(app) and "line 2 of it" in seen(app))
        await pilot.resize_terminal(110, 30)
        await wait_until(lambda: "line 2 of it" in seen(app) and "line 1 of it" not in seen(app))
        for _ in range(12):
            await pilot.press("pagedown")
        await wait_until(lambda: f"{OURS}A cloud." in seen(app))
        await pilot.press("pageup")
        await wait_until(lambda: f"{OURS}A cloud." not in seen(app))


async def test_only_changed_lines_are_sent(wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same view again sends nothing; one line down sends lines, never the legend."""
    prompt = "\n".join(f"line {number}" for number in range(200))
    app = Host(view("A cloud.", "No.", prompt))
    async with app.run_test(size=(120, 30)) as pilot:
        await wait_until(lambda: f"{OURS}A cloud." in seen(app))
        sent: list[tuple[object, ...]] = []
        pane = app.query_one(TrainerPane)
        monkeypatch.setattr(pane, "refresh", lambda *regions, **_: sent.append(regions))
        pane.show(app.shown)  # type: ignore[arg-type]
        assert sent == []
        await pilot.press("up")
        lines = [region.y for region in sent[0]]  # type: ignore[attr-defined]
        assert lines and min(lines) > 4


async def test_hostile_text_is_only_text(wait_until: WaitUntil) -> None:
    """Escape codes, markup and bidi overrides are shown; the marks stand where they belong all the same."""
    hostile = "\x1b[31m[red]x\u202e\r\n\ty"
    shown = replace(view(hostile, "No.", max_length=9), problem="bad \x1b[2J", left_out="\x9b31m")
    app = Host(shown)
    async with app.run_test(size=(120, 30)):
        await wait_until(lambda: f"{OURS}␛[31m[red]x⟨RLO⟩␍↵" in seen(app))
        assert f"y{CUT}{END}↵" in seen(app)
        assert "Not a usable pair: bad ␛[2J" in seen(app)
        assert not {"\x1b", "\u202e", "\r", "\x9b"} & set(seen(app))


async def test_a_sentence_in_place_of_a_view(wait_until: WaitUntil) -> None:
    """While the tokenizer loads, and when there is none, the pane says so; then the view takes its place."""
    app = Host("The tokenizer is being read …")
    async with app.run_test(size=(60, 12)) as pilot:
        await wait_until(lambda: "The tokenizer is being read" in seen(app))
        await pilot.press("down", "pageup")
        app.tell(view("A cloud.", "No."))
        await wait_until(lambda: "being read" not in seen(app) and "Tokens: prompt" in seen(app))
        app.tell("There is no \x1btokenizer.")
        await wait_until(lambda: "There is no ␛tokenizer." in seen(app) and "Tokens" not in seen(app))


@pytest.mark.parametrize("size", [(40, 12), (20, 6), (3, 2), (1, 1)])
async def test_small_terminals(size: tuple[int, int], wait_until: WaitUntil) -> None:
    """A tiny window breaks nothing, and a larger one shows all again."""
    app = Host(view("A cloud at the ground.", "Look it up.", max_length=9))
    async with app.run_test(size=size) as pilot:
        await pilot.press("down", "pagedown", "pageup", "home")
        await pilot.resize_terminal(120, 30)
        await pilot.press("pagedown")
        await wait_until(lambda: f"{OURS}A" in seen(app) and "never trained" in seen(app))


@pytest.mark.slow
async def test_texts_without_an_end_do_not_hold_the_keys(wait_until: WaitUntil, loop_guard: object) -> None:
    """A prompt and an answer of half a million characters: what is near the boundary is drawn, the rest counted."""
    long = "fog and more fog, " * 30_000
    shown = await asyncio.to_thread(view, long, long, long)
    app = Host("…")
    async with app.run_test(size=(120, 30)) as pilot:
        app.tell(shown)  # the guard counts this step too
        await wait_until(lambda: OURS in seen(app).split(CUT)[-1])
        await pilot.press("home")
        await wait_until(lambda: f"… {shown.chosen.boundary - MAX_DRAWN:,} characters before this …" in seen(app))
        for _ in range(60):
            await pilot.press("pagedown")
        left = len(shown.chosen.text) - shown.chosen.boundary - MAX_DRAWN
        await wait_until(lambda: f"… {left:,} more characters" in seen(app))


@pytest.mark.parametrize(("max_length", "where"), [(100, "before"), (1_999, "more")])
async def test_a_cut_far_from_the_boundary_is_told(max_length: int, where: str, wait_until: WaitUntil) -> None:
    """It is not drawn at a wrong place: the line that counts what is left out names it."""
    long = "abcdefghijkl " * 1_000
    app = Host(view(long, long, long, max_length=max_length))
    async with app.run_test(size=(120, 30)) as pilot:
        await wait_until(lambda: "Tokens" in seen(app))
        await pilot.press("home" if where == "before" else "end")
        await wait_until(lambda: f", {CUT} among them" in seen(app) and where in seen(app))
        assert seen(app).count(CUT) == 3  # in the legend, and on each side


# ------------------------------------------------------------------------------------------------- the pure part of it


@given(
    st.text("ab\n\r\t\x1b\u202e🦊", max_size=12),
    st.text("ab\n\r\t\x1b\u202e🦊", min_size=1, max_size=12),
    st.integers(1, 14),
)
def test_what_is_drawn_is_the_text_with_its_marks(prompt: str, answer: str, limit: int) -> None:
    """Taken piece by piece and made safe, with the mark at the boundary, whatever the characters around it become."""
    made = side(answer, prompt, limit, trl=2)
    content, begins = _rendered(made)
    assert content.plain[begins] == OURS
    marks = [letter for letter in content.plain if letter in (OURS, TRL, CUT)]
    assert marks.count(OURS) == 1 and marks.count(CUT) == (made.cut_tokens > 0)
    assert marks.count(TRL) == (made.trl_boundary is not None)
    drawn = content.plain.translate({ord(mark): None for mark in (OURS, TRL, CUT)})
    # Tabs and line ends apart, whose width depends on what stands before them in their piece.
    squeezed = safe(made.text.replace("\r", "␍"), None).replace("\n", "↵\n").replace(" ", "")
    assert drawn.replace(" ", "") == squeezed


@given(
    st.text("ab \n🦊\x1b", max_size=30),
    st.text("ab \n🦊\x1b", min_size=1, max_size=30),
    st.integers(1, 40) | st.none(),
    st.integers(0, 30) | st.none(),
)
def test_pieces_join_to_the_text(prompt: str, answer: str, limit: int | None, trl: int | None) -> None:
    """Whatever is cut where: nothing is lost or doubled, no piece reaches over the boundary, only the cut is cut."""
    made = side(answer, prompt, limit, trl)
    assert made.text == f"{START}user\n{prompt}{END}\n{START}assistant\n{answer}{END}\n"
    assert made.text[made.boundary :] == f"{answer}{END}\n"
    assert made.cut_tokens == (max(made.tokens - limit, 0) if limit else 0)
    at = 0
    for piece in made.pieces:
        assert piece.text
        assert not at < made.boundary < at + len(piece.text)
        assert piece.kind in ("special", "cut", "prompt" if at < made.boundary else "completion")
        at += len(piece.text)
    kinds = [piece.kind for piece in made.pieces]
    assert ("cut" in kinds) == (made.cut_tokens > 0)
    assert "cut" not in kinds or set(kinds[kinds.index("cut") :]) == {"cut"}
    kept = cut_at(made)
    assert (kept is None) == (made.cut_tokens == 0)
    if kept is not None and 0 < kept < len(answer):
        assert "".join(piece.text for piece in made.pieces if piece.kind != "cut").endswith(answer[:kept])
    assert made.trl_boundary is None or made.boundary < made.trl_boundary <= len(made.text)


@given(st.lists(st.integers(0, 2), max_size=6), st.lists(st.integers(0, 2), max_size=6))
def test_prompt_length_is_what_both_begin_with(left: list[int], right: list[int]) -> None:
    length = prompt_length(left, right, left)
    assert left[:length] == right[:length]
    assert length in (len(left), len(right)) or left[length] != right[length]


def test_an_answer_is_found_behind_the_prompt() -> None:
    """Not inside it, also where it is short; a stripped one where its first character would stand."""
    assert find_answer("no no", "no", 3) == 3
    assert find_answer("user no assistant yes", " yes ", 8) == 17
    assert find_answer("user no", "maybe", 0) is None
    assert find_answer("user ", "", 5) == 5


def test_trl_s_cut_counts_from_the_answer() -> None:
    """Transcripts, texts with a shared beginning, and what has no such cut."""

    def row(chosen: str, rejected: str) -> Pair:
        before = "\n\nHuman: Why?\n\nAssistant:"
        return pair_of(0, {"chosen": before + chosen, "rejected": before + rejected})

    assert trl_in_answers(row(" It is a mile", " It is so")) == {"chosen": 5, "rejected": 5}
    assert trl_in_answers(row("It is a mile", "It is so")) == {"chosen": 5, "rejected": 5}
    assert trl_in_answers(row(" A", " B")) == {"chosen": None, "rejected": None}
    assert trl_in_answers(row(" It is", " It is so")) == {"chosen": 4, "rejected": 4}
    shared = pair_of(0, {"chosen": "What is fog? Clouds", "rejected": "What is fog? Cloth"})
    assert trl_in_answers(shared) == {"chosen": 3, "rejected": 3}
    assert trl_in_answers(pair_of(0, {"chosen": "Fog ", "rejected": "Sun"})) == {"chosen": 2, "rejected": 2}
    explicit = pair_of(0, {"prompt": "p", "chosen": "It is a", "rejected": "It is b"})
    assert trl_in_answers(explicit) == {"chosen": None, "rejected": None}
    turns = Pair(0, (Message("user", "u"),), (Message("assistant", "a"),), (Message("assistant", "b"),))
    assert trl_in_answers(replace(turns, schema="conversational-implicit", answer_at=3, trl_at=2))["chosen"] is None


def test_the_legend_names_what_it_cannot_mark() -> None:
    """TRL's cut in the turns before the answer is told in its own sentence; each side has its own numbers."""
    shown = replace(
        view("a", "b"), trl_cut="TRL ends the prompt 12 characters earlier, where the two texts first differ."
    )
    assert any(line.startswith(f"{TRL} outside these answers: TRL ends the prompt 12") for line in legend(shown))
    apart = TrainerView(side("a b", trl=1), side("a b c", "Longer?", trl=2), None)
    words = " ".join(legend(apart))
    assert "+1 characters in chosen and +2 characters in rejected" in words
    assert "characters of chosen and" in words
