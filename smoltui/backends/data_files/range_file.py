"""A file on the Hub that is read in ranges, as they are needed.

Ranges are requested here and not through `HfFileSystem`, which looks up the repository and the file again (two more
requests for the first pair), and retries a failing request for 23 s while a person waits.
"""

from __future__ import annotations

import io
import re
import time
from typing import TYPE_CHECKING

from smoltui.backends.data_files import hub_repo
from smoltui.backends.data_files.hub_repo import HubRepo
from smoltui.backends.data_files.parquet_pages import PagesError, read_groups
from smoltui.backends.hub.errors import is_web_page, not_the_hub
from smoltui.errors import PairsError
from smoltui.safe_text import safe_line

if TYPE_CHECKING:
    import httpx2
    from _typeshed import WriteableBuffer

HEAD_SECONDS = 18.0
"""Time limit for the start of one file; then the Hub counts as too slow."""
RANGE_BYTES = 256 << 10
"""Minimum bytes per request: a request takes longer than transferring a quarter of a megabyte."""
HELD_BYTES = 64 << 20
"""Maximum bytes of one file that are read and kept, and per request; beyond that, the file has to be downloaded."""
MOST_HELD = 16
"""Parts of a file to keep."""
GROUP_BYTES = 8 << 20
"""The first row group of a Parquet file is requested in one piece up to this size."""
_RANGE = re.compile(r"(?:bytes (?P<first>[0-9]{1,15})-[0-9]{1,15}/)?(?P<size>[0-9]{1,15})")
"""Content-Range, or Content-Length, which is only the size."""
_UNKNOWN = -1


class RangeFile(io.RawIOBase):
    """A file of a dataset, read in ranges as they are needed. The errors are those of the Hub's client."""

    def __init__(self, repo: HubRepo, name: str) -> None:
        from huggingface_hub import hf_hub_url

        self._repo, self._shown = repo, safe_line(name.rsplit("/", 1)[-1], 80)
        self._url = hf_hub_url(repo.id, name, repo_type=repo.kind.repo_type, revision=repo.revision)
        self._ends_at = time.monotonic() + HEAD_SECONDS
        self._at = 0
        self._held: list[tuple[int, bytes]] = []
        """Offset and bytes of what was read."""
        self._size = _UNKNOWN

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self.size() if whence == 2 else 0)[whence]
        return self._at

    def size(self) -> int:
        if self._size == _UNKNOWN:
            self._ask(0, RANGE_BYTES)
        return self._size

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Reads at most as much as one request returns."""
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), self.size() - self._at)
        if wanted <= 0:
            return 0
        start, block = self._around(self._at, wanted)
        piece = block[self._at - start : self._at - start + wanted]
        view[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def read(self, size: int = -1) -> bytes:
        """Reads everything requested, as Arrow expects."""
        wanted = min(self.size() - self._at, size if size >= 0 else self.size())
        self._check_length(wanted)
        pieces = []
        while wanted > 0 and (piece := super().read(wanted)):
            pieces.append(piece)
            wanted -= len(piece)
        return b"".join(pieces)

    def hold_first_group(self) -> None:
        """Requests the footer and the first row group of a Parquet file in one piece each, unless large."""
        self._ask(None, RANGE_BYTES)  # before the import, which takes a part of the time limit
        import pyarrow as pa

        try:
            groups = read_groups(pa.PythonFile(self, "r"))
        except PagesError:
            return  # reading it will say so
        chunks = groups[0].chunks if groups else ()
        starts = [chunk.at for chunk in chunks]
        ends = [chunk.at + chunk.packed for chunk in chunks]
        if starts and max(ends) - min(starts) <= GROUP_BYTES:
            self._around(min(starts), max(ends) - min(starts))

    def _around(self, at: int, wanted: int) -> tuple[int, bytes]:
        for start, block in self._held:
            if start <= at and at + wanted <= start + len(block):
                return start, block
        for start, block in self._held:  # a part of it is available
            if start <= at < start + len(block):
                return start, block
        return self._ask(at, max(wanted, RANGE_BYTES))

    def _check_length(self, length: int) -> None:
        if length > HELD_BYTES:
            raise PairsError(
                f"The first rows of {self._shown} cannot be read without downloading {length >> 20} MB at once",
                f"Download the set and open it from its folder: hf download {self._repo.id} --repo-type dataset",
            )

    def _ask(self, start: int | None, length: int) -> tuple[int, bytes]:
        """Requests a range, or the last bytes if `start` is None, and keeps the result."""
        import httpx2
        from huggingface_hub import get_session
        from huggingface_hub.utils._headers import build_hf_headers

        from smoltui.backends.hub.bodies import ALLOWED, Allowance

        self._check_length(length)
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        wanted = f"-{length}" if start is None else f"{start}-{start + length - 1}"
        with get_session().stream(
            "GET",
            self._url,
            headers=build_hf_headers() | {"Range": f"bytes={wanted}", "Accept-Encoding": "identity"},
            timeout=min(hub_repo.ANSWER_SECONDS, left),
            extensions={ALLOWED: Allowance()},
        ) as answer:
            begin, length = self._answered(answer, start, length)
            block = self._body(answer, length)
        if begin + len(block) < min(begin + length, self._size):
            raise httpx2.RemoteProtocolError("the answer ended before the range did")
        self._hold(begin, block)
        return begin, block

    def _answered(self, answer: httpx2.Response, start: int | None, length: int) -> tuple[int, int]:
        """Offset and length of the part of the file with which the body of `answer` starts; notes the file's size."""
        from huggingface_hub.utils._http import hf_raise_for_status

        if answer.status_code == 416:  # the range is outside of the file: it is empty
            self._size = 0
            return 0, 0
        if answer.status_code >= 400:
            answer.read()
            hf_raise_for_status(answer)
        if is_web_page(answer):
            raise not_the_hub(self._repo.doing, answer)
        partial = answer.status_code == 206
        said = _RANGE.fullmatch(answer.headers.get("Content-Range" if partial else "Content-Length", ""))
        if said is None or (partial and said["first"] is None):
            raise not_the_hub(self._repo.doing)
        size = int(said["size"])
        if not partial:  # the whole file, from its start
            begin, length = 0, size if start is None else start + length
        else:
            begin = max(size - length, 0) if start is None else start
        # A file that grows between two responses, or a range other than requested, is not trusted.
        if self._size not in (_UNKNOWN, size) or (partial and int(said["first"]) != begin):
            raise not_the_hub(self._repo.doing)
        self._size = size
        self._check_length(length)
        return begin, length

    def _body(self, answer: httpx2.Response, length: int) -> bytes:
        """The first `length` bytes of a body. Raises TimeoutError."""
        received = bytearray()
        for chunk in answer.iter_raw() if length else ():
            received += chunk
            if time.monotonic() > self._ends_at:
                raise TimeoutError
            if len(received) >= length:
                break
        return bytes(received[:length])

    def _hold(self, start: int, block: bytes) -> None:
        self._held.append((start, block))
        while len(self._held) > MOST_HELD or sum(len(held) for _, held in self._held[:-1]) > HELD_BYTES:
            del self._held[0]
