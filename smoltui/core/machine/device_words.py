"""Facts about a machine and its account in words, for the Device room and `smoltui check` alike.

Foreign parts (names of devices and of the account, messages) are not sanitized yet.
"""

from __future__ import annotations

from smoltui.core.machine.account import Account
from smoltui.core.machine.device import DeviceReport, TorchReport, gib
from smoltui.core.runs.pace import as_age
from smoltui.errors import NotLoggedInError, SmoltuiError


def facts_in_words(report: DeviceReport, torch: str, account: str) -> list[tuple[str, str]]:
    """(label, words) of each fact; `torch` and `account` come from the functions below, or say why they are unknown."""
    facts: list[tuple[str, str]] = []
    for device in report.accelerators:
        driver = f", driver {device.driver}" if device.driver else ""
        facts.append(("accelerator", f"{device.name}, {gib(device.free)} free of {gib(device.total)}{driver}"))
    if not report.accelerators:
        facts.append(("accelerator", "none found; training runs on the processor"))
    return [
        *facts,
        ("processor", f"{report.cores} core{'' if report.cores == 1 else 's'} available, {report.system}"),
        ("memory", f"{gib(report.ram_available)} free of {gib(report.ram_total)}"),
        ("disk", f"{gib(report.disk_free)} free of {gib(report.disk_total)} in {report.disk_folder}"),
        ("Python", f"{report.python}, required {report.python_wanted}{'' if report.python_fits else '  ✗'}"),
        *(("", note) for note in report.notes),
        ("PyTorch", torch),
        ("Hub account", account),
    ]


def torch_in_words(answer: TorchReport, now: float) -> str:
    """The result of the PyTorch test and its age; `now` in seconds since the epoch."""
    ago = f"tested {as_age(now - answer.at)} ago"
    if answer.problem:
        return f"{answer.problem} ({ago})"
    devices = [
        f"{device.name}{f' {gib(device.total)}' if device.total else ''}"
        f"{f', compute {device.capability}' if device.capability else ''}"
        for device in answer.devices
    ]
    where = "; ".join(devices) or f"the processor ({answer.threads} thread{'' if answer.threads == 1 else 's'})"
    bf16 = {True: "bf16 works", False: "no bf16", None: "bf16 unknown"}[answer.bf16]
    version = (answer.versions or {}).get("torch", "unknown version")
    trl = "TRL not tested" if answer.trl_seconds is None else f"TRL imports in {answer.trl_seconds:.1f} s"
    if answer.trl_problem:
        trl = f"TRL cannot be imported: {answer.trl_problem}"
    return f"{version} ({answer.build}), trains on {where}; {bf16}; {trl} ({ago})"


def account_in_words(account: Account) -> str:
    """Name, plan, role of the token and billing status."""
    pays = {True: "can pay", False: "cannot pay", None: "billing status unknown"}[account.can_pay]
    names = [f"{name} (only reads)" if name in account.read_only_orgs else name for name in account.orgs]
    orgs = f", member of {', '.join(names)}" if names else ""
    return f"{account.name}, {account.plan} plan, token role {account.token_role or 'unknown'}, {pays}{orgs}"


def before_jobs(problem: SmoltuiError) -> str:
    """What to do before Jobs can be used, given the error of asking for the account."""
    if isinstance(problem, NotLoggedInError):
        return "log in with `hf auth login` to rent a GPU"
    return problem.message
