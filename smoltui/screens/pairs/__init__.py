"""The Pairs room: `room.py` composes it, with one file per task and per widget."""
