"""What may be wrong with a set of pairs: each finding with why it matters, its source and the act that mends it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from smoltui.core.pairs.histogram import with_minus

Severity = Literal["stop", "warn", "info"]
EXAMPLES = 50
"""Rows that a report names of each finding."""
NEARLY_IDENTICAL = 0.95
"""`similarity` of two answers from which they are nearly the same."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One thing that is looked for."""

    name: str
    title: str
    severity: Severity
    """stop: such rows are left out of the training or spoil it; warn: look at them; info: good to know."""
    condition: str
    """SQL over the columns of a set (`core/pairs/columns.py`); {max_length} is the recipe's."""
    why: str
    source: str
    act: str
    """What mends it."""
    needs_tokens: bool = False


DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        "broken", "rows that cannot be decoded", "stop", "reason = 'broken'",
        "datasets stops at the first of them and names a block, not the line.",
        "datasets 5.2, DatasetGenerationError", "mend or delete the line",
    ),
    Definition(
        "not_pairs", "rows without a prompt, a chosen and a rejected answer in a known form", "stop",
        "chosen_chars IS NULL AND reason <> 'broken'",
        "TRL fails on them after the model is loaded, or trains on something else without a word.",
        "TRL 1.16, DPOTrainer", "b x: exclude; or map the columns",
    ),
    Definition(
        "no_prompt", "pairs without a prompt", "stop", "reason = 'no_prompt'",
        "There is nothing to answer, so the model learns the answers by themselves.", "TRL 1.16, extract_prompt",
        "b x: exclude",
    ),
    Definition(
        "no_answer", "conversations that do not end with an assistant turn", "stop", "reason = 'no_answer'",
        "The last turn is what is trained: here it is the person's words.", "TRL 1.16, data_utils", "b x: exclude",
    ),
    Definition(
        "empty_chosen", "empty chosen answers", "stop", "empty_chosen",
        "The model would learn to say nothing at once.", "TRL 1.16, run", "b x: exclude",
    ),
    Definition(
        "empty_rejected", "empty rejected answers", "stop", "empty_rejected",
        "An empty answer is pushed away from, which teaches little; they are left out.", "TRL 1.16, run",
        "b x: exclude",
    ),
    Definition(
        "prompt_differs", "pairs whose prompt differs between the sides", "stop", "prompt_differs",
        "Two answers to two questions are no preference; TRL would train on later turns of the person.",
        "TRL 1.16, extract_prompt", "b x: exclude",
    ),
    Definition(
        "roles_do_not_alternate", "pairs whose roles do not alternate", "stop", "roles_wrong",
        "Chat templates expect user and assistant in turn; some refuse, others render nonsense.",
        "TRL 1.16, maybe_apply_chat_template", "b x: exclude",
    ),
    Definition(
        "template_refuses", "pairs that the model's chat template refuses", "stop",
        "prompt_tokens IS NULL AND reason IS NULL",
        "Training stops at the first of them, after the model is loaded.", "TRL 1.16, apply_chat_template",
        "b x: exclude; or another model, whose template takes such turns", True,
    ),
    Definition(
        "identical", "pairs whose answers are the same", "stop", "identical",
        "The loss stays at ln 2 and the gradient is exactly 0: they cost time and teach nothing.",
        "arithmetic of the DPO loss; TRL 1.16, run", "b x: exclude",
    ),
    Definition(
        "nearly_identical", "pairs whose answers are nearly the same", "warn",
        f"similarity >= {NEARLY_IDENTICAL} AND NOT identical AND reason IS NULL",
        "With so little between the answers, the likelihood of the chosen one can fall as well.",
        "arXiv 2402.13228; arXiv 2410.08847", "look at them; b x: exclude",
    ),
    Definition(
        "duplicates", "pairs that stood earlier in the set already", "warn", "duplicate",
        "They count twice.", "arithmetic of the DPO loss", "b x: exclude",
    ),
    Definition(
        "contradictions", "pairs that contradict another: its swap is in the set", "warn", "contradicts",
        "The two gradients cancel each other.", "arithmetic of the DPO loss", "look at them; X swaps, x excludes one",
    ),
    Definition(
        "repeated_prompts", "prompts that stood earlier in the set already", "info", "repeated_prompt",
        "Several pairs of one prompt are fine, but must lie on one side of a held-out split: H does that.",
        "hh-rlhf; facts of the split", "H: hold out by prompt",
    ),
    Definition(
        "near_duplicate_prompts", "prompts that are nearly one that stood earlier", "info",
        "near_duplicate_prompt",
        "A held-out prompt that is nearly a trained one measures memory, not alignment.",
        "MinHash, then 90 % of characters in order, system text left out", "look at them; b x: exclude",
    ),
    Definition(
        "in_held_out", "training pairs whose prompt is among the held-out ones", "warn", "in_held_out",
        "Held-out figures then say how well the pairs are remembered.", "UltraFeedback's card on its cleaned copies",
        "b x: exclude",
    ),
    Definition(
        "in_evaluation_prompts", "pairs whose last question is an evaluation prompt", "warn", "in_evaluation_prompts",
        "Answers to trained prompts say little about new ones.", "UltraFeedback holds TruthfulQA prompts (its card)",
        "b x: exclude",
    ),
    Definition(
        "chosen_cut", "chosen answers cut at max_length", "warn",
        "prompt_tokens + chosen_tokens > {max_length} AND prompt_tokens < {max_length} AND reason IS NULL",
        "The end of the answer and its end mark are never trained: the model does not learn to stop.",
        "TRL 1.16, truncation keep_start; trl#3382", "raise max_length, or exclude", True,
    ),
    Definition(
        "rejected_cut", "rejected answers cut at max_length", "warn",
        "prompt_tokens + rejected_tokens > {max_length} AND prompt_tokens < {max_length} AND reason IS NULL",
        "When one side is cut more often than the other, the difference in length is trained too.",
        "TRL 1.16, truncation keep_start; trl#3382", "raise max_length, or exclude", True,
    ),
    Definition(
        "no_room", "prompts that leave no room for an answer", "stop",
        "prompt_tokens >= {max_length} AND reason IS NULL",
        "TRL drops these rows without a line in the log.", "TRL 1.16; trl#6321", "raise max_length", True,
    ),
    Definition(
        "trl_cut_inside_answer", "pairs where TRL alone would end the prompt inside the answer", "info",
        "cut_inside_answer",
        "TRL cuts at the longest common beginning; here the cut is at the last assistant turn, so nothing is lost.",
        "TRL 1.16, extract_prompt; trl#1858", "nothing: it is trained as shown here",
    ),
    Definition(
        "refusals_chosen", "chosen answers that begin like a refusal", "info", "refusal_chosen",
        "More refusals among chosen answers teach refusing, also where it is not called for.",
        "arXiv 2410.08847; arXiv 2308.01263 (XSTest)", "compare with the rejected side",
    ),
    Definition(
        "refusals_rejected", "rejected answers that begin like a refusal", "info", "refusal_rejected",
        "More refusals among rejected answers teach answering, also where it should refuse.",
        "arXiv 2410.08847", "compare with the chosen side",
    ),
    Definition(
        "control_chars", "pairs with control characters", "warn", "control_chars",
        "They are tokenized as they are, and may have come from a terminal or a broken conversion.",
        "TRL 1.16, tokenization", "look at them",
    ),
    Definition(
        "bidi_chars", "pairs with bidirectional or zero-width characters", "warn", "bidi_chars",
        "They are not seen and change what is read: a known way to hide text.", "Unicode UTS 39", "look at them",
    ),
    Definition(
        "mixed_scripts", "pairs whose prompt and answers are in different scripts", "info", "mixed_scripts",
        "Translations are fine; otherwise a row may have slipped.", "Unicode script property", "look at them",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """One finding of one set."""

    name: str
    title: str
    severity: Severity
    count: int | None
    """None: not counted, because the tokens are not known."""
    share: float | None
    """Of all rows, 0..1."""
    examples: tuple[int, ...]
    """The first rows, from 0."""
    why: str
    source: str
    act: str
    condition: str
    """SQL that gives its rows; empty when it was not counted."""


@dataclass(frozen=True, slots=True)
class LengthBias:
    """Which side is longer, over the usable pairs."""

    pairs: int
    chosen_longer: int
    equal: int
    median_gap: float
    """Characters by which chosen is longer, the median."""
    median_gap_tokens: float | None
    """The same in tokens; None where they are not counted."""

    @property
    def share(self) -> float:
        """Of pairs in which chosen is longer, 0..1."""
        return self.chosen_longer / self.pairs if self.pairs else 0.0

    @property
    def longer_wins(self) -> float:
        """Accuracy that "the longer answer is the chosen one" alone would have; equal ones count half."""
        return (self.chosen_longer + self.equal / 2) / self.pairs if self.pairs else 0.5


@dataclass(frozen=True, slots=True)
class Audit:
    """The whole report."""

    source: str
    split: str
    rows: int
    clean: int
    """Rows that can be trained on and whose answers differ."""
    findings: tuple[Found, ...]
    lengths: LengthBias
    max_length: int | None
    """Tokens; None when the recipe cuts nothing."""
    tokens_known: bool
    notes: tuple[str, ...] = field(default=())
    """What was not looked at, and why."""

    def header(self) -> list[str]:
        """The report's first lines, in words."""
        bias = self.lengths
        lines = [f"{self.rows:,} rows · {self.clean:,} clean: usable, and the answers differ"]
        if bias.pairs:
            gap = f"median gap {with_minus(f'{bias.median_gap:+,.0f}')} characters"
            if bias.median_gap_tokens is not None:
                gap += f", {with_minus(f'{bias.median_gap_tokens:+,.0f}')} tokens"
            lines.append(
                f"Length bias: chosen is longer in {bias.share:.1%} of {bias.pairs:,} usable pairs, {gap}; "
                f"“longer wins” alone would be right in {bias.longer_wins:.1%} (50 % is none; DPO amplifies it, "
                "arXiv 2403.19159)"
            )
        return [*lines, *self.notes]

    def as_json(self) -> dict[str, Any]:
        """Values of JSON alone."""
        lengths = {**asdict(self.lengths), "share": self.lengths.share, "longer_wins": self.lengths.longer_wins}
        return {**asdict(self), "lengths": lengths}


def audit_from_json(data: Mapping[str, Any]) -> Audit:
    """What `Audit.as_json` made."""
    lengths = {name: value for name, value in data["lengths"].items() if name not in ("share", "longer_wins")}
    findings = tuple(Found(**{**found, "examples": tuple(found["examples"])}) for found in data["findings"])
    return Audit(**{**data, "lengths": LengthBias(**lengths), "findings": findings, "notes": tuple(data["notes"])})


def conditions(max_length: int | None, tokens_known: bool) -> dict[str, str]:
    """Name → condition of every finding that can be counted."""
    counted = {}
    for definition in DEFINITIONS:
        condition = definition.condition
        if (definition.needs_tokens and not tokens_known) or ("{max_length}" in condition and max_length is None):
            continue
        counted[definition.name] = condition.format(max_length=max_length)
    return counted


def findings(
    rows: int, counted: Mapping[str, str], counts: Mapping[str, int], examples: Mapping[str, Sequence[int]]
) -> tuple[Found, ...]:
    """Every finding in the order of `DEFINITIONS`: what was counted, and that the others were not."""
    made = []
    for definition in DEFINITIONS:
        known = definition.name in counted
        count = counts.get(definition.name, 0) if known else None
        made.append(
            Found(
                name=definition.name,
                title=definition.title,
                severity=definition.severity,
                count=count,
                share=None if count is None else count / rows if rows else 0.0,
                examples=tuple(examples.get(definition.name, ()))[:EXAMPLES],
                why=definition.why,
                source=definition.source,
                act=definition.act,
                condition=counted.get(definition.name, ""),
            )
        )
    return tuple(made)
