"""Children of a run whose engine has its GPUs elsewhere."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from smoltui.backends.runs.elsewhere import around_of, child_command, work_folder
from smoltui.backends.runs.engine import Engine
from smoltui.backends.slurm.engine import SlurmEngine
from smoltui.backends.system import data_folder
from smoltui.core.runs.run import Run, RunSpec, Stage


def test_a_child_is_started_here_or_elsewhere(own_machine: Path) -> None:
    """Elsewhere it has no leash, and its request is in a folder that all nodes see."""
    assert child_command(["s.py"], ["srun", "python"]) == ["srun", "python", "-P", "-u", "s.py"]
    assert child_command(["s.py"])[0] == sys.executable and child_command(["s.py"])[-1] == "s.py"
    with work_folder(["srun"]) as shared, work_folder([]) as own:
        assert Path(shared).is_relative_to(data_folder.home()) and not Path(own).is_relative_to(data_folder.home())


def test_a_step_of_a_slurm_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One node with one GPU of the run's, whatever the shell has set; on that node itself it is simply done."""
    monkeypatch.setenv("SBATCH_PARTITION", "x")
    monkeypatch.setenv("SLURM_TIMELIMIT", "1")
    monkeypatch.setenv("HF_TOKEN", "x")
    options = {"gpus": "4", "nodes": "2", "strategy": '"fsdp"', "partition": '"gpu"', "offline": "true"}
    spec = RunSpec("n", str(tmp_path), "beta: 0.1\n", str(tmp_path / "out"), "label", options=options)
    raw = {"spec": {name: getattr(spec, name) for name in RunSpec.__dataclass_fields__}}
    run = Run(id="r", engine="slurm", name="n", stage=Stage.COMPLETED, raw=raw)
    engines: dict[str, Engine] = {"slurm": SlurmEngine()}
    around = around_of(engines, run, "ask")
    start = around.index("srun")
    removed = {around[place + 1] for place in range(start) if around[place] == "-u"}
    assert {"SBATCH_PARTITION", "SLURM_TIMELIMIT", "HF_TOKEN"} <= removed and "SLURM_CONF" not in removed
    assert {"--nodes=1", "--gres=gpu:1", "--partition=gpu"} <= set(around) and "HF_HUB_OFFLINE=1" in around
    assert around[-1] == sys.executable and around_of(engines, run, "push") == ()
    assert around_of(engines, replace(run, engine="local"), "ask") == around_of(engines, None, "ask") == ()
    monkeypatch.setenv("SLURM_STEP_ID", "0")
    assert around_of(engines, run, "ask") == ()
