"""Where the metrics of a run can be seen besides: the Trackio Space that its log names."""

from __future__ import annotations

import re

_SPACE = re.compile(r"https://huggingface\.co/spaces/[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*[A-Za-z0-9]")


def tracker_link(line: str) -> str | None:
    """The address of the Space in a line that Trackio printed (`trackio/deploy.py`, 0.43); None in any other line.

    Trackio begins its lines with `* ` and colours the address.
    """
    if not line.startswith("* ") or "/spaces/" not in line:
        return None
    found = _SPACE.search(line)
    return found[0] if found else None
