"""smoltui.toml: settings that TRL has no key for. Parsed into typed values; errors name the key."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from smoltui.core.pairs.mapping import PARTS
from smoltui.core.runs.accelerate import MOST_PROCESSES, STRATEGIES
from smoltui.core.runs.rules import WatchSettings
from smoltui.core.runs.run import timeout_seconds
from smoltui.errors import RecipeError

FILE_NAME = "smoltui.toml"


@dataclass(frozen=True, slots=True)
class JobSettings:
    """Where a Job runs."""

    flavor: str = "a100-large"
    """Hardware, a name from `hf jobs hardware`."""
    timeout: str = "3h"
    """Timeout of the Job; the Hub's default is 30 minutes."""
    namespace: str = ""
    """User or organization that owns and pays; empty for the token's account."""
    labels: Mapping[str, str] = field(default_factory=dict)
    processes: int = 0
    """Training processes, one per GPU; 0 for all GPUs of the flavor."""
    strategy: str = "ddp"
    """How they share the training, one of `core.runs.accelerate.STRATEGIES`."""

    @property
    def timeout_seconds(self) -> int:
        return timeout_seconds(self.timeout)


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """How a run uses this machine's devices."""

    processes: int = 1
    """One per GPU; with 2 or more, the script is started with `accelerate launch`."""
    strategy: str = "ddp"
    """How several processes share the training, one of `core.runs.accelerate.STRATEGIES`."""


@dataclass(frozen=True, slots=True)
class Manner:
    """A simple rule that decides whether an answer is in the chosen manner (`core/evaluation/figures.py`)."""

    name: str
    any_of: tuple[str, ...] = ()
    """The answer contains at least one of these words or phrases, case-insensitive, as whole words."""
    none_of: tuple[str, ...] = ()
    """…and none of these."""


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """How answers are generated and judged."""

    prompts: str = "prompts.txt"
    """File with one prompt per line, relative to the project folder."""
    max_new_tokens: int = 256
    temperature: float = 0.7
    """0 is greedy."""
    top_p: float = 0.95
    seed: int = 0
    thinking: bool = False
    """SmolLM3 thinks by default; smoltui turns it off unless configured."""
    held_out: int = 64
    """Maximum number of held-out pairs that `evaluate` measures and answers."""
    manner: Manner | None = None
    """None: the share in the chosen manner is not computed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All of smoltui.toml."""

    on: str = ""
    """Default engine of `train`; empty for the first one (`backends/services.py`), this machine."""
    jobs: JobSettings = JobSettings()
    local: LocalSettings = LocalSettings()
    pairs: str = ""
    """Set that the Pairs room opens, a path or Hub id; empty for the recipe's pairs."""
    pair_columns: Mapping[str, str] = field(default_factory=dict)
    """Which column of the set is prompt, chosen, rejected or system; empty: detected from its shape."""
    evaluation: EvaluationSettings = EvaluationSettings()
    watch: WatchSettings = field(default_factory=WatchSettings)
    """Rules that watch unfinished runs."""


def parse_settings(data: Mapping[str, Any]) -> Settings:
    """Settings from a decoded smoltui.toml.

    Raises:
        RecipeError: an unknown key, a wrong type or a value out of range; the message names the key.
    """
    _refuse_huge(data)
    _only(data, {"run", "jobs", "local", "pairs", "evaluation", "watch"}, "")
    run, pairs = _table(data, "run"), _table(data, "pairs")
    _only(run, {"on"}, "run.")
    _only(pairs, {"source", "columns"}, "pairs.")
    jobs = _dataclass(JobSettings, _table(data, "jobs"), "jobs.")
    try:
        timeout_seconds(jobs.timeout)
    except (ValueError, OverflowError) as error:
        raise RecipeError(f"jobs.timeout in {FILE_NAME} is not a timeout: {jobs.timeout}", str(error)) from error
    local = _local(_table(data, "local"))
    if not 0 <= jobs.processes <= MOST_PROCESSES:
        raise RecipeError(f"jobs.processes in {FILE_NAME} must be from 0 to {MOST_PROCESSES}: {jobs.processes}")
    if jobs.strategy not in STRATEGIES:
        raise RecipeError(f"jobs.strategy in {FILE_NAME} must be one of {', '.join(STRATEGIES)}: {jobs.strategy}")
    evaluation = dict(_table(data, "evaluation"))
    manner_table = evaluation.pop("manner", None)
    manner = None
    if manner_table is not None:
        if not isinstance(manner_table, Mapping):
            raise _wrong("evaluation.manner", "a table", manner_table)
        manner = _dataclass(Manner, manner_table, "evaluation.manner.")
    parsed = _dataclass(EvaluationSettings, {**evaluation, "manner": manner}, "evaluation.")
    for key, low, high in (
        ("max_new_tokens", 1, 100_000),
        ("temperature", 0, 5),
        ("top_p", 0, 1),
        ("held_out", 1, 100_000),
    ):
        if not low <= getattr(parsed, key) <= high:
            raise RecipeError(f"evaluation.{key} in {FILE_NAME} must be from {low} to {high}: {getattr(parsed, key)}")
    watch = _dataclass(WatchSettings, _table(data, "watch"), "watch.")
    for key in ("margin_steps", "silent_minutes", "cost_usd"):
        if getattr(watch, key) < 0:
            raise RecipeError(f"watch.{key} in {FILE_NAME} must not be negative: {getattr(watch, key)}")
    on = run.get("on", "")
    if not isinstance(on, str):
        raise _wrong("run.on", "an engine's name", on)
    source = pairs.get("source", "")
    if not isinstance(source, str):
        raise _wrong("pairs.source", "a path or Hub id", source)
    columns = _table(pairs, "columns")
    _only(columns, set(PARTS), "pairs.columns.")
    for part, column in columns.items():
        if not isinstance(column, str) or not column:
            raise _wrong(f"pairs.columns.{part}", "the name of a column or a dotted path", column)
    return Settings(
        on=on, jobs=jobs, local=local, pairs=source, pair_columns=dict(columns), evaluation=parsed, watch=watch
    )


