"""The list of runs: filtering, sorting, marking, watching; with an unknown engine."""

from __future__ import annotations

import asyncio
import math
import tomllib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from smoltui.app import SmoltuiApp
from smoltui.backends.jobs.place import JOBS
from smoltui.backends.project.project import Project
from smoltui.backends.runs import monitor
from smoltui.backends.services import Services
from smoltui.backends.system.ui_state import Remembered
from smoltui.core.runs import events
from smoltui.core.runs.cost import Flavor, cost_of
from smoltui.core.runs.metrics import METRICS
from smoltui.core.runs.parts import joined
from smoltui.core.runs.place import Place
from smoltui.core.runs.run import Run, RunSpec, Stage
from smoltui.core.runs.spending import day_start, spending
from smoltui.errors import RateLimitedError
from smoltui.screens.runs import columns
from smoltui.screens.runs.run_list import RunList, row
from tests.conftest import seen
from tests.toy_engine import ToyEngine

Wait = Callable[..., Awaitable[None]]


def spec(folder: Path, recipe: str = "steps: 3\n", name: str = "toy run") -> RunSpec:
    return RunSpec(name, str(folder), recipe, str(folder / "out"), f"label-{name}")


class Shelf(ToyEngine):
    """Lists the given runs; following one yields no events."""

    def __init__(self, runs: list[Run], place: Place = JOBS) -> None:
        super().__init__()
        self.place = place
        self._runs = {run.id: run for run in runs}
        self.cancelled: list[str] = []
        self.listed = 0

    async def hardware(self) -> list[Flavor]:
        return [Flavor("a100-large", "", "", None, "A100", 1, None, 0.04, 0.0)]

    async def list_runs(self) -> list[Run]:
        self.listed += 1
        return list(self._runs.values())

    async def follow(
        self, run_id: str, *, follow: bool = True, tail: int | None = None
    ) -> AsyncGenerator[events.Event, None]:
        yield events.StageChanged(stage=self._runs[run_id].stage)

    async def cancel(self, run_id: str) -> Run:
        self.cancelled.append(run_id)
        self._runs[run_id] = replace(self._runs[run_id], stage=Stage.CANCELED)
        return self._runs[run_id]


def job(number: int, **known: object) -> Run:
    values = {
        "id": f"job{number:04}",
        "engine": "hub",
        "name": f"run-{number:04}",
        "stage": Stage.COMPLETED,
        "created_at": 1e9 - number,
        "flavor": "a100-large",
        "labels": {"team": "ml" if number % 2 else "web"},
    } | known
    return Run(**values)  # type: ignore[arg-type]


def app_on(folder: Path, *engines: ToyEngine) -> SmoltuiApp:
    return SmoltuiApp(Project(folder), Services({engine.name: engine for engine in engines}), opening="runs")


async def test_an_engine_nobody_has_heard_of(tmp_path: Path, wait_until: Wait, loop_guard: list[str]) -> None:
    """Its run starts, trains, and is read, inspected and cancelled, without any change to the room."""
    engine = ToyEngine()
    await engine.submit(spec(tmp_path, "steps: 3\nend: hang\n"))
    app = app_on(tmp_path, engine)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "reward margin 0.300" in seen(app, "#chart-1"))
        assert "RUNNING" in seen(app, "RunList") and "3/3" in seen(app, "RunList")
        await pilot.press("V", "l")
        await wait_until(lambda: "a warning of a library" in seen(app, "LogView"))
        await pilot.press("V", "i")
        await wait_until(lambda: "engine  toy" in seen(app, "JsonTree"))
        await pilot.press("V", "u")
        await wait_until(lambda: "does not report processor and memory" in seen(app, "StatsPanel"))
        await pilot.press("X", "y")
        await wait_until(lambda: "CANCELED" in seen(app, "RunList"))


