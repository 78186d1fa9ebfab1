"""Commands that open the app, or create a project to open it on."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from smoltui.cli import output
from smoltui.cli.arguments import FILE, PRESET, Choice, EngineChoice, json_option, theme_option
from smoltui.cli.group import whole_command_line
from smoltui.cli.output import print_json
from smoltui.errors import InputError, RecipeError
from smoltui.safe_text import safe_line
from smoltui.suggestions import did_you_mean

if TYPE_CHECKING:
    from smoltui.backends.guide.opening import Target
    from smoltui.backends.project.project import Project


@click.command("open", hidden=True)
@click.argument("target", default=".", type=FILE)
@theme_option
@click.option("--json", "as_json", is_flag=True, hidden=True)
def open_app(target: str, theme: str | None, as_json: bool) -> None:
    """Opens the app on a folder, a file of pairs, a name on the Hub, or a run."""
    from smoltui.backends.project.project import Project

    here = _absolute(target)
    if (
        here.is_dir()
        and not as_json
        and not any((here / name).exists() for name in ("dataset_dict.json", "state.json"))
    ):
        run_app(Project(here), theme)  # a folder is opened without loading what reads pairs
        return
    from smoltui.backends.guide.opening import find_target

    words = whole_command_line().list_commands(click.get_current_context())
    found = find_target(target, Path.cwd(), words=words)
    if as_json:
        raise InputError("Only the commands take --json, not the app", "See the commands: smoltui --help")
    run_app(Project(found.folder), theme, found)


COMMANDS = (
    "Without the app, use the commands (all take --json): smoltui check, pairs, recipe, train, ps, logs, ask, evaluate"
)


def run_app(project: Project, theme: str | None = None, target: Target | None = None, opening: str = "home") -> None:
    """Runs the app until the person quits. `theme` is `auto`, `dark` or `light`; None: not said.

    `target` is what to open once the app is drawn; None: only the room `opening`.

    Raises:
        InputError: there is no terminal that the app can draw on.
    """
    from smoltui.core.machine.terminal_names import CANNOT_DRAW

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError("The app needs an interactive terminal", COMMANDS)
    if (term := os.environ.get("TERM", "")) in CANNOT_DRAW and sys.platform != "win32":
        named = f"TERM is {term}" if term else "TERM is not set"
        raise InputError(
            f"The app cannot draw on this terminal: {named}",
            f"If the terminal supports more, set TERM, for example TERM=xterm-256color. {COMMANDS}",
        )
    if sys.__stderr__ is None or not sys.__stderr__.isatty():
        # Textual draws on stderr. If only that is redirected, errors belong in the file, but the screen would be empty.
        sys.__stderr__ = sys.__stdout__  # type: ignore[misc]
    from smoltui.at_rest import postpone_collections
    from smoltui.backends.system.ui_state import Remembered
    from smoltui.backends.system.user_config import user_config

    remembered = Remembered.reading(project.folder)  # meanwhile, the app is imported
    postpone_collections()
    from smoltui.app import SmoltuiApp

    complaints: tuple[str, ...] = ()
    try:
        config = user_config()
    except RecipeError as error:
        config, complaints = {}, (error.message,)
    theme = theme or _configured_theme(config, SmoltuiApp.theme_names())
    app = SmoltuiApp(project, opening=opening, theme=theme, remembered=remembered, target=target)
    app.complaints = complaints
    app.take_config(config)
    # The app's own result, or the return code if a signal or a lost terminal ended it.
    if code := app.run(mouse=config.get("mouse") is not False) or app.return_code:
        raise SystemExit(code)


def _configured_theme(config: Mapping[str, object], known: Collection[str]) -> str:
    """The theme in a person's configuration; empty without one. Raises InputError for an unknown one."""
    from smoltui.backends.system.user_config import NAME

    theme = config.get("theme", "")
    if theme and theme not in known:
        near = did_you_mean(str(theme), known)
        shown = safe_line(str(theme), 60)
        raise InputError(f"Unknown theme in {NAME}: {shown}", near or "Use auto, dark, light, or a theme of Textual.")
    return str(theme)


@click.command("demo")
@click.argument("folder", default="smoltui-demo")
@click.option("--no-open", is_flag=True, help="Only create the folder.")
@theme_option
@json_option
def demo_command(folder: str, no_open: bool, theme: str | None, as_json: bool) -> None:
    """Create a project that trains within a minute on any CPU, and open the app on it.

    A folder that is already a project is opened as it is.
    """
    from smoltui.backends.project.new_project import create_project
    from smoltui.backends.project.project import Project

    project = Project(_absolute(folder))
    if not project.has_recipe:
        project = create_project(project.folder, "demo")
    elif not as_json:
        output.note(f"This folder is already a project; nothing was changed: {project.folder}")
    _made(project, no_open, as_json, theme)


@click.command("new")
@click.argument("folder")
@click.option(
    "--preset",
    type=PRESET,
    help="A finished recipe, such as demo, course-local or lora-16gb, instead of the other options.",
)
@click.option("--pairs", type=FILE, help="A file, a folder, or owner/name on the Hub.")
@click.option("--model", help="owner/name on the Hub, a folder, or demo: the demo's small model.")
@click.option("--method", type=Choice(("full", "lora", "qlora")), help="What is trained; default: what fits best.")
@click.option("--on", "target", type=EngineChoice(), help="Where its runs start; default: where the model fits.")
@click.option("--open/--no-open", "opens", default=False, help="Open the app on it, or not (the default).")
@json_option
def new_command(
    folder: str,
    preset: str | None,
    pairs: str | None,
    model: str | None,
    method: str | None,
    target: str | None,
    opens: bool,
    as_json: bool,
) -> None:
    """Create a project folder, from a preset or from pairs and a model.

    In a terminal, without a preset, the app asks for whatever is not given.
    """
    from smoltui.cli import new

    if preset is not None:
        if pairs or model or method or target:
            raise InputError("--preset has pairs and a model of its own", "Leave --preset out, or the other options.")
        from smoltui.backends.project.new_project import create_project

        _made(create_project(_absolute(folder), preset), not opens, as_json)
        return
    given = new.Given(_absolute(folder), pairs or "", model or "", method or "", target or "")
    if not (pairs and model) and not as_json and sys.stdin.isatty() and sys.stdout.isatty():
        run_app(*new.asked(given))
        return
    _made(new.create(given), not opens, as_json)


def _absolute(folder: str) -> Path:
    from smoltui.backends.system.paths import expanded

    return expanded(folder).absolute()


def _made(project: Project, no_open: bool, as_json: bool, theme: str | None = None) -> None:
    if as_json:
        print_json({"folder": str(project.folder)})
    elif no_open:
        import shlex

        output.say(f"Project: {safe_line(str(project.folder), 4096)}")
        output.say(f"Open the project: smoltui {safe_line(shlex.quote(str(project.folder)), 4096)}")
    if not no_open and not as_json:
        run_app(project, theme)