def _local(table: Mapping[str, Any]) -> LocalSettings:
    local = _dataclass(LocalSettings, table, "local.")
    if not 1 <= local.processes <= MOST_PROCESSES:
        raise RecipeError(
            f"local.processes in {FILE_NAME} must be from 1 to {MOST_PROCESSES}: {local.processes}",
            "This is the number of GPUs that one run uses.",
        )
    if local.strategy not in STRATEGIES:
        raise RecipeError(
            f"local.strategy in {FILE_NAME} must be one of {', '.join(STRATEGIES)}: {local.strategy}",
            "; ".join(f"{name}: {words}" for name, words in STRATEGIES.items()) + ".",
        )
    return local


def _wrong(key: str, expected: str, found: object) -> RecipeError:
    return RecipeError(f"{key} in {FILE_NAME} must be {expected}: {repr(found)[:200]}")


def _refuse_huge(data: object, key: str = "") -> None:
    """Raises: RecipeError: a whole number beyond 64 bits, which TOML forbids but Python's parser accepts."""
    if isinstance(data, Mapping):
        for name, value in data.items():
            _refuse_huge(value, f"{key}.{name}" if key else str(name))
    elif isinstance(data, list):
        for value in data:
            _refuse_huge(value, key)
    elif isinstance(data, int) and not -(2**63) <= data < 2**63:
        raise RecipeError(f"{key} in {FILE_NAME} does not fit in 64 bits", "Write a smaller number.")


def _only(table: Mapping[str, Any], known: set[str], prefix: str) -> None:
    for key in table:
        if key not in known:
            raise RecipeError(
                f"{FILE_NAME} has an unknown key: {prefix}{key}",
                f"Known keys: {', '.join(sorted(known))}.",
            )


def _table(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key, {})
    if not isinstance(value, Mapping):
        raise _wrong(key, "a table", value)
    return value


T = TypeVar("T")

_EXPECTED = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "tuple": "a list of texts",
    "Mapping": "a table of texts",
}


def _dataclass(cls: type[T], table: Mapping[str, Any], prefix: str) -> T:
    """`cls` filled from a table, each value checked against the annotation of its field."""
    kinds = {item.name: str(item.type) for item in fields(cls)}  # type: ignore[arg-type]  # every caller passes a dataclass
    _only(table, set(kinds), prefix)
    values: dict[str, Any] = {}
    for key, value in table.items():
        kind = kinds[key].split("[")[0]
        good = {
            "str": isinstance(value, str),
            "int": isinstance(value, int) and not isinstance(value, bool),
            "float": isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value),
            "bool": isinstance(value, bool),
            "tuple": isinstance(value, list) and all(isinstance(item, str) for item in value),
            "Mapping": isinstance(value, Mapping) and all(isinstance(item, str) for item in value.values()),
        }.get(kind, True)
        if not good:
            raise _wrong(f"{prefix}{key}", _EXPECTED[kind], value)
        values[key] = float(value) if kind == "float" else tuple(value) if kind == "tuple" else value
    try:
        return cls(**values)
    except TypeError as error:
        raise RecipeError(f"{prefix.rstrip('.')} in {FILE_NAME} needs a name", 'Add name = "…" to it.') from error
