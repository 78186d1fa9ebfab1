"""Checks before a run is submitted to Slurm: what the cluster would refuse, and what it accepts and never starts."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from smoltui.core.machine.device import gib
from smoltui.core.machine.fit import Fit
from smoltui.core.preflight.check import Check, Problem
from smoltui.core.recipe import Level
from smoltui.core.recipe.fix import Act, Fix
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.time_limits import asked_seconds, moment
from smoltui.core.settings.slurm_settings import SlurmSettings
from smoltui.core.slurm.answers import Partition
from smoltui.core.slurm.submission import gpu_hours, processes_per_node

GB = 10**9
GPU_MEMORY: Mapping[str, int] = {
    "b200": 180 * GB,
    "gh200": 96 * GB,
    "h200": 141 * GB,
    "h100": 80 * GB,
    "a100_80gb": 80 * GB,
    "a100_40gb": 40 * GB,
    "l40s": 48 * GB,
    "a40": 48 * GB,
    "a6000": 48 * GB,
    "a30": 24 * GB,
    "a10": 24 * GB,
    "3090": 24 * GB,
    "4090": 24 * GB,
    "l4": 24 * GB,
    "t4": 16 * GB,
}
"""Part of a GPU's type in Slurm → its memory, bytes (NVIDIA's data sheets). Sites choose these names; an A100 or V100
alone exists in two sizes, so it is left out."""
_SHARDED = frozenset("WRGO")
"""Terms of `Fit` that FSDP and ZeRO-3 divide by the number of processes: weights, gradients and optimizer states."""
_UNITS = {"K": 10, "": 20, "M": 20, "G": 30, "T": 40}
"""Unit of memory → power of two."""
_START = re.compile(r"to start at (\S+)")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run asks for, and what is known about the cluster."""

    settings: SlurmSettings
    partitions: Sequence[Partition] | None = None
    """None if Slurm could not be asked."""
    problem: Problem | None = None
    """Why Slurm can't be used, or did not answer."""
    refused: Problem | None = None
    """Why `sbatch --test-only` refused the run; None if it did not, or was not tried."""
    start: float | None = None
    """When Slurm would start it, seconds since the epoch; None if unknown."""
    fit: Fit | None = None
    unshared: Sequence[tuple[str, str]] = ()
    """Folders that the nodes need and that are on a local disk: path, and kind of file system."""
    use_cpu: bool = False
    """The recipe trains on processors."""
    token_here: bool = False
    """A token is set in this terminal alone, where no job sees it, and the run needs one."""

    @property
    def partition(self) -> Partition | None:
        """The partition of the run; None if it is unknown."""
        known = self.partitions or ()
        if self.settings.partition:
            return next((one for one in known if one.name == self.settings.partition), None)
        return next((one for one in known if one.is_default), None)

    @property
    def limit(self) -> int | None:
        """Time limit of one part, seconds; None without one."""
        if self.settings.time:
            return asked_seconds(self.settings.time)
        partition = self.partition
        return None if partition is None else partition.default_limit or partition.limit


def slurm_checks(asked: Asked, now: float) -> list[Check]:
    """The checks, in display order."""
    if asked.problem is not None:
        return [Check("slurm", Level.STOP, asked.problem.sentence, asked.problem.fix, Fix(act=Act.AGAIN))]
    found = [*_partition(asked), *_gpus(asked), *_nodes(asked), *_node_size(asked), *_time(asked)]
    if all(check.level is not Level.STOP for check in found):
        found += _tried(asked, now)
    return [*found, *_memory(asked), *_hours(asked), *_shared(asked), *_token(asked)]


def _partition(asked: Asked) -> Iterator[Check]:
    name, partition = asked.settings.partition, asked.partition
    known = ", ".join(one.name for one in asked.partitions or ())
    if partition is None and name and asked.partitions is not None:
        yield Check(
            "partition",
            Level.STOP,
            f"The cluster has no such partition: {name}",
            f"Set slurm.partition to one of: {known}",
            Fix(edit="slurm.partition"),
        )
    elif partition is None and asked.partitions is not None:
        yield Check(
            "partition",
            Level.WARN,
            "The cluster has no default partition",
            f"Set slurm.partition to one of: {known}",
            Fix(edit="slurm.partition"),
        )
    elif partition is not None and not partition.up:
        yield Check("partition", Level.WARN, f"The partition is down, so the run waits: {partition.name}")
    elif partition is not None:
        idle = f"{partition.idle} of {partition.nodes} nodes idle"
        yield Check("partition", Level.PASS, f"Partition {partition.name}: {idle}")


