"""A real Slurm on this machine for the tests: a controller and two nodes with fake GPUs, all on 127.0.0.1.

It starts in two seconds from Debian's packages `slurmctld slurmd slurm-client munge`, without cgroups and without
accounting. Nothing under /etc is read or changed. Memory is counted, not enforced.
"""

from __future__ import annotations

import ctypes
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

NODES = ("n1", "n2")
START_SECONDS = 40.0
DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch")
SYSTEM_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


MISSING = [name for name in DAEMONS if shutil.which(name, path=SYSTEM_PATH) is None]
NEEDS_SLURM = (
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(MISSING) or sys.platform != "linux",
        reason="Slurm is not installed (Debian: slurmctld slurmd slurm-client munge)",
    ),
)
"""Marks of tests on a real Slurm."""


class Cluster:
    """The daemons, and the configuration that points Slurm's commands at them."""

    def __init__(self, folder: Path, *, min_job_age: int = 300, extra: Sequence[str] = ()) -> None:
        """`min_job_age`: seconds that Slurm remembers a job after its end; `extra`: further lines of slurm.conf."""
        self.folder = folder
        self.conf = folder / "slurm.conf"
        self._sockets = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))  # a socket's path has at most 107 bytes
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._configure(min_job_age, extra)

    @classmethod
    def at(cls, conf: Path) -> Cluster:
        """A cluster that somebody else started."""
        found = cls.__new__(cls)
        found.folder, found.conf, found._running = conf.parent, conf, {}
        return found

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.conf), "PATH": SYSTEM_PATH}

    def _configure(self, min_job_age: int, extra: Sequence[str]) -> None:
        for name in ("state", "spool", "dev"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "munge.key").write_bytes(os.urandom(1024))
        (self.folder / "munge.key").chmod(0o600)
        ports = iter(_free_ports(1 + len(NODES)))
        lines = [
            "ClusterName=smoltui",
            "SlurmctldHost=localhost(127.0.0.1)",
            f"SlurmctldPort={next(ports)}",
            f"SlurmUser={getpass.getuser()}",
            f"SlurmdUser={getpass.getuser()}",
            "AuthType=auth/munge",
            f"AuthInfo=socket={self._sockets}/munge",
            f"StateSaveLocation={self.folder}/state",
            f"SlurmdSpoolDir={self.folder}/spool/%n",
            f"SlurmctldPidFile={self.folder}/slurmctld.pid",
            f"SlurmdPidFile={self.folder}/slurmd-%n.pid",
            "ProctrackType=proctrack/linuxproc",
            "MpiDefault=none",
            "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_Core_Memory",
            "SlurmdParameters=config_overrides",
            "ReturnToService=2",
            f"MinJobAge={min_job_age}",
            "KillWait=5",
            "MessageTimeout=3",
            "SchedulerParameters=bf_interval=1,sched_interval=1,sched_min_interval=100000,batch_sched_delay=0",
            "PreemptType=preempt/partition_prio",
            "PreemptMode=REQUEUE",
            "GresTypes=gpu",
            *(
                f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={next(ports)} CPUs=8 RealMemory=4000 "
                "Gres=gpu:fake:2 Feature=fast State=UNKNOWN"
                for name in NODES
            ),
            "PartitionName=main Nodes=ALL Default=YES MaxTime=1:00:00 DefaultTime=10 PriorityTier=10 PreemptMode=OFF",
            "PartitionName=low Nodes=ALL MaxTime=INFINITE DefaultTime=10 PriorityTier=1 PreemptMode=REQUEUE "
            "GraceTime=20",
            *extra,
        ]
        self.conf.write_text("\n".join(lines) + "\n")
        # Slurm wants a device file for each GPU, and numbers them by the end of its name.
        gres = []
        for name in NODES:
            for number in (0, 1):
                (self.folder / "dev" / f"{name}-gpu{number}").symlink_to("/dev/null")
            gres.append(f"NodeName={name} Name=gpu Type=fake File={self.folder}/dev/{name}-gpu[0-1]")
        (self.folder / "gres.conf").write_text("\n".join(gres) + "\n")
        version = subprocess.run(["slurmctld", "-V"], env=self.env, capture_output=True, text=True).stdout.split()[-1]
        new = tuple(int(part) for part in version.split(".")[:2]) >= (23, 2)
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=disabled\n" if new else "")

    def start(self) -> None:
        """Starts what does not run, and returns when all nodes are idle."""
        munge = f"{self._sockets}/munge"
        self._start(
            "munged", "--foreground", f"--socket={munge}", f"--key-file={self.folder}/munge.key", "--force",
            f"--log-file={self.folder}/munged.log", f"--pid-file={self.folder}/munged.pid",
            f"--seed-file={self.folder}/munged.seed",
        )  # fmt: skip
        self._until(lambda: self.ask("munge", f"--socket={munge}", "--no-input") is not None)
        self.start_controller()
        for name in NODES:
            (self.folder / "spool" / name).mkdir(exist_ok=True)
            self._start(f"slurmd-{name}", "-D", "-N", name, "-f", str(self.conf), program="slurmd")
        self._until(lambda: (self.ask("sinfo", "-h", "-N", "-o", "%T") or "").split() == ["idle"] * 2 * len(NODES))

    def start_controller(self) -> None:
        self._start("slurmctld", "-D", "-f", str(self.conf))
        self._until(lambda: self.ask("scontrol", "ping") is not None)

    def stop_controller(self) -> None:
        """Stops the controller as an upgrade does: jobs go on."""
        self._end("slurmctld")

    def ask(self, *command: str) -> str | None:
        """Output of a command; None if it fails."""
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=30)
        return done.stdout if done.returncode == 0 else None

    def stop(self) -> None:
        if self._running:
            with suppress(subprocess.TimeoutExpired):
                self.ask("scancel", "--signal=KILL", "--full", f"--user={getpass.getuser()}")
        for process in self._running.values():  # nothing of it is used again
            process.kill()
            process.wait()
        self._running.clear()
        shutil.rmtree(self._sockets, ignore_errors=True)
        for entry in Path("/proc").iterdir():  # a slurmstepd outlives its slurmd; a training, its killed script
            if entry.name.isdecimal():
                with suppress(OSError):
                    environ = (entry / "environ").read_bytes()
                    of_slurm = b"slurm" in (entry / "comm").read_bytes() or b"\0SLURM_JOB_ID=" in b"\0" + environ
                    if of_slurm and f"{self.folder}/".encode() in environ:
                        os.kill(int(entry.name), signal.SIGKILL)

    def _start(self, name: str, *arguments: str, program: str = "") -> None:
        if name in self._running and self._running[name].poll() is None:
            return
        with (self.folder / f"{name}.out").open("ab") as out:
            self._running[name] = subprocess.Popen(
                [program or name, *arguments], env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                preexec_fn=_with_parent,
            )  # fmt: skip

    def _end(self, name: str) -> None:
        if name not in self._running:
            pytest.skip("Daemons of a cluster that somebody else started are not stopped")
        process = self._running.pop(name)
        process.terminate()
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not done():
            if time.monotonic() > deadline or any(one.poll() is not None for one in self._running.values()):
                said = "\n".join(path.read_text()[-500:] for path in self.folder.glob("*.out"))
                self.stop()
                raise RuntimeError(f"Slurm did not start: {said}")
            time.sleep(0.05)


def _with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: no daemon outlives the tests
    os.setpgid(0, 0)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@contextmanager
def running_cluster(*, min_job_age: int = 300, extra: Sequence[str] = ()) -> Iterator[Cluster]:
    """A Slurm of its own in a folder of its own; stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="slurm-cluster-", dir="/tmp") as folder:
        cluster = Cluster(Path(folder), min_job_age=min_job_age, extra=extra)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
