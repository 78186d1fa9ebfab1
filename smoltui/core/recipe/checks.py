"""Finds problems of a recipe before anything is loaded or paid for, by rules that TRL applies late or not at all.

To add a check, write one function in this file:

    @rule
    def _seed(recipe: Recipe) -> Iterator[Finding]:
        if recipe.given("seed") == 0:
            yield _warn("seed", "What is wrong, without a period", "What to write instead.")

It sees only keys that TRL knows, with values of the right type. Unknown keys, wrong types and values out of range are
found before, from `keys.json` and `fields.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from smoltui.core.recipe.changes import ABSENT
from smoltui.core.recipe.fields import BY_KEY
from smoltui.core.recipe.fix import Fix, deletes, edits, moves, repository, writes
from smoltui.core.recipe.keys import GONE, MOVED, RENAMED, near, snapshot
from smoltui.core.recipe.values import (
    REPOSITORY,
    field_of,
    file_kind,
    is_placeholder,
    problem,
    show_number,
    typed,
    wrong_type,
)
from smoltui.core.runs.place import Target


class Level(StrEnum):
    """Severity of a finding."""

    PASS = "pass"
    WARN = "warn"
    """It runs, but perhaps not as intended."""
    STOP = "stop"
    """It would fail, or waste the run."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem of a recipe."""

    key: str
    """The key concerned; empty if it concerns the whole recipe."""
    level: Level
    sentence: str
    next_step: str = ""
    """What to write, or which key to press; empty if there is nothing to do."""
    fix: Fix | None = None
    """What enter does about it; None if nothing helps."""

    def as_json(self) -> dict[str, str]:
        """For `--json`, where `next_step` keeps its first name so that scripts that read it keep working."""
        return {"key": self.key, "level": self.level.value, "sentence": self.sentence, "mend": self.next_step}


SMALL_RATE = 1e-5
"""Below this learning rate, most of a step on bfloat16 weights is lost to rounding: 1 % moved at 5e-7, 16 % at 1e-5
(measured on a small SmolLM3, 150 steps)."""

COURSE_MODEL = "HuggingFaceTB/SmolLM3-3B"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a rule looks at."""

    values: Mapping[str, Any]
    """What the recipe sets, of the types that TRL expects; a key that is already wrong counts as not set."""
    target: Target
    """Where it will run."""
    has_bf16: bool | None
    """Whether the device supports bfloat16; None if unknown."""
    model_type: str | None
    """As in the model's config.json; None if unknown."""

    def given(self, key: str) -> Any:
        """What the recipe sets; None if it doesn't."""
        return self.values.get(key)

    def get(self, key: str) -> Any:
        """What the recipe sets, or TRL's default."""
        return get(self.values, key)

    @property
    def is_quantized(self) -> bool:
        return bool(self.get("load_in_4bit") or self.get("load_in_8bit"))


Rule = Callable[[Recipe], Iterator[Finding]]
RULES: list[Rule] = []
"""In the order of their findings of one severity."""


def rule(function: Rule) -> Rule:
    """Adds a rule to `RULES`."""
    RULES.append(function)
    return function


def check(
    values: Mapping[str, Any],
    *,
    target: Target = Target.LOCAL,
    has_bf16: bool | None = None,
    model_type: str | None = None,
) -> list[Finding]:
    """All findings about a recipe that will run on `target`, the most severe first.

    `has_bf16`: whether the device supports bfloat16, None if unknown. `model_type`: as in the model's
    config.json, None if unknown. An empty list means that nothing is wrong.
    """
    found = [*_keys(values), *_values(values)]
    bad = {finding.key for finding in found if finding.level is Level.STOP}
    keys = snapshot().keys
    good = {key: typed(keys[key], value) for key, value in values.items() if key in keys and key not in bad}
    recipe = Recipe(good, target, has_bf16, model_type)
    found += [finding for look in RULES for finding in look(recipe) if finding.key not in bad]
    return sorted(found, key=lambda finding: list(Level).index(finding.level), reverse=True)


def is_ok(findings: list[Finding]) -> bool:
    """Whether nothing stops the run."""
    return all(finding.level is not Level.STOP for finding in findings)