def _gpus(asked: Asked) -> Iterator[Check]:
    settings, partition = asked.settings, asked.partition
    if settings.strategy != "ddp" and not settings.gpus:
        said = f"The strategy {settings.strategy} needs GPUs"
        fix = Fix(settings={"slurm.strategy": "ddp"})
        yield Check("strategy", Level.STOP, said, 'Set slurm.strategy = "ddp", or slurm.gpus.', fix)
    elif settings.strategy != "ddp" and asked.use_cpu:
        said = f"The strategy {settings.strategy} needs GPUs, but the recipe has use_cpu: true"
        fix = Fix(settings={"slurm.strategy": "ddp"})
        yield Check("strategy", Level.STOP, said, 'Set slurm.strategy = "ddp", or delete use_cpu.', fix)
    if partition is None or not settings.gpus:
        return
    kind, types = settings.gpu_type, partition.gpu_types
    if not partition.gpus:
        said = f"The nodes of this partition have no GPUs: {partition.name}"
        yield Check("gpus", Level.STOP, said, "Set another slurm.partition.", Fix(edit="slurm.partition"))
    elif kind and types and kind not in types:
        said = f"The partition {partition.name} has no such GPU type: {kind}"
        yield Check(
            "gpu_type",
            Level.STOP,
            said,
            f"Set slurm.gpu_type to one of: {', '.join(types)}",
            Fix(edit="slurm.gpu_type"),
        )
    elif settings.gpus > partition.gpus:
        said = f"No node of {partition.name} has that many GPUs: {settings.gpus}"
        yield Check("gpus", Level.STOP, said, f"Set slurm.gpus to at most {partition.gpus}.", Fix(edit="slurm.gpus"))


def _nodes(asked: Asked) -> Iterator[Check]:
    settings, partition = asked.settings, asked.partition
    if partition is None:
        return
    if settings.nodes > partition.nodes:
        yield Check(
            "nodes",
            Level.STOP,
            f"{partition.name} has {partition.nodes} nodes, not {settings.nodes}, so the run would never start",
            f"Set slurm.nodes to at most {partition.nodes}.",
            Fix(edit="slurm.nodes"),
        )
    elif settings.nodes > partition.usable:
        yield Check(
            "nodes", Level.WARN, f"Only {partition.usable} nodes of {partition.name} work now, so the run waits"
        )


def _node_size(asked: Asked) -> Iterator[Check]:
    """Cores and memory of one node: Slurm's refusal does not say which of them is too much."""
    settings, partition = asked.settings, asked.partition
    if partition is None:
        return
    count, name = processes_per_node(settings), partition.name
    if settings.cpus and partition.cores and (cores := count * settings.cpus) > partition.cores >= count:
        most = partition.cores // count
        yield Check(
            "cpus",
            Level.STOP,
            f"No node of {name} has {cores} cores ({count} × {settings.cpus}); the largest has {partition.cores}",
            f"Set slurm.cpus, which is per process, to at most {most}.",
            Fix(settings={"slurm.cpus": most}),
        )
    memory = memory_bytes(settings.mem)
    if memory and partition.memory and memory > partition.memory:
        yield Check(
            "mem",
            Level.STOP,
            f"No node of {name} has {settings.mem} of memory; the largest has {gib(partition.memory)}",
            f"Set slurm.mem to at most {partition.memory >> 20}M.",
            Fix(settings={"slurm.mem": f"{partition.memory >> 20}M"}),
        )


def memory_bytes(text: str) -> int | None:
    """Bytes of an amount such as `64G` or `500` (MiB), as sbatch reads it (sbatch(1), --mem); None for another text."""
    found = re.fullmatch(r"(\d+)([KMGT]?)B?", text.strip().upper())
    return int(found[1]) << _UNITS[found[2]] if found else None


def _time(asked: Asked) -> Iterator[Check]:
    settings, partition, limit = asked.settings, asked.partition, asked.limit
    most = partition.limit if partition is not None else None
    if limit is not None and most is not None and limit > most:
        yield Check(
            "time",
            Level.STOP,
            f"slurm.time is longer than {partition.name if partition else ''} allows ({as_time(most)}): "
            "Slurm would accept the run and never start it",
            f"Set slurm.time to at most {as_time(most)}; a longer training is requeued and continues.",
            Fix(settings={"slurm.time": f"{most // 60}m"}),
        )
        return
    restarts = settings.restarts
    then = f"then it is requeued and continues, at most {restarts} times" if restarts else "then it is paused"
    if limit is None:
        yield Check("time", Level.PASS, "No time limit")
    else:
        whose = "" if settings.time else " (the partition's default)"
        yield Check("time", Level.PASS, f"Time limit {as_time(limit)}{whose}; {then}")


