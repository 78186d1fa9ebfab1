"""The commands of the Recipe room: recipe show, check, command and import."""

from __future__ import annotations

import click

from smoltui.cli.arguments import FILE, FOLDER, EngineChoice, folder_argument, json_option, project_in
from smoltui.cli.group import Group
from smoltui.cli.output import print_json
from smoltui.errors import InputError


@click.group("recipe", cls=Group)
def recipe_group() -> None:
    """The recipe of a project: its values, its problems, and the command that runs it."""


@recipe_group.command("show")
@folder_argument
@json_option
def recipe_show_command(folder: str, as_json: bool) -> None:
    """Show every value and what it means."""
    from smoltui.cli import recipe

    report = recipe.recipe_show(project_in(folder))
    print_json(report) if as_json else recipe.print_show(report)


@recipe_group.command("check")
@folder_argument
@click.option("--on", "target", type=EngineChoice(), help="Where it will run; default: run.on in smoltui.toml.")
@json_option
def recipe_check_command(folder: str, target: str | None, as_json: bool) -> None:
    """Show what would stop or spoil the run. The exit code is 2 if something would stop it."""
    from smoltui.cli import recipe

    report = recipe.recipe_check(project_in(folder), target)
    print_json(report) if as_json else recipe.print_check(report)
    if not report["ok"]:
        raise SystemExit(InputError.exit_code)


@recipe_group.command("command")
@folder_argument
@click.option("--on", "target", type=EngineChoice(), help="Where it will run; default: run.on in smoltui.toml.")
@json_option
def recipe_command_command(folder: str, target: str | None, as_json: bool) -> None:
    """Print the command that does the same by hand."""
    from smoltui.cli import recipe

    report = recipe.recipe_command(project_in(folder), target)
    print_json(report) if as_json else recipe.print_command(report)


@recipe_group.command("import")
@click.argument("source", type=FILE)
@click.argument("folder", type=FOLDER)
@click.option("--replace", is_flag=True, help="Replace an existing recipe.")
@json_option
def recipe_import_command(source: str, folder: str, replace: bool, as_json: bool) -> None:
    """Turn a training script or a command into a recipe.

    SOURCE is a Python script that uses TRL's DPOTrainer, or a text file with a command such as trl dpo or hf jobs uv
    run; - reads standard input. The script is read, never run. What no longer works is named with its line.
    """
    from smoltui.cli import recipe_import

    report = recipe_import.import_from(source, folder, replace=replace)
    print_json(report) if as_json else recipe_import.print_import(report)
