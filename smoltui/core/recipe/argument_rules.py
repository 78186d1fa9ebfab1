"""Rules for arguments that transformers, accelerate and PEFT refuse, some of them only after the model is loaded.

Read in transformers 5.23 (`training_args.py`, `optimization.py`, `modeling_utils.py`, `trainer_pt_utils.py`) and PEFT
0.21. `tests/scripts/test_trainer_agrees.py` compares them with what the real trainer does.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from smoltui.core.recipe.effective import trackers
from smoltui.core.recipe.finding import Finding, Recipe, rule, stop, warn
from smoltui.core.recipe.fix import Fix, deletes, edits, writes
from smoltui.core.runs.place import Target

ATTENTION = ("eager", "sdpa", "flex_attention", "flash_attention_2", "flash_attention_3", "flash_attention_4")
"""Values of attn_implementation, besides kernels of the Hub (`OWNER/NAME`)."""
TRACKERS = (
    *("azure_ml", "comet_ml", "mlflow", "neptune", "tensorboard", "trackio", "wandb", "codecarbon", "clearml"),
    *("dagshub", "flyte", "dvclive", "swanlab", "kubeflow"),
)
"""Values of report_to (`integrations/integration_utils.py`), besides none and all."""
TASKS = ("CAUSAL_LM", "SEQ_CLS", "SEQ_2_SEQ_LM", "TOKEN_CLS", "QUESTION_ANS", "FEATURE_EXTRACTION")
"""Values of lora_task_type."""
DEBUGS = ("underflow_overflow", "tpu_metrics_debug")
"""Values of debug."""
ACCELERATOR = (
    *("split_batches", "dispatch_batches", "even_batches", "use_seedable_sampler", "non_blocking"),
    *("gradient_accumulation_kwargs", "use_configured_state"),
)
"""Keys of accelerator_config."""
LOADING = frozenset(
    {
        *("config", "cache_dir", "ignore_mismatched_sizes", "force_download", "local_files_only", "token", "revision"),
        *("use_safetensors", "weights_only", "fusion_config", "disable_mmap", "attn_implementation", "device_map"),
        *("device_mesh", "distributed_config", "dtype", "torch_dtype", "experts_implementation", "generation_config"),
        *("gguf_file", "kernel_config", "allow_all_kernels", "key_mapping", "max_memory", "offload_buffers", "proxies"),
        *("offload_folder", "quantization_config", "subfolder", "tp_plan", "tp_size", "trust_remote_code"),
        *("use_kernels", "variant", "adapter_kwargs", "adapter_name"),
    }
)
"""Arguments of `PreTrainedModel.from_pretrained`, which model_init_kwargs go to."""
NO_PACKAGE = "adamw_anyprecision"
"""An optimizer whose package, torchdistx, has no release for a current torch."""


def _near(word: str, allowed: tuple[str, ...]) -> str | None:
    return next(iter(difflib.get_close_matches(word, allowed, n=1, cutoff=0.6)), None)


def _unknown(key: str, word: str, allowed: tuple[str, ...], value: object = None) -> Finding:
    """A stop for a word that isn't one of those allowed; `value` is what to write if no allowed word is like it."""
    near = _near(word, allowed)
    better = near if near is not None else value
    fix = deletes(key) if better is None else writes(**{key: better})
    return stop(key, f"{key}: unknown choice: {word}", f"Write one of {', '.join(allowed)}.", fix)


@rule
def _choices(recipe: Recipe) -> Iterator[Finding]:
    """Words for which TRL's parser has no list of choices."""
    attention, task = recipe.given("attn_implementation"), recipe.given("lora_task_type")
    if isinstance(attention, str) and "/" not in attention and attention.removeprefix("paged|") not in ATTENTION:
        yield _unknown("attn_implementation", attention, ATTENTION, "sdpa")
    if recipe.get("use_peft") and isinstance(task, str) and task not in TASKS:
        yield _unknown("lora_task_type", task, TASKS)
    for name in trackers(recipe.values):
        if name not in (*TRACKERS, "none", "all"):
            yield _unknown("report_to", name, TRACKERS, "none")
    debug = recipe.given("debug")
    words = debug.split() if isinstance(debug, str) else debug if isinstance(debug, list) else []
    for word in words:
        if word not in DEBUGS:
            yield _unknown("debug", str(word), DEBUGS)


@rule
def _padding(recipe: Recipe) -> Iterator[Finding]:
    multiple = recipe.given("pad_to_multiple_of")
    if isinstance(multiple, str) and multiple.lower() not in ("auto", "none", "null"):
        wrong = re.fullmatch(r"0*[1-9][0-9]{0,8}", multiple) is None
    else:
        wrong = isinstance(multiple, int) and multiple < 1
    if wrong:
        said = f"pad_to_multiple_of: write a whole number from 1, auto or none, not {str(multiple)[:20]}"
        yield stop("pad_to_multiple_of", said, "Delete the line.", deletes("pad_to_multiple_of"))


