"""The user's editor and pager."""

from __future__ import annotations

import os
import shlex
import shutil


def editor_command() -> list[str] | None:
    """VISUAL, EDITOR or the first common editor that is installed, as a list of words; None if there is none.

    A variable that cannot be split (a missing quote) becomes one word; starting it then fails with a message.
    """
    return _chosen(("VISUAL", "EDITOR"), ("nano", "vim", "vi", "emacs"))


def pager_command() -> list[str] | None:
    """PAGER or the first common pager that is installed, as `editor_command`."""
    return _chosen(("PAGER",), ("less", "more"))


def _chosen(variables: tuple[str, ...], programs: tuple[str, ...]) -> list[str] | None:
    for name in variables:
        value = os.environ.get(name, "")
        try:
            words = shlex.split(value)
        except ValueError:
            words = [value]
        if words:
            return words
    found = next((path for name in programs if (path := shutil.which(name))), None)
    return [found] if found else None
