"""Runs on this machine: each is a supervised process that outlives the terminal."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoltui.backends.local import ended as local_ended
from smoltui.backends.local import summary as local_summary
from smoltui.backends.local.checkpoints import Checkpoint, find_checkpoints
from smoltui.backends.local.log import RunLog
from smoltui.backends.local.place import HERE
from smoltui.backends.local.records import BadRecordError, read_spec, readable, unreadable
from smoltui.backends.local.state import START_SECONDS, alive, look, newest_of, no_such_run, present
from smoltui.backends.local.tickets import waits_for
from smoltui.backends.runs import store as run_store
from smoltui.backends.runs.engine import Engine
from smoltui.backends.runs.saved_ends import SavedEnds
from smoltui.backends.system import data_folder, locks
from smoltui.backends.system.threads import in_thread
from smoltui.core.runs import events
from smoltui.core.runs.accelerate import CONFIG_NAME
from smoltui.core.runs.rerun import NO_CHANGES, Changes
from smoltui.core.runs.run import Run, RunSpec, Stage
from smoltui.errors import InputError
from smoltui.scripts import TRAINING_SCRIPT

if TYPE_CHECKING:
    from smoltui.backends.local.starting import Starter
    from smoltui.core.machine.sample import Sample

POLL_SECONDS = 0.15
"""Seconds between two checks of a growing log file: selectors cannot watch regular files on Linux."""
END_SECONDS = 10.0
"""How long to wait for the end of a run that was asked to pause or stop. Saving may take longer."""


class LocalEngine(Engine):
    """Implements `Engine` with supervised child processes of this Python, and can pause and resume.

    Runs are queued in the order in which they were started, unless one is to run in parallel.
    """

    place = HERE

    def __init__(
        self, script: Path = TRAINING_SCRIPT, python: str = sys.executable, *, lock_seconds: float = locks.WAIT_SECONDS
    ) -> None:
        """`lock_seconds`: how long to wait for another process that is starting a run, before that is an error."""
        self._script = script
        self._python = python
        self._lock_seconds = lock_seconds
        self._logs: dict[str, RunLog] = {}
        self._ended: dict[str, tuple[int, Run]] = {}
        """Runs that have ended, each with the start of its last part (`_launched`), to notice that it was resumed."""
        self._lock = threading.RLock()
        """Held while a log is read: the app calls from several threads."""

    # -- the contract

    async def submit(self, spec: RunSpec) -> Run:
        starter = self._starter()
        run_id, supervisor = await in_thread(lambda: starter.start(spec))
        return await self._started(run_id, supervisor)

    async def list_runs(self) -> list[Run]:
        return await in_thread(self._list)

    async def get(self, run_id: str) -> Run:
        return await in_thread(lambda: self._get(run_id))

    def follow(
        self, run_id: str, *, follow: bool = True, tail: int | None = None
    ) -> AsyncGenerator[events.Event, None]:
        from smoltui.backends.local.following import follow_log

        return follow_log(
            self.get,
            run_id,
            run_store.run_dir,
            follow=follow,
            tail=tail,
            ours=self._speaks,
            poll_seconds=POLL_SECONDS,
            refuse=readable,
        )

    async def cancel(self, run_id: str) -> Run:
        run = readable(await self.get(run_id))
        if run.is_final:
            return run
        await self._signal(run, signal.SIGINT)
        return await self._until(run_id, lambda now: now.is_final)

    # -- what some engines can do

    async def pause(self, run_id: str) -> Run:
        """Ends a run after the current step, with a checkpoint for `resume`; returns the run.

        The run is then CANCELED and `resumable`. While a large checkpoint is being saved, it is RUNNING, with a message
        that says so.

        Raises:
            InputError: no run has this id; it has ended, waits for its turn, or has nothing to save yet.
        """
        run = readable(await self.get(run_id))
        if run.is_final:
            raise InputError(f"This run has ended and cannot be paused: {run_id}", run.hint or "")
        if run.stage == Stage.SCHEDULING:
            raise InputError(
                f"This run is queued and cannot be paused: {run_id}", f"Cancel the run: smoltui cancel {run_id}"
            )
        if run.phase not in ("train", "evaluate", "save", "push") and not await in_thread(lambda: self._kept(run_id)):
            raise InputError(
                f"Training has not started, so there is nothing to save yet: {run_id}",
                f"Wait for the first step, or cancel the run: smoltui cancel {run_id}",
            )
        await self._signal(run, signal.SIGTERM)
        return await self._until(run_id, lambda now: now.is_final)

    async def resume(self, run_id: str, changes: Changes = NO_CHANGES) -> Run:
        """Resumes a run from its newest complete checkpoint: the same run, log and curve; it is queued.

        Raises:
            InputError: no run has this id, it has not ended or is complete, it left no checkpoint, or another run has
                trained into its folder since.
            MissingExtraError: the training packages are not installed.
        """
        self.refuse_changes(changes)
        starter = self._starter()
        supervisor = await in_thread(lambda: starter.resume(run_id))
        return await self._started(run_id, supervisor)

    def stats(self, run_id: str, *, follow: bool = True) -> AsyncGenerator[Sample, None]:
        from smoltui.backends.local import stats as local_stats

        return local_stats.stats(self, run_id, follow=follow)

    async def inspect(self, run_id: str) -> dict[str, Any]:
        return await in_thread(lambda: self._inspect(run_id))

    # -- implementation

    def _starter(self) -> Starter:
        from smoltui.backends.local.starting import Starter  # a list of runs need not wait for what a start imports

        return Starter(self._script, self._python, self._lock_seconds, self._get, self._kept)

    async def _started(self, run_id: str, supervisor: subprocess.Popen[bytes] | None) -> Run:
        """The run once its supervisor has reported something; immediately if none was started."""
        if supervisor is not None:
            folder = run_store.run_dir(run_id)
            attempt = (data_folder.read_json(folder / "launch.json") or {}).get("attempt", 1)
            deadline = time.monotonic() + START_SECONDS
            while time.monotonic() < deadline and supervisor.poll() is None:
                if (data_folder.read_json(folder / "status.json") or {}).get("attempt") == attempt:
                    break
                await asyncio.sleep(0.02)
            _reap_later(supervisor)
        return await self.get(run_id)

    async def _signal(self, run: Run, number: signal.Signals) -> None:
        """Sends a signal to the run's supervisor, once it has started."""
        run = await self._until(run.id, lambda now: now.is_final or now.raw["status"] is not None)
        status = run.raw["status"]
        if run.is_final or not status:
            return
        pid, lock = int(status["supervisor_pid"]), run_store.run_dir(run.id) / run_store.LOCK_NAME
        held = locks.held(lock)
        # The lock file names its holder, so the signal cannot reach another program that reuses the id.
        if alive(status) if held is None else held and locks.holder(lock) == pid:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, number)

    async def _until(self, run_id: str, enough: Callable[[Run], bool]) -> Run:
        """The run once `enough` is true for it, or after `END_SECONDS`."""
        deadline = time.monotonic() + END_SECONDS
        while not enough(run := await self.get(run_id)) and time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
        return run

    def _kept(self, run_id: str) -> Checkpoint | None:
        with self._lock:
            return newest_of(self._log(run_id))

    def _speaks(self, run_id: str) -> bool:
        """Whether the script of a run uses our format, according to its log so far."""
        with self._lock:
            try:
                return self._log(run_id).reader.ours
            except BadRecordError:
                return True

    def _inspect(self, run_id: str) -> dict[str, Any]:
        folder = run_store.run_dir(run_id)
        with self._lock:  # the curve of an unfinished run grows in place
            run = readable(self._get(run_id))
            launched = run.raw["launch"]
            ahead = waits_for(launched.get("ticket")) if run.stage == Stage.SCHEDULING else []
            try:
                accelerate: str | None = (folder / CONFIG_NAME).read_text(encoding="utf-8")
            except OSError:
                accelerate = None
            return {
                **run.summary(),
                "plan": run.plan.as_json() if run.plan else None,
                "folder": str(folder),
                "queue": {"place": len(ahead), "waits_for": ahead} if run.stage == Stage.SCHEDULING else None,
                "checkpoints": [one.as_json() for one in find_checkpoints(Path(run.output_dir or folder))],
                "command": launched.get("argv"),
                "accelerate_file": str(folder / CONFIG_NAME) if accelerate is not None else None,
                "accelerate": accelerate,
                **run.raw,
            }

    def _list(self) -> list[Run]:
        data_folder.tighten()
        runs, ids, ends = [], run_store.run_ids(), SavedEnds()
        for run_id in ids:
            try:
                runs.append(self._look_up(run_id, ends))
            except InputError:
                continue  # a folder without a run
        ends.write(ids)
        return runs

    def _get(self, run_id: str) -> Run:
        ends = SavedEnds()
        run = self._look_up(run_id, ends)
        ends.write()
        return run

    def _look_up(self, run_id: str, ends: SavedEnds) -> Run:
        """The run, from `ends` if it was saved there; else what is found of its end is put there."""
        folder = run_store.run_dir(run_id)
        with self._lock:
            launched = _launched(folder)
            known = self._ended.get(run_id)
            if known is not None and known[0] == launched:
                return known[1]
            if run_id not in self._logs and (saved := local_ended.from_saved(folder, ends.get(run_id))) is not None:
                self._ended[run_id] = (launched, saved)
                return saved
            try:
                found = look(folder)
                log = self._log(run_id, found.records.spec)
                run = present(log, found)
            except BadRecordError as error:
                return unreadable(folder, error)
            status = run.raw["status"]
            over = run.is_final and status is not None
            ended = over and status.get("exit_code") is not None
            if ended:
                kept = newest_of(log) if run.resumable else None
                if (end := local_ended.as_saved(folder, run, str(kept.path) if kept else None)) is not None:
                    ends.put(run_id, end)
            # Beside the record of an end, the summary of a short log saves less time than it costs.
            if log.offset - log.saved > (0 if over and not ended else local_summary.WORTH_BYTES):
                local_summary.save(log)
            if over:
                self._ended[run_id] = (launched, run)  # it no longer changes, unless it is resumed
                self._logs.pop(run_id, None)
            return run

    def _log(self, run_id: str, spec: Mapping[str, Any] | None = None) -> RunLog:
        """The log of a run, read up to now. `spec`: the run's, if it was read already. Raises as `read_spec`."""
        log = self._logs.get(run_id)
        if log is None:
            log = self._logs[run_id] = self._fresh_log(run_id, spec)
        log.read()
        return log

    def _fresh_log(self, run_id: str, spec: Mapping[str, Any] | None) -> RunLog:
        folder = run_store.run_dir(run_id)
        spec = read_spec(folder) if spec is None else spec
        if spec is None:
            raise no_such_run(run_id)
        run = Run(
            id=run_id,
            engine=self.name,
            name=spec.get("name", run_id),
            stage=Stage.SCHEDULING,
            created_at=spec.get("created_at"),
            project=spec.get("project"),
            output_dir=spec.get("output_dir"),
            labels=spec.get("labels") or {},
        )
        log = RunLog(folder / "log", run, spec.get("log_key"))
        local_summary.load(log)
        return log


def _launched(folder: Path) -> int:
    """When the run, or its last part, was started, in nanoseconds of the file system's clock; 0 if unknown, -1 if
    there is no run."""
    try:
        return (folder / "launch.json").stat().st_mtime_ns
    except OSError:
        return 0 if (folder / "spec.json").exists() else -1


def _reap_later(process: subprocess.Popen[bytes]) -> None:
    """Waits for the supervisor in a daemon thread, so that it does not stay a zombie while the app runs."""
    threading.Thread(target=process.wait, daemon=True, name="reap-supervisor").start()
