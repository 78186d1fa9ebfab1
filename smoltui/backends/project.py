"""The project folder: recipe.yaml, smoltui.toml and what lies beside them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from smoltui.core.settings import FILE_NAME, Settings, parse_settings
from smoltui.errors import InputError, RecipeError

RECIPE_NAME = "recipe.yaml"


def expanded(path: str) -> Path:
    """`path` with `~` as the home folder; as it is written where nobody has such a home (`~nobody/x`)."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def exists(path: Path) -> bool:
    """Whether there is something; also for a name that no file can have, because it is too long or holds a NUL."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


@dataclass(frozen=True, slots=True)
class Project:
    """A folder that holds a recipe. Nothing is cached: each property reads the file as it is now."""

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
        """What smoltui.toml says; the defaults where there is none.

        Raises:
            RecipeError: the file is not TOML or holds a wrong key or value.
        """
        path = self.folder / FILE_NAME
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Settings()
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise RecipeError(f"{FILE_NAME} cannot be read as TOML: {error}", f"Mend or delete {path}.") from error
        except OSError as error:
            raise RecipeError(f"{FILE_NAME} cannot be read: {error.strerror}") from error
        return parse_settings(data)

    def resolve(self, path: str) -> Path:
        """A path of the recipe or settings; relative ones belong to the project folder."""
        return (self.folder / expanded(path)).absolute()


def open_project(folder: str | Path) -> Project:
    """The project in `folder`, which need not hold a recipe yet.

    Raises:
        InputError: there is no such folder.
    """
    path = expanded(str(folder)).absolute()
    if not path.is_dir():
        raise InputError(
            f"There is no such project folder: {folder}", f"Make one: smoltui new {folder} --preset course-local"
        )
    return Project(path)


def shown_path(path: str | Path) -> str:
    """A path as a person would write it: with `~` where it lies below the home folder."""
    try:
        inside = Path(path).relative_to(Path.home())
    except (ValueError, RuntimeError):  # elsewhere, or nobody knows the home folder
        return str(path)
    return f"~/{inside}" if str(inside) != "." else "~"
