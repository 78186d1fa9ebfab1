"""Commands that help with smoltui itself: completions, man and doctor."""

from __future__ import annotations

import sys

import click

from smoltui.cli.arguments import Choice, folder_argument, json_option
from smoltui.cli.group import whole_command_line
from smoltui.cli.output import print_json
from smoltui.errors import InputError


@click.command("completions")
@click.argument("shell", type=Choice(["bash", "zsh", "fish"]))
def completions_command(shell: str) -> None:
    """Print the script that completes commands, options, runs and topics in bash, zsh or fish.

    On a terminal, the command that installs it is printed too.
    """
    from smoltui.cli import completions

    completions.print_script(whole_command_line(), shell, sys.stdout.isatty())


@click.command("man")
def man_command() -> None:
    """Print the manual page. Read it with: smoltui man | man -l -

    It is made from the commands and is always up to date.
    """
    from smoltui.cli import man

    man.print_page(whole_command_line(), sys.stdout.isatty())


@click.command("doctor")
@folder_argument
@json_option
def doctor_command(folder: str, as_json: bool) -> None:
    """Examine this installation: versions, terminal, folders, devices, the Hub.

    Each line that is broken names its next step. The exit code is 2 if something is broken. The report contains no
    token and can be pasted into a bug report.
    """
    from smoltui.backends.system.paths import expanded
    from smoltui.cli import doctor

    findings = doctor.examined(expanded(folder).absolute())
    print_json(doctor.as_json(findings)) if as_json else doctor.print_report(findings)
    if doctor.broken(findings):
        raise SystemExit(InputError.exit_code)
