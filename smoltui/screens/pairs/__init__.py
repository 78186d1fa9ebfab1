"""The Pairs room: `room.py` composes it, with one file for each thing a person does in it and each widget it draws."""
