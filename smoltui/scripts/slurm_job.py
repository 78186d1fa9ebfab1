"""The batch script of a Slurm job: starts a training on the job's nodes, records how it ended, and requeues the job.

    python slurm_job.py FOLDER            once, on the first node
    python slurm_job.py --task FOLDER     by srun, once for each process (or once a node, with a launcher)

It needs nothing but the standard library of Python 3.8 or newer, which may be the system's: the training has a Python
of its own. FOLDER is the folder of the run on a disk that all nodes share. `job.json` in it says what to start, this
script writes `status.json`, and the log is its standard output.

The training stops after its current step at SIGTERM, with a checkpoint. Slurm sends that to the steps before the time
limit and at preemption (`--signal` without `B:`). This script never sends it to srun, which would kill its step. A part
that was stopped so is requeued, if nobody asked for the pause: the same job starts over, from that checkpoint.

The exit code is that of srun, because Slurm's own record of the job depends on it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

STATUS_BYTES = 4096
"""The status file is padded to this size, so that it can be written in place on a full disk."""
FULL_BYTES = 1 << 20
"""Where so much cannot be written, the log of the run could not be, either."""
CALL_SECONDS = 60
"""How long scontrol may take on a busy cluster."""
SIGNAL_SECONDS = 1.0
"""How much later than the training this script may get the signal that ends a job."""
END_SECONDS = 120
"""How long to wait for the end of a job that was requeued: Slurm sends SIGTERM, and SIGKILL after KillWait."""
CLOCK_SECONDS = 1.0
"""Times of files may be this far before the time of the run."""
HEAD_BYTES = 1 << 20
"""Longest header of a safetensors file that is read."""
END_BYTES = 1 << 12
"""At the end of a log, in which srun's last words are searched."""
NO_PYTHON = 127
TERMINATED = 128 + signal.SIGTERM
SETUP_FAILED = 78
"""EX_CONFIG of sysexits.h."""


class Said(NamedTuple):
    """What the training said in its log since an offset."""

    finished: tuple[int, int] | None
    """Its last step and the planned ones; None before its end."""
    step: int
    """The highest step."""


# The log


def said_since(log: Path, offset: int) -> Said:
    """The end and the highest step in a log, from an offset in bytes."""
    finished, highest = None, 0
    for event in events_in(log, offset):
        step = event.get("step")
        if not isinstance(step, int) or isinstance(step, bool):
            continue
        if event.get("event") == "finished":
            last = event.get("max_steps")
            finished = (step, last if isinstance(last, int) else step)
        if event.get("event") in ("progress", "metrics", "finished"):
            highest = max(highest, step)
    return Said(finished, highest)


def events_in(log: Path, offset: int = 0) -> list[dict[str, Any]]:
    """The events of the training that are in a log, but not those that nobody here asks for."""
    wanted = re.compile(rb'^\{"event": "(finished|progress|metrics|checkpoint)"')
    found = []
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(offset)
        for line in file:
            if wanted.match(line):
                with contextlib.suppress(ValueError):
                    event = json.loads(line)
                    if isinstance(event, dict):
                        found.append(event)
    return found


def lost_node(log: Path, offset: int) -> bool:
    """Whether srun said at the end of a log, from an offset on, that a node of the job failed."""
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(max(offset, file.seek(0, os.SEEK_END) - END_BYTES))
        return re.search(rb"^srun: error: Node failure on ", file.read(), re.MULTILINE) is not None
    return False


def say_stage(log: Path, message: str, key: str | None) -> None:
    """Writes a line between two parts of a run; `key` proves that it is ours, as the training is not given it."""
    with contextlib.suppress(OSError), log.open("rb") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                print(flush=True)  # a killed training may have left half a line
    line = {"event": "stage", "v": 1, "at": round(time.time(), 3), "stage": "RUNNING", "message": message, "key": key}
    print(json.dumps(line), flush=True)


# Checkpoints


