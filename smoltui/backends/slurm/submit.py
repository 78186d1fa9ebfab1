"""Writes the folder of a run, and submits it with sbatch."""

from __future__ import annotations

import errno
import os
import secrets
import shlex
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from smoltui.backends.project.project import RECIPE_NAME
from smoltui.backends.project.recipe_file import RecipeFile
from smoltui.backends.slurm import commands
from smoltui.backends.slurm import records as store
from smoltui.backends.slurm.queue import Queue
from smoltui.backends.slurm.records import Part
from smoltui.backends.system import data_folder, locks
from smoltui.core.machine.fit import Fit
from smoltui.core.runs.accelerate import (
    CONFIG_NAME,
    LAUNCHER,
    STRATEGIES,
    accelerate_config,
    as_yaml,
    mixed_precision_of,
)
from smoltui.core.runs.run import RunSpec
from smoltui.core.settings.settings import checked_slurm, table_of
from smoltui.core.settings.slurm_settings import SlurmSettings
from smoltui.core.slurm.answers import submitted_id
from smoltui.core.slurm.refusals import refusal
from smoltui.core.slurm.submission import has_launcher, processes_per_node, resources, sbatch_options
from smoltui.errors import InputError, UnreachableError
from smoltui.scripts import BESIDE_DPO, SCRIPTS

JOB_SCRIPT = "slurm_job.py"
NEEDED_BYTES = 1 << 20
"""Free bytes required to start a run: otherwise its status and log could not be written."""
_START = """#!/bin/sh
# Slurm keeps a copy of this file: it only starts the script beside the log, with a Python that is there.
for python in {python} python3 /usr/libexec/platform-python; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null; then
        exec "$python" -u {script} {folder}
    fi
done
echo "No Python 3.8 or newer was found on this node"
exit 127
"""


