"""The project folder: recipe.yaml, smoltui.toml and the files beside them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smoltui.backends.system.paths import expanded
from smoltui.backends.system.small_file import read_small_text
from smoltui.backends.system.user_config import config_path, user_table
from smoltui.core.settings.file_name import FILE_NAME
from smoltui.errors import InputError, RecipeError

if TYPE_CHECKING:
    from smoltui.core.settings.settings import Settings

RECIPE_NAME = "recipe.yaml"


MOST_SETTINGS_BYTES = 128 << 10
OF_THE_PERSON = ("slurm",)
"""Tables whose defaults may be in the person's own configuration: an account is not a project's business."""


def too_nested(text: str) -> int | None:
    """The first line of a TOML text that is nested too deeply: in brackets, or in the parts of a dotted key.

    Python's parser uses a stack frame per bracket, and time quadratic in the number of parts.
    """
    depth = dots = 0
    line = 1
    for found in _TOML.finditer(text):
        sign = found[0]
        if sign in "[{":
            depth += 1
        elif sign in "]}":
            depth -= 1
        elif sign == ".":
            dots += 1
        elif sign == "\n":
            line, dots = line + 1, 0
        else:
            line += sign.count("\n")
        if depth > DEEPEST_SETTINGS or dots > MOST_DOTS:
            return line
    return None


DEEPEST_SETTINGS, MOST_DOTS = 20, 100
"""Maximum nesting of brackets, and maximum number of dots in a line, including those of numbers."""
_TOML = re.compile(
    r"""
    \"{3} (?: [^\\] | \\. )*? (?: \"{3} | \Z )
    | '{3} .*? (?: '{3} | \Z )
    | " (?: [^"\\\n]++ | \\. )*+ "?
    | ' [^'\n]*+ '?
    | \# [^\n]*+
    | [\[\]{}.\n]
    """,
    re.DOTALL | re.VERBOSE,
)
"""Strings and comments, which are skipped, and the characters that are counted."""


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with a recipe. Nothing is cached: each property reads the current file."""

    folder: Path
    """Absolute."""

    @property
    def name(self) -> str:
        return self.folder.name or str(self.folder)

    @property
    def recipe_path(self) -> Path:
        return self.folder / RECIPE_NAME

    @property
    def has_recipe(self) -> bool:
        return self.recipe_path.is_file()

    def settings(self) -> Settings:
        """The settings in smoltui.toml; the defaults if it does not exist.

        What a run asks of a cluster (`OF_THE_PERSON`) is taken from the person's own configuration, key by key, where
        the project says nothing.

        Raises:
            RecipeError: one of the files is not TOML, or has a wrong key or value.
        """
        from smoltui.core.settings.settings import Settings, parse_settings  # not before the first frame

        own = {name: table for name in OF_THE_PERSON if (table := user_table(name))}
        if own:
            try:
                parse_settings(own)
            except RecipeError as error:
                raise RecipeError(error.message.replace(FILE_NAME, str(config_path())), error.hint) from error
        path = self.folder / FILE_NAME
        try:
            text = read_small_text(path, MOST_SETTINGS_BYTES)
            if line := too_nested(text):
                raise RecipeError(f"{FILE_NAME} line {line} is nested too deeply", f"Fix or delete {path}.")
            data = tomllib.loads(text)
        except FileNotFoundError:
            return parse_settings(own) if own else Settings()
        except (ValueError, RecursionError) as error:  # also for numbers with thousands of digits
            raise RecipeError(f"{FILE_NAME} cannot be read as TOML: {error}", f"Fix or delete {path}.") from error
        except OSError as error:
            raise RecipeError(f"{FILE_NAME} cannot be read: {error.strerror}") from error
        for name, table in own.items():
            if isinstance(data.get(name, {}), dict):
                data[name] = {**table, **data.get(name, {})}
        return parse_settings(data)

    def resolve(self, path: str) -> Path:
        """A path from the recipe or settings; relative ones start from the project folder."""
        return (self.folder / expanded(path)).absolute()


def open_project(folder: str | Path) -> Project:
    """The project in `folder`, which may not have a recipe yet.

    Raises:
        InputError: there is no such folder.
    """
    path = expanded(str(folder)).absolute()
    if not path.is_dir():
        raise InputError(f"No such project folder: {folder}", f"Create a project: smoltui new {folder}")
    return Project(path)
