"""A file of lines that is only ever appended to, by several processes, each line on the disk before the next."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from smoltui.backends.system.small_file import read_small
from smoltui.errors import InputError

MOST_BYTES = 512 << 20
LOCK_SECONDS = 10.0
"""Another process has the lock only while it writes; if it takes longer than this, it hangs."""
FULL = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers of a full disk."""


class AppendedFile:
    """One such file. `what` names its contents in errors, such as `votes`."""

    def __init__(self, path: Path, what: str, *, private: bool = False) -> None:
        self.path = path
        self._what = what
        self._mode = 0o600 if private else 0o644

    def read(self) -> bytes:
        """Everything in it; nothing if it does not exist.

        Raises:
            InputError: it cannot be read.
        """
        try:
            return read_small(self.path, MOST_BYTES)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise InputError(
                f"The {self._what} cannot be read ({error.strerror or error}): {self.path}",
                "Make the file readable, or move it away to start over.",
            ) from error

    def append(self, data: bytes) -> None:
        """Appends lines, all or none, and waits until they are on the disk.

        Raises:
            InputError: they cannot be written; the file is unchanged.
        """
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(self.path, flags, self._mode)
            try:
                self._lock(descriptor)
                append_lines(descriptor, data)
            finally:
                os.close(descriptor)  # releases the lock
        except OSError as error:
            raise self.unsaved(error) from error

    def unsaved(self, error: OSError) -> InputError:
        """The error for lines that cannot be written."""
        said = "the disk is full" if error.errno in FULL else error.strerror or error
        return InputError(
            f"The {self._what} could not be saved ({said}): {self.path}",
            "Free some space there, or make it writable, then repeat the last step.",
        )

    def _lock(self, descriptor: int) -> None:
        until = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > until:
                    raise OSError(errno.EAGAIN, "another program keeps it locked") from error
                time.sleep(0.01)
            else:
                return


def append_lines(descriptor: int, data: bytes) -> None:
    """Appends `data`, after completing a truncated last line; on an error the file is cut back to its old length.

    Raises:
        OSError: nothing was written.
    """
    length = os.fstat(descriptor).st_size
    if length and os.pread(descriptor, 1, length - 1) != b"\n":
        data = b"\n" + data
    try:
        rest = memoryview(data)
        while rest:  # one write, unless the disk runs full in between: the next one then raises
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except BaseException:
        with suppress(OSError):  # a truncated line that remains is completed by the next write
            os.ftruncate(descriptor, length)
        raise
