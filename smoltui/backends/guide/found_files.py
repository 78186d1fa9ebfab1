"""Files in a folder that look like preference pairs: for Home, the wizard, and what was typed with a mistake."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from smoltui.backends.data_files.source import PairsSpec, UnknownShapeError
from smoltui.backends.data_files.splits import is_data
from smoltui.core.pairs.curation import FILE_NAME
from smoltui.errors import SmoltuiError
from smoltui.scripts.saved_model import holds_model
from smoltui.suggestions import near

MOST_LOOKED_AT = 400
"""Entries of the folder that are looked at: it may be a person's whole home."""
MOST_OPENED = 24
"""Files whose first rows are read."""
MOST_FOUND = 12
OURS = frozenset({FILE_NAME, "audit.json", "votes.jsonl", "labels.jsonl", "report.json", "package.json"})
"""Files of projects that are no pairs."""


def found_files(folder: Path, *, but: Collection[str] = ()) -> tuple[str, ...]:
    """Names of files and subfolders of `folder` that hold pairs, those recognized without asking first.

    Only first rows are read. `but`: names that are not wanted, such as what the recipe names already. Blocking.
    """
    certain, perhaps = list[str](), list[str]()
    for name in _candidates(folder, but)[:MOST_OPENED]:
        recognized = _recognized(folder, name)
        if recognized is not None:
            (certain if recognized else perhaps).append(name)
    return tuple([*certain, *perhaps][:MOST_FOUND])


def _candidates(folder: Path, but: Collection[str]) -> list[str]:
    """Names that can be pairs, files before folders, each in order of the alphabet."""
    found: list[tuple[bool, str]] = []
    with suppress(OSError), os.scandir(folder) as entries:
        for count, entry in enumerate(entries):
            if count >= MOST_LOOKED_AT:
                break
            name = entry.name
            if name.startswith(".") or name in OURS or name in but:
                continue
            with suppress(OSError):
                if entry.is_file() and is_data(name):
                    found.append((False, name))
                elif entry.is_dir() and _may_hold_pairs(Path(entry.path)):
                    found.append((True, name))
    return [name for _, name in sorted(found)]


def _may_hold_pairs(folder: Path) -> bool:
    """Whether a folder has data files of its own, and is no model."""
    if holds_model(folder):
        return False
    with suppress(OSError), os.scandir(folder) as entries:
        for count, entry in enumerate(entries):
            if count >= MOST_LOOKED_AT:
                break
            if entry.name not in OURS and is_data(entry.name) and entry.is_file():
                return True
    return False


def _recognized(folder: Path, name: str) -> bool | None:
    """Whether the first rows are pairs as they are; False if the columns have to be mapped; None if they are none."""
    from smoltui.backends.data_files.head import open_head

    try:
        open_head(PairsSpec(name), folder, 4)
    except UnknownShapeError as error:
        # Rows with at least two texts can be mapped; a table of numbers cannot.
        texts = [sum(map(_is_text, row.values())) for row in error.rows[:1]]
        return False if texts and texts[0] >= 2 else None
    except SmoltuiError:
        return None
    return True


def _is_text(value: object) -> bool:
    """Whether a value can be a prompt or an answer: words, or messages."""
    return any(char.isalpha() for char in value) if isinstance(value, str) else isinstance(value, list | dict)


def near_path(typed: str, base: Path) -> str:
    """An existing path beside the one that was typed, written as it was; empty if none is close. Blocking."""
    path = Path(typed)
    folder = base / path.parent
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for _, entry in zip(range(MOST_LOOKED_AT), entries, strict=False)]
    except (OSError, ValueError):
        return ""
    found = near(path.name, [name for name in names if not name.startswith(".") or typed.startswith(".")])
    return str(path.with_name(found[0])) if found and path.name else ""