def _tried(asked: Asked, now: float) -> Iterator[Check]:
    if asked.refused is not None:
        yield Check("slurm", Level.STOP, asked.refused.sentence, asked.refused.fix, _fix_of(asked.refused))
    elif asked.start is not None and asked.start > now + 60:
        at = time.strftime("%b %d, %H:%M", time.localtime(asked.start))
        yield Check("start", Level.PASS, f"Slurm expects to start it at {at}")
    elif asked.start is not None:
        yield Check("start", Level.PASS, "Slurm can start it now")


def _fix_of(refused: Problem) -> Fix:
    """Opens the field that the next step names, else the file."""
    named = re.match(r"(?:Set|Lower|Correct) (slurm\.\w+)", refused.fix)
    return Fix(edit=named[1]) if named is not None else Fix(file="smoltui.toml")


def start_in(text: str) -> float | None:
    """When Slurm would start a run, from the output of `sbatch --test-only`; None if it does not say."""
    found = _START.search(text)
    return moment(found[1]) if found else None


def device_memory(kind: str) -> int | None:
    """Memory of a GPU by its type in Slurm, bytes; None if the name does not tell."""
    plain = kind.lower().replace("-", "_").replace(".", "_")
    return next((size for name, size in GPU_MEMORY.items() if re.search(rf"(?<![a-z\d]){name}(?!\d)", plain)), None)


def needed_each(fit: Fit, settings: SlurmSettings) -> int:
    """Bytes that each process needs: with FSDP and ZeRO-3, the states are shared by the processes of all nodes."""
    if settings.strategy == "ddp":
        return fit.needed
    processes = settings.nodes * processes_per_node(settings)
    shared = sum(term.bytes for term in fit.terms if term.name in _SHARDED)
    return fit.needed - shared + shared // processes


def _memory(asked: Asked) -> Iterator[Check]:
    settings, fit = asked.settings, asked.fit
    if fit is None:
        yield Check("memory", Level.WARN, "Memory: no estimate for this model and these settings")
        return
    needed, partition = needed_each(fit, settings), asked.partition
    of = f"{settings.nodes * processes_per_node(settings)} processes" if settings.strategy != "ddp" else ""
    need = f"Peak memory about {gib(needed)} per GPU" + (f", shared by {of}" if of else "")
    if not settings.gpus:
        each = partition.memory if partition is not None and partition.memory else None
        need = f"Peak memory about {gib(fit.needed)}"
        if each is not None and fit.peak > each:
            yield Check("memory", Level.STOP, f"{need}, but a node has {gib(each)}", "Choose nodes with more memory.")
            return
        yield Check("memory", Level.PASS, need + (f" of {gib(each)} per node" if each else ""))
        return
    kinds = [settings.gpu_type] if settings.gpu_type else list(partition.gpu_types) if partition is not None else []
    sizes = [size for kind in kinds if (size := device_memory(kind)) is not None]
    if not sizes:
        yield Check("memory", Level.WARN, f"{need}; the memory of the GPUs is unknown")
    elif needed > max(sizes):
        fix = "Use strategy fsdp with more GPUs, an adapter (use_peft), or a smaller batch."
        yield Check("memory", Level.STOP, f"Does not fit: {need}, which has {gib(max(sizes))}", fix)
    elif needed > min(sizes):
        fix = "Set slurm.gpu_type to the larger one."
        yield Check("memory", Level.WARN, f"{need}; some GPUs have {gib(min(sizes))}", fix, Fix(edit="slurm.gpu_type"))
    else:
        yield Check("memory", Level.PASS, f"{need} of {gib(min(sizes))}")


def _hours(asked: Asked) -> Iterator[Check]:
    settings, limit = asked.settings, asked.limit
    if limit is None:
        return
    parts = settings.restarts + 1
    unit = "GPU hours" if settings.gpus else "core hours"
    each = settings.gpus or max(1, settings.cpus)
    size = f"{settings.nodes} × {each} × {as_time(limit)}"
    most = "" if parts == 1 else f", at most {gpu_hours(settings, limit) * parts:.3g} with {settings.restarts} restarts"
    yield Check("hours", Level.PASS, f"Up to {gpu_hours(settings, limit):.3g} {unit} ({size}){most}")


def _shared(asked: Asked) -> Iterator[Check]:
    for folder, kind in asked.unshared:
        yield Check(
            "shared folder",
            Level.WARN,
            f"On a disk of this machine ({kind}), which the nodes may not see: {folder}",
            "Move it to a disk that all nodes share, such as your home or scratch.",
        )


def _token(asked: Asked) -> Iterator[Check]:
    if asked.token_here:
        yield Check(
            "token",
            Level.WARN,
            "HF_TOKEN is set in this terminal only; jobs don't get it, because Slurm would store it",
            "Log in on this machine: hf auth login",
            Fix(act=Act.LOGIN),
        )
