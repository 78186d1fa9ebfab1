"""The whole table: every place, and every action by its id."""

from __future__ import annotations

from collections.abc import Iterator

from smoltui.core.actions import dialogs, evaluate, pairs, recipe, runs, submit
from smoltui.core.actions.action import Action, Place
from smoltui.core.actions.first import FIRST

PLACES: dict[str, Place] = {
    place.name: place
    for place in (
        *FIRST.values(),
        *pairs.PLACES,
        *recipe.PLACES,
        *runs.PLACES,
        *evaluate.PLACES,
        *submit.PLACES,
        *dialogs.PLACES,
    )
}
"""Name → place."""
ACTIONS: dict[str, Action] = {action.id: action for place in PLACES.values() for action in place.actions}
"""Id → action."""


def around(place: Place) -> Iterator[Place]:
    """A place, and those around it whose keys work in it, innermost first."""
    yield place
    while place.inside:
        place = PLACES[place.inside]
        yield place
