"""Reads and replaces a whole file that a person or another program wrote: a regular file of the expected size."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MOST_BYTES = 1 << 20
"""Maximum bytes of a file that people write by hand."""
_BLOCK = 1 << 16
"""Bytes read at once of a file that grew; a larger buffer takes longer than the reading."""


def read_small(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """The bytes of a file.

    Pipes and devices are not opened: reading them may never end.

    Raises:
        OSError: missing, unreadable, not a regular file, or larger than `most_bytes`; `strerror` says which.
    """
    _refuse_others(os.stat(path), path)  # noqa: PTH116  # beside os.fstat
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _refuse_others(found := os.fstat(descriptor), path)
        data = os.read(descriptor, min(found.st_size, most_bytes) + 1)
        while len(data) <= most_bytes and (more := os.read(descriptor, min(_BLOCK, most_bytes + 1 - len(data)))):
            data += more
    finally:
        os.close(descriptor)
    if len(data) > most_bytes:
        size = f"{most_bytes >> 20} MB" if most_bytes >> 20 else f"{most_bytes:,} bytes"
        raise OSError(errno.EFBIG, f"it is larger than {size}", str(path))
    return data


def read_small_text(path: Path, most_bytes: int = MOST_BYTES) -> str:
    """The text of a file.

    Raises:
        OSError: as `read_small`.
        UnicodeDecodeError: it is not UTF-8.
    """
    return read_small(path, most_bytes).decode("utf-8")


def replace_small(path: Path, data: bytes) -> None:
    """Writes a file beside this one and renames it: an interruption leaves the old or the new one.

    A link stays a link, and the file keeps its permissions. A pipe or a device is written to. Raises OSError.
    """
    if path.exists() and not path.is_file():  # not the resolved path: /dev/stdout leads to a name that doesn't exist
        path.write_bytes(data)
        return
    import tempfile  # most files are only read

    real = path.resolve()
    descriptor, beside = tempfile.mkstemp(prefix=f".{real.name}.", dir=real.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).chmod(real.stat().st_mode & 0o777 if real.exists() else 0o644)
        Path(beside).replace(real)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def _refuse_others(found: os.stat_result, path: Path) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file but a pipe or a device", str(path))
