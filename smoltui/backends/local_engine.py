"""Runs on this machine: each is a supervised process that outlives the terminal."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from smoltui.backends import run_store
from smoltui.backends.child import exit_in_words
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
LINE_LIMIT = 1 << 20
"""Bytes of one line that are looked at; the rest of a longer line is left in the log file."""


@dataclass
class _Log:
    """Reads one log file on from where it stopped, and keeps the run as its events leave it."""

    path: Path
    run: Run
    reader: events.Reader = field(default_factory=events.Reader)
    offset: int = 0
    rest: bytes = b""
    finished: bool = False
    """The script said that it reached its end."""
    failed: events.Failed | None = None
    last_text: str = ""
    """Last line of log text that is not blank."""

    def read(self, *, to_end: bool = False) -> list[events.Event]:
        """New events since the last call. With `to_end` an unfinished last line counts as a line."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                data = file.read()
        except FileNotFoundError:
            return []
        self.offset += len(data)
        *lines, self.rest = (self.rest + data).split(b"\n")
        if to_end and self.rest:
            lines.append(self.rest)
            self.rest = b""
        found: list[events.Event] = []
        for line in lines:
            for event in map(events.redacted, self.reader.feed(line[:LINE_LIMIT].decode("utf-8", "replace"))):
                self._take(event)
                found.append(event)
        return found

    def _take(self, event: events.Event) -> None:
        match event:
            case events.LogLine(text=text):
                self.last_text = text.strip() or self.last_text
                return
            case events.Failed():
                self.failed = event
            case events.Finished():
                self.finished = True
        self.run = self.run.after(event)


class LocalEngine:
    """Implements `Engine` with supervised child processes of this Python."""

    name = "local"

    def __init__(self, script: Path = SCRIPT, python: str = sys.executable) -> None:
        self._script = script
        self._python = python
        self._logs: dict[str, _Log] = {}

    # -- the contract

    async def submit(self, spec: RunSpec) -> Run:
        for run_id in run_store.run_ids():
            known = run_store.read_json(run_store.run_dir(run_id) / "spec.json")
            if known and known.get("label") == spec.label:
                return await self.get(run_id)
        if self._script == SCRIPT:
            require_train_extra()
        if holds_model(Path(spec.output_dir)) and not spec.overwrite:
            free = free_output_dir(Path(spec.output_dir))
            raise InputError(
                f"The output folder already holds a model: {spec.output_dir}",
                f"Train into another one: --output-dir {free.name}; or give it up: --overwrite",
            )
        folder, supervisor = await asyncio.to_thread(self._launch, spec)
        deadline = time.monotonic() + START_SECONDS
        while not (folder / "status.json").exists() and time.monotonic() < deadline and supervisor.poll() is None:
            await asyncio.sleep(0.02)
        _reap_later(supervisor)
        return await self.get(folder.name)

    async def list_runs(self) -> list[Run]:
        runs = []
        for run_id in run_store.run_ids():
            try:
                runs.append(await self.get(run_id))
            except InputError:
                continue  # a folder that holds no run
        return runs

    async def get(self, run_id: str) -> Run:
        return self._present(self._log(run_id))

    async def follow(
        self, run_id: str, *, follow: bool = True, tail: int | None = None
    ) -> AsyncGenerator[events.Event, None]:
        log = self._fresh_log(run_id)  # a reader of its own: who asks for the stage meanwhile reads with another
        stage = await self.get(run_id)
        first = log.read(to_end=stage.is_final)
        yield events.StageChanged(stage=stage.stage, message=stage.message, at=stage.started_at)
        for event in first if tail is None else _last_lines(first, tail):
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
        run = await self.get(run_id)
        folder = run_store.run_dir(run_id)
        return {**run.summary(), "plan": run.plan.as_json() if run.plan else None, "folder": str(folder), **run.raw}

    # -- how it is done

    def _launch(self, spec: RunSpec) -> tuple[Path, subprocess.Popen[bytes]]:
        folder = run_store.new_run_dir()
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
            supervisor = subprocess.Popen(
                [sys.executable, str(SUPERVISOR), str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=own_log,
                stderr=own_log,
                start_new_session=True,
                cwd="/",
                env=training_env(),
            )
        return folder, supervisor

    def _log(self, run_id: str) -> _Log:
        log = self._logs.get(run_id)
        if log is None:
            log = self._logs[run_id] = self._fresh_log(run_id)
        log.read()
        return log

    def _fresh_log(self, run_id: str) -> _Log:
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
        return _Log(folder / "log", run)

    def _present(self, log: _Log) -> Run:
        """The run with its stage now, from what the supervisor recorded and what the log said."""
        folder = log.path.parent
        status = run_store.read_json(folder / "status.json")
        spec = run_store.read_json(folder / "spec.json") or {}
        raw = {"spec": spec, "status": status}
        run = _with(log.run, raw=raw)
        if status is None:
            waited = time.time() - float(run.created_at or 0)
            if waited < START_SECONDS:
                return run
            return _with(run, stage=Stage.ERROR, message=f"It never started; see {folder / 'supervisor.log'}")
        run = _with(run, started_at=status.get("started_at"), finished_at=status.get("finished_at"))
        code = status.get("exit_code")
        if code is None:
            if _alive(status):
                return _with(run, stage=Stage.RUNNING)
            return _with(
                run, stage=Stage.ERROR, finished_at=_mtime(log.path),
                message="Its supervisor is gone (killed, or the machine was restarted), and the run with it",
                hint="Start it again with t",
            )  # fmt: skip
        log.read(to_end=True)
        run = _with(log.run, raw=raw, started_at=run.started_at, finished_at=run.finished_at)
        if "cancel_requested_at" in status and not log.finished:
            return _with(run, stage=Stage.CANCELED, message="Stopped on request")
        if code == 0 and log.finished:
            return _with(run, stage=Stage.COMPLETED)
        return _with(run, stage=Stage.ERROR, message=_cause(code, status, log))


def _with(run: Run, **changes: Any) -> Run:
    return replace(run, **changes)


def _cause(code: int, status: dict[str, Any], log: _Log) -> str:
    """Why a run ended without its result, in one sentence."""
    if log.failed is not None:
        return log.failed.cause
    if "error" in status:
        return f"It could not be started: {status['error']}"
    last = f"; last line: {log.last_text[:200]}" if log.last_text else ""
    if code < 0:
        return f"Its process was killed by {exit_in_words(code)}{last}"
    if code == 0:
        return f"It ended without reaching the planned step{last}"
    return f"Its process ended with exit code {code}{last}"


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


def _last_lines(found: list[events.Event], count: int) -> list[events.Event]:
    """All events, but only the last `count` lines of log text."""
    lines = [event for event in found if isinstance(event, events.LogLine)]
    dropped = {id(event) for event in (lines[:-count] if count else lines)}
    return [event for event in found if id(event) not in dropped]


def _reap_later(process: subprocess.Popen[bytes]) -> None:
    """Waits for the supervisor in a daemon thread, so that it is no zombie while the app lives."""
    threading.Thread(target=process.wait, daemon=True, name="reap-supervisor").start()
