"""smoltui.toml: settings that TRL has no key for. Parsed into typed values; errors name the key."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from smoltui.core.foreign.field_types import FITS, field_types
from smoltui.core.runs.accelerate import MOST_PROCESSES, STRATEGIES
from smoltui.core.runs.job_options import JobOptions, problem_in
from smoltui.core.runs.run import timeout_seconds
from smoltui.core.runs.watch_settings import WatchSettings
from smoltui.core.settings.file_name import FILE_NAME
from smoltui.core.settings.judge_settings import JUDGE_RANGES, JudgeSettings, checked_judge
from smoltui.core.settings.slurm_settings import SLURM_RANGES, SlurmSettings, slurm_problem
from smoltui.errors import RecipeError
from smoltui.scripts.pair_how import AS_IT_IS, OPTIONAL, PARTS, PICKS, How

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class JobSettings:
    """Where a Job runs."""

    flavor: str = "a100-large"
    """Hardware, a name from `smoltui hardware`."""
    timeout: str = "3h"
    """Timeout of the Job; the Hub's default is 30 minutes."""
    namespace: str = ""
    """User or organization that owns and pays; empty for the token's account."""
    labels: Mapping[str, str] = field(default_factory=dict)
    processes: int = 0
    """Training processes, one per GPU; 0 for all GPUs of the flavor."""
    strategy: str = "ddp"
    """How they share the training, one of `core.runs.accelerate.STRATEGIES`."""
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    """Names; their values are never stored."""
    secrets_file: str = ""
    volumes: tuple[str, ...] = ()
    image: str = ""
    packages: tuple[str, ...] = ()
    """Requirements in addition to the recipe's."""
    ssh: bool = False
    attempts: int = 1
    """How often the Hub starts the Job before it gives up."""
    resource_group: str = ""
    checkpoints: str = "bucket"
    """Where checkpoints are kept that outlive the Job: `bucket`, a folder on a volume in the container, or empty."""

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
    python: str = ""
    """The Python that trains: a path, `uv`, or empty for the app's own."""


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
    benchmarks: tuple[str, ...] = ()
    """Tasks that `benchmark` runs with lm_eval on this machine; empty for the default set."""
    task_folder: str = ""
    """Folder with task files (YAML) of your own for lm_eval, relative to the project folder; empty without one."""


@dataclass(frozen=True, slots=True)
class SubmitSettings:
    """What is published, and where. Empty texts: taken from the recipe, the run and the account."""

    space: str = "smol-course/leaderboard"
    """Space of the leaderboard, owner/name."""
    model: str = ""
    """Repository of the model, owner/name."""
    private: bool = False
    """Create the repository private; the leaderboard needs a public one."""
    chapter: str = "3"
    """Of the smol-course; its text about DPO says 3."""
    method: str = "DPO"
    results_dataset: str = ""
    """Data set that the benchmarks pushed, owner/name."""
    base_model: str = ""
    """Hub id of the base model, if the recipe names a folder."""
    preference_dataset: str = ""
    """Hub id of the preference pairs, if the recipe names files."""
    license: str = ""
    """Identifier of the Hub, such as apache-2.0; empty for that of the base model."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All of smoltui.toml."""

    on: str = ""
    """Default engine of `train`; empty for the first one (`backends/services.py`), this machine."""
    preset: str = ""
    """Preset that the project was made from, with which Recipe compares; empty: none."""
    jobs: JobSettings = JobSettings()
    local: LocalSettings = LocalSettings()
    pairs: str = ""
    """Set that the Pairs room opens, a path or Hub id; empty for the recipe's pairs."""
    pair_columns: Mapping[str, str] = field(default_factory=dict)
    """Part of a pair (`core.pairs.mapping.PARTS`) → column of the set; empty: detected from its shape."""
    pair_how: How = AS_IT_IS
    """How pairs are made of answers with a winner, scores or ranks."""
    pairs_show: tuple[str, ...] = ()
    """Further columns of the rows that the Pairs room shows with each pair."""
    evaluation: EvaluationSettings = EvaluationSettings()
    judge: JudgeSettings = field(default_factory=JudgeSettings)
    watch: WatchSettings = field(default_factory=WatchSettings)
    """Rules that watch unfinished runs."""
    submit: SubmitSettings = SubmitSettings()
    slurm: SlurmSettings = field(default_factory=SlurmSettings)
    """What a run asks of a Slurm cluster."""

    @property
    def reads_pairs(self) -> bool:
        """Whether it says how the set is read, so that TRL alone could not read it in the same way."""
        return bool(self.pair_columns) or self.pair_how != AS_IT_IS