def get(values: Mapping[str, Any], key: str) -> Any:
    """The value of a key, or TRL's default if the recipe does not set it."""
    return values[key] if key in values else snapshot().keys[key].default


def output_dir_of(values: Mapping[str, Any]) -> str:
    """Where the model is saved, as written in the recipe; transformers' default if it is not set."""
    return str(values.get("output_dir") or "trainer_output")


def checkpointing(values: Mapping[str, Any]) -> bool:
    """Whether activations are recomputed; the new name of the key takes precedence."""
    new = values.get("activation_checkpointing")
    return bool(get(values, "gradient_checkpointing") if new is None else new)


def mixed_precision(values: Mapping[str, Any]) -> str | None:
    """bf16, fp16 or None for none: TRL computes in bf16 by default."""
    if get(values, "fp16"):
        return "fp16"
    bf16 = values.get("bf16")
    return "bf16" if bf16 or bf16 is None else None


def weight_type(values: Mapping[str, Any]) -> str:
    """The type that weights are loaded in: float32, bfloat16, float16 or auto."""
    inner = values.get("model_init_kwargs")
    if isinstance(inner, Mapping) and inner.get("dtype"):
        return str(inner["dtype"])
    return str(get(values, "dtype") or "auto")


def losses(values: Mapping[str, Any]) -> list[str]:
    loss = get(values, "loss_type")
    return [str(item) for item in loss] if isinstance(loss, list) else [str(loss)]


def trackers(values: Mapping[str, Any]) -> list[str]:
    report = get(values, "report_to")
    return [str(item) for item in report] if isinstance(report, list) else [str(report)]


def _stop(key: str, sentence: str, next_step: str = "", fix: Fix | None = None) -> Finding:
    return Finding(key, Level.STOP, sentence, next_step, fix or edits(key))


def _warn(key: str, sentence: str, next_step: str = "", fix: Fix | None = None) -> Finding:
    return Finding(key, Level.WARN, sentence, next_step, fix or edits(key))


def _dtype(recipe: Recipe, wanted: str) -> Fix:
    """Loads the weights in another type, wherever the recipe says it."""
    inner = recipe.given("model_init_kwargs")
    if isinstance(inner, Mapping) and inner.get("dtype"):
        return writes(model_init_kwargs={**inner, "dtype": wanted})
    return writes(dtype=wanted)


def _keys(values: Mapping[str, Any]) -> Iterator[Finding]:
    """Keys that TRL doesn't read."""
    known = snapshot()
    for key in values:
        if key == "env":
            yield from _environment(values["env"])
        elif key in known.keys:
            yield from _renamed(key, values)
        else:
            yield _unread(key, values)


def _environment(env: object) -> Iterator[Finding]:
    if not isinstance(env, Mapping):
        yield _stop("env", "env must be a mapping of names to values", "Write env: {NAME: value}")
    elif secret := [name for name in env if re.search(r"(?i)token|key|secret|password", str(name))]:
        yield _stop(
            "env",
            f"A secret does not belong in a recipe: {secret[0]}",
            "Delete it and log in: hf auth login",
            _without(env, secret),
        )


def _without(env: Mapping[Any, Any], names: list[Any]) -> Fix:
    """Deletes entries of env, and env if nothing is left."""
    rest = {name: value for name, value in env.items() if name not in names}
    return writes(env=rest) if rest else deletes("env")


def _renamed(key: str, values: Mapping[str, Any]) -> Iterator[Finding]:
    if new := RENAMED.get(key):
        both = f", and {new} wins if both are set" if new in values else ""
        yield _warn(
            key,
            f"{key} is called {new} since transformers 5.23{both}",
            f"Write {new} instead.",
            moves(values, key, new),
        )


def _unread(key: str, values: Mapping[str, Any]) -> Finding:
    known = snapshot()
    release = f"TRL {known.versions['trl']}"
    if key in GONE:
        why, next_step = GONE[key]
        new = MOVED.get(key)
        return _stop(
            key, f"{release} no longer has {key}: {why}", next_step, moves(values, key, new) if new else deletes(key)
        )
    if key in known.launch:
        said = f"Only trl dpo reads {key}, an option of accelerate launch; smoltui ignores it"
        return _warn(key, said, fix=deletes(key))
    if "-" in key and (plain := key.replace("-", "_")) in known.keys:
        said = f"Keys are written with underscores: {key}"
        return _stop(key, said, f"Write {plain}.", moves(values, key, plain))
    names = near(key)
    next_step = f"Did you mean {' or '.join(names)}?" if names else "Delete the line, or move it to smoltui.toml."
    fix = moves(values, key, names[0]) if names else deletes(key)
    return _stop(key, f"{release} has no such key: {key}", next_step, fix)


