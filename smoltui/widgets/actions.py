"""The table of actions as Textual's bindings, and the reason why one cannot run now."""

from __future__ import annotations

from typing import Any, NamedTuple

from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.screen import Screen

from smoltui.core.actions.action import UNBOUND, Action, Place
from smoltui.core.actions.first import FIRST
from smoltui.core.actions.keys import written
from smoltui.core.actions.own_keys import follow, has_own_keys, own_key


def _place(name: str) -> Place:
    """A place of the table; those of the rooms are imported when one is opened."""
    if found := FIRST.get(name):
        return found
    from smoltui.core.actions.table import PLACES

    return PLACES[name]


def _action(id: str) -> Action | None:
    """An action by its id; None for a binding of Textual's own."""
    place = id.rpartition(".")[0]
    return next((action for action in _place(place).actions if action.id == id), None) if place else None


def bindings(place: str) -> list[BindingType]:
    """The keys of a place, for the `BINDINGS` of its class.

    Raises:
        KeyError: there is no such place in the table.
    """
    return [
        Binding(
            key,
            action.call,
            action.bar or action.words,
            show=bool(action.bar) and key == action.key_names[0],
            key_display=action.shown or None,
            priority=action.priority and len(key) > 1 and key not in ("question_mark", "colon"),
            id=action.id,
            tooltip=action.words,
        )
        for action in _place(place).actions
        for key in action.key_names
    ]


class Refusing:
    """A class whose actions can be refused, each with a sentence.

    Mixed into screens and widgets before Textual's class.
    """

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        """Why an action cannot run now: one sentence, which is shown when its key is pressed.

        Empty if it can. None if it means nothing here: it is not listed, and its key is passed to the enclosing widget.
        """
        return ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """As Textual asks it; classes implement `why_not`."""
        reason = self.why_not(action, parameters)
        return False if reason is None else None if reason else True


def refusal(node: DOMNode, action: str, parameters: tuple[object, ...]) -> str:
    """Why an action of this node cannot run now; empty if it can, or if it means nothing here."""
    return (node.why_not(action, parameters) or "") if isinstance(node, Refusing) else ""


class Offered(NamedTuple):
    """An action where one is now."""

    action: Action
    node: DOMNode
    """Where it runs."""
    keys: tuple[str, ...]
    """How its keys are written; empty without one."""
    enabled: bool

    @property
    def call(self) -> str:
        """What runs it on its node."""
        return self.action.call

    @property
    def reason(self) -> str:
        """Why it cannot run now; empty if it can."""
        app = self.node.app
        target, name, parameters = app._parse_action(self.call, self.node)
        return "" if self.enabled else in_own_keys(self.node.screen, refusal(target, name, parameters))


def offered(screen: Screen[object]) -> list[Offered]:
    """What can be done on a screen, innermost first; keys that something further in has taken are left out."""
    found: dict[str, tuple[Action, DOMNode, list[str], bool]] = {}
    for key, (node, binding, enabled, _) in screen.active_bindings.items():
        action = _action(binding.id or "")
        if action is None:
            continue
        keys = found.setdefault(action.id, (action, node, [], enabled))[2]
        if not key.startswith(UNBOUND):
            keys.append(action.shown or written(key))
    return [
        Offered(action, node, tuple(dict.fromkeys(keys)), enabled) for action, node, keys, enabled in found.values()
    ]


def in_own_keys(screen: Screen[Any], sentence: str) -> str:
    """A sentence of this screen, with the person's own keys in place of those of the table."""
    return follow(sentence, _places_of(screen)) if has_own_keys() else sentence


def shown_key(screen: Screen[Any], key: str) -> str:
    """A key of the table, as it is written, as this person has it on this screen."""
    return own_key(key, _places_of(screen)) if has_own_keys() else key


def _places_of(screen: Screen[Any]) -> list[str]:
    """Names of the places with keys on a screen, innermost first."""
    ids = (binding.id or "" for _, binding, _, _ in screen.active_bindings.values())
    return list(dict.fromkeys(id.rpartition(".")[0] for id in ids if id))


async def run_meaning(screen: Screen[object], meaning: str) -> None:
    """Runs what a key with this meaning would run, if the screen has one: a click on a heading sorts."""
    for one in offered(screen):
        if one.action.meaning == meaning:
            await screen.app.run_action(one.call, one.node)
            return
