"""What goes over the line, with Textual's own driver and with ours: start, lists, a log that flows, a slow line.

    python -m tests.benchmarks.wire [RUNS]

Drives the app in a pseudo-terminal, each of RUNS (default 3) times with the one driver and then the other, and prints
medians. That both show the same, cell for cell, is `python -m pytest tests/wire/test_equivalence.py --walk 2000`.
"""

from __future__ import annotations

import compileall
import multiprocessing
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from tests.benchmarks.pairs import percentile
from tests.benchmarks.terminal import Terminal
from tests.paths import PACKAGE
from tests.wire.furnished import DISPUTED, EMOJI, WORDS, furnish

WIDE, SMALL = (120, 40), (80, 24)
SLOW_BYTES, SLOW_LATENCY = 256_000 / 8, 0.1
"""A line of 256 kbit/s, and seconds there and back."""
HELD_RATE, HELD_SECONDS = 30, 3
FLOWS = (5, 1_000)
FLOW_SECONDS = 8
DRIVERS = ("stock", "ours")


@dataclass(frozen=True)
class List:
    """A list and how it is come to."""

    name: str
    way: tuple[str, ...]
    key: str
    skipped: int
    """Keys until it scrolls."""
    size: tuple[int, int] = WIDE


LISTS = (
    List("Device (80x24)", ("1", "z"), "j", 2, SMALL),
    List("Pairs", ("2", "v"), "j", 36),
    List("Recipe", ("3",), "j", 36),
    List("Runs", ("4",), "j", 12),
    List("log", ("4", "gg", "Vl"), "k", 2),
    List("Evaluate", ("5",), "j", 2),
)
KEYS = 12


def serve(control: Connection) -> None:
    """A Hub with one Job that runs, and says so many lines a second for as long as it is asked."""
    from tests.hub.server import LocalHub

    with LocalHub().run() as hub:
        job = hub.add([f"line {n}" for n in range(50)], stage="RUNNING", labels={"name": "flowing"})
        job.created = time.time() - 600
        control.send(hub.url)
        while (asked := control.recv()) is not None:
            rate, seconds = asked
            said, began = 0, time.perf_counter()
            while (passed := time.perf_counter() - began) < seconds:
                due = int(passed * rate) - said
                if due:
                    numbers = range(said, said + due)
                    job.say(*(f"step {n}: the loss is {n / 7:.4f}, the margin {n / 11:.4f}" for n in numbers))
                    said += due
                time.sleep(min(0.02, 1 / rate))


