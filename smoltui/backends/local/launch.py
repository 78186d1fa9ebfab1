"""Starting the training process of a local run: its command, the files beside it, and its supervisor."""

from __future__ import annotations

import errno
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from smoltui.backends.local.checkpoints import Checkpoint
from smoltui.backends.local.tickets import take_ticket
from smoltui.backends.machine.interpreter import UV, packages_in, python_in
from smoltui.backends.project.project import RECIPE_NAME, Project
from smoltui.backends.project.recipe_file import RecipeFile
from smoltui.backends.runs import chains
from smoltui.backends.runs import store as run_store
from smoltui.backends.system import data_folder, locks
from smoltui.backends.system.child import training_env
from smoltui.core.runs.accelerate import (
    CONFIG_NAME,
    MOST_PROCESSES,
    STRATEGIES,
    accelerate_config,
    as_yaml,
    command_for,
    mixed_precision_of,
)
from smoltui.core.runs.run import RunSpec
from smoltui.errors import InputError, MissingExtraError

SUPERVISOR = Path(__file__).with_name("supervisor.py")
NEEDED_BYTES = 1 << 20
"""Free bytes required to start a run: otherwise its status and log could not be written."""
SAVING_SECONDS = 86_400
"""`accelerate launch` kills its processes 30 seconds after SIGTERM; a checkpoint of a large model takes longer."""


def with_processes(spec: RunSpec) -> RunSpec:
    """`spec` with the project's number of processes and strategy, if it sets none.

    Raises:
        RecipeError: smoltui.toml cannot be used.
        InputError: an invalid number or strategy.
        MissingExtraError: ZeRO-3 without DeepSpeed.
    """
    if spec.processes is None or spec.strategy is None:  # one that was made without a plan
        local = Project(Path(spec.project)).settings().local
        spec = replace(
            spec,
            processes=local.processes if spec.processes is None else spec.processes,
            strategy=local.strategy if spec.strategy is None else spec.strategy,
        )
    if not 1 <= _processes(spec) <= MOST_PROCESSES:
        raise InputError(
            f"A run must have 1 to {MOST_PROCESSES} processes, one per GPU, not: {spec.processes}",
            "Set local.processes in smoltui.toml.",
        )
    if spec.strategy not in STRATEGIES:
        raise InputError(
            f"Unknown strategy: {spec.strategy}",
            f"Set local.strategy in smoltui.toml to one of {', '.join(STRATEGIES)}.",
        )
    if _processes(spec) > 1 and spec.strategy == "zero3":
        _require_deepspeed(spec)
    return spec


def _require_deepspeed(spec: RunSpec) -> None:
    """Looks into the Python that trains; an environment that uv makes gets it. Raises InputError, MissingExtraError."""
    if spec.python == UV:
        return
    python = python_in(spec.python, Path(spec.project)) if spec.python else None
    there = importlib.util.find_spec("deepspeed") is not None if python is None else "deepspeed" in packages_in(python)
    if not there:
        pip = "pip" if python is None else f"{python} -m pip"
        raise MissingExtraError(
            "The strategy zero3 needs a package that is not installed: deepspeed",
            f"Install it: {pip} install deepspeed; or set local.strategy to fsdp, which does the same without it.",
        )


def _processes(spec: RunSpec) -> int:
    return 1 if spec.processes is None else spec.processes


def training_command(
    folder: Path, spec: RunSpec, script: Path, python: Sequence[str], *, checkpoint: Checkpoint | None = None
) -> list[str]:
    """The training command of the run in `folder`; it reads the files from `write_inputs`. `python` are its first words
    (`interpreter`)."""
    arguments = [
        "--config",
        str(folder / RECIPE_NAME),
        "--work-dir",
        spec.project,
        "--output-dir",
        spec.output_dir,
    ]
    if spec.left_out:
        arguments += ["--exclude", str(folder / "exclude.txt")]
    if spec.overwrite:
        arguments.append("--overwrite")
    if spec.stop_ruined:
        arguments.append("--stop-ruined")
    if checkpoint is not None:
        arguments += ["--resume_from_checkpoint", str(checkpoint.path)]
    return command_for(
        str(script), arguments, processes=_processes(spec), config_file=str(folder / CONFIG_NAME), python=python
    )


def write_inputs(folder: Path, spec: RunSpec) -> None:
    """Writes the recipe, the hashes of excluded pairs and the file for `accelerate launch` to the run's folder.

    Raises:
        OSError: they cannot be written, or the disk is full.
    """
    if shutil.disk_usage(folder).free < NEEDED_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    locks.write_private(folder / RECIPE_NAME, spec.recipe.encode("utf-8"))
    if spec.left_out:
        locks.write_private(folder / "exclude.txt", ("\n".join(spec.left_out) + "\n").encode("utf-8"))
    if _processes(spec) > 1:
        recipe = RecipeFile(Path(spec.project) / RECIPE_NAME, spec.recipe, "").values
        config = accelerate_config(
            _processes(spec), spec.strategy or "ddp", mixed_precision_of(recipe), use_cpu=bool(recipe.get("use_cpu"))
        )
        locks.write_private(folder / CONFIG_NAME, as_yaml(config).encode("utf-8"))


