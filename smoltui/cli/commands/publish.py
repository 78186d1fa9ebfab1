"""Commands that show a run to others: report, and those of the Submit room: card, submit and leaderboard."""

from __future__ import annotations

import click

from smoltui.cli.arguments import (
    FILE,
    FOLDER,
    Choice,
    folder_argument,
    json_option,
    project_in,
    run_argument,
    run_option,
)
from smoltui.cli.output import print_json

_RUN = "The run to publish; default: the project's newest run on this machine with a model."


@click.command("report")
@run_argument
@click.option("--out", type=FOLDER, metavar="FOLDER", help="Folder for the files; default: report-ID in this folder.")
@json_option
def report_command(run_id: str, out: str | None, as_json: bool) -> None:
    """Write a run as a page: recipe, pairs, curves, evaluation, answers, checks, versions.

    report.html can be read offline, in any browser; report.md is the same as Markdown. Nothing in them is loaded from
    the network, and secrets are redacted.
    """
    from smoltui.cli import report

    written = report.report(run_id, out)
    print_json(written) if as_json else report.print_report(written)


@click.command("card")
@folder_argument
@run_option(_RUN)
@click.option("-o", "--output", metavar="FILE", type=FILE, help="Save the card in this file.")
@click.option("--push", is_flag=True, help="Publish the card on the Hub, with what --upload names.")
@click.option(
    "--upload",
    type=Choice(["card", "model", "adapter", "merged"]),
    help="What is uploaded beside the card; default: the weights that the run saved.",
)
@click.option("--yes", is_flag=True, help="Publish without asking.")
@json_option
def card_command(
    folder: str, run_id: str | None, output: str | None, push: bool, upload: str | None, yes: bool, as_json: bool
) -> None:
    """Print the model card of a run, made from its record; with --push, publish it."""
    from smoltui.cli import publish

    publish.card(project_in(folder), publish.CardAsked(run_id, output, push, upload, yes, as_json))


@click.command("submit")
@folder_argument
@run_option(_RUN)
@click.option("--dry-run", is_flag=True, help="Check everything and show the change; publish nothing.")
@click.option("--reopen", is_flag=True, help="Close your conflicting pull request and open it again on today's file.")
@click.option("--yes", is_flag=True, help="Open the pull request without asking.")
@json_option
def submit_command(folder: str, run_id: str | None, dry_run: bool, reopen: bool, yes: bool, as_json: bool) -> None:
    """Submit a run's model to the leaderboard: check it, show the change, open the pull request."""
    from smoltui.cli import publish

    publish.submit(project_in(folder), publish.SubmitAsked(run_id, dry_run, reopen, yes, as_json))


@click.command("leaderboard")
@folder_argument
@click.option("--space", metavar="OWNER/NAME", help="Space of the leaderboard; default: submit.space in smoltui.toml.")
@click.option("-a", "--all", "every", is_flag=True, help="Show the entries of all chapters.")
@json_option
def leaderboard_command(folder: str, space: str | None, every: bool, as_json: bool) -> None:
    """Show the leaderboard with your place in it, and your pull requests."""
    from smoltui.cli import publish

    publish.leaderboard(project_in(folder), space=space, every=every, as_json=as_json)
