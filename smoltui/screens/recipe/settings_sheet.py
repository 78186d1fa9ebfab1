"""smoltui.toml in the Recipe room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.text import Text

from smoltui.backends.project.project import Project
from smoltui.backends.project.settings_file import SettingsFile, digest_of_settings, load_settings, set_settings
from smoltui.backends.services import place_listing, place_of_setting
from smoltui.core.actions.own_keys import follow
from smoltui.core.recipe import ABSENT, Fix, Level
from smoltui.core.runs.place import Target
from smoltui.core.setting_fields.fields import (
    SettingField,
    broken_key,
    flat,
    parse_setting,
    setting_fields,
    show_setting,
)
from smoltui.core.settings.file_name import FILE_NAME
from smoltui.errors import SmoltuiError
from smoltui.safe_text import safe_line
from smoltui.screens.recipe.field_list import APART, Row
from smoltui.screens.recipe.sheet import Put, Reset, Sheet
from smoltui.screens.recipe.surroundings import Surroundings
from smoltui.screens.undoing import in_words
from smoltui.widgets.check_list import Item


class SettingsSheet(Sheet):
    """The settings that TRL has no key for."""

    NAME: ClassVar[str] = FILE_NAME

    def __init__(self, project: Project, file: SettingsFile) -> None:
        self._project = project
        self._file = file
        self._values = flat(file.data)

    @property
    def text(self) -> str:
        return self._file.text

    @property
    def values(self) -> Mapping[str, object]:
        return self._values

    def line_of(self, key: str) -> int | None:
        return self._file.line_of(key)

    def rows(self, values: Mapping[str, object], items: Sequence[Item], around: Surroundings) -> list[Row]:
        wrong = {item.name: item.level.value for item in reversed(items)}
        made: list[Row] = []
        group, differing = "", self._apart(values, around)
        for field in setting_fields().values():
            if field.group != group:
                group = field.group
                made.append(Row("", group))
            held = field.key in values
            shown = show_setting(values[field.key]) if held else field.unset
            changed = held and not (field.default is not None and values[field.key] == field.default)
            apart = field.key in differing
            made.append(Row(field.key, field.label, shown, "", held, changed, apart, wrong.get(field.key, "")))
        return made

    @staticmethod
    def _apart(values: Mapping[str, object], around: Surroundings) -> dict[str, object]:
        """Keys that differ from the preset, each with its value there (`ABSENT` without one)."""
        if around.preset is None:
            return {}
        preset = around.preset.settings
        return {
            key: preset.get(key, ABSENT)
            for key in dict.fromkeys((*values, *preset))
            if key != "run.preset" and values.get(key, ABSENT) != preset.get(key, ABSENT)
        }

    def resets(self, key: str, values: Mapping[str, object], around: Surroundings) -> list[Reset]:
        found, apart = [], self._apart(values, around)
        name = around.preset.name if around.preset is not None else ""
        if key in apart:
            words = f"{key} to that of the preset {name}: {_in_words(key, apart[key])}"
            found.append(Reset("p", words, Fix(settings={key: apart[key]})))
        if key in values:
            found.append(Reset("t", f"{key} to the default: {_field(key).unset}", Fix(settings={key: ABSENT})))
        if apart:
            found.append(Reset("P", f"all fields to the preset {name}: {len(apart)} changed", Fix(settings=apart)))
        if others := {one: ABSENT for one in values if one not in ("run.on", "run.preset")}:
            words = f"all but run.on and run.preset to the defaults: {len(others)} changed"
            found.append(Reset("T", words, Fix(settings=others)))
        return found

    def about(self, key: str, values: Mapping[str, object], around: Surroundings) -> Text:
        field, line = _field(key), self._file.line_of(key)
        text = Text().append(safe_line(field.key, 60), "bold")
        where = f"line {line}" if line else f"in {FILE_NAME}" if key in values else "not in the file"
        text.append(f"  {where}", "dim")
        if around.preset is not None and key in (apart := self._apart(values, around)):
            there = safe_line(_in_words(key, apart[key]), 40)
            text.append(f"  {APART}", "magenta").append(f" {around.preset.name}: {there}", "dim")
        sentence = field.help.replace("`", "")
        text.append(f"\n{sentence[0].upper()}{sentence[1:]}.")
        space = "next value" if field.kind in ("bool", "choice") else "choices" if place_listing(key) else ""
        facts = [field.range_text, follow(f"space: {space}", ["recipe"]) if space else ""]
        facts.append(f"default: {field.unset}")
        return text.append("\n" + " · ".join(filter(None, facts)), "dim")

    def checks(self, values: Mapping[str, object], around: Surroundings, target: Target) -> tuple[str, list[Item]]:
        problem: SmoltuiError | None = self._file.problem
        if problem is None:
            try:
                place_of_setting(str(values.get("run.on") or ""))
            except SmoltuiError as error:
                problem = error
        if problem is None:
            named = values.get("run.preset")
            if not named or around.preset is not None:
                return f"Checks of {FILE_NAME}", []
            said = f"There is no preset called {safe_line(str(named), 60)}, so nothing is compared with it"
            hint = "List the presets: smoltui docs recipe, or press V, then p, in the recipe."
            return f"Checks of {FILE_NAME}", [Item(Level.WARN, said, hint, Fix(edit="run.preset"), "run.preset")]
        key = broken_key(problem.message)
        fix = Fix(edit=key) if key in setting_fields() else Fix(file=FILE_NAME)
        return f"Checks of {FILE_NAME}", [Item(Level.STOP, problem.message, problem.hint, fix, key)]

    def totals(self, values: Mapping[str, object], around: Surroundings, target: Target, *, brief: bool) -> Text:
        return Text()

    def why_not_typed(self, key: str, values: Mapping[str, object]) -> str:
        return ""

    def shown(self, key: str, value: object) -> str:
        default = _field(key).default
        if value is ABSENT:
            return show_setting(default) if default not in (None, "", ()) else ""
        return show_setting(value)

    def parsed(self, key: str, text: str) -> object:
        return parse_setting(self._file.data, _field(key), text)

    def unit(self, key: str) -> str:
        return ""

    def next_value(self, key: str, value: object) -> object:
        field = _field(key)
        current = field.default if value is ABSENT else value
        if field.kind == "bool":
            return not current
        if field.kind != "choice":
            return ABSENT
        where = field.choices.index(str(current)) if current in field.choices else -1
        return field.choices[(where + 1) % len(field.choices)]

    def changed_outside(self) -> bool:
        return digest_of_settings(self._project) != self._file.digest

    def put(self, key: str, before: object, value: object) -> Put:
        said = f" · another program changed {FILE_NAME} too" if self.changed_outside() else ""
        made = in_words(set_settings(self._project, {key: value}, expected={key: before}))
        after = SettingsSheet(self._project, load_settings(self._project))
        return after, f"{made}{said}" if made else "", bool(said)


def _in_words(key: str, value: object) -> str:
    return f"{_field(key).unset} (the default)" if value is ABSENT else show_setting(value)


def _field(key: str) -> SettingField:
    return setting_fields()[key] if key in setting_fields() else next(iter(setting_fields().values()))
