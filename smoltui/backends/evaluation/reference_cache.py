"""Where the log-probabilities of reference models are kept for the next evaluation (`scripts/reference_values.py`)."""

from __future__ import annotations

from pathlib import Path

from smoltui.backends.system import data_folder


def folder() -> Path | None:
    """The folder, which only its owner can read; None if it cannot be made: then nothing is kept."""
    path = data_folder.home() / "cache" / "reference"
    try:
        data_folder.private_folder(path)
    except OSError:
        return None
    return path
