"""Finds the results of a harness: in a file or folder on this machine, or in a dataset on the Hub."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from smoltui.backends.data_files.hub_repo import DATASET, HubRepo
from smoltui.backends.system.small_file import read_small
from smoltui.core.evaluation.benchmark_reading import NotResultsError, read_results, stamp_of
from smoltui.core.evaluation.benchmark_result import BenchmarkResult
from smoltui.core.foreign import foreign_json
from smoltui.errors import InputError, NotFoundOnHubError
from smoltui.safe_text import safe_line

MOST_BYTES = 64 << 20
"""Of a results file; those of a hundred tasks have one megabyte."""
DEEPEST = 6
"""Folders below the given one that are searched."""
MOST_FILES = 10_000
"""Files that are looked at before a search is given up."""
HINT = "Give a results_*.json of LightEval or lm_eval, a folder with one, or a dataset on the Hub as owner/name."


def read_path(path: Path, role: str, *, pins: tuple[str, ...] = (), job: str | None = None) -> BenchmarkResult:
    """The results in a file; of a folder, in its newest `results_*.json`. Blocks.

    Raises:
        InputError: there are none, or they can't be read; one sentence says why.
    """
    try:
        file = newest_in(path) if path.is_dir() else path
        data = read_small(file, MOST_BYTES)
    except FileNotFoundError as error:
        raise InputError(f"There is no such file or folder: {path}", HINT) from error
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else "not a file name"
        raise InputError(f"The results can't be read ({said}): {path}", HINT) from error
    return _decoded(data, file.name, str(file), role, pins, job)


def newest_in(folder: Path) -> Path:
    """The newest `results_*.json` in a folder, or in the folders below it.

    Raises:
        InputError: there is none.
        OSError: the folder can't be read.
    """
    found = sorted(_results_below(folder), key=lambda file: (stamp_of(file.name) or 0.0, file.stat().st_mtime))
    if not found:
        raise InputError(f"This folder has no results of a benchmark (results_*.json): {folder}", HINT)
    return found[-1]


def _results_below(folder: Path) -> Iterator[Path]:
    looked = 0
    for at, folders, names in os.walk(folder):
        if len(Path(at).relative_to(folder).parts) >= DEEPEST:
            folders.clear()
        looked += len(names)
        if looked > MOST_FILES:
            raise InputError(f"This folder has too many files to search for results: {folder}", HINT)
        yield from (Path(at, name) for name in names if is_results(name))


def is_results(name: str) -> bool:
    """Whether a file's name is that of results."""
    return name.startswith("results_") and name.endswith(".json")


def read_dataset(
    repo: str, role: str, *, pins: tuple[str, ...] = (), job: str | None = None, since: float | None = None
) -> BenchmarkResult:
    """The newest results in LightEval's results dataset on the Hub. Blocks.

    `since`: only results that ended after this time, seconds since the epoch.

    Raises:
        InputError: it has none, or they can't be read.
        ServiceError: the Hub doesn't have it, or doesn't answer.
    """
    files = HubRepo(DATASET, repo)
    with files.reading():
        from huggingface_hub import HfApi

        info = HfApi().dataset_info(repo)
        names = [entry.rfilename for entry in info.siblings or () if is_results(entry.rfilename)]
    dated = sorted((stamp, name) for name in names if (stamp := stamp_of(name)) is not None)
    if not dated:
        raise InputError(
            f"This dataset has no results yet: {repo}", "See the Job's log: LightEval writes them at its end."
        )
    if since is not None and dated[-1][0] < since:
        raise NotFoundOnHubError(
            f"The newest results of {repo} are older than this Job, which pushed none", "See the Job's log."
        )
    name = dated[-1][1]
    with HubRepo(DATASET, repo, info.sha).reading():
        data = read_small(HubRepo(DATASET, repo, info.sha).download(name), MOST_BYTES)
    return _decoded(data, name, f"{repo}/{name}", role, pins, job)


def _decoded(data: bytes, name: str, source: str, role: str, pins: tuple[str, ...], job: str | None) -> BenchmarkResult:
    if not data.strip():
        raise InputError(f"This results file is empty: {source}", "It may still be being written.")
    try:
        decoded = foreign_json.decode(data, most_bytes=MOST_BYTES)
    except foreign_json.JSONLimitError as error:
        raise InputError(f"This results file is {error}: {source}", HINT) from error
    except ValueError as error:
        raise InputError(
            f"This results file is half-written, or isn't JSON: {source}",
            "Wait until the harness has ended, or run it again.",
        ) from error
    try:
        return read_results(decoded, name=name, source=source, role=role, pins=pins, job=job)
    except NotResultsError as error:
        raise InputError(
            f"This file can't be read as results, because {error}: {safe_line(source, 300)}", HINT
        ) from error