def newest_checkpoint(job: dict[str, Any], log: Path) -> tuple[Path, int] | None:
    """The newest complete checkpoint of this run, and its step; None without one.

    The folder may also have those of an earlier run: a run's own were written since it was created, or are named in its
    log (the clock of a file server may be behind).
    """
    told = {event.get("path") for event in events_in(log) if event.get("event") == "checkpoint"}
    best = None
    with contextlib.suppress(OSError):
        for path in Path(job["output_dir"]).glob("checkpoint-*"):
            state = path / "trainer_state.json"
            with contextlib.suppress(OSError, ValueError, struct.error):
                if str(path) not in told and state.stat().st_mtime < job["created_at"] - CLOCK_SECONDS:
                    continue
                step = json.loads(state.read_text(encoding="utf-8")).get("global_step")
                if isinstance(step, int) and is_complete(path) and (best is None or step > best[1]):
                    best = (path, step)
    return best


def is_complete(path: Path) -> bool:
    """Whether training can resume from a checkpoint: everything is there, and no file is truncated.

    `trainer_state.json`, which is written last, was read before. The rules are those of
    `backends/local/checkpoints.py`, and a test holds the two together. Raises OSError, ValueError, struct.error.
    """

    def has(*patterns: str) -> bool:
        return any(any(path.glob(pattern)) for pattern in patterns)

    sharded = has("global_step*")
    if (path / "checkpoint-is-incomplete.txt").exists() or not has("rng_state*.pth"):
        return False
    if not (sharded or has("*.safetensors", "pytorch_model*.bin", "adapter_model.bin", "pytorch_model_fsdp*")):
        return False
    if not (sharded or has("optimizer.pt", "optimizer.bin", "optimizer_*")):
        return False
    if not (sharded or has("scheduler.pt")):
        return False
    if not all(_whole_safetensors(file) for file in path.glob("*.safetensors")):
        return False
    zipped = [file for pattern in ("*.pt", "*.pth", "*.bin") for file in path.glob(pattern) if file.is_file()]
    return all(zipfile.is_zipfile(file) for file in zipped)


