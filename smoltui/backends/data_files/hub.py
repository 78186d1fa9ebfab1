"""Data files of a dataset on the Hub: listed by split, fetched when a split is opened, or only their start read.

Ranges are requested here and not through `HfFileSystem`, which looks up the repository and the file again (two more
requests for the first pair), and retries a failing request for 23 s while a person waits.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from smoltui.backends.data_files.parquet_pages import PagesError, read_groups
from smoltui.backends.data_files.splits import configured_splits, splits_of
from smoltui.backends.data_files.tables import COMPRESSIONS, READABLE, checked_ending, head_of, head_of_stream
from smoltui.backends.data_files.text import BUFFER, Head
from smoltui.backends.hub.client import setup
from smoltui.backends.hub.errors import endpoint, explain, is_web_page, not_the_hub
from smoltui.backends.system.yaml_limits import load_plain
from smoltui.errors import (
    NotFoundOnHubError,
    PairsError,
    PermissionDeniedError,
    SmoltuiError,
    UnreachableError,
)
from smoltui.safe_text import redact, safe_line

ANSWER_SECONDS = 8.0
"""Longest silence in one response: a response may take two of them, and a person waits no longer than 20 s."""
HEAD_SECONDS = 18.0
"""Time limit for the start of one file; then the Hub counts as too slow."""
HEAD_BYTES = 1 << 20
"""Bytes of a text file read for its first rows, unless the first row is longer."""
RANGE_BYTES = 256 << 10
"""Minimum bytes per request: a request takes longer than transferring a quarter of a megabyte."""
LONGEST_PATH = 1000
"""Characters of the path of a file in a repository."""
HELD_BYTES = 64 << 20
"""Maximum bytes of one file that are read and kept, and per request; beyond that, the file has to be downloaded."""
CARD_BYTES = 64 << 10
"""Limit of a dataset card's metadata; most have one kilobyte."""
GROUP_BYTES = 8 << 20
"""The first row group of a Parquet file is requested in one piece up to this size."""


