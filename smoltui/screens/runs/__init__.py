"""The Runs room: `room.py` composes it, with one file per task, per dialog and per widget."""
