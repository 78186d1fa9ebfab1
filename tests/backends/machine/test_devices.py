"""What the system, NVML and torch say of this machine."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from smoltui.backends.machine import devices
from smoltui.backends.machine.devices import device_report, remembered_torch_report, torch_report
from smoltui.core.machine.device import DeviceReport
from tests.marks import needs_training

SCRIPT = """
import json, sys
print("a warning before", file=sys.stderr)
print(json.dumps({"probe": {"kind": "cuda", "build": "CUDA 13.0", "bf16": True, "threads": 4,
    "versions": {"torch": "2.13.0"},
    "devices": [{"name": "NVIDIA Test", "total": 85899345920, "capability": "9.0"}], "trl_seconds": 4.2, "later": 1}}))
"""


class FakeNVML(ModuleType):
    """NVML of a machine with two cards, or of one whose driver is broken."""

    NVML_ERROR_LIBRARY_NOT_FOUND, NVML_ERROR_DRIVER_NOT_LOADED = 12, 9

    class NVMLError(Exception):
        def __init__(self, value: int) -> None:
            super().__init__(f"error {value}")
            self.value = value

    def __init__(self, fails: int | None = None, memory_fails: bool = False) -> None:
        super().__init__("pynvml")
        self.fails, self.memory_fails, self.shut = fails, memory_fails, False

    def nvmlInit(self) -> None:
        if self.fails is not None:
            raise self.NVMLError(self.fails)

    def nvmlShutdown(self) -> None:
        self.shut = True

    def nvmlSystemGetDriverVersion(self) -> bytes:
        return b"580.65"

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetName(self, handle: int) -> bytes:
        return f"NVIDIA Test {handle}".encode()

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        if self.memory_fails:
            raise self.NVMLError(3)
        return SimpleNamespace(total=(handle + 1) << 34, free=1 << 33, used=0)


def test_the_report_loads_nothing_heavy(tmp_path: Path) -> None:
    """The opening room waits for it: it imports neither torch nor anything built on it."""
    code = (
        "import sys; from pathlib import Path; from smoltui.backends.machine.devices import device_report\n"
        f"device_report(Path({str(tmp_path)!r}))\n"
        "print(sorted({'torch', 'trl', 'transformers'} & sys.modules.keys()))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_report_names_the_disk_and_the_memory(tmp_path: Path) -> None:
    report = device_report(tmp_path / "not" / "there" / "yet")
    assert report.disk_folder == str(tmp_path) and report.disk_free and report.ram_available and report.cores >= 1
    assert report.ram_total is not None and 0 < report.ram_available <= report.ram_total


def test_the_ranges_are_those_smoltui_was_installed_with(tmp_path: Path) -> None:
    """The requirements are in one place, pyproject.toml; what only developers and benchmarks need is not required."""
    from importlib.metadata import requires

    report = device_report(tmp_path)
    found = {(package.name, package.extra): package for package in report.packages}
    for line in requires("smoltui") or []:
        requirement, _, marker = line.partition(";")
        name = re.split(r"[<>=!~\[ ]", requirement)[0]
        extra = marker.split("'")[1] if "extra" in marker else ""
        if extra in ("dev", "bench"):
            assert (name, extra) not in found
            continue
        package = found.pop((name, extra))
        assert set(package.wanted.split(",")) == set(requirement.strip().removeprefix(name).split(","))
        assert package.wanted.startswith((">=", "=="))
    assert not found
    textual = report.package("textual")
    assert textual is not None and textual.fits and textual.installed


def test_packages_missing_or_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing package and one outside its range are distinguished."""
    import importlib.metadata as metadata

    real = metadata.version

    def version(name: str) -> str:
        if name == "trl":
            raise metadata.PackageNotFoundError(name)
        return "1.0" if name == "torch" else real(name)

    monkeypatch.setattr(metadata, "version", version)
    report = device_report(tmp_path)
    torch, trl = report.package("torch"), report.package("trl")
    assert torch is not None and torch.installed == "1.0" and not torch.fits
    assert trl is not None and trl.installed is None and not trl.fits
    assert {"torch", "trl"} <= {package.name for package in report.lacking}


