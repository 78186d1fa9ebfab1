"""One field of recipe.yaml or smoltui.toml on an input line: typed, checked, and written when enter is pressed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from smoltui.backends.project.apply_fix import apply_fix
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_file import load_project_recipe
from smoltui.backends.project.settings_file import load_settings
from smoltui.backends.system.threads import in_thread
from smoltui.core.recipe import ABSENT, Fix, field_for, parse, show
from smoltui.core.setting_fields.fields import flat, parse_setting, setting_fields, show_setting
from smoltui.errors import SmoltuiError
from smoltui.screens.undoing import in_words
from smoltui.widgets.ask_line import AskLine
from smoltui.workspace import workspace_of


class FieldLine:
    """The field that a check asks for."""

    def __init__(self, line: AskLine, project: Project, changed: Callable[[], object], turn: asyncio.Lock) -> None:
        """`changed` is called once a value was written; `turn` is held meanwhile."""
        self._line = line
        self._project = project
        self._changed = changed
        self._turn = turn

    def open(self, key: str) -> None:
        """Opens the field of a key: one of recipe.yaml, or with a dot one of smoltui.toml."""
        self._line.run_worker(self._open(key), group="field", exclusive=True)

    async def _open(self, key: str) -> None:
        try:
            now, hint = await in_thread(partial(_present, self._project, key))
        except SmoltuiError as error:
            self._say(error)
            return
        if self._line.is_attached:
            self._line.ask(f"{key}:", hint, partial(self._given, key), now)

    def _given(self, key: str, text: str) -> None:
        self._line.run_worker(self._write(key, text), group="field")

    async def _write(self, key: str, text: str) -> None:
        try:
            async with self._turn:
                said = await in_thread(partial(_written, self._project, key, text))
        except ValueError as error:
            if self._line.is_attached:
                self._line.ask(f"✗ {error}:", "", partial(self._given, key), text)
            return
        except SmoltuiError as error:
            self._say(error)
            return
        if said:
            workspace_of(self._line.app).say(said)
        self._changed()

    def _say(self, error: SmoltuiError) -> None:
        workspace_of(self._line.app).say(f"{error.message}\n{error.hint}".strip(), "error")


def _present(project: Project, key: str) -> tuple[str, str]:
    """The value of a key as it would be typed, and what may be written. Raises SmoltuiError."""
    if "." in key:
        setting = setting_fields()[key]
        value = flat(load_settings(project).data).get(key, ABSENT)
        return (show_setting(setting.default or "") if value is ABSENT else show_setting(value)), setting.range_text
    field = field_for(key)
    return show(field, load_project_recipe(project).values.get(key, field.default)), field.range_text


def _written(project: Project, key: str, text: str) -> str:
    """Writes what was typed (nothing: the key is deleted), and returns what to say.

    Raises:
        ValueError: the text is no value of this key.
        SmoltuiError: the file cannot be used or written.
    """
    if not text:
        fix = Fix(settings={key: ABSENT}) if "." in key else Fix(recipe={key: ABSENT})
    elif "." in key:
        fix = Fix(settings={key: parse_setting(load_settings(project).data, setting_fields()[key], text)})
    else:
        fix = Fix(recipe={key: parse(field_for(key), text)})
    return " · ".join(filter(None, map(in_words, apply_fix(project, fix))))
