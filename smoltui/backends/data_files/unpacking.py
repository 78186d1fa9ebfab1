"""Compressed files: gzip, Zstandard, xz, bzip2, and zip archives with a single data file. Never more than is sane."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

from smoltui.backends.data_files.text import CHUNK
from smoltui.errors import PairsError
from smoltui.safe_text import safe_line

if TYPE_CHECKING:
    import zipfile

    from _typeshed import WriteableBuffer

COMPRESSIONS = (".gz", ".zst", ".xz", ".bz2")
ZIP = ".zip"
MAX_WINDOW_BYTES = 128 << 20
"""Window size for Zstandard and xz, which allocate it immediately; `zstd` itself accepts no larger one by default."""
SMALL_BYTES, FOLDED = 256 << 20, 100
"""A compressed file above that size may unpack to this many times its size; text seldom reaches 20."""
MAX_MEMBERS = 10_000
"""Files in a zip archive that are looked through."""


def compression_of(name: str) -> str:
    """The extension of a compressed file, such as `.gz`; empty for others."""
    return next((ending for ending in COMPRESSIONS if name.lower().endswith(ending)), "")


def unpacked(packed: IO[bytes], compression: str, name: str) -> IO[bytes]:
    """A temporary file with the unpacked bytes, deleted when closed: rows are accessed by offset.

    Raises:
        PairsError: the file is damaged, or unpacks to much more than text does.
    """
    size = packed.seek(0, 2)
    packed.seek(0)
    return _copied(unpacking(packed, compression), size, name)


def _copied(stream: IO[bytes], packed_bytes: int, name: str) -> IO[bytes]:
    plain = tempfile.TemporaryFile(prefix="smoltui-")  # noqa: SIM115  # closed by its reader
    try:
        with damage_named(name):
            _copy(stream, plain, packed_bytes, name)
    except BaseException:
        plain.close()
        raise
    plain.seek(0)
    return plain


def _copy(stream: IO[bytes], plain: IO[bytes], packed_bytes: int, name: str) -> None:
    """Raises: PairsError: it unpacks to much more than text does."""
    most = max(SMALL_BYTES, FOLDED * packed_bytes)
    written = 0
    while chunk := stream.read(CHUNK):
        written += len(chunk)
        if written > most:
            raise PairsError(
                f"{name} unpacks to more than {most >> 20:,} MB, from {packed_bytes >> 10:,} kB",
                "If that is intended, unpack it and open the result.",
            )
        plain.write(chunk)


def unpacking(packed: IO[bytes], compression: str) -> IO[bytes]:
    """The bytes as they are unpacked."""
    import bz2
    import gzip

    import zstandard

    if compression == ".gz":
        return cast(IO[bytes], gzip.GzipFile(fileobj=packed))
    if compression == ".bz2":
        return cast(IO[bytes], bz2.BZ2File(packed))
    if compression == ".xz":
        return cast(IO[bytes], io.BufferedReader(_Xz(packed)))
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
    return cast(IO[bytes], decompressor.stream_reader(packed, read_across_frames=True))


class _Xz(io.RawIOBase):
    """The streams of an .xz file, one after the other; `lzma.LZMAFile` has no limit for memory."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self._start()

    def _start(self) -> None:
        import lzma

        self._decoder = lzma.LZMADecompressor(memlimit=MAX_WINDOW_BYTES + (16 << 20))
        self._input = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        while True:
            if self._decoder.eof:
                rest = self._decoder.unused_data.lstrip(b"\0") or self._packed.read(CHUNK).lstrip(b"\0")
                if not rest:
                    return 0
                self._start()
                self._input = rest
            elif self._decoder.needs_input and not self._input:
                self._input = self._packed.read(CHUNK)
                if not self._input:
                    raise EOFError("it ends before its end-of-stream marker")
            data, self._input = self._decoder.decompress(self._input, max_length=len(view)), b""
            if data:
                view[: len(data)] = data
                return len(data)


@contextmanager
def damage_named(name: str) -> Iterator[None]:
    """Turns errors of a damaged compressed file into a sentence."""
    import gzip
    import lzma
    import zipfile
    import zlib

    import zstandard

    broken = (gzip.BadGzipFile, zlib.error, EOFError, zstandard.ZstdError, lzma.LZMAError, zipfile.BadZipFile)
    try:
        yield
    except broken as error:
        raise _damaged(name, error) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise _damaged(name, error) from error  # as bz2 says it


def _damaged(name: str, error: Exception) -> PairsError:
    return PairsError(f"{name} cannot be unpacked: {safe_line(str(error), 120)}", "The file is damaged or truncated.")


# ------------------------------------------------------------------------------------------------------------------ zip


@contextmanager
def zip_member(data: IO[bytes], name: str) -> Iterator[tuple[str, IO[bytes]]]:
    """(name, unpacked bytes) of the only file in a zip archive.

    Raises:
        PairsError: it is damaged or encrypted, or has no file or several.
    """
    import zipfile

    with damage_named(name), zipfile.ZipFile(data) as archive:
        member = _only_member(archive, name)
        try:
            with archive.open(member) as stream:
                yield member.filename, stream
        except (RuntimeError, NotImplementedError) as error:  # encrypted, or an unknown method
            said = safe_line(str(error).split(",")[0], 100)
            raise PairsError(f"{name} cannot be unpacked: {said}", "Unpack it and open the result.") from error


def _only_member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    members = archive.infolist()
    if len(members) <= MAX_MEMBERS:
        members = [one for one in members if not one.is_dir() and not _is_hidden(one.filename)]
    if len(members) == 1:
        return members[0]
    listed = safe_line(", ".join(one.filename for one in members[:4]), 200) + (", …" if len(members) > 4 else "")
    raise PairsError(
        f"{name} must contain exactly one file; it has {f'{len(members):,}: {listed}' if members else 'none'}",
        "Unpack it, and open the folder or one of the files.",
    )


def _is_hidden(path: str) -> bool:
    """Whether it is a file that an operating system adds, such as __MACOSX/._pairs.jsonl."""
    return any(part.startswith((".", "__MACOSX")) for part in path.split("/"))


def unzipped(data: IO[bytes], name: str) -> tuple[str, IO[bytes]]:
    """(name of the only file in a zip archive, a temporary file with its bytes).

    Raises:
        PairsError: as `zip_member` and `unpacked`.
    """
    size = data.seek(0, 2)
    data.seek(0)
    with zip_member(data, name) as (member, stream):
        return member, _copied(stream, size, name)
