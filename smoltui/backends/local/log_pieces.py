"""The log file of a run in pieces of bytes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from smoltui.errors import InputError

LINE_LIMIT = 1 << 20
"""Maximum bytes of a line that are read; the rest of a longer line stays in the log file."""
CHUNK = 1 << 20
"""Bytes read at a time."""


class Span(NamedTuple):
    """Byte offsets of a line in a log, without its newline."""

    begin: int
    end: int


def open_log(path: Path) -> int:
    """A descriptor of a log. Raises FileNotFoundError if it does not exist yet, InputError if it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise unreadable_log(path, "not a file")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise unreadable_log(path, error.strerror or str(error)) from error
    return descriptor


def unreadable_log(path: Path, why: str) -> InputError:
    return InputError(f"The log of this run cannot be read ({why}): {path}", f"Make it readable: chmod u+r {path}")


def cut(rest: bytes, more: int = 0) -> bytes:
    """The start of a line, at most the limit and `more` bytes; if it has states of a progress bar, of the last one."""
    if len(rest) <= LINE_LIMIT + more:
        return rest
    return rest[rest.rfind(b"\r") + 1 :][: LINE_LIMIT + more]


def from_supervisor(line: bytes, key: str | None) -> bool:
    """Whether the supervisor of the run wrote this line: it contains the run's key, which the script is not given.

    `key`: `log_key` in the run's `spec.json`; None if it has none, and then no line counts as the supervisor's.
    """
    return key is not None and f'"key": "{key}"'.encode() in line


class Pieces:
    """A log in pieces of whole lines, from an offset. The end of a line that is too long is skipped."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path, self.offset = path, offset
        """`offset`: where the next piece starts."""
        self._inside = False
        """The next bytes belong to a line that is too long."""

    def read(self, *, to_end: bool = False) -> Iterator[bytes]:
        """The new pieces. With `to_end`, including an unfinished last line. Raises InputError: it cannot be read."""
        try:
            if os.stat(self.path).st_size == self.offset:  # noqa: PTH116  # nothing new, in most cases
                return
            descriptor = open_log(self.path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise unreadable_log(self.path, error.strerror or str(error)) from error
        try:
            size = os.fstat(descriptor).st_size
            # No more than there is: memory for a whole chunk is taken from the system and given back each time.
            while data := os.pread(descriptor, min(CHUNK, max(0, size - self.offset)), self.offset):
                if self._inside:
                    first = data.find(b"\n") + 1
                    self.offset += first or len(data)
                    self._inside = not first
                    continue
                end = data.rfind(b"\n") + 1
                if not end and len(data) == CHUNK:
                    # Only the last state of a progress bar matters; anything else this long is not a line.
                    end = data.rfind(b"\r") + 1
                    self._inside = not end
                    self.offset += end or len(data)
                    continue
                if not end and not to_end:
                    return
                piece = data[:end] if end else data
                self.offset += len(piece)
                yield piece
        except OSError as error:
            raise unreadable_log(self.path, error.strerror or str(error)) from error
        finally:
            os.close(descriptor)
