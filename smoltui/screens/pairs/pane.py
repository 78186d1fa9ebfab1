"""What the panes of the Pairs room share: the keys are those of the pane that has the focus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

from rich.text import Text
from textual.containers import Container
from textual.message import Message
from textual.notifications import SeverityLevel
from textual.widget import Widget

from smoltui.backends.pairs_session import Here, PairsSession, StillLoadingError
from smoltui.errors import SmoltuiError

LOAD_AFTER_SECONDS = 0.3
"""Libraries of C hold Python's lock for 0.1 to 0.3 s each while they are loaded: not while somebody types."""


class Host(Protocol):
    """What a pane asks of the room around it."""

    def say(self, message: str | SmoltuiError, *, severity: SeverityLevel = "information") -> None:
        """One sentence to the person."""

    def ask(self, question: str, hint: str, answered: Callable[[str], object], value: str = "") -> None:
        """Asks for one line; `answered` gets it."""

    def hand_keys_to(self, widget: Widget | None) -> None:
        """Gives a widget the focus, as soon as nothing is asked."""

    def draw_where(self, doing: str | None = None) -> None:
        """Draws the line on top. `doing`: what goes on with the whole set, in words; None: as it was said last."""

    def show_status(self, line: Text | None) -> None:
        """Draws the line above the keys; None: there is none."""

    async def at_rest(self) -> None:
        """Waits until no key has come for `LOAD_AFTER_SECONDS`."""


def tell(host: Host, error: SmoltuiError) -> None:
    """Says what went wrong; that something is not loaded yet is no error."""
    if isinstance(error, StillLoadingError):
        host.say(error.message, severity="warning")
    else:
        host.say(error)


def here_or_tell(host: Host, session: PairsSession) -> Here | None:
    """The pair of the current row; None where it cannot be had, which is said."""
    try:
        return session.here()
    except SmoltuiError as error:
        tell(host, error)
        return None


class Pane(Container, can_focus=True):
    """One view of the room. While it is shown it has the focus, so that bar and help list its keys."""

    @property
    def host(self) -> Host:
        return cast("Host", self.screen)

    @property
    def keys_go_to(self) -> Widget:
        """What gets the focus while the pane is shown."""
        return self


class SetPane(Pane):
    """A view of an opened set. `take` comes before anything else, so that the session is always there."""

    session: PairsSession

    class Left(Message):
        """The person is done with this view."""

    def take(self, session: PairsSession) -> None:
        """Another set is opened: what was being made for the one before is dropped."""
        self.workers.cancel_node(self)
        self.session = session

    def draw(self) -> None:
        """Draws what there is now."""
        raise NotImplementedError

    def action_leave(self) -> None:
        self.post_message(self.Left())
