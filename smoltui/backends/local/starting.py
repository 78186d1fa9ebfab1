"""Starting and resuming the runs of this machine, one at a time. Imported when a run is started, not to list runs."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from smoltui.backends.local.checkpoints import Checkpoint, nothing_kept
from smoltui.backends.local.launch import launch, lock_output, training_command, with_processes, write_inputs
from smoltui.backends.local.records import readable
from smoltui.backends.local.state import trains
from smoltui.backends.machine.interpreter import interpreter
from smoltui.backends.machine.train_extra import require_train_extra
from smoltui.backends.runs import store as run_store
from smoltui.backends.runs.output_dir import refuse_model_in, same_folder
from smoltui.backends.runs.token_check import refuse_tokens
from smoltui.backends.system import data_folder
from smoltui.core.runs.rerun import refuse_resume, spec_of
from smoltui.core.runs.run import Run, RunSpec
from smoltui.errors import InputError
from smoltui.scripts import TRAINING_SCRIPT

OUTPUT_SECONDS = 2.0
"""How long to wait for a run that has just ended to release its output folder."""
GONE_SECONDS = 2.0
"""How long to wait for the end of a training whose supervisor was killed: the kernel kills it, too."""
GONE_POLL_SECONDS = 0.15
"""Seconds between two looks at it."""


@dataclass(frozen=True, slots=True)
class Starter:
    """Starts and resumes runs for an engine."""

    script: Path
    """The training script: ours, unless it is a test's."""
    python: str
    """The Python of this app."""
    lock_seconds: float
    """How long to wait for another process that is starting a run, before that is an error."""
    get: Callable[[str], Run]
    """The run of an id."""
    kept: Callable[[str], Checkpoint | None]
    """The newest complete checkpoint of the run of an id."""

    def start(self, spec: RunSpec) -> tuple[str, subprocess.Popen[bytes] | None]:
        """The id of the run of `spec`, and its supervisor; None if the run exists already.

        Raises as `LocalEngine.submit`.
        """
        refuse_tokens(spec)
        spec = with_processes(spec)
        with run_store.locked(self.lock_seconds):  # simultaneous starts see each other
            for run_id, known in _specs():
                if known.get("label") == spec.label:
                    return run_id, None
                if same_folder(known.get("output_dir"), spec.output_dir) and not self.get(run_id).is_final:
                    raise InputError(
                        f"Run {run_id} has not ended and writes to this folder: {spec.output_dir}",
                        f"Cancel it: smoltui cancel {run_id}; or use another folder: --output-dir "
                        f"{Path(spec.output_dir).name}-2",
                    )
            python = self._python_for(spec)
            refuse_model_in(spec)
            output = lock_output(spec, seconds=OUTPUT_SECONDS)
            held: int | None = None
            try:
                folder, held = run_store.new_run_dir()
                try:
                    write_inputs(folder, spec)
                    data_folder.write_json(
                        folder / "spec.json",
                        {**asdict(spec), "created_at": time.time(), "log_key": secrets.token_hex(8)},
                    )
                    argv = training_command(folder, spec, self.script, python)
                    return folder.name, launch(folder, argv, spec, held, output)
                except BaseException as error:
                    shutil.rmtree(folder, ignore_errors=True)
                    if isinstance(error, OSError):
                        raise run_store.unwritable(folder, error) from error
                    raise
            except BaseException:
                output.give_up()
                raise
            finally:
                _close(held, output.descriptor)

    def resume(self, run_id: str) -> subprocess.Popen[bytes]:
        """The supervisor that resumes a run. Raises as `LocalEngine.resume`."""
        folder = run_store.run_dir(run_id)
        with run_store.locked(self.lock_seconds):
            run = readable(self.get(run_id))
            refuse_resume(run)
            spec = spec_of(run.raw["spec"])
            if spec is None:
                raise InputError(
                    f"The specification of this run cannot be read: {folder / 'spec.json'}",
                    "Start a new run: smoltui train FOLDER",
                )
            status = run.raw["status"] or {}
            if not _gone(status):
                raise InputError(
                    f"The supervisor is gone, but training continues in process {status['child_pid']}",
                    f"Stop it first: kill {status['child_pid']}",
                )
            for other, known in _specs():
                newer = float(known.get("created_at") or 0) > float(run.created_at or 0)
                if newer and same_folder(known.get("output_dir"), spec.output_dir):
                    raise InputError(
                        f"Run {other} has since trained into the same folder: {spec.output_dir}",
                        f"Start over from the first step: smoltui rerun {run_id}",
                    )
            checkpoint = self.kept(run_id)
            if checkpoint is None:
                raise nothing_kept(run_id, spec)
            argv = training_command(folder, spec, self.script, self._python_for(spec), checkpoint=checkpoint)
            output = lock_output(spec, seconds=OUTPUT_SECONDS)
            held = None
            try:
                held = run_store.lock_run(folder)
                write_inputs(folder, spec)
                return launch(folder, argv, spec, held, output, resumed=checkpoint)
            except OSError as error:
                output.give_up()
                raise run_store.unwritable(folder, error) from error
            except BaseException:
                output.give_up()
                raise
            finally:
                _close(held, output.descriptor)

    def _python_for(self, spec: RunSpec) -> tuple[str, ...]:
        """The first words of the training command. Raises as `interpreter`, and MissingExtraError for our own."""
        if self.script == TRAINING_SCRIPT and not spec.python:
            require_train_extra()
        return interpreter(spec.python, Path(spec.project), spec.packages, self.python)


def _specs() -> Iterator[tuple[str, dict[str, Any]]]:
    """Id and stored specification of each run, newest first; an empty specification for a folder without one."""
    for run_id in run_store.run_ids():
        yield run_id, data_folder.read_json(run_store.run_dir(run_id) / "spec.json") or {}


def _gone(status: Mapping[str, object]) -> bool:
    """Whether a training process has ended; waits for one whose supervisor was just killed."""
    deadline = time.monotonic() + GONE_SECONDS
    while trains(status):
        if time.monotonic() > deadline:
            return False
        time.sleep(GONE_POLL_SECONDS)
    return True


def _close(*descriptors: int | None) -> None:
    for descriptor in descriptors:
        if descriptor is not None:
            os.close(descriptor)
