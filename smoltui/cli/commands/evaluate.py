"""The commands of the Evaluate room: ask and evaluate."""

from __future__ import annotations

from datetime import datetime

import click

from smoltui.cli.arguments import folder_argument, json_option, project_in
from smoltui.cli.failures import require_address_space


def _as_utf8(typed: str) -> str:
    """Text that was typed in UTF-8 under another locale, for which Python decodes each byte to a lone surrogate."""
    try:
        return typed.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        return typed


@click.command("ask")
@click.argument("folder")
@click.argument("prompts", nargs=-1)
@click.option("--run", "run_id", help="Ask the model of this run; default: the project's newest completed run.")
@json_option
def ask_command(folder: str, prompts: tuple[str, ...], run_id: str | None, as_json: bool) -> None:
    """Print the answers of the reference and the aligned model to PROMPTS, or to the project's prompts."""
    from smoltui.cli import evaluate

    evaluate.run_ask(project_in(folder), [_as_utf8(prompt) for prompt in prompts], run_id=run_id, as_json=as_json)


@click.command("evaluate")
@folder_argument
@click.option("--run", "run_id", help="Measure the model of this run; default: the project's newest completed run.")
@click.option(
    "--date",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="Date that the chat template writes into prompts, if it does; default: today.",
)
@json_option
def evaluate_command(folder: str, run_id: str | None, date: datetime | None, as_json: bool) -> None:
    """Measure the reference and the aligned model on held-out pairs, and save the figures with the run."""
    require_address_space()
    from smoltui.cli import evaluate

    told = date.date().isoformat() if date else None
    evaluate.run_evaluate(project_in(folder), run_id=run_id, date=told, as_json=as_json)
