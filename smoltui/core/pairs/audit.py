"""Possible problems of a set of pairs: each finding with its reason, its source and its fix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from smoltui.core.pairs.histogram import with_minus
from smoltui.scripts.curve_remarks import percent

Severity = Literal["stop", "warn", "info"]
EXAMPLES = 50
"""Rows listed per finding in a report."""
NEARLY_IDENTICAL = 0.95
"""`similarity` from which two answers are nearly identical."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One kind of finding."""

    name: str
    title: str
    severity: Severity
    """stop: such rows are excluded from training or spoil it; warn: review them; info: good to know."""
    condition: str
    """SQL over the columns of a set (`core/pairs/columns.py`); {max_length} is the recipe's."""
    why: str
    source: str
    act: str
    """How to fix it."""
    needs_tokens: bool = False


DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        "broken",
        "rows that cannot be decoded",
        "stop",
        "reason = 'broken'",
        "datasets stops at the first one and reports a block, not the line.",
        "datasets 5.2, DatasetGenerationError",
        "fix or delete the line",
    ),
    Definition(
        "not_pairs",
        "rows without a prompt, a chosen and a rejected answer in a known form",
        "stop",
        "chosen_chars IS NULL AND reason NOT IN ('broken', 'tie', 'too_close')",
        "TRL fails on these rows after loading the model, or silently trains on something else.",
        "TRL 1.16, DPOTrainer",
        "A x excludes them; or map the columns",
    ),
    Definition(
        "ties",
        "rows whose answers are equally good, or closer than the margin",
        "info",
        "reason IN ('tie', 'too_close')",
        "They don't say which answer is better, so training leaves them out.",
        "scripts/pair_choices.py",
        "V h shows how the set is read, and changes it",
    ),
    Definition(
        "no_prompt",
        "pairs without a prompt",
        "stop",
        "reason = 'no_prompt'",
        "There is nothing to answer, so the model learns the answers without a question.",
        "TRL 1.16, extract_prompt",
        "A x excludes them",
    ),
    Definition(
        "no_answer",
        "conversations that do not end with an assistant turn",
        "stop",
        "reason = 'no_answer'",
        "The last turn is the one trained on: here it is the user's.",
        "TRL 1.16, data_utils",
        "A x excludes them",
    ),
    Definition(
        "empty_chosen",
        "empty chosen answers",
        "stop",
        "empty_chosen",
        "The model would learn to answer nothing.",
        "TRL 1.16, run",
        "A x excludes them",
    ),
    Definition(
        "empty_rejected",
        "empty rejected answers",
        "stop",
        "empty_rejected",
        "Moving away from an empty answer teaches little; these pairs are left out.",
        "TRL 1.16, run",
        "A x excludes them",
    ),
    Definition(
        "prompt_differs",
        "pairs whose prompt differs between the sides",
        "stop",
        "prompt_differs",
        "Answers to two different questions are not a preference; TRL would train on later user turns.",
        "TRL 1.16, extract_prompt",
        "A x excludes them",
    ),
    Definition(
        "roles_do_not_alternate",
        "pairs whose roles do not alternate",
        "stop",
        "roles_wrong",
        "Chat templates expect user and assistant in turn; some refuse, others render nonsense.",
        "TRL 1.16, maybe_apply_chat_template",
        "A x excludes them",
    ),
    Definition(
        "template_refuses",
        "pairs that the model's chat template refuses",
        "stop",
        "prompt_tokens IS NULL AND reason IS NULL",
        "Training stops at the first one, after loading the model.",
        "TRL 1.16, apply_chat_template",
        "A x excludes them; or use a model whose template accepts such turns",
        True,
    ),
    Definition(
        "identical",
        "pairs with identical answers",
        "stop",
        "identical",
        "The loss stays at ln 2 and the gradient is exactly 0: they cost time and teach nothing.",
        "arithmetic of the DPO loss; TRL 1.16, run",
        "A x excludes them",
    ),
    Definition(
        "nearly_identical",
        "pairs with nearly identical answers",
        "warn",
        f"similarity >= {NEARLY_IDENTICAL} AND NOT identical AND reason IS NULL",
        "When the answers differ so little, the likelihood of the chosen one can fall too.",
        "arXiv 2402.13228; arXiv 2410.08847",
        "review them; A x excludes them",
    ),
    Definition(
        "duplicates",
        "duplicate pairs",
        "warn",
        "duplicate",
        "Duplicates count twice.",
        "arithmetic of the DPO loss",
        "A x excludes them",
    ),
    Definition(
        "contradictions",
        "pairs that contradict another pair: the set also has them swapped",
        "warn",
        "contradicts",
        "The two gradients cancel each other.",
        "arithmetic of the DPO loss",
        "review; % swaps, x excludes one",
    ),
    Definition(
        "repeated_prompts",
        "repeated prompts",
        "info",
        "repeated_prompt",
        "Several pairs per prompt are fine, but must be on one side of a held-out split: H does that.",
        "hh-rlhf; facts of the split",
        "H: hold out by prompt",
    ),
    Definition(
        "near_duplicate_prompts",
        "prompts almost the same as an earlier one",
        "info",
        "near_duplicate_prompt",
        "A held-out prompt almost the same as a trained one measures memory, not alignment.",
        "MinHash, then 90 % of characters in order, system text left out",
        "review them; A x excludes them",
    ),
    Definition(
        "in_held_out",
        "training pairs whose prompt is also held out",
        "warn",
        "in_held_out",
        "Held-out figures then show how well the pairs are remembered.",
        "UltraFeedback's card on its cleaned copies",
        "A x excludes them",
    ),
    Definition(
        "in_evaluation_prompts",
        "pairs whose last question is an evaluation prompt",
        "warn",
        "in_evaluation_prompts",
        "Answers to trained prompts tell little about new ones.",
        "UltraFeedback holds TruthfulQA prompts (its card)",
        "A x excludes them",
    ),
    Definition(
        "chosen_cut",
        "chosen answers cut at max_length",
        "warn",
        "prompt_tokens + chosen_tokens > {max_length} AND prompt_tokens < {max_length} AND reason IS NULL",
        "The end of the answer and the end token are never trained: the model does not learn to stop.",
        "TRL 1.16, truncation keep_start; trl#3382",
        "raise max_length, or exclude",
        True,
    ),
    Definition(
        "rejected_cut",
        "rejected answers cut at max_length",
        "warn",
        "prompt_tokens + rejected_tokens > {max_length} AND prompt_tokens < {max_length} AND reason IS NULL",
        "If one side is cut more often than the other, the difference in length is trained too.",
        "TRL 1.16, truncation keep_start; trl#3382",
        "raise max_length, or exclude",
        True,
    ),
    Definition(
        "no_room",
        "prompts that leave no room for an answer",
        "stop",
        "prompt_tokens >= {max_length} AND reason IS NULL",
        "TRL drops these rows without logging it.",
        "TRL 1.16; trl#6321",
        "raise max_length",
        True,
    ),
    Definition(
        "trl_cut_inside_answer",
        "pairs where TRL alone would end the prompt inside the answer",
        "info",
        "cut_inside_answer",
        "TRL cuts at the longest common prefix; smoltui cuts at the last assistant turn, so nothing is lost.",
        "TRL 1.16, extract_prompt; trl#1858",
        "nothing to do: trained as shown here",
    ),
    Definition(
        "much_longer_chosen",
        "chosen answers more than three times as long as the rejected one",
        "info",
        "chosen_chars > 3 * rejected_chars AND rejected_chars > 0 AND reason IS NULL",
        "If length tells the answers apart, the model learns to write long answers.",
        "Park et al. 2024, arXiv 2403.19159",
        "review; compare the gap histogram (v)",
    ),
    Definition(
        "thoughts_unwanted",
        "answers with thoughts in rows that are trained with thinking off",
        "warn",
        "thoughts_unwanted AND reason IS NULL",
        "The template writes an empty thought before the real one, which the model never does in use.",
        "chat template of SmolLM3, TRL 1.16",
        "set enable_thinking in the column chat_template_kwargs, or A x excludes them",
    ),
    Definition(
        "thoughts_missing",
        "answers without thoughts in rows that turn thinking on",
        "warn",
        "thoughts_missing AND reason IS NULL",
        "The model learns to answer without thoughts where the template asks for them.",
        "chat template of SmolLM3, TRL 1.16",
        "set enable_thinking to false in the data, or A x excludes them",
    ),
    Definition(
        "refusals_chosen",
        "chosen answers that start like a refusal",
        "info",
        "refusal_chosen",
        "More refusals among chosen answers teach refusing, even when it is not called for.",
        "arXiv 2410.08847; arXiv 2308.01263 (XSTest)",
        "compare with the rejected side",
    ),
    Definition(
        "refusals_rejected",
        "rejected answers that start like a refusal",
        "info",
        "refusal_rejected",
        "More refusals among rejected answers teach answering, even when the model should refuse.",
        "arXiv 2410.08847",
        "compare with the chosen side",
    ),
    Definition(
        "control_chars",
        "pairs with control characters",
        "warn",
        "control_chars",
        "Control characters are tokenized unchanged; they often come from a terminal or a broken conversion.",
        "TRL 1.16, tokenization",
        "review",
    ),
    Definition(
        "bidi_chars",
        "pairs with bidirectional or zero-width characters",
        "warn",
        "bidi_chars",
        "Invisible characters change what is read: a known way to hide text.",
        "Unicode UTS 39",
        "review",
    ),
    Definition(
        "mixed_scripts",
        "pairs whose prompt and answers are in different scripts",
        "info",
        "mixed_scripts",
        "Translations are fine; otherwise rows may be misaligned.",
        "Unicode script property",
        "review",
    ),
)


