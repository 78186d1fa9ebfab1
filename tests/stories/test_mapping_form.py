"""A set of no known shape: I say with the keyboard which column is what, and see at once what comes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from textual import on
from textual.app import App, ComposeResult

from smoltui.core.pairs.reading_fields import Read, ReadingFields
from smoltui.screens.pairs.mapping_form import MappingForm
from smoltui.scripts.pair_how import AS_IT_IS, How
from tests.conftest import seen
from tests.stories.hostile import HOSTILE, assert_clean, lines_of

WaitUntil = Callable[..., Awaitable[None]]
ROWS: list[Any] = [{"ask": "Why?", "nice": "Because it rains.", "rude": "No.", "more": {"say": "Be kind."}}]
ARENA: list[Any] = [
    {
        "question": f"Is {number} even?",
        "model_a": "m1",
        "model_b": "m2",
        "answer_a": "It is.",
        "answer_b": "It is not.",
        "votes": votes,
    }
    for number, votes in enumerate(["answer_a", "answer_b", "tie", "answer_b", "answer_a", "answer_a"])
]
RATED: list[Any] = [
    {"question": "Far?", "completions": [{"response": f"answer {score}", "score": score} for score in scores]}
    for scores in ([3, 1, 2], [5, 4], [2, 2])
]


class Host(App[None]):
    """The form of one set."""

    CSS = "MappingForm { height: 1fr; }"

    def __init__(
        self, rows: list[Any], guess: Mapping[str, str] | None = None, problem: str = "No known shape"
    ) -> None:
        super().__init__()
        self.rows, self.guess, self.problem = rows, guess or {}, problem
        self.told: list[tuple[str, Read | None]] = []

    def compose(self) -> ComposeResult:
        yield MappingForm()

    def on_mount(self) -> None:
        self.form.offer(self.problem, self.rows, ReadingFields(self.rows, Read(self.guess, AS_IT_IS)))
        self.form.focus()

    @property
    def form(self) -> MappingForm:
        return self.query_one(MappingForm)

    @on(MappingForm.Changed)
    def changed(self, event: MappingForm.Changed) -> None:
        self.told.append(("changed", event.read))

    @on(MappingForm.Accepted)
    def accepted(self, event: MappingForm.Accepted) -> None:
        self.told.append(("accepted", event.read))


async def test_i_choose_columns_with_the_arrows(wait_until: WaitUntil) -> None:
    """Field by field, and enter says it; before anything can be read enter says nothing."""
    async with Host(ROWS).run_test(size=(80, 24)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        await wait_until(lambda: "Columns: ask, nice, rude, more" in seen(app))
        assert "chosen needs a column." in seen(app)
        await pilot.press("enter")
        assert app.told == []
        await pilot.press("right", "down", "down", "down", "right", "right", "tab", "left")
        await wait_until(lambda: "1 row: 1 pair" in seen(app))
        assert "✓ nice" not in seen(app) and "Why?" in seen(app)
        assert "✓ Because it rains." in seen(app) and "✗ No." in seen(app)
        wanted = Read({"prompt": "ask", "chosen": "nice", "rejected": "rude"}, AS_IT_IS)
        await wait_until(lambda: app.told[-1] == ("changed", wanted))
        await pilot.press("enter")
        await wait_until(lambda: app.told[-1] == ("accepted", wanted))


async def test_i_type_a_path(wait_until: WaitUntil) -> None:
    """A letter takes the place of the guess, a dot goes on with the column, backspace shortens."""
    guess = {"prompt": "ask", "chosen": "nice", "rejected": "rude", "system": "more"}
    async with Host(ROWS, guess).run_test(size=(80, 24)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        await wait_until(lambda: "✓ Because it rains." in seen(app))
        await pilot.press(*"nic")
        await wait_until(lambda: app.form.fields.values["prompt"] == "nic")
        await pilot.press("backspace", "backspace", "backspace", *"ask")
        await pilot.press("down", *".say")
        await wait_until(lambda: app.form.fields.values["system"] == "more.say" and "system: Be kind." in seen(app))
        await pilot.press("enter")
        await wait_until(lambda: app.told[-1] == ("accepted", Read({**guess, "system": "more.say"}, AS_IT_IS)))


async def test_what_cannot_be_read_is_said(wait_until: WaitUntil) -> None:
    """A path that leads nowhere: the reason in place of the pair, and enter does nothing."""
    async with Host(ROWS, {"prompt": "ask", "chosen": "nice", "rejected": "rude"}).run_test(size=(80, 24)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        await wait_until(lambda: "✓ Because it rains." in seen(app))
        await pilot.press("up", *"nowhere.at.all", "enter")
        await wait_until(lambda: "left out: missing column (1)" in seen(app))
        assert "Column rejected is empty" in seen(app) and "✗" not in seen(app)
        assert not [kind for kind, _ in app.told if kind == "accepted"]
        assert "nowhere.at.all" in seen(app)


async def test_a_pasted_path_is_one_line(wait_until: WaitUntil) -> None:
    from textual.events import Paste

    async with Host(ROWS).run_test(size=(80, 24)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        app.form.post_message(Paste("more.say\nrm -rf"))
        await wait_until(lambda: app.form.fields.values["prompt"] == "more.say")
        app.form.post_message(Paste(""))
        await pilot.pause()
        assert app.form.fields.values["prompt"] == "more.say"


async def test_i_say_which_column_names_the_winner(wait_until: WaitUntil) -> None:
    """Two answers and a column of votes that no name gives away: the counts follow each key, and enter says it."""
    async with Host(ARENA).run_test(size=(80, 24)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        await wait_until(lambda: "answers, of which one won" in seen(app) and "winner needs a column." in seen(app))
        assert "answer_a,answer_b" in seen(app)
        await pilot.press("up", *"votes")
        await wait_until(lambda: "First 6 rows: 5 pairs · 1 tie dropped" in seen(app))
        assert "3  Both answers are equally good." in seen(app)
        assert [line.split()[0] for line in seen(app).splitlines() if "✓" in line] == ["1", "2", "4", "5"]
        assert "✓ It is not." in next(line for line in seen(app).splitlines() if line.startswith(" 2"))
        await pilot.press("enter")
        how = How(("answer_a", "answer_b"), winner="votes")
        await wait_until(lambda: app.told[-1] == ("accepted", Read({"prompt": "question"}, how)))


async def test_which_pairs_are_made_of_scores(wait_until: WaitUntil) -> None:
    """Best against worst at first; each other pick and each margin says what it leaves out. Nothing set is nothing."""
    async with Host(RATED).run_test(size=(80, 24)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        await wait_until(lambda: "First 3 rows: 2 pairs · 1 tie dropped · margins 1 to 2" in seen(app))
        assert "score         score" in seen(app) and "pick          best-worst" in seen(app)
        await pilot.press("enter")
        await wait_until(lambda: app.told[-1] == ("accepted", None))  # as before
        await pilot.press("up", "up", "left")
        await wait_until(lambda: "4 pairs" in seen(app) and "every answer against every worse one" in seen(app))
        await pilot.press("down", *"2")
        await wait_until(lambda: "1 pair · 1 tie dropped · left out: too close (3) · margin 2" in seen(app))
        await pilot.press("enter")
        await wait_until(lambda: app.told[-1] == ("accepted", Read({}, How(pick="all", min_margin=2))))
        await pilot.press(*"x", "enter")
        await wait_until(lambda: "min margin must be a number: 2x" in seen(app))
        await pilot.press("backspace", "backspace", "0", "up", "left", "left", "down", "right")
        await wait_until(lambda: "best-random" in seen(app) and "seed        ◂ 43 ▸" in seen(app))
        await pilot.press("enter")
        await wait_until(lambda: app.told[-1] == ("accepted", Read({}, How(pick="best-random", seed=43))))


async def test_numbers_and_names_are_not_proposed_as_answers(wait_until: WaitUntil) -> None:
    """The arrows pass by models, ids and votes, however the columns are called."""
    rows = [{"q": "Why?", "good": 3, "chosen_model": "gpt 4", "better": "m-1", "best": "Because it is so.", "id": "x1"}]
    async with Host(rows).run_test(size=(80, 24)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        await wait_until(lambda: app.form.fields.values["chosen"] == "best")
        await pilot.press("up", "up", "right")
        proposed = {app.form.fields.values["chosen"]}
        for _ in range(3):
            await pilot.press("right")
            proposed.add(app.form.fields.values["chosen"])
        assert app.form.name_at_cursor == "chosen" and proposed == {"", "best", "q"}


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (40, 12), (8, 4), (1, 1)])
async def test_hostile_names_and_texts_are_only_text(size: tuple[int, int]) -> None:
    """Column names, values and the problem itself."""
    for text in HOSTILE:
        rows = [{text or "empty": text, "nice": text, "rude": f"{text}!"}]
        guess = {"prompt": text, "chosen": "nice", "rejected": "rude"}
        async with Host(rows, guess, problem=text).run_test(size=size) as pilot:
            app: Host = pilot.app  # type: ignore[assignment]
            await pilot.pause()
            assert_clean(lines_of(app.form), size[0])
            await pilot.press("right", "down")
            assert_clean(lines_of(app.form), size[0])
