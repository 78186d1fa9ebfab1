"""Assigns the data files of a folder or Hub repository to splits by their names, as `datasets` does."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from smoltui.backends.data_files.tables import ending_of
from smoltui.errors import PairsError
from smoltui.safe_text import safe_line

_SPLIT = re.compile(r"([\w.-]+?)(?:\[(-?\d+%?)?:(-?\d+%?)?\])?")
_SHARD = re.compile(r"(?:^|/)([\w.]+?)-\d{5}-of-\d{5}(?:-[0-9a-f]+)?\.[a-z.]+$")
_WORD = re.compile(
    r"(?:^|[^a-z])(training|train|testing|test|validation|valid|val|dev|evaluation|eval)(?=[^a-z]|$)", re.IGNORECASE
)
_CANONICAL = {"training": "train", "testing": "test", "valid": "validation", "val": "validation", "dev": "validation"}
_CANONICAL |= {"evaluation": "test", "eval": "test"}
_FORMATS = {".jsonl": "json", ".ndjson": "json", ".tsv": "csv", ".feather": "arrow"}
_PREFERRED = ("parquet", "json", "arrow", "csv", "zip")
"""Formats, the preferred one first where a split has as many files of several."""
MOST_NAMED = 8
"""Files that were left aside and are named."""
_NOT_DATA = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "package.json"}


def splits_of(files: Iterable[str]) -> dict[str, list[str]]:
    """Split → its files in order, from relative paths with `/`; train first, then by name.

    Of each split, only files of its most frequent format. If a path contains a split name, files without one are
    ignored; if none does, all of them are `train`.
    """
    data = [name for name in sorted(files) if is_data(name)]
    named: dict[str, list[str]] = {}
    for name in data:
        if split := split_named(name):
            named.setdefault(split, []).append(name)
    found = named or ({"train": data} if data else {})
    return {split: _of_one_format(found[split]) for split in sorted(found, key=_order)}


def _of_one_format(files: Sequence[str]) -> list[str]:
    formats = Counter(format_of(name) for name in files)
    most = max(formats, key=lambda one: (formats[one], -_PREFERRED.index(one)))
    return [name for name in files if format_of(name) == most]


def format_of(name: str) -> str:
    """The format of a data file, by which the files of a split belong together: json, csv, parquet, arrow or zip."""
    ending = ending_of(name) or ""
    return _FORMATS.get(ending, ending.removeprefix("."))


def left_aside(files: Iterable[str], splits: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The files of a folder that belong to none of its splits; nothing hidden, and not what describes a set."""
    used = {name for names in splits.values() for name in names}
    return tuple(
        name for name in sorted(files) if name not in used and not _is_hidden(name) and _last(name) not in _NOT_DATA
    )


def aside_note(files: Sequence[str]) -> str:
    """What was left aside, one sentence; empty if there is nothing."""
    if not files:
        return ""
    more = f" and {len(files) - MOST_NAMED:,} more" if len(files) > MOST_NAMED else ""
    return f"Left aside: {safe_line(', '.join(files[:MOST_NAMED]), 400)}{more}."


def split_named(name: str) -> str | None:
    """The split in a file's path; None without one."""
    if shard := _SHARD.search(name):
        return shard[1]
    words = _WORD.findall(name)
    return _CANONICAL.get(words[-1].lower(), words[-1].lower()) if words else None


def configured_splits(
    files: Iterable[str], configs: object, config: str | None, name: str
) -> dict[str, list[str]] | None:
    """As `splits_of`, by the `configs` of a dataset card; None if the card has none, or lacks `config`.

    Raises:
        PairsError: several configurations, no default, and none requested.
    """
    named = _configurations(configs)
    if not named:
        return None
    config = _default_config(named, name) if config is None else config
    if config not in named:
        return None
    everything, found = sorted(files), dict[str, list[str]]()
    for split, pattern in _patterns(named[config]["data_files"]):
        hits = [file for file in everything if fnmatchcase(file, pattern) and ending_of(file)]
        found.setdefault(split, []).extend(hits)
    return {split: hits for split, hits in found.items() if hits} or None


