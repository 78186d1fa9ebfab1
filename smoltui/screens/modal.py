"""Base class of dialogs: each is dismissed only once, however many closing keys arrive together."""

from __future__ import annotations

from textual.await_complete import AwaitComplete
from textual.command import Command, CommandList, CommandPalette
from textual.events import Mount, ScreenResume
from textual.message import Message
from textual.screen import ModalScreen, ScreenResultType
from textual.widgets import Input, OptionList


class Modal(ModalScreen[ScreenResultType]):
    """A dialog.

    Keys that arrive in one packet (slow connection, held key) reach a dialog before the first of them is handled.
    Textual's `dismiss` removes whatever screen is on top, so the second key would remove the room.
    """

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        return super().dismiss(result) if self.is_active else AwaitComplete()


class Palette(CommandPalette):
    """Textual's command palette with the same guard: it runs one command, and does not search after it was closed."""

    _unseen: Mount | None = None
    """Its first event, while it waits for the palette to be in front."""

    async def _on_message(self, message: Message) -> None:
        if isinstance(message, Mount) and not self.is_active:
            self._unseen = message  # a run that has started took us to another room: what to offer depends on the room
            return
        if isinstance(message, ScreenResume) and self.is_active and self._unseen is not None:
            mount, self._unseen = self._unseen, None
            await super()._on_message(mount)
        if isinstance(message, OptionList.OptionSelected | Input.Submitted | Input.Changed) and not self.is_active:
            return
        await super()._on_message(message)

    def _refresh_command_list(self, command_list: CommandList, commands: list[Command], clear_current: bool) -> None:
        if self.is_active:  # a canceled search may still deliver results
            super()._refresh_command_list(command_list, commands, clear_current)

    def _action_command_list(self, action: str) -> None:
        # Textual counts a page from where the highlighted command is drawn: nowhere before the first layout, or where
        # the terminal has no line left for the list.
        if self.query_one(CommandList).scrollable_content_region or not action.startswith("page_"):
            super()._action_command_list(action)

    def dismiss(self, result: None = None) -> AwaitComplete:
        return super().dismiss(result) if self.is_active else AwaitComplete()
