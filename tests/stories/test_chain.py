"""Training with follow-up answers: I start both at once, close the app, and find the answers generated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.project.new_project import create_project
from smoltui.backends.project.project import Project
from smoltui.backends.runs import chains, monitor
from smoltui.backends.services import Services
from smoltui.core.runs.chain import Chain, Step
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import RunFailedError
from smoltui.screens import start_dialog
from tests.backends.local.test_checkpoints import SCRIPT as PAUSING
from tests.conftest import seen
from tests.stories.test_runs_list import spec
from tests.toy_engine import ToyEngine

Wait = Callable[..., Awaitable[None]]


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "RULES_SECONDS", 0.1)


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Records the steps that were done, instead of asking models."""
    steps: list[tuple[str, str]] = []

    async def do(step: Step, chain: Chain) -> None:
        await asyncio.sleep(0.3)
        steps.append((step.name, chain.run_id))

    monkeypatch.setattr(chains, "do", do)
    return steps


def begin(run: Run) -> Chain:
    """Both models are asked once the run is COMPLETED."""
    chain = Chain(run.id, run.project or "", (Step("ask"),))
    chains.save(chain)
    return chain


def app_on(folder: Path, engine: ToyEngine) -> SmoltuiApp:
    return SmoltuiApp(Project(folder), Services({"toy": engine}), opening="runs")


async def test_train_then_ask(tmp_path: Path, wait_until: Wait, done: list[tuple[str, str]]) -> None:
    """The row names the follow-up step, which is a row of its own when expanded, and runs once the run is COMPLETED."""
    engine = ToyEngine()
    run = await engine.submit(spec(tmp_path, f"steps: 5\nuntil: {tmp_path / 'seen'}\n"))
    begin(run)
    app = app_on(tmp_path, engine)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "→ ask waits" in seen(app, "RunList"))
        await pilot.press("o")
        await wait_until(lambda: "└ ask" in seen(app, "RunList") and "SCHEDULING" in seen(app, "RunList"))
        (tmp_path / "seen").touch()
        await wait_until(lambda: "toy run → ask: done" in seen(app))
        await wait_until(lambda: seen(app, "RunList").count("COMPLETED") == 2)
        await pilot.press("down", "X")  # a step is not a run: nothing to cancel
        await pilot.pause(0.5)
    assert done == [("ask", run.id)]
    assert chains.read_all()[run.id].steps[0].stage == Stage.COMPLETED


async def test_it_goes_on_when_the_app_is_opened_again(
    tmp_path: Path, wait_until: Wait, done: list[tuple[str, str]]
) -> None:
    """The app was killed while asking: the next one asks again, unless another app is already doing so."""
    engine = ToyEngine()
    run = await engine.submit(spec(tmp_path))
    chains.save(begin(run).with_step(0, stage=Stage.RUNNING, started_at=1.0))
    async with chains.claimed(run.id) as mine:
        assert mine
        app = app_on(tmp_path, engine)
        async with app.run_test(size=(120, 40)) as pilot:
            await wait_until(lambda: "COMPLETED" in seen(app, "RunList"))
            await pilot.pause(0.5)
            assert done == []
    async with app_on(tmp_path, engine).run_test(size=(120, 40)):
        await wait_until(lambda: done == [("ask", run.id)])


async def test_nothing_follows_a_run_that_failed(tmp_path: Path, wait_until: Wait, done: list[tuple[str, str]]) -> None:
    engine = ToyEngine()
    run = await engine.submit(spec(tmp_path, "steps: 1\nend: hang\n"))
    begin(run)
    await engine.cancel(run.id)
    app = app_on(tmp_path, engine)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "→ ask canceled" in seen(app, "RunList"))
        await pilot.press("o")
        await wait_until(lambda: "the training ended" in seen(app, "RunList"))
    assert done == []


