"""What a local run takes of this machine."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from smoltui.backends.local import stats as local_stats
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.local.stats import Sampler
from smoltui.core.machine.sample import GpuSample, Sample
from smoltui.core.runs.run import RunSpec
from smoltui.errors import InputError
from tests.paths import FAKE_TRAINING

SCRIPT = FAKE_TRAINING
BUSY = "import sys\nheld = bytearray(64 << 20)\nprint('on', flush=True)\nwhile True: pass"


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    """A process whose child computes and holds 64 MiB."""
    parent = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {BUSY!r}])\n"
        "try: child.wait()\nfinally: child.kill()"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"on\n"
    children = psutil.Process(process.pid).children()
    yield process
    for one in [*children, process]:
        one.kill()
    process.wait()


def test_a_process_and_its_children(busy: subprocess.Popen[bytes]) -> None:
    """The child's work and memory count; the first sample cannot know the use of the processor."""
    sampler, began = Sampler(), time.time()
    first = sampler.sample([busy.pid])
    assert first.cpu is None and first.received is None and began <= first.at <= time.time()
    time.sleep(0.4)
    second = sampler.sample([busy.pid])
    sampler.close()
    assert second.cpu is not None and 1 < second.cpu <= 100
    assert second.cores == local_stats.device_report(Path.home()).cores
    assert second.memory_used is not None and second.memory_used > 64 << 20
    assert second.memory_total is not None and second.memory_total > second.memory_used
    assert second.received is not None and second.received >= 0


def test_a_process_that_is_gone_takes_nothing() -> None:
    """Unknown, which is not zero."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    sampler = Sampler()
    for _ in range(2):
        found = sampler.sample([process.pid])
        assert (found.cpu, found.memory_used) == (None, None)


class Driver:
    """NVML with two GPUs, the second of which the run computes on."""

    class NVMLError(Exception):
        pass

    def __init__(self, mine: int) -> None:
        self.mine, self.open = mine, 0
        self.broken: set[str] = set()

    def nvmlInit(self) -> None:
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        return SimpleNamespace(used=10 + handle, total=100)

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:
        if "rates" in self.broken:
            raise self.NVMLError
        return SimpleNamespace(gpu=87)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[Any]:
        return [SimpleNamespace(pid=self.mine)] if handle == 1 else []


def test_gpus(busy: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """The one it computes on; all where the driver counts processes otherwise; what it does not say is unknown."""
    (child,) = psutil.Process(busy.pid).children()
    driver = Driver(child.pid)
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    report = SimpleNamespace(cores=2, ram_total=5, accelerators=(SimpleNamespace(kind="cuda"),))
    monkeypatch.setattr(local_stats, "device_report", lambda _: report)
    sampler = Sampler()
    assert sampler.sample([busy.pid]).gpus == (GpuSample("1", 87.0, 11, 100),)
    driver.mine = 1
    driver.broken = {"rates"}
    assert sampler.sample([busy.pid]).gpus == (GpuSample("0", None, 10, 100), GpuSample("1", None, 11, 100))
    sampler.close()
    sampler.close()
    assert driver.open == 0


def spec(folder: Path, **keys: object) -> RunSpec:
    recipe = "".join(f"{key}: {value}\n" for key, value in keys.items())
    return RunSpec("n", str(folder), recipe, str(folder / "out"), f"label-{time.monotonic()}")


async def running(engine: LocalEngine, run_id: str) -> None:
    while local_stats._pid((await engine.get(run_id)).raw) is None:
        await asyncio.sleep(0.02)


async def test_a_local_run_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples while it trains, the end when it ends, by the same call as for a Job."""
    monkeypatch.setattr(local_stats, "SAMPLE_SECONDS", 0.05)
    engine = LocalEngine(SCRIPT)
    run = await engine.submit(spec(tmp_path, steps=4, pause=0.25))
    found: list[Sample] = [one async for one in engine.stats(run.id)]
    assert len(found) > 3 and all(one.memory_used for one in found[:2])
    assert (await engine.get(run.id)).is_final
    assert [one async for one in engine.stats(run.id, follow=False)] == []
    with pytest.raises(InputError):
        await anext(engine.stats("nothing"))


async def test_one_sample_and_leaving(tmp_path: Path) -> None:
    """A run that hangs: one sample now; a follow that I leave ends at once."""
    engine = LocalEngine(SCRIPT)
    run = await engine.submit(spec(tmp_path, steps=1, end="hang"))
    try:
        await running(engine, run.id)
        (one,) = [one async for one in engine.stats(run.id, follow=False)]
        assert one.cpu is not None and one.memory_used
        following = asyncio.ensure_future(anext(engine.stats(run.id)))
        await asyncio.sleep(0.2)
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(following, 60)
    finally:
        await engine.cancel(run.id)


def test_a_process_id_that_was_given_to_another_program() -> None:
    """Not the supervisor's child: nothing is reported about another program."""
    me = {"child_pid": os.getpid(), "supervisor_pid": os.getppid()}
    assert local_stats._pid({"status": me}) == os.getpid()
    assert local_stats._pid({"status": {**me, "supervisor_pid": 1 << 22}}) is None
    assert local_stats._pid({"status": {**me, "exit_code": 0}}) is None
    assert local_stats._pid({"status": None}) is local_stats._pid({}) is local_stats._pid({"status": {}}) is None
