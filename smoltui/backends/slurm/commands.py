"""Calls Slurm's commands: in an environment where nothing changes their answers, with a deadline, and with words for
their failures. Everything here blocks: call it from a thread."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from smoltui.core.settings.slurm_settings import is_secret_name
from smoltui.core.slurm.answers import last_line
from smoltui.errors import InputError, SmoltuiError, UnreachableError
from smoltui.safe_text import safe_line

ANSWER_SECONDS = 15.0
"""How long a question may take. A controller that is down costs 9 s, a missing configuration 60 s."""
SUBMIT_SECONDS = 60.0
"""How long sbatch may take on a busy cluster, before the job is looked for by its comment."""
_DROPPED = ("SQUEUE_", "SACCT_", "SBATCH_", "SINFO_", "SSTAT_", "SCANCEL_", "SALLOC_", "SRUN_", "SLURM_")
_KEPT = ("SLURM_CONF", "SLURM_JWT", "SLURM_CONF_SERVER")
_BUSY = ("unable to contact", "timed out", "connect failure", "connection refused", "socket timed out", "try again")


@dataclass(frozen=True, slots=True)
class Said:
    """What a command said. `code`: its exit code."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """Its last line, which is the one that says why it failed; empty without one."""
        return safe_line(last_line(self.err) or last_line(self.out), 300)

    @property
    def busy(self) -> bool:
        """It failed because the controller did not answer, not because of what it was asked."""
        return bool(self.code) and any(word in f"{self.err}{self.out}".lower() for word in _BUSY)


def problem() -> SmoltuiError | None:
    """Why Slurm can't be used here at all; None if it can be tried."""
    if shutil.which("sbatch") is None:
        return InputError(
            "Slurm can't be used here: its command sbatch is not on the PATH",
            "Start smoltui on a login node of the cluster; some need: module load slurm",
        )
    conf = os.environ.get("SLURM_CONF")
    if conf and not Path(conf).is_file():
        return InputError(
            f"Slurm can't be used: SLURM_CONF names a file that is not there: {safe_line(conf, 200)}",
            "Remove the variable: unset SLURM_CONF",
        )
    return None


def on_a_node() -> bool:
    """Whether this process is a task of a job."""
    return "SLURM_STEP_ID" in os.environ


def slurm_env() -> dict[str, str]:
    """The environment of a question: this one, without the variables that change answers."""
    return {**_without_options(), "LC_ALL": "C", "SLURM_TIME_FORMAT": "%s"}


def job_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment that a job inherits: this one, without secrets, which Slurm would store."""
    return {name: value for name, value in {**_without_options(), **(extra or {})}.items() if not is_secret_name(name)}


def unset_options() -> list[str]:
    """A command in front of another one that removes what would change the latter's meaning, and secrets."""
    kept = job_env()
    return ["env", *(word for name in sorted(os.environ) if name not in kept for word in ("-u", name))]


def _without_options() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if not name.startswith(_DROPPED) or name.startswith(_KEPT)
    }


def call(*command: str, seconds: float = ANSWER_SECONDS, env: Mapping[str, str] | None = None, cwd: str = "/") -> Said:
    """Runs a command of Slurm's.

    Raises:
        InputError: it is not installed, or SLURM_CONF is wrong.
        UnreachableError: it did not answer in time.
    """
    if (wrong := problem()) is not None:
        raise wrong
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=dict(env if env is not None else slurm_env()),
            timeout=seconds,
            cwd=cwd,
            start_new_session=True,  # ctrl+c in the terminal must not interrupt a submission
        )
    except subprocess.TimeoutExpired as error:
        raise UnreachableError(
            f"Slurm did not answer within {seconds:.0f} s ({command[0]})",
            "The jobs continue. Try again when the cluster is less busy.",
        ) from error
    except OSError as error:
        raise InputError(
            f"A command of Slurm cannot be started ({error.strerror}): {command[0]}",
            "Start smoltui on a login node of the cluster.",
        ) from error
    return Said(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


def asked(*command: str) -> str:
    """The output of a question to the controller.

    Raises:
        InputError, UnreachableError: as `call`, or the controller did not answer; also its configuration is invalid.
    """
    said = call(*command)
    if said.code and "configuration file" in said.last:
        raise InputError(
            f"Slurm can't be used: {said.last}",
            f"Correct it, or remove the variable: unset SLURM_CONF ({safe_line(os.environ.get('SLURM_CONF', ''), 200)})"
            if os.environ.get("SLURM_CONF")
            else "Start smoltui on a login node of the cluster.",
        )
    if said.code:
        raise UnreachableError(
            f"Slurm's controller does not answer ({said.last or f'exit code {said.code}'})",
            "The jobs continue. smoltui asks again.",
        )
    return said.out
