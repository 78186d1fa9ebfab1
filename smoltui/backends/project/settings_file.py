"""Writes single settings of smoltui.toml, and keeps everything else in the file. Each change can be undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from smoltui.backends.project.journal import Journal, Written, digest
from smoltui.backends.project.project import MOST_SETTINGS_BYTES, Project
from smoltui.backends.system.small_file import read_small
from smoltui.core.settings.settings import FILE_NAME
from smoltui.errors import InputError, RecipeError
from smoltui.safe_text import safe_line
from smoltui.scripts.pair_how import AS_IT_IS, How


def set_pair_reading(project: Project, columns: Mapping[str, str], how: How = AS_IT_IS) -> Written:
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

    return _edited(project, "how the pairs are read", put)


def set_shown_columns(project: Project, names: Sequence[str]) -> Written:
    """Writes `pairs.show`: the further columns that are shown with each pair. Raises as `_edited`."""

    def put(document: Any) -> None:
        pairs = document.setdefault("pairs", tomlkit.table())
        if names:
            pairs["show"] = list(names)
        else:
            pairs.pop("show", None)

    import tomlkit

    return _edited(project, f"pairs.show {', '.join(names) or 'none'}", put)


def set_watch(project: Project, rule: str, value: bool | int | float) -> Written:
    """Writes one rule of `[watch]`, a field of `WatchSettings`. Raises as `_edited`."""

    def put(document: Any) -> None:
        document.setdefault("watch", tomlkit.table())[rule] = value

    import tomlkit

    return _edited(project, f"watch.{rule} {str(value).lower()}", put)


def _edited(project: Project, said: str, change: Callable[[Any], None]) -> Written:
    """Applies a change to the file, and keeps everything else in it; `said` is what changes.

    Raises:
        RecipeError: the existing file is not TOML.
        InputError: it cannot be written, or another program wrote it in the same moment.
    """
    import tomlkit
    import tomlkit.exceptions

    from smoltui.core.pairs.facts import sound

    project.settings()  # a broken file is reported, never overwritten
    path = project.folder / FILE_NAME
    try:
        before = read_small(path, MOST_SETTINGS_BYTES) if path.exists() else None
        document = tomlkit.parse((before or b"").decode("utf-8"))
        change(document)
        data = sound(tomlkit.dumps(document)).encode("utf-8")
        return Journal(project.folder).write(path, data, said, expected=digest(before))
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