async def test_a_pause_is_no_end(tmp_path: Path, wait_until: Wait, done: list[tuple[str, str]]) -> None:
    """I pause and resume with x: the view keeps following, with a single curve, and then the follow-up step runs."""
    engine = LocalEngine(PAUSING)
    run = await engine.submit(spec(tmp_path, "steps: 40\nhold_at: 20\n"))
    begin(run)
    app = SmoltuiApp(Project(tmp_path), Services({"local": engine}), opening="runs")
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "20/40 steps" in seen(app, "#run-head"))
        await pilot.press("x", "y")
        await wait_until(lambda: "Paused at step" in seen(app, "#run-head"))
        await wait_until(lambda: "The checkpoint of step 20 survives" in seen(app, "#run-head"))
        assert "→ ask waits" in seen(app, "RunList")
        paused = await engine.get(run.id)
        await pilot.press("x")
        await wait_until(lambda: "40 steps in" in seen(app, "#run-head"))
        await wait_until(lambda: "loss 0.300" in seen(app, "#chart-0"))
        await wait_until(lambda: done == [("ask", run.id)])
        assert (app.runs[run.id].duration(0.0) or 0) > (paused.duration(0.0) or 0)


class OutOfDate(LocalEngine):
    """Lists its runs as they were, if `listed` is not None."""

    listed: list[Run] | None = None

    async def list_runs(self) -> list[Run]:
        return await super().list_runs() if self.listed is None else self.listed


async def test_resumed_in_a_shell_and_over_before_the_list_is_read(tmp_path: Path, wait_until: Wait) -> None:
    """The view doesn't stay with the curve up to the pause."""
    engine = OutOfDate(PAUSING)
    run = await engine.submit(spec(tmp_path, "steps: 40\nhold_at: 20\n"))
    app = SmoltuiApp(Project(tmp_path), Services({"local": engine}), opening="runs")
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "20/40 steps" in seen(app, "#run-head"))
        await pilot.press("x", "y")
        await wait_until(lambda: "Paused at step" in seen(app, "#run-head"))
        engine.listed = await LocalEngine.list_runs(engine)
        await engine.resume(run.id)
        while (await engine.get(run.id)).stage != Stage.COMPLETED:
            await asyncio.sleep(0.05)
        engine.listed = None
        await wait_until(lambda: "40 steps in" in seen(app, "#run-head"))


async def test_a_step_is_the_command_one_would_type(own_machine: Path) -> None:
    """Without a model there is nothing to ask, and the command says so."""
    project = create_project(own_machine / "demo", "demo")
    with pytest.raises(RunFailedError, match=r"it is not on this machine.*: nobody"):
        await chains.do(Step("ask"), Chain("nobody", str(project.folder), (Step("ask"),)))


async def test_i_ask_for_both_in_the_start_dialog(own_machine: Path, wait_until: Wait) -> None:
    """n in the start dialog: the follow-up step is saved with the run."""
    from smoltui.backends.local.engine import LocalEngine
    from tests.backends.local.test_engine import SCRIPT

    project = create_project(own_machine / "demo", "demo")
    app = SmoltuiApp(project, Services({"local": LocalEngine(SCRIPT)}), opening="runs")
    async with app.run_test(size=(100, 40), notifications=True) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "48 steps" in seen(app, "#start-text"))
        assert "after   nothing" in seen(app, "#start-text")
        await pilot.press("n")
        await wait_until(lambda: "after   compare both models" in seen(app, "#start-text"))
        await pilot.press("enter")
        await wait_until(lambda: len(chains.read_all()) == 1)
        ((run_id, chain),) = chains.read_all().items()
        assert run_id in app.runs and chain.steps[0].name == "ask"


async def test_i_choose_how_far_it_follows(
    own_machine: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """n again: measure too, then benchmark, if lm_eval is installed; the steps are stored in this order."""
    from tests.backends.local.test_engine import SCRIPT

    monkeypatch.setattr(start_dialog, "lm_eval_version", lambda: installed)
    project = create_project(own_machine / "demo", "demo")
    app = SmoltuiApp(project, Services({"local": LocalEngine(SCRIPT)}), opening="runs")
    async with app.run_test(size=(100, 40), notifications=True) as pilot:
        installed: str | None = None
        await pilot.press("t")
        await wait_until(lambda: "48 steps" in seen(app, "#start-text"))
        await pilot.press("n", "n")
        await wait_until(lambda: "after   compare both models, then measure" in seen(app, "#start-text"))
        await pilot.press("n")
        await wait_until(lambda: "after   nothing" in seen(app, "#start-text"))
        installed = "0.4.13"
        await pilot.press("n", "n", "n")
        await wait_until(lambda: "after   compare, measure, then benchmark" in seen(app, "#start-text"))
        await pilot.press("enter")
        await wait_until(lambda: len(chains.read_all()) == 1)
        ((_, chain),) = chains.read_all().items()
        assert [step.name for step in chain.steps] == ["ask", "measure", "benchmark"]
