"""curation.jsonl of a project: read as a whole, only appended to, and shared with other apps in the same folder."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from smoltui.backends.system.appended_file import FULL, append_lines
from smoltui.core.pairs.curation import FILE_NAME, MOST_LINE_BYTES, Curation, Decision, line_of
from smoltui.errors import InputError
from smoltui.safe_text import safe_line

LOCK_SECONDS = 10.0
"""Another app holds the lock only while it writes; if it takes longer than this, it hangs."""
MOST_BYTES = 512 << 20
"""Limit of the file: more than two million decisions."""
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC
"""If the file is a pipe, opening it must not wait for its other end."""
Stamp = tuple[int, int, int]
"""Inode, bytes and modification time (ns), which change with every write."""


class LockedError(InputError):
    """Another program kept the file locked for `LOCK_SECONDS`."""


class CurationFile:
    """The decisions of one project. Blocking, for up to `LOCK_SECONDS` if another program has locked the file.

    Thread-safe; the states it returns are never modified.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._curation = Curation()
        self._stamp: Stamp | None = None
        self._busy = threading.RLock()

    def current(self) -> Curation:
        """The current state of the file, read only if it has changed. Raises as `load`."""
        with self._busy:
            return self.load() if self.changed() else self._curation

    def load(self) -> Curation:
        """The current state of the file, a new object; without decisions if there is no file.

        Raises:
            InputError: the file cannot be read.
        """
        try:
            with self._busy:
                descriptor = os.open(self.path, os.O_RDONLY | _FLAGS)
                try:
                    self._read(descriptor)
                finally:
                    os.close(descriptor)
        except FileNotFoundError:
            self._curation, self._stamp = Curation(), None
        except OSError as error:
            raise InputError(
                f"The curation decisions cannot be read ({error.strerror or error}): {self.path}",
                "Make the file readable, or move it away to start over.",
            ) from error
        return self._curation

    def append(self, decisions: Sequence[Decision]) -> Curation:
        """Appends decisions to the file, all or none. Returns the state after them.

        Decisions that another app appended meanwhile are read first. Those without a time get the current one.

        Raises:
            InputError: the disk is full or broken, or the folder cannot be written. File and state are unchanged.
            LockedError: another program keeps the file locked. File and state are unchanged.
        """
        if not decisions:
            return self._curation
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        taken = [decision if decision.at else decision._replace(at=now) for decision in decisions]
        data = b"".join(map(line_of, taken))
        with self._busy, self._locked() as descriptor:
            try:
                if _stamp(descriptor) != self._stamp:
                    self._read(descriptor)
                append_lines(descriptor, data)
            except OSError as error:
                raise self._unwritten(error) from error
            after = self._curation.copy()
            for decision in taken:
                after.take(decision)
            self._curation, self._stamp = after, _stamp(descriptor)
        return after

    def stamp(self) -> Stamp | None:
        """Identifies the state of the file on disk; None if there is no file."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def changed(self) -> bool:
        """Whether the file has changed since it was last read or written."""
        return self.stamp() != self._stamp

    def holder(self) -> str | None:
        """The process that has locked the file, such as `python (process 4242)`; None if unknown.

        From /proc/locks, which exists only on Linux and does not list processes outside this container.
        """
        try:
            found = self.path.stat()
            locks = Path("/proc/locks").read_text(encoding="ascii", errors="replace")
        except OSError:
            return None
        file = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
        for line in locks.splitlines():
            words = line.split()  # number: FLOCK ADVISORY WRITE process file first last
            if len(words) < 6 or words[1] != "FLOCK" or words[5] != file:  # for a process that waits, -> precedes FLOCK
                continue
            with suppress(OSError):  # process 0: outside this container
                name = Path(f"/proc/{words[4]}/comm").read_text(encoding="utf-8", errors="replace").strip()
                return f"{safe_line(name, 40)} (process {words[4]})"
        return None

    def _read(self, descriptor: int) -> None:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        if found.st_size > MOST_BYTES:
            raise OSError(errno.EFBIG, f"it is larger than {MOST_BYTES >> 20} MB")
        stamp = _stamp(descriptor)
        curation = Curation()
        rest, at = b"", 0
        while part := os.pread(descriptor, 1 << 22, at):
            at += len(part)
            whole, newline, rest = (rest + part).rpartition(b"\n")
            curation.take_lines(whole + newline)
            if len(rest) > MOST_LINE_BYTES:  # not a decision: enough is kept to count it as unreadable
                rest = rest[: MOST_LINE_BYTES + 1]
        # A last line without a newline counts if it is valid: an editor may have omitted the newline.
        curation.take_lines(rest)
        self._curation, self._stamp = curation, stamp

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The file, created if missing, opened for appending and locked."""
        until = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | _FLAGS, 0o644)
            except OSError as error:
                raise self._unwritten(error) from error
            try:
                if not self._lock(descriptor, until):
                    who = self.holder()
                    raise LockedError(
                        f"{who or 'Another program'} keeps the decisions on pairs locked, so nothing was written: "
                        f"{self.path}",
                        f"Quit {who or 'the other smoltui that has this folder open'}, then decide again.",
                    )
                if self._is_still(descriptor):
                    yield descriptor
                    return
            finally:
                os.close(descriptor)  # releases the lock

    def _lock(self, descriptor: int, until: float) -> bool:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    return False
                time.sleep(0.01)
            except OSError as error:
                raise self._unwritten(error) from error
            else:
                return True

    def _is_still(self, descriptor: int) -> bool:
        """Whether the file with this name is still the one that was opened: git replaces files."""
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self.path))  # noqa: PTH116  # beside os.fstat
        except OSError:
            return False

    def _unwritten(self, error: OSError) -> InputError:
        if error.errno in FULL:
            return InputError(
                f"The disk is full, so the decision was not saved: {self.path}",
                "Free some space, then repeat the decision.",
            )
        return InputError(
            f"The decision was not saved ({error.strerror or error}): {self.path}",
            "Make the project folder writable, or work in your own copy of it.",
        )


def _stamp(descriptor: int) -> Stamp:
    found = os.fstat(descriptor)
    return found.st_ino, found.st_size, found.st_mtime_ns
