"""Runs on nodes without internet: what the recipe needs from the Hub is downloaded here first."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smoltui.backends.project.project import RECIPE_NAME, Project
from smoltui.backends.project.recipe_file import RecipeFile
from smoltui.backends.system.child import child_env, leashed, running
from smoltui.core.preflight.check import Check
from smoltui.core.recipe import Level
from smoltui.core.runs.run import RunSpec
from smoltui.core.settings.slurm_settings import SlurmSettings
from smoltui.errors import RunFailedError
from smoltui.safe_text import safe_line
from smoltui.scripts import SCRIPTS

FETCH = SCRIPTS / "fetch.py"
BUILDERS = ("json", "csv", "parquet", "arrow", "text", "pandas")


@dataclass(frozen=True, slots=True)
class Needed:
    """What a recipe loads from the Hub."""

    models: tuple[str, ...] = ()
    data_sets: tuple[tuple[str, str], ...] = ()
    """Name and configuration (empty: the default one)."""

    def __bool__(self) -> bool:
        return bool(self.models or self.data_sets)


def needed(project: Project, values: Mapping[str, Any]) -> Needed:
    """The model and the data sets of a recipe that are not on this machine's disks."""

    def far(name: object) -> bool:
        return isinstance(name, str) and bool(name) and not project.resolve(name).exists() and "://" not in name

    model, name = values.get("model_name_or_path"), values.get("dataset_name")
    sets = [(str(name), str(values.get("dataset_config") or ""))] if far(name) else []
    for item in values.get("datasets") or ():
        if isinstance(item, Mapping) and far(item.get("path")) and item["path"] not in BUILDERS:
            sets.append((str(item["path"]), str(item.get("name") or "")))
    return Needed((str(model),) if far(model) else (), tuple(sets))


def _needed_by(spec: RunSpec) -> Needed:
    project = Project(Path(spec.project))
    return needed(project, RecipeFile(project.folder / RECIPE_NAME, spec.recipe, "").values)


def _hf_home(settings: SlurmSettings) -> str:
    """HF_HOME of the nodes; empty for that of the account."""
    return os.path.expandvars(str(Path(settings.hf_home).expanduser())) if settings.hf_home else ""


def checks(spec: RunSpec, settings: SlurmSettings) -> list[Check]:
    """What is downloaded before the run, with its size; asks the Hub. Empty if the nodes have internet."""
    if not settings.offline or not (wanted := _needed_by(spec)):
        return []
    size = _size(wanted)
    names = ", ".join(safe_line(name, 80) for name in (*wanted.models, *(name for name, _ in wanted.data_sets)))
    told = "of unknown size" if size is None else f"{size / 1e9:.2g} GB" if size >= 1e8 else f"{size / 1e6:.2g} MB"
    where = _hf_home(settings) or os.environ.get("HF_HOME") or "~/.cache/huggingface"
    return [Check("download", Level.PASS, f"Downloaded here first if it is missing, {told}: {names} (to {where})")]


def _size(wanted: Needed) -> int | None:
    """Bytes of all files on the Hub; None if it cannot be asked."""
    from huggingface_hub import HfApi

    total = 0
    try:
        for kind, names in (("model", wanted.models), ("dataset", [name for name, _ in wanted.data_sets])):
            for name in names:
                found = HfApi().repo_info(name, repo_type=kind, files_metadata=True, timeout=10)
                total += sum(file.size or 0 for file in getattr(found, "siblings", None) or ())
    except Exception:  # whatever the client and its transport raise: the size is only shown, the download reports
        return None
    return total


async def fetch(spec: RunSpec, settings: SlurmSettings) -> None:
    """Downloads what the nodes cannot, if anything is missing; returns at once if the nodes have internet.

    Raises:
        RunFailedError: it could not be downloaded.
    """
    if not settings.offline or not (wanted := _needed_by(spec)):
        return
    arguments = [part for name in wanted.models for part in ("--model", name)]
    arguments += [part for name, config in wanted.data_sets for part in ("--dataset", f"{name}:{config}")]
    home = {"HF_HOME": _hf_home(settings)} if settings.hf_home else {}
    last = ""
    async with running(leashed(str(FETCH), *arguments), Path(spec.project), child_env(home)) as child:
        async for line in child.lines():
            last = line.strip() or last
        if child.exit_code:
            raise RunFailedError(
                f"What the run needs from the Hub could not be downloaded: {safe_line(last, 200)}",
                "Check the network of this machine, or set slurm.offline = false.",
            )
