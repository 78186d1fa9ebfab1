"""Writes one table of smoltui.toml, and keeps everything else in the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from smoltui.backends.project.project import MOST_SETTINGS_BYTES, Project
from smoltui.backends.system.small_file import read_small_text
from smoltui.core.settings.settings import FILE_NAME
from smoltui.errors import InputError, RecipeError
from smoltui.safe_text import safe_line
from smoltui.scripts.pair_how import AS_IT_IS, How


def set_pair_reading(project: Project, columns: Mapping[str, str], how: How = AS_IT_IS) -> None:
    """Writes how the set is read: `[pairs.columns]`, and in `[pairs]` what differs from `AS_IT_IS`.

    Without either, the set is read as its rows show. Raises as `_edited`.
    """

    def put(document: Any) -> None:
        pairs = document.setdefault("pairs", tomlkit.table())
        for item in fields(how):
            pairs.pop(item.name, None)
            if (value := getattr(how, item.name)) != item.default:
                pairs[item.name] = list(value) if isinstance(value, tuple) else value
        pairs.pop("columns", None)
        if columns:
            table = tomlkit.table()
            for name, value in columns.items():
                table[name] = value
            pairs["columns"] = table
        if not pairs:
            document.pop("pairs")

    import tomlkit

    _edited(project, put)


def set_shown_columns(project: Project, names: Sequence[str]) -> None:
    """Writes `pairs.show`: the further columns that are shown with each pair. Raises as `_edited`."""

    def put(document: Any) -> None:
        pairs = document.setdefault("pairs", tomlkit.table())
        if names:
            pairs["show"] = list(names)
        else:
            pairs.pop("show", None)

    import tomlkit

    _edited(project, put)


def set_watch(project: Project, rule: str, value: bool | int | float) -> None:
    """Writes one rule of `[watch]`, a field of `WatchSettings`. Raises as `_edited`."""

    def put(document: Any) -> None:
        document.setdefault("watch", tomlkit.table())[rule] = value

    import tomlkit

    _edited(project, put)


def _edited(project: Project, change: Callable[[Any], None]) -> None:
    """Applies a change to the file, and keeps everything else in it.

    Raises:
        RecipeError: the existing file is not TOML.
        InputError: it cannot be written.
    """
    import tomlkit
    import tomlkit.exceptions

    from smoltui.core.pairs.facts import sound

    project.settings()  # a broken file is reported, never overwritten
    path = project.folder / FILE_NAME
    try:
        document = tomlkit.parse(read_small_text(path, MOST_SETTINGS_BYTES) if path.exists() else "")
        change(document)
        beside = path.with_name(f".{path.name}.new")
        beside.write_text(sound(tomlkit.dumps(document)), encoding="utf-8")
        beside.replace(path)
    except (
        tomlkit.exceptions.TOMLKitError,
        ValueError,
        RecursionError,
    ) as error:  # accepted by tomllib, but not by tomlkit
        raise RecipeError(
            f"{FILE_NAME} cannot be changed here: {safe_line(str(error), 200)}", "Edit the file in your editor."
        ) from error
    except OSError as error:
        raise InputError(
            f"{FILE_NAME} cannot be written ({error.strerror}): {project.folder}",
            "Make it writable, or free some space.",
        ) from error
