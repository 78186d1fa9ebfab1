"""Every key of smoltui.toml as a field: its group, meaning, type, default and range.

The form of the Recipe room and the table of the documentation come from here; types and defaults come from the
dataclasses that the file is read into.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from smoltui.core.foreign.field_types import field_types
from smoltui.core.recipe.changes import ABSENT
from smoltui.core.recipe.values import show_number
from smoltui.core.runs.accelerate import STRATEGIES
from smoltui.core.runs.watch_settings import WatchSettings
from smoltui.core.setting_fields.words import GROUPS, UNSET, WORDS
from smoltui.core.settings.judge_settings import JudgeSettings
from smoltui.core.settings.settings import (
    RANGES,
    EvaluationSettings,
    JobSettings,
    LocalSettings,
    SubmitSettings,
    parse_settings,
)
from smoltui.core.settings.slurm_settings import SlurmSettings
from smoltui.errors import RecipeError
from smoltui.safe_text import redact, safe_line
from smoltui.scripts.pair_how import PARTS, PICKS, How

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_KINDS: Mapping[Any, str] = {
    str: "text",
    int: "int",
    float: "float",
    bool: "bool",
    tuple[str, ...]: "texts",
    Mapping[str, str]: "table",
}
CHOICES: Mapping[str, tuple[str, ...]] = {
    "jobs.strategy": tuple(STRATEGIES),
    "local.strategy": tuple(STRATEGIES),
    "slurm.strategy": tuple(STRATEGIES),
    "pairs.pick": tuple(PICKS),
}
"""Keys that take one of a few words."""
_TABLES: tuple[tuple[str, type[DataclassInstance]], ...] = (
    ("jobs", JobSettings),
    ("local", LocalSettings),
    ("slurm", SlurmSettings),
    ("watch", WatchSettings),
    ("evaluation", EvaluationSettings),
    ("judge", JudgeSettings),
    ("submit", SubmitSettings),
)
"""Tables of the file and what each is read into."""


@dataclass(frozen=True, slots=True)
class SettingField:
    """One key of smoltui.toml."""

    key: str
    """With its table: `jobs.timeout`."""
    kind: str
    """text, int, float, bool, choice, texts (a list), or table (names with texts)."""
    default: Any
    """The value without the key; None if that is not one value (`unset` says what applies)."""

    @property
    def group(self) -> str:
        """Heading in the form."""
        return dict(GROUPS)[self.key.split(".")[0]]

    @property
    def label(self) -> str:
        """The key without its table."""
        return self.key.partition(".")[2]

    @property
    def help(self) -> str:
        """What it means, one sentence without a period."""
        return WORDS[self.key]

    @property
    def unset(self) -> str:
        """What applies without the key, in words."""
        return UNSET.get(self.key) or ("none" if self.default in (None, "", ()) else show_setting(self.default))

    @property
    def choices(self) -> tuple[str, ...]:
        return CHOICES.get(self.key, ())

    @property
    def range_text(self) -> str:
        """The values that are allowed, in words; empty without limits."""
        if self.kind == "bool":
            return "true or false"
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.kind in ("texts", "table"):
            return "separated by commas" if self.kind == "texts" else "name=value, separated by commas"
        if self.key not in RANGES:
            return "a whole number" if self.kind == "int" else ""
        low, high = RANGES[self.key]
        span = f"from {low:g} to {high:g}" if high < math.inf else f"from {low:g}"
        return f"a whole number {span}" if self.kind == "int" else span


def _fields() -> Iterator[SettingField]:
    yield SettingField("run.on", "text", "")
    yield SettingField("run.preset", "text", "")
    for name, cls in _TABLES:
        yield from _of(cls, f"{name}.")
        if name == "watch":
            yield SettingField("pairs.source", "text", "")
            yield SettingField("pairs.show", "texts", ())
            yield from (SettingField(f"pairs.columns.{part}", "text", None) for part in PARTS)
            yield from _of(How, "pairs.")


def _of(cls: type[DataclassInstance], prefix: str) -> Iterator[SettingField]:
    types = field_types(cls)
    for item in fields(cls):
        key, kind = f"{prefix}{item.name}", types[item.name].type
        if isinstance(kind, type) and is_dataclass(kind):
            yield from _of(kind, f"{key}.")
            continue
        default = item.default if item.default is not MISSING else None
        yield SettingField(key, "choice" if key in CHOICES else _KINDS[kind], default)


@cache
def setting_fields() -> Mapping[str, SettingField]:
    """Every key of smoltui.toml, in the order of the form."""
    return {field.key: field for field in _fields()}


# -- values


def flat(data: Mapping[str, Any]) -> dict[str, Any]:
    """Key with its table → value, of a decoded smoltui.toml; keys that it does not know are left out."""
    found = {}
    for key in setting_fields():
        at: Any = data
        for part in key.split("."):
            at = at.get(part, ABSENT) if isinstance(at, Mapping) else ABSENT
        if at is not ABSENT:
            found[key] = at
    return found


def with_setting(data: Mapping[str, Any], key: str, value: object) -> dict[str, Any]:
    """A decoded smoltui.toml with one value changed; `ABSENT` removes the key, and an inner table that is empty."""
    after = deepcopy(dict(data))
    *tables, name = key.split(".")
    at = after
    for table in tables:
        inner = at.setdefault(table, {})
        if not isinstance(inner, dict):
            raise RecipeError(f"{table} in smoltui.toml must be a table", "Edit the file in your editor (e).")
        at = inner
    if value is ABSENT:
        at.pop(name, None)
        if not at and len(tables) > 1:
            after[tables[0]].pop(tables[1])
        if not after[tables[0]] and tables[0] not in data:
            after.pop(tables[0])
    else:
        at[name] = value
    return after


def parse_setting(data: Mapping[str, Any], field: SettingField, text: str) -> Any:
    """The value of a field for typed text, once the file with it can be used.

    Raises:
        ValueError: with a message for the person; called at every key press.
    """
    value = _parsed(field, text.strip())
    refused = problem_with(data, field.key, value)
    if refused:
        raise ValueError(refused)
    return value


def problem_with(data: Mapping[str, Any], key: str, value: object) -> str:
    """Why a value cannot be used, one sentence; empty if it can. What is wrong elsewhere in the file does not count."""
    try:
        parse_settings(data)
    except RecipeError:
        # Only the first problem of a file is found, so this value is looked at alone.
        named = {"evaluation": {"manner": {"name": "n"}}} if key.startswith("evaluation.manner.") else {}
        data = named if value is not ABSENT else {}
    try:
        parse_settings(with_setting(data, key, value))
    except RecipeError as error:
        return safe_line(f"{error.message}. {error.hint}".removesuffix(". "), 300)
    return ""


def broken_key(message: str) -> str:
    """The key that an error of `parse_settings` is about; empty if it names none."""
    words = message.replace(":", " ").split()
    known = setting_fields()
    return next((word for word in words if word in known), next((word for word in words if word in _near(known)), ""))


def _near(known: Mapping[str, SettingField]) -> frozenset[str]:
    return frozenset(key.rpartition(".")[0] for key in known)


def _parsed(field: SettingField, text: str) -> Any:
    match field.kind:
        case "bool":
            if text.lower() not in ("true", "false", "yes", "no", "on", "off"):
                raise ValueError("write true or false")
            return text.lower() in ("true", "yes", "on")
        case "int":
            return _number(text, int, "write a whole number")
        case "float":
            return _number(text, float, "write a number, such as 0.7")
        case "choice":
            if text not in field.choices:
                raise ValueError(f"write one of {', '.join(field.choices)}")
            return text
        case "texts":
            return [part for part in _split(text) if part]
        case "table":
            return dict(_pair(part) for part in _split(text) if part)
    return "" if text == '""' else text


def _number(text: str, kind: type[int] | type[float], said: str) -> int | float:
    try:
        value = kind(text)
    except ValueError:
        raise ValueError(said) from None
    if not math.isfinite(value):
        raise ValueError("write a finite number")
    return value


def _split(text: str) -> list[str]:
    """`a, "b, c"` → two texts."""
    try:
        rows = list(csv.reader([text], skipinitialspace=True, strict=True))
    except csv.Error:
        raise ValueError("close the quotes") from None
    return [part.strip() for part in (rows[0] if rows else [])]


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise ValueError("write name=value, separated by commas")
    return name.strip(), value.strip()


def show_setting(value: object) -> str:
    """A value as it would be typed; `parse_setting` reads it back."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return show_number(value)
    if isinstance(value, Mapping):
        return _joined([f"{name}={text}" for name, text in value.items()])
    if isinstance(value, list | tuple):
        return _joined([str(item) for item in value])
    return '""' if value == "" else str(value)


def _joined(parts: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(parts)
    return line.getvalue().replace(",", ", ") if not any("," in part for part in parts) else line.getvalue()


def change_of_setting(key: str, before: object, after: object) -> str:
    """What a change was: `jobs.timeout 3h (the default) → 5h`."""

    def worded(value: object) -> str:
        field = setting_fields()[key]
        if value is ABSENT:
            return f"{field.unset} (the default)"
        shown = safe_line(redact(show_setting(value)), 60)
        return f"{shown} (the default)" if field.default is not None and value == field.default else shown

    return f"{key} {worded(before)} → {worded(after)}"