def _values(values: Mapping[str, Any]) -> Iterator[Finding]:
    known = snapshot().keys
    for name, value in values.items():
        key = known.get(name)
        if key is None:
            continue
        if said := wrong_type(key, value):
            if "write" in said:
                yield _stop(name, f"{name}: {said}")
            else:
                yield _stop(name, f"{name}: {said}", "Delete the line to take TRL's default.", deletes(name))
            continue
        if value is None:
            continue
        value = typed(key, value)
        if key.choices and isinstance(value, str) and value not in key.choices:
            yield _stop(name, f"{name}: unknown choice: {value}", f"Write one of {', '.join(key.choices)}.")
        elif (field := field_of(name)) and (said := problem(field, value)):
            yield _stop(name, f"{name}: {said}")


@rule
def _model(recipe: Recipe) -> Iterator[Finding]:
    name, model = recipe.given("model_name_or_path"), writes(model_name_or_path=COURSE_MODEL)
    if not name:
        yield _stop("model_name_or_path", "The recipe has no model", f"Write model_name_or_path: {COURSE_MODEL}", model)
    elif name == f"{COURSE_MODEL}-Instruct":
        yield _stop(
            "model_name_or_path",
            f"There is no such model: {name}",
            f"Write {COURSE_MODEL}: it already follows instructions.",
            model,
        )
    elif name == f"{COURSE_MODEL}-Base":
        yield _warn(
            "model_name_or_path",
            "This model has not learned to follow instructions, which DPO requires",
            f"Write {COURSE_MODEL} instead.",
            model,
        )


@rule
def _foreign_code(recipe: Recipe) -> Iterator[Finding]:
    more = recipe.given("model_init_kwargs")
    if recipe.get("trust_remote_code") or (isinstance(more, Mapping) and more.get("trust_remote_code")):
        where = (
            "on this machine, with your permissions"
            if recipe.target == Target.LOCAL
            else "in the Job, with a token that can write to your account"
        )
        yield _warn(
            "trust_remote_code",
            f"Python code of the model's repository runs {where}",
            "Review that code first, or write trust_remote_code: false.",
            _trusting_nobody(recipe),
        )


def _trusting_nobody(recipe: Recipe) -> Fix:
    more = recipe.given("model_init_kwargs")
    values: dict[str, Any] = {"trust_remote_code": False} if recipe.get("trust_remote_code") else {}
    if isinstance(more, Mapping) and more.get("trust_remote_code"):
        values["model_init_kwargs"] = {**more, "trust_remote_code": False}
    return Fix(recipe=values)


@rule
def _token(recipe: Recipe) -> Iterator[Finding]:
    if recipe.given("hub_token"):
        yield _stop(
            "hub_token",
            "A token does not belong in a recipe",
            "Delete the line and log in: hf auth login",
            deletes("hub_token"),
        )


_SOURCE_KEYS = {"path", "name", "data_dir", "data_files", "split", "columns", "fraction"}
"""Keys of one entry of datasets (TRL 1.16 DatasetConfig)."""


@rule
def _pairs(recipe: Recipe) -> Iterator[Finding]:
    sources, name = recipe.given("datasets"), recipe.given("dataset_name")
    if not sources and not name:
        yield _stop(
            "datasets",
            "The recipe has no pairs",
            "Write datasets with a path and a split, for example {path: Anthropic/hh-rlhf, split: train}",
        )
    if sources and name:
        yield _warn(
            "dataset_name",
            "datasets and dataset_name are both set; TRL uses datasets",
            "Delete one.",
            deletes("dataset_name"),
        )
    if isinstance(name, str) and (kind := file_kind(name)) and not sources:
        yield _stop(
            "dataset_name",
            f"dataset_name takes a Hub id or a folder, not a file: {name}",
            f"Write datasets: [{{path: {kind}, data_files: {name}, split: train}}]",
            Fix(recipe={"datasets": [{"path": kind, "data_files": name, "split": "train"}], "dataset_name": ABSENT}),
        )


