"""Base class of dialogs: each is dismissed only once, however many closing keys arrive together."""

from __future__ import annotations

from textual.await_complete import AwaitComplete
from textual.command import Command, CommandList, CommandPalette
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

    async def _on_message(self, message: Message) -> None:
        if isinstance(message, OptionList.OptionSelected | Input.Submitted | Input.Changed) and not self.is_active:
            return
        await super()._on_message(message)

    def _refresh_command_list(self, command_list: CommandList, commands: list[Command], clear_current: bool) -> None:
        if self.is_active:  # a canceled search may still deliver results
            super()._refresh_command_list(command_list, commands, clear_current)

    def dismiss(self, result: None = None) -> AwaitComplete:
        return super().dismiss(result) if self.is_active else AwaitComplete()