def _whole_safetensors(file: Path) -> bool:
    """Whether a file is as long as its header says: 8 bytes of length, JSON, then the tensors."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        (length,) = struct.unpack("<Q", opened.read(8))
        if length > size - 8:
            return False
        header = json.loads(opened.read(length))
    try:
        ends = [int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"]
    except (TypeError, KeyError, IndexError, AttributeError):
        return False
    return bool(size == 8 + length + max(ends, default=0))


# The record


def write_status(path: Path, status: dict[str, Any]) -> None:
    """Replaces the status file; writes in place if the disk has no room for a second one."""
    data = json.dumps(status).encode().ljust(STATUS_BYTES) + b"\n"
    beside = path.with_name(".status.json")
    try:
        with os.fdopen(os.open(str(beside), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            descriptor = os.open(str(path), os.O_WRONLY)
            try:
                os.pwrite(descriptor, data, 0)
            finally:
                os.close(descriptor)


def is_full(folder: Path) -> bool:
    """Whether nothing more can be written to a folder: its disk is full, or a quota is, which only a write shows.

    `backends/local/supervisor.py` has the same: both run alone, and import nothing of smoltui.
    """
    place = folder / ".room"
    try:
        with place.open("wb") as file:
            file.write(bytes(FULL_BYTES))
            file.flush()
            os.fsync(file.fileno())  # a file server may refuse it only now
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    finally:
        with contextlib.suppress(OSError):
            place.unlink(missing_ok=True)
    return False


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file; empty if there is none that can be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def first_status(job: dict[str, Any], before: dict[str, Any], offset: int) -> dict[str, Any]:
    """The status of a part that starts now, with the times of those before it."""
    status = {
        "part": job["part"],
        "job": os.environ.get("SLURM_JOB_ID", ""),
        "restart": int(os.environ.get("SLURM_RESTART_COUNT") or 0),
        "host": os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
        "nodes": os.environ.get("SLURM_JOB_NODELIST", ""),
        "started_at": time.time(),
        "offset": offset,
        "requeues": before.get("requeues", 0) if before.get("part") == job["part"] else 0,
        "earlier": list(before.get("earlier", [])),
    }
    if "started_at" in before:
        ended = before.get("finished_at")
        if ended is None:  # it was killed before it could say so
            with contextlib.suppress(OSError):
                ended = (Path.cwd() / "log").stat().st_mtime
        status["earlier"].append([before["started_at"], ended if ended is not None else before["started_at"]])
    return status


# What is started


def set_up(lines: list[str], environment: dict[str, str]) -> tuple[dict[str, str], str]:
    """The environment after the lines of `slurm.setup`, and what went wrong (empty: nothing).

    They are run by one login-like bash, so that `module load` and `source` work, and stop at the first that fails.
    """
    if not lines:
        return environment, ""
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    body = "\n".join(f"smoltui_line={shlex.quote(line)}\n{line}" for line in lines)
    script = (
        "trap 'code=$?; [ $code = 0 ] || echo \"slurm.setup failed with code $code: $smoltui_line\" >&2' EXIT\n"
        "[ -r /etc/profile.d/modules.sh ] && . /etc/profile.d/modules.sh\n"
        "[ -r /etc/profile.d/lmod.sh ] && . /etc/profile.d/lmod.sh\n"
        f"set -eo pipefail\n{body}\nset +e\nunset smoltui_line\ntrap - EXIT\nenv -0 >&{writing}\n"
    )
    with subprocess.Popen(
        ["bash", "-c", script], stdin=subprocess.DEVNULL, pass_fds=[writing], env=environment
    ) as shell:
        os.close(writing)
        with os.fdopen(reading, "rb") as file:
            data = file.read()
    if shell.returncode or not data:
        return environment, f"A line of slurm.setup failed (exit code {shell.returncode})"
    pairs = (part.partition(b"=") for part in data.split(b"\0") if part)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}, ""


def unseen_folder(job: dict[str, Any]) -> str | None:
    """The first folder of the run that this node does not see; None if it sees all."""
    return next((folder for folder in job.get("folders", []) if not Path(folder).is_dir()), None)


def not_seen(folder: str) -> str:
    """The sentence about such a folder."""
    name = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
    return f"The node {name} does not see this folder: {folder}"


def step_command(job: dict[str, Any], folder: Path) -> list[str]:
    """The srun that starts one task for each process, or one for each node if a launcher starts the processes."""
    command = ["srun", "--kill-on-bad-exit=1", "--wait=60", "--input=none", "--mpi=none"]
    if os.environ.get("SLURM_CPUS_PER_TASK"):  # srun has not taken it over from the job since 22.05
        command.append("--cpus-per-task=" + os.environ["SLURM_CPUS_PER_TASK"])
    return [*command, sys.executable, "-u", str(folder / Path(__file__).name), "--task", str(folder)]


def rendezvous() -> dict[str, str]:
    """Where the processes of a job meet: the first node, which this script runs on, and a port of this job."""
    name = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
    known = [address for address in (_address(name), _node_address(name), _address(socket.gethostname())) if address]
    # A name that leads to this machine alone is of no use to the other nodes.
    outside = [address for address in known if not address.startswith("127.")]
    address = (outside or known or [name])[0]
    port = 20000 + int(re.sub(r"\D", "", os.environ.get("SLURM_JOB_ID", "")) or 0) % 10000
    return {"MASTER_ADDR": address, "MASTER_PORT": str(port)}


def _address(name: str) -> str:
    with contextlib.suppress(OSError):
        return socket.gethostbyname(name)
    return ""


def _node_address(name: str) -> str:
    code, text = called("scontrol", "show", "node", name)
    found = re.search(r"\bNodeAddr=(\S+)", text) if code == 0 else None
    return _address(found.group(1)) if found else ""


def called(*command: str) -> tuple[int, str]:
    """Exit code and output of one of Slurm's commands; some sites do not have them on their nodes."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=CALL_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return NO_PYTHON, str(error)
    return done.returncode, done.stdout.decode("utf-8", "replace").strip()


# The batch step


