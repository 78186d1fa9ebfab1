"""Completion in bash, zsh and fish: the script that a shell reads, and the answer to the script's questions.

The script is click's. It calls smoltui with `_SMOLTUI_COMPLETE` in the environment at each press of tab.
"""

from __future__ import annotations

import os

import click

from smoltui.cli.output import note, say_script
from smoltui.errors import InputError
from smoltui.suggestions import did_you_mean

VARIABLE = "_SMOLTUI_COMPLETE"
"""`bash_complete` and the like, set by the script; click's name for a program called smoltui."""
PROGRAM = "smoltui"
INSTALL = {
    "bash": "smoltui completions bash > ~/.local/share/bash-completion/completions/smoltui",
    "zsh": 'smoltui completions zsh > "${fpath[1]}/_smoltui"',
    "fish": "smoltui completions fish > ~/.config/fish/completions/smoltui.fish",
}
"""Shell → the command that installs its script where the shell looks for it."""


def print_script(group: click.Group, shell: str, on_terminal: bool) -> None:
    """Prints the script for a shell; on a terminal also, on stderr, how to install it.

    Raises:
        InputError: there is none for this shell.
    """
    if shell not in INSTALL:
        hint = " ".join(filter(None, (did_you_mean(shell, INSTALL), f"Shells: {', '.join(INSTALL)}.")))
        raise InputError(f"No completions for this shell: {shell}", hint)
    say_script(_of_shell(group, shell).source_template % _of_shell(group, shell).source_vars())
    if on_terminal:
        note(f"\nInstall it, then open a new shell: {INSTALL[shell]}")


def answer(group: click.Group, instruction: str) -> int:
    """Prints the completions that a script asks for (`bash_complete`); returns the exit code.

    Whatever goes wrong, nothing is printed: a person is in the middle of typing a command.
    """
    shell, _, what = instruction.partition("_")
    if what != "complete" or shell not in INSTALL:
        return InputError.exit_code
    try:
        say_script(_of_shell(group, shell).complete())
    except Exception as error:
        from smoltui.backends.system.crash import written_report

        written_report(error)
        return 1
    return 0


def _of_shell(group: click.Group, shell: str) -> click.shell_completion.ShellComplete:
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:  # click knows all of `INSTALL`
        raise InputError(f"No completions for this shell: {shell}")
    return found(group, {"help_option_names": ["-h", "--help"]}, PROGRAM, VARIABLE)


def asked() -> str | None:
    """What a script asks for; None in an ordinary start."""
    return os.environ.get(VARIABLE)
