"""What the panes of the Pairs room share. The visible pane has the focus, so its keys work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

from rich.text import Text
from textual.containers import Container
from textual.message import Message
from textual.notifications import SeverityLevel
from textual.widget import Widget

from smoltui.backends.pairs.session import Here, PairsSession, StillLoadingError
from smoltui.errors import SmoltuiError
from smoltui.widgets.actions import Refusing
from smoltui.widgets.ask_line import Completing
from smoltui.widgets.unpainted import Unpainted

LOAD_AFTER_SECONDS = 0.3
"""Pause in typing before C libraries are loaded: each holds Python's lock for 0.1 to 0.3 s."""


class Host(Protocol):
    """What a pane needs of the room around it."""

    def say(self, message: str | SmoltuiError, *, severity: SeverityLevel = "information") -> None:
        """Shows a notification."""

    def ask(
        self,
        question: str,
        hint: str,
        answered: Callable[[str], object],
        value: str = "",
        completing: Completing | None = None,
    ) -> None:
        """Asks for one line of text, which `answered` receives; `completing` proposes how to complete it."""

    def hand_keys_to(self, widget: Widget | None) -> None:
        """Focuses a widget, once an open question is answered."""

    def draw_where(self, doing: str | None = None) -> None:
        """Draws the top line. `doing` says what is happening to the whole set; None keeps what it says."""

    def show_status(self, line: Text | None) -> None:
        """Draws the line above the keys; None hides it."""

    def undo_use(self) -> bool:
        """Undoes that the set was made the recipe's, if nothing was decided since; False if there is nothing of it."""

    async def at_rest(self) -> None:
        """Waits until no key was pressed for `LOAD_AFTER_SECONDS`."""


def tell(host: Host, error: SmoltuiError) -> None:
    """Shows an error; a set that is still loading is only a warning."""
    if isinstance(error, StillLoadingError):
        host.say(error.message, severity="warning")
    else:
        host.say(error)


def here_or_tell(host: Host, session: PairsSession) -> Here | None:
    """The current pair; None, after showing why, if it cannot be read."""
    try:
        return session.here()
    except SmoltuiError as error:
        tell(host, error)
        return None


class Pane(Refusing, Unpainted, Container, can_focus=True):
    """One view of the room. It has the focus while it is visible, so that key bar and help list its keys."""

    @property
    def host(self) -> Host:
        return cast("Host", self.screen)

    @property
    def keys_go_to(self) -> Widget:
        """The widget that has the focus while the pane is visible."""
        return self


class SetPane(Pane):
    """A view of an opened set. `take` is called before it is first visible, so `session` is always set."""

    session: PairsSession

    class Left(Message):
        """The view was left."""

    def take(self, session: PairsSession) -> None:
        """Switches to another set and drops unfinished work on the previous one."""
        self.workers.cancel_node(self)
        self.session = session

    def draw(self) -> None:
        """Draws the current state."""
        raise NotImplementedError

    def under_cursor(self) -> tuple[str, ...]:
        """Ids of the cards of the line under the cursor, then of the other lines; empty if lines have none."""
        return ()

    def action_leave(self) -> None:
        self.post_message(self.Left())
