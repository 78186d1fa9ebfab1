"""A machine and its account in words: the same in the Device room and in `smoltui check`.

Foreign parts (names of devices, of the account, messages) are not made safe yet.
"""

from __future__ import annotations

from smoltui.core.machine.account import Account
from smoltui.core.machine.device import DeviceReport, TorchReport, gib
from smoltui.core.runs.pace import as_age


def facts_in_words(report: DeviceReport, torch: str, account: str) -> list[tuple[str, str]]:
    """(label, words) of each fact; `torch` and `account` from the functions below, or why they are unknown."""
    facts: list[tuple[str, str]] = []
    for device in report.accelerators:
        driver = f", driver {device.driver}" if device.driver else ""
        facts.append(("accelerator", f"{device.name}, {gib(device.free)} free of {gib(device.total)}{driver}"))
    if not report.accelerators:
        facts.append(("accelerator", "none; training uses the processor"))
    return [
        *facts,
        ("processor", f"{report.cores} core{'' if report.cores == 1 else 's'} for this process, {report.system}"),
        ("memory", f"{gib(report.ram_available)} free of {gib(report.ram_total)}"),
        ("disk", f"{gib(report.disk_free)} free of {gib(report.disk_total)} in {report.disk_folder}"),
        ("Python", f"{report.python}, required {report.python_wanted}{'' if report.python_fits else '  ✗'}"),
        *(("", note) for note in report.notes),
        ("PyTorch", torch),
        ("Hub account", account),
    ]


def torch_in_words(answer: TorchReport, now: float) -> str:
    """The report of torch and TRL, and its age; `now` in seconds since the epoch."""
    ago = f"asked {as_age(now - answer.at)} ago"
    if answer.problem:
        return f"{answer.problem} ({ago})"
    devices = [
        f"{device.name}{f' {gib(device.total)}' if device.total else ''}"
        f"{f', compute {device.capability}' if device.capability else ''}"
        for device in answer.devices
    ]
    where = "; ".join(devices) or f"the processor ({answer.threads} thread{'' if answer.threads == 1 else 's'})"
    bf16 = {True: "bf16 works", False: "no bf16", None: "bf16 unknown"}[answer.bf16]
    version = (answer.versions or {}).get("torch", "")
    trl = "TRL not tested" if answer.trl_seconds is None else f"TRL imports in {answer.trl_seconds:.1f} s"
    if answer.trl_problem:
        trl = f"TRL cannot be imported: {answer.trl_problem}"
    return f"torch {version} ({answer.build}) trains on {where}; {bf16}; {trl} ({ago})"


def account_in_words(account: Account) -> str:
    """Name, plan, permissions of the token, and whether the account can pay."""
    pays = {True: "can pay", False: "cannot pay", None: "credit unknown"}[account.can_pay]
    orgs = f", in {', '.join(account.orgs)}" if account.orgs else ""
    return f"{account.name}, plan {account.plan}, token role {account.token_role or 'unknown'}, {pays}{orgs}"
