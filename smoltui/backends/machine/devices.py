"""Inspects this machine without torch, and tests torch in a child process."""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoltui.backends.system import data_folder, locks
from smoltui.backends.system.small_file import read_small
from smoltui.core.foreign import foreign_json
from smoltui.core.machine.device import Accelerator, DeviceReport, Package, TorchDevice, TorchReport
from smoltui.errors import RunFailedError
from smoltui.safe_text import redact
from smoltui.scripts import SCRIPTS

if TYPE_CHECKING:
    from packaging.requirements import Requirement

PROBE = SCRIPTS / "probe.py"
PROBE_SECONDS = 120.0
"""torch and TRL import in 5 s from a warm disk, and in about a minute from a cold network disk."""
CGROUP = Path("/sys/fs/cgroup")
HIDING = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")


def device_report(folder: Path) -> DeviceReport:
    """A report on this machine; blocks for about 0.1 s at most. `folder` is where checkpoints go; it need not exist."""
    import psutil

    accelerators, notes = _nvidia()
    if sys.platform == "darwin" and platform.machine() == "arm64":
        memory = psutil.virtual_memory()
        accelerators = [*accelerators, Accelerator("mps", "Apple silicon (MPS)", memory.total, memory.available)]
    if (visible := os.environ.get(HIDING[0])) is not None:
        notes.append(f"{HIDING[0]} is set, so PyTorch sees only these devices: {visible or 'none'}")
    ram_total, ram_available = _memory()
    disk_folder = _existing(folder)
    disk_total = disk_free = None
    with suppress(OSError):
        disk_total, _, disk_free = shutil.disk_usage(disk_folder)
    python_wanted, python_fits = python_range()
    return DeviceReport(
        accelerators=tuple(accelerators),
        cores=_cores(),
        ram_total=ram_total,
        ram_available=ram_available,
        disk_folder=str(disk_folder),
        disk_total=disk_total,
        disk_free=disk_free,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        python_wanted=python_wanted,
        python_fits=python_fits,
        packages=tuple(packages()),
        notes=tuple(notes),
    )


def _nvidia() -> tuple[list[Accelerator], list[str]]:
    """NVIDIA devices by NVML, and its messages about failures."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        # No library or no driver means a machine without NVIDIA; anything else is a driver problem.
        absent = (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED)
        return [], [] if error.value in absent else [f"The NVIDIA driver does not respond: {error}"]
    found: list[Accelerator] = []
    notes: list[str] = []
    try:
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            name, total, free = _text(pynvml.nvmlDeviceGetName(handle)), None, None
            try:
                memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
                total, free = int(memory.total), int(memory.free)
            except pynvml.NVMLError as error:
                notes.append(f"{name} does not report its memory: {error}")
            found.append(Accelerator("cuda", name, total, free, driver))
    except pynvml.NVMLError as error:
        notes.append(f"The NVIDIA driver does not respond: {error}")
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()
    return found, notes


def _text(value: object) -> str:
    """NVML returns bytes or text, depending on the version."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _cores() -> int:
    """Cores this process may use: fewer than the machine has under a scheduler or taskset."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> tuple[int, int]:
    """Total and available memory in bytes; a container's limit counts if it is smaller than the machine's."""
    import psutil

    memory = psutil.virtual_memory()
    total, available = int(memory.total), int(memory.available)
    with suppress(OSError, ValueError):  # no cgroup v2, or "max": no limit
        limit = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text())
        total, available = min(total, limit), min(available, max(0, limit - used))
    return total, available


def _existing(folder: Path) -> Path:
    """`folder` or its nearest existing parent."""
    folder = folder.absolute()
    return next((place for place in (folder, *folder.parents) if place.is_dir()), Path("/"))


def python_range() -> tuple[str, bool]:
    """The range of Python versions that smoltui requires, and whether this one is in it."""
    from importlib.metadata import PackageNotFoundError, metadata

    from packaging.specifiers import SpecifierSet

    try:
        wanted = metadata("smoltui")["Requires-Python"] or ""
    except PackageNotFoundError:
        return "unknown", True
    return _lower_first(wanted), SpecifierSet(wanted).contains(platform.python_version(), prereleases=True)


def _lower_first(specifier: str) -> str:
    return ",".join(sorted(specifier.split(","), key=lambda part: not part.startswith(">")))


def packages() -> list[Package]:
    """Requirements from smoltui's metadata with the installed versions, without the extra for developers."""
    from importlib.metadata import PackageNotFoundError, requires

    from packaging.requirements import Requirement

    try:
        lines = requires("smoltui") or []
    except PackageNotFoundError:  # run from a folder that was never installed
        return []
    found = []
    for requirement in map(Requirement, lines):
        for extra in ("", "train"):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                found.append(_package(requirement, extra))
                break
    return sorted(found, key=lambda package: (package.extra != "train", package.name.lower()))


