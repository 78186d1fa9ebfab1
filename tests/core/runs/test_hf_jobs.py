"""The commands and options of the installed client of the Hub, and what stands for them here."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

from smoltui.cli.main import smoltui
from smoltui.core.runs.hf_jobs import COMMANDS, OPTIONS, Counterpart
from smoltui.core.setting_fields.fields import setting_fields


def commands_in(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """The commands below one, by their words."""
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        yield from commands_in(below, (*path, name))


def theirs() -> dict[str, click.Command]:
    from huggingface_hub.cli.hf import app

    jobs = app.get_command(click.Context(app), "jobs")
    return dict(commands_in(jobs))


def test_every_command_and_option_has_a_counterpart_or_a_reason() -> None:
    """When the client learns something, this fails until somebody has decided about it."""
    known = theirs()
    assert known.keys() == COMMANDS.keys()
    options = {max(option.opts, key=len) for command in known.values() for option in command.params}
    assert {option for option in options if option.startswith("--")} == OPTIONS.keys()


@pytest.mark.parametrize("name", [*COMMANDS, *OPTIONS])
def test_what_stands_for_it_exists(name: str) -> None:
    counterpart: Counterpart = {**COMMANDS, **OPTIONS}[name]
    assert counterpart.here or counterpart.why
    ours = dict(commands_in(smoltui))
    options = {opt for command in ours.values() for option in command.params for opt in option.opts}
    for part in filter(None, counterpart.here.split(", ")):
        if "." in part:
            assert part in setting_fields()
        elif " of the recipe" not in part:
            words = part.split(" --filter ")[0].split()
            flags = {word for word in words if word.startswith("-")}
            command = " ".join(
                word for word in words if not word.startswith("-") and not re.fullmatch(r"\w+:|hub", word)
            )
            assert flags <= options and (not command or command in ours), part
