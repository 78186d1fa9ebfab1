"""Benchmark results kept in the folder of their run."""

from __future__ import annotations

import os
from pathlib import Path

from smoltui.backends.system import data_folder, locks
from smoltui.core.evaluation.benchmark_result import BenchmarkResult, result_from_json
from smoltui.errors import InputError

NAME = "benchmarks.json"


def kept(folder: Path) -> list[BenchmarkResult]:
    """The results stored in a run's folder, the oldest first; empty without any. Rehearsals are among them.

    Raises:
        InputError: the file exists but can't be read.
    """
    path = folder / NAME
    try:
        data = data_folder.read_record(path)
        return [] if data is None else [result_from_json(entry) for entry in data["results"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        said = str(error) if isinstance(error, data_folder.UnreadableError) else "not a list of results"
        raise InputError(
            f"The benchmark results of this run can't be read ({said}): {path}",
            "Move the file away to start a new one; nothing in it was changed.",
        ) from error


def keep(folder: Path, result: BenchmarkResult) -> None:
    """Adds a result to those of a run. The same result (of the same source) replaces the stored one.

    Raises:
        InputError: the folder can't be written, or the stored results can't be read.
    """
    path = folder / NAME
    try:
        data_folder.private_folder(folder)
        lock = locks.take(folder / f"{NAME}.lock", "Another process ({pid}) is saving benchmark results")
        try:
            before = [one for one in kept(folder) if one.source != result.source]
            data_folder.write_json(path, {"results": [one.as_json() for one in (*before, result)]})
        finally:
            os.close(lock)
    except OSError as error:
        raise InputError(
            f"The benchmark results could not be saved ({error.strerror}): {path}",
            "Free some space there, make it writable, or set SMOLTUI_HOME to another data folder.",
        ) from error
