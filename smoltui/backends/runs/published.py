"""What was published of a run, kept in its folder."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from smoltui.backends.system import data_folder
from smoltui.errors import InputError

PUSH, PULL_REQUEST = "push", "pull_request"
"""What was published: a model, or an entry of a leaderboard."""


def keep(folder: Path, what: str, facts: dict[str, Any]) -> Path:
    """Stores what was published as `submissions-<time>.json` in a run's folder. `what`: `PUSH` or `PULL_REQUEST`.

    Raises:
        InputError: the folder cannot be written.
    """
    now = time.time()
    path = folder / f"submissions-{time.strftime('%Y%m%dT%H%M%S', time.gmtime(now))}{int(now % 1 * 1e6):06d}Z.json"
    try:
        data_folder.private_folder(folder)
        data_folder.write_json(path, {"at": now, "what": what, **facts})
    except OSError as error:
        raise InputError(
            f"It was published, but that could not be saved ({error.strerror}): {path}",
            "Free some space there, make it writable, or set SMOLTUI_HOME to another data folder.",
        ) from error
    return path


def kept(folder: Path, what: str) -> list[dict[str, Any]]:
    """What was published of a run, newest first; unreadable files are skipped."""
    found = []
    with suppress(OSError):
        for path in sorted(folder.glob("submissions-*.json"), reverse=True):
            data = data_folder.read_json(path)
            if data is not None and data.get("what") == what:
                found.append(data)
    return found


def pushed_repos(folder: Path) -> list[str]:
    """Repositories on the Hub that the run's model was pushed to, the newest first."""
    return [each["repo"] for each in kept(folder, PUSH) if isinstance(each.get("repo"), str)]
