"""Commands for a run that exists: stats, wait, pause, resume, rerun, labels; and hardware."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from smoltui.cli.arguments import (
    FLAVOR,
    FOLDER,
    RUN_ID,
    WORD,
    EngineChoice,
    json_option,
    project_in,
    run_argument,
    runs_argument,
)

_Command = TypeVar("_Command", bound=Callable[..., object])


@click.command("stats")
@click.argument("run_ids", metavar="[ID]...", nargs=-1, type=RUN_ID)
@click.option("-f", "--follow", is_flag=True, help="Print one line per second until the run ends.")
@json_option
def stats_command(run_ids: tuple[str, ...], follow: bool, as_json: bool) -> None:
    """Show what runs are using: processor, memory, each GPU, network. Without an id, everything that runs."""
    from smoltui.cli import usage

    usage.stats(run_ids, follow=follow, as_json=as_json)


@click.command("wait")
@runs_argument
@click.option("--timeout", help="Give up after this time, such as 30m; the runs continue.")
@json_option
def wait_command(run_ids: tuple[str, ...], timeout: str | None, as_json: bool) -> None:
    """Wait until runs have ended, and do their follow-up steps.

    The exit code is 0 if all COMPLETED, 130 if one was CANCELED, 1 if one failed, 124 if the time is over.
    """
    from smoltui.cli import jobs

    raise SystemExit(jobs.wait(run_ids, timeout, as_json=as_json))


@click.command("pause")
@runs_argument
@json_option
def pause_command(run_ids: tuple[str, ...], as_json: bool) -> None:
    """Stop runs, here or on Slurm, with a checkpoint, so that they can be resumed."""
    from smoltui.cli import jobs

    jobs.pause(run_ids, as_json=as_json)


def _changes_options(command: _Command) -> _Command:
    """The options of a Job that is started again or resumed."""
    for option in (
        click.option("--attempts", type=int, help="How often the Hub starts the Job if it fails."),
        click.option("--namespace", type=WORD, help="User or organization that owns and pays for the Job."),
        click.option("--timeout", type=WORD, help="Time limit of the Job, such as 3h or 90m."),
        click.option("--flavor", type=FLAVOR, help="Hardware of the Job."),
    ):
        command = option(command)
    return command


@click.command("resume")
@runs_argument
@_changes_options
@click.option("--yes", is_flag=True, help="Resume a Job, which costs money, without asking.")
@json_option
def resume_command(run_ids: tuple[str, ...], yes: bool, as_json: bool, **changes: Any) -> None:
    """Resume runs from their newest complete checkpoint; a Job in a new Job, as the same run."""
    from smoltui.cli import jobs

    jobs.resume(run_ids, jobs.Again(**changes), yes=yes, as_json=as_json)


@click.command("rerun")
@run_argument
@_changes_options
@click.option("--yes", is_flag=True, help="Start a Job that costs money without asking.")
@json_option
def rerun_command(run_id: str, yes: bool, as_json: bool, **changes: Any) -> None:
    """Start the same run again, from its first step, and return."""
    from smoltui.cli import jobs

    jobs.rerun(run_id, jobs.Again(**changes), yes=yes, as_json=as_json)


@click.command("labels")
@run_argument
@click.argument("assignments", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--remove", multiple=True, metavar="KEY", help="Remove this label; can be repeated.")
@json_option
def labels_command(run_id: str, assignments: tuple[str, ...], remove: tuple[str, ...], as_json: bool) -> None:
    """Show the labels of a Job, or set some; the others are kept."""
    from smoltui.cli import jobs

    jobs.labels(run_id, assignments, remove, as_json=as_json)


@click.command("expose")
@run_argument
@click.argument("ports", metavar="[PORT]...", nargs=-1, type=click.IntRange(1, 65535))
@click.option("--public", multiple=True, type=click.IntRange(1, 65535), metavar="PORT", help="Without a token; repeat.")
@click.option("--clear", is_flag=True, help="Close all ports.")
@json_option
def expose_command(run_id: str, ports: tuple[int, ...], public: tuple[int, ...], clear: bool, as_json: bool) -> None:
    """Open ports of a running Job in place of the open ones, and show its addresses."""
    from smoltui.cli import usage

    usage.expose(run_id, ports, public, clear=clear, as_json=as_json)


@click.command("hardware")
@click.option("--for", "folder", metavar="FOLDER", type=FOLDER, help="Also show whether this project's recipe fits.")
@click.option(
    "--on",
    "engine",
    type=EngineChoice(),
    help="Place to list; default: run.on, or the first with hardware to choose from.",
)
@json_option
def hardware_command(folder: str | None, engine: str | None, as_json: bool) -> None:
    """List the hardware of Jobs, or the partitions of Slurm: processor, memory, accelerators, price."""
    from smoltui.cli import jobs

    jobs.hardware(None if folder is None else project_in(folder), engine, as_json=as_json)
