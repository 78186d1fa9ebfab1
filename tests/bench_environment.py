"""Environments in which the harnesses really run: large, so they are built once, outside the repository.

`SMOLTUI_BENCH_ENV` is a folder with the virtual environments `lighteval` and `lm_eval`, or `build`: then they are built
in the cache folder (about 3 GB, a few minutes), and reused. Without it, tests that need them are skipped.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import platformdirs
import pytest

from smoltui.core.evaluation.benchmark_command import PINS
from tests.paths import TESTS

VARIABLE = "SMOLTUI_BENCH_ENV"
CACHE = platformdirs.user_cache_path("smoltui-bench")
"""Of the person: read before a test hides it."""
TORCH = "torch==2.13.0"
INSTALLED = {"lighteval": [TORCH, *PINS], "lm_eval": [f"{TESTS.parent}[train,bench]"]}
"""Environment → what is installed into it."""
OFFLINE = "lighteval/tasks/tasks/tinyBenchmarks.pkl"
"""LightEval's list of tasks downloads this file; an empty one is enough for other tasks."""


@cache
def environment(name: str) -> Path:
    """The folder with the programs of an environment; skips the test where there is none."""
    wish = os.environ.get(VARIABLE, "")
    if not wish:
        pytest.skip(f"{VARIABLE} is not set: set it to a folder of environments, or to build ({__name__})")
    folder = (CACHE if wish == "build" else Path(wish)) / name
    python = folder / "bin" / "python"
    if wish == "build" and not (folder / "complete").is_file():
        _build(folder, INSTALLED[name])
    if not python.is_file():
        pytest.skip(f"{VARIABLE} has no environment {name}: {folder}")
    if name == "lighteval":
        for packages in folder.glob("lib/python*/site-packages"):
            (packages / OFFLINE).touch()
    return python.parent


def _build(folder: Path, packages: list[str]) -> None:
    python = str(folder / "bin" / "python")
    try:
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(folder)],
            [python, "-m", "pip", "install", "--quiet", *packages],
            [python, "-m", "pip", "check"],
        ):
            subprocess.run(command, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"The environment {folder.name} cannot be installed: {error.stderr[-300:] or error.stdout[-300:]}")
    (folder / "complete").touch()
