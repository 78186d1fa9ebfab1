"""The same call for every engine, and a sentence where one cannot."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.runs import acts as run_acts
from smoltui.core.runs.run import Run, RunSpec
from smoltui.errors import InputError
from tests.paths import FAKE_TRAINING

SCRIPT = FAKE_TRAINING


class Toy:
    """An engine that can only what every engine must."""

    name = "slurm"

    async def get(self, run_id: str) -> Run:
        return Run(run_id, "slurm", "n", "RUNNING")


async def test_a_local_run_again(tmp_path: Path) -> None:
    """A second run with the recipe of the first, beside its model."""
    engine = LocalEngine(SCRIPT)
    spec = RunSpec("n", str(tmp_path), "steps: 1\n", str(tmp_path / "aligned"), "first")
    first = await engine.submit(spec)
    async for _ in engine.follow(first.id):
        pass
    second = await run_acts.rerun(engine, first.id)
    async for _ in engine.follow(second.id):
        pass
    ended = await engine.get(second.id)
    assert (second.id != first.id, ended.stage) == (True, "COMPLETED")
    assert ended.output_dir == str(tmp_path / "aligned-2")
    assert ended.raw["spec"]["recipe"] == "steps: 1\n" and ended.raw["spec"]["label"] not in ("first", "")


async def test_a_local_run_again_while_it_runs(tmp_path: Path) -> None:
    """Neither the folder it writes to nor one that holds a model is taken."""
    engine = LocalEngine(SCRIPT)
    (tmp_path / "out-2").mkdir()
    (tmp_path / "out-2" / "config.json").write_text("{}")
    spec = RunSpec("n", str(tmp_path), "steps: 1\nend: hang\n", str(tmp_path / "out"), "first")
    first = await engine.submit(spec)
    second = await run_acts.rerun(engine, first.id)
    try:
        assert second.output_dir == str(tmp_path / "out-3")
    finally:
        for run in (second, first):
            await engine.cancel(run.id)


async def test_what_an_engine_cannot() -> None:
    """A sentence that names it, and a next step; never a traceback."""
    toy: Any = Toy()
    for act in (
        run_acts.rerun(toy, "x"), run_acts.pause(toy, "x"), run_acts.resume(toy, "x"),
        run_acts.relabel(toy, "x", {"a": "b"}), anext(run_acts.stats(toy, "x")),
    ):  # fmt: skip
        with pytest.raises(InputError) as caught:
            await act
        assert caught.value.message and caught.value.hint
    with pytest.raises(InputError, match="HF Jobs cannot pause"):
        await run_acts.pause(SimpleNamespace(name="hub"), "x")  # type: ignore[arg-type]


async def test_what_an_engine_can() -> None:
    """Its own method does it."""

    async def done(*args: Any) -> Any:
        return args

    engine: Any = SimpleNamespace(name="any", rerun=done, pause=done, resume=done, labels=done)
    assert [await act(engine, "x") for act in (run_acts.rerun, run_acts.pause, run_acts.resume)] == [("x",)] * 3
    assert await run_acts.relabel(engine, "x", {"a": "b"}, ["c"]) == ("x", {"a": "b"}, ["c"])
