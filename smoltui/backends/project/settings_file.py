"""Writes single settings of smoltui.toml, and keeps everything else in the file. Each change can be undone."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from smoltui.backends.project.journal import Journal, Written, contents, digest
from smoltui.backends.project.project import MOST_SETTINGS_BYTES, Project, too_nested
from smoltui.backends.system.small_file import read_small
from smoltui.core.recipe.changes import ABSENT
from smoltui.core.setting_fields.fields import change_of_setting, flat, problem_with, show_setting, with_setting
from smoltui.core.settings.file_name import FILE_NAME
from smoltui.core.settings.settings import parse_settings
from smoltui.core.undo.history import NO_FILE
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


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """smoltui.toml as it was read, whether or not its values can be used."""

    data: Mapping[str, Any]
    """As TOML decodes it."""
    text: str
    digest: str

    @property
    def problem(self) -> RecipeError | None:
        """Why the settings cannot be used; None if they can."""
        try:
            parse_settings(self.data)
        except RecipeError as error:
            return error
        return None

    def line_of(self, key: str) -> int | None:
        """One-based line of a key; None if it is not in the file, or not on a line of its own."""
        *tables, name = key.split(".")
        lines, now = self.text.splitlines(), ""
        for number, line in enumerate(lines, 1):
            if found := _HEADER.match(line):
                now = found[1].replace(" ", "")
            elif now == ".".join(tables) and re.match(rf"\s*{re.escape(name)}\s*=", line):
                return number
        return None


_HEADER = re.compile(r"\s*\[\s*([\w\-. ]+?)\s*\]\s*(?:#.*)?$")


def load_settings(project: Project) -> SettingsFile:
    """smoltui.toml of a project; empty if it does not exist.

    Raises:
        RecipeError: it cannot be read, or is not TOML. Wrong keys and values are its `problem`.
    """
    try:
        data = read_small(project.folder / FILE_NAME, MOST_SETTINGS_BYTES)
    except FileNotFoundError:
        return SettingsFile({}, "", NO_FILE)
    except OSError as error:
        raise RecipeError(f"{FILE_NAME} cannot be read: {error.strerror}") from error
    return settings_of(project, data)


def settings_of(project: Project, data: bytes) -> SettingsFile:
    """The settings in the content of a file. Raises as `load_settings`."""
    return SettingsFile(_decoded(project, data), data.decode("utf-8"), digest(data))


def digest_of_settings(project: Project) -> str:
    """Digest of the file now, to compare with `SettingsFile.digest`."""
    return digest(contents(project.folder / FILE_NAME))


def _decoded(project: Project, data: bytes) -> dict[str, Any]:
    try:
        text = data.decode("utf-8")
        if not (line := too_nested(text)):
            return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecipeError(
            f"{FILE_NAME} cannot be read as TOML: {error}", f"Fix or delete {project.folder / FILE_NAME}."
        ) from error
    raise RecipeError(f"{FILE_NAME} line {line} is nested too deeply", f"Fix or delete {project.folder / FILE_NAME}.")


def set_settings(project: Project, values: Mapping[str, object], *, expected: Mapping[str, object] = {}) -> Written:
    """Writes keys such as `jobs.timeout`; `ABSENT` removes one. Comments, order and everything else stay.

    `expected`: values of some of the keys that the person has seen (`ABSENT` for none).

    Raises:
        RecipeError: the file is not TOML, a value cannot be used, or another program changed one of `expected`.
        InputError: it cannot be written.
    """
    file = load_settings(project)
    now = flat(file.data)
    for key, seen in expected.items():
        if (found := now.get(key, ABSENT)) not in (seen, values[key]):
            word = "removed it" if found is ABSENT else f"set it to {show_setting(found)}"
            raise RecipeError(
                f"{key} was not saved: another program {word} in the meantime", "Repeat the change to keep yours."
            )
    after: Mapping[str, Any] = file.data
    text = file.text
    for key, value in values.items():
        if refused := problem_with(after, key, value):
            raise RecipeError(refused)
        before, after = after, with_setting(after, key, value)
        text = _with_key(project, text, key, value, before, after)
    said = " · ".join(change_of_setting(key, now.get(key, ABSENT), value) for key, value in values.items())
    try:
        return Journal(project.folder).write(
            project.folder / FILE_NAME, text.encode("utf-8"), said, expected=file.digest
        )
    except OSError as error:
        raise InputError(
            f"{FILE_NAME} cannot be written ({error.strerror}): {project.folder}",
            "Make it writable, or free some space.",
        ) from error


def _with_key(
    project: Project, text: str, key: str, value: object, before: Mapping[str, Any], after: Mapping[str, Any]
) -> str:
    """The text with one key changed. Raises: RecipeError: that is not possible without touching something else."""
    if before == after:
        return text
    for change in (_added_line, _added_table, _by_tomlkit):
        new = change(text, key, value)
        try:
            if new is not None and _decoded(project, new.encode("utf-8")) == after:
                return new
        except (RecipeError, ValueError):  # ValueError: half a character, which no encoding can represent
            continue
    raise RecipeError(
        f"{FILE_NAME} cannot be changed without touching something else: {key}",
        "Open the file in your editor (e) and change the line there.",
    )


def _added_line(text: str, key: str, value: object) -> str | None:
    """The text with a line for a new key at the end of its table, before the comments that belong to the next one; None
    if the table has no heading, or the key is removed."""
    table, _, name = key.rpartition(".")
    lines = text.splitlines(keepends=True)
    heads = [at for at, line in enumerate(lines) if (found := _HEADER.match(line)) and found[1] == table]
    if value is ABSENT or not heads:
        return None
    end = next((at for at in range(heads[0] + 1, len(lines)) if lines[at].lstrip().startswith("[")), len(lines))
    while end > heads[0] + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    newline = "\r\n" if lines[heads[0]].endswith("\r\n") else "\n"
    above = lines[end - 1] if lines[end - 1].endswith("\n") else lines[end - 1] + newline
    return "".join([*lines[: end - 1], above, f"{name} = {_rendered(value)}{newline}", *lines[end:]])


def _added_table(text: str, key: str, value: object) -> str | None:
    """The text with a new table for a key at its end; None if the key is removed."""
    if value is ABSENT:
        return None
    table, _, name = key.rpartition(".")
    newline = "\r\n" if "\r\n" in text else "\n"
    end = "" if not text or text.endswith("\n") else newline
    return f"{text}{end}{newline if text else ''}[{table}]{newline}{name} = {_rendered(value)}{newline}"


def _rendered(value: object) -> str:
    """A value as TOML, on one line."""
    import tomlkit

    if isinstance(value, Mapping):
        inline = tomlkit.inline_table()
        inline.update(value)
        return inline.as_string()
    return tomlkit.item(value).as_string()


def _by_tomlkit(text: str, key: str, value: object) -> str | None:
    """The text with a key changed or removed; None if it cannot be edited this way."""
    import tomlkit
    import tomlkit.exceptions

    *tables, name = key.split(".")
    try:
        document = tomlkit.parse(text)
        at: Any = document
        for table in tables:
            at = at.setdefault(table, tomlkit.table())
        if value is ABSENT:
            at.pop(name, None)
            if not at and len(tables) > 1:
                document[tables[0]].pop(tables[1])
        else:
            at[name] = value
        return str(tomlkit.dumps(document))
    except (tomlkit.exceptions.TOMLKitError, ValueError, TypeError, AttributeError, RecursionError):
        return None


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
