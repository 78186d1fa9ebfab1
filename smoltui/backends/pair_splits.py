"""Which data files of a folder or Hub repository make which split, told from their names as `datasets` does."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from smoltui.backends.pair_tables import ending_of
from smoltui.errors import PairsError

_SHARD = re.compile(r"(?:^|/)([\w.]+?)-\d{5}-of-\d{5}(?:-[0-9a-f]+)?\.[a-z.]+$")
_WORD = re.compile(
    r"(?:^|[^a-z])(training|train|testing|test|validation|valid|val|dev|evaluation|eval)(?=[^a-z]|$)", re.IGNORECASE
)
_CANONICAL = {"training": "train", "testing": "test", "valid": "validation", "val": "validation", "dev": "validation"}
_CANONICAL |= {"evaluation": "test", "eval": "test"}
_NOT_DATA = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "package.json"}


def splits_of(files: Iterable[str]) -> dict[str, list[str]]:
    """Split → its files in order, from relative paths with `/`; train first, then by name.

    Files of one kind only, the kind there is most of. Where a path names a split, files that name none are left out;
    where none does, all of them are `train`.
    """
    data = [name for name in sorted(files) if _is_data(name)]
    kinds = Counter(ending_of(name) for name in data)
    if not kinds:
        return {}
    most = max(kinds, key=lambda kind: (kinds[kind], kind == ".parquet"))
    found: dict[str, list[str]] = {}
    for name in data:
        if ending_of(name) == most and (split := split_named(name)):
            found.setdefault(split, []).append(name)
    if not found:
        return {"train": [name for name in data if ending_of(name) == most]}
    return {split: found[split] for split in sorted(found, key=_order)}


def split_named(name: str) -> str | None:
    """The split that a file's path names, None when it names none."""
    if shard := _SHARD.search(name):
        return shard[1]
    words = _WORD.findall(name)
    return _CANONICAL.get(words[-1].lower(), words[-1].lower()) if words else None


def configured_splits(files: Iterable[str], configs: Any, config: str | None, name: str) -> dict[str, list[str]] | None:
    """As `splits_of`, by the `configs` of a dataset card; None when the card has none or `config` is not among them.

    Raises:
        PairsError: several configurations, none of them the default, and none was asked for.
    """
    entries = [entry for entry in configs if isinstance(entry, Mapping)] if isinstance(configs, list) else []
    named = {str(entry.get("config_name", "default")): entry for entry in entries if entry.get("data_files")}
    if not named:
        return None
    if config is None:
        chosen = [key for key, entry in named.items() if entry.get("default") is True or key == "default"]
        if not chosen and len(named) > 1:
            listed = ", ".join(list(named)[:12])
            first = next(iter(named))
            raise PairsError(f"{name} has several configurations: {listed}", f"Name one: {name}:{first}")
        config = chosen[0] if chosen else next(iter(named))
    if config not in named:
        return None
    patterns = named[config]["data_files"]
    if not isinstance(patterns, list) or not all(isinstance(item, Mapping) for item in patterns):
        patterns = [{"split": "train", "path": patterns}]
    everything, found = sorted(files), dict[str, list[str]]()
    for item in patterns:
        wanted = item.get("path", [])
        for pattern in [wanted] if isinstance(wanted, str) else wanted:
            hits = [file for file in everything if fnmatchcase(file, str(pattern)) and ending_of(file)]
            found.setdefault(str(item.get("split", "train")), []).extend(hits)
    return {split: hits for split, hits in found.items() if hits} or None


def _is_data(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith((".", "_")) for part in path.parts)
    return ending_of(name) is not None and not hidden and path.name not in _NOT_DATA


def _order(split: str) -> tuple[bool, str]:
    return (not split.startswith("train"), split)
