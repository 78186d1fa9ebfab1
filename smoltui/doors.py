"""Ways into work, for Home and every "next step": other projects, what was typed, the demo, the wizard."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from textual.app import App

from smoltui.backends.project.project import Project
from smoltui.backends.system.threads import in_thread
from smoltui.errors import SmoltuiError
from smoltui.safe_text import safe_line

if TYPE_CHECKING:
    from smoltui.backends.guide.opening import Target
    from smoltui.backends.runs.callbacks import Severity, Spawn
    from smoltui.core.guide.steps import Next
    from smoltui.workspace import Workspace

DEMO_NAME = "smoltui-demo"


class Host(Protocol):
    """What the app can do by itself."""

    @property
    def workspace(self) -> Workspace: ...

    @property
    def spawn(self) -> Spawn: ...

    def say(self, text: str, severity: Severity = "information") -> None: ...

    def action_room(self, mode: str) -> None: ...

    def action_train(self) -> None: ...

    def open_pairs(self, source: str) -> None: ...

    def show_run(self, run_id: str) -> None: ...

    def ask_models(self, run_id: str | None = None) -> None: ...

    def compare_model(self, place: str) -> None: ...


class Doors:
    """What the app does when something else is opened. Everything slow runs in a worker of the app."""

    def __init__(self, app: App[Any], host: Host) -> None:
        """Both are the app: as Textual knows it, and what ours can do besides."""
        self._app, self._host = app, host

    # -- next steps

    def do(self, step: Next) -> None:
        """Does a next step."""
        from smoltui.core.guide.steps import Act

        host = self._host
        rooms = {
            Act.CHOOSE_PAIRS: "pairs",
            Act.PAIRS: "pairs",
            Act.RECIPE: "recipe",
            Act.PUBLISH: "submit",
            Act.DEVICE: "device",
        }
        if step.act in rooms:
            host.action_room(rooms[step.act])
        elif step.act is Act.RUNS:
            host.show_run(step.run_id)
        elif step.act is Act.COMPARE:
            host.ask_models(step.run_id or None)
        elif step.act is Act.TRAIN:
            host.action_train()
        elif step.act is Act.DEMO:
            self._host.spawn(self._demo)
        elif step.act is Act.WIZARD:
            self.wizard(step.source)

    def wizard(self, source: str = "", folder: Path | None = None) -> None:
        """Asks for a new project, step by step; `source` is the set to start with, empty to ask for it.

        `folder` is where the project goes; None to propose one.
        """
        from smoltui.screens.wizard.wizard import Wizard

        if not isinstance(self._app.screen, Wizard):
            self._app.push_screen(Wizard(source, folder), self._made)

    def _made(self, made: tuple[Path, bool] | None) -> None:
        """Opens the project that the wizard made, and the start dialog if that was asked for."""
        if made is not None:
            folder, starts = made
            self._host.spawn(partial(self._change_to, folder, starts=starts))

    async def _demo(self) -> None:
        from smoltui.backends.project.new_project import create_project

        here = self._host.workspace.project
        folder = (here.folder.parent if here.has_recipe else here.folder) / DEMO_NAME
        try:
            if not await in_thread(lambda: Project(folder).has_recipe):
                await in_thread(partial(create_project, folder, "demo"))
        except SmoltuiError as error:
            self._host.say(str(error), "error")
            return
        await self._change_to(folder)

    # -- other projects

    def remember(self) -> None:
        """Adds the current project to the recent ones."""
        project = self._host.workspace.project
        self._host.spawn(partial(self._remember, project))

    async def _remember(self, project: Project) -> None:
        from smoltui.backends.guide.recent import remember

        def work() -> None:
            if project.has_recipe:
                remember(project.folder)

        await in_thread(work)

    def open_folder(self, folder: Path) -> None:
        """Opens another project in this app, at Home."""
        self._host.spawn(partial(self._change_to, folder))

    async def _change_to(self, folder: Path, *, starts: bool = False) -> None:
        """Starts all rooms over on another project; with `starts`, opens the start dialog then."""
        from smoltui.screens.home.room import HomeRoom

        app, host = self._app, self._host
        if not await in_thread(folder.is_dir):
            host.say(f"This folder no longer exists: {safe_line(str(folder), 300)}", "error")
            return
        with suppress(OSError):  # what is not remembered costs nothing
            await in_thread(host.workspace.remembered.write)
        # All at once, so that no key finds a room of the previous project.
        app.clear_notifications()
        host.workspace.change_project(Project(folder))
        app.switch_mode("home")
        while len(app.screen_stack) > 1:  # views that were left open over Home
            app.pop_screen()
        for worker in list(app.workers):
            if worker.node is not app and worker.node.screen is not app.screen:
                worker.cancel()  # it draws on widgets that are removed now
        removed = []
        for mode, make in type(app).MODES.items():
            if mode != "home":
                removed.append(app.remove_mode(mode))
                app.add_mode(mode, make)
        if isinstance(app.screen, HomeRoom):
            app.screen.start_over()
        for removal in removed:
            await removal
        self.remember()
        if starts:
            host.action_train()

    # -- what was typed

    def open_typed(self, text: str) -> None:
        """Opens a file, a folder, a name on the Hub or a run."""
        if text:
            self._host.spawn(partial(self._open_typed, text))

    async def _open_typed(self, text: str) -> None:
        from smoltui.backends.guide.opening import find_target

        folder = self._host.workspace.project.folder
        try:
            target = await in_thread(partial(find_target, text, folder, folder))
        except SmoltuiError as error:
            self._host.say(str(error), "error")
            return
        await self._open(target)

    def open_target(self, target: Target) -> None:
        """Opens what the command line named, in the project that the app was started on."""
        self._host.spawn(partial(self._open, target))

    async def _open(self, target: Target) -> None:
        from smoltui.backends.guide.opening import Kind

        host = self._host
        if target.kind is Kind.NEW:
            self.wizard(target.source, target.folder)
            return
        if target.folder != host.workspace.project.folder:
            await self._change_to(target.folder)
        if target.kind is Kind.PAIRS:
            host.open_pairs(target.source)
        elif target.kind is Kind.RUN:
            host.show_run(target.run_id)
        elif target.kind is Kind.HUB:
            await self._open_hub(target.source)

    async def _open_hub(self, name: str) -> None:
        """Opens a name on the Hub: a dataset in Pairs; a model can only be compared in a project."""
        from smoltui.backends.guide.opening import is_model_on_hub

        host, shown = self._host, safe_line(name, 120)
        host.say(f"Looking for {shown} on the Hub…")
        try:
            is_model = await in_thread(partial(is_model_on_hub, name))
        except SmoltuiError:
            is_model = False  # it may be in the local cache; if not, Pairs says what is wrong
        self._app.clear_notifications()
        if is_model is None:
            host.say(f"The Hub has no dataset and no model with this name, or it is private: {shown}", "error")
        elif not is_model:
            host.open_pairs(name)
        elif host.workspace.project.has_recipe:
            host.compare_model(name)
        else:
            host.say(f"{shown} is a model. Press n to start a project with it, or open a project to compare it.")
