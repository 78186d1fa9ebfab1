"""The command that measures models on held-out pairs."""

from __future__ import annotations

from datetime import datetime

import click

from smoltui.cli.arguments import folder_argument, json_option, project_in, run_option, yes_to_loading
from smoltui.cli.failures import require_address_space


@click.command("evaluate")
@folder_argument
@run_option("Measure the model of this run; default: the project's newest completed run.")
@click.option("--model", metavar="MODEL", help="Measure this model instead: a folder or a Hub id.")
@click.option(
    "--date",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="Date that the chat template writes into prompts, if it does; default: today.",
)
@yes_to_loading
@json_option
def evaluate_command(
    folder: str, run_id: str | None, model: str | None, date: datetime | None, yes: bool, as_json: bool
) -> None:
    """Measure the reference and the aligned model on held-out pairs, and save the figures with the run."""
    require_address_space()
    from smoltui.cli import evaluate

    told = date.date().isoformat() if date else None
    evaluate.run_evaluate(project_in(folder), evaluate.Asked(run_id, model, told, yes), as_json=as_json)
