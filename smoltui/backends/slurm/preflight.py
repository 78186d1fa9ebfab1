"""Asks the cluster what the checks before a run need to know."""

from __future__ import annotations

import os
import time
from pathlib import Path

from smoltui.backends.slurm import commands, offline
from smoltui.backends.slurm.submit import settings_of
from smoltui.backends.system import data_folder
from smoltui.backends.system.paths import shown_path
from smoltui.core.machine.fit import Fit
from smoltui.core.preflight.check import Check, Problem
from smoltui.core.runs.run import RunSpec
from smoltui.core.settings.slurm_settings import SlurmSettings
from smoltui.core.slurm.answers import SINFO_FORMAT, Partition, partitions_of
from smoltui.core.slurm.checks import Asked, slurm_checks, start_in
from smoltui.core.slurm.refusals import refusal
from smoltui.core.slurm.submission import job_name, resources
from smoltui.errors import SmoltuiError

MOUNTS = Path("/proc/self/mounts")
LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "overlay", "tmpfs", "ramfs", "vfat", "exfat"})
"""File systems of one machine's own disks; the shared ones have many names (nfs, lustre, gpfs, beegfs, ceph, …)."""


def partitions() -> list[Partition]:
    """The partitions of the cluster, in Slurm's order; blocks.

    Raises:
        InputError, UnreachableError: Slurm cannot be asked.
    """
    return partitions_of(commands.asked("sinfo", "--noheader", "--exact", f"--format={SINFO_FORMAT}"))


def checks(spec: RunSpec, fit: Fit | None, *, needs_token: bool, use_cpu: bool = False) -> list[Check]:
    """The checks of a run; blocks for as long as Slurm takes to answer.

    Raises:
        RecipeError, InputError: settings that cannot be used.
    """
    settings = settings_of(spec)
    known: list[Partition] | None = None
    try:
        if (wrong := commands.problem()) is not None:
            raise wrong
        known = partitions()
        refused, start = _tried(spec, settings)
    except SmoltuiError as error:
        return slurm_checks(Asked(settings, problem=Problem(error.message, error.hint)), time.time())
    asked = Asked(
        settings,
        known,
        refused=refused,
        start=start,
        fit=fit,
        use_cpu=use_cpu,
        unshared=unshared(_folders(spec)),
        token_here=needs_token and bool(os.environ.get("HF_TOKEN")) and not settings.offline,
    )
    return [*slurm_checks(asked, time.time()), *offline.checks(spec, settings)]


def _tried(spec: RunSpec, settings: SlurmSettings) -> tuple[Problem | None, float | None]:
    """Why Slurm would refuse the run, and when it would start it. Raises InputError, UnreachableError."""
    options = ["--test-only", f"--job-name={job_name(spec.name)}", *resources(settings), "--wrap=true"]
    said = commands.call("sbatch", *options, env=commands.job_env({"SLURM_TIME_FORMAT": "%s"}))
    if said.busy:
        return None, None
    if said.code:
        return Problem(*refusal(said.last)), None
    return None, start_in(said.err + said.out)


def _folders(spec: RunSpec) -> list[Path]:
    """What the nodes read or write."""
    return [Path(spec.project), Path(spec.output_dir), data_folder.home()]


def unshared(folders: list[Path]) -> list[tuple[str, str]]:
    """Those of these folders that are on a disk of this machine, with the kind of file system; each disk once."""
    mounts = _mounts()
    found: dict[str, tuple[str, str]] = {}
    for folder in folders:
        real = Path(os.path.realpath(folder))
        place = next((one for one in (real, *real.parents) if str(one) in mounts), None)
        if place is not None and (kind := mounts[str(place)]) in LOCAL:
            found.setdefault(str(place), (shown_path(folder), kind))
    return list(found.values())


def _mounts() -> dict[str, str]:
    """Mount point → file system; empty where the system does not list them (not Linux)."""
    try:
        lines = MOUNTS.read_text(errors="replace").splitlines()
    except OSError:
        return {}
    parts = [line.split(" ") for line in lines]
    return {part[1].encode().decode("unicode_escape"): part[2] for part in parts if len(part) > 2}
