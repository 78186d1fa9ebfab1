"""What local runs were when they ended, in one file of the data folder: a list of thousands reads this file alone.

One file for each run would take as long to create as finding out what it says. It is a cache: what cannot be read is
worked out again, and so is what another process overwrites.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from smoltui.backends.system import data_folder
from smoltui.backends.system.small_file import read_small

NAME = "run-ends.jsonl"
"""Lines of an id and an object, both as JSON, with a tab between them."""
MOST_BYTES = 256 << 20
"""A larger file is not read: it would have the ends of 170,000 runs."""
MOST_BYTES_EACH = 1 << 18
"""A longer line is neither written nor read."""


class SavedEnds:
    """The file as it is when something is first asked of it, with what was put there since."""

    def __init__(self) -> None:
        self._path = data_folder.home() / NAME
        self._saved: dict[bytes, bytes] | None = None
        self._new: dict[bytes, bytes] = {}

    def get(self, run_id: str) -> dict[str, Any] | None:
        """What was saved of a run; None if nothing was."""
        if self._saved is None:
            self._saved = _lines(self._path)
        try:
            data = json.loads(self._saved[_key(run_id)])
        except (KeyError, ValueError, RecursionError):
            return None
        return data if isinstance(data, dict) else None

    def put(self, run_id: str, data: dict[str, Any]) -> None:
        """What `write` is to save of a run."""
        # Half a surrogate pair, which cannot be encoded, is escaped as \udc80, which is valid JSON.
        line = json.dumps(data, ensure_ascii=False).encode("utf-8", "backslashreplace")
        if len(line) <= MOST_BYTES_EACH:
            self._new[_key(run_id)] = line

    def write(self, run_ids: Collection[str] | None = None) -> None:
        """Saves what was put here. `run_ids`: all runs, so that the others are deleted from the file; None: unknown.

        If the disk cannot be written, it is worked out again next time.
        """
        if not self._new and not self._saved:
            return
        kept = None if run_ids is None else {_key(run_id) for run_id in run_ids}
        if not self._new and (kept is None or (self._saved or {}).keys() <= kept):
            return
        lines = _lines(self._path) | self._new  # another process may have written it since
        if kept is not None:
            lines = {key: line for key, line in lines.items() if key in kept}
        with suppress(OSError):
            data_folder.replace_file(self._path, b"".join(b"%b\t%b\n" % each for each in lines.items()))


def _key(run_id: str) -> bytes:
    return json.dumps(run_id).encode()


def _lines(path: Path) -> dict[bytes, bytes]:
    """Id → object, neither decoded; of several lines with one id, the last."""
    try:
        data = read_small(path, MOST_BYTES)
    except OSError:
        return {}
    parts = (line.partition(b"\t") for line in data.split(b"\n"))
    return {key: value for key, _, value in parts if value and len(value) <= MOST_BYTES_EACH}
