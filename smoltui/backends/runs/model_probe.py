"""Learns the shape of a model of any architecture: its config.json from the Hub, its modules from transformers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from smoltui.backends.machine.devices import PROBE
from smoltui.backends.project import model_configs
from smoltui.backends.project.project import Project
from smoltui.backends.system.threads import in_thread
from smoltui.core.foreign import foreign_json
from smoltui.core.machine.model_shape import ModelShape
from smoltui.errors import RunFailedError, SmoltuiError
from smoltui.safe_text import safe_line

SECONDS = 90.0
"""transformers and the modules of a large model take 5 s from a warm disk."""
_MISSING = ("ModuleNotFoundError", "ImportError")
"""Problems that say nothing about the model."""


async def learn_shape(
    project: Project, values: Mapping[str, Any], *, python: str = "", ask_hub: bool = False
) -> ModelShape | None:
    """The shape of the recipe's model; None if nothing can be learned. What was learned is kept.

    A config.json that is not on this machine is read from the Hub only with `ask_hub`. `python` has the training
    packages (empty: ours); for architectures that can't be counted, it imports them, which takes some seconds.
    """
    config = await in_thread(lambda: model_configs.known_config(project, values))
    if config is None and ask_hub:
        config = await _from_hub(project, values)
    if config is None:
        return None
    if (known := await in_thread(lambda: model_configs.remembered_shape(config))) is not None:
        return known
    if await in_thread(lambda: model_configs.remembered(config)) is None and config.get("model_type"):
        await _probe(config, python)
    return await in_thread(lambda: model_configs.remembered_shape(config))


async def _from_hub(project: Project, values: Mapping[str, Any]) -> dict[str, Any] | None:
    from smoltui.backends.hub import client as hub

    named = await in_thread(lambda: model_configs.hub_name(project, values))
    if named is None:
        return None
    repo, revision = named
    doing = f"look at the model {safe_line(repo, 80)}"
    try:
        async with hub.session(doing) as session:
            path = f"/{quote(repo, safe='/')}/resolve/{quote(revision, safe='')}/config.json"
            found = await session.get(path, doing=doing)
    except SmoltuiError:  # the check of the model says why
        return None
    if not isinstance(found, dict):
        return None
    await in_thread(lambda: model_configs.keep_config(repo, revision, found))
    return found


async def _probe(config: Mapping[str, Any], python: str) -> None:
    """Asks transformers, and keeps the answer: a shape, or why there is none."""
    from smoltui.backends.system.child import leashed, running

    path = await in_thread(lambda: _written(config))
    if path is None:
        return
    found: object = None
    try:
        own = leashed(str(PROBE), "--shape", str(path))
        # Another Python may be 3.10, which knows no -P; the environment says the same (`training_env`).
        argv = [python, *(word for word in own[1:] if word != "-P")] if python else own
        async with asyncio.timeout(SECONDS), running(argv, path.parent) as child:
            async for line in child.lines():
                if line.startswith('{"shape"'):
                    found = foreign_json.decode(line)["shape"]
    except (TimeoutError, RunFailedError, ValueError, KeyError):
        return
    if isinstance(found, dict) and not str(found.get("problem", "")).startswith(_MISSING):
        await in_thread(lambda: model_configs.remember(config, found))


def _written(config: Mapping[str, Any]) -> Path | None:
    """A file with the config.json for the probe; None if it can't be written."""
    path = model_configs.shape_file(config).with_suffix(".config")
    model_configs.write(path, config)
    return path if path.is_file() else None
