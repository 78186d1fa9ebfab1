"""What the palette offers: every action of the screen it was opened on, and the documentation."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.types import IgnoreReturnCallbackType

from smoltui.core.actions.action import Group
from smoltui.screens.room import Room
from smoltui.widgets.actions import Offered, offered

ORDER = (Group.DO, Group.PROJECT, Group.SEE, Group.APP, Group.MOVE)
"""Groups in the order in which they are offered: one moves without a palette."""
OPENS_IT = "app.palette"


class Command(NamedTuple):
    """One line of the palette."""

    words: str
    run: IgnoreReturnCallbackType
    about: str


class Commands(Provider):
    """Actions of the table, then the app's own commands."""

    async def discover(self) -> Hits:
        for command in self._commands():
            yield DiscoveryHit(command.words, command.run, help=command.about)

    async def search(self, query: str) -> Hits:
        if (hit := self._number(query)) is not None:
            yield hit
        matcher = self.matcher(query)
        for command in self._commands():
            if (score := matcher.match(command.words)) > 0:
                yield Hit(score, matcher.highlight(command.words), command.run, help=command.about)

    def _number(self, query: str) -> Hit | None:
        """`120` goes to the pair with this number."""
        text, room = query.strip().replace(",", ""), self.screen
        if not (text.isdecimal() and text.isascii() and isinstance(room, Room) and room.numbered):
            return None
        number = int(text[:12])
        return Hit(1.0, f"Go to {room.numbered} {number:,}", partial(room.go_to_number, number))

    def _commands(self) -> Iterator[Command]:
        found = sorted(
            (one for one in offered(self.screen) if one.action.id != OPENS_IT),
            key=lambda one: ORDER.index(one.action.group),
        )
        for one in found:
            yield Command(one.action.words, partial(self._run, one), _about(one))
        for command in self.app.get_system_commands(self.screen):
            yield Command(command.title, command.callback, command.help)

    async def _run(self, one: Offered) -> None:
        await self.app.run_action(one.call, one.node)


def _about(one: Offered) -> str:
    """Group and keys; for what cannot be done now, the reason."""
    keys = " ".join(one.keys)
    parts = (f"not now: {one.reason}" if one.reason else "", one.action.group.value, f"key {keys}" if keys else "")
    return " · ".join(part for part in parts if part)
