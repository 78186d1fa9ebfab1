"""The Runs room against a Hub on this machine: a thousand Jobs, a burst of log lines, a log that flows, silence.

    python -m tests.benchmarks.runs

Drives the app in a pseudo-terminal of 120x40; the Hub runs in a process of its own.
"""

from __future__ import annotations

import compileall
import math
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from tests.benchmarks.pairs import percentile
from tests.benchmarks.terminal import Terminal
from tests.paths import PACKAGE

JOBS = 1_000
FOLLOWED = 10
BURST = 100_000
BURSTS = 4
LINES_A_SECOND = 1_000
SECONDS = 10


def serve(control: Connection) -> None:
    """The Hub: a thousand Jobs; ten run in the end, and the newest says what `control` asks for."""
    from tests.hub.server import LocalHub, as_event, stamp

    os.nice(10)  # the real one is elsewhere, and takes no time from the app
    with LocalHub().run() as hub:
        for number in range(JOBS):
            job = hub.add([f"line {n}" for n in range(3)], stage="COMPLETED", labels={"name": f"run-{number:04}"})
            job.created = time.time() - 86_400 + number * 10
        job.spec = {**job.spec, "flavor": "a100-large", "timeoutSeconds": 360_000}
        control.send(hub.url)
        said = 0
        while True:
            what, amount = control.recv()
            if what == "stop":
                return
            if what == "polls":
                control.send(len(hub.requests))
            elif what == "run":
                for one in list(hub.jobs.values())[-FOLLOWED:]:
                    one.stage = "RUNNING"
            elif what == "load":
                # As bytes and beforehand: to write them takes this Hub a second, which is not the app's.
                words = (f"line {said + n}: the loss is {n / 7:.4f} and the margin {n / 11:.4f}" for n in range(amount))
                at = job.created + len(job.lines)
                loaded = [as_event((stamp(at + n), text)) for n, text in enumerate(words)]
                said += amount
                control.send(said)
            elif what == "burst":
                job.lines += loaded
            elif what == "flow":
                until = time.perf_counter() + amount
                while time.perf_counter() < until:
                    job.say(*(f"line {said + n}: the loss is {n / 7:.4f}" for n in range(LINES_A_SECOND // 50)))
                    said += LINES_A_SECOND // 50
                    time.sleep(1 / 50)


def memory(pid: int) -> float:
    return psutil.Process(pid).memory_info().rss / (1 << 20)


def stolen_seconds() -> float:
    """Processor time that this machine's own host took from it since the start; 0 where the system does not say."""
    return float(getattr(psutil.cpu_times(), "steal", 0.0))


def tell(words: str, figure: str) -> None:
    print(f"{words:<44}{figure}")


def measure(url: str, hub: Connection, home: Path) -> None:
    from tests.hub.server import TOKEN

    def asked(what: str, amount: int = 0) -> int:
        hub.send((what, amount))
        answer = hub.recv()
        assert isinstance(answer, int)
        return answer

    project = home / "project"
    project.mkdir()
    environment = {
        "HOME": str(home),
        "SMOLTUI_HOME": str(home / "smoltui"),
        "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": url,
        "HF_TOKEN": TOKEN,
    }
    with Terminal([sys.executable, "-m", "smoltui", str(project)], env=environment) as app:
        app.settle(1.0, 5.0)
        app.press("4", limit=0.0)
        app.wait_for("run-0999")
        app.settle(1.5, 10.0)
        tell(f"idle in a list of {JOBS:,} Jobs", f"{app.idle(SECONDS):.0f} B/s")
        moved = [app.press("j") for _ in range(8)]  # so many rows are in view
        size = statistics.median(size for _, size in moved)
        tell("cursor down, nothing scrolls", f"{size:.0f} B a key, {in_ms([took for took, _ in moved])}")
        app.settle(1.0, 5.0)
        scrolled = [app.press("j") for _ in range(60)]
        size = statistics.median(size for _, size in scrolled)
        tell("cursor down, the list scrolls", f"{size:.0f} B a key, {in_ms([took for took, _ in scrolled])}")
        hub.send(("run", 0))
        app.press("gg", limit=0.5)
        app.press("r", limit=0.0)
        app.wait_for("RUNNING")
        app.settle(1.0, 5.0)
        app.press("Vl", limit=0.5)
        app.wait_for("line 2")
        app.settle(1.5, 5.0)
        tell("a followed Job that is silent", f"{app.idle(SECONDS):.0f} B/s")

        frames, sent = app.frames, app.bytes
        hub.send(("flow", SECONDS))
        app.idle(SECONDS)
        rate, size = (app.frames - frames) / SECONDS, (app.bytes - sent) / SECONDS / 1e3
        tell(f"log at {LINES_A_SECOND:,} lines a second", f"{rate:.1f} frames a second, {size:.0f} kB/s")
        app.settle(1.0, 5.0)
        before, said = memory(app.pid), asked("load", BURST)
        hub.send(("burst", 0))
        took = app.shown_after(f"line {said - 1}: the loss", 60) or math.inf
        app.settle(1.0, 5.0)
        tell(f"a burst of {BURST:,} lines, all there", f"{took:.2f} s, {memory(app.pid) - before:.0f} MB more memory")

        # By chance, so that what was typed last stands nowhere else in the line.
        times, typed, letters = list[float | None](), "", random.Random(0)
        app.press("/", limit=0.2)
        stolen = stolen_seconds()
        for _ in range(BURSTS):
            asked("load", BURST)
            hub.send(("burst", 0))
            began = time.perf_counter()
            while time.perf_counter() - began < took:
                letter = letters.choice("abcdefghijklmnopqrstuvwxyz")
                typed += letter
                os.write(app.fd, letter.encode())
                times.append(app.shown_after(typed[-20:], 2.0))
                time.sleep(0.03)
            app.settle(1.0, 5.0)
        words = f"{in_ms(times)}, {len(times)} keys"
        tell(f"keys during {BURSTS} more bursts", f"{words}; the host took {stolen_seconds() - stolen:.1f} s meanwhile")
        app.press("\x1b", limit=0.5)
        app.settle(1.0, 5.0)
        first = asked("polls")
        app.idle(300)
        polls = asked("polls") - first
        tell(f"requests in 5 minutes, {FOLLOWED} Jobs followed", f"{polls}, all silent")
        app.press("q", limit=0.5)  # leaves the log
        app.settle(1.0, 5.0)
        began = time.perf_counter()
        app.press("q", limit=0.0)
        while psutil.pid_exists(app.pid) and psutil.Process(app.pid).status() != psutil.STATUS_ZOMBIE:
            app.pump(0.005)
        tell("q while a silent Job is followed", f"{time.perf_counter() - began:.2f} s until the process is gone")


def in_ms(times: list[float | None]) -> str:
    known = [took for took in times if took is not None]
    return f"{statistics.median(known) * 1e3:.1f} ms median, {percentile(known, 0.95) * 1e3:.1f} ms p95"


def main() -> None:
    compileall.compile_dir(PACKAGE, quiet=1)  # as an installation is
    ours, theirs = multiprocessing.Pipe()
    hub = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    hub.start()
    with tempfile.TemporaryDirectory(prefix="smoltui-runs-") as name:
        measure(ours.recv(), ours, Path(name))
    ours.send(("stop", 0))
    hub.join(5)


if __name__ == "__main__":
    main()
