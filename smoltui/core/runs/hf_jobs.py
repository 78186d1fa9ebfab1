"""What stands here for each command and option of `hf jobs` (huggingface_hub 2.4), or why nothing does.

A test compares the table with the installed client's own parser.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Counterpart(NamedTuple):
    """What does here what a command or an option of `hf jobs` does."""

    here: str
    """A command, an option or a setting; empty if there is none."""
    why: str = ""
    """Why there is none, or what differs."""


COMMANDS: Mapping[str, Counterpart] = {
    "cancel": Counterpart("cancel"),
    "expose": Counterpart("expose"),
    "hardware": Counterpart("hardware"),
    "inspect": Counterpart("inspect"),
    "labels": Counterpart("labels"),
    "list": Counterpart("ps"),
    "logs": Counterpart("logs"),
    "rerun": Counterpart("rerun"),
    "run": Counterpart("train --on hub", "a training; any other command is for hf jobs"),
    "ssh": Counterpart("inspect", "prints the ssh command of a running Job"),
    "stats": Counterpart("stats"),
    "uv run": Counterpart("train --on hub", "a training; any other script is for hf jobs"),
    "wait": Counterpart("wait"),
    "scheduled delete": Counterpart("scheduled delete"),
    "scheduled inspect": Counterpart("scheduled inspect"),
    "scheduled labels": Counterpart("scheduled labels"),
    "scheduled list": Counterpart("scheduled list"),
    "scheduled reschedule": Counterpart("scheduled reschedule"),
    "scheduled resume": Counterpart("scheduled resume"),
    "scheduled run": Counterpart("scheduled create", "a training; any other command is for hf jobs"),
    "scheduled suspend": Counterpart("scheduled suspend"),
    "scheduled trigger": Counterpart("scheduled trigger"),
    "scheduled uv run": Counterpart("scheduled create", "a training; any other script is for hf jobs"),
}
"""Command of `hf jobs` → what does it here."""

_ONE_TRAINING = "a training is one Job, which needs no network of its own"
OPTIONS: Mapping[str, Counterpart] = {
    "--all": Counterpart("-a", "schedules are always listed whole"),
    "--attempts": Counterpart("jobs.attempts"),
    "--clear": Counterpart("expose --clear", "labels are removed one by one, because one of them finds the Job again"),
    "--concurrency": Counterpart("--concurrency"),
    "--detach": Counterpart("--detach", "rerun always returns at once"),
    "--dry-run": Counterpart("train --dry-run"),
    "--env": Counterpart("jobs.env"),
    "--env-file": Counterpart("jobs.env", "variables that are no secrets belong to the project"),
    "--expose": Counterpart("expose", "once the Job runs"),
    "--expose-public": Counterpart("expose --public", "once the Job runs"),
    "--flavor": Counterpart("--flavor, jobs.flavor"),
    "--follow": Counterpart("--follow"),
    "--format": Counterpart("--json"),
    "--identity-file": Counterpart("", "add -i FILE to the ssh command that inspect prints"),
    "--image": Counterpart("jobs.image"),
    "--json": Counterpart("--json"),
    "--label": Counterpart("jobs.labels, --filter label:"),
    "--limit": Counterpart("", "every Job is listed"),
    "--name": Counterpart("run_name of the recipe, --filter"),
    "--namespace": Counterpart("--namespace, --filter namespace:", "a Job is found in all namespaces of the account"),
    "--network-alias": Counterpart("", _ONE_TRAINING),
    "--network-group": Counterpart("", _ONE_TRAINING),
    "--public": Counterpart("expose --public"),
    "--python": Counterpart("", "the Python of the image, which the packages of the script are tested with"),
    "--quiet": Counterpart("ps -q"),
    "--resource-group-id": Counterpart("jobs.resource_group"),
    "--secrets": Counterpart("jobs.secrets", "names only"),
    "--secrets-file": Counterpart("jobs.secrets_file"),
    "--ssh": Counterpart("jobs.ssh"),
    "--status": Counterpart("--filter stage:"),
    "--suspend": Counterpart("--suspended"),
    "--tail": Counterpart("--tail"),
    "--timeout": Counterpart("--timeout, jobs.timeout"),
    "--token": Counterpart("", "log in with hf auth login, or set HF_TOKEN: an argument is visible to others"),
    "--volume": Counterpart("jobs.volumes", "local files that the recipe names are sent without it"),
    "--with": Counterpart("jobs.packages"),
}
"""Option of one of these commands → what does it here."""