Configuration = Mapping[str, object]
"""One entry of `configs` of a dataset card."""


def _configurations(configs: object) -> dict[str, Configuration]:
    """Name → configuration with data files, from `configs` of a dataset card."""
    entries = configs if isinstance(configs, list) else []
    return {
        str(entry.get("config_name", "default")): entry
        for entry in entries
        if isinstance(entry, Mapping) and entry.get("data_files")
    }


def _default_config(named: Mapping[str, Configuration], name: str) -> str:
    """The configuration that is read if none was requested.

    Raises:
        PairsError: there are several, and none of them is the default.
    """
    chosen = [key for key, entry in named.items() if entry.get("default") is True or key == "default"]
    if not chosen and len(named) > 1:
        listed = safe_line(", ".join(list(named)[:12]), 400)
        first = safe_line(next(iter(named)), 60)
        raise PairsError(f"{name} has several configurations: {listed}", f"Choose one: {name}:{first}")
    return chosen[0] if chosen else next(iter(named))


def _patterns(data_files: object) -> Iterator[tuple[str, str]]:
    """(split, pattern of file names) of each entry of `data_files`; an entry without a split belongs to train."""
    if isinstance(data_files, list) and all(isinstance(item, Mapping) for item in data_files):
        entries = data_files
    else:
        entries = [{"split": "train", "path": data_files}]
    for item in entries:
        wanted = item.get("path", [])
        for pattern in [wanted] if isinstance(wanted, str) else wanted if isinstance(wanted, list) else []:
            yield str(item.get("split", "train")), str(pattern)


def is_data(name: str) -> bool:
    """Whether a file of a folder may hold rows, by its name."""
    return ending_of(name) is not None and not _is_hidden(name) and _last(name) not in _NOT_DATA


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "_")) for part in PurePosixPath(name).parts)


def _last(name: str) -> str:
    return PurePosixPath(name).name


def _order(split: str) -> tuple[bool, str]:
    return (not split.startswith("train"), split)


# --------------------------------------------------------------------------------------------------- the one asked for


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a split as in `train[10%:20%]`: each end is a number, possibly negative, a percentage, or None."""

    start: str | None
    stop: str | None

    def of(self, rows: int) -> slice:
        """The slice for a split with this many rows."""
        return slice(_bound(self.start, rows), _bound(self.stop, rows))

    @property
    def plain(self) -> tuple[int, int | None] | None:
        """(first, end) if independent of the number of rows; end None: to the last."""
        if any(text and (text.startswith("-") or text.endswith("%")) for text in (self.start, self.stop)):
            return None
        return int(self.start or 0), int(self.stop) if self.stop else None


def wanted_rows(split: str) -> Rows | None:
    """The rows selected by a split such as train[:1000]; None for all of them."""
    parsed = _SPLIT.fullmatch(split)
    return Rows(parsed[2], parsed[3]) if parsed and (parsed[2] or parsed[3]) else None


def split_asked(
    split: str | None, splits: Mapping[str, Sequence[str]], name: str, *, lone_file: bool = False
) -> tuple[str, Sequence[str]]:
    """(the requested split, its files); by default train, or the first. A single file counts as any split.

    Raises:
        PairsError: there is no such split.
    """
    asked = split or ("train" if "train" in splits else next(iter(splits)))
    parsed = _SPLIT.fullmatch(asked)
    found = parsed[1] if parsed else asked
    if found in splits:
        return asked, splits[found]
    if lone_file:
        return asked, next(iter(splits.values()))
    raise PairsError(
        f"{safe_line(name, 80)} has no such split: {safe_line(asked, 60)}",
        f"Its splits: {safe_line(', '.join(splits), 400)}.",
    )


def _bound(text: str | None, rows: int) -> int | None:
    if not text:
        return None
    return round(rows * int(text[:-1]) / 100) if text.endswith("%") else int(text)
