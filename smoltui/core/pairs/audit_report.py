"""The audit of a set as a page of Markdown."""

from __future__ import annotations

import re

from smoltui.core.pairs.audit import Audit
from smoltui.safe_text import redact, safe_line

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&]|^[#+-])")
SHOWN = 12
"""Pairs listed per finding."""


def as_markdown(audit: Audit) -> str:
    """The whole report; foreign names are made safe, redacted and escaped."""
    lines = [f"# Audit of {_escaped(audit.source)}, {_escaped(audit.split)}", ""]
    lines += [f"- {_escaped(line)}" for line in audit.header()]
    if audit.max_length is not None:
        lines.append(f"- max\\_length: {audit.max_length:,} tokens")
    lines += ["", "| | pairs | share | finding | fix |", "|---|---:|---:|---|---|"]
    for found in audit.findings:
        count = "not counted" if found.count is None else f"{found.count:,}"
        share = "" if found.share is None else f"{found.share:.2%}"
        lines.append(f"| {found.severity} | {count} | {share} | {_escaped(found.title)} | {_escaped(found.act)} |")
    for found in audit.findings:
        if found.count:
            numbers = ", ".join(f"{row + 1:,}" for row in found.examples[:SHOWN])
            more = f" and {found.count - SHOWN:,} more" if found.count > SHOWN else ""
            lines += [
                "",
                f"## {_escaped(found.title)}",
                "",
                f"{_escaped(found.why)} Source: {_escaped(found.source)}.",
                "",
                f"Pairs (from 1): {numbers}{more}. Show all: `where {found.condition}`",
            ]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", safe_line(redact(text), 600))
