"""The Pairs room: `room.py` composes it, one file for each thing a person does in it."""

from smoltui.screens.pairs.room import PairsRoom

__all__ = ["PairsRoom"]