def settings_of(spec: RunSpec) -> SlurmSettings:
    """What a run asks of the cluster.

    Raises:
        RecipeError: a value that cannot be used.
        InputError: a number of processes that does not fit the nodes.
    """
    settings = checked_slurm(table_of(SlurmSettings, spec.options, "slurm."))
    if spec.processes is None or spec.processes == settings.nodes * processes_per_node(settings):
        return settings
    if spec.processes % settings.nodes:
        raise InputError(
            f"{spec.processes} processes cannot be shared evenly by {settings.nodes} nodes",
            "Set slurm.nodes and slurm.gpus (per node) in smoltui.toml.",
        )
    return checked_slurm(replace(settings, gpus=spec.processes // settings.nodes))


ON_THIS_MACHINE = frozenset({"push"})
"""Follow-up steps that need the internet."""


def step_command(spec: RunSpec, step: str) -> list[str]:
    """The command that starts a follow-up step on one node, with one of the GPUs that its run had per node.

    It waits in the queue, and ends with the process that starts it. Raises as `settings_of`.
    """
    settings = settings_of(spec)
    alone = replace(settings, nodes=1, gpus=min(1, settings.gpus), strategy="ddp", exclusive=False)
    told = [f"{name}={value}" for name, value in _environment(settings).items()]
    start = [*commands.unset_options(), "srun", "--quiet", f"--job-name=smoltui-{step}", *resources(alone)]
    return [*start, "env", *told, sys.executable]


def write_run(spec: RunSpec, script: Path) -> Path:
    """The folder of a new run, with everything that its jobs need: recipe, scripts and log.

    Raises:
        InputError: it cannot be written.
    """
    try:
        folder = store.new_run_dir()
    except OSError as error:
        raise unwritable(store.runs_folder(), error) from error
    try:
        if shutil.disk_usage(folder).free < NEEDED_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        code = folder / "code"
        code.mkdir(mode=0o700)
        for name in (script.name, *(BESIDE_DPO if script.parent == SCRIPTS else ())):
            shutil.copyfile(script.parent / name, code / name)
        shutil.copyfile(SCRIPTS / JOB_SCRIPT, folder / JOB_SCRIPT)
        locks.write_private(folder / "log", b"")
        locks.write_private(folder / RECIPE_NAME, _recipe(spec, settings_of(spec)).text.encode("utf-8"))
        if spec.left_out:
            locks.write_private(folder / "exclude.txt", ("\n".join(spec.left_out) + "\n").encode("utf-8"))
        begin = _START.format(
            python=shlex.quote(sys.executable),
            script=shlex.quote(str(folder / JOB_SCRIPT)),
            folder=shlex.quote(str(folder)),
        )
        locks.write_private(folder / "job.sh", begin.encode("utf-8", "surrogateescape"))
        record = {**asdict(spec), "created_at": time.time(), "log_key": secrets.token_hex(8)}
        data_folder.write_json(folder / "spec.json", record)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise unwritable(folder, error) from error
        raise
    return folder


def unwritable(folder: Path, error: OSError) -> InputError:
    """The error for a run's folder that cannot be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return InputError(
        f"The run cannot be stored ({error.strerror or error}): {folder}",
        "Free some space there, or set SMOLTUI_HOME to a folder on another shared disk."
        if full
        else "Set SMOLTUI_HOME to a folder of your own on a disk that the nodes share.",
    )


def _recipe(spec: RunSpec, settings: SlurmSettings) -> RecipeFile:
    """The recipe of the job: without internet, the model is pushed afterwards, from this machine."""
    recipe = RecipeFile(Path(spec.project) / RECIPE_NAME, spec.recipe, "")
    if settings.offline and recipe.values.get("push_to_hub"):
        recipe.set("push_to_hub", False)
    return recipe


def job_record(
    folder: Path, spec: RunSpec, settings: SlurmSettings, part: Part, script: Path, stored: Mapping[str, Any]
) -> dict[str, Any]:
    """What the script of a job is told (`scripts/slurm_job.py`)."""
    training = [str(folder / "code" / script.name), "--config", str(folder / RECIPE_NAME)]
    training += ["--work-dir", spec.project, "--output-dir", spec.output_dir]
    if spec.left_out:
        training += ["--exclude", str(folder / "exclude.txt")]
    if spec.overwrite:
        training.append("--overwrite")
    if spec.stop_ruined:
        training.append("--stop-ruined")
    python = settings.python or ("python" if settings.container else sys.executable)
    values = RecipeFile(Path(spec.project) / RECIPE_NAME, spec.recipe, "").values
    return {
        "part": part.number,
        "label": part.label,
        "log_key": stored.get("log_key"),
        "created_at": stored.get("created_at", 0.0),
        "output_dir": spec.output_dir,
        "folders": [spec.project, spec.output_dir],
        "resumes": True,
        "setup": list(settings.setup),
        "env": _environment(settings),
        "python": [*shlex.split(settings.container), python],
        "launcher": [*LAUNCHER, "--config_file", str(folder / CONFIG_NAME)] if has_launcher(settings) else [],
        "processes": settings.nodes * processes_per_node(settings),
        "use_cpu": bool(values.get("use_cpu")) or not settings.gpus,
        "script": training,
        "restarts": settings.restarts,
    }


def _environment(settings: SlurmSettings) -> dict[str, str]:
    found = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"} if settings.offline else {}
    if settings.hf_home:
        found["HF_HOME"] = os.path.expandvars(str(Path(settings.hf_home).expanduser()))
    return {**found, **settings.env}


def submit_part(
    folder: Path, spec: RunSpec, parts: tuple[Part, ...], queue: Queue, script: Path, fit: Fit | None
) -> Part:
    """Submits the next part of a run, and stores its job. `fit` says how long a checkpoint takes to be saved.

    Raises:
        InputError: Slurm refused it, or the folder cannot be written.
        UnreachableError: Slurm did not answer, and it is unknown whether it took the job; the part is stored without
            one.
    """
    settings = settings_of(spec)
    stored = data_folder.read_json(folder / "spec.json") or {}
    number = len(parts) + 1
    part = Part(number, spec.label if number == 1 else f"{spec.label}-{number}", time.time())
    labels = (data_folder.read_json(folder / "parts.json") or {}).get("labels", dict(spec.labels))
    options = sbatch_options(
        settings, name=spec.name, label=part.label, folder=str(folder), checkpoint=fit.checkpoint if fit else None
    )
    command = ["sbatch", *options, str(folder / "job.sh")]
    try:
        if has_launcher(settings):
            _write_accelerate(folder, spec, settings)
        record = job_record(folder, spec, settings, part, script, stored)
        data_folder.write_json(folder / "job.json", {**record, "sbatch": command})
        store.write_parts(folder, (*parts, part), labels)
    except OSError as error:
        raise unwritable(folder, error) from error
    job = _submitted(command, part, queue, folder)
    part = replace(part, job=job, cluster=queue.cluster() or None)
    with suppress(OSError):  # else the comment of the job finds it again
        store.write_parts(folder, (*parts, part), labels)
    return part


def _submitted(command: list[str], part: Part, queue: Queue, folder: Path) -> str:
    """The id of the job, also if the answer was lost. Raises as `submit_part`."""
    try:
        said = commands.call(*command, seconds=commands.SUBMIT_SECONDS, env=commands.job_env(), cwd=str(folder))
        if said.code == 0 and (job := submitted_id(said.out)) is not None:
            return job
        if said.code and not said.busy:
            raise InputError(*refusal(said.last))
        lost = UnreachableError(
            f"Slurm returned no number for the job ({said.last or 'no answer'})",
            "Try again when the cluster is less busy.",
        )
        if "unable to contact" in said.err.lower():
            raise lost  # it never got there
    except UnreachableError as error:
        lost = error
    seen = queue.fresh()
    if (row := seen.labelled(part.label)) is not None:
        return row.job
    if seen.error is None:
        raise lost
    raise Unconfirmed(lost.message, "If Slurm took the job, smoltui finds it: smoltui ps") from lost


class Unconfirmed(UnreachableError):
    """Slurm may have taken the job, and does not say."""


def _write_accelerate(folder: Path, spec: RunSpec, settings: SlurmSettings) -> None:
    """Writes the file of `accelerate launch`. Raises OSError."""
    recipe = RecipeFile(Path(spec.project) / RECIPE_NAME, spec.recipe, "").values
    strategy = settings.strategy if settings.strategy in STRATEGIES else "ddp"
    config = accelerate_config(
        settings.nodes * processes_per_node(settings),
        strategy,
        mixed_precision_of(recipe),
        use_cpu=bool(recipe.get("use_cpu")) or not settings.gpus,
    )
    locks.write_private(folder / CONFIG_NAME, as_yaml(config).encode("utf-8"))
