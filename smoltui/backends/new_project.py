"""Makes a project folder from a preset: files copied as they are, never over a recipe that is there."""

from __future__ import annotations

import shutil
from pathlib import Path

from smoltui.backends.project import RECIPE_NAME, Project
from smoltui.core.settings import FILE_NAME
from smoltui.errors import InputError

PACKAGE = Path(__file__).parent.parent

PRESETS: dict[str, Path] = {
    "demo": PACKAGE / "demo" / "project",
    "course-local": PACKAGE / "presets" / "course-local",
    "course-jobs": PACKAGE / "presets" / "course-jobs",
}
"""Name → folder that is copied."""


def create_project(folder: Path, preset: str, *, overwrite: bool = False) -> Project:
    """The new project. `folder` is made where it does not exist; other files in it stay.

    `overwrite` replaces the files the preset brings, and no others.

    Raises:
        InputError: no such preset, the folder already holds a recipe, or it cannot be written.
    """
    source = PRESETS.get(preset)
    if source is None:
        raise InputError(f"There is no preset of this name: {preset}", f"Presets: {', '.join(PRESETS)}.")
    if not (source / RECIPE_NAME).is_file():
        raise InputError(f"This installation lacks the preset's files: {preset}", "Install smoltui again.")
    folder = Path(folder).expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise InputError(f"This is a file, not a folder: {folder}", "Name another folder.")
    files = sorted(path.relative_to(source) for path in source.rglob("*") if path.is_file() and _ships(path))
    there = [str(name) for name in files if (folder / name).exists()]
    if there and not overwrite:
        what = "a project" if RECIPE_NAME in there or FILE_NAME in there else there[0]
        raise InputError(
            f"This folder already holds {what}: {folder}", f"Open it with: smoltui {folder}, or name another folder."
        )
    try:
        for name in files:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            # Content alone: in a read-only installation the copies must still be writable.
            shutil.copyfile(source / name, target)
    except OSError as error:
        raise InputError(f"The folder cannot be written, {error.strerror}: {folder}", "Name another folder.") from error
    return Project(folder)


def _ships(path: Path) -> bool:
    return "__pycache__" not in path.parts and not path.name.startswith(".")
