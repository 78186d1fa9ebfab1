"""`smoltui doctor`: what works here and what is broken, each broken line with its next step, to paste in a bug report.

Each part is examined by itself: what is broken in one (a package that cannot be imported) hides no other.
"""

from __future__ import annotations

import asyncio
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoltui import __version__
from smoltui.cli.output import say, takes_unicode
from smoltui.core.machine import health
from smoltui.core.machine.health import ASCII_SIGNS, SIGNS, Finding, State
from smoltui.errors import NotLoggedInError, SmoltuiError
from smoltui.safe_text import redact, safe_line

if TYPE_CHECKING:
    from smoltui.backends.project.project import Project

HUB_SECONDS = 8.0
"""For each of the two questions to the Hub."""
NO_BREAK = "\u00a0"
LONGEST = 2_000
"""Characters of one line: the versions of all packages fit."""


def examined(folder: Path) -> list[Finding]:
    """All findings, in the order shown, without secrets, and with `~` for the home folder.

    `folder` is the project, or where one would be. Takes about a second, and 5 s more if PyTorch was not tested in
    this environment before.
    """
    parts: tuple[tuple[str, Callable[[], Iterable[Finding]]], ...] = (
        ("Versions", _versions),
        ("Terminal", _terminal),
        ("Folders", lambda: _folders(folder)),
        ("Devices", lambda: _devices(folder)),
        ("Slurm", lambda: _slurm(folder)),
        ("Hub", _hub),
    )
    found: list[Finding] = []
    for section, examine in parts:
        try:
            found += examine()
        except Exception as error:
            words = f"{type(error).__name__}: {error}"
            found.append(Finding(section, "problem", State.BROKEN, f"cannot be examined: {words}", health.REINSTALL))
    return [_tidy(finding) for finding in found]


def _tidy(finding: Finding) -> Finding:
    def tidied(text: str) -> str:
        return safe_line(redact(without_home(text)), LONGEST)

    return replace(finding, text=tidied(finding.text), step=tidied(finding.step))


def without_home(text: str) -> str:
    """`text` with `~` in place of the home folder, wherever it is named."""
    try:
        home = str(Path.home())
    except RuntimeError:  # unknown
        return text
    return text if len(home) < 2 else re.sub(rf"{re.escape(home)}(?=/|\W|$)", "~", text)


def _versions() -> Iterator[Finding]:
    from smoltui.backends.machine.devices import packages, python_range

    where = "virtual environment" if sys.prefix != sys.base_prefix else "no virtual environment"
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    wanted, fits = python_range()
    python = health.PythonFacts(platform.python_version(), wanted, fits, f"{sys.executable} ({where})")
    return health.versions(packages(), python, f"{__version__} on {system}")


def _terminal() -> Iterator[Finding]:
    from smoltui.backends.machine.terminal_answers import terminal_facts

    return health.terminal(terminal_facts())


def _folders(folder: Path) -> Iterator[Finding]:
    from platformdirs import user_cache_path, user_config_path

    from smoltui.backends.project.project import RECIPE_NAME, Project
    from smoltui.backends.system.data_folder import home
    from smoltui.backends.system.folder_probe import probed
    from smoltui.backends.system.paths import hub_cache

    yield from health.folders(
        [
            probed("data", home(), "SMOLTUI_HOME"),
            probed("cache", user_cache_path("smoltui", appauthor=False), "XDG_CACHE_HOME"),
            probed("settings", user_config_path("smoltui", appauthor=False), "XDG_CONFIG_HOME"),
            probed("Hub cache", hub_cache(), "HF_HOME"),
            probed("temporary files", _temporary(), "TMPDIR"),
            probed("project", folder),
        ]
    )
    if (folder / RECIPE_NAME).exists():
        yield _project(Project(folder))
    yield from _config()


def _project(project: Project) -> Finding:
    """Whether recipe and settings can be read; what they say is the business of `smoltui recipe check`."""
    from smoltui.backends.project.recipe_file import load_project_recipe

    try:
        project.settings()
        load_project_recipe(project)
    except SmoltuiError as error:
        step = error.hint or "See: smoltui recipe check"
        return Finding("Folders", "recipe", State.BROKEN, error.message, step)
    return Finding("Folders", "recipe", State.OK, "recipe and settings can be read")


def _config() -> Iterator[Finding]:
    """Whether the person's own configuration can be read, if there is one."""
    from smoltui.backends.system.user_config import NAME, config_path, user_config

    if config_path().exists():
        try:
            user_config()
        except SmoltuiError as error:
            yield Finding("Folders", NAME, State.BROKEN, error.message, error.hint)
        else:
            yield Finding("Folders", NAME, State.OK, f"{config_path()} can be read")


def _temporary() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except OSError:  # none of the usual folders can be written
        return Path(os.environ.get("TMPDIR") or "/tmp")


def _devices(folder: Path) -> Iterator[Finding]:
    from smoltui.backends.machine.devices import device_report, remembered_torch_report, torch_report
    from smoltui.core.machine.device_words import torch_in_words

    report = device_report(folder)
    torch = remembered_torch_report(report) or asyncio.run(torch_report(report))
    return health.pytorch(report, torch, torch_in_words(torch, time.time()))


