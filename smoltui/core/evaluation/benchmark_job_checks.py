"""Checks of a LightEval Job: its limits, the account that pays, its hardware."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from smoltui.core.evaluation.benchmark_command import TOKEN_SECRET, LightEvalCommand
from smoltui.core.evaluation.benchmark_tasks import Harness, task_table
from smoltui.core.machine.account import Account, use_token
from smoltui.core.preflight.check import Check, Problem
from smoltui.core.recipe import Level
from smoltui.core.runs.cost import Flavor, usd, worst_cost
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.run import HUB_TIMEOUT_SECONDS, timeout_seconds

PASS, WARN, STOP = Level.PASS, Level.WARN, Level.STOP


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What is known about the account and the hardware of a Job."""

    account: Account | None = None
    account_problem: Problem | None = None
    """Why there is no account; None if there is one, or it was not asked for."""
    flavor: Flavor | None = None
    flavors: Sequence[str] = ()
    """Names of all flavors; empty if the list was not read."""


def check_limits(command: LightEvalCommand) -> list[Check]:
    """The checks of what a Job is given: time, and a token."""
    return [*_timeout(command), *_secrets(command)]


def check_job(command: LightEvalCommand, job: JobFacts) -> list[Check]:
    """The checks of who pays for a Job, and of its hardware."""
    return [*_account(command, job), *_flavor(command, job)]


def _timeout(command: LightEvalCommand) -> Iterator[Check]:
    if command.timeout is None:
        yield Check(
            "timeout",
            STOP,
            f"Without a timeout the Hub stops the Job after {HUB_TIMEOUT_SECONDS // 60} minutes, and all is lost",
            "Add: --timeout 3h",
        )
        return
    try:
        seconds = timeout_seconds(command.timeout)
    except ValueError as error:
        yield Check("timeout", STOP, f"Not a timeout of Jobs: {command.timeout}", str(error))
        return
    table = task_table()
    tasks = [task for text in command.tasks if (task := table.find(Harness.LIGHTEVAL, text)) is not None]
    known = len(tasks) == len(command.tasks)
    minutes = table.total_minutes(tasks, command.flavor or "", command.max_samples) if known else None
    if minutes is None:
        yield Check("timeout", WARN, f"Timeout {as_time(seconds)}; no estimate for these tasks on this flavor")
    elif seconds < minutes * 60:
        yield Check(
            "timeout",
            STOP,
            f"The timeout of {as_time(seconds)} is shorter than the estimate of {as_time(minutes * 60)}: the Job "
            "would be stopped before its results are written",
            f"Raise it, for example: --timeout {_hours(minutes)}h",
        )
    else:
        yield Check("timeout", PASS, f"Timeout {as_time(seconds)}; estimated {as_time(minutes * 60)}")


def _hours(minutes: float) -> int:
    """Whole hours that are at least half as long again as an estimate."""
    return int(-(-minutes * 1.5 // 60))


def _secrets(command: LightEvalCommand) -> Iterator[Check]:
    if TOKEN_SECRET not in command.secrets:
        yield Check(
            "token",
            STOP,
            "The Job gets no token, so it can't push its results",
            f"Add: --secrets {TOKEN_SECRET}",
        )


def _account(command: LightEvalCommand, job: JobFacts) -> Iterator[Check]:
    account = job.account
    if account is None:
        problem = job.account_problem or Problem("The account is unknown", "Log in: hf auth login")
        yield Check("account", STOP, problem.sentence, problem.fix)
        return
    if account.can_write is False:
        yield Check(
            "token",
            STOP,
            f"The token is read-only and can't start a Job or push results: {account.token_name or account.name}",
            f"Create a token with write access at huggingface.co/settings/tokens, {use_token(account.token_variable)}",
        )
    elif account.can_write is None:
        yield Check("token", WARN, f"The permissions of {account.name}'s token are known only when it is used")
    owners, payer = (account.name, *account.orgs), command.namespace or account.name
    refused = [(payer, "start a Job")] if payer not in owners else []
    into, writable = command.results_org, [name for name in owners if account.writes_to(name)]
    if into is not None and (into not in (*owners, payer) or into in account.read_only_orgs):
        refused.append((into, "push results"))
    for name, what in refused:
        yield Check(
            "namespace",
            STOP,
            f"This account can't {what} in this name: {name}",
            f"Set --namespace, or jobs.namespace in smoltui.toml, to one of: {', '.join(writable)}",
        )
    if not refused and account.can_pay is False and payer == account.name:
        yield Check("account", WARN, f"{payer} has no payment method; Jobs need credit")
    elif not refused:
        yield Check("account", PASS, f"Billed to {payer}. (Credit balance can't be read from the Hub.)")


def _flavor(command: LightEvalCommand, job: JobFacts) -> Iterator[Check]:
    flavor = job.flavor
    if flavor is None:
        if job.flavors:
            yield Check(
                "flavor", STOP, f"Unknown flavor: {command.flavor or 'none given'}", f"Known: {', '.join(job.flavors)}"
            )
        else:
            yield Check("flavor", WARN, "The Hub's list of hardware could not be read, so the price is unknown")
        return
    if not flavor.count:
        yield Check(
            "flavor",
            WARN,
            f"{flavor.name} has no accelerator, which a model of 3 billion parameters needs",
            "Choose a GPU: smoltui hardware",
        )
    try:
        seconds = timeout_seconds(command.timeout or "")
    except ValueError:
        return  # already reported
    yield Check("cost", PASS, f"Costs at most {usd(worst_cost(flavor, seconds))} ({flavor.name}, {as_time(seconds)})")