class Batch:
    """One part of a run: from the start of a job, or its restart, to its end."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log, self.path = folder, folder / "log", folder / "status.json"
        self.job = read_json(folder / "job.json")
        offset = self.log.stat().st_size if self.log.exists() else 0
        self.status = first_status(self.job, read_json(self.path), offset)
        self.told = threading.Event()
        self.forwarding: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Runs the part, and returns the exit code of srun."""
        write_status(self.path, self.status)
        if (unseen := unseen_folder(self.job)) is not None:
            return self.end(SETUP_FAILED, "folder", error=not_seen(unseen))
        environment, problem = set_up(self.job.get("setup", []), {**os.environ, **self.job.get("env", {})})
        if problem:
            return self.end(SETUP_FAILED, "setup", error=problem)
        kept = newest_checkpoint(self.job, self.log) if self.job.get("resumes") else None
        if kept is not None:
            environment["SMOLTUI_CHECKPOINT"] = str(kept[0])
        if self.status["restart"] or self.job["part"] > 1:
            start = f"Resumed from step {kept[1]}" if kept is not None else "Started over from the first step"
            say_stage(self.log, start, self.job.get("log_key"))
        signal.signal(signal.SIGTERM, lambda *_: self.told.set())
        threading.Thread(target=self.forward, daemon=True).start()
        try:
            step = subprocess.Popen(
                step_command(self.job, self.folder),
                stdin=subprocess.DEVNULL,
                env={**environment, **rendezvous()},
                cwd=str(self.folder),
            )
        except OSError as error:
            return self.end(NO_PYTHON, "srun", error=f"srun cannot be started on this node: {error.strerror}")
        code = step.wait()
        code = 128 - code if code < 0 else code
        return self.ended(code, kept[1] if kept is not None else 0)

    def forward(self) -> None:
        """Sends SIGTERM on to the training, and never to srun. Does nothing until this script gets one.

        While Slurm requeues the job, scancel repeats its call for 95 seconds, and would stop the job's next start: it
        ends with this part.
        """
        self.told.wait()
        if "finished_at" in self.status:
            return
        with contextlib.suppress(OSError):
            self.forwarding = subprocess.Popen(
                ["scancel", "--signal=TERM", self.status["job"]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            if "finished_at" in self.status:  # meanwhile
                self.forwarding.kill()

    def ended(self, code: int, first: int) -> int:
        """Records the end of the training, and requeues the job if it was stopped and nobody asked for that."""
        said = said_since(self.log, self.status["offset"])
        self.status["step"] = max(said.step, first)
        if said.finished is not None and said.finished[0] >= said.finished[1]:
            return self.end(code, "finished")
        if said.finished is None and lost_node(self.log, self.status["offset"]):
            # srun may end before Slurm ends this script, and with 0: only Slurm knows whether it requeues the job.
            return self.end(code or TERMINATED, "stopped")
        if said.finished is None or self.asked("cancel"):
            return self.end(code, "canceled" if self.asked("cancel") else "failed")
        if self.asked("pause"):
            return self.end(code, "paused")
        if self.told.wait(SIGNAL_SECONDS):
            # Slurm ends this script, too: the job was canceled, or is requeued by Slurm itself.
            return self.end(code, "stopped")
        if said.finished[0] <= first:
            return self.end(code, "paused", error="the part made no step, so it was not requeued")
        if self.status["requeues"] >= (most := self.job.get("restarts", 0)):
            return self.end(code, "paused", error=f"no restart is left (slurm.restarts = {most})")
        return self.requeue(code)

    def asked(self, what: str) -> bool:
        """Whether smoltui asked for this while the part was running."""
        try:
            return bool((self.folder / f"asked-{what}").stat().st_mtime >= self.status["started_at"] - CLOCK_SECONDS)
        except OSError:
            return False

    def requeue(self, code: int) -> int:
        """Makes Slurm start this job again, from the checkpoint that was just saved."""
        self.status["requeues"] += 1
        self.end(code, "requeued")
        # From here on Slurm ends this script: the record is complete.
        refused, text = called("scontrol", "requeue", self.status["job"])
        if refused:
            self.status["requeues"] -= 1
            if refused < 0 or self.told.is_set():
                # Slurm ends this script and what it started, as in `ended`, but later than a busy node let it wait for.
                return self.end(code, "stopped")
            last = text.splitlines()[-1] if text else f"exit code {refused}"
            return self.end(code, "paused", error=f"Slurm refused to requeue it ({last})")
        self.told.wait(END_SECONDS)
        return code

    def end(self, code: int, why: str, error: str = "") -> int:
        """Writes the end of the part, and returns its exit code."""
        self.status.update(finished_at=time.time(), exit_code=code, why=why)
        self.status.pop("error", None)
        if error:
            self.status["error"] = error
        if self.forwarding is not None:
            self.forwarding.kill()
        # The log may lack the end of the training: then it looks like a failure.
        if (code or why == "failed") and is_full(self.folder):
            self.status["disk_full"] = True
        write_status(self.path, self.status)
        return code


# A task of srun


def task_environment(job: dict[str, Any], known: dict[str, str]) -> dict[str, str]:
    """What a process of the training needs besides the environment of its job."""
    found = {
        "OMP_NUM_THREADS": known.get("SLURM_CPUS_PER_TASK") or "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONSAFEPATH": "1",
    }
    found = {name: value for name, value in found.items() if name not in known}
    tasks, nodes = int(known.get("SLURM_NTASKS") or 1), int(known.get("SLURM_JOB_NUM_NODES") or 1)
    if tasks > 1 and not job.get("launcher"):
        found.update(
            RANK=known.get("SLURM_PROCID", "0"),
            LOCAL_RANK=known.get("SLURM_LOCALID", "0"),
            WORLD_SIZE=str(tasks),
            LOCAL_WORLD_SIZE=str(max(1, tasks // nodes)),
        )
        if job.get("use_cpu"):
            found["ACCELERATE_USE_CPU"] = "true"
    return found


def say_failed(cause: str, hint: str) -> None:
    """Prints why this task starts no training, as the training itself would."""
    print(json.dumps({"event": "failed", "v": 1, "at": time.time(), "cause": cause, "hint": hint}), flush=True)


def task_command(job: dict[str, Any], known: dict[str, str]) -> list[str]:
    """The command of this task: the training, or the launcher of this node around it."""
    training = list(job["script"])
    if known.get("SMOLTUI_CHECKPOINT"):
        training += ["--resume_from_checkpoint", known["SMOLTUI_CHECKPOINT"]]
    launcher: list[str] = list(job.get("launcher") or [])
    if launcher:
        # The number of this node is known here only: the command of srun is the same for all of them.
        launcher += ["--num_machines", known.get("SLURM_JOB_NUM_NODES", "1")]
        launcher += ["--num_processes", str(job["processes"]), "--machine_rank", known.get("SLURM_NODEID", "0")]
        launcher += ["--main_process_ip", known["MASTER_ADDR"], "--main_process_port", known["MASTER_PORT"]]
    return [*job["python"], *launcher, *training]


def task(folder: Path) -> int:
    """Becomes a process of the training."""
    job = read_json(folder / "job.json")
    environment = {**os.environ, **task_environment(job, dict(os.environ))}
    if (unseen := unseen_folder(job)) is not None:
        hint = "Use a disk that all nodes share: slurm.output_root, or another place for the project."
        say_failed(not_seen(unseen), hint)
        return SETUP_FAILED
    command = task_command(job, environment)
    # Kept until the training can save (`pauser` of dpo.py): while libraries load, the signal would end the process.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        cause = f"The command of the training cannot be started on a node ({error.strerror}): {command[0]}"
        hint = "Set slurm.python to a Python that all nodes see, or slurm.container or slurm.setup."
        say_failed(cause, hint)
    return NO_PYTHON


if __name__ == "__main__":
    if sys.argv[1] == "--task":
        sys.exit(task(Path(sys.argv[2])))
    os.chdir(sys.argv[1])
    sys.exit(Batch(Path(sys.argv[1])).run())