def hub_splits(repo: str, config: str | None, revision: str | None) -> dict[str, list[str]]:
    """Split → files in the repository. Asks the Hub, or its local cache if the Hub does not respond.

    Raises:
        PairsError: no data files, unknown configuration.
        ServiceError: gated, private, missing, or unreachable and not in the cache.
    """
    try:
        with _hub(repo):
            from huggingface_hub import HfApi

            # list_repo_files would try for 23 s where there is no network (its pages are retried); this is one request.
            info = HfApi().dataset_info(repo, revision=revision, timeout=ANSWER_SECONDS)
            files = [entry.rfilename for entry in info.siblings or () if _is_path(entry.rfilename)]
    except UnreachableError as error:
        folder = _cached(repo, revision)
        files = (
            []
            if folder is None
            else [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
        )
        if not files:  # an unfinished download leaves an empty folder
            raise UnreachableError(
                f"{error.message}, and the set is not in the local cache",
                error.hint or "Open a local file, or try again when the network is available.",
            ) from error
        configs = _card_configs(repo, revision) if "README.md" in files else None
    else:
        told = getattr(info.card_data, "configs", None)
        configs = told or (_card_configs(repo, revision) if "README.md" in files else None)
    if configured := configured_splits(files, configs, config, repo):
        return configured
    if config is not None:
        files = [name for name in files if name.startswith(f"{config}/")]
        if not files:
            raise PairsError(
                f"{repo} has no such configuration: {config}", "Omit it, or see the set's page on the Hub."
            )
    splits = splits_of(files)
    if not splits:
        raise PairsError(f"{repo} contains no file that can be read as pairs.", f"Readable: {READABLE}.")
    return splits


def _is_path(name: object) -> bool:
    """Whether it can be the path of a file in a repository, and not outside of it."""
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_PATH or "\0" in name:
        return False
    return not name.startswith("/") and ".." not in name.split("/")


def hub_files(repo: str, names: list[str], revision: str | None) -> list[Path]:
    """The files on this machine, downloaded into the Hub's cache if missing.

    Raises:
        ServiceError: as `hub_splits`.
    """
    with _hub(repo):
        from huggingface_hub import hf_hub_download

        return [Path(hf_hub_download(repo, name, repo_type="dataset", revision=revision)) for name in names]


def hub_head(repo: str, name: str, revision: str | None, rows: int) -> Head:
    """The first rows of one file, without downloading it if it is not in the cache yet.

    Raises:
        PairsError: as `head_of`.
        ServiceError: as `hub_splits`.
    """
    with _hub(repo):
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(repo, name, repo_type="dataset", revision=revision)
    if isinstance(cached, str):
        return head_of(Path(cached), rows)
    ending, shown = checked_ending(name), safe_line(name.rsplit("/", 1)[-1], 80)
    compression = next((suffix for suffix in COMPRESSIONS if name.lower().endswith(suffix)), "")
    if compression and ending in (".parquet", ".arrow"):  # these cannot be read from their start
        return head_of(hub_files(repo, [name], revision)[0], rows)
    with _hub(repo), RangeFile(repo, name, revision) as data:
        if ending == ".parquet":
            data.hold_first_group()
        # Decompression reads a few kilobytes at a time.
        stream: Any = io.BufferedReader(data, BUFFER) if compression else data
        return head_of_stream(stream, ending, shown, rows, HEAD_BYTES, compression)


class RangeFile(io.RawIOBase):
    """A file of a dataset, read in ranges as they are needed. The errors are those of the Hub's client."""

    def __init__(self, repo: str, name: str, revision: str | None) -> None:
        from huggingface_hub import hf_hub_url

        self._repo, self._shown = repo, safe_line(name.rsplit("/", 1)[-1], 80)
        self._url = hf_hub_url(repo, name, repo_type="dataset", revision=revision)
        self._ends_at = time.monotonic() + HEAD_SECONDS
        self._at = 0
        self._held: list[tuple[int, bytes]] = []
        """Offset and bytes of what was read."""
        self._size: int | None = None

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
        if self._size is None:
            self._ask(0, RANGE_BYTES)
        assert self._size is not None  # every answer says it
        return self._size

    def readinto(self, buffer: Any) -> int:
        """Reads at most as much as one request returns."""
        wanted = min(len(buffer), self.size() - self._at)
        if wanted <= 0:
            return 0
        start, block = self._around(self._at, wanted)
        piece = block[self._at - start : self._at - start + wanted]
        buffer[: len(piece)] = piece
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
        import pyarrow as pa

        self._ask(None, RANGE_BYTES)
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
                f"Download the set and open it from its folder: hf download {self._repo} --repo-type dataset",
            )

    def _ask(self, start: int | None, length: int) -> tuple[int, bytes]:
        """Requests a range, or the last bytes if `start` is None, and keeps the result."""
        import httpx2
        from huggingface_hub import get_session
        from huggingface_hub.utils._headers import build_hf_headers
        from huggingface_hub.utils._http import hf_raise_for_status

        from smoltui.backends.hub.bodies import ALLOWED, Allowance

        self._check_length(length)
        doing = f"read the dataset {self._repo}"
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        wanted = f"-{length}" if start is None else f"{start}-{start + length - 1}"
        headers = build_hf_headers() | {"Range": f"bytes={wanted}", "Accept-Encoding": "identity"}
        received = bytearray()
        how: dict[str, Any] = {"timeout": min(ANSWER_SECONDS, left), "extensions": {ALLOWED: Allowance()}}
        with get_session().stream("GET", self._url, headers=headers, **how) as answer:
            if answer.status_code == 416:  # nothing there: the file is empty
                self._size, start, length = 0, 0, 0
            elif answer.status_code >= 400:
                answer.read()
                hf_raise_for_status(answer)
            else:
                if is_web_page(answer):
                    raise not_the_hub(doing, answer)
                part = answer.status_code == 206
                said = _RANGE.fullmatch(answer.headers.get("Content-Range" if part else "Content-Length", ""))
                if said is None or (part and said["first"] is None):
                    raise not_the_hub(doing)
                size = int(said["size"])
                if part:
                    start = max(size - length, 0) if start is None else start
                else:  # it returns the whole file from its start
                    start, length = 0, size if start is None else start + length
                # A file that grows between two responses, or a range other than requested, is not trusted.
                if self._size not in (None, size) or (part and int(said["first"]) != start):
                    raise not_the_hub(doing)
                self._size = size
                self._check_length(length)
            for chunk in answer.iter_raw() if length else ():
                received += chunk
                if time.monotonic() > self._ends_at:
                    raise TimeoutError
                if len(received) >= length:
                    break
        block = bytes(received[:length])
        assert start is not None  # a response with an error was raised
        if start + len(block) < min(start + length, self.size()):
            raise httpx2.RemoteProtocolError("the answer ended before the range did")
        self._held.append((start, block))
        while len(self._held) > MOST_HELD or sum(len(held) for _, held in self._held[:-1]) > HELD_BYTES:
            del self._held[0]
        return start, block


