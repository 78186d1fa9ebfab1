"""Base class of dialogs: each is dismissed only once, however many closing keys arrive together."""

from __future__ import annotations

from typing import ClassVar

from textual import work
from textual.await_complete import AwaitComplete
from textual.binding import BindingType
from textual.command import Command, CommandList, CommandPalette, DiscoveryHit, Hit
from textual.events import Mount, ScreenResume
from textual.message import Message
from textual.screen import ModalScreen, ScreenResultType
from textual.widgets import Input, OptionList

from smoltui.safe_text import safe_line
from smoltui.widgets.actions import Refusing, bindings
from smoltui.widgets.selectable import SelectsCells
from smoltui.wire.in_turn import KeysInTurn


class Modal(Refusing, ModalScreen[ScreenResultType], SelectsCells[ScreenResultType]):
    """A dialog.

    Keys that arrive in one packet (slow connection, held key) reach a dialog before the first of them is handled.
    Textual's `dismiss` removes whatever screen is on top, so the second key would remove the room.
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings("dialog")

    async def _on_message(self, message: Message) -> None:
        if isinstance(message, Mount) and (self._closing or self._pruning):
            return  # it was closed before it was composed, and has nothing to draw on
        await super()._on_message(message)

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        return super().dismiss(result) if self.is_active else AwaitComplete()


class Palette(CommandPalette):
    """Textual's command palette with the same guard: it runs one command, and does not search after it was closed.

    Enter never runs what an earlier query listed: letters and enter may arrive in one packet.
    """

    _unseen: Mount | None = None
    """Its first event, while it waits for the palette to be in front."""
    _searched = ""
    """The newest query."""
    _listed = ""
    """The query that the list answers."""

    async def _on_message(self, message: Message) -> None:
        if isinstance(message, Mount) and not self.is_active:
            self._unseen = message  # a run that has started took us to another room: what to offer depends on the room
            return
        if isinstance(message, ScreenResume) and self.is_active and self._unseen is not None:
            mount, self._unseen = self._unseen, None
            await super()._on_message(mount)
        if isinstance(message, OptionList.OptionSelected | Input.Submitted | Input.Changed) and not self.is_active:
            return
        if isinstance(message, Input.Changed):
            self._searched = message.value
        if isinstance(message, Input.Submitted) and message.value and self._listed != message.value:
            message.stop()  # what is listed answers an earlier query, or nothing is listed yet
            self._run_best(message.value)
            return
        if isinstance(message, Input.Submitted) and (chosen := self._highlighted()) is not None:
            message.stop()
            self._run(chosen)  # Textual asks the list for it by a message, and the next key of the packet comes first
            return
        await super()._on_message(message)

    def _refresh_command_list(self, command_list: CommandList, commands: list[Command], clear_current: bool) -> None:
        if self.is_active:  # a canceled search may still deliver results
            self._listed = self._searched
            super()._refresh_command_list(command_list, commands, clear_current)

    @work(exclusive=True)
    async def _run_best(self, query: str) -> None:
        """Runs the best match of a query that was submitted before its matches were listed."""
        assert isinstance(self.app, KeysInTurn)
        with self.app.hold_keys():
            found = [hit for provider in self._providers async for hit in provider._search(query)]
            if not self.is_active:
                return
            if found:
                self._run(max(found, key=lambda hit: hit.score))
            else:
                self.notify(f"No command matches “{safe_line(query, 40)}”", severity="warning", markup=False)

    def _highlighted(self) -> Hit | DiscoveryHit | None:
        commands = self.query_one(CommandList)
        if commands.highlighted is None:
            return None
        command = commands.get_option_at_index(commands.highlighted)
        return command.hit if isinstance(command, Command) else None

    def _run(self, chosen: Hit | DiscoveryHit) -> None:
        self.dismiss()
        self.app.call_later(chosen.command)

    def _action_command_list(self, action: str) -> None:
        # Textual counts a page from where the highlighted command is drawn: nowhere before the first layout, or where
        # the terminal has no line left for the list.
        if self.query_one(CommandList).scrollable_content_region or not action.startswith("page_"):
            super()._action_command_list(action)

    def dismiss(self, result: None = None) -> AwaitComplete:
        return super().dismiss(result) if self.is_active else AwaitComplete()
