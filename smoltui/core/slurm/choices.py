"""What a cluster offers for a setting: partitions, GPU types, features (sinfo), accounts and QOS (sacctmgr)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from smoltui.core.runs.choice import Choice
from smoltui.core.runs.pace import as_time
from smoltui.core.slurm.answers import Partition

ASSOCIATIONS = ("Account", "Partition", "QOS")
"""Columns of `sacctmgr show associations` that `accounts` and `qualities` read."""
FROM_SINFO = frozenset({"partition", "gpu_type", "constraint"})
"""Keys of [slurm] whose values sinfo knows; those of the others are in the accounting."""


def offered(key: str, partitions: Sequence[Partition], partition: str) -> list[Choice]:
    """The values of a key of `FROM_SINFO`. `partition`: the one that is set, empty for the default one; GPU types and
    features of others are left out."""
    if key == "partition":
        return [Choice(one.name, _partition_words(one)) for one in partitions]
    inside = [one for one in partitions if one.name == partition or (not partition and one.is_default)] or partitions
    values = [value for one in inside for value in (one.gpu_types if key == "gpu_type" else one.features)]
    return [Choice(value, f"in {_names(inside, value, key)}") for value in dict.fromkeys(values)]


def _names(partitions: Iterable[Partition], value: str, key: str) -> str:
    return ", ".join(one.name for one in partitions if value in (one.gpu_types if key == "gpu_type" else one.features))


def _partition_words(one: Partition) -> str:
    gpus = f"{one.gpus} GPUs a node" + (f" ({', '.join(one.gpu_types)})" if one.gpu_types else "")
    return " · ".join(
        filter(
            None,
            (
                "default" if one.is_default else "",
                "" if one.up else "down",
                f"{one.idle} of {one.nodes} nodes idle",
                gpus if one.gpus else "no GPUs",
                f"at most {as_time(one.limit)}" if one.limit is not None else "no time limit",
            ),
        )
    )


def associated(key: str, text: str, partition: str) -> list[Choice]:
    """The values of `account` or `qos` in the output of `sacctmgr --noheader --parsable2` with `ASSOCIATIONS`.

    `partition` as for `offered`: associations with another one are left out.
    """
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        parts = line.strip().split("|")
        if len(parts) != len(ASSOCIATIONS):
            continue
        account, only, qualities = parts
        if only and partition and only != partition:
            continue
        for value in [account] if key == "account" else qualities.split(","):
            if value:
                found.setdefault(value, []).append(only if key == "account" else account)
    said = "only in {}" if key == "account" else "with account {}"
    return [
        Choice(value, said.format(", ".join(dict.fromkeys(rest))) if all(rest) else "") for value, rest in found.items()
    ]
