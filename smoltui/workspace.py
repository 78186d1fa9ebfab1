"""What the rooms of one app share: the project, the engines and their runs, and the ways to reach the person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from smoltui.at_rest import AtRest
from smoltui.backends.project.project import Project
from smoltui.backends.runs.callbacks import Severity, Spawn
from smoltui.backends.runs.monitor import RunMonitor
from smoltui.backends.services import Services, default_services
from smoltui.core.runs.run import Run
from smoltui.errors import SmoltuiError


class Shell(Protocol):
    """What a workspace asks of the app that shows it."""

    @property
    def spawn(self) -> Spawn:
        """Starts a task that is cancelled when the app ends, and whose unexpected errors end the app."""
        ...

    def say(self, text: str, severity: Severity = "information") -> None:
        """Shows one sentence, safely."""
        ...

    def ring(self, text: str) -> None:
        """Shows one sentence and rings the bell, here and outside the window."""
        ...

    def runs_changed(self) -> None:
        """The runs, the errors of engines, or what is known of either changed."""
        ...

    def shows(self, mode: str) -> bool:
        """Whether this room is in front."""
        ...

    def open_room(self, mode: str) -> None:
        """Goes to a room (`screens.room.ROOMS`)."""
        ...

    def ask_models(self, run_id: str | None = None) -> None:
        """Goes to Evaluate and asks the reference model and the model of this run (None: the newest)."""
        ...


class Workspace(AtRest):
    """One project in one app. Knows when keys are pressed, too (`AtRest`): rooms give way to them."""

    def __init__(self, project: Project, services: Services | None, shell: Shell) -> None:
        super().__init__()
        self.project = project
        self._services = services
        self._shell = shell
        self.monitor = RunMonitor(
            project,
            lambda: self.services.engines,
            changed=shell.runs_changed,
            say=shell.say,
            ring=shell.ring,
            spawn=shell.spawn,
            lists_all=lambda: shell.shows("runs"),
        )

    @property
    def services(self) -> Services:
        """The engines; made when first asked for, since importing them would delay the first frame."""
        if self._services is None:
            self._services = default_services()
        return self._services

    @property
    def runs(self) -> Mapping[str, Run]:
        """Every known run by id, newest first."""
        return self.monitor.runs

    @property
    def runs_errors(self) -> Mapping[str, SmoltuiError]:
        """Engines that could not list their runs, with the reason."""
        return self.monitor.errors

    def take_run(self, run: Run) -> None:
        """Shows every room what is newly known of a run."""
        self.monitor.take_run(run)

    def look_at_runs(self, *, jobs: bool = False) -> None:
        """Lists local runs again now; with `jobs` those of every engine."""
        self.monitor.look(jobs=jobs)

    def say(self, text: str, severity: Severity = "information") -> None:
        """One sentence to the person; foreign parts of it are made safe."""
        self._shell.say(text, severity)

    def open_room(self, mode: str) -> None:
        """Goes to a room (`screens.room.ROOMS`)."""
        self._shell.open_room(mode)

    def ask_models(self, run_id: str | None = None) -> None:
        """Goes to Evaluate and asks the reference model and the model of this run (None: the newest)."""
        self._shell.ask_models(run_id)


@runtime_checkable
class HasWorkspace(Protocol):
    """An app that rooms can live in."""

    @property
    def workspace(self) -> Workspace:
        """What its rooms share."""
        ...


def workspace_of(app: object) -> Workspace:
    """The workspace of the app that a screen or dialog belongs to. Raises TypeError: the app has none."""
    if not isinstance(app, HasWorkspace):
        raise TypeError(f"{type(app).__name__} has no workspace")
    return app.workspace
