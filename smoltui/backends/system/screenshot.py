"""Saves a screenshot as a file."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from smoltui.errors import InputError

MOST_TRIES = 100
"""Names that are tried for screenshots of the same second."""


def screenshot_name(time_format: str | None = None) -> str:
    """A file name with the local time (`time_format` as for strftime), such as `smoltui-2026-11-30-101530.svg`."""
    return f"smoltui-{datetime.now().astimezone().strftime(time_format or '%Y-%m-%d-%H%M%S')}.svg"


def save_screenshot(svg: str, path: Path) -> Path:
    """Writes a new file, and returns its path: `path`, or if that exists, the same with a number. Blocking.

    Raises:
        InputError: it cannot be written.
    """
    for number in range(1, MOST_TRIES + 1):
        found = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        try:
            with found.open("x", encoding="utf-8") as file:
                file.write(svg)
        except FileExistsError:
            continue
        except OSError as error:
            raise InputError(
                f"The screenshot cannot be saved ({error.strerror}): {found}", "Make the folder writable."
            ) from error
        return found
    raise InputError(f"There are {MOST_TRIES} screenshots of this second already: {path.parent}", "Delete some.")
