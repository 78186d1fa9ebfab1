"""Programs in a pseudo-terminal."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smoltui.backends.machine import devices
from tests.benchmarks.terminal import Terminal
from tests.wire.furnished import furnish

ROOT = Path(__file__).parents[2]


@pytest.fixture
def furnished(tmp_path: Path, own_machine: Path) -> Path:
    """A project folder with content for every room."""
    project = tmp_path / "project"
    furnish(project, own_machine / "smoltui")
    # As if torch had been asked before: to ask takes five seconds of a core at every start.
    kept = devices._cache_file(devices.device_report(project))
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(devices.TorchReport(time.time()).as_json()))
    return project


@pytest.fixture
def opened(furnished: Path) -> Iterator[Callable[..., Terminal]]:
    """`opened(size=…, TERM=…)`: the app in a terminal, started by its command. Stops what still runs."""
    terminals: list[Terminal] = []

    def open_in(
        size: tuple[int, int] = (100, 30), command: list[str] | None = None, background: str = "", **env: str
    ) -> Terminal:
        path = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        terminal = Terminal(
            command or [sys.executable, "-m", "smoltui", str(furnished)],
            size=size,
            env={"PYTHONPATH": path, **env},
            background=background,
        )
        terminals.append(terminal)
        return terminal

    yield open_in
    for terminal in terminals:
        terminal.close()
