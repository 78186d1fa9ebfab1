"""The metadata at the top of a model card, as the Hub reads it."""

from __future__ import annotations

import json
import re

from smoltui.core.publish.record import Record, Weights
from smoltui.safe_text import redact, safe_line

_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}")


def metadata(record: Record) -> list[str]:
    """The block between dashes. Texts are quoted as JSON, which YAML reads alike."""
    lines = ["---"]
    if record.base.repo:
        relation = "adapter" if record.weights is Weights.ADAPTER else "finetune"
        lines += [f"base_model: {quoted(record.base.repo)}", f"base_model_relation: {relation}"]
    if record.pairs.repo:
        lines += ["datasets:", f"- {quoted(record.pairs.repo)}"]
    lines.append(f"library_name: {'peft' if record.weights is Weights.ADAPTER else 'transformers'}")
    if record.base.license and _LICENSE.fullmatch(record.base.license):
        lines.append(f"license: {quoted(record.base.license)}")
    lines += [f"model_name: {quoted(record.name)}", "pipeline_tag: text-generation", "tags:"]
    lines += [f"- {tag}" for tag in ("dpo", "preference", "smol-course", "smoltui", "trl")]
    return [*lines, "---"]


def quoted(text: str) -> str:
    """A text of one line in double quotes, for YAML and Python."""
    return json.dumps(safe_line(redact(text), 200), ensure_ascii=False)
