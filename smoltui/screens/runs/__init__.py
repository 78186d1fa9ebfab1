"""The room of runs."""

from smoltui.screens.runs.room import RunsRoom

__all__ = ["RunsRoom"]
