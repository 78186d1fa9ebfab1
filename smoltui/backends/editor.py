"""The person's own editor."""

from __future__ import annotations

import os
import shlex
import shutil


def editor_command() -> list[str] | None:
    """VISUAL, EDITOR or the first common editor that is installed, as words of a command; None when there is none.

    A variable that cannot be split (a lost quote) is given as one word, which then cannot be started and is said so.
    """
    for name in ("VISUAL", "EDITOR"):
        value = os.environ.get(name, "")
        try:
            words = shlex.split(value)
        except ValueError:
            words = [value]
        if words:
            return words
    found = next((path for name in ("nano", "vim", "vi", "emacs") if (path := shutil.which(name))), None)
    return [found] if found else None
