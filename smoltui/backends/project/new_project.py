"""Creates a project folder from a preset: copies its files, and never overwrites a recipe unasked.

All files or none: they are first copied to a hidden folder on the same disk, then moved.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

from smoltui.backends.project.project import RECIPE_NAME, Project
from smoltui.backends.system.paths import exists, expanded
from smoltui.core.settings.file_name import FILE_NAME
from smoltui.errors import InputError
from smoltui.suggestions import did_you_mean

PACKAGE = Path(__file__).parents[2]

_NAMES = (
    *("course-local", "course-jobs", "lora-8gb", "lora-16gb", "lora-24gb", "qlora-8gb", "full-80gb", "zero3-8gpu"),
    *("apo-zero", "fast", "lean"),
)
PRESETS: dict[str, Path] = {
    "demo": PACKAGE / "demo" / "project",
    **{name: PACKAGE / "presets" / name for name in _NAMES},
}
"""Name of a preset → its folder."""


NEW, OLD = "new", "old"
"""Subfolders of the staging folder: the new files, and the files that they replace."""


def create_project(folder: Path, preset: str, *, overwrite: bool = False) -> Project:
    """The new project. `folder` is created if missing; its other files are kept.

    `overwrite` replaces the preset's own files only. If anything fails (the disk is full, ctrl+c), the folder is
    restored to its previous state.

    Raises:
        InputError: no such preset, the folder already has a recipe or cannot be written, or the preset cannot be read.
    """
    source = PRESETS.get(preset)
    if source is None:
        hint = " ".join(filter(None, (did_you_mean(preset, PRESETS), f"Presets: {', '.join(PRESETS)}.")))
        raise InputError(f"Unknown preset: {preset}", hint)
    files = _files_of(source)
    if Path(RECIPE_NAME) not in files:
        raise InputError(f"The preset's files are missing from this installation: {preset}", "Reinstall smoltui.")
    return place_files(folder, {name: partial(_read, source / name) for name in files}, overwrite=overwrite)


def place_files(folder: Path, files: Mapping[Path, Callable[[], bytes]], *, overwrite: bool = False) -> Project:
    """A project of these files: relative path → what returns its content. The recipe, which makes a folder a project,
    must be the last. Otherwise as `create_project`.

    Raises:
        InputError: as `create_project`.
    """
    folder = expanded(str(folder)).absolute()
    if exists(folder) and not folder.is_dir():
        raise InputError(f"Not a folder but a file: {folder}", "Choose another folder.")
    there = [str(name) for name in files if exists(folder / name)]
    if there and not overwrite:
        what = "a project" if RECIPE_NAME in there or FILE_NAME in there else there[0]
        raise InputError(
            f"This folder already contains {what}: {folder}", f"Open it: smoltui {folder}, or choose another folder."
        )
    try:
        with _staging(folder) as staging:
            for name, content in files.items():
                _write(staging / NEW / name, content())
            _move_all(staging, folder, list(files))
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"The folder is not writable ({said}): {folder}", "Choose another folder.") from error
    return Project(folder)


def _files_of(source: Path) -> list[Path]:
    """Relative paths of a preset's files; the recipe, which makes a folder a project, is last.

    Raises:
        InputError: one of its folders cannot be read.
    """
    found: list[Path] = []
    for folder, _, names in os.walk(source, onerror=_unreadable):
        paths = (Path(folder, name) for name in names)
        found += (path.relative_to(source) for path in paths if _ships(path))
    return sorted(found, key=lambda name: (name == Path(RECIPE_NAME), name))


def _ships(path: Path) -> bool:
    return "__pycache__" not in path.parts and not path.name.startswith(".")


def _unreadable(error: OSError) -> NoReturn:
    raise InputError(f"The preset cannot be read ({error.strerror}): {error.filename}", "Reinstall smoltui.") from error


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """A hidden folder on the same disk as `folder`: inside it, or inside its nearest existing parent."""
    place = next(path for path in (folder, *folder.parents) if path.is_dir())
    with tempfile.TemporaryDirectory(prefix=".smoltui-new-", dir=place, ignore_cleanup_errors=True) as staging:
        yield Path(staging)


def _read(source: Path) -> bytes:
    """The content of a preset's file. Raises InputError."""
    try:
        return source.read_bytes()
    except OSError as error:
        _unreadable(error)


def _write(target: Path, content: bytes) -> None:
    """Writes only the content: copies from a read-only installation must be writable. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def _move_all(staging: Path, folder: Path, files: Sequence[Path]) -> None:
    """Moves files from the staging folder to `folder`; undoes everything if one cannot be moved."""
    made: list[Path] = []
    try:
        for name in files:
            target = folder / name
            missing = [path for path in target.parents if not path.is_dir()]
            made += missing
            for path in reversed(missing):
                path.mkdir()
            if exists(target):
                old = staging / OLD / name
                old.parent.mkdir(parents=True, exist_ok=True)
                target.replace(old)
            (staging / NEW / name).replace(target)
    except BaseException:
        _take_back(staging, folder, files, made)
        raise


def _take_back(staging: Path, folder: Path, files: Sequence[Path], made: Sequence[Path]) -> None:
    for name in files:
        with suppress(OSError):  # the others still have to be undone
            if not exists(staging / NEW / name):
                (folder / name).unlink(missing_ok=True)
            if exists(staging / OLD / name):
                (staging / OLD / name).replace(folder / name)
    for path in sorted(made, key=lambda path: len(path.parts), reverse=True):
        with suppress(OSError):  # it is no longer empty
            path.rmdir()
