"""Keeps the person's own computer out of the tests, and gives the stories their tools."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from textual.app import App

from smoltui.backends import services
from smoltui.redaction import forget_secrets
from tests import examples as examples  # loads the profile, before any test is imported
from tests.pictures import without_home, write_png
from tests.slurm.fixtures import cluster as cluster
from tests.slurm.fixtures import slurm as slurm

SCREENSHOTS = Path(__file__).parents[1] / "screenshots"
SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", action="store_true", help="regenerate the screenshots as SVG and PNG")
    parser.addoption("--theme", choices=("dark", "light"), default="dark", help="the theme of the screenshots")
    parser.addoption("--walk", default="120", help="keys of the walk on which two drivers are compared")


def pytest_configure() -> None:
    # Python looks for garbage after every 700 new objects, which takes a tenth of the processor time of the stories.
    gc.set_threshold(50_000, 20, 20)


NEEDS_TRAIN = {
    "test_answers",
    "test_ask_command",
    "test_devices",
    "test_device_room",
    "test_evaluate_commands",
    "test_evaluate_room",
    "test_judge_commands",
    "test_label_room",
    "test_resident",
    "test_side_by_side",
    "test_start_dialog",
    "test_vote_commands",
    "test_vote_room",
}
"""Stories of a machine that can train: what is not installed would be told instead."""


LONGEST = (
    "test_dpo",
    "test_every_key_of_large_rooms",
    "test_every_key",
    "test_equivalence",
    "test_pairs_room",
    "test_launch",
    "test_whole_way",
    "test_terminals",
    "test_front_door",
    "test_checkpoints",
    "test_curated_way",
    "test_kept_checkpoints",
    "test_curated",
    "test_recipe_export",
    "test_head",
    "test_held_out_view",
    "test_loss_for_loss",
    "test_generate",
)
"""The files that take longest, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # First what takes long, so that no worker begins with it when the others have ended.
    def turn(item: pytest.Item) -> tuple[int, bool]:
        at = LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST)
        return at, item.get_closest_marker("slow") is None

    items.sort(key=turn)
    if importlib.util.find_spec("trl") is None:
        for item in items:
            if item.path.stem in NEEDS_TRAIN:
                item.add_marker(pytest.mark.skip(reason="the training packages are not installed (extra: train)"))


@pytest.fixture(autouse=True)
def measured_pairs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs are tokenized before a start only in tests marked `measures`: it takes a process each time."""
    if request.node.get_closest_marker("measures") is None:
        monkeypatch.setattr("smoltui.backends.pairs.pair_sizes.SAMPLE", 0)


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Iterator[Callable[[App[object], str], None]]:
    """`picture(app, name)` writes screenshots/NAME.svg and .png of what a person sees, where --screenshots is given.

    With `--theme light`, NAME-light.
    """
    suffix = "-light" if request.config.getoption("--theme") == "light" else ""
    written: list[Path] = []

    def write(app: App[object], name: str) -> None:
        if request.config.getoption("--screenshots"):
            written.append(Path(app.save_screenshot(f"{name}{suffix}.svg", path=str(SCREENSHOTS))))

    yield write
    # After the story, whose guard counts every step on the UI thread.
    for svg in written:
        svg.write_text(without_home(svg.read_text("utf-8"), str(Path.home())), "utf-8")
        write_png(svg)


@pytest.fixture(autouse=True)
def own_machine(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Path]:
    """An empty home, no token, no network: nothing of the real machine is read or written. Secrets of a test are
    forgotten after it."""
    home = tmp_path_factory.mktemp("home")
    for name in (
        "HF_HUB_OFFLINE",
        "HF_ENDPOINT",
        "HF_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
        "HF_TOKEN_PATH",
        "SSH_CONNECTION",
        "SSH_TTY",
        "TMUX",
        "TERM_PROGRAM",
        "SMOLTUI_DRIVER",
        "NO_COLOR",
        "COLORFGBG",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("SMOLTUI_HOME", str(home / "smoltui"))
    monkeypatch.setenv("HF_HOME", str(home / "hf"))
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    monkeypatch.setenv("HF_HUB_DISABLE_UPDATE_CHECK", "1")
    monkeypatch.setenv("TRACKIO_DIR", str(home / "trackio"))
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.setenv("TERM", "xterm-256color")
    if request.config.getoption("--theme") == "light":
        monkeypatch.setenv("COLORFGBG", "0;15")
    # What is installed here is not what the stories are about; the fixture `slurm` offers a Slurm.
    monkeypatch.setattr(services, "is_installed", lambda place: not place.needs)
    yield home
    forget_secrets()


@pytest.fixture
def shared_data() -> Path:
    """Folder of the real preference pairs that lie beside the project; skips where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real preference pairs are not beside this checkout ({SHARED_DATA.name}/ is missing)")
    return SHARED_DATA


