"""The documentation in the app: opened from help and palette, read with the keys of a pager."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from smoltui import docs
from smoltui.app import SmoltuiApp
from smoltui.backends.project.project import Project
from smoltui.backends.services import Services
from smoltui.screens.docs import Documentation, Reader, lines_of
from tests.conftest import seen

Wait = Callable[..., Awaitable[None]]


@pytest.fixture
def app(tmp_path: Path) -> SmoltuiApp:
    return SmoltuiApp(Project(tmp_path), Services({}))


async def test_from_the_help_to_a_topic_and_back(app: SmoltuiApp, loop_guard: list[str], wait_until: Wait) -> None:
    """I press ? and o, choose Runs, scroll, search, and close it step by step with escape."""
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("question_mark")
        await wait_until(lambda: "o  documentation" in seen(app))
        await pilot.press("o")
        await wait_until(lambda: isinstance(app.screen, Documentation))
        assert all(topic.title in seen(app) and topic.summary in seen(app) for topic in docs.topics())
        await pilot.press("j", "j", "enter")
        await wait_until(lambda: "Documentation · Runs" in seen(app) and "Start a run" in seen(app))
        await pilot.press("G")
        await wait_until(lambda: "SMOLTUI_HOME" in seen(app))
        await pilot.press("g", "g", "slash", *"BUCKET", "enter")
        await wait_until(lambda: "match 1 of 3" in seen(app) and "bucket" in seen(app, "Reader"))
        await pilot.press("n")
        await wait_until(lambda: "match 2 of 3" in seen(app))
        await pilot.press("n")
        await wait_until(lambda: "match 3 of 3" in seen(app))
        await pilot.press("escape")
        await wait_until(lambda: "match" not in seen(app, "#docs-keys"))
        await pilot.press("right")
        await wait_until(lambda: "Documentation · Slurm" in seen(app))
        await pilot.press("escape")
        await wait_until(lambda: docs.topics()[0].summary in seen(app))
        await pilot.press("escape")
        await wait_until(lambda: not isinstance(app.screen, Documentation) and "1 Device" in seen(app))


@pytest.mark.slow
async def test_the_palette_opens_a_topic(app: SmoltuiApp, wait_until: Wait) -> None:
    """Each topic is a command; escape returns to the room, and not to a list I never saw."""
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        named = {command.title: command for command in app.get_system_commands(app.screen)}
        assert [title for title in named if title.startswith("Documentation")] == [
            f"Documentation: {topic.title}" for topic in docs.topics()
        ]
        named["Documentation: Benchmarks"].callback()
        await wait_until(lambda: isinstance(app.screen, Documentation) and "Measured on two" in seen(app, "Reader"))
        assert "Changelog" in seen(app, "#docs-list")  # beside the text, if there is room
        await pilot.press("escape")
        await wait_until(lambda: not isinstance(app.screen, Documentation))


@pytest.mark.parametrize("width", [110, 77, 37, 17])
def test_no_line_of_any_topic_is_cut(width: int) -> None:
    """Text wraps at the width of the page."""
    for topic in docs.TOPICS:
        lines = lines_of(docs.text_of(topic), width)
        assert lines and max(sum(part.cell_length for part in line) for line in lines) <= width


async def test_another_width_of_the_terminal_wraps_the_text_again(app: SmoltuiApp, wait_until: Wait) -> None:
    """On a narrow terminal, the text replaces the list, and its lines are shorter."""
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        app.push_screen(Documentation("pairs"))
        await wait_until(lambda: "Changelog" in seen(app, "#docs-list"))
        await pilot.resize_terminal(40, 12)
        await wait_until(lambda: "Changelog" not in seen(app) and "A preference pair is a prompt" in seen(app))
        assert app.screen.query_one(Reader).virtual_size.width == 37


async def test_a_search_without_a_match_says_so(app: SmoltuiApp, wait_until: Wait) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        app.push_screen(Documentation("keys"))
        await pilot.pause()
        await pilot.press("slash", *"zebra", "enter")
        await wait_until(lambda: "No match" in seen(app))
        await pilot.press("n")
        assert "No match for “zebra”" in seen(app, "#docs-keys")


def test_the_start_loads_nothing_of_it() -> None:
    wanted = "{'smoltui.docs', 'smoltui.screens.docs', 'rich.markdown'}"
    code = f"import sys, smoltui.app; print({wanted} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