@rule
def _sources(recipe: Recipe) -> Iterator[Finding]:
    for number, source in enumerate(recipe.given("datasets") or [], 1):
        where = f"source {number} of datasets"
        if not isinstance(source, Mapping) or not source.get("path"):
            yield _stop("datasets", f"{where} has no path", "Write - path: OWNER/NAME", Fix(file="recipe.yaml"))
        elif unknown := sorted(set(source) - _SOURCE_KEYS):
            yield _stop(
                "datasets",
                f"{where} has a key that TRL does not know: {unknown[0]}",
                f"Known: {', '.join(sorted(_SOURCE_KEYS))}.",
                _source(recipe, number, {key: part for key, part in source.items() if key in _SOURCE_KEYS}),
            )
        elif kind := file_kind(str(source["path"])):
            yield _stop(
                "datasets",
                f"{where} is a file: {source['path']}",
                f"Write path: {kind} and data_files: {source['path']}",
                _source(recipe, number, {**source, "path": kind, "data_files": source["path"]}),
            )


def _source(recipe: Recipe, number: int, source: Mapping[str, Any]) -> Fix:
    """Replaces one source of datasets; `number` counts from 1."""
    sources = list(recipe.given("datasets"))
    sources[number - 1] = dict(source)
    return writes(datasets=sources)


@rule
def _selection(recipe: Recipe) -> Iterator[Finding]:
    if recipe.given("test_split_size"):
        yield _warn(
            "test_split_size",
            "TRL splits without a seed: every run, even a resumed one, measures different pairs",
            "Set a held-out split instead.",
            deletes("test_split_size") if recipe.get("eval_strategy") == "no" else edits("dataset_test_split"),
        )
    if (recipe.get("streaming") or recipe.get("dataset_streaming")) and recipe.get("max_steps") < 1:
        yield _stop("max_steps", "A stream of pairs has no length, so epochs have no meaning", "Set max_steps.")
    if recipe.get("train_sampling_strategy") == "group_by_length" and recipe.get("remove_unused_columns"):
        yield _stop(
            "train_sampling_strategy",
            "Grouping by length needs the length column, which TRL removes first",
            "Write remove_unused_columns: false, and give the pairs a length column.",
            deletes("train_sampling_strategy"),
        )


@rule
def _truncation(recipe: Recipe) -> Iterator[Finding]:
    if "max_length" in recipe.values and recipe.given("max_length") is None:
        yield _warn(
            "max_length",
            "Without a limit, one long pair determines the memory needed",
            "Write max_length: 1024",
            writes(max_length=1024),
        )
    if recipe.get("truncation_mode") == "keep_end":
        said = "keep_end is deprecated"
        yield _warn("truncation_mode", said, "Delete the line: the start is kept.", deletes("truncation_mode"))
    if recipe.get("padding_free"):
        said = "This TRL disables padding_free; the run is padded"
        yield _warn("padding_free", said, "Delete the line.", deletes("padding_free"))


@rule
def _precision(recipe: Recipe) -> Iterator[Finding]:
    if recipe.given("bf16") and recipe.get("fp16"):
        other = "bf16" if recipe.target == Target.LOCAL and recipe.has_bf16 is False else "fp16"
        yield _stop("fp16", "bf16 and fp16 are both on", "Keep one of the two.", writes(**{other: False}))
    if (
        recipe.target == Target.LOCAL
        and recipe.has_bf16 is False
        and mixed_precision(recipe.values) == "bf16"
        and not recipe.get("use_cpu")
    ):
        said = "bf16 is on" if recipe.given("bf16") else "TRL turns on bf16 by default"
        yield _stop("bf16", f"{said}, but no accelerator here supports it", "Write bf16: false", writes(bf16=False))
    if recipe.target == Target.JOB and recipe.get("use_cpu"):
        said = "use_cpu keeps a Job from using its accelerator"
        yield _warn("use_cpu", said, "Delete use_cpu.", deletes("use_cpu"))