@rule
def _evaluated_in(recipe: Recipe) -> Iterator[Finding]:
    if recipe.get("fp16_full_eval") and recipe.get("bf16_full_eval"):
        said = "fp16_full_eval and bf16_full_eval are both on"
        yield stop("fp16_full_eval", said, "Keep one of the two.", deletes("fp16_full_eval"))
    here_without = recipe.target == Target.LOCAL and recipe.has_bf16 is False
    if recipe.get("bf16_full_eval") and here_without and not recipe.get("use_cpu"):
        said = "bf16_full_eval is on, but no accelerator here supports bfloat16"
        yield stop("bf16_full_eval", said, "Delete the line.", deletes("bf16_full_eval"))
    if recipe.given("tf32") is True and (here_without or recipe.get("use_cpu")):
        said = "tf32 needs an NVIDIA GPU (Ampere or newer)"
        yield stop("tf32", said, "Delete the line.", deletes("tf32"))


@rule
def _loader(recipe: Recipe) -> Iterator[Finding]:
    if recipe.get("dataloader_num_workers"):
        return
    if recipe.given("dataloader_prefetch_factor") is not None:
        said = "Batches can only be fetched early by worker processes, and there are none"
        step = "Write dataloader_num_workers: 1, or delete the line."
        yield stop("dataloader_prefetch_factor", said, step, deletes("dataloader_prefetch_factor"))
    if recipe.get("dataloader_persistent_workers"):
        said = "dataloader_persistent_workers keeps worker processes, and there are none"
        step = "Write dataloader_num_workers: 1, or delete the line."
        yield stop("dataloader_persistent_workers", said, step, deletes("dataloader_persistent_workers"))


@rule
def _accelerator(recipe: Recipe) -> Iterator[Finding]:
    given = recipe.given("accelerator_config")
    if not isinstance(given, Mapping):
        return
    unknown = [str(name) for name in given if name not in ACCELERATOR]
    if unknown:
        fix = _rest("accelerator_config", given, unknown)
        said = f"accelerator_config: accelerate has no such key: {unknown[0]}"
        yield stop("accelerator_config", said, f"Its keys: {', '.join(ACCELERATOR)}.", fix)
    inner = given.get("gradient_accumulation_kwargs")
    accumulated = recipe.get("gradient_accumulation_steps")
    if isinstance(inner, Mapping) and "num_steps" in inner and isinstance(accumulated, int) and accumulated > 1:
        said = "The steps to accumulate are set twice: num_steps in accelerator_config, and gradient_accumulation_steps"
        fix = _rest("accelerator_config", given, ["gradient_accumulation_kwargs"])
        yield stop("accelerator_config", said, "Delete num_steps.", fix)


def _rest(key: str, given: Mapping[Any, Any], names: list[str]) -> Fix:
    """Deletes entries of a mapping, and the mapping if nothing is left."""
    rest = {name: value for name, value in given.items() if str(name) not in names}
    return writes(**{key: rest}) if rest else deletes(key)


@rule
def _loading(recipe: Recipe) -> Iterator[Finding]:
    given = recipe.given("model_init_kwargs")
    unknown = [str(name) for name in given if name not in LOADING] if isinstance(given, Mapping) else []
    if unknown and isinstance(given, Mapping):
        near = _near(unknown[0], tuple(sorted(LOADING)))
        step = f"Did you mean {near}?" if near else "Delete it if the model's config.json has no such key."
        said = (
            f"model_init_kwargs: {unknown[0]} is no argument of from_pretrained; loading fails unless the model has it"
        )
        yield warn("model_init_kwargs", said, step, _rest("model_init_kwargs", given, unknown[:1]))
    if recipe.get("load_in_4bit") is True and recipe.get("load_in_8bit") is True:
        said = "A model is loaded in 4 bit or in 8 bit, not in both"
        yield stop("load_in_8bit", said, "Delete load_in_8bit.", deletes("load_in_8bit"))
    dropout = recipe.get("lora_dropout")
    if recipe.get("use_peft") and recipe.given("lora_target_parameters") and dropout:
        said = "An adapter on parameters (lora_target_parameters) can't have dropout, which TRL sets to 0.05"
        yield stop("lora_target_parameters", said, "Write lora_dropout: 0", writes(lora_dropout=0.0))
    if recipe.get("optim") == NO_PACKAGE:
        said = f"{NO_PACKAGE} needs torchdistx, which has no release for a current torch"
        yield stop("optim", said, "Write optim: adamw_torch_fused", writes(optim="adamw_torch_fused"))


