"""The commands of the Recipe room: recipe show, check, diff, command, import and export."""

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


@recipe_group.command("export")
@folder_argument
@click.option("--script", "form", flag_value="script", default=True, help="One Python file with everything in it.")
@click.option("--trl", "form", flag_value="trl", help="A trl dpo command.")
@click.option("--hf-jobs", "form", flag_value="hf-jobs", help="An hf jobs uv run command; its script is written too.")
@click.option("--hf-jobs-trl", "form", flag_value="hf-jobs-trl", help="The same with TRL's own script.")
@click.option("-o", "--output", "out", metavar="FILE", help="Write to a file, with the curated pairs beside it.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@json_option
def recipe_export_command(folder: str, form: str, out: str | None, overwrite: bool, as_json: bool) -> None:
    """Write the recipe as something that trains without smoltui.

    The script contains the recipe, the training program and the exact version of every package: uv run FILE makes the
    environment and trains. What is different from smoltui train, and the files that are needed, are printed on stderr.
    """
    from smoltui.cli import recipe_export

    report = recipe_export.exported(project_in(folder), form, out, overwrite=overwrite)
    print_json(report) if as_json else recipe_export.print_export(report, out)


@recipe_group.command("diff")
@folder_argument
@click.option("--preset", metavar="NAME", help="Compare with a preset.")
@click.option("--run", "run_id", metavar="RUN", help="Compare with the recipe that a run was started with.")
@click.option("--file", "path", type=FILE, help="Compare with a recipe, a project, a script or a file with a command.")
@json_option
def recipe_diff_command(folder: str, preset: str | None, run_id: str | None, path: str | None, as_json: bool) -> None:
    """Show which values differ from another recipe; without an option, from TRL's defaults."""
    from smoltui.cli import recipe_diff

    report = recipe_diff.recipe_diff(project_in(folder), preset=preset, run_id=run_id, path=path)
    print_json(report) if as_json else recipe_diff.print_diff(report)
