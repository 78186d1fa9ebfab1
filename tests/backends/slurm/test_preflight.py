"""What the cluster is asked before a run, and which folders the nodes may not see."""

from __future__ import annotations

from pathlib import Path

import pytest

from smoltui.backends.slurm import choices, preflight
from smoltui.core.recipe import Level
from smoltui.core.runs.run import RunSpec
from smoltui.errors import InputError, UnreachableError
from tests.slurm.fake_commands import FakeCommands

SINFO = "main*|up|1:00:00|10:00|2|idle|8|4000|gpu:fake:2|fast\n"


def told(tmp_path: Path, **options: str) -> dict[str, tuple[Level, str]]:
    spec = RunSpec("n", str(tmp_path), "beta: 0.1\n", str(tmp_path / "a"), "label", options=options)
    return {one.name: (one.level, one.sentence) for one in preflight.checks(spec, None, needs_token=True)}


def test_a_cluster_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice: what it has, and whether it would take the run."""
    fake = FakeCommands(tmp_path / "bin", monkeypatch)
    monkeypatch.setenv("HF_TOKEN", "x")
    fake.says("sinfo", SINFO)
    fake.says("sbatch", err="sbatch: Job 5 to start at 1795943475 using 2 processors on nodes n1 in partition main\n")
    found = told(tmp_path)
    assert found["start"] == (Level.PASS, "Slurm can start it now") and found["token"][0] is Level.WARN
    (call,) = fake.calls("sbatch")
    assert call.startswith("--test-only") and "--nodes=1" in call
    fake.says("sbatch", err="sbatch: error: Batch job submission failed: Invalid qos specification\n", code=1)
    assert found | told(tmp_path, qos='"x"') and told(tmp_path, qos='"x"')["slurm"][0] is Level.STOP
    fake.says("sinfo", err="slurm_load_partitions: Unable to contact slurm controller", code=1)
    assert "does not answer" in told(tmp_path)["slurm"][1]


def test_choices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list has a deadline; where there is none, the value is typed."""
    fake = FakeCommands(tmp_path / "bin", monkeypatch)
    fake.says("sinfo", SINFO)
    assert [one.value for one in choices.choices("constraint", {"partition": "main"})] == ["fast"]
    fake.says("sinfo", seconds=3)
    with monkeypatch.context() as impatient, pytest.raises(UnreachableError, match="did not answer within 0 s"):
        impatient.setattr(choices, "PATIENCE_SECONDS", 0.2)
        choices.choices("partition", {})
    fake.says("sinfo", err="slurm_load_partitions: Unable to contact slurm controller (connect failure)", code=1)
    with pytest.raises(UnreachableError, match="does not answer") as silent:
        choices.choices("partition", {})
    fake.says("sacctmgr", err="Only 'accounting_storage/slurmdbd' is supported.", code=1)
    with pytest.raises(InputError, match="its accounting is off") as off:
        choices.choices("qos", {})
    assert silent.value.hint == off.value.hint == choices.TYPE_IT
    fake.says("sacctmgr", "physics||normal\n")
    assert choices.choices("account", {}) == [("physics", "")]


def test_a_folder_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each local disk once; a file server's are not named."""
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/a / ext4 rw 0 0\nserver:/x /data/my\\040home nfs4 rw 0 0\n/dev/b /scratch xfs rw 0 0\n")
    monkeypatch.setattr(preflight, "MOUNTS", mounts)
    folders = [Path("/data/my home/p"), Path("/opt/x"), Path("/opt/y"), Path("/scratch/z")]
    assert preflight.unshared(folders) == [("/opt/x", "ext4"), ("/scratch/z", "xfs")]
    monkeypatch.setattr(preflight, "MOUNTS", tmp_path / "none")
    assert preflight.unshared(folders) == []
