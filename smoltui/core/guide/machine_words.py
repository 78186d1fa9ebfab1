"""The machine and the account in two lines, for Home; the Device room has the details."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smoltui.core.machine.account import Account
    from smoltui.core.machine.device import DeviceReport


def gib(size: int | None) -> str:
    """As in the Device room, whose module is not needed before the first frame."""
    from smoltui.core.machine import device

    return device.gib(size)


def machine_rows(report: DeviceReport) -> list[tuple[str, str]]:
    """Label and words of each fact, for a wide terminal; not sanitized yet."""
    return [
        ("training", _where(report)),
        ("memory", f"{gib(report.ram_available)} free of {gib(report.ram_total)}"),
        ("disk", f"{gib(report.disk_free)} free"),
        ("packages", packages_words(report)),
    ]


def machine_line(report: DeviceReport) -> str:
    """The same in one line: `CPU, 2 cores · 22 GiB free · 75 GiB disk · packages fit`."""
    parts = [_where(report), f"{gib(report.ram_available)} free", f"{gib(report.disk_free)} of disk"]
    return " · ".join([*parts, packages_words(report)])


def _where(report: DeviceReport) -> str:
    if not report.accelerators:
        return f"CPU, {report.cores} core{'' if report.cores == 1 else 's'}"
    first = report.accelerators[0]
    count = f"{len(report.accelerators)} × " if len(report.accelerators) > 1 else ""
    return f"{count}{first.name}, {gib(first.free)} free"


def packages_words(report: DeviceReport) -> str:
    """Whether the packages that training needs are installed."""
    missing = [package.name for package in report.lacking if package.installed is None]
    if missing:
        return f"missing: {', '.join(missing)}"
    wrong = [package.name for package in report.packages if not package.fits]
    return f"untested versions: {', '.join(wrong)}" if wrong else "all packages fit" if report.packages else "unknown"


def account_line(account: Account | None, problem: str, *, optional: bool) -> str:
    """The account that Jobs and the Hub are used with; `problem` is why there is none."""
    if account is None:
        return f"optional: {problem}" if optional and problem else problem
    parts = [account.name]
    if account.can_write is False:
        parts.append("its token is read-only")
    if account.can_pay is False:
        parts.append("cannot pay for Jobs yet")
    return ", ".join(parts)
