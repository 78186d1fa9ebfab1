"""Text files that are not UTF-8: UTF-16, UTF-32 and Windows-1252, decoded strictly and handed on as UTF-8.

A byte that cannot be decoded is an error that names it and its place. It is never replaced.
"""

from __future__ import annotations

import codecs
import io
import re
import tempfile
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, NamedTuple

from smoltui.backends.data_files.text import CHUNK
from smoltui.errors import PairsError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

UTF_8, CP1252 = "utf-8", "cp1252"
SHOWN = {"utf-16": "UTF-16", "utf-32": "UTF-32", CP1252: "Windows-1252"}
"""Start of a codec's name → how people write it."""
_MARKS = (  # UTF-32 first: its mark begins like that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MOST_FOREIGN = 0.35
"""Share of letters beyond ASCII: Western European text has less, Cyrillic or Greek text has far more."""
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{1,2}|[\xf0-\xf4][\x80-\xbf]{1,3}")
"""A character of UTF-8 beyond ASCII, or the start of one."""
_HIGH, _LETTER = re.compile(rb"[\x80-\xff]"), re.compile(rb"[A-Za-z]")
_UNDEFINED = re.compile(rb"[\x81\x8d\x8f\x90\x9d\xff]")
"""Bytes without a meaning in Windows-1252, and one that is rather damage than the letter it stands for."""
_ODD = re.compile(rb"(?<=[A-Za-z])[\x80\x82\x84-\x89\x8b\x95\x98\x9b\xa1-\xac\xae-\xb6\xb8-\xbf\xd7\xf7](?=[A-Za-z])")
"""A sign inside a word: a letter of another encoding. The middle dot, dashes and apostrophes do occur there."""


class Counts(NamedTuple):
    """What decides about text that is not UTF-8."""

    multibyte: int
    """Characters that are UTF-8 beyond ASCII, whole or begun."""
    single: int
    """Other bytes beyond ASCII."""
    letters: int
    """Of ASCII."""
    undefined: int
    odd: int

    @property
    def is_cp1252(self) -> bool:
        """Whether this is Western European text, rather than UTF-8 with damaged bytes, or another encoding."""
        return (
            self.single > 10 * self.multibyte
            and not self.undefined
            and self.single <= _MOST_FOREIGN * (self.letters + self.single)
            and self.odd <= self.single // 50
        )


def wide_encoding(start: bytes) -> str | None:
    """UTF-16 or UTF-32, by the mark at the start of a text or the zeros of its first characters; otherwise None."""
    for mark, name in _MARKS:
        if start.startswith(mark):
            return name
    zeros = "".join("x" if byte else "0" for byte in start[:4])
    return {"x000": "utf-32-le", "000x": "utf-32-be", "x0x0": "utf-16-le", "0x0x": "utf-16-be"}.get(zeros)


def sample_encoding(start: bytes) -> str:
    """The encoding that the start of a text shows, a codec of Python."""
    if wide := wide_encoding(start):
        return wide
    if start.startswith(codecs.BOM_UTF8) or _is_utf8([start]):
        return UTF_8
    return CP1252 if _counts([start]).is_cp1252 else UTF_8


def file_encoding(data: IO[bytes]) -> str:
    """The encoding of a whole text file. Text with damaged bytes counts as UTF-8: its rows name them."""
    data.seek(0)
    start = data.read(4)
    if wide := wide_encoding(start):
        return wide
    if start.startswith(codecs.BOM_UTF8):
        return UTF_8
    data.seek(0)
    if _is_utf8(iter(lambda: data.read(CHUNK), b"")):
        return UTF_8
    data.seek(0)
    return CP1252 if _counts(iter(lambda: data.read(CHUNK), b"")).is_cp1252 else UTF_8


def _is_utf8(chunks: Iterable[bytes]) -> bool:
    decoder = codecs.getincrementaldecoder(UTF_8)()
    try:
        for chunk in chunks:
            decoder.decode(chunk)
    except UnicodeDecodeError:
        return False
    return True


def _counts(chunks: Iterable[bytes]) -> Counts:
    found = Counts(0, 0, 0, 0, 0)
    for chunk in chunks:
        rest, multibyte = _MULTIBYTE.subn(b" ", chunk)
        patterns = (_HIGH, _LETTER, _UNDEFINED, _ODD)
        more = (multibyte, *(sum(1 for _ in pattern.finditer(rest)) for pattern in patterns))
        found = Counts(*(one + other for one, other in zip(found, more, strict=True)))
    return found


def shown_encoding(encoding: str) -> str:
    """`utf-16-le` → UTF-16."""
    return next(shown for name, shown in SHOWN.items() if encoding.startswith(name))


def encoding_note(name: str, encoding: str) -> str:
    """That a file is not UTF-8, one sentence."""
    return f"{name} is not UTF-8; it is read as {shown_encoding(encoding)}."


def as_utf8(data: IO[bytes], encoding: str, name: str) -> IO[bytes]:
    """A temporary file with the text of `data` as UTF-8, deleted when closed.

    Raises:
        PairsError: a byte that is not of this encoding, with its place.
    """
    plain = tempfile.TemporaryFile(prefix="smoltui-")  # noqa: SIM115  # closed by its reader
    try:
        data.seek(0)
        recoded = Recoded(data, encoding, name)
        while chunk := recoded.read(CHUNK):
            plain.write(chunk)
    except BaseException:
        plain.close()
        raise
    plain.seek(0)
    return plain


class Recoded(io.RawIOBase):
    """The text of a stream as UTF-8, without a byte order mark.

    Reading raises PairsError at a byte that is not of this encoding.
    """

    def __init__(self, stream: IO[bytes] | io.RawIOBase, encoding: str, name: str) -> None:
        self._stream, self._encoding, self._name = stream, encoding, name
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._offset, self._line = 0, 1
        self._ready, self._ended = b"", False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        while not self._ready and not self._ended:
            self._fill()
        taken = self._ready[: len(view)]
        self._ready = self._ready[len(view) :]
        view[: len(taken)] = taken
        return len(taken)

    def _fill(self) -> None:
        chunk = self._stream.read(64 << 10) or b""
        self._ended = not chunk
        try:
            text = self._decoder.decode(chunk, final=self._ended)
        except UnicodeDecodeError as error:
            raise self._undecodable(error, len(chunk)) from error
        self._offset += len(chunk)
        self._line += text.count("\n")
        self._ready = text.encode(UTF_8)

    def _undecodable(self, error: UnicodeDecodeError, read: int) -> PairsError:
        at = self._offset - (len(error.object) - read) + error.start
        before = error.object[: error.start].decode(self._encoding, "ignore")
        shown = " ".join(f"0x{byte:02X}" for byte in error.object[error.start : error.start + 2])
        return PairsError(
            f"{self._name} is {shown_encoding(self._encoding)} text, but line {self._line + before.count(chr(10)):,} "
            f"cannot be decoded: {shown or 'it ends early'} at byte {at:,}",
            "The file is damaged, or only a part of it has this encoding. Save it as UTF-8.",
        )
