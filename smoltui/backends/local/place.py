"""This machine as a place for runs; apart from its engine, which takes longer to import."""

from __future__ import annotations

from smoltui.core.runs.place import Place

HERE = Place(
    name="local",
    title="this machine",
    run="run",
    plural="local runs",
    can=frozenset({"pause", "resume", "rerun", "stats"}),
    here=True,
)
