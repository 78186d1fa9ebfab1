"""The README.md of an exported set of pairs: metadata for the Hub and `load_dataset`, and what a person should know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from smoltui.core.pairs.curation import HoldOut
from smoltui.safe_text import safe_line

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10**7, "1M<n<10M"))
"""The Hub's size categories, each with its exclusive upper limit of rows."""


@dataclass(frozen=True, slots=True)
class CardFacts:
    """Facts for the card."""

    name: str
    """Name of the source: file, folder or Hub id, and split."""
    schema: str
    """The source's shape in words."""
    files: Mapping[str, str]
    """Split → file name."""
    rows: int
    """Rows of the source."""
    train: int
    test: int
    excluded: int = 0
    """Excluded by decision."""
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Number of those per stated reason."""
    swapped: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Rows that are not usable pairs, by reason."""
    hold_out: HoldOut | None = None
    test_of: str = ""
    """The source's split used as test; empty if test was split off, or there is none."""
    texts: bool = False
    """Plain texts instead of messages."""
    thinking_off: bool = False
    pairs_made: str = ""
    """How pairs were made of the source's rows; empty if each row is one as its columns show."""
    digest: str = ""
    """The pairs hash."""


def size_category(rows: int) -> str:
    """The Hub's category for this number of rows."""
    return next((word for limit, word in SIZES if rows < limit), "n>10M")


def card(facts: CardFacts) -> str:
    """The whole README.md."""
    name = safe_line(facts.name, 200)
    return "\n".join([*_header(facts), "", f"# Preference pairs from {_plain(name)}", "", *_body(facts, name), ""])


def _header(facts: CardFacts) -> list[str]:
    lines = ["---", "configs:", "- config_name: default", "  data_files:"]
    for split, path in facts.files.items():
        lines += [f"  - split: {split}", f"    path: {json.dumps(path)}"]
    lines += ["size_categories:", f"- {size_category(facts.train + facts.test)}", "tags:"]
    return [*lines, "- preference", "- dpo", "- trl", "---"]


def _body(facts: CardFacts, name: str) -> list[str]:
    lines = [
        "Made with smoltui from "
        f"`{name.replace('`', '´')}` ({facts.schema}). The source's license applies; smoltui does not know it.",
        "",
        "| | pairs |",
        "|---|---|",
        f"| train | {facts.train:,} |",
    ]
    if facts.test or "test" in facts.files:
        lines.append(f"| test, held out | {facts.test:,} |")
    lines += [f"| rows in the source | {facts.rows:,} |", "", "## What was done", ""]
    lines += [f"- {said}" for said in _done(facts)]
    lines += ["", "## Format", "", _form(facts), "", "## How to train", ""]
    lines += ["In a TRL recipe (`trl dpo --config recipe.yaml`):", "", "```yaml"]
    lines += ["dataset_name: .   # this folder, or the data set's name on the Hub", "dataset_train_split: train"]
    lines += ["dataset_test_split: test", "eval_strategy: steps"] if "test" in facts.files else ['eval_strategy: "no"']
    return [*lines, "```"]


def _done(facts: CardFacts) -> list[str]:
    done = [f"Pairs were made from its rows: {_plain(safe_line(facts.pairs_made, 400))}."] if facts.pairs_made else []
    if facts.excluded:
        said = ", ".join(f"{_plain(safe_line(why, 80))}: {count:,}" for why, count in _most(facts.reasons))
        done.append(f"{facts.excluded:,} excluded by decision{f' ({said})' if said else ''}.")
    if facts.left_out:
        said = ", ".join(f"{_plain(safe_line(reason, 60))}: {count:,}" for reason, count in _most(facts.left_out))
        done.append(f"{sum(facts.left_out.values()):,} left out because they teach nothing ({said}).")
    if facts.swapped:
        done.append(f"{facts.swapped:,} with chosen and rejected swapped by decision.")
    if facts.hold_out:
        share, seed = facts.hold_out
        done.append(
            f"{share:.4g} of the prompts, with all their pairs, held out as test: those for which the first 64 bits of "
            f"SHA-256 of seed ({seed}) and prompt are lowest."
        )
    if facts.test_of:
        done.append(f"test is the source's own split `{_plain(safe_line(facts.test_of, 80))}`.")
    done.append(f"Everything else is unchanged, in the original order. Hash of the pairs: `{facts.digest}`.")
    return done


def _form(facts: CardFacts) -> str:
    if facts.texts:
        return "TRL's standard format: `prompt`, `chosen` and `rejected` are plain text; no chat template is applied."
    form = "TRL's conversational format: `prompt`, `chosen` and `rejected` are lists of messages (`role`, `content`)."
    if facts.thinking_off:
        form += (
            " `chat_template_kwargs` turns thinking off where the template supports it: the answers have no thoughts."
        )
    return form


def _most(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:20]


def _plain(text: str) -> str:
    """`text` with the special characters of Markdown and HTML escaped."""
    for sign in "\\`*_[]<>|#":
        text = text.replace(sign, f"\\{sign}")
    return text
