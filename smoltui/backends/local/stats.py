"""Resource usage of a local run: its processes by psutil, NVIDIA GPUs by NVML, without torch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from smoltui.backends.machine.devices import device_report
from smoltui.backends.runs.engine import Engine
from smoltui.backends.system.threads import in_thread
from smoltui.core.machine.sample import GpuSample, Sample

SAMPLE_SECONDS = 1.0
"""Seconds between samples, as for a Job."""
FIRST_SECONDS = 0.3
"""Seconds between the two readings for processor usage, when a single sample is requested."""


class Sampler:
    """Takes samples of processes. Not thread-safe; `close` releases the driver."""

    def __init__(self) -> None:
        """Takes about 0.1 s: it inspects this machine."""
        report = device_report(Path.home())
        self._cores, self._memory = report.cores, report.ram_total
        self._processes: dict[int, Any] = {}
        self._net: tuple[float, int, int] | None = None
        self._nvml = any(device.kind == "cuda" for device in report.accelerators) and _nvml_starts()

    def sample(self, pids: Iterable[int]) -> Sample:
        """The current usage of these processes and all their children; ended ones are ignored.

        `cpu` is None in the first sample, because usage needs two. Memory is the sum of each process's resident memory,
        so shared pages count several times. Network is that of the whole machine.
        """
        import psutil

        found: dict[int, Any] = {}
        for pid in pids:
            with suppress(psutil.Error):
                root = psutil.Process(pid)
                found |= {process.pid: process for process in (root, *root.children(recursive=True))}
        cpu, used, counted = 0.0, 0, False
        for pid, process in found.items():
            # psutil stores the processor time in the object; an equal one is the same process.
            known = self._processes.get(pid)
            process = found[pid] = known if known is not None and known == process else process
            with suppress(psutil.Error), process.oneshot():
                cpu += process.cpu_percent(None)
                used += process.memory_info().rss
                counted = True
        seen_before = bool(self._processes.keys() & found.keys())
        self._processes = found
        received, sent = self._network()
        return Sample(
            at=time.time(),
            cpu=min(100.0, cpu / self._cores) if seen_before and counted else None,
            cores=float(self._cores),
            memory_used=used if counted else None,
            memory_total=self._memory,
            received=received,
            sent=sent,
            gpus=tuple(_gpus(set(found))) if self._nvml else (),
        )

    def close(self) -> None:
        """Releases the NVIDIA driver."""
        if self._nvml:
            import pynvml

            self._nvml = False
            with suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()

    def _network(self) -> tuple[float | None, float | None]:
        """Bytes per second received and sent since the last call; None at first, or without network counters."""
        import psutil

        counters = psutil.net_io_counters()
        if counters is None:
            return None, None
        now = (time.monotonic(), int(counters.bytes_recv), int(counters.bytes_sent))
        before, self._net = self._net, now
        if before is None or (seconds := now[0] - before[0]) <= 0:
            return None, None
        return max(0, now[1] - before[1]) / seconds, max(0, now[2] - before[2]) / seconds


def _nvml_starts() -> bool:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return False  # the Device room shows the problem
    return True


def _gpus(pids: set[int]) -> list[GpuSample]:
    """The GPUs that these processes use; all GPUs if the driver does not list any process of this system.

    In a container, the driver reports other process ids.
    """
    import pynvml

    samples, mine = [], []
    for index in range(_count()):
        used = memory_used = memory_total = None
        own = False
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            with suppress(pynvml.NVMLError):
                memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
                memory_used, memory_total = int(memory.used), int(memory.total)
            with suppress(pynvml.NVMLError):
                used = float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
            with suppress(pynvml.NVMLError):
                own = any(process.pid in pids for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle))
        except pynvml.NVMLError:
            continue  # it fell off the bus; the others still work
        samples.append(GpuSample(str(index), used, memory_used, memory_total))
        mine += [samples[-1]] if own else []
    return mine or samples


def _count() -> int:
    import pynvml

    try:
        return int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError:
        return 0


async def stats(engine: Engine, run_id: str, *, follow: bool = True) -> AsyncGenerator[Sample, None]:
    """Usage of a local run, one sample per second until it has ended; waits for its start.

    Without `follow`, one sample, or none if it is not running. `engine` is the local one, which knows the run's
    process (`child_pid` in its status.json). Raises as `Engine.get`.
    """
    run = await engine.get(run_id)
    if run.is_final or (not follow and _pid(run.raw) is None):
        return
    sampler = await in_thread(Sampler)
    primed = False
    try:
        while not run.is_final:
            pid = await in_thread(partial(_pid, run.raw))
            if pid is not None:
                sample = await in_thread(partial(sampler.sample, [pid]))
                if primed:
                    yield sample
                    if not follow:
                        return
            primed = pid is not None
            await asyncio.sleep(SAMPLE_SECONDS if follow else FIRST_SECONDS)
            run = await engine.get(run_id)
    finally:
        sampler.close()


def _pid(raw: Mapping[str, object]) -> int | None:
    """The training process in the local engine's data of a run; None if it is not alive.

    Its id may have been reused by another program, which would not be its supervisor's child.
    """
    import psutil

    status = raw.get("status")
    if not isinstance(status, Mapping) or "exit_code" in status:
        return None
    try:
        pid = int(status["child_pid"])
        return pid if psutil.Process(pid).ppid() == int(status["supervisor_pid"]) else None
    except (psutil.Error, KeyError, TypeError, ValueError):
        return None