RANGES: Mapping[str, tuple[float, float]] = {
    "jobs.processes": (0, MOST_PROCESSES),
    "jobs.attempts": (1, 20),
    "local.processes": (1, MOST_PROCESSES),
    "pairs.min_margin": (0, math.inf),
    "evaluation.max_new_tokens": (1, 100_000),
    "evaluation.temperature": (0, 5),
    "evaluation.top_p": (0, 1),
    "evaluation.held_out": (1, 100_000),
    **JUDGE_RANGES,
    **SLURM_RANGES,
    "watch.margin_steps": (0, math.inf),
    "watch.silent_minutes": (0, math.inf),
    "watch.waiting_minutes": (0, math.inf),
    "watch.cost_usd": (0, math.inf),
}
"""Key → its smallest and largest value."""
_ABOUT = {
    "local.processes": "This is the number of GPUs that one run uses.",
    "local.strategy": "; ".join(f"{name}: {words}" for name, words in STRATEGIES.items()) + ".",
}
"""Key → a hint for a value that is refused."""


def parse_settings(data: Mapping[str, Any]) -> Settings:
    """Settings from a decoded smoltui.toml.

    Raises:
        RecipeError: an unknown key, a wrong type or a value out of range; the message names the key.
    """
    _refuse_huge(data)
    _only(data, {"run", "jobs", "local", "pairs", "evaluation", "judge", "watch", "submit", "slurm"}, "")
    run, pairs = _table(data, "run"), _table(data, "pairs")
    _only(run, {"on", "preset"}, "run.")
    _only(pairs, {"source", "columns", "show", *(item.name for item in fields(How))}, "pairs.")
    return Settings(
        on=_text(run, "run.on", "an engine's name"),
        preset=_text(run, "run.preset", "a preset's name"),
        jobs=_jobs(_table(data, "jobs")),
        local=_local(_table(data, "local")),
        pairs=_text(pairs, "pairs.source", "a path or Hub id"),
        pair_columns=_columns(_table(pairs, "columns")),
        pairs_show=_value(tuple[str, ...], pairs.get("show", []), "pairs.show"),
        pair_how=_how({item.name: pairs[item.name] for item in fields(How) if item.name in pairs}),
        evaluation=_in_range(_dataclass(EvaluationSettings, _table(data, "evaluation"), "evaluation."), "evaluation."),
        judge=checked_judge(_in_range(_dataclass(JudgeSettings, _table(data, "judge"), "judge."), "judge.")),
        watch=_in_range(_dataclass(WatchSettings, _table(data, "watch"), "watch."), "watch."),
        submit=_dataclass(SubmitSettings, _table(data, "submit"), "submit."),
        slurm=checked_slurm(_in_range(_dataclass(SlurmSettings, _table(data, "slurm"), "slurm."), "slurm.")),
    )


def checked_slurm(slurm: SlurmSettings) -> SlurmSettings:
    """`slurm`, if all of its values can be used. Raises: RecipeError: one cannot; the message names the key."""
    if problem := slurm_problem(slurm, tuple(STRATEGIES)):
        key, sentence, hint = problem
        raise RecipeError(f"slurm.{key} in {FILE_NAME} {sentence}", hint)
    return slurm


def options_of(table: DataclassInstance) -> dict[str, str]:
    """The values of a table that are not its defaults, each as JSON, for the specification of a run."""
    found = {}
    for item in fields(table):
        value = getattr(table, item.name)
        default = item.default if item.default_factory is MISSING else item.default_factory()
        if value != default:
            found[item.name] = json.dumps(dict(value) if isinstance(value, Mapping) else value, ensure_ascii=False)
    return found


def table_of(cls: type[T], options: Mapping[str, str], prefix: str) -> T:
    """The table that `options_of` wrote; keys of other versions are ignored.

    Raises:
        RecipeError: a value that the table cannot have.
    """
    known = field_types(cls)
    try:
        values = {name: json.loads(text) for name, text in options.items() if name in known}
    except ValueError as error:
        raise RecipeError(f"The options of this run cannot be read: {prefix.rstrip('.')}") from error
    return _in_range(_dataclass(cls, values, prefix), prefix)


