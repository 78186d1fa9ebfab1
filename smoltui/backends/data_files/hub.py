"""Data files of a dataset on the Hub: listed by split, downloaded when a split is opened, or only their start read."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple, cast

from smoltui.backends.data_files import hub_repo
from smoltui.backends.data_files.hub_repo import DATASET, HubRepo
from smoltui.backends.data_files.range_file import RangeFile
from smoltui.backends.data_files.splits import configured_splits, is_data, left_aside, split_named, splits_of
from smoltui.backends.data_files.tables import (
    READABLE,
    TEXT_ENDINGS,
    WholeFileNeededError,
    checked_ending,
    head_of,
    head_of_stream,
)
from smoltui.backends.data_files.text import BUFFER, Head
from smoltui.backends.data_files.unpacking import ZIP, compression_of
from smoltui.backends.system.yaml_limits import load_plain
from smoltui.errors import PairsError, SmoltuiError, UnreachableError
from smoltui.safe_text import safe_line

HEAD_BYTES = 1 << 20
"""Bytes of a text file read for its first rows, unless the first row is longer."""
LONGEST_PATH = 1000
"""Characters of the path of a file in a repository."""
CARD_BYTES = 64 << 10
"""Limit of a dataset card's metadata; most have one kilobyte."""
CARD = "README.md"


class HubSet(NamedTuple):
    """A set on the Hub."""

    splits: dict[str, list[str]]
    """Split → files in the repository."""
    aside: tuple[str, ...] = ()
    """Data files that are not read because others have another format or name a split."""


def hub_set(repo: str, config: str | None, revision: str | None, path: str = "") -> HubSet:
    """The files of a set. Asks the Hub, or its local cache if the Hub does not respond.

    `path`: a file or folder in the repository, to read only that.

    Raises:
        PairsError: no data files, unknown configuration, no such path.
        ServiceError: gated, private, missing, or unreachable and not in the cache.
    """
    files, configs = _listing(HubRepo(DATASET, repo, revision))
    if path:
        return _within(path, files, repo)
    if configured := configured_splits(files, configs, config, repo):
        return HubSet(configured)
    if config is not None:
        files = [name for name in files if name.startswith(f"{config}/")]
        if not files:
            raise PairsError(
                f"{repo} has no such configuration: {config}", "Omit it, or see the set's page on the Hub."
            )
    splits = splits_of(files)
    if not splits:
        raise PairsError(f"{repo} contains no file that can be read as pairs.", f"Readable: {READABLE}.")
    return HubSet(splits, left_aside(filter(is_data, files), splits))


def _within(path: str, files: Sequence[str], repo: str) -> HubSet:
    """One file of a repository, or those of a folder in it. Raises: PairsError: there is none."""
    if path in files:
        checked_ending(path)
        return HubSet({split_named(path) or "train": [path]})
    inside = [name for name in files if name.startswith(f"{path}/")]
    splits = splits_of(inside)
    if not splits:
        raise PairsError(
            f"{repo} has no file that can be read as pairs at {safe_line(path, 200)}", f"Readable: {READABLE}."
        )
    return HubSet(splits, left_aside(filter(is_data, inside), splits))


def _listing(repo: HubRepo) -> tuple[list[str], object]:
    """The files of a repository, and `configs` of its dataset card (None if unknown). Raises as `hub_set`."""
    configs: object = None
    try:
        with repo.reading():
            from huggingface_hub import HfApi

            # list_repo_files would try for 23 s where there is no network (its pages are retried); this is one request.
            info = HfApi().dataset_info(repo.id, revision=repo.revision, timeout=hub_repo.ANSWER_SECONDS)
            files = [entry.rfilename for entry in info.siblings or () if _is_path(entry.rfilename)]
            configs = getattr(info.card_data, "configs", None)
    except UnreachableError as error:
        files = repo.cached_files()
        if not files:  # an unfinished download leaves an empty folder
            raise UnreachableError(
                f"{error.message}, and the set is not in the local cache",
                error.hint or "Open a local file, or try again when the network is available.",
            ) from error
    if not configs and CARD in files:
        configs = _card_configs(repo)
    return files, configs


def _is_path(name: object) -> bool:
    """Whether it can be the path of a file in a repository, and not outside of it."""
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_PATH or "\0" in name:
        return False
    return not name.startswith("/") and ".." not in name.split("/")


def hub_files(repo: str, names: Sequence[str], revision: str | None) -> list[Path]:
    """The files on this machine, downloaded into the Hub's cache if missing.

    Raises:
        ServiceError: as `hub_set`.
    """
    files = HubRepo(DATASET, repo, revision)
    with files.reading():
        return [files.download(name) for name in names]


def hub_head(repo: str, name: str, revision: str | None, rows: int) -> Head:
    """The first rows of one file, without downloading it if it is not in the cache yet.

    Raises:
        PairsError: as `head_of`.
        ServiceError: as `hub_set`.
    """
    files = HubRepo(DATASET, repo, revision)
    with files.reading():
        cached = files.cached(name)
    if cached is not None:
        return head_of(cached, rows)
    ending, shown = checked_ending(name), safe_line(name.rsplit("/", 1)[-1], 80)
    compression = compression_of(name)
    if ending == ZIP or (compression and ending not in TEXT_ENDINGS):  # these cannot be read from their start
        return head_of(hub_files(repo, [name], revision)[0], rows)
    try:
        with files.reading(), RangeFile(files, name) as data:
            if ending == ".parquet":
                data.hold_first_group()
            # Decompression reads a few kilobytes at a time.
            stream = io.BufferedReader(data, BUFFER) if compression else data
            return head_of_stream(cast(IO[bytes], stream), ending, shown, rows, HEAD_BYTES, compression)
    except WholeFileNeededError:
        return head_of(hub_files(repo, [name], revision)[0], rows)


def _card_configs(repo: HubRepo) -> object:
    """`configs` of the dataset card, None if unavailable: then the file names decide."""
    try:
        with repo.reading():
            path = repo.download(CARD)
        with path.open(encoding="utf-8", errors="replace") as file:
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
