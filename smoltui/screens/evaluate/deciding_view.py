"""What blind votes and labelling share: one item after the other, each saved before the next, and a result."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual import events, work
from textual.app import ComposeResult
from textual.containers import Container
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Static

from smoltui.backends.system.threads import in_thread
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe_line
from smoltui.screens.evaluate.pairs_offer import PairsOffer
from smoltui.widgets.actions import in_own_keys
from smoltui.widgets.ask_line import AskLine
from smoltui.widgets.key_bar import KeyBar
from smoltui.widgets.page import Page

WIDE = 100
"""Columns from which two answers are side by side."""


class DecidingView(PairsOffer):
    """Shows an item or the result. A subclass composes the item, and says what is shown."""

    CSS_PATH = "vote.tcss"
    HEADING: ClassVar[str] = ""

    def __init__(self) -> None:
        super().__init__()
        self.saving = False
        """A decision is on its way to the disk."""
        self.said = ""
        """What the status line says; empty for the hint."""

    def compose(self) -> ComposeResult:
        yield Static(id="vote-title", markup=False)
        with ContentSwitcher(initial="vote-result"):
            with Container(id="vote-item"):
                with Page(id="vote-prompt"):
                    yield Static(markup=False)
                yield from self.compose_answers()
            with Page(id="vote-result"):
                yield Static("Loading…", markup=False)
        yield Static(id="vote-status", markup=False)
        yield AskLine()
        yield KeyBar()

    # -- what a subclass says

    def compose_answers(self) -> Iterable[Widget]:
        """The widgets below the prompt."""
        raise NotImplementedError

    def title_words(self) -> str:
        """What follows the title."""
        raise NotImplementedError

    def hint(self) -> str:
        """What the status line says if nothing has happened."""
        raise NotImplementedError

    def has_more(self) -> bool:
        """Whether an item is left to decide on."""
        raise NotImplementedError

    async def show_next(self) -> None:
        """Shows the next item, or the result after the last one."""
        raise NotImplementedError

    async def show_result(self) -> None:
        """Shows the result so far."""
        raise NotImplementedError

    async def after_saving(self) -> None:
        """Called once a decision is saved."""
        await self.show_next()

    # -- keys

    @property
    def deciding(self) -> bool:
        """An item is on the screen."""
        return self.query_one(ContentSwitcher).current == "vote-item"

    async def action_result(self) -> None:
        """Switches between the result so far and the item."""
        self.said = ""
        if self.deciding:
            await self.show_result()
        else:
            await self.show_next()

    async def action_back(self) -> None:
        """Closes the innermost of: the question, the result so far, the view."""
        line = self.query_one(AskLine)
        if line.asking:
            line.stop()
        elif not self.deciding and self.has_more():
            await self.action_result()
        else:
            self.dismiss()

    def action_leave(self) -> None:
        self.dismiss()

    # -- saving

    def start(self, change: Callable[[], str]) -> None:
        """Makes a change in a thread; its result is told. Keys that follow at once are for what is not on the screen
        yet, and ignored."""
        self.saving = True
        self._save(change)

    @work(group="decide")
    async def _save(self, change: Callable[[], str]) -> None:
        try:
            self.said = await in_thread(change)
        except SmoltuiError as error:
            self.tell(f"{error.message} {error.hint}")
            return
        finally:
            self.saving = False
            self.refresh_bindings()
        await self.after_saving()

    # -- drawing

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width >= WIDE, "wide")
        self.set_class(event.size.height < 16, "tiny")

    def show_item(self, prompt: Text, keys_go_to: Widget) -> None:
        """Puts an item in front, whose answers are already drawn."""
        page = self.query_one("#vote-prompt", Page)
        page.query_one(Static).update(prompt)
        page.scroll_home(animate=False, immediate=True)
        self._bring("vote-item", keys_go_to)

    def show_text(self, text: RenderableType) -> None:
        """Puts the result in front, or why there is none."""
        page = self.query_one("#vote-result", Page)
        page.query_one(Static).update(text)
        page.scroll_home(animate=False, immediate=True)
        self._bring("vote-result", page)

    def _bring(self, view: str, keys_go_to: Widget) -> None:
        self.query_one(ContentSwitcher).current = view
        keys_go_to.focus()
        title = Text(f" {self.HEADING}", "bold", no_wrap=True, overflow="ellipsis")
        self.query_one("#vote-title", Static).update(title.append(self.title_words(), "not bold"))
        self.tell(self.said)
        self.refresh_bindings()

    def tell(self, text: str) -> None:
        self.said = text
        self.query_one("#vote-status", Static).update(
            Text(safe_line(redact(in_own_keys(self, text or self.hint())), 400))
        )
