"""Chains on this machine: `chains/<run id>.json` in the data folder, and the children that do their steps."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from smoltui.backends.runs import store as run_store
from smoltui.backends.system import locks
from smoltui.backends.system.child import exit_in_words, leashed, running
from smoltui.core.foreign import foreign_json
from smoltui.core.runs.chain import Chain, Step, chain_from_json
from smoltui.errors import InputError, RunFailedError
from smoltui.safe_text import safe


def folder() -> Path:
    """Where they lie."""
    return run_store.home() / "chains"


def _path(run_id: str) -> Path:
    return folder() / f"{run_store.run_dir(run_id).name}.json"


def save(chain: Chain) -> None:
    """Replaces what is stored of a chain.

    Raises:
        InputError: the data folder cannot be written.
    """
    try:
        run_store.private_folder(folder())
        run_store.write_json(_path(chain.run_id), chain.as_json())
    except OSError as error:
        raise InputError(
            f"The follow-up steps of a run cannot be stored ({error.strerror}): {folder()}",
            "Free some space there, or set SMOLTUI_HOME to another folder.",
        ) from error


def read_all() -> dict[str, Chain]:
    """All chains by the run they follow; files that are none are left alone."""
    found = {}
    for path in sorted(folder().glob("*.json")) if folder().is_dir() else []:
        with suppress(KeyError, TypeError, ValueError):
            data = run_store.read_json(path)
            if data is not None:
                chain = chain_from_json(data)
                found[chain.run_id] = chain
    return found


@contextmanager
def claimed(run_id: str) -> Iterator[bool]:
    """Whether this app may do the steps behind a run; another app that does them keeps it from that."""
    run_store.private_folder(folder())
    try:
        lock = locks.take(_path(run_id).with_suffix(".lock"), "Another app is doing it ({pid})", seconds=0)
    except locks.LockHeldError:
        yield False
        return
    try:
        yield True
    finally:
        os.close(lock)


async def do(step: Step, chain: Chain) -> None:
    """Does one step in a child: the command that a person would type. It ends with the task that waits for it.

    Raises:
        RunFailedError: with the words of the command.
    """
    command = leashed("-m", "smoltui", step.name, chain.project, "--run", chain.run_id, "--json")
    said = ""
    async with running(command, cwd=Path("/"), env=dict(os.environ)) as child:
        async for line in child.lines():
            with suppress(ValueError):
                data = foreign_json.decode(line)
                if isinstance(data, dict) and "error" in data:
                    said = str(data["error"])
                continue
            said = said or line.strip()
        if child.exit_code:
            raise RunFailedError(safe(said, 300) or f"smoltui {step.name} ended, {exit_in_words(child.exit_code)}")
