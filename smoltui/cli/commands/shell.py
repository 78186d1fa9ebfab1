"""Commands that help with smoltui itself: completions and man."""

from __future__ import annotations

import sys

import click

from smoltui.cli.arguments import Choice
from smoltui.cli.group import whole_command_line


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

    man.print_page(whole_command_line())
