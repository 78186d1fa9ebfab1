"""Which files on this machine a set is made of: one file, those of a folder, those matching a pattern, or a list."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from smoltui.backends.data_files.splits import is_data, left_aside, split_named, splits_of
from smoltui.backends.data_files.tables import READABLE, head_of
from smoltui.backends.system.paths import exists, expanded
from smoltui.backends.system.small_file import read_small
from smoltui.core.foreign import foreign_json
from smoltui.errors import PairsError
from smoltui.safe_text import safe_line
from smoltui.scripts.pair_format import schema_of
from smoltui.scripts.pair_turns import NotAPairError

FOLDERS_DEEP = 2
"""Depth to which a folder is searched, including itself: a home folder given by mistake must not be read whole."""
_STATE, _DICT = "state.json", "dataset_dict.json"
"""What `Dataset.save_to_disk` and `DatasetDict.save_to_disk` write next to the data."""

MOST_DOCUMENTS = 64
"""The .json files of a folder that are looked into; more of them are taken as shards of one set."""
FIRST_ROWS = 20
"""Rows of a file that show whether it holds pairs."""
MOST_STATE_BYTES = 16 << 20
"""Of these, the one that lists the data files."""

Files = Mapping[str, tuple[str, ...]]
"""Split → paths or patterns."""


@dataclass(frozen=True, slots=True)
class Local:
    """A set on this machine."""

    name: str
    source: str
    """Absolute; empty if `files` has everything."""
    files: Files | None
    """As requested, with absolute paths."""
    splits: Mapping[str, Sequence[str]]
    """Split → absolute paths."""
    lone_file: bool = False
    aside: tuple[str, ...] = ()
    """Files of a folder that are not read, relative to it."""


def is_pattern(text: str) -> bool:
    """Whether it can match several files: `data/*.jsonl`."""
    return glob.has_magic(text)


def local_splits(source: str, files: Files | None, base: Path) -> Local | None:
    """The files of a set, relative paths from `base`; None if nothing has that name.

    Raises:
        PairsError: nothing in it can be read, or a pattern matches nothing.
    """
    if files:
        named = {split: tuple(_absolute(path, base) for path in paths) for split, paths in files.items()}
        found = {split: [file for path in paths for file in _listed(path)] for split, paths in named.items()}
        return Local(", ".join(Path(path).name for paths in named.values() for path in paths), "", named, found)
    path = base / expanded(source)
    if exists(path):
        if path.is_dir():
            splits = _folder_splits(path)
            return Local(path.name, str(path), None, _strings(splits), aside=_aside(path, splits))
        # Also a pipe or a device: opening reports the problem.
        return Local(path.name, str(path), None, {split_named(path.name) or "train": [str(path)]}, lone_file=True)
    if not is_pattern(source) or "://" in source:
        return None
    pattern = _absolute(source, base)
    return Local(source, pattern, None, _strings(_pattern_splits(pattern)))


def files_of_spec(source: str, files: Files | None, base: Path) -> list[Path]:
    """All files that a local set is read from, including those that describe a folder; in order."""
    if files:
        named = [Path(file) for paths in files.values() for path in paths for file in _found(_absolute(path, base))]
        return list(dict.fromkeys(named))
    path = base / expanded(source)
    if not exists(path):
        return _found(_absolute(source, base)) if is_pattern(source) else []
    if not path.is_dir():
        return [path]
    inside: list[Path] = []
    with suppress(PairsError):  # nothing in it can be read (any more)
        inside = [file for found in _folder_splits(path).values() for file in found]
    saved = [file for folder in (path, *_saved_folders(path).values()) for file in (folder / _STATE, *_saved(folder))]
    return sorted({file for file in (*inside, path / _DICT, *saved) if exists(file)})


def _absolute(path: str, base: Path) -> str:
    """An absolute path or pattern; special characters in `base` are not a pattern."""
    written = expanded(path)
    if written.is_absolute():
        return str(written)
    if is_pattern(path) and not exists(base / written):
        return str(Path(glob.escape(str(base))) / written)
    return str(base / written)


def _listed(path: str) -> list[str]:
    """The files matching one entry of a list. Raises: PairsError: a pattern matches nothing."""
    if exists(Path(path)) or not is_pattern(path):
        return [path]
    if found := _found(path):
        return [str(file) for file in found]
    raise _nothing_found(path)


def _found(pattern: str) -> list[Path]:
    if exists(Path(pattern)):
        return [Path(pattern)]
    names = glob.glob(pattern, recursive=True)  # noqa: PTH207  # Path.glob takes no absolute pattern
    return [Path(name) for name in sorted(names) if Path(name).is_file()]


def _pattern_splits(pattern: str) -> dict[str, list[Path]]:
    parts = Path(pattern).parts
    fixed = Path(*parts[: next(place for place, part in enumerate(parts) if glob.has_magic(part.replace("[[]", "")))])
    start = Path(str(fixed).replace("[[]", "[").replace("[*]", "*").replace("[?]", "?"))  # `glob.escape` undone
    # Its parent folders are the person's own: /home/test/… is not a split.
    names = [file.relative_to(start).as_posix() for file in _found(pattern) if file.is_relative_to(start)]
    splits = splits_of(names)
    if not splits:
        raise _nothing_found(pattern)
    return {split: [start / name for name in files] for split, files in splits.items()}


def _nothing_found(pattern: str) -> PairsError:
    return PairsError(f"No file that can be read as pairs matches: {safe_line(pattern, 200)}", f"Readable: {READABLE}.")


def _folder_splits(folder: Path) -> dict[str, list[Path]]:
    """Split → files of a folder: saved by `datasets` (one split or several), or with data files.

    Raises:
        PairsError: nothing in it can be read.
    """
    if saved := _saved(folder):
        return {"train": saved}
    found = {split: _saved(inside) for split, inside in _saved_folders(folder).items()}
    if any(found.values()):
        return {split: files for split, files in found.items() if files}
    try:
        inside = _inside(folder)
    except OSError as error:
        said = error.strerror or str(error)
        raise PairsError(f"The folder cannot be read: {safe_line(str(folder), 200)}", f"{said}.") from error
    inside = _without_documents(folder, inside)
    splits = splits_of([name for name in inside if "/" not in name]) or splits_of(inside)
    if not splits:
        raise PairsError(
            f"The folder contains no file that can be read as pairs: {safe_line(str(folder), 200)}",
            f"Readable: {READABLE}, and folders saved by datasets.",
        )
    return {split: [folder / name for name in files] for split, files in splits.items()}


def _inside(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in _walk(folder)]


def _aside(folder: Path, splits: Mapping[str, Sequence[Path]]) -> tuple[str, ...]:
    """The files of a folder that are not read; none of a folder saved by `datasets`."""
    if _saved(folder) or _saved_folders(folder):
        return ()
    used = {split: [file.relative_to(folder).as_posix() for file in files] for split, files in splits.items()}
    with suppress(OSError):
        return left_aside(_inside(folder), used)
    return ()


def _without_documents(folder: Path, names: Sequence[str]) -> list[str]:
    """The files of a folder without its .json files that hold no pairs, such as config.json, if others remain."""
    documents = [name for name in names if name.lower().endswith(".json") and is_data(name)]
    if len(documents) > MOST_DOCUMENTS:
        return list(names)
    odd = {name for name in documents if not _holds_pairs(folder / name)}
    rest = [name for name in names if name not in odd]
    return rest if any(map(is_data, rest)) else list(names)


def _holds_pairs(path: Path) -> bool:
    with suppress(OSError):
        stat = path.stat()
        return _known_to_hold_pairs(path, stat.st_size, stat.st_mtime_ns)
    return False


@lru_cache(maxsize=MOST_DOCUMENTS)
def _known_to_hold_pairs(path: Path, size: int, changed: int) -> bool:
    """Whether the first rows of a file have a known shape; the file is as large and as old as given."""
    try:
        rows = head_of(path, FIRST_ROWS).rows
    except PairsError:
        return False
    return any(map(_is_pair, rows))


def _is_pair(row: object) -> bool:
    try:
        return bool(schema_of(row))
    except NotAPairError:
        return False


def _walk(folder: Path, depth: int = FOLDERS_DEEP) -> Iterator[Path]:
    """Files of the folder and its subfolders, nothing hidden. Raises: OSError: of the folder itself."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_file():
            yield path
        elif depth > 1 and path.is_dir() and not path.is_symlink():
            with suppress(OSError):  # a subfolder that this user cannot read
                yield from _walk(path, depth - 1)


def _saved(folder: Path) -> list[Path]:
    """The Arrow files of one split written by `Dataset.save_to_disk`, in order; empty for another folder."""
    try:
        state = foreign_json.decode(read_small(folder / _STATE, MOST_STATE_BYTES))
        return [folder / str(entry["filename"]) for entry in state["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _saved_folders(folder: Path) -> dict[str, Path]:
    """Split → folder, of what `DatasetDict.save_to_disk` wrote; empty for another folder."""
    try:
        names = foreign_json.decode(read_small(folder / _DICT, MOST_STATE_BYTES))["splits"]
        return {name: folder / name for name in names if isinstance(name, str)}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _strings(splits: Mapping[str, Sequence[Path]]) -> dict[str, list[str]]:
    return {split: [str(path) for path in paths] for split, paths in splits.items()}
