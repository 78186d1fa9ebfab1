"""Locks between processes (flock), and files and folders that only their owner can read.

A lock belongs to the open file, not to a process: the kernel releases it with the last descriptor, so nothing stays
locked after kill -9. A lock file contains the process id of its holder, for people, and to know which process to
signal.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from contextlib import suppress
from pathlib import Path

from smoltui.errors import InputError

WAIT_SECONDS = 10.0
"""Seconds to wait for another process before that is an error."""
POLL_SECONDS = 0.05
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
"""Error codes of a file system without locks."""


class LockHeldError(InputError):
    """Another process has the lock; `holder` is its id, or None if unknown."""

    def __init__(self, message: str, hint: str = "", holder: int | None = None) -> None:
        super().__init__(message, hint)
        self.holder = holder


def private_folder(path: Path, root: Path) -> None:
    """Creates `path` and its missing parents below `root`, accessible only to the owner, whatever the umask.

    Existing folders keep their mode, except `path` itself. A `path` that is not below `root` is its own root. Raises
    OSError.
    """
    if root not in path.parents:
        root = path
    missing = [one for one in (path, *path.parents) if one == root or root in one.parents]
    for one in reversed(missing):
        with suppress(FileExistsError):
            one.mkdir(mode=0o700, parents=one == root)
            one.chmod(0o700)
    mode = path.stat()
    if mode.st_mode & 0o077 and mode.st_uid == os.geteuid():
        path.chmod(0o700)


def open_private(path: Path, flags: int) -> int:
    """A descriptor of a regular file, created so that only its owner can read it. Links are not followed, and no child
    inherits it.

    Raises OSError.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if found.st_mode & 0o077 and found.st_uid == os.geteuid() and flags & os.O_CREAT:
            os.fchmod(descriptor, 0o600)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def write_private(path: Path, data: bytes) -> None:
    """Writes a new file that only its owner can read; replaces a leftover of that name. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        descriptor = open_private(path, flags)
    except FileExistsError:
        path.unlink(missing_ok=True)
        descriptor = open_private(path, flags)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def take(path: Path, what: str, hint: str = "", *, seconds: float = WAIT_SECONDS) -> int:
    """Locks `path`, which is created if missing, and returns the descriptor that holds the lock.

    `what` is the message if another process has it, and `hint` the next step; both may contain `{pid}`.

    Raises:
        LockHeldError: another process still has it after `seconds`.
        OSError: the file cannot be opened, or is not a regular file (a link).
    """
    deadline = time.monotonic() + seconds
    while True:
        descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
        try:
            got = _locked(descriptor)
            if got and _is_still(descriptor, path):
                note_holder(descriptor)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if got:
            continue  # the previous holder has deleted the file
        pid = holder(path)
        if time.monotonic() >= deadline:
            who = f"process {pid}" if pid else "another process"
            raise LockHeldError(what.replace("{pid}", who), hint.replace("{pid}", str(pid or "PID")), pid)
        time.sleep(POLL_SECONDS)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True


def _is_still(descriptor: int, path: Path) -> bool:
    """Whether the locked file is still the one at `path`: the previous holder may have deleted it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def note_holder(descriptor: int) -> None:
    """Writes this process's id to the lock file; a full disk is ignored."""
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def holder(path: Path) -> int | None:
    """The id of the process in the lock file, which may have ended; None without one."""
    try:
        descriptor = open_private(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        pid = int(os.pread(descriptor, 20, 0))
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)
    return pid if 1 < pid < 1 << 31 else None


def held(path: Path) -> bool | None:
    """Whether any process has the lock of `path`; None if the file does not exist."""
    try:
        descriptor = open_private(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def delete(path: Path) -> None:
    """Deletes a lock file unless it is locked. Raises OSError."""
    try:
        descriptor = open_private(path, os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        if _locked(descriptor) and _is_still(descriptor, path):
            path.unlink()
    finally:
        os.close(descriptor)
