"""What the rooms of an app share: the project, the engines and their runs, and notifications."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from smoltui.at_rest import AtRest
from smoltui.backends.project.project import Project
from smoltui.backends.runs.callbacks import Severity, Spawn
from smoltui.backends.services import Services, default_services
from smoltui.backends.system.ui_state import Remembered
from smoltui.errors import SmoltuiError

if TYPE_CHECKING:
    from smoltui.backends.runs.acts import Acts
    from smoltui.backends.runs.monitor import RunMonitor
    from smoltui.core.guide.steps import Next
    from smoltui.core.runs.acts import Standing
    from smoltui.core.runs.run import Run


class Shell(Protocol):
    """What a workspace needs of its app."""

    @property
    def spawn(self) -> Spawn:
        """Starts a task, which is canceled when the app exits; an unexpected error in it ends the app."""
        ...

    def say(self, text: str, severity: Severity = "information") -> None:
        """Shows a notification, with foreign text sanitized."""
        ...

    def ring(self, text: str) -> None:
        """Shows a notification, rings the bell, and notifies outside the window."""
        ...

    def hold_keys(self) -> AbstractContextManager[None]:
        """Keys wait until this ends: for a dialog that is being prepared."""
        ...

    def remember_soon(self) -> None:
        """Called when there is something new to remember for the next start."""
        ...

    def runs_changed(self) -> None:
        """Called when the runs, the errors of engines, or what is known about them have changed."""
        ...

    def shows(self, mode: str) -> bool:
        """Whether this room is in front."""
        ...

    def open_room(self, mode: str) -> None:
        """Opens a room (`screens.room.ROOMS`)."""
        ...

    def open_pairs(self, source: str) -> None:
        """Opens a set in Pairs: a folder or file."""
        ...

    def open_folder(self, folder: Path) -> None:
        """Opens another project in this app, at Home."""
        ...

    def open_typed(self, text: str) -> None:
        """Opens what a person typed: a file, a folder, a name on the Hub or a run."""
        ...

    def do(self, step: Next) -> None:
        """Does a next step."""
        ...

    def open_recipe(self, key: str) -> None:
        """Opens Recipe with the cursor on a field; an empty key: where it was."""
        ...

    def ask_models(self, run_id: str | None = None) -> None:
        """Opens Evaluate, and lets the reference and the model of this run (None: the newest) answer the prompts."""
        ...


class Workspace(AtRest):
    """One project in one app. Also knows when keys are pressed (`AtRest`), since work that can wait yields to them."""

    def __init__(
        self, project: Project, services: Services | None, shell: Shell, remembered: Remembered | None = None
    ) -> None:
        super().__init__()
        self.project = project
        self.remembered = remembered or Remembered.reading(project.folder)
        self._services = services
        self._shell = shell
        self._acts: Acts | None = None
        self.other_pairs = ""
        """The set that is open in Pairs, as it was named, if it isn't the recipe's; empty otherwise."""
        self.asks_before_leaving: Callable[[], bool] | None = None
        """Asks a person who wants to quit what becomes of something that is not saved, if there is any."""

    @cached_property
    def monitor(self) -> RunMonitor:
        """What lists and follows the runs; created on first use, since importing it would delay the first frame."""
        from smoltui.backends.runs.monitor import RunMonitor

        shell = self._shell
        return RunMonitor(
            self.project,
            lambda: self.services.engines,
            changed=shell.runs_changed,
            say=shell.say,
            ring=shell.ring,
            spawn=shell.spawn,
            # Home needs to know once which runs there are; Evaluate, when a Job has pushed its model.
            lists_all=lambda: (
                shell.shows("runs") or shell.shows("evaluate") or (shell.shows("home") and self.monitor.reading)
            ),
        )

    @property
    def services(self) -> Services:
        """The engines; created on first use, since importing them would delay the first frame."""
        if self._services is None:
            self._services = default_services()
        return self._services

    @property
    def acts(self) -> Acts:
        """What is being done to runs, in every room; imported on first use, after the first frame."""
        if self._acts is None:
            from smoltui.backends.runs.acts import Acts

            shell = self._shell
            self._acts = Acts(take=self.take_run, changed=shell.runs_changed, say=shell.say, spawn=shell.spawn)
        return self._acts

    @property
    def unfinished_acts(self) -> list[Standing]:
        """Acts on runs that have not ended; leaving asks about them."""
        return self._acts.unfinished if self._acts is not None else []

    @property
    def runs(self) -> Mapping[str, Run]:
        """Every known run by id, newest first."""
        return self.monitor.runs if "monitor" in vars(self) else {}

    def under_way(self, listed: Sequence[Run] = ()) -> list[Run]:
        """The runs that have not ended. `listed` were just listed: the known ones may be older, or fewer."""
        found = (*listed, *self.runs.values())
        over = {run.id for run in found if run.is_final}
        return [run for run in found if run.id not in over]

    @property
    def runs_errors(self) -> Mapping[str, SmoltuiError]:
        """Engines that could not list their runs, with the reason."""
        return self.monitor.errors

    @property
    def knows_runs_here(self) -> bool:
        """Whether the runs whose models are on this machine's disks have been listed."""
        return all(self.monitor.knows(name) for name in self.services.here)

    def take_run(self, run: Run) -> None:
        """Passes what is newly known about a run to every room."""
        self.monitor.take_run(run)

    def look_at_runs(self, *, jobs: bool = False) -> None:
        """Lists local runs again now; with `jobs`, the runs of every engine."""
        self.monitor.look(jobs=jobs)

    def remember(self, name: str, value: str | int | bool) -> None:
        """Remembers for the next start of this project what the app looks like. Costs a key nothing."""
        if self.remembered.project.put(name, value):
            self._shell.remember_soon()

    def say(self, text: str, severity: Severity = "information") -> None:
        """Shows a notification, with foreign text sanitized."""
        self._shell.say(text, severity)

    def hold_keys(self) -> AbstractContextManager[None]:
        """Keys wait until this ends, at most two seconds: they are for a dialog that is being prepared."""
        return self._shell.hold_keys()

    def open_room(self, mode: str) -> None:
        """Opens a room (`screens.room.ROOMS`)."""
        self._shell.open_room(mode)

    def open_pairs(self, source: str) -> None:
        """Opens a set in Pairs: a folder or file."""
        self._shell.open_pairs(source)

    def change_project(self, project: Project) -> None:
        """Takes over another project. The rooms still show the previous one: the app starts them over."""
        self.project, self.remembered = project, Remembered.reading(project.folder)
        self.other_pairs = ""
        self.monitor.change_project(project)

    def open_folder(self, folder: Path) -> None:
        """Opens another project in this app, at Home."""
        self._shell.open_folder(folder)

    def open_typed(self, text: str) -> None:
        """Opens what a person typed: a file, a folder, a name on the Hub or a run."""
        self._shell.open_typed(text)

    def do(self, step: Next) -> None:
        """Does a next step (`core.guide.steps`)."""
        self._shell.do(step)

    def open_recipe(self, key: str) -> None:
        """Opens Recipe with the cursor on a field; an empty key: where it was."""
        self._shell.open_recipe(key)

    def ask_models(self, run_id: str | None = None) -> None:
        """Opens Evaluate, and lets the reference and the model of this run (None: the newest) answer the prompts."""
        self._shell.ask_models(run_id)


@runtime_checkable
class HasWorkspace(Protocol):
    """An app with a workspace, as rooms need it."""

    @property
    def workspace(self) -> Workspace:
        """What the rooms share."""
        ...


def workspace_of(app: object) -> Workspace:
    """The workspace of the app that a screen or dialog belongs to. Raises TypeError if the app has none."""
    if not isinstance(app, HasWorkspace):
        raise TypeError(f"{type(app).__name__} has no workspace")
    return app.workspace
