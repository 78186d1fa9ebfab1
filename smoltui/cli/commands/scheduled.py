"""The commands for recurring Jobs: scheduled list, create, inspect, reschedule, labels, suspend, resume, trigger and
delete."""

from __future__ import annotations

from typing import Any

import click

from smoltui.cli.arguments import FLAVOR, WORD, folder_argument, json_option
from smoltui.cli.group import Group


@click.group("scheduled", cls=Group)
def scheduled_group() -> None:
    """Manage recurring Jobs."""


@scheduled_group.command("list")
@json_option
def scheduled_list_command(as_json: bool) -> None:
    """List all recurring Jobs with their next start, including suspended ones."""
    from smoltui.cli import scheduled

    scheduled.list_all(as_json=as_json)


@scheduled_group.command("create")
@folder_argument
@click.option("--schedule", required=True, metavar="CRON", help="Five cron fields in UTC, or @hourly, @daily, @weekly.")
@click.option("--from", "source", metavar="ID", help="Repeat this Job instead of training FOLDER.")
@click.option("--flavor", type=FLAVOR, help="Hardware of each Job.")
@click.option("--timeout", type=WORD, help="Time limit of each Job, such as 3h or 90m.")
@click.option("--namespace", type=WORD, help="User or organization that owns and pays for the Jobs.")
@click.option("--suspended", is_flag=True, help="Create the schedule suspended: nothing starts until you resume it.")
@click.option("--concurrency", is_flag=True, help="Allow overlapping runs.")
@click.option("--yes", is_flag=True, help="Create the schedule without asking, although it costs money.")
@json_option
def scheduled_create_command(folder: str, **options: Any) -> None:
    """Train a project on a schedule, with its recipe and pairs as they are now."""
    from smoltui.cli import scheduled

    scheduled.create(folder, scheduled.Creation(**options))


@scheduled_group.command("inspect")
@click.argument("scheduled_id", metavar="ID")
@json_option
def scheduled_inspect_command(scheduled_id: str, as_json: bool) -> None:
    """Show everything known about a schedule."""
    from smoltui.cli import scheduled

    scheduled.inspect(scheduled_id, as_json=as_json)


@scheduled_group.command("reschedule")
@click.argument("scheduled_id", metavar="ID")
@click.option("--schedule", required=True, metavar="CRON", help="Five cron fields in UTC, or @hourly, @daily, @weekly.")
@json_option
def scheduled_reschedule_command(scheduled_id: str, schedule: str, as_json: bool) -> None:
    """Change when a schedule starts Jobs."""
    from smoltui.cli import scheduled

    scheduled.reschedule(scheduled_id, schedule, as_json=as_json)


@scheduled_group.command("labels")
@click.argument("scheduled_id", metavar="ID")
@click.argument("assignments", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--remove", multiple=True, metavar="KEY", help="Remove this label; can be repeated.")
@json_option
def scheduled_labels_command(
    scheduled_id: str, assignments: tuple[str, ...], remove: tuple[str, ...], as_json: bool
) -> None:
    """Show the labels of a schedule's Jobs, or set some; the others are kept."""
    from smoltui.cli import scheduled

    scheduled.labels(scheduled_id, assignments, remove, as_json=as_json)


@scheduled_group.command("suspend")
@click.argument("scheduled_id", metavar="ID")
@json_option
def scheduled_suspend_command(scheduled_id: str, as_json: bool) -> None:
    """Suspend a schedule until you resume it. A running Job continues."""
    from smoltui.cli import scheduled

    scheduled.suspend(scheduled_id, as_json=as_json)


@scheduled_group.command("resume")
@click.argument("scheduled_id", metavar="ID")
@json_option
def scheduled_resume_command(scheduled_id: str, as_json: bool) -> None:
    """Resume a suspended schedule."""
    from smoltui.cli import scheduled

    scheduled.resume(scheduled_id, as_json=as_json)


@scheduled_group.command("trigger")
@click.argument("scheduled_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Start a Job that costs money without asking.")
@json_option
def scheduled_trigger_command(scheduled_id: str, yes: bool, as_json: bool) -> None:
    """Start one Job now. The schedule doesn't change."""
    from smoltui.cli import scheduled

    scheduled.trigger(scheduled_id, yes=yes, as_json=as_json)


@scheduled_group.command("delete")
@click.argument("scheduled_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Delete without asking.")
@json_option
def scheduled_delete_command(scheduled_id: str, yes: bool, as_json: bool) -> None:
    """Delete a schedule permanently. A running Job continues."""
    from smoltui.cli import scheduled

    scheduled.delete(scheduled_id, yes=yes, as_json=as_json)