@dataclass(frozen=True, slots=True)
class Found:
    """One finding of one set."""

    name: str
    title: str
    severity: Severity
    count: int | None
    """None: not counted, because tokens are unknown."""
    share: float | None
    """Of all rows, 0..1."""
    examples: tuple[int, ...]
    """The first rows, from 0."""
    why: str
    source: str
    act: str
    condition: str
    """SQL that selects its rows; empty if not counted."""


@dataclass(frozen=True, slots=True)
class LengthBias:
    """Which side is longer, over the usable pairs."""

    pairs: int
    chosen_longer: int
    equal: int
    median_gap: float
    """Median of the characters by which chosen is longer."""
    median_gap_tokens: float | None
    """The same in tokens; None if not counted."""

    @property
    def share(self) -> float:
        """Share of pairs in which chosen is longer, 0..1."""
        return self.chosen_longer / self.pairs if self.pairs else 0.0

    @property
    def longer_wins(self) -> float:
        """Accuracy of the rule "the longer answer is the chosen one"; equal lengths count half."""
        return (self.chosen_longer + self.equal / 2) / self.pairs if self.pairs else 0.5


@dataclass(frozen=True, slots=True)
class Audit:
    """The whole report."""

    source: str
    split: str
    rows: int
    clean: int
    """Usable rows whose answers differ."""
    findings: tuple[Found, ...]
    lengths: LengthBias
    max_length: int | None
    """Tokens; None if the recipe cuts nothing."""
    tokens_known: bool
    notes: tuple[str, ...] = field(default=())
    """What was not checked, and why."""

    def header(self) -> list[str]:
        """The report's first lines, in words."""
        bias = self.lengths
        all_clean = self.clean == self.rows
        count = f"{self.rows:,} rows · {self.clean:,} usable pairs, with answers that differ"
        lines = [f"{self.rows:,} pairs, all usable" if all_clean else count]
        if bias.pairs:
            gap = f"median gap {with_minus(f'{bias.median_gap:+,.0f}')} characters"
            if bias.median_gap_tokens is not None:
                gap += f", {with_minus(f'{bias.median_gap_tokens:+,.0f}')} tokens"
            lines.append(
                f"Length bias: chosen is longer in {percent(bias.share, 1)} of {bias.pairs:,} usable pairs, {gap}; "
                f"“longer wins” alone would be right in {percent(bias.longer_wins, 1)} (50 % means no bias; DPO "
                "amplifies it, arXiv 2403.19159)"
            )
        return [*lines, *self.notes]

    def as_json(self) -> dict[str, Any]:
        """Only JSON values."""
        lengths = {**asdict(self.lengths), "share": self.lengths.share, "longer_wins": self.lengths.longer_wins}
        return {**asdict(self), "lengths": lengths}


def audit_from_json(data: Mapping[str, Any]) -> Audit:
    """The audit that `Audit.as_json` wrote."""
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
    """All findings in the order of `DEFINITIONS`, including those that were not counted."""
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
