"""The command of the Device room: check."""

from __future__ import annotations

import click

from smoltui.cli.arguments import folder_argument, json_option, project_in
from smoltui.cli.output import print_json


@click.command("check")
@folder_argument
@json_option
def check_command(folder: str, as_json: bool) -> None:
    """Show what can be trained here: devices, memory, disk, packages, account."""
    from smoltui.cli import check

    report = check.check_report(project_in(folder).folder)
    print_json(report) if as_json else check.print_report(report)