class Bench:
    """The same project for both drivers; figures by what they are of."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._project = folder / "demo"
        self._home = folder / "home" / "smoltui"
        furnish(self._project, self._home, words=[word for word in WORDS if word not in (*DISPUTED, *EMOJI)])
        self.figures: dict[str, dict[str, list[float]]] = {}

    def app(self, driver: str, size: tuple[int, int] = WIDE, **line: float) -> Terminal:
        home = self._folder / "home"
        shutil.rmtree(self._home / "ui", ignore_errors=True)  # each start is the first: nothing is remembered
        env = {
            "HOME": str(home),
            "SMOLTUI_HOME": str(self._home),
            "HF_HOME": str(home / "hf"),
            "HF_TOKEN": "",
            "SMOLTUI_DRIVER": driver,
            **self.environment,
        }
        return Terminal([sys.executable, "-m", "smoltui", str(self._project)], size=size, env=env, **line)  # type: ignore[arg-type]

    environment: dict[str, str] = {}

    def note(self, what: str, driver: str, value: float) -> None:
        self.figures.setdefault(what, {}).setdefault(driver, []).append(value)

    def start(self, driver: str) -> None:
        with self.app(driver) as app:
            app.wait_for(r"Next: press \d|Next: press t")
            app.settle(1.5, 20.0)
            self.note("start, B", driver, app.bytes)

    def lists(self, driver: str) -> None:
        """Bytes, processor time and latency of rows that scroll in."""
        for size in (SMALL, WIDE):
            with self.app(driver, size) as app:
                app.settle(1.0, 8.0)
                for one in LISTS:
                    if one.size == size:
                        self._list(driver, app, one)

    def _list(self, driver: str, app: Terminal, one: List) -> None:
        for key in one.way:
            app.press(key, limit=1.0)
            app.settle(0.7, 10.0)
        for _ in range(one.skipped):
            app.press(one.key, limit=0.3)
        app.settle(0.5, 3.0)
        before, moved = cpu(app), [app.press(one.key, limit=0.4) for _ in range(KEYS)]
        answered = [(took, size) for took, size in moved if took is not None]
        if not answered:
            raise RuntimeError(f"nothing scrolled: {one.name}\n{app.text()}")
        self.note(f"row of {one.name}, B", driver, statistics.median(size for _, size in answered))
        self.note("processor a scrolled row, ms", driver, (cpu(app) - before) / len(answered) * 1e3)
        self.note("key to last byte, ms p95", driver, percentile([took * 1e3 for took, _ in answered], 0.95))

    def log(self, driver: str, hub: Connection) -> None:
        """Bytes a second of a log that is followed."""
        with self.app(driver) as app:
            app.settle(1.0, 5.0)
            app.press("4", limit=0.5)
            app.wait_for("flowing")
            app.press("gg", limit=0.5)
            app.press("Vl", limit=0.5)
            app.wait_for("following")
            app.settle(1.0, 5.0)
            for rate in FLOWS:
                hub.send((rate, FLOW_SECONDS))
                app.idle(1.0)
                self.note(f"log at {rate:,} lines/s, B/s", driver, app.idle(FLOW_SECONDS - 1.5))
                app.settle(1.5, 5.0)

    def slow_line(self, driver: str) -> None:
        """How long a log goes on moving after the key that scrolls it is let go, less what the line itself delays."""
        with self.app(driver, bytes_per_second=SLOW_BYTES, latency=SLOW_LATENCY) as app:
            app.settle(3.0, 20.0)
            for key in ("4", "gg", "Vl"):
                app.press(key, limit=1.0)
                app.settle(1.5, 10.0)
            before = app.bytes
            began = time.perf_counter()
            for number in range(HELD_RATE * HELD_SECONDS):
                time.sleep(max(0.0, began + number / HELD_RATE - time.perf_counter()))
                app.send(b"k")
            released = time.perf_counter()
            app.settle(1.0, 20.0)
            self.note(
                "held key on the slow line, lag in ms", driver, max(0.0, app.arrived - released - SLOW_LATENCY) * 1e3
            )
            self.note("held key on the slow line, B", driver, app.bytes - before)


def cpu(app: Terminal) -> float:
    """Seconds of processor time of the app until now."""
    times = psutil.Process(app.pid).cpu_times()
    return times.user + times.system


def alternately(runs: int, measure: Callable[[str], None]) -> None:
    for _ in range(runs):
        for driver in DRIVERS:
            measure(driver)


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    compileall.compile_dir(PACKAGE, quiet=1)  # as an installation is
    with tempfile.TemporaryDirectory(prefix="smoltui-wire-") as name:
        bench = Bench(Path(name))
        with bench.app("ours") as app:  # what torch says is asked once, and then kept
            app.settle(8.0, 40.0)
        alternately(runs, bench.start)
        alternately(runs, bench.lists)
        alternately(runs, bench.slow_line)
        ours, theirs = multiprocessing.Pipe()
        hub = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
        hub.start()
        from tests.hub.server import TOKEN

        bench.environment = {"HF_ENDPOINT": ours.recv(), "HF_TOKEN": TOKEN}
        alternately(runs, lambda driver: bench.log(driver, ours))
        ours.send(None)
        hub.join(5)
    print(f"{'median of ' + str(runs):<44}{'stock':>12}{'ours':>12}")
    for what, values in bench.figures.items():
        medians = [statistics.median(values[driver]) for driver in DRIVERS]
        print(f"{what:<44}{medians[0]:12,.1f}{medians[1]:12,.1f}")


if __name__ == "__main__":
    main()
