"""Merges an adapter into its base model, in a child process."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from smoltui.backends.machine.train_extra import require_train_extra
from smoltui.backends.runs.script_child import script_events
from smoltui.backends.system import data_folder
from smoltui.backends.system.child import leashed
from smoltui.core.runs.events import Event, ModelSaved
from smoltui.errors import InputError
from smoltui.scripts import SCRIPTS

MERGE = SCRIPTS / "merge_adapter.py"


async def merge(adapter: Path, base: str, revision: str | None, output: Path) -> AsyncGenerator[Event, None]:
    """The events of merging an adapter into its base model, which is saved in `output`. Close it to stop the child.

    `base`: folder or Hub id; `revision` of a Hub id, None for its main branch.

    Raises:
        MissingExtraError: torch or peft is not installed.
        InputError: the folder for the merged model cannot be made.
        RunFailedError: it could not be merged; the message says why.
    """
    require_train_extra()
    try:
        data_folder.private_folder(output)
    except OSError as error:
        raise InputError(
            f"The merged model cannot be saved ({error.strerror}): {output}", "Free some space."
        ) from error
    arguments = ["--adapter", str(adapter), "--base", base, "--output", str(output)]
    if revision:
        arguments += ["--revision", revision]
    child = script_events(leashed(str(MERGE), *arguments), output, "The adapter could not be merged", until=ModelSaved)
    async with aclosing(child) as events:
        async for event in events:
            yield event
