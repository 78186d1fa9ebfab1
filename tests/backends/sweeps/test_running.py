"""A sweep of simulated runs: by command, killed in the middle, and continued."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.project.new_project import create_project
from smoltui.backends.project.project import Project
from smoltui.backends.runs import preflight
from smoltui.backends.services import Services
from smoltui.backends.sweeps import running, store
from smoltui.cli import sweep as sweep_module
from smoltui.cli.main import run
from smoltui.core.runs.run import Run, Stage
from smoltui.core.sweeps.sweep import Point, Sweep
from tests.conftest import seen

TRAINING = """
import json, re, sys, time
from pathlib import Path
text = Path(sys.argv[sys.argv.index("--config") + 1]).read_text()
out = Path(sys.argv[sys.argv.index("--output-dir") + 1])
beta = float(re.search(r"(?m)^beta: *([0-9.e-]+)", text)[1])
def emit(event, **more):
    print(json.dumps({"event": event, "v": 1, "at": time.time(), **more}), flush=True)
emit("plan", max_steps=2, epochs=1.0, train_pairs=8, held_out_pairs=4, device="cpu", dtype="float32", parameters=1,
     trainable=1, beta=beta, output_dir=str(out))
emit("metrics", step=1, values={"loss": 0.6, "rewards/accuracies": 0.5})
if beta == 0.4 and not Path("fixed").exists():
    raise SystemExit("no luck")
emit("metrics", step=2, values={"eval_rewards/accuracies": 1 - abs(beta - 0.2), "eval_rewards/margins": beta})
out.mkdir(parents=True, exist_ok=True)
(out / "config.json").write_text("{}")
emit("saved", path=str(out))
emit("finished", step=2, max_steps=2, seconds=1.0)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "training.py"
    path.write_text(TRAINING.replace('Path("fixed")', f"Path({str(tmp_path / 'fixed')!r})"))
    return path


@pytest.fixture
def project(tmp_path: Path, script: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    services = Services({"local": LocalEngine(script)})
    monkeypatch.setattr(sweep_module, "default_services", lambda: services)

    async def no_checks(*_: object) -> list[object]:
        """The training is simulated, and needs no packages."""
        return []

    monkeypatch.setattr(preflight, "check_plan", no_checks)
    return create_project(tmp_path / "mine", "demo")


def table(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


async def test_follow_up_steps_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that waits for the runs does their steps, too: on Slurm and for Jobs nobody else does."""
    done: list[str] = []

    async def carried_out(ended: Run, as_json: bool) -> None:
        done.append(ended.id)

    class Ended(LocalEngine):
        async def get(self, run_id: str) -> Run:
            return Run(id=run_id, engine="slurm", name=run_id, stage=Stage.COMPLETED)

    monkeypatch.setattr(sweep_module, "carried_out", carried_out)
    points = tuple(Point({"beta": beta}, f"label-{beta}", f"run-{beta}") for beta in (0.1, 0.2))
    await sweep_module._wait(Ended(), Sweep("s", "/p", "slurm", 1.0, points), as_json=True)
    assert done == ["run-0.1", "run-0.2"]


def test_compared_and_continued(project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three runs, one of which fails: the best is first, and only the failed one is run again."""
    folder = str(project.folder)
    assert run(["sweep", folder, "--set", "beta=0.1,0.2,0.4", "--json"]) == 1
    first = table(capsys)
    assert [row["values"]["beta"] for row in first["rows"]] == [0.2, 0.1, 0.4]
    assert [row["stage"] for row in first["rows"]] == ["COMPLETED", "COMPLETED", "ERROR"]
    assert first["rows"][0]["accuracy"] == 1.0 and first["rows"][0]["held_out"]
    outputs = sorted(path.parent.name for path in project.folder.glob(f"aligned-sweep-{first['sweep']}/*/config.json"))
    assert outputs == ["beta-0.1", "beta-0.2"]
    (tmp_path / "fixed").touch()
    assert run(["sweep", folder, "--continue", "--json"]) == 0
    second = table(capsys)
    kept = {row["run"] for row in first["rows"][:2]}
    assert second["sweep"] == first["sweep"] and kept < {row["run"] for row in second["rows"]}
    assert run(["sweep", folder]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[1].startswith("beta 0.2") and "3 of 3 runs completed" in said
    assert run(["sweep", folder, "--set", "beta=0,1"]) == 2
    assert "beta cannot be 0" in capsys.readouterr().err


@pytest.mark.slow
async def test_killed_between_two_starts(project: Project, script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """kill -9 after the second of six starts: continuing starts the other four, and none twice."""
    code = f"""
import asyncio, os, signal
from pathlib import Path
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.project.project import Project
from smoltui.backends.runs import preflight
from smoltui.backends.sweeps import running
async def no_checks(*_): return []
preflight.check_plan = no_checks
async def main():
    project, engine = Project(Path({str(project.folder)!r})), LocalEngine(Path({str(script)!r}))
    sweep = running.new_sweep(project, engine, {{"beta": [0.1, 0.2], "seed": [1, 2, 3]}})
    submit, count = engine.submit, 0
    async def until_killed(spec):
        nonlocal count
        count += 1
        run = await submit(spec)
        if count == 2:
            os.kill(os.getpid(), signal.SIGKILL)  # it was started, and nobody has noted that
        return run
    engine.submit = until_killed
    async for _ in running.start(engine, sweep, await running.plans(project, engine, sweep)):
        pass
asyncio.run(main())
"""
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], env=dict(os.environ), capture_output=True, text=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    engine = LocalEngine(script)
    sweep = store.newest(project.folder)
    assert [bool(point.run_id) for point in sweep.points] == [True, False, False, False, False, False]
    sweep, runs = await running.runs_of(engine, sweep)
    assert len(runs) == 2
    async for now, _ in running.start(engine, sweep, await running.plans(project, engine, sweep)):
        sweep = now
    assert len({point.run_id for point in sweep.points}) == 6
    assert len(await engine.list_runs()) == 6
    for point in sweep.points:
        await engine.cancel(point.run_id)


@pytest.mark.slow
async def test_by_keyboard(
    project: Project, tmp_path: Path, script: Path, wait_until: Callable[..., Awaitable[None]]
) -> None:
    """* in Recipe: six runs from two keys; the table shows the best first, and t starts again what failed."""
    engine = LocalEngine(script)
    app = SmoltuiApp(project, Services({"local": engine}), opening="recipe")
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "Beta" in seen(app, "#fields"))
        await pilot.press("asterisk")
        await wait_until(lambda: "sweep, such as" in seen(app))
        await pilot.press(*"beta=0.1,0.2,0.4 seed=1,2", "enter")
        await wait_until(lambda: "Start 6 local runs" in seen(app) and "beta 0.1 · seed 1" in seen(app))
        await pilot.press("y")
        await wait_until(lambda: "4 of 6 runs completed" in seen(app) and seen(app).count("error") == 2)
        assert "the accuracies of the best 4 differ by no more than chance" in seen(app)
        (tmp_path / "fixed").touch()
        await pilot.press("t")
        await wait_until(lambda: "Start 2 local runs" in seen(app))
        await pilot.press("y")
        await wait_until(lambda: "6 of 6 runs completed" in seen(app))
        await pilot.press("escape", "asterisk")
        await wait_until(lambda: "show the newest one" in seen(app))
        await pilot.press("s")
        await wait_until(lambda: "6 of 6 runs completed" in seen(app))
        await pilot.press("enter")
        await wait_until(lambda: "beta-0.2_seed" in seen(app))
