"""The command sweep."""

from __future__ import annotations

from typing import Any

import click

from smoltui.cli.arguments import FLAVOR, WORD, EngineChoice, folder_argument, json_option, project_in


@click.command("sweep")
@folder_argument
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE,VALUE…",
    help="Values of a key to compare; repeated, every combination is trained.",
)
@click.option("--id", "sweep_id", default="", metavar="ID", help="An earlier sweep; default: the newest.")
@click.option("--continue", "go_on", is_flag=True, help="Start what is missing or failed.")
@click.option("--on", "engine", type=EngineChoice(), help="Where to run; default: run.on in smoltui.toml.")
@click.option("--flavor", type=FLAVOR, help="Hardware of the Jobs.")
@click.option("--timeout", type=WORD, help="Time limit of each Job, such as 3h or 90m.")
@click.option("--yes", is_flag=True, help="Start Jobs that cost money without asking.")
@click.option("--measure", is_flag=True, help="Measure each model on held-out pairs after its run.")
@click.option("--detach", is_flag=True, help="Start the runs and return.")
@json_option
def sweep_command(folder: str, **options: Any) -> None:
    """Train with several values, and compare the runs in one table, the best first.

    Without --set, show the newest sweep of the project. The runs are ordinary ones: they outlive the terminal, and
    other commands apply to them.
    """
    from smoltui.cli import sweep

    if options["assignments"] and (options["go_on"] or options["sweep_id"]):
        raise click.UsageError("--set starts a new sweep; --id and --continue concern an earlier one.")
    raise SystemExit(sweep.sweep(project_in(folder), sweep.Sweeping(**options)))
