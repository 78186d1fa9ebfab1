"""Every figure on every screen can be asked what it means: K opens its card, and those of all others shown."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends.project.project import Project
from smoltui.backends.services import Services
from smoltui.core.meanings import Card
from smoltui.screens.cards import Cards
from smoltui.screens.explaining import Explains
from tests.conftest import seen
from tests.stories.test_every_key import QuietEngine, away, full  # noqa: F401

Wait = Callable[..., Awaitable[None]]

VIEWS: dict[str, list[tuple[str, ...]]] = {
    "home": [()],
    "device": [()],
    "pairs": [(), *[("v",)] * 5],
    "recipe": [(), ("j", "j"), ("v",), ("t",)],
    "runs": [(), ("right_square_bracket",), *[("v",)] * 4, ("O",)],
    "evaluate": [(), ("B",), ("L",), ("v",)],
    "submit": [(), *[("v",)] * 3],
}
"""Room → keys from each of its views to the next."""

FIGURE = re.compile(r"(?<![\w.:/-])[−-]?\d[\d,]*(?:\.\d+)?(?: ?%)?(?![\w.:/-])")
"""A number that stands alone: no part of a name, a path, a time or a version."""
TEXTS = "RoomBar, KeyBar, LogView, LogTail, JsonTree, #inspect-scroll, AnswerSheet, PairView, TokensView, CardReader"
"""Widgets that show texts of others, or the keys."""


def labels_of(cards: list[Card]) -> set[str]:
    """Words of four letters or more by which the cards can be recognized on a screen."""
    return {word for card in cards for name in card.names for word in re.findall(r"[a-zé]{3,}", name.casefold())}


def figures(app: SmoltuiApp) -> Iterator[tuple[str, str]]:
    """Each line of the screen with a figure, and the line with what is above it: its heading."""
    lines = seen(app).splitlines()
    hidden = {
        y
        for widget in app.screen.query(TEXTS)
        if widget.display
        for y in range(widget.region.y, widget.region.bottom)
        if widget.region.width > app.size.width // 2
    }
    for y, line in enumerate(lines):
        if y not in hidden and FIGURE.search(line):
            yield line, " ".join(lines[max(0, y - 12) : y + 1]).casefold()


@pytest.mark.slow
@pytest.mark.parametrize("room", VIEWS)
async def test_every_view_has_cards(full: Path, away: None, room: str, wait_until: Wait) -> None:  # noqa: F811
    """K in each view: a card that says what, and with l the others, until the first comes again; esc returns."""
    app = SmoltuiApp(Project(full), Services({"local": QuietEngine()}), opening=room)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: isinstance(app.screen, Explains))
        seen_cards: set[tuple[str, ...]] = set()
        for way in VIEWS[room]:
            await pilot.press(*way)
            await pilot.pause()
            screen = app.screen
            assert isinstance(screen, Explains), way
            told = list(figures(app))
            await pilot.press("K")
            await wait_until(lambda: isinstance(app.screen, Cards))
            assert isinstance(app.screen, Cards)
            cards = app.screen.cards  # as they were when K was pressed: a set that loads adds some
            names = [card.heading for card in cards]
            assert len(names) > 1, (room, way)
            labels = labels_of(cards)
            for line, above in told:
                assert any(label in above for label in labels), (room, way, line)
            await wait_until(lambda: names[0][:60] in seen(app, "#card"))  # noqa: B023
            assert f"1 of {len(names)} on this screen" in seen(app, "#card")
            await pilot.press("l")
            await wait_until(lambda: f"2 of {len(names)} on this screen" in seen(app, "#card"))  # noqa: B023
            await pilot.press("escape")
            await wait_until(lambda: not isinstance(app.screen, Cards))
            while len(app.screen_stack) > 1:
                app.pop_screen()
            seen_cards.add(tuple(names))
        assert len(seen_cards) >= len(VIEWS[room]) - 1  # the cards of each view are its own
