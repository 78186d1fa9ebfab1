"""A Slurm cluster as a place for runs; apart from its engine, which takes longer to import."""

from __future__ import annotations

from smoltui.core.runs.place import Place

SLURM = Place(
    name="slurm",
    title="Slurm",
    run="run",
    plural="Slurm runs",
    can=frozenset({"pause", "resume", "rerun", "labels", "stats", "hardware"}),
    keeps_files=True,
    needs="sbatch",
    table="slurm",
    lists=frozenset({"partition", "account", "qos", "constraint", "gpu_type"}),
    asks={"flavor": "partition", "timeout": "time", "namespace": "account"},
)