async def test_the_run_i_left_is_in_view_when_i_come_back(tmp_path: Path, wait_until: Wait) -> None:
    """The list comes when the room has one row for it; the cursor is on a row that is far below."""
    remembered = Remembered(tmp_path)
    remembered.project.put("runs.run", "job0019")
    services = Services({"hub": Shelf([job(number) for number in range(20)])})
    app = SmoltuiApp(Project(tmp_path), services, opening="runs", remembered=remembered)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "run-0019" in seen(app, "#run-head"))
        await wait_until(lambda: "run-0019" in seen(app, "RunList"))
        rows = app.query_one(RunList).size.height
        await pilot.resize_terminal(80, 18)
        await wait_until(lambda: app.query_one(RunList).size.height < rows)
        assert "run-0019" in seen(app, "RunList")


@pytest.mark.slow
async def test_i_find_a_run_among_a_thousand(tmp_path: Path, wait_until: Wait, loop_guard: list[str]) -> None:
    """I type part of it, move through the remaining runs, and show all of them again."""
    app = app_on(tmp_path, Shelf([job(number) for number in range(1000)]))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "run-0000" in seen(app, "RunList"))
        await pilot.press("G")
        await wait_until(lambda: "run-0999" in seen(app, "RunList") and "run-0000" not in seen(app, "RunList"))
        await pilot.press("slash", *"0123")
        await pilot.press("enter")
        await wait_until(lambda: "1 of 1,000 runs match “0123”" in seen(app, "#engine-note"))
        assert "run-0123" in seen(app, "RunList")
        await pilot.press("slash", *"stage:error", "enter")
        await wait_until(lambda: "No runs match “stage:error”" in seen(app, "RunList"))
        await pilot.press("slash", *"label:team=web", "enter")
        await wait_until(lambda: "500 of 1,000 runs" in seen(app, "#engine-note"))
        await pilot.press("escape")
        await wait_until(lambda: not app.screen.query_one("#engine-note").display)
        assert len(app.screen.query_one(RunList).runs) == 1000


async def test_i_sort_by_what_matters(tmp_path: Path, wait_until: Wait) -> None:
    """By name, and by margin with the largest first; a run without a margin comes last."""
    learnt = [job(1, name="b"), job(2, name="a"), job(3, name="c")]
    learnt[0] = learnt[0].after(events.Metrics(step=1, values={"rewards/margins": 0.5}))
    learnt[2] = learnt[2].after(events.Metrics(step=1, values={"rewards/margins": 1.5}))
    app = app_on(tmp_path, Shelf([replace(run, stage=Stage.COMPLETED) for run in learnt]))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "a100-large" in seen(app, "RunList"))
        names = lambda: [run.name for run in app.screen.query_one(RunList).runs]  # noqa: E731
        assert names() == ["b", "a", "c"]
        await pilot.press("s")
        assert names() == ["a", "b", "c"] and "sorted by name" in seen(app, "#engine-note")
        await pilot.press("S")
        assert names() == ["c", "b", "a"]
        await pilot.press(*"s" * (list(columns.SORTS).index("margin") - 1))
        assert names() == ["c", "b", "a"] and "sorted by margin" in seen(app, "#engine-note")


def shown(run: Run, width: int) -> str:
    return row(columns.Shown(run, 1e9, lambda run: columns.RowFacts("1.00 / 2.00", 1.0)), width).plain


def test_names_of_a_sweep_can_be_told_apart() -> None:
    """They begin alike and end with what differs."""
    names = [f"beta-0.5_learning_rate-{rate}" for rate in ("1e-4", "0.001")]
    assert [shown(job(1, name=name), 80)[1:15].rstrip() for name in names] == ["beta-0…e-1e-4", "beta-0…-0.001"]


def test_details_are_words_or_nothing() -> None:
    """In a terminal of 80 columns, labels have no room: no dot of them is shown below the costs."""
    run = job(1, name="b", labels={"smoltui-sweep": "abc"})
    assert "smoltui-sweep" in shown(run, 170) and "…" not in shown(run, 80)


def test_accuracy_is_a_share() -> None:
    """94 %, where the list has room for it; a run that has reported none has a dash."""
    run = job(1, name="b").after(events.Metrics(step=1, values={"rewards/accuracies": 0.9375}))
    assert " 94 %" in shown(run, 130) and "94 %" not in shown(run, 116)
    assert "–" in shown(job(2, name="c"), 130)