def _slurm(folder: Path) -> Iterator[Finding]:
    """Whether the cluster answers, broken if the project runs there; nothing on a machine without Slurm."""
    from smoltui.backends.project.project import Project
    from smoltui.backends.slurm import commands
    from smoltui.backends.slurm.place import SLURM

    if shutil.which("sbatch") is None:
        return
    try:
        version = commands.asked("sinfo", "--version").strip()
        partitions = len(set(commands.asked("sinfo", "--noheader", "--format=%R").split()))
    except SmoltuiError as error:
        is_used = False
        with suppress(SmoltuiError):
            is_used = Project(folder).settings().on == SLURM.name
        yield Finding("Slurm", "cluster", State.BROKEN if is_used else State.NOTE, error.message, error.hint)
    else:
        text = f"{version}, {partitions} partition{'' if partitions == 1 else 's'}"
        yield Finding("Slurm", "cluster", State.OK, text)


# -- the Hub


def _hub() -> Iterator[Finding]:
    from smoltui.backends.hub.client import endpoint
    from smoltui.backends.system.known_secrets import token_source

    source = token_source()
    reached, problem, account, no_account = asyncio.run(_asked(with_token=source is not None))
    if reached is None and problem is not None:
        off = bool(os.environ.get("HF_HUB_OFFLINE"))
        step = problem.hint or "Check the network and HTTPS_PROXY."
        yield Finding("Hub", "connection", State.NOTE if off else State.BROKEN, problem.message, step)
    else:
        yield Finding("Hub", "connection", State.OK, f"{endpoint()} answers in {(reached or 0) * 1000:.0f} ms")
    if source is None:
        yield Finding("Hub", "account", State.NOTE, "not logged in (optional)", "To rent a GPU: hf auth login")
        return
    yield Finding("Hub", "token", State.OK, f"from {source}")
    if account is not None:
        yield Finding("Hub", "account", State.OK, account)
    elif no_account is not None and problem is None:
        broken = isinstance(no_account, NotLoggedInError)
        state, step = State.BROKEN if broken else State.NOTE, no_account.hint or "Try again later."
        yield Finding("Hub", "account", state, no_account.message, step)


async def _asked(*, with_token: bool) -> tuple[float | None, SmoltuiError | None, str | None, SmoltuiError | None]:
    """Seconds until the Hub answered or why it didn't, and the account in words or why there is none."""
    from smoltui.backends.hub import client as hub
    from smoltui.core.machine.device_words import account_in_words

    doing = "read its list of hardware"
    reached: float | None = None
    problem: SmoltuiError | None = None
    try:
        async with hub.session(doing, public=True) as session:
            began = time.monotonic()
            await hub.guarded(_within(session.get("/api/jobs/hardware", doing=doing)), doing)
            reached = time.monotonic() - began
    except SmoltuiError as error:
        problem = error
    if not with_token or problem is not None:
        return reached, problem, None, None
    try:
        return reached, None, account_in_words(await hub.guarded(_within(hub.account()), "check your account")), None
    except SmoltuiError as error:
        return reached, None, None, error


async def _within(work: Any) -> Any:
    """The result of `work`, or TimeoutError after `HUB_SECONDS`."""
    async with asyncio.timeout(HUB_SECONDS):
        return await work


# -- output


def as_json(findings: list[Finding]) -> dict[str, Any]:
    """`version`, `broken` (how many) and `findings` with their fields, states in words."""
    listed = [
        {"section": each.section, "name": each.name, "state": each.state.value, "text": each.text, "step": each.step}
        for each in findings
    ]
    return {"version": __version__, "broken": broken(findings), "findings": listed}


def broken(findings: Iterable[Finding]) -> int:
    """How many findings are broken."""
    return sum(finding.state is State.BROKEN for finding in findings)


def print_report(findings: list[Finding]) -> None:
    """Prints the findings in sections, with a summary as the last line."""
    width = max(len(finding.name) for finding in findings) + 2
    signs, arrow = (SIGNS, "→") if takes_unicode() else (ASCII_SIGNS, ">")
    section = ""
    for finding in findings:
        if finding.section != section:
            say(f"{chr(10) if section else ''}{finding.section}")
            section = finding.section
        for line in _wrapped(f"  {signs[finding.state]} {finding.name:<{width}}", finding.text):
            say(line)
        if finding.step and finding.state is not State.OK:
            for line in _wrapped(f"  {'':<{width + 2}}{arrow} ", finding.step):
                say(line)
    count = broken(findings)
    lines = "1 line" if count == 1 else f"{count} lines"
    say(f"\n{lines} marked {signs[State.BROKEN]}: do what follows the arrow." if count else "\nNothing is broken.")
    say("This report contains no token and can be pasted into a bug report.")


def _wrapped(head: str, text: str) -> list[str]:
    """`text` after `head`, in lines of at most 100 columns below each other, fewer in a narrow terminal."""
    import textwrap

    columns = max(len(head) + 30, min(100, shutil.get_terminal_size((100, 24)).columns))
    kept = re.sub(r"(?<=\w) (?=[\d.]+[^\s,]*(?:,|$))", NO_BREAK, text)  # a package and its version stay together
    lines = textwrap.wrap(kept, columns - len(head), break_long_words=False, break_on_hyphens=False) or [""]
    return [
        f"{head if place == 0 else ' ' * len(head)}{line}".rstrip().replace(NO_BREAK, " ")
        for place, line in enumerate(lines)
    ]