@pytest.fixture
def wait_until() -> Callable[..., Awaitable[None]]:
    """`await wait_until(lambda: …)`: stories wait for what a person would see, not for a time. If it never appears, the
    error has the screen."""

    async def wait(condition: Callable[[], bool], seconds: float = 60.0) -> None:
        waited, before = 0.0, time.monotonic()
        while not condition():
            if waited > seconds:
                raise AssertionError(f"not seen within {seconds} s: {condition.__code__.co_names}{_screens(condition)}")
            # Reading the screen takes a millisecond, which a training in the background could use.
            await asyncio.sleep(min(max(0.02, waited / 20), 0.2))
            now = time.monotonic()
            waited += min(now - before, 1.0)  # while the machine stands still, the app can't do anything either
            before = now

    return wait


def _screens(condition: Callable[[], bool]) -> str:
    """What the apps that the condition asks show, for the reader of a failed story."""
    from textual.app import App

    asked = [cell.cell_contents for cell in condition.__closure__ or ()]
    return "".join(f"\n{seen(app)}" for app in asked if isinstance(app, App) and app.is_running)


SLOW_STEP_SECONDS = 0.3
"""A step on the UI thread over this long is felt as a hang."""


@pytest.fixture
def loop_guard() -> Iterator[list[str]]:
    """Fails a story in which one step on the UI thread took longer than `SLOW_STEP_SECONDS` of processor time."""
    slow: list[str] = []
    # What the tests before left in memory is not the app's: looking through it for garbage took up to 0.3 s of a step.
    gc.freeze()
    original = asyncio.events.Handle._run

    def guarded(handle: asyncio.Handle) -> None:
        # Processor time of this thread: another process on the machine must not fail the story.
        before = time.thread_time()
        original(handle)
        if (took := time.thread_time() - before) > SLOW_STEP_SECONDS:
            slow.append(f"{took:.2f} s in {handle!r:.300}")

    asyncio.events.Handle._run = guarded  # type: ignore[method-assign]
    try:
        yield slow
    finally:
        asyncio.events.Handle._run = original  # type: ignore[method-assign]
        gc.unfreeze()
    assert not slow, "slow steps on the UI thread: " + "; ".join(slow)


def seen(app: App[object], selector: str | None = None) -> str:
    """The text on the screen as a person reads it, or only that of the widgets `selector` names."""
    from textual.geometry import Region

    screen = app.screen
    lines = ["".join(segment.text for segment in strip) for strip in screen._compositor.render_strips(screen.size)]
    if selector is None:
        return "\n".join(lines)
    parts = []
    for widget in screen.query(selector):
        region: Region = widget.region
        parts.append("\n".join(line[region.x : region.right] for line in lines[region.y : region.bottom]))
    return "\n".join(parts)


def told(app: App[object]) -> str:
    """The notifications on the screen, on one line."""
    return " ".join(seen(app, "Toast").replace("▌", " ").split())