def _package(requirement: Requirement, extra: str) -> Package:
    from importlib.metadata import PackageNotFoundError, version

    try:
        installed: str | None = version(requirement.name)
    except PackageNotFoundError:
        installed = None
    return Package(
        name=requirement.name,
        wanted=_lower_first(str(requirement.specifier)),
        installed=installed,
        fits=installed is not None and requirement.specifier.contains(installed, prereleases=True),
        extra=extra,
    )


# -- PyTorch


def _cache_file(report: DeviceReport) -> Path:
    """The file for the test result of torch, one for each set of packages, devices and visible devices."""
    from platformdirs import user_cache_path

    parts = [sys.executable, report.python, *(os.environ.get(name, "") for name in HIDING)]
    parts += [f"{package.name} {package.installed}" for package in report.packages if package.extra == "train"]
    parts += [f"{device.kind} {device.name} {device.driver} {device.total}" for device in report.accelerators]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return user_cache_path("smoltui", appauthor=False) / f"torch-{key}.json"


def remembered_torch_report(report: DeviceReport) -> TorchReport | None:
    """The last test result in this environment; None without one, or if packages have changed since."""
    try:
        data = foreign_json.decode(read_small(_cache_file(report)))
        return _torch_report(data["at"], data)
    except (OSError, ValueError, KeyError, TypeError):
        return None


async def torch_report(
    report: DeviceReport, *, script: Path | None = None, seconds: float = PROBE_SECONDS
) -> TorchReport:
    """Tests torch and TRL in a child process (about 5 s of one core) and stores the result for this environment.

    `script` stands in for `PROBE`.

    A failure is a result with `problem` set, never an exception.
    """
    from smoltui.backends.system.child import exit_in_words, leashed, running

    at = time.time()
    missing = [name for name in ("torch", "trl") if (p := report.package(name)) is not None and p.installed is None]
    if missing:
        return TorchReport(at, problem=f"not installed: {', '.join(missing)}")
    last = ""
    data: dict[str, Any] | None = None
    try:
        async with asyncio.timeout(seconds), running(leashed(str(script or PROBE)), Path.home()) as child:
            async for line in child.lines():
                if line.startswith('{"probe"'):
                    with suppress(ValueError, KeyError):
                        data = foreign_json.decode(line)["probe"]
                elif line.strip():
                    last = line.strip()
            code = child.exit_code or 0
    except TimeoutError:
        return TorchReport(at, problem=f"no response within {seconds:.0f} s")
    except RunFailedError as error:
        return TorchReport(at, problem=error.message)
    if not isinstance(data, dict):
        return TorchReport(at, problem=f"the probe ended with {exit_in_words(code)}{_said(last)}")
    found = _torch_report(at, data)
    with suppress(OSError):  # not stored: tested again next time
        path = _cache_file(report)
        locks.private_folder(path.parent, path.parent)
        data_folder.write_json(path, found.as_json())
    return found


def _said(last: str) -> str:
    return f": {redact(last)[:200]}" if last else ""


def _torch_report(at: float, data: dict[str, Any]) -> TorchReport:
    """Raises KeyError or TypeError for an object that the probe did not write."""
    known = {name: data[name] for name in TorchReport.__dataclass_fields__ if name in data and name != "at"}
    known["devices"] = tuple(TorchDevice(**device) for device in data.get("devices", ()))
    return TorchReport(at=float(at), **known)
