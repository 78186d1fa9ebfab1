"""Answers stored in the folder of their run, as `answers-<time>.json`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from smoltui.backends.system import data_folder
from smoltui.core.evaluation.sheet import Sheet, sheet_from_json
from smoltui.core.settings.settings import EvaluationSettings
from smoltui.errors import InputError
from smoltui.redaction import without_tokens

MOST_FILES = 50
"""Stored answers that are looked through for those to one set."""


def save_answers(
    folder: Path,
    sheet: Sheet,
    models: Mapping[str, str],
    settings: EvaluationSettings | Mapping[str, Any],
    path: Path | None = None,
) -> Path:
    """Stores the answers in a run's folder and returns the file: `path`, or `answers-<time>.json`.

    Raises:
        InputError: the folder cannot be written, or the answers cannot be written as UTF-8.
    """
    now = time.time()
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now)) + f"{int(now % 1 * 1e6):06d}Z"
    path = path or folder / f"answers-{stamp}.json"
    try:
        data_folder.private_folder(folder)
        data_folder.write_json(path, without_tokens({"at": now, **sheet.as_json(models, settings)}))
    except (OSError, UnicodeEncodeError) as error:
        said = error.strerror or type(error).__name__ if isinstance(error, OSError) else "not UTF-8 text"
        raise InputError(
            f"The answers could not be saved ({said}): {path}",
            "Free some space there, make it writable, or set SMOLTUI_HOME to another data folder.",
        ) from error
    return path


def last_answers(folder: Path) -> dict[str, Any] | None:
    """The newest answers stored in a run's folder by `save_answers`; None without any."""
    return next(_stored(folder), None)


def kept_answers(folder: Path, prompt_set: str, *, is_project: bool) -> tuple[Sheet, float | None] | None:
    """The newest stored answers to a set, and when they were stored; None without any.

    With `is_project`, answers that name no set (of version 1) are those.
    """
    for data in islice(_stored(folder), MOST_FILES):
        if (named := data.get("set")) == prompt_set or (is_project and not named):
            at = data.get("at")
            return sheet_from_json(data), at if isinstance(at, float) else None
    return None


def newest_answers(folder: Path) -> list[Sheet]:
    """The newest stored answers to each set of prompts, the newest first."""
    found: dict[object, Sheet] = {}
    for data in islice(_stored(folder), MOST_FILES):
        sheet = sheet_from_json(data)
        if sheet.complete:
            found.setdefault(sheet.prompt_set, sheet)
    return list(found.values())


def _stored(folder: Path) -> Iterator[dict[str, Any]]:
    """Everything that can be read, newest first."""
    try:
        paths = sorted(folder.glob("answers-*.json"), reverse=True)
    except OSError:
        return
    for path in paths:
        if (data := data_folder.read_json(path)) is not None:
            yield data
