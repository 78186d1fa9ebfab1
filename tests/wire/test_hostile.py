"""Foreign text sent to the terminal, with the first line of defense (`safe_text`) and without it."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import cast

import pytest
from rich.segment import Segment
from textual.app import ComposeResult
from textual.containers import Container
from textual.driver import Driver
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import DataTable, Input, Log, OptionList, RichLog, Static, TextArea, Tree

import smoltui.screens
import smoltui.widgets
import smoltui.wire.difference as differences
from smoltui.backends.evaluation import answers, resident
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.project.project import Project
from smoltui.backends.runs.engine import Engine
from smoltui.backends.services import Services
from smoltui.widgets.cursor_list import CursorList
from smoltui.wire import WireApp
from tests.backends.evaluation.project import SCRIPTED_MODELS, make_project, trained
from tests.stories.test_held_out_view import Listing
from tests.wire.furnished import furnish
from tests.wire.payloads import PAYLOADS, foreign
from tests.wire.side_by_side import BothApp, SideBySide

pytestmark = pytest.mark.slow


class Recording(SideBySide):
    """Records the output of both drivers without comparing: no terminal would survive the stock one."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.stock = self.ours = ""

    def _compare(self, stock: str, ours: str) -> None:
        self.stock += stock
        self.ours += ours


def assert_wall_holds(driver: Recording) -> None:
    """Our output contains nothing foreign, and its colors are those of the app."""
    assert driver.frames
    assert not foreign(driver.ours)
    driver.ours.encode()


class Bare(WireApp[None]):
    """Textual's widgets, which pass text to the terminal unchanged."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def _build_driver(self, headless: bool, inline: bool, mouse: bool, size: tuple[int, int] | None) -> Driver:
        self.both = Recording(self, mouse=mouse, size=size)
        self._driver = self.both
        return self.both

    def compose(self) -> ComposeResult:
        yield Static(self.text, markup=False)
        yield Input(self.text)
        yield OptionList(self.text, markup=False)
        yield TextArea(self.text)
        yield Log()
        yield RichLog()
        tree: Tree[None] = Tree("root")
        tree.root.expand()
        yield tree
        yield DataTable()

    def on_mount(self) -> None:
        from rich.text import Text

        for widget in self.query("*"):
            widget.styles.height = 4
            widget.styles.border = ("round", "red")
            widget.border_title = self.text.replace("[", "(")  # titles are markup, which is not what is tried here
        self.query_one(Log).write_line(self.text)
        self.query_one(RichLog).write(Text(self.text))
        self.query_one(Tree).root.add_leaf(Text(self.text))
        table = self.query_one(DataTable)
        table.add_column("column")
        table.add_row(Text(self.text))


@pytest.mark.parametrize("name", PAYLOADS)
async def test_widgets_that_clean_nothing(name: str) -> None:
    """Stock Textual sends all of it to the terminal; with our driver, not a byte arrives."""
    app = Bare(PAYLOADS[name])
    async with app.run_test(size=(80, 50)) as pilot:
        await pilot.pause()
        await pilot.press("tab", "tab", "end")
    assert_wall_holds(app.both)


async def test_the_stock_way_lets_them_through() -> None:
    """The test above finds the payload if nothing removes it."""
    app = Bare(PAYLOADS["title"] + PAYLOADS["bidi"] + PAYLOADS["C1 CSI"])
    async with app.run_test(size=(80, 50)) as pilot:
        await pilot.pause()
    assert "\x1b]0;owned" in app.both.stock and "\u202e" in app.both.stock and "\x9b" in app.both.stock
    assert {"\x1b", "\x9b", "\u202e"} <= set(foreign(app.both.stock))


@pytest.fixture
def injected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Its payload is inserted into every line of our widgets, after all sanitizing."""
    texts = [""]
    original = Widget.render_lines

    def render_lines(self: Widget, crop: Region) -> list[Strip]:
        strips = original(self, crop)
        if not texts[-1] or not type(self).__module__.startswith("smoltui"):
            return strips
        return [Strip([Segment(texts[-1]), *strip], strip.cell_length) for strip in strips]

    monkeypatch.setattr(Widget, "render_lines", render_lines)
    return texts


@pytest.fixture
def scripted_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "GENERATE", SCRIPTED_MODELS)
    monkeypatch.setattr(resident, "ANSWER_MODELS", SCRIPTED_MODELS)


