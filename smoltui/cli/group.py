"""Groups of commands whose help says everything: whole sentences, in sections, in the order of the workflow."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence

import click

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z`])")


def first_sentence(command: click.Command) -> str:
    """What a command does: the whole first sentence of its help, on one line. click would cut it at 45 characters."""
    return _SENTENCE.split(" ".join(inspect.cleandoc(command.help or "").split("\n\n")[0].split()))[0]


def whole_command_line() -> click.Group:
    """The group of all commands, to which the one that runs belongs."""
    group = click.get_current_context().find_root().command
    if not isinstance(group, click.Group):
        raise TypeError(f"not started by the command line but by {group.name}")
    return group


class Group(click.Group):
    """A group that lists its commands in the order in which they were added, in sections where it has them."""

    sections: Mapping[str, Sequence[click.Command]] = {}
    """Heading → its commands. Those without a section come last, as `Commands`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # click sorts them by name

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        placed = {command.name for commands in self.sections.values() for command in commands}
        others = [command for name, command in self.commands.items() if name not in placed]
        shown = {
            heading: [(each.name or "", first_sentence(each)) for each in commands if not each.hidden]
            for heading, commands in {**self.sections, "Commands": others}.items()
        }
        widest = max((len(name) for rows in shown.values() for name, _ in rows), default=0)
        for heading, rows in shown.items():
            if rows:
                with formatter.section(heading):
                    # One width for all sections, so that their sentences stand below each other.
                    formatter.write_dl([(f"{name:<{widest}}", words) for name, words in rows])
