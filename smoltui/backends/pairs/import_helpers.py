"""Further processes that import parts of a large set: every core but one is used.

Each one opens the set itself and writes every n-th part, with what it found in `part-00003.meta.json` beside it. The
process that started them imports its own share, and adds up what they found, in order.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from smoltui.backends.pairs.store import PART_ROWS, Meta
from smoltui.backends.system.child import exit_in_words, leashed
from smoltui.backends.system.data_folder import read_json, write_json
from smoltui.errors import PairsError, RunFailedError

MODULE = "smoltui.backends.pairs.import_set"
LEAST_PARTS = 8
"""Parts of a set that are worth the start of another process, which takes as long as importing one of them."""
MOST = 8
"""Processes: each takes about 100 MB."""
LOOK_SECONDS = 0.05


def processes(parts: int) -> int:
    """Number of processes that import a set of so many parts, including this one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores - 1, MOST, parts // LEAST_PARTS))


class Helpers:
    """The processes that import parts `first` + 1, `first` + 2, … of every `count` + 1 parts."""

    def __init__(self, folder: Path, first: int, count: int) -> None:
        self._folder = folder
        for path in folder.glob("part-*.meta.json"):  # of an import that was stopped
            path.unlink(missing_ok=True)
        shares = [[str(folder), str(first + number), str(count + 1)] for number in range(1, count + 1)]
        self._children = [
            subprocess.Popen(leashed("-m", MODULE, *share), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
            for share in shares
        ]

    def found(self, part: int) -> Meta | None:
        """What was found in a part; None if it is not imported yet.

        Raises:
            PairsError, RunFailedError: a process ended without importing its share.
        """
        data = read_json(_beside(self._folder, part))
        if data is None:
            self._check()
            return None
        _beside(self._folder, part).unlink(missing_ok=True)
        return Meta(**data)

    def _check(self) -> None:
        for child in self._children:
            if child.poll():
                said = child.stdout.read() if child.stdout else b""
                with suppress(ValueError, IndexError, KeyError):
                    line = json.loads(said.splitlines()[-1])
                    raise PairsError(line["error"], line.get("hint", ""))
                how = exit_in_words(child.returncode)
                raise RunFailedError(f"Reading the pairs was interrupted ({how})", "Press r to reload the set.")

    def close(self) -> None:
        """Ends the processes that still run."""
        for child in self._children:
            if child.poll() is None:
                child.kill()
            child.wait()
            if child.stdout:
                child.stdout.close()


@contextmanager
def helpers(folder: Path, first: int, count: int) -> Iterator[Helpers]:
    """`count` processes that are ended with the block."""
    found = Helpers(folder, first, count)
    try:
        yield found
    finally:
        found.close()


def report_part(folder: Path, part: int, found: Meta) -> None:
    """Tells the process that started this one what a part contains."""
    write_json(_beside(folder, part), asdict(found))


def add_up(meta: Meta, found: Meta, kinds: Callable[[dict[str, str], str, str], None]) -> None:
    """Adds the rows of the next part to what is known of a set; `kinds` notes the kind of a further column."""
    meta.rows += found.rows
    meta.broken_rows += found.broken_rows
    meta.broken = meta.broken or found.broken
    for name, kind in found.extras.items():
        kinds(meta.extras, name, kind)


def wait_for(part: int, found: Helpers) -> Meta:
    """What was found in a part, once it is imported. Raises as `Helpers.found`."""
    while (meta := found.found(part)) is None:
        time.sleep(LOOK_SECONDS)
    return meta


def parts_of(rows: int) -> int:
    """Number of parts of a set."""
    return -(-rows // PART_ROWS)


def _beside(folder: Path, part: int) -> Path:
    return folder / f"part-{part:05d}.meta.json"