ROOMS: dict[str, tuple[tuple[str, str], ...]] = {
    "1": (("", "Page DrawnTable"),),
    "2": (
        ("", "PairView"),
        ("v", "PairList Histogram"),
        ("a", "AuditList"),
        ("escape", "PairView"),
        ("c", "ColumnList"),
        ("enter", "FacetList"),
        ("escape", "ColumnList"),
        ("escape", "PairView"),
        ("slash", "AskLine _Line"),
        *((key, "AskLine") for key in "where"),
        ("space", "Proposals"),
        ("escape", ""),
        ("escape", "PairView"),
        *(("v", ""),) * 3,
        ("v", "TrainerPane"),
    ),
    "2, unknown columns": (("", "MappingForm"),),
    "3": (("", "FieldList CheckList"), ("i", "FileArea")),
    "4": (("", "RunList LogTail MetricChart"), ("v", "LogView"), ("v", "JsonTree"), ("v", "StatsPanel"), ("v", "")),
    "5": (("", "AnswerSheet"), ("B", "BenchmarkList")),
    "5, measured": (("", "AnswerSheet"), ("m", "GroupList HeldOutFigures"), ("tab", ""), ("enter", "PairValueList")),
    "6, measured": (("", ""), ("v", "CardReader")),
}
"""Room → the keys of its views in order, and the widgets that each draws besides `ALWAYS`."""
ALWAYS = {"KeyBar", "RoomBar"}
"""What every room draws."""
BASES = {"FramedWidget", "CursorList", "Reader", "Unpainted", "TextPane", "Selectable"}
"""What only subclasses or children draw."""


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.usefixtures("scripted_models")
async def test_every_widget_of_ours_behind_a_broken_first_wall(
    tmp_path: Path, own_machine: Path, injected: list[str], wait_until: Callable[..., Awaitable[None]], room: str
) -> None:
    """Each payload in every line of every widget of a room and its views: the driver alone stops it."""
    project, engine = Project(tmp_path / "project"), cast("Engine", LocalEngine())
    if "measured" in room:
        make_project(project.folder)
        engine = cast("Engine", Listing(trained(project)))
    else:
        furnish(project.folder, own_machine / "smoltui")
    if "columns" in room:
        (project.folder / "pairs" / "train.jsonl").write_text('{"ask": "Why?", "good": "So.", "bad": "No."}\n')
    app = BothApp(project, Services({"local": engine}))
    app.side_by_side = Recording
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press(room[0])
        for key, names in ROOMS[room]:
            if key:
                await pilot.press(key)
            wanted = set(names.split())
            # The editor of a file covers the room.
            await wait_until(
                lambda wanted=wanted: wanted <= drawn(app) and ("FileArea" in wanted or drawn(app) >= ALWAYS)
            )
            for text in ["".join(PAYLOADS.values())] if key else PAYLOADS.values():
                injected.append(text)
                app.screen.refresh(layout=True)
                for widget in app.screen.query("*"):
                    widget.refresh()
                await pilot.pause()
        injected.append("")
    driver = app.both
    assert isinstance(driver, Recording)
    assert foreign(driver.stock)
    assert_wall_holds(driver)


def drawn(app: BothApp) -> set[str]:
    """Names of our widgets on the screen."""
    return {type(widget).__name__ for widget in app.screen.query("*") if widget.region and _is_ours(type(widget))}


def test_no_widget_of_ours_is_left_out() -> None:
    """The list above contains all widgets that rooms share, and those in the packages of the rooms.

    Of the lists that `CursorList` draws, some stand for all.
    """
    seen = {name for views in ROOMS.values() for _, names in views for name in names.split()}
    made = {
        kind
        for package in (smoltui.widgets, *_rooms())
        for module in pkgutil.iter_modules(package.__path__)
        for kind in vars(importlib.import_module(f"{package.__name__}.{module.name}")).values()
        if isinstance(kind, type) and issubclass(kind, Widget) and not issubclass(kind, Screen | Container)
        if _is_ours(kind)
    }
    named = {kind.__name__ for kind in made}
    lists = {kind.__name__ for kind in made if issubclass(kind, CursorList)}
    assert seen <= named
    assert named - lists - ALWAYS - BASES <= seen


def _rooms() -> list[ModuleType]:
    """The packages of the rooms."""
    modules = pkgutil.iter_modules(smoltui.screens.__path__, "smoltui.screens.")
    return [importlib.import_module(module.name) for module in modules if module.ispkg]


def _is_ours(kind: type[Widget]) -> bool:
    return kind.__module__.startswith("smoltui")


async def test_rows_and_logs_that_hold_them(tmp_path: Path, own_machine: Path) -> None:
    """Pairs, prompts, run names and logs full of payloads: nothing crashes, and nothing foreign is written."""
    home = own_machine / "smoltui"
    furnish(tmp_path / "project", home, runs=8)
    texts = [text.encode("utf-8", "surrogatepass").decode("utf-8", "replace") for text in PAYLOADS.values()]
    rows = [{"prompt": text, "chosen": text * 3, "rejected": text} for text in texts]
    (tmp_path / "project" / "pairs" / "train.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (tmp_path / "project" / "prompts.txt").write_text("\n".join(text.replace("\n", " ") for text in texts))
    for number, folder in enumerate(sorted((home / "runs").iterdir())):
        (folder / "spec.json").write_text(json.dumps({"name": texts[number * 4 % 31], "created_at": 1.0 + number}))
        (folder / "log").write_text("\n".join(texts))
    app = BothApp(Project(tmp_path / "project"), Services({"local": LocalEngine()}))
    app.side_by_side = Recording
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("2")
        await pilot.pause(0.5)
        for _ in range(len(PAYLOADS)):
            await pilot.press("right")
        for keys in ("v", "jjjjjjjj", "4", "jjj", "v", "v", "v", "v", "5", "jjj", "3"):
            await pilot.press(*keys)
            await pilot.pause(0.15)
    driver = app.both
    assert isinstance(driver, Recording)
    assert_wall_holds(driver)


@pytest.fixture(autouse=True)
def every_difference_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The driver only ever writes the sequences known to `foreign`."""
    made: list[str] = []
    original = differences.difference
    monkeypatch.setattr(
        "tests.wire.side_by_side.difference",
        lambda *args: made.append(original(*args)) or made[-1],  # type: ignore[func-returns-value]
    )
    yield
    assert not foreign("".join(made))
