"""The real trainer on two nodes of a real Slurm: a pause changes no loss and no weight."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from smoltui.backends.project.new_project import create_project
from smoltui.backends.slurm.engine import SlurmEngine
from smoltui.core.runs.run import Run, RunSpec, Stage
from tests.marks import needs_training
from tests.slurm.cluster import NEEDS_SLURM, Cluster

pytestmark = [
    *NEEDS_SLURM,
    pytest.mark.skipif(not os.environ.get("SMOLTUI_SLURM_TRAINING"), reason="SMOLTUI_SLURM_TRAINING=1 trains on Slurm"),
]
SECONDS = 400


@needs_training
async def test_a_pause_on_two_nodes(slurm: Cluster, own_machine: Path) -> None:
    """One run is paused and resumed, the other is not: losses, margins, gradient norms and models are equal."""
    project = create_project(own_machine / "demo", "demo")
    recipe = (project.folder / "recipe.yaml").read_text().replace("num_train_epochs: 1", "max_steps: 6")
    engine = SlurmEngine(poll_seconds=0.5, log_seconds=0.1)

    async def started(name: str) -> Run:
        options = {"gpus": "0", "nodes": "2", "cpus": "1", "mem": '"1G"'}
        out = str(project.folder / name)
        return await engine.submit(RunSpec(name, str(project.folder), recipe, out, f"real-{name}", options=options))

    async def until(run: Run, enough: Callable[[Run], bool]) -> Run:
        deadline = time.monotonic() + SECONDS
        while not enough(now := next(one for one in await engine.list_runs() if one.id == run.id)):
            assert time.monotonic() < deadline and (now.stage != Stage.ERROR), f"{now.stage}: {now.message}"
            await asyncio.sleep(0.1)
        return now

    whole, cut = await started("whole"), await started("cut")
    await until(cut, lambda now: now.step >= 1)
    await engine.pause(cut.id)
    paused = await until(cut, lambda now: now.is_final)
    assert paused.resumable and paused.step < 6, paused.message
    await engine.resume(cut.id)
    ends = [await until(run, lambda now: now.stage == Stage.COMPLETED) for run in (whole, cut)]
    for name in ("loss", "rewards/margins", "grad_norm"):
        first, second = (end.history.series[name] for end in ends)
        assert len(first) >= 6 and first == second, name
    models = [(project.folder / name / "model.safetensors").read_bytes() for name in ("whole", "cut")]
    assert models[0] == models[1]