@dataclass(frozen=True, slots=True)
class OutputLock:
    """Keeps other runs out of an output folder, including those of other apps and data folders."""

    descriptor: int
    """Holds the lock."""
    path: Path
    made: bool
    """The folder was made for this run."""

    def give_up(self) -> None:
        """Removes the lock if nothing was started. The caller closes the descriptor."""
        with suppress(OSError):
            self.path.unlink()
            if self.made:
                self.path.parent.rmdir()


def lock_output(spec: RunSpec, *, seconds: float) -> OutputLock:
    """Locks the output folder of a run, which is created if missing.

    The lock is a file in the folder, so that every path to it (links, `..`, another mount) finds the same lock. Its
    name begins with `_`, so transformers does not upload it (`Trainer._push_from_checkpoint`, 5.23).

    Raises:
        LockHeldError: another run writes to it.
        InputError: it cannot be created or written.
    """
    folder = Path(spec.output_dir)
    path = folder / run_store.OUTPUT_LOCK
    made = False
    try:
        made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = locks.take(
            path,
            f"Another run is training into this folder ({{pid}}): {folder}",
            f"Cancel that run, or use another folder: --output-dir {folder.name}-2",
            seconds=seconds,
        )
    except OSError as error:
        if made:
            with suppress(OSError):
                folder.rmdir()
        raise InputError(
            f"The output folder is not writable ({error.strerror or error}): {folder}",
            f"Choose another folder with --output-dir, or delete {run_store.OUTPUT_LOCK} in it if no run uses it.",
        ) from error
    except ValueError as error:
        raise InputError(f"Not a valid folder name: {folder}", "Set output_dir in the recipe.") from error
    return OutputLock(descriptor, path, made)


def launch(
    folder: Path,
    argv: Sequence[str],
    spec: RunSpec,
    held: int,
    output: OutputLock,
    *,
    resumed: Checkpoint | None = None,
) -> subprocess.Popen[bytes]:
    """Writes `launch.json` and starts the supervisor with the next ticket of the queue; only while `run_store.locked`.

    It starts in the run's folder, because `accelerate launch` makes its working directory importable for its processes;
    the script itself changes to the project (`--work-dir`). The supervisor takes over `held`, which holds the lock of
    the run's folder, and the lock of its output folder.

    Raises:
        OSError: something cannot be written or started; then `launch.json` is as it was.
    """
    path = folder / "launch.json"
    before = data_folder.read_json(path) or {}
    attempt = before.get("attempt", 1) + 1 if before else 1
    ticket, lock = take_ticket(folder.name)
    try:
        told: dict[str, Any] = {
            "argv": list(argv),
            "cwd": str(folder),
            "at": time.time(),
            "attempt": attempt,
            "ticket": str(ticket),
            "side_by_side": spec.side_by_side,
            "output_lock": str(output.path),
            "output_made": output.made,
            "chain": str(chains.path_of(folder.name)),
            "follow_up": [sys.executable, "-P", "-m", "smoltui", "wait", folder.name],
        }
        if resumed is not None:
            status = data_folder.read_json(folder / "status.json")
            if status:  # a killed one could not record it
                status.setdefault("finished_at", data_folder.mtime(folder / "log"))
            told |= {
                "resumed": f"Resumed from step {resumed.step}",
                "log_key": (data_folder.read_json(folder / "spec.json") or {}).get("log_key"),
                "resumed_from": str(resumed.path),
                "earlier": [*before.get("earlier", []), *([status] if status else [])],
            }
        data_folder.write_json(path, told)
        try:
            return _supervisor(folder, [held, lock, output.descriptor])
        except OSError:
            if before:
                data_folder.write_json(path, before)
            raise
    except OSError:
        ticket.unlink(missing_ok=True)
        raise
    finally:
        os.close(lock)


def _supervisor(folder: Path, held: Sequence[int]) -> subprocess.Popen[bytes]:
    own_log_file = locks.open_private(folder / "supervisor.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with os.fdopen(own_log_file, "ab") as own_log:
        # The environment is inherited, not stored: it may contain keys.
        return subprocess.Popen(
            [sys.executable, str(SUPERVISOR), str(folder), *map(str, held)],
            stdin=subprocess.DEVNULL,
            stdout=own_log,
            stderr=own_log,
            start_new_session=True,
            cwd="/",
            env={"TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(SAVING_SECONDS), **training_env()},
            pass_fds=tuple(held),
        )
