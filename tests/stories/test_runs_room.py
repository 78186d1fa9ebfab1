"""The Runs room: I see active runs, their curves and logs, and can stop them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends.jobs.place import JOBS
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.project.project import Project
from smoltui.backends.runs import store as run_store
from smoltui.backends.services import Services
from smoltui.core.runs.run import Run
from smoltui.errors import NotLoggedInError, SmoltuiError, UnreachableError
from smoltui.screens.runs.run_list import RunList
from tests.backends.local.test_engine import SCRIPT, ended, spec
from tests.conftest import seen

Wait = Callable[..., Awaitable[None]]


@pytest.fixture
def engine() -> LocalEngine:
    return LocalEngine(SCRIPT)


@pytest.fixture
def app(engine: LocalEngine, tmp_path: Path) -> SmoltuiApp:
    return SmoltuiApp(Project(tmp_path), Services({"local": engine}), opening="runs")


async def test_i_watch_a_run_learn(
    app: SmoltuiApp, engine: LocalEngine, tmp_path: Path, wait_until: Wait, loop_guard: list[str]
) -> None:
    """I open the room during a run: its steps and margin grow, and at the end I see the result."""
    await engine.submit(spec(tmp_path, f"steps: 12\npause: 0.05\nuntil: {tmp_path / 'seen'}", name="demo"))
    async with app.run_test(size=(120, 40)):
        await wait_until(lambda: "RUNNING" in seen(app, "RunList"))
        await wait_until(lambda: "/12 steps" in seen(app, "#run-head"))
        (tmp_path / "seen").touch()
        await wait_until(lambda: "reward margin 1.200" in seen(app, "#chart-1"))
        await wait_until(lambda: "COMPLETED" in seen(app, "RunList"))
        await wait_until(lambda: "100 % of the weights changed" in seen(app, "#run-head"))
        assert "loss 0.580" in seen(app, "#chart-0")


@pytest.mark.slow
async def test_i_read_its_log(app: SmoltuiApp, engine: LocalEngine, tmp_path: Path, wait_until: Wait) -> None:
    """I read its output with l; colors of a library are colors, not codes."""
    await ended(engine, await engine.submit(spec(tmp_path)))
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "COMPLETED" in seen(app, "RunList"))
        await pilot.press("V", "l")
        await wait_until(lambda: "a warning of a library" in seen(app, "LogView"))
        await wait_until(lambda: "step 3/3  loss 0.670" in seen(app, "LogView"))


async def test_lines_that_came_while_i_read_the_log_are_below_the_curves(
    app: SmoltuiApp, engine: LocalEngine, tmp_path: Path, wait_until: Wait
) -> None:
    """The end of the log below the curves is the newest one after I come back from the log."""
    run = await engine.submit(spec(tmp_path, f"steps: 4\nuntil: {tmp_path / 'seen'}\nend: hang"))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "a warning of a library" in seen(app, "LogTail"))
        await pilot.press("V", "l")
        (tmp_path / "seen").touch()
        await wait_until(lambda: "step 4/4" in seen(app, "LogView"))
        await pilot.press("V", "c")
        await wait_until(lambda: "step 4/4" in seen(app, "LogTail"), 5)
    await engine.cancel(run.id)


async def test_a_long_log_follows_until_i_scroll_up(
    app: SmoltuiApp, engine: LocalEngine, tmp_path: Path, wait_until: Wait
) -> None:
    """The end stays in view. When I scroll up, the view stays there, and G returns to the end."""
    from smoltui.screens.runs.log_view import LogView

    await engine.submit(spec(tmp_path, "steps: 60\npause: 0.03\nend: hang"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("V", "l")
        late = [f"step {step}/60" for step in range(30, 61)]  # a busy machine shows none of them for long
        await wait_until(lambda: any(step in seen(app, "LogView") for step in late))
        await pilot.press("g", "g")
        await wait_until(lambda: "library" in seen(app, "LogView"))
        view = app.screen.query_one(LogView)
        assert not view.follow
        await wait_until(lambda: view.line_count > 62)
        assert "step 60/60" not in seen(app, "LogView")
        await pilot.press("G")
        await wait_until(lambda: "step 60/60" in seen(app, "LogView"))
        assert view.follow
        await pilot.press("k")
        await wait_until(lambda: "step 60/60" not in seen(app, "LogView"))
        for run in await engine.list_runs():
            await engine.cancel(run.id)


async def test_i_cancel_a_run(app: SmoltuiApp, engine: LocalEngine, tmp_path: Path, wait_until: Wait) -> None:
    """I change my mind: c asks, n keeps the run, y stops it, and the row says CANCELED."""
    run = await engine.submit(spec(tmp_path, "steps: 1\nend: hang"))
    async with app.run_test(size=(100, 30)) as pilot:
        await wait_until(lambda: "1/1 steps" in seen(app, "#run-head"))
        await pilot.press("X", "n")
        assert not (await engine.get(run.id)).is_final
        await pilot.press("X")
        await wait_until(lambda: "Cancel the run try" in seen(app))
        await pilot.press("y")
        await wait_until(lambda: "CANCELED" in seen(app, "RunList"))


async def test_a_failed_run_tells_why_and_what_to_do(
    app: SmoltuiApp, engine: LocalEngine, tmp_path: Path, wait_until: Wait
) -> None:
    await ended(engine, await engine.submit(spec(tmp_path, "steps: 2\nend: fail")))
    async with app.run_test(size=(120, 30)):
        await wait_until(lambda: "ERROR" in seen(app, "RunList"))
        await wait_until(lambda: "Not enough memory on this machine" in seen(app, "#run-head"))
        await wait_until(lambda: "Halve the batch size" in seen(app, "#run-head"))


async def test_a_diverged_loss_is_a_word(
    app: SmoltuiApp, engine: LocalEngine, tmp_path: Path, wait_until: Wait
) -> None:
    await ended(engine, await engine.submit(spec(tmp_path, "steps: 5\nend: nan")))
    async with app.run_test(size=(120, 30)):
        await wait_until(lambda: "loss NaN" in seen(app, "#chart-0"))


async def test_i_inspect_everything_known(
    app: SmoltuiApp, engine: LocalEngine, tmp_path: Path, wait_until: Wait
) -> None:
    run = await ended(engine, await engine.submit(spec(tmp_path)))
    async with app.run_test(size=(120, 50)) as pilot:
        await wait_until(lambda: "COMPLETED" in seen(app, "RunList"))
        await pilot.press("V", "i")
        await wait_until(lambda: f"id  {run.id}" in seen(app, "JsonTree"))
        assert " UTC (" in seen(app, "JsonTree") and "s ago)" in seen(app, "JsonTree")
        await pilot.press("end")
        await wait_until(lambda: "without a value" in seen(app, "JsonTree"))
        await pilot.press("z")
        await wait_until(lambda: f'"id": "{run.id}"' in seen(app, "#inspect-scroll"))
        assert '"max_steps": 3' in seen(app, "#inspect-scroll")


async def test_the_cursor_stays_on_its_run_when_another_starts(
    app: SmoltuiApp, engine: LocalEngine, tmp_path: Path, wait_until: Wait
) -> None:
    """I read one run while others are added above it: the cursor stays on it."""
    from smoltui.screens.runs.run_list import RunList

    first = await ended(engine, await engine.submit(spec(tmp_path, name="first")))
    async with app.run_test(size=(120, 30)):
        await wait_until(lambda: "first" in seen(app, "RunList"))
        await engine.submit(spec(tmp_path, name="second", label="l2", output_dir=str(tmp_path / "b")))
        app.workspace.look_at_runs()
        await wait_until(lambda: "second" in seen(app, "RunList"))
        highlighted = app.screen.query_one(RunList).highlighted
        assert highlighted is not None and highlighted.id == first.id


class NoJobs(LocalEngine):
    """An engine that is not available."""

    place = JOBS

    async def list_runs(self) -> list[Run]:
        raise NotLoggedInError("No token on this machine", "Log in: hf auth login")


async def test_local_runs_work_without_an_account(engine: LocalEngine, tmp_path: Path, wait_until: Wait) -> None:
    """No account: my local run is listed, and one line says how to see Jobs as well."""
    await ended(engine, await engine.submit(spec(tmp_path, name="mine")))
    app = SmoltuiApp(Project(tmp_path), Services({"local": engine, "hub": NoJobs()}), opening="runs")
    async with app.run_test(size=(100, 30)):
        await wait_until(lambda: "hf auth login" in seen(app, "#engine-note"))
        assert "mine" in seen(app, "RunList")


class HalfListed(LocalEngine):
    """An engine that could not ask for the runs of one owner."""

    place = JOBS

    def __init__(self) -> None:
        super().__init__(SCRIPT)
        self.missing: dict[str, SmoltuiError] = {"ada": UnreachableError("The Hub had an error", "Try again.")}

    async def list_runs(self) -> list[Run]:
        return []

    @property
    def problems(self) -> dict[str, SmoltuiError]:
        return self.missing


async def test_what_could_not_be_listed_is_said(tmp_path: Path, wait_until: Wait) -> None:
    """The Hub fails for one namespace: nobody says that there are no runs, until it answers."""
    hub = HalfListed()
    app = SmoltuiApp(Project(tmp_path), Services({"hub": hub}), opening="runs")
    async with app.run_test(size=(100, 30)) as pilot:
        await wait_until(lambda: "Jobs of ada: The Hub had an error → Try again." in seen(app, "#engine-note"))
        assert "No runs are known: not everything could be listed" in seen(app, "RunList")
        hub.missing = {}
        await pilot.press("r")
        await wait_until(lambda: "No runs yet. Press t to start one." in seen(app, "RunList"))
        assert "ada" not in seen(app, "#engine-note")


class SilentHub(LocalEngine):
    """An engine whose service never answers."""

    place = JOBS

    async def list_runs(self) -> list[Run]:
        await asyncio.sleep(600)
        return []


async def test_a_hub_that_never_answers_does_not_hold_up_local_runs(
    engine: LocalEngine, tmp_path: Path, wait_until: Wait
) -> None:
    """The network drops everything: my local run is still updated, and q quits at once."""
    await engine.submit(spec(tmp_path, f"steps: 30\nuntil: {tmp_path / 'seen'}"))
    app = SmoltuiApp(Project(tmp_path), Services({"hub": SilentHub(), "local": engine}), opening="runs")
    async with app.run_test(size=(100, 30)) as pilot:
        await wait_until(lambda: "RUNNING" in seen(app, "RunList"))
        (tmp_path / "seen").touch()
        await wait_until(lambda: "COMPLETED" in seen(app, "RunList"))
        async with asyncio.timeout(60):
            await pilot.press("q")


@pytest.mark.parametrize("size", [(40, 12), (20, 5), (3, 2), (1, 1), (200, 60)])
async def test_any_terminal_shape_works(
    size: tuple[int, int], app: SmoltuiApp, engine: LocalEngine, tmp_path: Path
) -> None:
    await ended(engine, await engine.submit(spec(tmp_path)))
    async with app.run_test(size=size) as pilot:
        for key in ("j", "l", "i", "v", "enter", "escape"):
            await pilot.press(key)
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "Runs" in seen(app)


async def test_an_empty_room_says_how_to_begin(app: SmoltuiApp, wait_until: Wait) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "No runs yet. Press t to start one." in seen(app))
        await pilot.press("X", "a", "l", "h", "v", "j", "k")
        assert "No runs yet" in seen(app)


class Slow(LocalEngine):
    """Takes until it is released to list its runs."""

    def __init__(self) -> None:
        super().__init__(SCRIPT)
        self.done = asyncio.Event()

    async def list_runs(self) -> list[Run]:
        await self.done.wait()
        return await super().list_runs()


async def test_nobody_says_that_there_are_no_runs_before_they_were_read(tmp_path: Path, wait_until: Wait) -> None:
    """Loading my runs takes a while: the room says so first, and only then that there are none."""
    slow = Slow()
    app = SmoltuiApp(Project(tmp_path), Services({"local": slow}), opening="runs")
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "Loading runs…" in seen(app, "RunList"))
        await pilot.press("j", "X", "l", "v")
        assert "No runs yet" not in seen(app)
        slow.done.set()
        await wait_until(lambda: "No runs yet. Press t to start one." in seen(app, "RunList"))


async def test_a_run_that_cannot_be_read_is_one_row(
    app: SmoltuiApp, engine: LocalEngine, tmp_path: Path, wait_until: Wait
) -> None:
    """One run has a broken record: its row says so, keys on it show a sentence, and the other run is listed."""
    good = await ended(engine, await engine.submit(spec(tmp_path, name="good")))
    bad = run_store.runs_folder() / "ffffffff"
    bad.mkdir()
    (bad / "spec.json").write_text('{"name": null, "recipe": 7, "labels": [1]}')
    async with app.run_test(size=(280, 30)) as pilot:
        await wait_until(lambda: "COMPLETED" in seen(app, "RunList") and "ffffffff" in seen(app, "RunList"))
        assert f"The record of this run cannot be read: {bad}" in seen(app, "RunList")
        app.screen.query_one(RunList).select("ffffffff")
        await wait_until(lambda: "spec.json is invalid: name" in seen(app, "#run-head"))
        await pilot.press("V", "l")
        await wait_until(lambda: "smoltui: The record of this run cannot be read" in seen(app, "LogView"))
        for key in ("X", "x", "a", "v", "z", "!"):
            await pilot.press(key)
        await pilot.press("x")
        await wait_until(lambda: any("cannot be read" in note.message for note in app._notifications))
        assert good.name in seen(app, "RunList")


async def test_leaving_does_not_stop_the_run(
    app: SmoltuiApp, engine: LocalEngine, tmp_path: Path, wait_until: Wait
) -> None:
    """I quit during a run and come back: it has continued, and its curve has no gap."""
    run = await engine.submit(spec(tmp_path, f"steps: 20\npause: 0.03\nuntil: {tmp_path / 'left'}"))
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "RUNNING" in seen(app, "RunList"))
        await pilot.press("q")
    (tmp_path / "left").touch()
    await ended(engine, run)
    again = SmoltuiApp(Project(tmp_path), Services({"local": LocalEngine(SCRIPT)}), opening="runs")
    async with again.run_test(size=(120, 40)):
        await wait_until(lambda: "COMPLETED" in seen(again, "RunList"))
        steps = list(range(1, 21))
        await wait_until(lambda: [row["step"] for row in again.runs[run.id].history.rows()] == steps)


async def test_help_lists_the_keys_and_closes(app: SmoltuiApp, wait_until: Wait) -> None:
    """? lists every key of the room, and escape, q or ? again closes the list."""
    async with app.run_test(size=(80, 24)) as pilot:
        for close in ("escape", "q", "question_mark"):
            await pilot.press("question_mark")
            await wait_until(lambda: "Keys in Runs" in seen(app) and "Next curve" in seen(app, "#help"))
            await pilot.press(close)
            await wait_until(lambda: "Keys in Runs" not in seen(app))
