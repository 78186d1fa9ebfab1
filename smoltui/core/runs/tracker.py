"""Another place to see a run's metrics: the Trackio Space in its log."""

from __future__ import annotations

import re

_SPACE = re.compile(r"https://huggingface\.co/spaces/[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*[A-Za-z0-9]")


def tracker_link(line: str) -> str | None:
    """The URL of the Space in a line printed by Trackio (`trackio/deploy.py`, 0.43); None in any other line.

    Trackio starts its lines with `* ` and colours the URL.
    """
    if not line.startswith("* ") or "/spaces/" not in line:
        return None
    found = _SPACE.search(line)
    return found[0] if found else None
