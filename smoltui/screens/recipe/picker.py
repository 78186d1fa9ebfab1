"""Chooses a value that a place offers for a setting, such as a partition of the cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from textual.screen import Screen

from smoltui.backends.services import place_listing
from smoltui.core.runs.choice import Choice
from smoltui.errors import InputError
from smoltui.screens.picker import Load, Picker
from smoltui.workspace import workspace_of


async def pick(screen: Screen[Any], key: str, values: Mapping[str, object]) -> str | None:
    """The value that a person chooses for a key of `smoltui.toml`; None if none was. Only in a worker.

    `values`: what the file sets, by key with its table.
    """
    place, services = place_listing(key), workspace_of(screen.app).services
    if place is None:
        return None
    table, _, name = key.rpartition(".")
    engine = services.engines.get(place.name)

    async def missing() -> Sequence[Choice]:
        needs = f"{place.subject} can't be asked on this machine: {place.needs} is not on the PATH"
        raise InputError(needs, "Type the name: press esc, then enter.")

    beside = {one.removeprefix(f"{table}."): value for one, value in values.items() if one.startswith(f"{table}.")}
    load: Load = missing if engine is None else partial(engine.choices, name, beside)
    return await screen.app.push_screen_wait(Picker(f"{key}: {place.title}", load, str(values.get(key) or "")))
