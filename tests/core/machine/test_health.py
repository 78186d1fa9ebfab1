"""What the doctor says of facts: what is broken, what is only worth knowing, and that each has its next step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smoltui.core.machine import health
from smoltui.core.machine.device import Accelerator, DeviceReport, Package, TorchReport
from smoltui.core.machine.health import Finding, FolderFacts, PythonFacts, State, TerminalFacts

TERMINAL = TerminalFacts(
    term="xterm-256color",
    interactive=True,
    encoding="utf-8",
    locale="LANG=C.UTF-8",
    size=(120, 40),
    colours="256 colors",
    inside=(),
    asked=True,
    answers=True,
    name="foot 1.2",
    background="rgb:0000/0000/0000",
    wide=4,
    steady=True,
)


def bad(found: list[Finding], state: State = State.BROKEN) -> list[str]:
    assert all(finding.step for finding in found if finding.state is State.BROKEN)
    return [finding.name for finding in found if finding.state is state]


@pytest.mark.parametrize(
    ("facts", "broken", "notes"),
    [
        (TERMINAL, [], []),
        (replace(TERMINAL, term="dumb"), ["TERM"], []),
        (replace(TERMINAL, term=None), ["TERM"], []),
        (replace(TERMINAL, term="dumb", interactive=False), ["TERM"], []),  # somebody set it
        (replace(TERMINAL, term=None, interactive=False, asked=False), [], ["TERM", "answers"]),
        (replace(TERMINAL, encoding="ascii", locale=""), ["encoding"], []),
        (replace(TERMINAL, encoding="iso8859-1"), ["encoding"], []),
        (replace(TERMINAL, size=(40, 12)), [], ["size"]),
        (replace(TERMINAL, size=None), [], []),
        (replace(TERMINAL, answers=False), [], ["answers"]),
        (replace(TERMINAL, wide=2), ["wide characters"], []),
        (replace(TERMINAL, wide=None, steady=None, background=None, name=None), [], []),
    ],
)
def test_a_terminal(facts: TerminalFacts, broken: list[str], notes: list[str]) -> None:
    found = list(health.terminal(facts))
    assert (bad(found), bad(found, State.NOTE)) == (broken, notes)


PYTHON = PythonFacts("3.11.7", ">=3.11,<3.15", True, "/v/bin/python")
OWN = Package("duckdb", ">=1.5,<3", "1.6", True)
TRAIN = Package("trl", ">=1.16,<1.17", "1.16.0", True, "train")


@pytest.mark.parametrize(
    ("packages", "broken", "notes"),
    [
        ([OWN, TRAIN], [], []),
        ([replace(OWN, installed=None, fits=False), TRAIN], ["duckdb"], []),
        ([replace(OWN, installed="1.0", fits=False)], ["duckdb"], ["training packages"]),
        ([OWN, replace(TRAIN, installed=None, fits=False)], [], ["training packages"]),
        ([OWN, TRAIN, Package("torch", ">=2.13", None, False, "train")], ["torch"], []),  # half of them is no choice
        ([], [], ["packages"]),
    ],
)
def test_packages(packages: list[Package], broken: list[str], notes: list[str]) -> None:
    found = list(health.versions(packages, PYTHON, "0.1.0 on Linux"))
    assert (bad(found), bad(found, State.NOTE)) == (broken, notes)


def test_a_python_out_of_range_is_broken() -> None:
    assert bad(list(health.versions([OWN, TRAIN], replace(PYTHON, fits=False), "0.1.0"))) == ["Python"]


FOLDER = FolderFacts("data", "/home/ada/data", free=50 << 30, setting="SMOLTUI_HOME")


@pytest.mark.parametrize(
    ("facts", "state", "words"),
    [
        (FOLDER, State.OK, "writable, 50.0 GiB free"),
        (replace(FOLDER, there=False, free=None), State.OK, "(not created yet)"),
        (replace(FOLDER, problem="Read-only file system"), State.BROKEN, "Read-only file system"),
        (replace(FOLDER, shared=True), State.BROKEN, "anyone can write"),
        (replace(FOLDER, free=1 << 20), State.BROKEN, "full"),
        (replace(FOLDER, free=1 << 30), State.NOTE, "only 1.0 GiB"),
    ],
)
def test_folders(facts: FolderFacts, state: State, words: str) -> None:
    (found,) = health.folders([facts])
    assert found.state is state and words in found.text
    assert state is not State.BROKEN or "SMOLTUI_HOME" in found.step


MACHINE = DeviceReport(
    (), 2, 8 << 30, 4 << 30, "/", 1, 1, "Linux", "3.11.7", "", True, (Package("torch", "", "2", True),)
)
GPU = replace(MACHINE, accelerators=(Accelerator("cuda", "H200", 80 << 30),))
BARE = replace(MACHINE, packages=(Package("torch", "", None, False),))


@pytest.mark.parametrize(
    ("report", "torch", "state"),
    [
        (MACHINE, TorchReport(0.0, kind="cpu"), State.OK),
        (GPU, TorchReport(0.0, kind="cuda"), State.OK),
        (GPU, TorchReport(0.0, kind="cpu"), State.BROKEN),
        (MACHINE, TorchReport(0.0, problem="the probe ended with exit code 1"), State.BROKEN),
        (MACHINE, TorchReport(0.0, kind="cpu", trl_problem="ImportError"), State.BROKEN),
        (BARE, TorchReport(0.0, problem="not installed: torch"), State.NOTE),
    ],
)
def test_pytorch(report: DeviceReport, torch: TorchReport, state: State) -> None:
    *_, found = health.pytorch(report, torch, "words")
    assert (found.name, found.state) == ("PyTorch", state)
    assert [each.name for each in health.pytorch(report, None, "")] == ["machine"]
    assert bad(list(health.pytorch(replace(report, notes=("no driver",)), None, "")), State.NOTE) == ["driver"]