@rule
def _best(recipe: Recipe) -> Iterator[Finding]:
    save, evaluate = recipe.get("save_strategy"), recipe.get("eval_strategy")
    best = recipe.get("load_best_model_at_end")
    if save == "best" and not best and recipe.given("metric_for_best_model") is None:
        said = "Only the best model is to be saved, but by no metric"
        yield stop("save_strategy", said, "Write metric_for_best_model: loss", writes(metric_for_best_model="loss"))
    if save == "best" and evaluate == "no":
        said = "Only the best model is to be saved, but nothing is measured: no checkpoint is written"
        yield warn("save_strategy", said, "Write eval_strategy: steps", writes(eval_strategy="steps"))
    if not best or save == "best":
        return
    if save != evaluate:
        said = "The best model can be kept only if saving and evaluation happen together"
        step = "Set save_strategy and eval_strategy to the same value."
        fix = deletes("load_best_model_at_end") if evaluate == "no" else writes(save_strategy=evaluate)
        yield stop("load_best_model_at_end", said, step, fix)
    elif evaluate == "steps" and not _is_multiple(recipe):
        every = recipe.given("eval_steps") or recipe.get("logging_steps")
        said = f"The best model can be kept only if each checkpoint is evaluated, but eval_steps is {every}"
        yield stop("save_steps", said, "Set save_steps to a multiple of eval_steps.", writes(save_steps=every))


def _is_multiple(recipe: Recipe) -> bool:
    """Whether every checkpoint comes with an evaluation (`TrainingArguments._validate_args`)."""
    save, evaluate = recipe.get("save_steps"), recipe.given("eval_steps") or recipe.get("logging_steps")
    if not isinstance(save, int | float) or not isinstance(evaluate, int | float) or evaluate <= 0:
        return True  # other rules say what is wrong
    if save % evaluate == 0:
        return True
    if (save < 1) != (evaluate < 1):
        return False
    return save < 1 and round(save * 1_000_000) % round(evaluate * 1_000_000) == 0


NEEDED: Mapping[str, tuple[str, ...]] = {
    "cosine_with_min_lr": ("min_lr_rate", "min_lr"),
    "cosine_warmup_with_min_lr": ("min_lr_rate", "min_lr"),
    "warmup_stable_decay": ("num_decay_steps",),
}
"""Schedule → arguments of which it needs one."""
TAKEN: Mapping[str, tuple[str, ...]] = {
    "linear": (),
    "cosine": ("num_cycles",),
    "cosine_with_restarts": ("num_cycles",),
    "polynomial": ("lr_end", "power"),
    "inverse_sqrt": ("timescale",),
    "cosine_with_min_lr": ("num_cycles", "min_lr", "min_lr_rate"),
    "cosine_warmup_with_min_lr": ("num_cycles", "min_lr", "min_lr_rate", "warmup_lr_rate"),
    "warmup_stable_decay": (
        *("num_decay_steps", "num_stable_steps", "warmup_type", "decay_type", "min_lr_ratio", "num_cycles"),
    ),
    "reduce_lr_on_plateau": (
        *("mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "min_lr", "eps"),
    ),
}
"""Schedule → arguments that it takes, besides last_epoch; the constant ones ignore all."""
USUAL: Mapping[str, float] = {"min_lr_rate": 0.1, "num_decay_steps": 0.1}
"""Argument → a usual value; steps are this share of those of the run."""


@rule
def _schedule(recipe: Recipe) -> Iterator[Finding]:
    name, given = recipe.get("lr_scheduler_type"), recipe.given("lr_scheduler_kwargs")
    arguments: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    if name in ("reduce_lr_on_plateau", "greedy") and recipe.get("eval_strategy") == "no":
        said = f"The schedule {name} follows the evaluation, which is off"
        fix = writes(lr_scheduler_type="cosine")
        yield stop("lr_scheduler_type", said, "Write eval_strategy: steps, or another schedule.", fix)
    needed = NEEDED.get(str(name), ())
    if needed and not any(arguments.get(one) is not None for one in needed):
        wanted, steps = needed[0], recipe.given("max_steps")
        value: float | None = USUAL[wanted]
        if wanted == "num_decay_steps":
            value = max(1, round(USUAL[wanted] * steps)) if isinstance(steps, int) and steps > 0 else None
        said = f"The schedule {name} needs {' or '.join(needed)} in lr_scheduler_kwargs"
        better = writes(lr_scheduler_kwargs={**arguments, wanted: value})
        fix = edits("lr_scheduler_kwargs") if value is None else better
        yield stop("lr_scheduler_kwargs", said, f"Write lr_scheduler_kwargs: {{{wanted}: {value or 100}}}", fix)
    taken = TAKEN.get(str(name))
    unknown = [] if taken is None else [str(one) for one in arguments if one not in (*taken, "last_epoch")]
    if unknown:
        said = f"The schedule {name} has no argument {unknown[0]}"
        step = f"It takes {', '.join(taken)}." if taken else "Delete lr_scheduler_kwargs."
        yield stop("lr_scheduler_kwargs", said, step, _rest("lr_scheduler_kwargs", arguments, unknown))
