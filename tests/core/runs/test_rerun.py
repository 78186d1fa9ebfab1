"""The same run again, out of its record."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.runs.rerun import NO_CHANGES, Changes, again, kept_elsewhere, spec_of
from smoltui.core.runs.run import Run, RunSpec

SPEC = RunSpec(
    name="n",
    project="/p",
    recipe="beta: 0.1\n",
    output_dir="/o",
    label="old",
    flavor="t4-small",
    timeout_seconds=60,
    labels={"team": "ml", "smoltui-run": "old"},
    left_out=("a", "b"),
)


def test_everything_but_the_label_is_the_same() -> None:
    new = again(SPEC, "new", output_dir="/o-2")
    assert new == replace(SPEC, label="new", output_dir="/o-2", labels={"team": "ml", "smoltui-run": "new"})
    assert again(SPEC, "new").output_dir == "/o"


def test_a_record_of_another_version_is_read() -> None:
    """A key of a later version is left out, one of an earlier is filled in; what is no record gives nothing."""
    data = json.loads(json.dumps(asdict(SPEC)))
    assert spec_of({**data, "created_at": 5.0, "unheard_of": 1}) == SPEC
    del data["overwrite"]
    assert spec_of(data) == SPEC
    assert spec_of({**data, "labels": None}) is None and spec_of({**data, "project": 5}) is None
    del data["recipe"]
    assert spec_of(data) is None and spec_of(None) is None and spec_of([1]) is None


@given(st.builds(RunSpec, labels=st.dictionaries(st.text(), st.text(), max_size=3)))
def test_a_spec_survives_its_record(spec: RunSpec) -> None:
    assert spec_of(json.loads(json.dumps(asdict(spec)))) == spec


def test_a_bucket_of_another_account_is_named() -> None:
    """Resumed for an organization, a run still keeps its checkpoints where the first Job kept them: that is said."""
    run = Run("j1", "hub", "dpo", "ERROR", namespace="ada", raw={"spec": {"keep": "bucket:ada/0123/kept"}})
    assert kept_elsewhere(run, Changes(namespace="lab")) == (
        "Checkpoints stay in the bucket of ada; the Job of lab reads and writes it"
    )
    assert kept_elsewhere(run, NO_CHANGES) == kept_elsewhere(run, Changes(namespace="ada")) == ""
    volume = replace(run, raw={"spec": {"keep": "/mnt/kept"}})
    assert kept_elsewhere(volume, Changes(namespace="lab")) == ""