_RANGE = re.compile(r"(?:bytes (?P<first>[0-9]{1,15})-[0-9]{1,15}/)?(?P<size>[0-9]{1,15})")
MOST_HELD = 16
"""Parts of a file to keep."""


def _cached(repo: str, revision: str | None) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, repo_type="dataset", revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, OSError):
        return None


def _card_configs(repo: str, revision: str | None) -> object:
    """`configs` of the dataset card, None if unavailable: then the file names decide."""
    try:
        with hub_files(repo, ["README.md"], revision)[0].open(encoding="utf-8", errors="replace") as file:
            text = file.read(CARD_BYTES)
    except (SmoltuiError, OSError):
        return None
    if not text.startswith("---"):
        return None
    from ruamel.yaml.error import YAMLError

    head = text.split("\n---", 1)[0].removeprefix("---")
    try:
        data = load_plain(head)
    except YAMLError:
        return None
    return data.get("configs") if isinstance(data, dict) else None


@contextmanager
def _hub(repo: str) -> Iterator[None]:
    """Turns what the Hub's client raises while a set is opened into our errors."""
    setup()
    from huggingface_hub import get_token
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except SmoltuiError:
        raise
    except GatedRepoError as error:
        raise PermissionDeniedError(
            f"This set is gated, and your account does not have access yet: {repo}",
            f"Request access at {endpoint()}/datasets/{repo}, and log in with: hf auth login",
        ) from error
    except RevisionNotFoundError as error:
        raise NotFoundOnHubError(f"The set has no such revision: {repo}", "Use a branch, tag or commit.") from error
    except HFValidationError as error:
        raise PairsError(f"Not the id of a dataset: {safe_line(repo, 80)}", "Hub ids look like owner/name.") from error
    except LocalEntryNotFoundError as error:
        raise UnreachableError(
            f"The Hub cannot be reached, and this set is not in the local cache: {repo}",
            "Open a local file, or try again when the network is available.",
        ) from error
    except Exception as error:
        refused = isinstance(error, HfHubHTTPError) and error.response.status_code in (401, 404) and not get_token()
        if isinstance(error, RepositoryNotFoundError) or refused:
            raise NotFoundOnHubError(
                f"The Hub has no such dataset, or it is private: {repo}",
                "Check the name; for a private set, log in with: hf auth login",
            ) from error
        if (ours := explain(error, f"read the dataset {repo}")) is not None:
            raise ours from error
        if isinstance(error, OSError):
            said = safe_line(redact(error.strerror or str(error)), 120)
            raise PairsError(f"The set could not be stored on this machine: {said}", "Is the disk full?") from error
        raise
