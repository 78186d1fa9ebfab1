"""The command that prints the documentation: docs."""

from __future__ import annotations

import click

from smoltui.cli.arguments import TOPIC, json_option
from smoltui.cli.output import print_json


@click.command("docs")
@click.argument("topic", type=TOPIC, required=False)
@json_option
def docs_command(topic: str | None, as_json: bool) -> None:
    """List the topics of this documentation, or print one."""
    from smoltui.cli import docs

    report = docs.docs_report(topic)
    print_json(report) if as_json else docs.print_report(report)
