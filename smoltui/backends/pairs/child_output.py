"""What the child processes of this package share: they give way to the app, and answer in JSON lines.

`audit`, `count_tokens` and `import_set` are run by `opened_set.ask_child`, which reads the lines.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from smoltui.backends.system.known_secrets import register_secrets_of_machine
from smoltui.backends.system.pandas_block import block_pandas
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact

PROGRESS_SECONDS = 0.2
"""Minimum time between two lines of progress."""
FAILED = 2
"""Exit code after {"error", "hint"}."""

Line = Mapping[str, object]


def run_child(work: Callable[[], Line], unwritable: Callable[[OSError], SmoltuiError]) -> int:
    """Runs `work` and prints the line it returns, or {"error", "hint"}. Returns the exit code.

    `unwritable` describes an OSError, such as a full disk.
    """
    register_secrets_of_machine()
    block_pandas()
    with suppress(OSError):
        os.nice(5)  # keys come first
    try:
        print_line(work())
    except SmoltuiError as error:
        return _failed(error)
    except OSError as error:
        return _failed(unwritable(error))
    return 0


def _failed(error: SmoltuiError) -> int:
    print_line({"error": redact(error.message), "hint": redact(error.hint)})
    return FAILED


def print_line(line: Line) -> None:
    """Prints one JSON line."""
    print(json.dumps(line, ensure_ascii=True), flush=True)


class Progress:
    """Prints some of many lines: at most one per `PROGRESS_SECONDS`."""

    def __init__(self) -> None:
        self._printed_at = 0.0

    def __call__(self, line: Line) -> None:
        if (now := time.monotonic()) - self._printed_at > PROGRESS_SECONDS:
            self._printed_at = now
            print_line(line)