def _jobs(table: Mapping[str, Any]) -> JobSettings:
    jobs = _dataclass(JobSettings, table, "jobs.")
    try:
        timeout_seconds(jobs.timeout)
    except (ValueError, OverflowError) as error:
        raise RecipeError(f"jobs.timeout in {FILE_NAME} is not a timeout: {jobs.timeout}", str(error)) from error
    _check_strategy(jobs.strategy, "jobs.strategy")
    asked = {item.name: getattr(jobs, item.name) for item in fields(JobOptions)}
    if problem := problem_in(JobOptions(**asked)):
        key, sentence, hint = problem
        raise RecipeError(f"jobs.{key} in {FILE_NAME} {sentence}", hint)
    if jobs.checkpoints not in ("", "bucket") and not jobs.checkpoints.startswith("/"):
        raise RecipeError(
            f"jobs.checkpoints in {FILE_NAME} must be bucket, empty, or an absolute path: {jobs.checkpoints}",
            "A path is a folder in the container, on a volume of the Job.",
        )
    return _in_range(jobs, "jobs.")


def _local(table: Mapping[str, Any]) -> LocalSettings:
    local = _in_range(_dataclass(LocalSettings, table, "local."), "local.")
    _check_strategy(local.strategy, "local.strategy")
    return local


def _check_strategy(strategy: str, key: str) -> None:
    if strategy not in STRATEGIES:
        raise RecipeError(
            f"{key} in {FILE_NAME} must be one of {', '.join(STRATEGIES)}: {strategy}", _ABOUT.get(key, "")
        )


def _columns(table: Mapping[str, Any]) -> Mapping[str, str]:
    _only(table, set(PARTS), "pairs.columns.")
    for part, column in table.items():
        if not isinstance(column, str) or not (column or part in OPTIONAL):
            raise _wrong(f"pairs.columns.{part}", "the name of a column or a dotted path", column)
    return dict(table)


def _how(table: Mapping[str, Any]) -> How:
    how = _in_range(_dataclass(How, {key: value for key, value in table.items() if value != ""}, "pairs."), "pairs.")
    if how.pick not in PICKS:
        raise RecipeError(f"pairs.pick in {FILE_NAME} must be one of {', '.join(PICKS)}: {how.pick}")
    return how


def _text(table: Mapping[str, Any], key: str, expected: str) -> str:
    value = table.get(key.rpartition(".")[2], "")
    if not isinstance(value, str):
        raise _wrong(key, expected, value)
    return value


def _in_range(settings: T, prefix: str) -> T:
    """`settings`, each number within `RANGES`."""
    for key in RANGES:
        if not key.startswith(prefix):
            continue
        value = getattr(settings, key.removeprefix(prefix))
        if problem := out_of_range(key, value):
            raise RecipeError(f"{key} in {FILE_NAME} {problem}", _ABOUT.get(key, ""))
    return settings


def out_of_range(key: str, value: float) -> str:
    """What is wrong with a number of this key, to follow its name; empty if it is within `RANGES`."""
    low, high = RANGES[key]
    if low <= value <= high:
        return ""
    return f"{f'must be from {low} to {high}' if high < math.inf else 'must not be negative'}: {value}"


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


_EXPECTED: Mapping[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    tuple[str, ...]: "a list of texts",
    Mapping[str, str]: "a table of texts",
}


def _dataclass(cls: type[T], table: Mapping[str, Any], prefix: str) -> T:
    """`cls` filled from a table, each value checked against the type of its field."""
    types = field_types(cls)
    _only(table, set(types), prefix)
    values = {key: _value(types[key].type, value, f"{prefix}{key}") for key, value in table.items()}
    for item in fields(cls):
        if item.name not in values and item.default is MISSING and item.default_factory is MISSING:
            name = item.name
            raise RecipeError(f"{prefix.rstrip('.')} in {FILE_NAME} needs a {name}", f'Add {name} = "…" to it.')
    return cls(**values)


def _value(kind: Any, value: Any, key: str) -> Any:
    if isinstance(kind, type) and is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise _wrong(key, "a table", value)
        return _dataclass(kind, value, f"{key}.")
    if not FITS[kind](value):
        raise _wrong(key, _EXPECTED[kind], value)
    return float(value) if kind is float else tuple(value) if isinstance(value, list) else value