@rule
def _rounding(recipe: Recipe) -> Iterator[Finding]:
    """Steps that are too small for the type of the weights."""
    rate, weights, adapter = recipe.get("learning_rate"), weight_type(recipe.values), recipe.get("use_peft")
    if not adapter and not recipe.is_quantized and rate < SMALL_RATE:
        small = f"a learning rate of {show_number(float(rate))}"
        if weights in ("bfloat16", "float16"):
            yield _stop(
                "dtype",
                f"Weights in {weights} hardly move at {small}: the steps are silently lost to rounding",
                "Write dtype: float32, or train an adapter with use_peft: true",
                _dtype(recipe, "float32"),
            )
        elif weights == "auto":
            yield _warn(
                "dtype",
                f"auto loads the weights as saved, usually in bfloat16, where they hardly move at {small}",
                "Write dtype: float32",
                _dtype(recipe, "float32"),
            )
    if adapter and recipe.is_quantized and rate <= SMALL_RATE:
        yield _warn(
            "learning_rate",
            "A quantized model's adapter stays in bfloat16, where such small steps round to nothing",
            "Raise the learning rate, or remove load_in_4bit and load_in_8bit.",
        )
    if adapter and weights == "float32" and recipe.target == Target.JOB and not recipe.is_quantized:
        said = "The frozen weights under an adapter don't need float32"
        yield _warn("dtype", said, "Write dtype: bfloat16", _dtype(recipe, "bfloat16"))


@rule
def _adapter(recipe: Recipe) -> Iterator[Finding]:
    lora = [key for key in recipe.values if key.startswith("lora_") or key in ("use_rslora", "use_dora")]
    if not recipe.get("use_peft"):
        if lora:
            yield _warn(
                lora[0],
                f"{lora[0]} has no effect: all weights are trained",
                "Write use_peft: true, or delete it.",
                writes(use_peft=True),
            )
        return
    smollm3 = recipe.model_type == "smollm3" or "smollm3" in str(recipe.given("model_name_or_path")).lower()
    if smollm3 and not recipe.given("lora_target_modules") and not recipe.given("lora_target_parameters"):
        yield _stop(
            "lora_target_modules",
            "PEFT has no default target modules for SmolLM3, and fails after loading",
            "Write lora_target_modules: all-linear",
            writes(lora_target_modules="all-linear"),
        )
    if recipe.given("lora_dropout") and recipe.get("disable_dropout"):
        yield _warn(
            "lora_dropout",
            "TRL disables all dropout, including the adapter's",
            "Write disable_dropout: false to keep it.",
            writes(disable_dropout=False),
        )
    if recipe.get("sync_ref_model"):
        said = "An adapter has no reference model to synchronize"
        yield _stop("sync_ref_model", said, "Delete sync_ref_model.", deletes("sync_ref_model"))


@rule
def _loss(recipe: Recipe) -> Iterator[Finding]:
    kinds, weights = losses(recipe.values), recipe.given("loss_weights")
    if isinstance(weights, list) and len(weights) != len(kinds):
        yield _stop(
            "loss_weights",
            f"loss_weights has {len(weights)} weights for {len(kinds)} losses",
            "Give each loss one weight.",
        )
    if "exo_pair" in kinds and not recipe.get("label_smoothing"):
        said = "exo_pair needs label smoothing above 0"
        yield _stop("label_smoothing", said, "Write label_smoothing: 0.001", writes(label_smoothing=0.001))
    if recipe.get("use_weighting") and any(kind.startswith("aot") for kind in kinds):
        said = "WPO weighting cannot be combined with the aot losses"
        yield _stop("use_weighting", said, "Delete use_weighting.", deletes("use_weighting"))
    if recipe.get("precompute_ref_log_probs") and recipe.get("sync_ref_model"):
        yield _stop(
            "precompute_ref_log_probs",
            "A precomputed reference cannot follow the policy",
            "Delete sync_ref_model.",
            deletes("sync_ref_model"),
        )
    if recipe.get("use_liger_kernel"):
        said = "Liger is deprecated in TRL and needs a separate package"
        yield _warn("use_liger_kernel", said, "Delete the line.", deletes("use_liger_kernel"))


