"""The places that the first frame needs; the others are imported with their rooms."""

from __future__ import annotations

from smoltui.core.actions import app, home
from smoltui.core.actions.action import Place

FIRST: dict[str, Place] = {place.name: place for place in (app.APP, app.EXPLAINS, *home.PLACES, app.DEVICE, app.PAGE)}
"""Name → place."""
