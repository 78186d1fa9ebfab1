"""Resource usage of a run at one moment: processor, memory, GPUs, network. For Jobs and local runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from smoltui.core.foreign.server_values import number_in, text_in
from smoltui.core.machine.device import gib

MOST_GPUS = 64
"""GPUs of one sample; the largest flavor has 8."""


@dataclass(frozen=True, slots=True)
class GpuSample:
    """One GPU. None: not reported."""

    id: str
    """Name from the server or the driver; unique only within one run."""
    used: float | None = None
    """Utilization in per cent, 0 to 100."""
    memory_used: int | None = None
    """Bytes used by all processes on the GPU."""
    memory_total: int | None = None
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment. None: not reported, which is not zero."""

    at: float
    """When it was taken or received, seconds since the epoch by this machine's clock: the Hub sends no time."""
    cpu: float | None = None
    """Per cent of the cores available to the run, 100 for all of them."""
    cores: float | None = None
    """Number of these cores; may be a fraction in a container."""
    memory_used: int | None = None
    """Bytes."""
    memory_total: int | None = None
    """Bytes available to the run."""
    received: float | None = None
    """Bytes per second; of the whole machine for a local run. The Hub's client shows the field `rx_bps` as bytes."""
    sent: float | None = None
    """Bytes per second, as `received`."""
    gpus: tuple[GpuSample, ...] = ()
    """In order of their names; empty without GPUs, or if not reported."""
    replica: str | None = None
    """Container of the Job; None for a local run."""

    @property
    def memory_share(self) -> float | None:
        """0..1; None if used or total is unknown."""
        return share(self.memory_used, self.memory_total)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def share(used: int | None, total: int | None) -> float | None:
    """Used divided by total, 0..1; None if either is unknown."""
    return None if used is None or not total else min(1.0, used / total)


def sample_from(data: Mapping[str, Any], at: float) -> Sample:
    """A sample from one decoded `metric` event of a Job, with all readable fields.

    Fields as the Hub sends them (huggingface_hub 2.4, `fetch_job_metrics`): cpu_usage_pct, cpu_millicores,
    memory_used_bytes, memory_total_bytes, rx_bps, tx_bps, gpus, replica.
    """
    gpus = data.get("gpus")
    millicores = number_in(data.get("cpu_millicores"))
    return Sample(
        at=at,
        cpu=number_in(data.get("cpu_usage_pct")),
        cores=None if millicores is None else millicores / 1000,
        memory_used=_bytes(data.get("memory_used_bytes")),
        memory_total=_bytes(data.get("memory_total_bytes")),
        received=number_in(data.get("rx_bps")),
        sent=number_in(data.get("tx_bps")),
        gpus=tuple(
            _gpu(str(name)[:100], values)
            for name, values in sorted(gpus.items(), key=lambda item: str(item[0]))
            if isinstance(values, Mapping)
        )[:MOST_GPUS]
        if isinstance(gpus, Mapping)
        else (),
        replica=text_in(data.get("replica")),
    )


def _gpu(name: str, values: Mapping[str, Any]) -> GpuSample:
    return GpuSample(
        id=name,
        used=number_in(values.get("utilization")),
        memory_used=_bytes(values.get("memory_used_bytes")),
        memory_total=_bytes(values.get("memory_total_bytes")),
    )


def _bytes(value: object) -> int | None:
    number = number_in(value)
    return None if number is None else int(number)


def in_words(sample: Sample) -> str:
    """One line: `CPU 35 % of 12 cores · memory 1.4 GiB of 142.0 GiB · GPU 87 %, 50.1 GiB of 74.5 GiB · net …`.

    Unknown values are omitted. It has no GPU names, so it is safe to draw.
    """
    parts = []
    if sample.cpu is not None:
        parts.append(f"CPU {sample.cpu:.0f} %" + (f" of {sample.cores:.3g} cores" if sample.cores else ""))
    if sample.memory_used is not None:
        parts.append(f"memory {_of(sample.memory_used, sample.memory_total)}")
    for number, gpu in enumerate(sample.gpus):
        name = "GPU" if len(sample.gpus) == 1 else f"GPU {number}"
        told = [] if gpu.used is None else [f"{gpu.used:.0f} %"]
        told += [] if gpu.memory_used is None else [_of(gpu.memory_used, gpu.memory_total)]
        parts.append(f"{name} {', '.join(told) or 'no data'}")
    if sample.received is not None or sample.sent is not None:
        parts.append(f"net {_rate(sample.received)} in, {_rate(sample.sent)} out")
    return " · ".join(parts) or "no data"


def _of(used: int, total: int | None) -> str:
    return gib(used) + (f" of {gib(total)}" if total else "")


def _rate(speed: float | None) -> str:
    if speed is None:
        return "unknown"
    for unit, size in (("MB", 1e6), ("kB", 1e3)):
        if speed >= size:
            return f"{speed / size:.1f} {unit}/s"
    return f"{speed:.0f} B/s"
