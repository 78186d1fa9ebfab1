"""The config.json of a recipe's model and the shape that it describes, without the network or a training package.

A config.json is found in the model's folder, in the Hub's cache, or among those that were read from the Hub before.
Shapes of architectures that `core/machine/model_shape.py` can't count are remembered once the probe has found them
(`backends/runs/model_probe.py`). Everything here blocks for some milliseconds.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from smoltui.backends.project.project import Project
from smoltui.backends.system import hub_files, locks
from smoltui.backends.system.data_folder import write_json
from smoltui.backends.system.small_file import read_small
from smoltui.core.foreign import foreign_json
from smoltui.core.machine.model_shape import ModelShape, probed_shape, shape_of

REPOSITORY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*/[A-Za-z0-9_][A-Za-z0-9_.-]*")


def config_in(folder: Path) -> dict[str, Any] | None:
    """The decoded config.json of a folder; None if it is missing or not a JSON object."""
    return _object(folder / "config.json")


def known_config(project: Project, values: Mapping[str, object]) -> dict[str, Any] | None:
    """The config.json of the recipe's model; None if it is not on this machine."""
    name = values.get("model_name_or_path")
    if not isinstance(name, str) or not name:
        return None
    if (found := config_in(project.resolve(name))) is not None:
        return found
    if (hub := hub_name(project, values)) is None:
        return None
    snapshot = hub_files.snapshot(*hub)
    found = None if snapshot is None else config_in(snapshot)
    return found if found is not None else _object(_kept_at(*hub))


def hub_name(project: Project, values: Mapping[str, object]) -> tuple[str, str] | None:
    """Repository and revision of a model on the Hub; None for a folder, or a name that is none."""
    name, revision = values.get("model_name_or_path"), values.get("model_revision") or "main"
    if not isinstance(name, str) or not REPOSITORY.fullmatch(name) or project.resolve(name).exists():
        return None
    return (name, revision) if isinstance(revision, str) else None


def keep_config(repo: str, revision: str, config: Mapping[str, Any]) -> None:
    """Keeps a config.json that was read from the Hub."""
    write(_kept_at(repo, revision), config)


def remembered_shape(config: Mapping[str, Any]) -> ModelShape | None:
    """The shape that a config.json describes; None if its architecture has not been probed, or can't be."""
    if (counted := shape_of(config)) is not None:
        return counted
    found = remembered(config)
    try:
        return None if found is None or "problem" in found else probed_shape(found)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return None


def remembered(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What the probe said of a config.json: a shape, or a problem; None if it was not asked."""
    return _object(shape_file(config))


def remember(config: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Keeps what the probe said."""
    write(shape_file(config), found)


def shape_file(config: Mapping[str, Any]) -> Path:
    """Where the shape of a config.json is remembered."""
    text = json.dumps(config, sort_keys=True, default=str)
    return _folder() / f"shape-{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"


def _kept_at(repo: str, revision: str) -> Path:
    key = hashlib.sha256(f"{repo}@{revision}".encode("utf-8", "backslashreplace")).hexdigest()[:24]
    return _folder() / f"config-{key}.json"


def _folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("smoltui", appauthor=False) / "models"


def _object(path: Path) -> dict[str, Any] | None:
    try:
        data = foreign_json.decode(read_small(path))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def write(path: Path, data: Mapping[str, Any]) -> None:
    """Writes a JSON file, at once or not at all; a full disk is no error here."""
    with suppress(OSError, ValueError):
        locks.private_folder(path.parent, path.parent)
        write_json(path, data, indent=None)