def test_nvidia_cards_by_nvml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name, memory and driver of every card, without torch; NVML is released afterwards."""
    nvml = FakeNVML()
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    first, second = device_report(tmp_path).accelerators
    assert (first.kind, first.name, first.total, first.free, first.driver) == (
        "cuda",
        "NVIDIA Test 0",
        1 << 34,
        1 << 33,
        "580.65",
    )
    assert second.total == 2 << 34 and nvml.shut


@pytest.mark.parametrize(("code", "notes"), [(12, 0), (9, 0), (18, 1)])
def test_no_nvidia_is_no_error_but_a_broken_driver_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, notes: int
) -> None:
    """Most machines have no NVIDIA card. One whose driver and library do not match has a fact for me."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", FakeNVML(code))
    report = device_report(tmp_path)
    assert not report.accelerators and len(report.notes) == notes


def test_a_card_that_does_not_tell_its_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The card is listed, its memory is unknown, and the reason is a note."""
    monkeypatch.setitem(sys.modules, "pynvml", FakeNVML(memory_fails=True))
    report = device_report(tmp_path)
    assert [device.total for device in report.accelerators] == [None, None] and report.notes


def test_apple_silicon_shares_its_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a Mac with its own chip, MPS is the accelerator and the machine's memory is what it has."""
    monkeypatch.setattr(devices.sys, "platform", "darwin")
    monkeypatch.setattr(devices.platform, "machine", lambda: "arm64")
    report = device_report(tmp_path)
    (chip,) = [device for device in report.accelerators if device.kind == "mps"]
    assert chip.total and chip.free and chip.free <= chip.total


def test_hidden_devices_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA_VISIBLE_DEVICES explains why torch sees less than NVML."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert any("CUDA_VISIBLE_DEVICES" in note and "none" in note for note in device_report(tmp_path).notes)


def test_a_container_has_less_memory_than_its_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of the control group counts, not what the host has."""
    (tmp_path / "memory.max").write_text("3000000\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    monkeypatch.setattr(devices, "CGROUP", tmp_path)
    report = device_report(tmp_path)
    assert (report.ram_total, report.ram_available) == (3000000, 2000000)
    (tmp_path / "memory.max").write_text("max\n")
    assert (device_report(tmp_path).ram_total or 0) > 3000000


async def asked(report: DeviceReport, tmp_path: Path, text: str, seconds: float = 20.0) -> Any:
    script = tmp_path / "probe.py"
    script.write_text(text)
    return await torch_report(report, script=script, seconds=seconds)


async def test_what_torch_says_is_remembered(tmp_path: Path) -> None:
    """Tested once per environment; another version of torch is tested again."""
    report = device_report(tmp_path)
    assert remembered_torch_report(report) is None
    told = await asked(report, tmp_path, SCRIPT)
    assert told.problem is None and told.bf16 and told.devices[0].capability == "9.0" and told.trl_seconds == 4.2
    assert remembered_torch_report(report) == told
    changed = tuple(replace(package, installed="9") for package in report.packages)
    assert remembered_torch_report(replace(report, packages=changed)) is None


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import time; time.sleep(60)", "no response within"),
        ("import os; print('Illegal instruction'); os.kill(os.getpid(), 9)", "signal 9"),
        ("raise SystemExit('libcudart.so is missing')", "libcudart.so is missing"),
        ("print('{\"probe\"')", "exit code 0"),
    ],
)
async def test_a_torch_that_does_not_answer(tmp_path: Path, script: str, said: str) -> None:
    """It hangs, dies or says nonsense: that is a fact with its reason, and nothing is remembered."""
    report = device_report(tmp_path)
    told = await asked(report, tmp_path, script, 1.0 if "sleep" in script else 20.0)
    assert told.problem is not None and said in told.problem
    assert remembered_torch_report(report) is None


async def test_torch_that_is_not_installed_is_not_asked(tmp_path: Path) -> None:
    """Without torch there is nobody to ask."""
    report = device_report(tmp_path)
    packages = tuple(replace(package, installed=None) for package in report.packages)
    told = await asked(replace(report, packages=packages), tmp_path, SCRIPT)
    assert told.problem == "not installed: torch, trl"


@needs_training
async def test_the_real_probe(tmp_path: Path) -> None:
    """The script itself, with the torch and TRL that are installed here."""
    told = await torch_report(device_report(tmp_path))
    assert told.problem is None and told.trl_problem is None and told.trl_seconds and told.threads
    assert told.kind in ("cpu", "cuda", "mps", "xpu") and (told.versions or {})["torch"]
