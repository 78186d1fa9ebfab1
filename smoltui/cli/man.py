"""The manual page, in roff: made from the commands, so that it never lags behind them.

Not by a library: click-man writes one page per command, and roff for one page of all commands is little more than
escaping. The macros are those of man(7), which groff and mandoc render.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence

import click

from smoltui import __version__
from smoltui.cli.group import Group
from smoltui.cli.output import note, say_script

_CODE = re.compile(r"`([^`]+)`")

EXIT_STATUS = (
    ("0", "Done."),
    ("1", "The run failed."),
    ("2", "Wrong usage or input."),
    ("3", "The service refused."),
    ("70", "A bug in smoltui; the message names a crash report."),
    ("130", "Interrupted or canceled."),
)
FILES = (
    ("recipe.yaml", "The recipe of a project: TRL's keys only."),
    ("smoltui.toml", "Settings of a project that TRL has no key for."),
    ("curation.jsonl", "Decisions on pairs, by content hash."),
)
ENVIRONMENT = (
    ("SMOLTUI_HOME", "Data folder, instead of the system's folder for application data."),
    ("HF_TOKEN", "Token of the Hub, instead of the one that hf auth login stores."),
    ("HF_HOME", "Folder of the Hub's cache and token."),
    ("NO_COLOR", "If set, nothing is colored."),
    ("EDITOR", "Editor for recipes, settings and cards."),
    ("PAGER", "Pager for logs."),
)


def print_page(group: click.Group, on_terminal: bool) -> None:
    """Prints the page; on a terminal also, on stderr, how to read it."""
    say_script("\n".join(page(group)))
    if on_terminal:
        note("\nRead it: smoltui man | man -l -")


def page(group: click.Group) -> Iterator[str]:
    """The lines of the page, section by section."""
    yield from (f'.TH SMOLTUI 1 "" "smoltui {__version__}" "User Commands"', ".nh", ".ad l")
    yield from (".SH NAME", rf"smoltui \- {_text(_paragraphs(group)[0].rstrip('.'))}")
    yield from (".SH SYNOPSIS", ".B smoltui", r"[\fITARGET\fR]", ".br", ".B smoltui", r"\fICOMMAND\fR [\fIOPTIONS\fR]")
    yield ".SH DESCRIPTION"
    yield from _prose(_paragraphs(group))
    yield ".SH OPTIONS"
    yield from _options(group)
    for heading, commands in _sections(group):
        yield f'.SH "{_text(heading.upper())}"'
        for command in commands:
            yield from _command(f"smoltui {command.name}", command)
    for heading, rows in (("EXIT STATUS", EXIT_STATUS), ("FILES", FILES), ("ENVIRONMENT", ENVIRONMENT)):
        yield f'.SH "{heading}"'
        for name, words in rows:
            yield from (".TP", rf"\fB{_text(name)}\fR", _text(words))
    yield from (".SH SEE ALSO", _text("smoltui docs lists the topics of the documentation."))


def _sections(group: click.Group) -> Iterator[tuple[str, Sequence[click.Command]]]:
    sections = dict(group.sections) if isinstance(group, Group) else {}
    placed = {id(command) for commands in sections.values() for command in commands}
    for heading, commands in sections.items():
        yield heading, [command for command in commands if not command.hidden]
    others = [command for command in group.commands.values() if id(command) not in placed and not command.hidden]
    if others:
        yield "Commands", others


def _command(name: str, command: click.Command) -> Iterator[str]:
    if isinstance(command, click.Group):
        yield f'.SS "{_text(name)}"'
        yield from _prose(_paragraphs(command))
        for sub in command.commands.values():
            yield from _command(f"{name} {sub.name}", sub)
        return
    pieces = command.collect_usage_pieces(click.Context(command))
    yield f'.SS "{_text(" ".join([name, *pieces]))}"'
    yield from _prose(_paragraphs(command))
    yield from _options(command)


def _options(command: click.Command) -> Iterator[str]:
    context = click.Context(command)
    for param in command.get_params(context):
        record = param.get_help_record(context) if isinstance(param, click.Option) else None
        if record is not None:
            yield from (".TP", rf"\fB{_text(record[0])}\fR", _text(" ".join(record[1].split())))


def _paragraphs(command: click.Command) -> list[str]:
    """The help of a command, one text per paragraph."""
    return [" ".join(part.split()) for part in inspect.cleandoc(command.help or "").split("\n\n") if part.strip()]


def _prose(paragraphs: Sequence[str]) -> Iterator[str]:
    for paragraph in paragraphs:
        yield from (".PP", _text(paragraph))


def _text(text: str) -> str:
    r"""A text as roff that shows it: a backslash, a hyphen that can be copied, no request at the start of a line."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace('"', r"\(dq")
    text = _CODE.sub(r"\\fB\1\\fR", text)
    return rf"\&{text}" if text.startswith((".", "'")) else text
