"""A log on disk: constant memory even for millions of lines, random access, deleted with its owner.

The text is in an unnamed file (`tempfile.TemporaryFile`), which the system deletes when the process ends, however it
ends. Lines are stored as UTF-8, each followed by `\\n`, so no character inside a line can be mistaken for its end. An
index has the offset of every block of lines; the last line is in memory, because a progress bar may rewrite it.
"""

from __future__ import annotations

import os
import tempfile
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

from smoltui.backends.runs.log_search import Search
from smoltui.core.runs.log_text import LogLine, as_plain, collapsed, first_error, taken
from smoltui.errors import InputError
from smoltui.redaction import BrokenTokens

BLOCK_LINES = 64
"""Lines per entry of the index, which takes 16 bytes of memory."""
BLOCK_BYTES = 1 << 16
"""Maximum bytes per entry of the index."""
CHUNK_BYTES = 1 << 18
"""Bytes per read when the whole log is read: small, so that cancelling is prompt."""


class _Files:
    """The text of the lines, and their times."""

    def __init__(self) -> None:
        # buffering=0: a failed write is noticed immediately, not on close.
        self.text = tempfile.TemporaryFile(prefix="smoltui-log-", buffering=0)  # noqa: SIM115  # closed by close
        self.times = tempfile.TemporaryFile(prefix="smoltui-log-", buffering=0)  # noqa: SIM115

    def close(self) -> None:
        self.text.close()
        self.times.close()