@pytest.mark.parametrize("width", [80, 130])
@pytest.mark.parametrize("name", ["日本語の実行名前とても長い名前です", "e\u0301tude", "a" * 300])
def test_rows_are_aligned_whatever_the_name(name: str, width: int) -> None:
    """Wide and combining characters take their cells."""
    long, short = (shown(job(1, name=one), width) for one in (name, "b"))
    assert cell_len(long) == cell_len(short) == width
    assert cell_len(long[: long.index("COMPLETED")]) == short.index("COMPLETED")


@pytest.mark.parametrize("width", [80, 100, 116, 130, 150, 170, 190])
def test_a_heading_is_above_its_column(width: int) -> None:
    """Each column is as wide as it says, so heading and text are in the same cells, whatever the run is called."""
    run = job(1, name="a very long name of a run", flavor="a-very-long-flavor", stage="SOMETHING NEW")
    head, line = columns.heading(width).plain, shown(run, width)
    assert len(head) == len(line) == width
    at = 1
    for column in columns.columns_in(width):
        cells = slice(at, at + column.cells(width))
        assert head[cells].strip() == column.heading
        text = column.text(columns.Shown(run, 1e9, lambda run: columns.RowFacts("1.00 / 2.00")))
        start, _, end = line[cells].strip().partition("…")
        assert start and text.startswith(start) and text.endswith(end)
        at += column.cells(width)
    assert {"loss", "margin", "cost"} <= {column.name for column in columns.columns_in(width)}
    assert head[at:].strip() == ("details" if width > 80 else "")


