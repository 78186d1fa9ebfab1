"""A person's own keys in the sentences that name keys: hints, messages, next steps.

The sentences name the keys of the table: "Press a to compare, or c to choose a model". Where they are shown, `follow`
puts the person's own keys in. Without a key map, it does nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from smoltui.core.actions.keys import written

PALETTE = ":"
"""Named for an action that has no key: the palette offers it."""
_NAMED = r"(?:enter|esc|tab|space|ctrl\+[a-z])"
_KEY = rf"(?:gg|g[rs]|{_NAMED}|[a-zA-Z0-9%!@+=/?$|<>\[\]-])"
_DOES = (
    "adds|applies|asks|audits|brings|cancels|changes|chooses|clears|closes|compares|continues|copies|counts|discards|does|"
    "edits|ends|excludes|explains|exports|fixes|follows|goes|has undone|ignores|keeps|leads|leaves|lists|makes|marks|"
    "measures|opens|pins|publishes|pushes|reads|redoes|reloads|removes|resumes|retries|returns|runs|samples|saves|scrolls|"
    "selects|shares|shows|starts|stops|submits|swaps|switches|takes|trains|tries|undoes|unloads|uses|votes|watches|writes"
)
_DO = "move|open|scroll|select|show|switch"
"""What two keys do together."""
_MENTION = (
    rf"\b[Pp]ress `?(?P<pressed>{_KEY})(?![\w'+])"
    rf"|(?:, | or |\bthen |\band )(?P<listed>{_KEY})(?=,? to |, to |\)|[.,]? then | for )"
    rf"|\bthen (?P<then>{_KEY})(?=[,.:)]|$)"
    rf"|(?<![^\s(])(?P<doing>{_KEY})(?=(?:,? (?:or|and|then) {_KEY}| [a-zA-Z])? (?:{_DOES})\b)"
    rf"|(?<![^\s(])(?P<first>{_KEY})(?= and {_KEY} (?:{_DO})\b)"
    rf"|\band (?P<second>{_KEY})(?= (?:{_DO})\b)"
    rf"|(?<![^\s(])(?P<named>{_NAMED})(?=(?:, {_NAMED})?: )"
    rf"|\[ (?P<button>{_KEY})(?= )"
    rf"|\((?:or )?(?P<alone>{_KEY})(?=\)|: [a-z])"
)
"""Where a sentence names a key: in a request, in a list of them, with what it does, before a colon, in brackets."""
_own: dict[str, str] = {}


def use_keys(own: Mapping[str, str]) -> None:
    """From now on, sentences name these keys: id of an action → its keys, with commas between."""
    _own.clear()
    _own.update(own)


def has_own_keys() -> bool:
    """Whether the person has changed any key."""
    return bool(_own)


def own_key(key: str, places: Iterable[str]) -> str:
    """The person's key for an action of these places that has this key in the table, as it is written."""
    return _changed(places).get(key, key) if _own else key


def follow(sentence: str, places: Iterable[str]) -> str:
    """The sentence with the person's own keys, of actions in these places (innermost first) and around them."""
    for start, end, new in reversed(replaced(sentence, places)):
        sentence = sentence[:start] + new + sentence[end:]
    return sentence


def replaced(sentence: str, places: Iterable[str]) -> list[tuple[int, int, str]]:
    """Where the sentence names a key that the person has changed: begin, end, and the key to show."""
    if not _own:
        return []
    known = _changed(places)
    found = []
    for match in re.finditer(_MENTION, sentence):
        name = match.lastgroup or ""
        if new := known.get(match[name]):
            found.append((*match.span(name), new))
    return found


def _changed(places: Iterable[str]) -> dict[str, str]:
    """Key of the table, as it is written → the person's key for the same action, where they differ."""
    found: dict[str, str] = {}
    for action, keys in _actions(places):
        before = [written(one) for one in keys]
        now = [written(one) for one in _own[action].split(",") if one] if action in _own else before
        for one in before:
            found.setdefault(one, one if one in now else now[0] if now else PALETTE)
    return {one: new for one, new in found.items() if new != one}


def _actions(places: Iterable[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Ids and keys of the actions in these places and around them; then letters that the person changed elsewhere."""
    from smoltui.core.actions.table import ACTIONS, PLACES, around

    for name in places:
        for place in around(PLACES[name]) if name in PLACES else ():
            yield from ((one.id, one.key_names) for one in place.actions)
    for id in _own:
        if id in ACTIONS and ACTIONS[id].keys:
            yield id, tuple(key for key in ACTIONS[id].key_names if len(key) <= 2)
