"""What the app says appears on lines of its own, and what it saves is found again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from textual.widgets._toast import Toast

from smoltui.app import SmoltuiApp
from smoltui.backends.project.new_project import create_project
from smoltui.backends.services import Services
from tests.conftest import seen, told

WaitUntil = Callable[..., Awaitable[None]]


async def test_messages_cover_nothing(tmp_path: Path, wait_until: WaitUntil) -> None:
    """At 80x24, the room and a dialog over it make room for them, and the keys stay readable."""
    project = create_project(tmp_path / "demo", "demo")
    app = SmoltuiApp(project, Services({}), opening="recipe")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await wait_until(lambda: "nothing blocks" in seen(app, "#below") and "Here/Jobs" in seen(app, "KeyBar"))
        keys = seen(app).splitlines()[-1]
        for severity in ("information", "warning", "error"):
            app.say("The mill is far, and the path by the river is long " * 2, severity)  # type: ignore[arg-type]
        await wait_until(lambda: told(app).count("The mill is far") == 6)
        for text in ("! The mill", "✗ The mill"):
            assert text in seen(app)
        assert seen(app).splitlines()[-1] == keys
        toasts = [toast.region for toast in app.screen.query(Toast)]
        read = [app.screen.query_one(name).region for name in ("#recipe", "#commands", "KeyBar", "#room-bar")]
        assert not [(one, other) for one in toasts for other in read if one.overlaps(other)]
        await pilot.press("question_mark")
        await wait_until(lambda: len(app.screen_stack) == 2)
        app.say("In a dialog")
        await wait_until(lambda: "In a dialog" in told(app))
        toasts = [toast.region for toast in app.screen.query(Toast)]
        assert not [one for one in toasts if one.overlaps(app.screen.children[0].region)]


async def test_cleared_messages_leave_no_lines(tmp_path: Path, wait_until: WaitUntil) -> None:
    """I change and undo again and again: each message replaces the last, and with the last of them its line goes."""
    project = create_project(tmp_path / "demo", "demo")
    app = SmoltuiApp(project, Services({}), opening="recipe")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await wait_until(lambda: "Held-out split" in seen(app))
        commands = app.screen.query_one("#commands")
        before = commands.region
        for number in range(3):
            app.say(f"Changed {number}")
            await wait_until(lambda number=number: f"Changed {number}" in told(app))  # type: ignore[misc]
            assert commands.region.y == before.y - 1
            app.clear_notifications()
        app.say("Shown, and covered by another room")
        await wait_until(lambda: "Shown" in told(app))
        await pilot.press("1")
        await wait_until(lambda: app.current_mode == "device")
        await pilot.press("3")
        await wait_until(lambda: app.current_mode == "recipe")
        app.notify("It expires", timeout=0.5)
        await wait_until(lambda: "It expires" in told(app) and commands.region.y == before.y - 1)
        await wait_until(lambda: commands.region == before)


async def test_a_screenshot_is_in_the_project(tmp_path: Path, wait_until: WaitUntil) -> None:
    """I press ctrl+p, choose Screenshot, and read where it is."""
    project = create_project(tmp_path / "demo", "demo")
    app = SmoltuiApp(project, Services({}), opening="recipe")
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await wait_until(lambda: "Held-out split" in seen(app))
        await pilot.press("ctrl+p", *"screenshot")
        await wait_until(lambda: "Screenshot" in seen(app, "CommandList"))
        await pilot.press("enter")
        await wait_until(lambda: "Saved the screenshot: " in told(app))
        [svg] = project.folder.glob("smoltui-*.svg")
        assert svg.name in told(app).replace(" ", "")
        assert "Held-out" in svg.read_text().replace("&#160;", " ")