def test_a_new_column_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heading, rows and the width from which there is room come from the table."""
    new = columns.Column("team", "TEAM", 8, "the team", lambda at: at.run.labels["team"], shown_from=90)
    monkeypatch.setattr(columns, "COLUMNS", (*columns.COLUMNS, new))
    columns.columns_in.cache_clear()
    try:
        assert "TEAM" in columns.heading(90).plain and " ml " in shown(job(1), 90)
        assert "TEAM" not in columns.heading(89).plain
    finally:
        columns.columns_in.cache_clear()


@pytest.mark.parametrize(
    "name", [name for name in columns.SORTS if name not in ("name", "stage", "where", "project", "namespace")]
)
def test_what_is_unknown_is_last(name: str) -> None:
    """A run without a time, a metric or a price comes after those that have one, and so does NaN."""
    known = {"created_at": 1e9, "started_at": 1e9, "finished_at": 2e9}
    metrics = {metric.key: 0.5 for metric in METRICS}
    nan = dict.fromkeys(metrics, math.nan)
    one = job(1, **known).after(events.Metrics(step=1, values=metrics))
    none = job(2, created_at=None)
    runs = [none, one, job(3, **known).after(events.Metrics(step=1, values=nan))]
    facts = {"job0001": 1.0}
    found = columns.in_order(runs, name, 3e9, lambda run: columns.RowFacts(usd=facts.get(run.id)), descending=False)
    assert found[-1] is none if name in ("age", "took", "start") else found[0] is one


def test_the_order_has_a_sign() -> None:
    assert "loss▾" in columns.heading(80, "loss", descending=True).plain
    assert "margin▾" in columns.heading(80, "margin").plain, "the largest comes first"
    assert "age▴" in columns.heading(120, "age").plain and "name" in columns.heading(120, "age").plain


def test_usd_per_hour_now_and_today() -> None:
    """A Job that began yesterday counts from midnight; one without a price is named apart."""
    noon = day_start(1.7e9) + 12 * 3600
    runs = [
        job(1, stage=Stage.RUNNING, started_at=noon - 86_400),
        job(2, started_at=noon - 7200, finished_at=noon - 3600),
        job(3, started_at=noon - 90_000, finished_at=noon - 80_000),
        job(4, stage=Stage.RUNNING, started_at=noon, flavor="new"),
        job(5, flavor=None, started_at=noon - 60, finished_at=noon),
    ]
    known = {"a100-large": Flavor("a100-large", "", "", None, "A100", 1, None, 0.04, 0.0)}
    found = spending(runs, lambda engine, name: known.get(name or ""), noon)
    assert (round(found.per_hour, 6), round(found.today, 6), found.unpriced) == (2.4, 13 * 2.4, 1)


def test_usd_today_has_every_part_of_a_resumed_run() -> None:
    """What ran before it was resumed counts at its own price, from midnight on; also while the new part is queued."""
    noon = day_start(1.7e9) + 12 * 3600
    night = job(1, stage=Stage.ERROR, started_at=noon - 13 * 3600, finished_at=noon - 9 * 3600, flavor="l40sx1")
    morning = job(2, stage=Stage.ERROR, started_at=noon - 7200, finished_at=noon - 3600)
    queued = job(3, stage=Stage.SCHEDULING)
    running = replace(queued, stage=Stage.RUNNING, started_at=noon - 1800)
    yesterday = job(4, stage=Stage.ERROR, started_at=noon - 90_000, finished_at=noon - 80_000)
    per_hour = {"a100-large": 2.0, "l40sx1": 1.0}
    prices = {name: Flavor(name, "", "", None, "A", 1, None, usd / 60, 0.0) for name, usd in per_hour.items()}

    def flavor_of(engine: str, name: str | None) -> Flavor | None:
        return prices.get(name or "")

    for parts, usd in (
        ((morning, queued), 2.0),
        ((morning, running), 2.0 + 1.0),
        ((night, morning, running), 3.0 + 2.0 + 1.0),
        ((yesterday, queued), 0.0),
        ((yesterday, morning), 2.0),
    ):
        assert spending([joined(parts)], flavor_of, noon).today == pytest.approx(usd)
    whole = joined((morning, running))
    row = cost_of(whole, lambda name: prices.get(name or ""), noon)
    assert spending([whole], flavor_of, noon).today == pytest.approx(row), "as its row says"


async def test_i_mark_some_and_cancel_them(tmp_path: Path, wait_until: Wait) -> None:
    """Space marks and moves down; c says how many runs; the others are unaffected."""
    shelf = Shelf([job(number, stage=Stage.RUNNING) for number in range(4)])
    app = app_on(tmp_path, shelf)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await wait_until(lambda: "run-0003" in seen(app, "RunList"))
        await pilot.press("space", "down", "space")
        await wait_until(lambda: "2 marked" in seen(app, "#engine-note"))
        await pilot.press("X")
        await wait_until(lambda: "Cancel 2 runs: run-0000, run-0002?" in seen(app))
        assert "A Job's disk is deleted when it ends" in seen(app)
        await pilot.press("n")
        assert shelf.cancelled == []
        await pilot.press("X", "y")
        await wait_until(lambda: shelf.cancelled == ["job0000", "job0002"])
        await wait_until(lambda: "marked" not in seen(app, "#engine-note"))


async def test_a_marked_run_is_drawn_behind_the_one_i_read(tmp_path: Path, wait_until: Wait) -> None:
    engine = ToyEngine()
    await engine.submit(spec(tmp_path, name="older"))
    await engine.submit(spec(tmp_path, "steps: 8\n", name="newer"))
    app = app_on(tmp_path, engine)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "reward margin 0.800" in seen(app, "#chart-1"))
        await pilot.press("down")
        await wait_until(lambda: "reward margin 0.300" in seen(app, "#chart-1"))
        await pilot.press("space", "up")
        await wait_until(lambda: "older 0.300" in seen(app, "#chart-1"))
        await pilot.press("z", "z", "right_square_bracket")
        await wait_until(lambda: "reward margin 0.800" in seen(app, "#chart-0"))
        assert not app.screen.query_one("#chart-1").display
        await pilot.press("M", "plus")
        await wait_until(lambda: "Showing the last 50 % of the steps" in seen(app))


async def test_a_bell_at_its_end(tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch) -> None:
    """I ask for a notification, go to another room, and get it there."""
    engine = ToyEngine()
    await engine.submit(spec(tmp_path, f"steps: 10\nuntil: {tmp_path / 'gone'}\n"))
    app = app_on(tmp_path, engine)
    rung: list[bool] = []
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        monkeypatch.setattr(app, "bell", lambda: rung.append(True))
        await wait_until(lambda: "RUNNING" in seen(app, "RunList"))
        await pilot.press("exclamation_mark")
        await wait_until(lambda: "bell" in seen(app, "RunList"))
        await pilot.press("1")
        (tmp_path / "gone").touch()
        await wait_until(lambda: "toy run ended: COMPLETED" in seen(app))
        assert rung == [True]


async def test_a_rule_is_told_once_and_stands_on_the_row(tmp_path: Path, wait_until: Wait) -> None:
    """The loss is NaN: a word in the row, and a sentence with advice. Once the rule is off, the word disappears."""
    sick = job(1, stage=Stage.RUNNING).after(events.Metrics(step=7, values={"loss": math.nan}))
    app = app_on(tmp_path, Shelf([sick]))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        told = "run-0001: The loss has been NaN or infinite since step 7"
        await wait_until(lambda: told in " ".join(seen(app, "Toast").replace("▌", " ").split()))
        await wait_until(lambda: "NaN" in seen(app, "#run-head").split("Reading")[0])
        await pilot.press("O", "1")
        await wait_until(lambda: "1  off  the loss is NaN" in seen(app))
        assert tomllib.loads((tmp_path / "smoltui.toml").read_text()) == {"watch": {"nan": False}}
        await pilot.press("escape")
        await wait_until(lambda: "NaN" not in seen(app, "#run-head").split("Reading")[0])
        assert "Reading: broken. The loss has been NaN" in seen(app, "#run-head")


async def test_a_job_over_its_limit_is_cancelled_where_i_asked_for_it(tmp_path: Path, wait_until: Wait) -> None:
    (tmp_path / "smoltui.toml").write_text("[watch]\ncost_usd = 1\ncancel_over_cost = true\n")
    shelf = Shelf([job(1, stage=Stage.RUNNING, started_at=1.0), job(2, stage=Stage.RUNNING, started_at=4e9)])
    app = app_on(tmp_path, shelf)
    async with app.run_test(size=(120, 40), notifications=True):
        await wait_until(lambda: "run-0001" in seen(app, "RunList"))
        await wait_until(lambda: "run-0001 was canceled: its cost exceeded" in seen(app))
        assert shelf.cancelled == ["job0001"]


async def test_a_hub_that_asks_for_a_pause_gets_one(
    tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The delay is shown, nothing is requested meanwhile, and known runs stay listed."""
    monkeypatch.setattr(monitor, "JOBS_SECONDS", 0.0)
    monkeypatch.setattr(monitor, "IDLE_SECONDS", 0.05)

    class Busy(Shelf):
        async def list_runs(self) -> list[Run]:
            self.listed += 1
            if self.listed > 1:
                raise RateLimitedError("Too many requests", "Wait.", retry_after=40)
            return list(self._runs.values())

    busy = Busy([job(1)])
    app = app_on(tmp_path, busy)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "Too many requests, retrying in" in seen(app, "#engine-note"))
        assert busy.listed == 2 and "run-0001" in seen(app, "RunList")
        await pilot.pause(0.5)
        assert busy.listed == 2


