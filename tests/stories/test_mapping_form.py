"""A set of no known shape: I say with the keyboard which column is what, and see at once what comes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import pytest
from textual import on
from textual.app import App, ComposeResult

from smoltui.core.pairs.mapping import preview
from smoltui.screens.pairs.mapping_form import MappingForm
from tests.conftest import seen
from tests.stories.hostile import HOSTILE, assert_clean, lines_of

WaitUntil = Callable[..., Awaitable[None]]
ROWS: list[Any] = [{"ask": "Why?", "good": "Because it rains.", "bad": "No.", "more": {"say": "Be kind."}}]


class Host(App[None]):
    """The form of one set."""

    CSS = "MappingForm { height: 1fr; }"

    def __init__(
        self, rows: list[Any], guess: Mapping[str, str] | None = None, problem: str = "No known shape"
    ) -> None:
        super().__init__()
        self.rows, self.guess, self.problem = rows, guess or {}, problem
        self.told: list[tuple[str, dict[str, str]]] = []

    def compose(self) -> ComposeResult:
        yield MappingForm()

    def on_mount(self) -> None:
        self.form.offer(self.problem, [str(name) for name in self.rows[0]], partial(preview, self.rows), self.guess)
        self.form.focus()

    @property
    def form(self) -> MappingForm:
        return self.query_one(MappingForm)

    @on(MappingForm.Changed)
    def changed(self, event: MappingForm.Changed) -> None:
        self.told.append(("changed", event.mapping))

    @on(MappingForm.Accepted)
    def accepted(self, event: MappingForm.Accepted) -> None:
        self.told.append(("accepted", event.mapping))


async def test_i_choose_columns_with_the_arrows(wait_until: WaitUntil) -> None:
    """Field by field, and enter says it; before anything can be read enter says nothing."""
    async with Host(ROWS).run_test(size=(80, 24)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        await wait_until(lambda: "Columns: ask, good, bad, more" in seen(app))
        assert "chosen and rejected need a column each." in seen(app)
        await pilot.press("enter")
        assert app.told == []
        await pilot.press("right", "down", "right", "right", "tab", "left", "left")
        await wait_until(lambda: "The first pair would be:" in seen(app))
        assert "user: Why?" in seen(app) and "Because it rains." in seen(app) and "No." in seen(app)
        wanted = {"prompt": "ask", "chosen": "good", "rejected": "bad"}
        assert app.told[-1] == ("changed", wanted) and app.form.mapping == wanted
        await pilot.press("enter")
        await wait_until(lambda: app.told[-1] == ("accepted", wanted))
        await pilot.press("up", "up", "left")
        await wait_until(lambda: app.told[-1] == ("changed", {"chosen": "good", "rejected": "bad"}))


async def test_i_type_a_path(wait_until: WaitUntil) -> None:
    """A letter takes the place of the guess, a dot goes on with the column, backspace shortens."""
    guess = {"prompt": "ask", "chosen": "good", "rejected": "bad", "system": "more"}
    async with Host(ROWS, guess).run_test(size=(80, 24)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        await wait_until(lambda: "user: Why?" in seen(app))
        await pilot.press(*"goo")
        await wait_until(lambda: app.form.mapping["prompt"] == "goo")
        await pilot.press("backspace", "backspace", "backspace", *"ask")
        await pilot.press("up", *".say")
        await wait_until(lambda: app.form.mapping["system"] == "more.say" and "system: Be kind." in seen(app))
        assert app.form.mapping["prompt"] == "ask" and app.form.mapping["chosen"] == "good"
        await pilot.press("enter")
        await wait_until(lambda: app.told[-1] == ("accepted", {**guess, "system": "more.say"}))


async def test_what_cannot_be_read_is_said(wait_until: WaitUntil) -> None:
    """A path that leads nowhere: the reason in place of the pair, and enter does nothing."""
    async with Host(ROWS, {"prompt": "ask", "chosen": "good", "rejected": "bad"}).run_test(size=(80, 24)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        await wait_until(lambda: "user: Why?" in seen(app))
        await pilot.press("down", "down", *"nowhere.at.all", "enter")
        await wait_until(lambda: "The first pair would be:" not in seen(app))
        assert not [kind for kind, _ in app.told if kind == "accepted"]
        assert "nowhere.at.all" in seen(app).split("esc leaves")[0]


async def test_a_pasted_path_is_one_line(wait_until: WaitUntil) -> None:
    from textual.events import Paste

    async with Host(ROWS).run_test(size=(80, 24)) as pilot:
        app: Host = pilot.app  # type: ignore[assignment]
        app.form.post_message(Paste("more.say\nrm -rf"))
        await wait_until(lambda: app.form.mapping == {"prompt": "more.say"})
        app.form.post_message(Paste(""))
        await pilot.pause()
        assert app.form.mapping == {"prompt": "more.say"}


@pytest.mark.parametrize("size", [(80, 24), (40, 12), (8, 4), (1, 1)])
async def test_hostile_names_and_texts_are_only_text(size: tuple[int, int]) -> None:
    """Column names, values and the problem itself."""
    for text in HOSTILE:
        rows = [{text or "empty": text, "good": text, "bad": f"{text}!"}]
        guess = {"prompt": text, "chosen": "good", "rejected": "bad"}
        async with Host(rows, guess, problem=text).run_test(size=size) as pilot:
            app: Host = pilot.app  # type: ignore[assignment]
            await pilot.pause()
            assert_clean(lines_of(app.form), size[0])
            await pilot.press("right", "down")
            assert_clean(lines_of(app.form), size[0])
