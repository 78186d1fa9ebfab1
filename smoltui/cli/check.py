"""The Device room on the command line: check."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from smoltui.backends.machine.devices import remembered_torch_report, torch_report
from smoltui.backends.project.project import open_project
from smoltui.backends.runs.machine import machine_for
from smoltui.backends.services import place_or_first
from smoltui.cli.output import say
from smoltui.core.machine.account import Account
from smoltui.core.machine.device import DeviceReport, TorchReport, verdict
from smoltui.core.machine.device_words import account_in_words, before_jobs, facts_in_words, torch_in_words
from smoltui.errors import SmoltuiError
from smoltui.safe_text import redact, safe_line


def check_report(folder: Path) -> dict[str, Any]:
    """What `smoltui check --json` prints: `accelerators`, `processor`, `memory`, `disk`, `python`, `packages`, `torch`,
    `account` (`error` and `hint` if there is none), `verdict` and `facts` (everything in words). Sizes are in bytes,
    null if unknown.

    PyTorch is tested in a child process, which takes 5 s, unless it was tested in this environment before.

    Raises:
        InputError: there is no such folder.
    """
    from smoltui.cli.runs import run_async

    machine = machine_for(open_project(folder))
    report = machine.report
    torch, account, problem = run_async(_asked(report))
    named = account_in_words(account) if account else f"{problem.message}. {problem.hint}" if problem else "unknown"
    facts = facts_in_words(report, torch_in_words(torch, time.time()), named)
    sentences = verdict(
        report, account, before_jobs(problem) if problem else "", machine.need, place_or_first(machine.on).here
    )
    return {
        "accelerators": [asdict(device) for device in report.accelerators],
        "processor": {"cores": report.cores, "system": report.system},
        "memory": {"total": report.ram_total, "available": report.ram_available},
        "disk": {"folder": report.disk_folder, "total": report.disk_total, "free": report.disk_free},
        "python": {"version": report.python, "needed": report.python_wanted, "fits": report.python_fits},
        "packages": [asdict(package) for package in report.packages],
        "torch": torch.as_json(),
        "account": problem.as_json() if problem else _account(account),
        "verdict": [{"mark": str(sentence.mark), "text": redact(sentence.text)} for sentence in sentences],
        "facts": [{"name": name, "text": redact(text)} for name, text in facts],
    }


async def _asked(report: DeviceReport) -> tuple[TorchReport, Account | None, SmoltuiError | None]:
    from smoltui.backends.hub.client import account

    torch = remembered_torch_report(report) or await torch_report(report)
    try:
        return torch, await account(), None
    except SmoltuiError as error:
        return torch, None, error


def _account(account: Account | None) -> dict[str, Any] | None:
    if account is None:
        return None
    return {**asdict(account), "plan": account.plan, "can_write": account.can_write}


def print_report(report: dict[str, Any]) -> None:
    """Prints the verdict and the facts as text."""

    def line(label: str, value: str) -> None:
        say(f"{label:<14}{safe_line(redact(value), 500)}")

    for sentence in report["verdict"]:
        line(sentence["mark"], sentence["text"])
    say()
    for fact in report["facts"]:
        line(fact["name"], fact["text"])
    wrong = [package for package in report["packages"] if not package["fits"]]
    line("packages", f"{len(report['packages']) - len(wrong)} of {len(report['packages'])} fit")
    for package in wrong:
        line("", f"{package['name']} {package['installed'] or 'missing'}, needed {package['wanted']}")
