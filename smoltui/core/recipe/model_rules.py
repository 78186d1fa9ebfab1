"""Rules for the model: which one, in which types it is loaded and computed, and the adapter on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from smoltui.core.recipe.effective import mixed_precision, weight_type
from smoltui.core.recipe.finding import Finding, Recipe, rule, stop, warn
from smoltui.core.recipe.fix import Fix, deletes, writes
from smoltui.core.recipe.values import show_number
from smoltui.core.runs.place import Target

SMALL_RATE = 1e-5
"""Below this learning rate, most of a step on bfloat16 weights is lost to rounding: 1 % moved at 5e-7, 16 % at 1e-5
(measured on a small SmolLM3, 150 steps)."""

COURSE_MODEL = "HuggingFaceTB/SmolLM3-3B"


def _dtype(recipe: Recipe, wanted: str) -> Fix:
    """Loads the weights in another type, wherever the recipe says it."""
    inner = recipe.given("model_init_kwargs")
    if isinstance(inner, Mapping) and inner.get("dtype"):
        return writes(model_init_kwargs={**inner, "dtype": wanted})
    return writes(dtype=wanted)


@rule
def _model(recipe: Recipe) -> Iterator[Finding]:
    name, model = recipe.given("model_name_or_path"), writes(model_name_or_path=COURSE_MODEL)
    if not name:
        yield stop("model_name_or_path", "The recipe has no model", f"Write model_name_or_path: {COURSE_MODEL}", model)
    elif name == f"{COURSE_MODEL}-Instruct":
        yield stop(
            "model_name_or_path",
            f"There is no such model: {name}",
            f"Write {COURSE_MODEL}: it already follows instructions.",
            model,
        )
    elif name == f"{COURSE_MODEL}-Base":
        yield warn(
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
        yield warn(
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
def _precision(recipe: Recipe) -> Iterator[Finding]:
    if recipe.given("bf16") and recipe.get("fp16"):
        other = "bf16" if recipe.target == Target.LOCAL and recipe.has_bf16 is False else "fp16"
        yield stop("fp16", "bf16 and fp16 are both on", "Keep one of the two.", writes(**{other: False}))
    if (
        recipe.target == Target.LOCAL
        and recipe.has_bf16 is False
        and mixed_precision(recipe.values) == "bf16"
        and not recipe.get("use_cpu")
    ):
        said = "bf16 is on" if recipe.given("bf16") else "TRL turns on bf16 by default"
        yield stop("bf16", f"{said}, but no accelerator here supports it", "Write bf16: false", writes(bf16=False))
    if recipe.target == Target.JOB and recipe.get("use_cpu"):
        said = "use_cpu keeps a Job from using its accelerator"
        yield warn("use_cpu", said, "Delete use_cpu.", deletes("use_cpu"))


@rule
def _rounding(recipe: Recipe) -> Iterator[Finding]:
    """Steps that are too small for the type of the weights."""
    rate, weights, adapter = recipe.get("learning_rate"), weight_type(recipe.values), recipe.get("use_peft")
    if not adapter and not recipe.is_quantized and rate < SMALL_RATE:
        small = f"a learning rate of {show_number(float(rate))}"
        if weights in ("bfloat16", "float16"):
            yield stop(
                "dtype",
                f"Weights in {weights} hardly move at {small}: the steps are silently lost to rounding",
                "Write dtype: float32, or train an adapter with use_peft: true",
                _dtype(recipe, "float32"),
            )
        elif weights == "auto":
            yield warn(
                "dtype",
                f"auto loads the weights as saved, usually in bfloat16, where they hardly move at {small}",
                "Write dtype: float32",
                _dtype(recipe, "float32"),
            )
    elif not adapter and weights == "float16":
        yield warn(
            "dtype",
            "Weights in float16 overflow when all of them are trained: the loss explodes within a few steps",
            "Write dtype: float32",
            _dtype(recipe, "float32"),
        )
    if adapter and recipe.is_quantized and rate <= SMALL_RATE:
        yield warn(
            "learning_rate",
            "A quantized model's adapter stays in bfloat16, where such small steps round to nothing",
            "Raise the learning rate, or remove load_in_4bit and load_in_8bit.",
        )
    if adapter and weights == "float32" and recipe.target == Target.JOB and not recipe.is_quantized:
        said = "The frozen weights under an adapter don't need float32"
        yield warn("dtype", said, "Write dtype: bfloat16", _dtype(recipe, "bfloat16"))


@rule
def _pad_token(recipe: Recipe) -> Iterator[Finding]:
    if recipe.pad_token_known is False:
        said = f"The model's vocabulary has no such token: {recipe.given('pad_token')}"
        yield stop("pad_token", said, "Delete pad_token: TRL takes the tokenizer's own.", deletes("pad_token"))


@rule
def _adapter(recipe: Recipe) -> Iterator[Finding]:
    lora = [key for key in recipe.values if key.startswith("lora_") or key in ("use_rslora", "use_dora")]
    if not recipe.get("use_peft"):
        if lora:
            yield warn(
                lora[0],
                f"{lora[0]} has no effect: all weights are trained",
                "Write use_peft: true, or delete it.",
                writes(use_peft=True),
            )
        return
    smollm3 = recipe.model_type == "smollm3" or "smollm3" in str(recipe.given("model_name_or_path")).lower()
    if smollm3 and not recipe.given("lora_target_modules") and not recipe.given("lora_target_parameters"):
        yield stop(
            "lora_target_modules",
            "PEFT has no default target modules for SmolLM3, and fails after loading",
            "Write lora_target_modules: all-linear",
            writes(lora_target_modules="all-linear"),
        )
    if recipe.given("lora_dropout") and recipe.get("disable_dropout"):
        yield warn(
            "lora_dropout",
            "TRL disables all dropout, including the adapter's",
            "Write disable_dropout: false to keep it.",
            writes(disable_dropout=False),
        )
    if recipe.get("sync_ref_model"):
        said = "An adapter has no reference model to synchronize"
        yield stop("sync_ref_model", said, "Delete sync_ref_model.", deletes("sync_ref_model"))
