"""After every frame, the screen is the same, cell for cell, as with Textual's own driver."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.project.project import Project
from smoltui.backends.services import Services
from smoltui.wire.terminal import Terminal, terminal_of
from tests.wire.furnished import furnish, walk
from tests.wire.side_by_side import XTERM, BothApp, SideBySide


@pytest.fixture
def project(tmp_path: Path, own_machine: Path) -> Project:
    furnish(tmp_path / "project", own_machine / "smoltui")
    return Project(tmp_path / "project")


def on_both(project: Project, terminal: Terminal = XTERM) -> BothApp:
    app = BothApp(project, Services({"local": LocalEngine()}))
    app.side_by_side = type("SideBySide", (SideBySide,), {"terminal": terminal})
    return app


async def walked(app: BothApp, steps: list[str]) -> SideBySide:
    """Performs the steps, and reports the first one after which the screens differ."""
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause(0.5)
        for number, step in enumerate(steps):
            if step.startswith("resize:"):
                columns, rows = step.removeprefix("resize:").split("x")
                await pilot.resize_terminal(int(columns), int(rows))
            else:
                await pilot.press(step)
            assert not app.both.fault, "\n".join([f"step {number} of {steps[: number + 1][-12:]}", *app.both.fault])
        await pilot.pause(0.3)
        assert not app.both.fault, "\n".join(app.both.fault)
    return app.both


ROOM_STEPS = {
    "device": ["1", "j", "j", "down", "k", "G", "g"],
    "pairs": ["2", "right", "right", "j", "j", "v", *"jjjjjjjjjjjjjjjjjjjjjjjjjjj", "G", "k", "enter", "left"],
    "recipe": ["3", *"jjjjjjjjjjjjjjjjjjjjjjkkkk", "J", "K"],
    "runs": ["4", *"jjjjjjjjjjjjjjjjjjjjkk", "l", "tab", *"kkkkkkkkjj", "w", "z", "i", "p", "v", "g", "l"],
    "evaluate": ["5", "j", "j", "down", "pagedown", "k"],
    "documentation": ["question_mark", "d", "j", "enter", *"jjjjjjjj", "pagedown", "k", "G", "right", "tab", "j", "q"],
}


@pytest.mark.parametrize("room", ROOM_STEPS)
async def test_a_room_looks_the_same(project: Project, room: str) -> None:
    """I move through the list of the room. Both screens are the same, and ours took a fraction of the bytes."""
    both = await walked(on_both(project), ROOM_STEPS[room])
    assert both.frames > len(ROOM_STEPS[room]) / 2
    assert both.our_bytes < both.stock_bytes / 2


@pytest.mark.parametrize(
    "terminal",
    [
        XTERM,
        terminal_of({"TERM": "tmux-256color"}),
        terminal_of({"TERM": "screen"}),
        terminal_of({"TERM": "linux"}),
        Terminal(),
        replace(XTERM, scroll=False),
    ],
    ids=["xterm", "tmux", "screen", "linux", "nothing", "no-scroll"],
)
async def test_a_walk_looks_the_same(project: Project, terminal: Terminal, pytestconfig: pytest.Config) -> None:
    """A walk through all rooms and sizes, on terminals with different capabilities."""
    length = int(pytestconfig.getoption("--walk"))
    both = await walked(on_both(project, terminal), walk(7, length if terminal is XTERM else length // 4))
    assert both.frames > length / 10