@rule
def _evaluation(recipe: Recipe) -> Iterator[Finding]:
    if recipe.get("eval_strategy") != "no" and recipe.given("datasets") and not recipe.given("test_split_size"):
        yield _stop(
            "eval_strategy",
            "Evaluation is on, but datasets has no held-out split: trl dpo fails after loading",
            'Write eval_strategy: "no", or set the pairs with dataset_name and dataset_test_split.',
            writes(eval_strategy="no"),
        )


@rule
def _saving(recipe: Recipe) -> Iterator[Finding]:
    push, name = recipe.get("push_to_hub"), recipe.given("hub_model_id")
    ours = repository(name, recipe.given("output_dir"))
    if recipe.target == Target.JOB and not push:
        yield _warn(
            "push_to_hub",
            "push_to_hub is off: a Job's disk is deleted at its end, so the model will be lost",
            "Write push_to_hub: true and hub_model_id: YOUR-NAME/smollm3-dpo-aligned",
            Fix(recipe={"push_to_hub": True} | ({} if _is_own(name) else {"hub_model_id": ours})),
        )
    if push and not name:
        yield _warn(
            "hub_model_id",
            "TRL would push to a repository named after the output folder",
            "Write hub_model_id: OWNER/NAME",
            writes(hub_model_id=ours),
        )
    if push and isinstance(name, str) and is_placeholder(name):
        yield _stop(
            "hub_model_id",
            f"hub_model_id is still a placeholder: {name}",
            "Write your own user name before the slash.",
            writes(hub_model_id=ours),
        )
    elif push and isinstance(name, str) and not REPOSITORY.fullmatch(name):
        yield _stop("hub_model_id", f"Not a valid repository name: {name}", "Write OWNER/NAME.")
    if recipe.get("resume_from_checkpoint") in (True, "true", "True"):
        yield _warn("resume_from_checkpoint", "Resuming fails if the output folder has no checkpoint yet")


def _is_own(name: object) -> bool:
    """Whether a repository is named completely."""
    return isinstance(name, str) and not is_placeholder(name) and bool(REPOSITORY.fullmatch(name))


@rule
def _tracker(recipe: Recipe) -> Iterator[Finding]:
    if "trackio" not in trackers(recipe.values):
        return
    static = recipe.given("trackio_static_space_id")
    public = recipe.get("push_to_hub") and static is not False and recipe.given("hub_private_repo") is not True
    if public:
        yield _warn(
            "report_to",
            "Under trl dpo, a push with trackio creates a Space with the metrics, public by default",
            "Write trackio_static_space_id: false, or hub_private_repo: true",
            writes(trackio_static_space_id=False),
        )
    if recipe.given("trackio_space_id") and recipe.given("hub_private_repo") is not True:
        yield _warn(
            "trackio_space_id",
            "The Space with the live metrics is public by default",
            "Write hub_private_repo: true",
            writes(hub_private_repo=True),
        )


@rule
def _offloading(recipe: Recipe) -> Iterator[Finding]:
    if recipe.get("activation_offloading") and recipe.get("use_cpu"):
        yield _stop(
            "activation_offloading",
            "Activation offloading needs an accelerator: on the CPU, training fails at its first step",
            "Delete activation_offloading.",
            deletes("activation_offloading"),
        )


@rule
def _habits(recipe: Recipe) -> Iterator[Finding]:
    if recipe.get("logging_nan_inf_filter"):
        yield _warn(
            "logging_nan_inf_filter",
            "A run ruined by NaN would show a loss of 0.0",
            "Write logging_nan_inf_filter: false",
            writes(logging_nan_inf_filter=False),
        )
    if recipe.get("load_best_model_at_end") and recipe.get("save_strategy") != recipe.get("eval_strategy"):
        yield _stop(
            "load_best_model_at_end",
            "The best model can be kept only if saving and evaluation happen together",
            "Set save_strategy and eval_strategy to the same value.",
            deletes("load_best_model_at_end")
            if recipe.get("eval_strategy") == "no"
            else writes(save_strategy=recipe.get("eval_strategy")),
        )


def our_values() -> dict[str, Any]:
    """Keys that a new recipe should set to something other than TRL's default (`Field.ours`, with its reason)."""
    return {field.key: field.ours for field in BY_KEY.values() if field.ours is not None}
