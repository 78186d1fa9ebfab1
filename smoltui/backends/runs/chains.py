"""Chains on this machine: their files (`chains/<run id>.json` in the data folder), and the child processes that do
their steps.

Several apps and commands may watch the same chain. A lock on the chain (the claim) ensures that each step is done once,
in the state stored at that time.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from smoltui.backends.runs import store as run_store
from smoltui.backends.runs.callbacks import Say, Spawn
from smoltui.backends.runs.elsewhere import child_command
from smoltui.backends.system import data_folder, locks
from smoltui.backends.system.child import exit_in_words, running
from smoltui.backends.system.threads import in_thread
from smoltui.core.foreign import foreign_json
from smoltui.core.runs.chain import Chain, Step, chain_from_json
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import InputError, RunFailedError, SmoltuiError
from smoltui.safe_text import safe


def folder() -> Path:
    """Where chains are stored."""
    return data_folder.home() / "chains"


def path_of(run_id: str) -> Path:
    """Where the chain of a run is stored, if it has one."""
    return folder() / f"{run_store.run_dir(run_id).name}.json"


def save(chain: Chain) -> None:
    """Stores a chain.

    Raises:
        InputError: the data folder cannot be written.
    """
    try:
        data_folder.private_folder(folder())
        data_folder.write_json(path_of(chain.run_id), chain.as_json())
    except OSError as error:
        raise InputError(
            f"The follow-up steps of a run cannot be stored ({error.strerror}): {folder()}",
            data_folder.make_writable(error),
        ) from error


def read(run_id: str) -> Chain | None:
    """The stored chain of a run; None without one."""
    return _read(path_of(run_id))


def read_all() -> dict[str, Chain]:
    """All stored chains by run id; other files are ignored."""
    found = [_read(path) for path in sorted(folder().glob("*.json"))] if folder().is_dir() else []
    return {chain.run_id: chain for chain in found if chain is not None}


def _read(path: Path) -> Chain | None:
    with suppress(KeyError, TypeError, ValueError):
        data = data_folder.read_json(path)
        return None if data is None else chain_from_json(data)
    return None


@asynccontextmanager
async def claimed(run_id: str) -> AsyncIterator[bool]:
    """Claims the steps after a run: yields False while another process or task has the claim.

    Load the chain after claiming it: the previous holder may have done a step.

    Raises:
        OSError: the lock file cannot be created.
    """
    held: list[int] = []
    guard = threading.Lock()
    left = False

    def take() -> None:
        data_folder.private_folder(folder())
        try:
            lock = locks.take(path_of(run_id).with_suffix(".lock"), "Another process is doing it, {pid}", seconds=0)
        except locks.LockHeldError:
            return
        with guard:
            if left:
                os.close(lock)  # the waiting task was cancelled
            else:
                held.append(lock)

    try:
        await in_thread(take)
        yield bool(held)
    finally:
        with guard:
            left = True
            for lock in held:
                os.close(lock)


async def do(step: Step, chain: Chain) -> None:
    """Does one step in a child process: the command a person would type. Cancelling the task ends the child.

    Raises:
        RunFailedError: with the command's own message.
    """
    target = ("-m", "smoltui", step.command, chain.project, "--run", chain.run_id, "--json", *step.arguments)
    command = child_command(target, step.around)
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
            raise RunFailedError(safe(said, 300) or f"smoltui {step.command} ended, {exit_in_words(child.exit_code)}")


class Chains:
    """The chains of one project's runs, and the steps that this process does."""

    def __init__(self, project: str, *, say: Say, spawn: Spawn) -> None:
        self._project = project
        self._say, self._spawn = say, spawn
        self._doing: set[str] = set()
        self._unsaved: set[str] = set()
        self.known: dict[str, Chain] = {}
        """Run id → its chain, as stored at the last check or changed here since."""

    async def look(self, runs: Mapping[str, Run]) -> None:
        """Reads the stored chains and starts the steps that are due after these runs."""
        stored = await in_thread(read_all)
        ours = (self._doing | self._unsaved) & self.known.keys()
        self.known = {**stored, **{run_id: self.known[run_id] for run_id in ours}}
        for run_id, chain in list(self.known.items()):
            run = runs.get(run_id)
            if run is None or run_id in self._doing or chain.project != self._project:
                continue
            if (broken := chain.broken_by(run)) is not None:
                await self._keep(broken)
            elif chain.due(run) is not None:
                self._doing.add(run_id)
                self._spawn(partial(self._carry_out, run))

    async def begin(self, run: Run, steps: Sequence[Step]) -> None:
        """Stores the steps after a run that was just started; reports a failure to the person."""
        await self._keep(Chain(run.id, run.project or "", tuple(steps)))

    async def carry_out(self, run: Run) -> Chain | None:
        """Does the steps that are due after a run, unless another process does; returns the resulting chain."""
        if run.id not in self._doing:
            self._doing.add(run.id)
            await self._carry_out(run)
        return self.known.get(run.id)

    async def _carry_out(self, run: Run) -> None:
        try:
            async with claimed(run.id) as mine:
                if not mine:
                    return
                # Loaded again: another holder of the claim may have done a step since this one was found to be due.
                chain = self.known.get(run.id) if run.id in self._unsaved else await in_thread(partial(read, run.id))
                while chain is not None and (number := chain.due(run)) is not None:
                    chain = await self._do(run, chain, number)
                if chain is not None:
                    self.known[run.id] = chain
        except OSError as error:
            self._say(f"The follow-up of {run.name} cannot be started, {error.strerror}", "error")
        finally:
            self._doing.discard(run.id)

    async def _do(self, run: Run, chain: Chain, number: int) -> Chain:
        stage, message = Stage.COMPLETED, None
        try:
            await self._keep(chain.with_step(number, stage=Stage.RUNNING, started_at=time.time()))
            await do(chain.steps[number], chain)
        except SmoltuiError as error:
            stage, message = Stage.ERROR, error.message
        except asyncio.CancelledError:
            # The app or command is ending: the next one does this step.
            await self._keep(chain.with_step(number, stage=Stage.SCHEDULING, started_at=None))
            raise
        chain = self.known[run.id]
        name = chain.steps[number].name
        chain = await self._keep(chain.with_step(number, stage=stage, message=message, finished_at=time.time()))
        if message is None:
            self._say(f"{run.name} → {name}: done", "information")
        else:
            self._say(f"{run.name} → {name}: failed: {message}", "warning")
        return chain

    async def _keep(self, chain: Chain) -> Chain:
        """Stores a chain, and finishes even if cancelled: the claim must not be released before."""
        self.known[chain.run_id] = chain
        storing = asyncio.ensure_future(in_thread(partial(self._stored, chain)))
        try:
            error = await asyncio.shield(storing)
        except asyncio.CancelledError:
            self._note_stored(chain, await storing)
            raise
        self._note_stored(chain, error)
        return chain

    @staticmethod
    def _stored(chain: Chain) -> SmoltuiError | None:
        try:
            save(chain)
        except SmoltuiError as error:
            return error
        return None

    def _note_stored(self, chain: Chain, error: SmoltuiError | None) -> None:
        """A chain that cannot be stored is kept in memory, so that at least this process repeats no step."""
        if error is None:
            self._unsaved.discard(chain.run_id)
        else:
            self._unsaved.add(chain.run_id)
            self._say(str(error), "error")
