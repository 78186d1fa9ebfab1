"""HF Jobs as a place for runs; apart from its engine, which takes longer to import."""

from __future__ import annotations

from smoltui.core.runs.place import Place, Target

JOBS = Place(
    name="hub",
    title="HF Jobs",
    run="Job",
    plural="Jobs",
    can=frozenset({"resume", "rerun", "labels", "stats", "scheduled", "hardware", "command", "expose"}),
    pays=True,
    target=Target.JOB,
)
