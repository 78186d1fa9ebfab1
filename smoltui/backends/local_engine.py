"""Runs on this machine: each is a supervised process that outlives the terminal."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Any

from smoltui.backends import run_store
from smoltui.backends.curated import curated_spec
from smoltui.backends.local_log import RunLog, cause, last_lines
from smoltui.backends.threads import in_thread
from smoltui.backends.training import free_output_dir, holds_model, require_train_extra, training_env
from smoltui.core import events
from smoltui.core.run import Run, RunSpec, Stage
from smoltui.errors import InputError

SCRIPT = Path(__file__).parent.parent / "scripts" / "dpo.py"
SUPERVISOR = Path(__file__).with_name("supervisor.py")
POLL_SECONDS = 0.15
"""How often a growing log file is looked at: a selector does not watch regular files on Linux."""
START_SECONDS = 10.0
"""A supervisor that has not said anything after this long will not."""
NEEDED_BYTES = 1 << 20
"""Free space without which a run is not started: its status and log could not be written."""


class LocalEngine:
    """Implements `Engine` with supervised child processes of this Python."""

    name = "local"

    def __init__(self, script: Path = SCRIPT, python: str = sys.executable) -> None:
        self._script = script
        self._python = python
        self._logs: dict[str, RunLog] = {}
        self._ended: dict[str, Run] = {}
        self._lock = threading.RLock()
        """Held while a log is read on: the app asks from several threads."""

    # -- the contract

    async def submit(self, spec: RunSpec) -> Run:
        run_id, supervisor = await in_thread(lambda: self._start(curated_spec(spec)))
        if supervisor is not None:
            status = run_store.run_dir(run_id) / "status.json"
            deadline = time.monotonic() + START_SECONDS
            while not status.exists() and time.monotonic() < deadline and supervisor.poll() is None:
                await asyncio.sleep(0.02)
            _reap_later(supervisor)
        return await self.get(run_id)

    async def list_runs(self) -> list[Run]:
        return await in_thread(self._list)

    async def get(self, run_id: str) -> Run:
        return await in_thread(lambda: self._get(run_id))

    async def follow(
        self, run_id: str, *, follow: bool = True, tail: int | None = None
    ) -> AsyncGenerator[events.Event, None]:
        log = self._fresh_log(run_id)  # a reader of its own: who asks for the stage meanwhile reads with another
        stage = await self.get(run_id)
        first = await in_thread(lambda: log.read_lines(to_end=stage.is_final))
        if not stage.is_final:
            yield events.StageChanged(stage=stage.stage, message=stage.message, at=stage.started_at)
        for event in chain(*first) if tail is None else last_lines(first, tail):
            yield event
        while follow and not stage.is_final:
            new = log.read()
            for event in new:
                yield event
            if not new:
                stage = await self.get(run_id)
                if not stage.is_final:
                    await asyncio.sleep(POLL_SECONDS)
        for event in log.read(to_end=stage.is_final):
            yield event
        yield events.StageChanged(stage=stage.stage, message=stage.message, at=stage.finished_at)

    async def cancel(self, run_id: str) -> Run:
        run = await self.get(run_id)
        status = run_store.read_json(run_store.run_dir(run_id) / "status.json") or {}
        if run.is_final or not _alive(status):
            return run
        os.kill(int(status["supervisor_pid"]), signal.SIGTERM)
        for _ in range(int(20 / POLL_SECONDS)):  # the supervisor kills after ten seconds
            run = await self.get(run_id)
            if run.is_final:
                break
            await asyncio.sleep(POLL_SECONDS)
        return run

    async def inspect(self, run_id: str) -> dict[str, Any]:
        return await in_thread(lambda: self._inspect(run_id))

    # -- how it is done

    def _start(self, spec: RunSpec) -> tuple[str, subprocess.Popen[bytes] | None]:
        """The id of the run of `spec`, and its supervisor; None when it was started before. Raises as `submit`."""
        with run_store.locked():  # two that start at once see each other
            for run_id in run_store.run_ids():
                folder = run_store.run_dir(run_id)
                known = run_store.read_json(folder / "spec.json") or {}
                if known.get("label") == spec.label:
                    return run_id, None
                if _same(known.get("output_dir"), spec.output_dir) and self._get(run_id).stage in (
                    Stage.RUNNING, Stage.SCHEDULING,
                ):  # fmt: skip
                    raise InputError(
                        f"A run that has not ended writes to this folder, {run_id}: {spec.output_dir}",
                        f"Stop it: smoltui cancel {run_id}; or train into another one: --output-dir "
                        f"{Path(spec.output_dir).name}-2",
                    )
            if self._script == SCRIPT:
                require_train_extra()
            if holds_model(Path(spec.output_dir)) and not spec.overwrite:
                free = free_output_dir(Path(spec.output_dir))
                raise InputError(
                    f"The output folder already holds a model: {spec.output_dir}",
                    f"Train into another one: --output-dir {free.name}; or give it up: --overwrite",
                )
            folder = run_store.new_run_dir()
            try:
                return folder.name, self._launch(folder, spec)
            except OSError as error:
                shutil.rmtree(folder, ignore_errors=True)
                raise run_store.unwritable(folder, error) from error

    def _launch(self, folder: Path, spec: RunSpec) -> subprocess.Popen[bytes]:
        if shutil.disk_usage(folder).free < NEEDED_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        recipe = folder / "recipe.yaml"
        recipe.write_text(spec.recipe, encoding="utf-8")
        argv = [
            self._python, str(self._script), "--config", str(recipe), "--work-dir", spec.project,
            "--output-dir", spec.output_dir,
        ]  # fmt: skip
        if spec.left_out:
            (folder / "exclude.txt").write_text("\n".join(spec.left_out) + "\n", encoding="utf-8")
            argv += ["--exclude", str(folder / "exclude.txt")]
        if spec.overwrite:
            argv.append("--overwrite")
        run_store.write_json(folder / "spec.json", {**asdict(spec), "created_at": time.time()})
        run_store.write_json(folder / "launch.json", {"argv": argv, "cwd": spec.project})
        with (folder / "supervisor.log").open("ab") as own_log:
            # The environment is inherited, not written down: it may hold keys.
            return subprocess.Popen(
                [sys.executable, str(SUPERVISOR), str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=own_log,
                stderr=own_log,
                start_new_session=True,
                cwd="/",
                env=training_env(),
            )

    def _inspect(self, run_id: str) -> dict[str, Any]:
        folder = run_store.run_dir(run_id)
        with self._lock:  # the curve of a run that goes on grows in place
            run = self._get(run_id)
            return {**run.summary(), "plan": run.plan.as_json() if run.plan else None, "folder": str(folder), **run.raw}

    def _list(self) -> list[Run]:
        runs = []
        for run_id in run_store.run_ids():
            try:
                runs.append(self._get(run_id))
            except InputError:
                continue  # a folder that holds no run
        return runs

    def _get(self, run_id: str) -> Run:
        with self._lock:
            if (ended := self._ended.get(run_id)) and (run_store.run_dir(run_id) / "spec.json").exists():
                return ended
            run = self._present(self._log(run_id))
            status = run.raw.get("status")
            if run.is_final and status and "exit_code" in status:
                self._ended[run_id] = run  # nothing about it changes any more
                self._logs.pop(run_id, None)
            return run

    def _log(self, run_id: str) -> RunLog:
        log = self._logs.get(run_id)
        if log is None:
            log = self._logs[run_id] = self._fresh_log(run_id)
        log.read()
        return log

    def _fresh_log(self, run_id: str) -> RunLog:
        folder = run_store.run_dir(run_id)
        spec = run_store.read_json(folder / "spec.json")
        if spec is None:
            raise InputError(
                f"There is no run with this id on this machine: {run_id}", "See the ids with: smoltui ps -a"
            )
        run = Run(
            id=run_id, engine=self.name, name=str(spec.get("name", run_id)), stage=Stage.SCHEDULING,
            created_at=spec.get("created_at"), project=spec.get("project"), output_dir=spec.get("output_dir"),
            labels=spec.get("labels") or {},
        )  # fmt: skip
        return RunLog(folder / "log", run)

    def _present(self, log: RunLog) -> Run:
        """The run with its stage now, from what the supervisor recorded and what the log said."""
        folder = log.path.parent
        status = run_store.read_json(folder / "status.json")
        spec = run_store.read_json(folder / "spec.json") or {}
        raw = {"spec": spec, "status": status}
        run = replace(log.run, raw=raw)
        if status is None:
            waited = time.time() - float(run.created_at or 0)
            if waited < START_SECONDS:
                return run
            return replace(
                run, stage=Stage.ERROR, message="It never started", hint=f"What was said: {folder / 'supervisor.log'}"
            )
        run = replace(run, started_at=status.get("started_at"), finished_at=status.get("finished_at"))
        code = status.get("exit_code")
        if code is None:
            if _alive(status):
                return replace(run, stage=Stage.RUNNING)
            return replace(
                run, stage=Stage.ERROR, finished_at=_mtime(log.path),
                message="Its supervisor is gone (killed, or the machine was restarted), and the run with it",
                hint="Start it again: smoltui train, or t in the room of runs.",
            )  # fmt: skip
        log.read(to_end=True)
        run = replace(log.run, raw=raw, started_at=run.started_at, finished_at=run.finished_at)
        if "cancel_requested_at" in status and not log.finished:
            return replace(run, stage=Stage.CANCELED, message="Stopped on request")
        if code == 0 and log.finished:
            return replace(run, stage=Stage.COMPLETED)
        message, hint = cause(code, status, log)
        return replace(run, stage=Stage.ERROR, message=message, hint=hint or None)


def _same(one: Any, other: str) -> bool:
    """Whether two paths mean one folder."""
    return isinstance(one, str) and (one == other or os.path.realpath(one) == os.path.realpath(other))


def _alive(status: dict[str, Any]) -> bool:
    """Whether the supervisor lives: its process id may have been given to another program since."""
    import psutil

    try:
        process = psutil.Process(int(status["supervisor_pid"]))
        # The supervisor notes its start just after the kernel does; another program with its id started later.
        same = process.create_time() <= float(status["started_at"]) + 1
        return bool(same and process.status() != psutil.STATUS_ZOMBIE)
    except (psutil.NoSuchProcess, psutil.AccessDenied, KeyError):
        return False


def _mtime(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _reap_later(process: subprocess.Popen[bytes]) -> None:
    """Waits for the supervisor in a daemon thread, so that it is no zombie while the app lives."""
    threading.Thread(target=process.wait, daemon=True, name="reap-supervisor").start()
