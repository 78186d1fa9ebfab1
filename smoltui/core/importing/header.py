"""The packages that a script declares (PEP 723)."""

from __future__ import annotations

import re

from smoltui.core.importing.imported import Imported

_BLOCK = re.compile(r"(?m)^# /// script\s*$((?:\n#.*)*?)\n# ///\s*$")
_PACKAGE = re.compile(r"""["']([A-Za-z0-9._-]+)(\[[^\]]*\])?([^"']*)["']""")
TRACKERS = ("trackio", "wandb")
"""Values of report_to that are packages of their own."""


def read_header(text: str, found: Imported) -> None:
    """Notes what is wrong with the declared packages; smoltui's script has a header of its own."""
    block = _BLOCK.search(text)
    if block is None:
        return
    start = text.count("\n", 0, block.start()) + 1
    named: set[str] = set()
    for offset, line in enumerate(block[0].split("\n")):
        for name, extra, _ in _PACKAGE.findall(line):
            named.add(name.lower())
            if name.lower() == "trl" and extra and extra != "[peft]":
                found.note(start + offset, f"TRL has no extra {extra}", "Left out.")
    report = str(found.values.get("report_to", ""))
    if report in TRACKERS and report not in named:
        found.note(start, f"report_to needs {report}, which the header does not install", "smoltui installs it.")
    if found.values.get("use_peft") and "peft" not in named:
        found.note(start, "LoRA needs peft, which the header does not install", "smoltui installs it.")
    if named:
        exact = "" if "==" in block[0] else " without exact versions"
        found.note(start, f"The header names packages{exact}", "Replaced by versions that were tested together.")