async def test_every_engine_is_listed(tmp_path: Path, wait_until: Wait) -> None:
    """Jobs and a cluster at the same time: neither blocks requests to the other."""
    cluster = Shelf(
        [job(1, name="cluster-run", engine="cluster")], place=replace(JOBS, name="cluster", plural="cluster runs")
    )
    app = app_on(tmp_path, Shelf([job(2, name="hub-run")]), cluster)
    async with app.run_test(size=(120, 40)):
        await wait_until(lambda: "cluster-run" in seen(app, "RunList") and "hub-run" in seen(app, "RunList"))


async def test_a_run_that_never_says_a_word(tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts as silent from when it is followed, also while another run is shown."""

    class Mute(Shelf):
        async def follow(
            self, run_id: str, *, follow: bool = True, tail: int | None = None
        ) -> AsyncGenerator[events.Event, None]:
            await asyncio.sleep(60)
            yield events.StageChanged(stage="RUNNING")

    (tmp_path / "smoltui.toml").write_text("[watch]\nsilent_minutes = 0.02\n")
    app = app_on(tmp_path, Mute([job(1, stage=Stage.RUNNING), job(2, stage=Stage.RUNNING)]))
    async with app.run_test(size=(120, 40), notifications=True):
        await wait_until(lambda: seen(app, "RunList").count("silent") == 2)


async def test_the_keys_go_on_where_they_were(tmp_path: Path, wait_until: Wait) -> None:
    """I am asked for labels, answer or cancel, and can move in the list at once."""
    app = app_on(tmp_path, Shelf([job(1), job(2), job(3)]))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "run-0003" in seen(app, "RunList"))
        await pilot.press("i", *"x=1", "enter")
        await wait_until(lambda: "has no labels" in seen(app))
        await pilot.press("j")
        assert app.screen.query_one(RunList).cursor == 1
        await pilot.press("i", "escape", "j")
        assert app.screen.query_one(RunList).cursor == 2


async def test_a_stage_and_a_name_unheard_of(tmp_path: Path, wait_until: Wait) -> None:
    """They are shown unchanged, but sanitized."""
    app = app_on(tmp_path, Shelf([job(1, stage="PARTYING", name="[red]x\x1b]0;t\x07[/]", message="because \u202eabc")]))
    async with app.run_test(size=(120, 40)):
        await wait_until(lambda: "PARTYING" in seen(app, "RunList"))
        screen = seen(app)
        assert "[red]x␛]0;t␇[/]" in screen and "⟨RLO⟩abc" in screen


async def test_i_read_values_with_the_cursor_and_ask_what_they_mean(tmp_path: Path, wait_until: Wait) -> None:
    """At 80x24: two charts, the others as numbers. , and . read values; enter explains the current chart."""
    engine = ToyEngine()
    await engine.submit(spec(tmp_path, "steps: 8\n", name="read"))
    app = app_on(tmp_path, engine)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "▸loss 0.620" in seen(app, "#chart-0"))
        assert "margin" in seen(app, "#run-heading") and "reward margin 0.800" in seen(app, "#chart-1")
        assert not app.screen.query_one("#chart-2").display
        await wait_until(lambda: "reward accuracy" in seen(app, "#unseen"))
        await wait_until(lambda: "Reading:" in seen(app, "#run-head"))
        await pilot.press("right")
        await wait_until(lambda: "▸reward margin" in seen(app, "#chart-1"))
        await pilot.press("comma", "comma", "comma", "full_stop")
        await wait_until(lambda: "reward margin 0.700 at step 7" in seen(app, "#chart-1"))
        assert "loss 0.630 at step 7" in seen(app, "#chart-0")
        await pilot.press("enter")
        await wait_until(lambda: "Reward margin (rewards/margins)" in seen(app, "#card"))
        assert "healthy" in seen(app, "#card") and "suspicious" in seen(app, "#card")
        await pilot.press("escape", "escape")
        await wait_until(lambda: "at step" not in seen(app, "#chart-1"))
        await pilot.press("z", "z")
        await wait_until(lambda: "▸reward margin" in seen(app, "#chart-0"))
        assert not app.screen.query_one("#chart-1").display
        await pilot.press("escape")
        await wait_until(lambda: "▸reward margin" in seen(app, "#chart-1"))


def test_a_cost_is_squeezed_before_it_is_cut() -> None:
    (cost,) = [column for column in columns.COLUMNS if column.name == "cost"]
    assert cost.padded("0.02 / 80.00", 80) == " 0.02 / 80.00"
    assert cost.padded("<0.001 / 12.50", 80) == " <0.001/12.50"
