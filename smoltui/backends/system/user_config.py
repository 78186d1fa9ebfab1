"""A person's own configuration on this machine, `~/.config/smoltui/config.toml`: what is not a project's business."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smoltui.backends.system.small_file import read_small_text
from smoltui.errors import RecipeError

MOST_BYTES = 128 << 10
NAME = "config.toml"


def config_path() -> Path:
    """Where the file is, whether it exists or not (`XDG_CONFIG_HOME`)."""
    from platformdirs import user_config_path

    return user_config_path("smoltui", appauthor=False) / NAME


def user_config() -> Mapping[str, Any]:
    """The decoded file; empty without one. Each call reads the current file.

    Raises:
        RecipeError: it cannot be read, or is not TOML.
    """
    path = config_path()
    try:
        return tomllib.loads(read_small_text(path, MOST_BYTES))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{NAME} cannot be read as TOML: {error}", f"Fix or delete {path}.") from error
    except OSError as error:
        raise RecipeError(f"{NAME} cannot be read ({error.strerror}): {path}", "Fix or delete it.") from error


def user_table(name: str) -> Mapping[str, Any]:
    """One table of the file; empty without it. Raises as `user_config`, also if it is not a table."""
    found = user_config().get(name, {})
    if not isinstance(found, Mapping):
        raise RecipeError(f"{name} in {config_path()} must be a table", f"Write [{name}] above its keys.")
    return found
