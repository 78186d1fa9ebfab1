"""A person's own keys: the table `[keys]` of their configuration, checked against the table of actions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from smoltui.core.actions.action import UNBOUND, Action, Place
from smoltui.core.actions.keys import is_chord, key_name, written
from smoltui.core.actions.table import ACTIONS, PLACES, around
from smoltui.suggestions import did_you_mean

EVERYWHERE = "*"
"""In place of a room: in every place that has an action of this name."""


@dataclass(frozen=True)
class KeyMap:
    """What counts of a person's table, and what does not."""

    keys: Mapping[str, str]
    """Id of an action → its keys as Textual has them, with commas between."""
    problems: tuple[str, ...] = ()
    """One sentence for each entry that does not work, and for each key that two actions want."""


def key_map(table: object) -> KeyMap:
    """Reads the table `[keys]`. Whatever it holds, this does not fail: what is wrong is a sentence."""
    if not isinstance(table, Mapping):
        return KeyMap({}, ("[keys] in config.toml is not a table: write names of actions and their keys below it",))
    keys: dict[str, str] = {}
    problems: list[str] = []
    for name, value in _flat(table, ""):
        ids = _ids(name)
        if not ids:
            known = ACTIONS if EVERYWHERE not in name else {f"{EVERYWHERE}.{each.name}" for each in ACTIONS.values()}
            said = f"There is no action {name[:60]} for [keys] in config.toml."
            problems.append(f"{said} {did_you_mean(name[:60], known)}".strip())
            continue
        found = _keys(value)
        if isinstance(found, str):
            keys.update(dict.fromkeys(ids, found))
        else:
            problems.append(
                f"{name} in config.toml has no keys that exist: {str(value)[:60]}. Write them as in help (?)"
            )
    return KeyMap(keys, (*problems, *_conflicts(keys)))


def _flat(table: Mapping[object, object], before: str) -> Iterator[tuple[str, object]]:
    """Names and values; `pairs.next` without quotes is a table in a table."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _ids(name: str) -> list[str]:
    place, _, action = name.partition(".")
    if place == EVERYWHERE:
        return [each.id for each in ACTIONS.values() if each.name == action]
    return [name] if name in ACTIONS else []


def _keys(value: object) -> str | None:
    """The keys of an entry as Textual has them; those of no key for an empty text. None if one does not exist."""
    if isinstance(value, str):
        parts = [value] if len(value.strip()) < 2 else value.split(",")
    elif isinstance(value, list) and all(isinstance(part, str) for part in value):
        parts = value
    else:
        return None
    try:
        return ",".join(dict.fromkeys(key_name(part) for part in parts if part))
    except ValueError:
        return None


# -- two actions on one key


def _now(action: Action, keys: Mapping[str, str]) -> tuple[str, ...]:
    own = keys.get(action.id)
    return action.key_names if own is None else tuple(own.split(",")) if own else ()


def _conflicts(keys: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each new key of an action that another one has in the same place, or around it."""
    new = {(name, key) for name in keys for key in _now(ACTIONS[name], keys) if key not in ACTIONS[name].key_names}
    said: set[tuple[str, str]] = set()
    for place in PLACES.values():
        taken: dict[str, Action] = {}
        for action in _inside_out(place, keys):
            for key in _now(action, keys):
                wins = other = taken.setdefault(key, action)
                if other is action and (near := _chord(key, taken)):
                    other = taken[near]
                    wins, key = (action, near) if len(near) == 1 else (other, key)  # two keys go before the first
                mine = next((one for one in (action, other) if (one.id, key) in new), None)
                same = other is action or other.meaning == action.meaning
                if not same and mine is not None and (mine.id, key) not in said:
                    said.add((mine.id, key))
                    yield (
                        f"{written(key)} is on {other.id} and on {action.id} in config.toml: "
                        f"in {place.title}, it is for “{wins.words}”"
                    )


def _chord(key: str, taken: Mapping[str, Action]) -> str:
    """Two keys of which this is the first, or the first of these two; empty if neither is taken."""
    if is_chord(key):
        return key[0] if key[0] in taken else ""
    return next((each for each in taken if len(key) == 1 and is_chord(each) and each[0] == key), "")


def _inside_out(place: Place, keys: Mapping[str, str]) -> Iterator[Action]:
    """What works in a place, innermost first; in one place, what the person changed comes first, as it wins."""
    for each in around(place):
        yield from sorted(each.actions, key=lambda action: action.id not in keys)


def unbound(keys: Mapping[str, str]) -> dict[str, str]:
    """The map as Textual takes it: an action without a key gets one that is never pressed."""
    return {name: own or f"{UNBOUND}{name}" for name, own in keys.items()}
