"""What is known about a model that is published: everything its card says, gathered once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from smoltui.core.evaluation.measurement import Measurement
from smoltui.core.settings.settings import Manner

Points = Sequence[tuple[int, float]]
"""(step, value) in the order of steps."""


class Weights(StrEnum):
    """What is uploaded beside the card."""

    NONE = "card"
    """Only the card: the repository has its weights."""
    FULL = "model"
    """The model as it was trained, all weights."""
    ADAPTER = "adapter"
    """The LoRA adapter."""
    MERGED = "merged"
    """The adapter added to the weights of its base model."""


WEIGHTS_IN_WORDS: Mapping[Weights, str] = {
    Weights.NONE: "the card only",
    Weights.FULL: "the card and the model",
    Weights.ADAPTER: "the card and the LoRA adapter",
    Weights.MERGED: "the card and the merged model",
}


@dataclass(frozen=True, slots=True)
class Base:
    """The model that was aligned."""

    name: str
    """As in the recipe: a Hub id, or a folder."""
    repo: str | None = None
    """Its Hub id; None for a folder."""
    commit: str | None = None
    """40 hexadecimal digits; None if it was not recorded."""
    license: str | None = None
    """Identifier of the Hub, such as apache-2.0; None if unknown."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """The preference pairs."""

    name: str
    """As in the recipe, or as the curated set says where it comes from."""
    repo: str | None = None
    """Hub id; None for files."""
    split: str = ""
    digest: str | None = None
    """Hash of the rows that the trainer saw; None if it was not recorded."""
    train: int | None = None
    held_out: int | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Reason → rows that were not trained on."""
    origin: str | None = None
    """Source and decisions of a curated set, one sentence; None for the set as it is."""
    excluded: int = 0
    """Pairs that the project's decisions exclude now."""
    swapped: int = 0
    audit: tuple[str, ...] = ()
    """First lines of the audit report; empty if the set was not audited."""
    findings: tuple[tuple[str, int, str], ...] = ()
    """(severity, pairs, title) of each finding with a count above 0."""


@dataclass(frozen=True, slots=True)
class Vote:
    """The blind votes on answers of this model and another one."""

    title: str
    """Which models, on which prompts."""
    rows: tuple[tuple[str, str], ...]
    """(label, figure with its interval)."""
    sentence: str
    """What the votes show, in words that claim no more than they do."""


@dataclass(frozen=True, slots=True)
class BenchmarkRow:
    """One metric of one task."""

    task: str
    metric: str
    value: float
    """As the harness reports it, mostly 0..1."""
    stderr: float | None = None
    reference: float | None = None
    """The reference model's figure, by the same harness with the same settings; None if not measured."""
    reference_stderr: float | None = None


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One evaluation by one harness; figures of different harnesses never share a table."""

    harness: str
    """Name and version, such as lighteval 0.13.0."""
    pins: tuple[str, ...]
    """Packages that it ran with."""
    rows: tuple[BenchmarkRow, ...]
    rehearsal: bool = False
    """Measured on a few items per task only; never published."""
    settings: str = ""
    """Thinking, shots and the like, one line."""
    date: str = ""
    dataset: str | None = None
    """Data set that the results were pushed to; None if they were not."""


@dataclass(frozen=True, slots=True)
class Record:
    """All facts of one run. None and empty values are unknown, and the card says so."""

    name: str
    """Of the model, without owner."""
    run_id: str
    base: Base
    pairs: Pairs
    recipe: str
    """Text of recipe.yaml as it was trained."""
    beta: float
    weights: Weights = Weights.FULL
    """FULL or ADAPTER: what the run saved; MERGED where the adapter is uploaded merged."""
    loss: str = "sigmoid"
    learning_rate: str = ""
    max_length: str = ""
    seed: str = ""
    step: int = 0
    steps: int | None = None
    epochs: float | None = None
    seconds: float | None = None
    device: str = ""
    dtype: str = ""
    parameters: int | None = None
    trainable: int | None = None
    moved: float | None = None
    """Share of the weights that changed, 0..1."""
    trained_at: str = ""
    """Day of its end, such as 2026-11-30."""
    chapter: str = ""
    method: str = "DPO"
    template: bool | None = None
    """Whether the tokenizer has a chat template; None if unknown."""
    thinks: bool = False
    """Whether the template can turn thinking on and off."""
    plain_text: bool = False
    """Whether it was trained on plain texts, without the chat template."""
    versions: Mapping[str, str] = field(default_factory=dict)
    curves: Mapping[str, Points] = field(default_factory=dict)
    """TRL's metric name → its values; held-out ones begin with `eval_`."""
    measurement: Measurement | None = None
    manner: Manner | None = None
    votes: tuple[Vote, ...] = ()
    benchmarks: tuple[Benchmark, ...] = ()
    tool: str = ""
    """Version of smoltui."""