class LogSpool:
    """The lines of one log, written by one thread and read by any thread; see `core.runs.log_lines.Log`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # after closing, another file may reuse the descriptor that a reader still has
        self._files: _Files | None = None
        """None before the first lines, and when closed."""
        self._starts = array("Q")
        self._offsets = array("Q")
        self._written = self._size = 0  # lines and bytes in the file
        self._held: LogLine | None = None
        self._closed = False
        self._broken = BrokenTokens()
        self.stopped = ""
        self.first_error: int | None = None

    @property
    def count(self) -> int:
        return self._written + (self._held is not None)

    # -- writing

    def extend(self, lines: Sequence[str], times: Sequence[float | None] | None = None) -> None:
        """Appends lines, without secrets; consecutive states of a progress bar become one line.

        Raises:
            InputError: the disk is full, or there is no folder to write to. Raised once; earlier lines are kept.
        """
        if not lines or self.stopped or self._closed:
            return
        whole = collapsed([*([self._held] if self._held is not None else []), *taken(lines, times, self._broken)])
        if self.first_error is None and (place := first_error(whole)) is not None:
            self.first_error = self._written + place
        try:
            if self._files is None:
                self._files = _Files()
            self._write(self._files, whole[:-1])
        except OSError as error:
            said = error.strerror or str(error)
            self.stopped = f"{said}: {_folder()}"
            if self.first_error is not None and self.first_error >= self.count:
                self.first_error = None
            raise InputError(
                f"The log cannot be stored any further ({said}): {_folder()}",
                "Free some space there, or set TMPDIR to a folder with space, then reopen the log.",
            ) from error
        with self._lock:
            self._held = whole[-1]

    def _write(self, files: _Files, lines: Sequence[LogLine]) -> None:
        for begin in range(0, len(lines), BLOCK_LINES):
            part = lines[begin : begin + BLOCK_LINES]
            data = _encoded(part)
            if len(data) <= BLOCK_BYTES:
                self._append(files, part, data)
                continue
            for line in part:
                self._append(files, [line], _encoded([line]))

    def _append(self, files: _Files, lines: Sequence[LogLine], data: bytes) -> None:
        times = array("d", [line.at or 0.0 for line in lines])
        if any(times):  # without times the file stays empty, and missing bytes read as zero
            _write_all(files.times.fileno(), times.tobytes(), self._written * times.itemsize)
        _write_all(files.text.fileno(), data, self._size)
        with self._lock:
            last = len(self._starts) - 1
            lines_in, bytes_in = (
                (self._written - self._starts[last], self._size - self._offsets[last])
                if last >= 0
                else (BLOCK_LINES, 0)
            )
            if lines_in >= BLOCK_LINES or bytes_in + len(data) > BLOCK_BYTES:
                self._starts.append(self._written)
                self._offsets.append(self._size)
            self._held = None  # it was the first of these lines
            self._written += len(lines)
            self._size += len(data)

    def close(self) -> None:
        """Deletes the log. For those still reading, it is empty."""
        with self._lock:
            self._closed = True
            if self._files is not None:
                self._files.close()
            self._files = self._held = None
            self._written = self._size = 0
            self._starts, self._offsets = array("Q"), array("Q")

    # -- reading

    def read(self, first: int, end: int) -> list[LogLine]:
        """The existing ones of lines `first` to `end` - 1, counted from 0."""
        with self._lock:
            first, last = max(first, 0), min(end, self._written)
            held = [self._held] if self._held is not None and first <= self._written < end else []
            if self._files is None or first >= last:
                return held
            skipped, data = self._blocks(self._files, first, last)
            times = self._times_of(self._files, first, last)
        texts = data.decode().split("\n")[skipped : skipped + last - first]
        return [*(LogLine(text, at or None) for text, at in zip(texts, times, strict=True)), *held]

    def _blocks(self, files: _Files, first: int, last: int) -> tuple[int, bytes]:
        """The bytes of the blocks with lines `first` to `last` - 1, and the number of lines in them before `first`."""
        block, behind = bisect_right(self._starts, first) - 1, bisect_left(self._starts, last)
        begin = self._offsets[block]
        end = self._offsets[behind] if behind < len(self._offsets) else self._size
        return first - self._starts[block], os.pread(files.text.fileno(), end - begin, begin)

    def _times_of(self, files: _Files, first: int, last: int) -> array[float]:
        times = array("d")
        times.frombytes(os.pread(files.times.fileno(), (last - first) * times.itemsize, first * times.itemsize))
        times.extend([0.0] * (last - first - len(times)))
        return times

    def chunk(self, first: int) -> tuple[int, bytes] | None:
        """About `CHUNK_BYTES` of written lines from `first` on, each with its `\\n`, and the number of the next
        line; None if there are no more."""
        with self._lock:
            if self._files is None or first >= self._written:
                return None
            block = bisect_right(self._starts, first) - 1
            behind = max(bisect_left(self._offsets, self._offsets[block] + CHUNK_BYTES), block + 1)
            last = self._starts[behind] if behind < len(self._starts) else self._written
            skipped, data = self._blocks(self._files, first, last)
        return last, data.split(b"\n", skipped)[-1] if skipped else data

    def last(self) -> tuple[int, str] | None:
        """Number and text of the last line, which may still change; None if the log is empty."""
        with self._lock:
            return (self._written, self._held.text) if self._held is not None else None

    def search(self, query: str) -> Search:
        """As `Log.search`; an expression is only parsed when the search runs."""
        return Search(self, query)

    def save(self, path: Path) -> int:
        """Saves the log as plain text without colors or secrets, and returns the number of lines. Blocking.

        A link stays a link; an existing file is replaced once everything is written.

        Raises:
            InputError: the file cannot be written, or the log was closed meanwhile.
        """
        saved = 0
        try:
            real = path.expanduser().resolve()
            if real.is_dir():
                raise IsADirectoryError(None, "It is a folder")
            descriptor, beside = tempfile.mkstemp(prefix=f".{real.name}.", dir=real.parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    for lines, data in self._plain():
                        file.write(data)
                        saved += lines
                    if self._closed:
                        raise ValueError("it has been closed")
                    file.flush()
                    os.fsync(file.fileno())
                Path(beside).chmod(real.stat().st_mode & 0o777 if real.exists() else 0o644)
                Path(beside).replace(real)
            except BaseException:
                Path(beside).unlink(missing_ok=True)
                raise
        except (OSError, RuntimeError, ValueError) as error:
            said = getattr(error, "strerror", None) or str(error)
            raise InputError(
                f"The log cannot be saved ({said}): {path}", "Choose another file, or reopen the log."
            ) from error
        return saved

    def _plain(self) -> Iterator[tuple[int, bytes]]:
        """(number of lines, their plain text with newlines) for the whole log, in pieces."""
        at = 0
        while (found := self.chunk(at)) is not None:
            yield found[0] - at, as_plain(found[1].decode()).encode()
            at = found[0]
        for line in self.read(at, at + 1):
            yield 1, f"{as_plain(line.text)}\n".encode()


def _encoded(lines: Sequence[LogLine]) -> bytes:
    return "".join([f"{line.text}\n" for line in lines]).encode()


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    left = memoryview(data)
    while left:
        done = os.pwrite(descriptor, left, offset)
        offset, left = offset + done, left[done:]


def _folder() -> str:
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        return "no folder for temporary files"
