"""Device: this machine, PyTorch, the Hub account, and what can be trained here."""

from __future__ import annotations

import time
from dataclasses import replace
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar

from textual import events as textual_events
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.visual import VisualType
from textual.widgets import Static

from smoltui.backends.services import place_or_first
from smoltui.backends.system.threads import in_thread
from smoltui.core.settings.file_name import FILE_NAME
from smoltui.errors import SmoltuiError
from smoltui.screens.room import Room
from smoltui.widgets.actions import bindings, in_own_keys
from smoltui.widgets.page import Page
from smoltui.widgets.selectable import DrawnTable

if TYPE_CHECKING:
    from smoltui.backends.project.project import Project
    from smoltui.backends.runs.machine import Machine
    from smoltui.core.machine.account import Account
    from smoltui.core.machine.device import DeviceReport, TorchReport

PROBE_AFTER_SECONDS = 2.0
"""PyTorch is tested automatically once per environment, after startup: the test keeps a core busy for 5 s."""
WIDE, TINY = 100, 60
"""Columns from which facts are side by side, and below which there are no margins."""


class DeviceRoom(Room):
    """Starts with empty widgets, which workers fill."""

    MODE = "device"
    CSS_PATH = "device.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("device")

    def __init__(self) -> None:
        super().__init__()
        self._machine: Machine | None = None
        self._torch: TorchReport | None = None
        self._asking_torch = False
        self._account: Account | None = None
        self._account_problem = "checking your Hub login…"
        self._account_hint = ""
        self._before_jobs = self._account_problem
        self._unfolded = False
        """Shows what nobody needs to act on: packages that fit, and Jobs for a person who trains here."""
        self._stamp: object = None
        """The state of recipe and settings when they were last read."""
        self._shown: dict[str, object] = {}

    def compose_room(self) -> ComposeResult:
        with Page(id="device"):
            yield DrawnTable("Checking this machine…", id="verdict", markup=False)
            with Container(id="facts"):
                yield DrawnTable(id="machine", markup=False)
                yield DrawnTable(id="packages", markup=False)

    def on_mount(self) -> None:
        self._unfolded = self.workspace.remembered.project.get("device.unfolded", False)
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self._look(then_account=True)
        self.set_interval(60, self._age)
        if not self.app.is_headless:  # a headless app has no one waiting for it
            self.set_timer(PROBE_AFTER_SECONDS, self._probe_once)

    @on(textual_events.ScreenResume)
    def _entered(self) -> None:
        if self._machine is not None:
            self._look(if_changed=True)

    def on_resize(self, event: textual_events.Resize) -> None:
        self.set_class(event.size.width >= WIDE, "wide")
        self.set_class(event.size.width < TINY or event.size.height < 16, "tiny")

    # -- keys

    def action_refresh(self) -> None:
        self._look()
        self._ask_account(refresh=True)

    def action_probe(self) -> None:
        if self._machine is not None and not self._asking_torch:
            self._ask_torch(self._machine.report)

    @property
    def bar_words(self) -> dict[str, str]:
        return {**super().bar_words, **({"device.detail": "Less"} if self._unfolded else {})}

    def action_unfold(self) -> None:
        """Shows what is folded, or folds it."""
        self._unfolded = not self._unfolded
        self.refresh_bindings()
        self.workspace.remember("device.unfolded", self._unfolded)
        self._draw()

    def explained(self) -> tuple[str, ...]:
        from smoltui.core.meanings.shown import CARDS_OF

        return CARDS_OF["device"]

    # -- gathering facts

    @work(group="look", exclusive=True)
    async def _look(self, *, then_account: bool = False, if_changed: bool = False) -> None:
        """Reads machine and project; with `if_changed` only if the project's files have changed since."""
        ours: ModuleType = await in_thread(lambda: import_module("smoltui.backends.runs.machine"))
        devices: ModuleType = await in_thread(lambda: import_module("smoltui.backends.machine.devices"))
        project = self.workspace.project
        counts = self.workspace.services.counts
        stamp = (await in_thread(lambda: _stamp(project)), counts.measurements)
        if if_changed and stamp == self._stamp:
            return
        self._stamp = stamp
        self._machine = machine = await in_thread(lambda: ours.machine_for(project, counts))
        if self._torch is None and not self._asking_torch:
            self._torch = await in_thread(lambda: devices.remembered_torch_report(machine.report))
        await in_thread(_warm_up)
        self._draw()
        if then_account:  # sequentially: importing the Hub client takes longer than finding the facts
            self._ask_account()

    @work(group="account", exclusive=True)
    async def _ask_account(self, *, refresh: bool = False) -> None:
        hub: ModuleType = await in_thread(lambda: import_module("smoltui.backends.hub.client"))
        try:
            self._account, self._account_problem = await hub.account(refresh=refresh), ""
        except SmoltuiError as error:
            from smoltui.core.machine.device_words import before_jobs

            self._account, self._account_problem, self._account_hint = None, error.message, error.hint
            self._before_jobs = before_jobs(error)
        self._draw()

    def _probe_once(self) -> None:
        here = self.workspace.services.here
        busy = any(run.engine in here and not run.is_final for run in self.workspace.runs.values())
        if self._machine is None or busy:  # a run that has just started needs the cores
            return
        if self._torch is None and not self._asking_torch:
            self._ask_torch(self._machine.report)

    @work(group="torch", exclusive=True)
    async def _ask_torch(self, report: DeviceReport) -> None:
        from smoltui.backends.machine.devices import torch_report

        self._asking_torch = True
        self._draw()
        try:
            self._torch = await torch_report(report)
        finally:
            self._asking_torch = False
        self._draw()

    # -- drawing

    def _age(self) -> None:
        if self.is_current and self._torch is not None:
            self._draw()

    def _draw(self) -> None:
        machine = self._machine
        if machine is None or not self.query("#verdict"):  # it may be removed, because another project was opened
            return
        from smoltui.backends.system.paths import shown_path
        from smoltui.core.machine.device import verdict
        from smoltui.core.machine.device_words import facts_in_words
        from smoltui.screens.device import device_tables

        report, here = machine.report, place_or_first(machine.on).here
        said = verdict(report, self._account, self._before_jobs, machine.need, here)
        sentences = [sentence for sentence in said if self._unfolded or not sentence.optional]
        shown = replace(report, disk_folder=shown_path(report.disk_folder))
        facts = facts_in_words(shown, self._torch_words(), self._account_words())
        self._put("verdict", sentences, device_tables.verdict_table(sentences))
        self._put("machine", facts, device_tables.facts_table(facts))
        packages = device_tables.packages_table(report, self._unfolded)
        self._put("packages", (report.packages, self._unfolded), packages)

    def _torch_words(self) -> str:
        from smoltui.core.machine.device_words import torch_in_words

        if self._asking_torch:
            return "testing in a separate process, about 5 s…"
        return (
            in_own_keys(self, "not tested yet; press a to test it")
            if self._torch is None
            else torch_in_words(self._torch, time.time())
        )

    def _account_words(self) -> str:
        from smoltui.core.machine.device_words import account_in_words

        if self._account is None:
            return ". ".join(filter(None, (self._account_problem, self._account_hint)))
        return account_in_words(self._account)

    def _put(self, name: str, what: object, drawn: VisualType) -> None:
        """Draws a section only if it has changed: a full page sends 10 kB to the terminal."""
        if self._shown.get(name) != what:
            self._shown[name] = what
            self.query_one(f"#{name}", Static).update(drawn)


def _stamp(project: Project) -> list[tuple[int, int] | None]:
    """Runs in a thread. Changes whenever recipe.yaml or smoltui.toml is written; None for a missing file."""
    stamps: list[tuple[int, int] | None] = []
    for path in (project.recipe_path, project.folder / FILE_NAME):
        try:
            found = path.stat()
        except OSError:
            stamps.append(None)
        else:
            stamps.append((found.st_mtime_ns, found.st_size))
    return stamps


def _warm_up() -> None:
    """Runs in a thread. Imports what the first drawing would otherwise import on the event loop."""
    from smoltui.core.machine.device import needs
    from smoltui.screens.device import device_tables  # noqa: F401

    needs()
