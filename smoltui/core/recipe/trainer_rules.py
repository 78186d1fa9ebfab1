"""Rules for what the trainer or PEFT would refuse after loading, and for values that ruin a run.

Those of TRL were read in `trl/trainer/dpo_trainer.py` (1.16), those of transformers in `trainer.py` (5.23).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from smoltui.core.recipe.effective import get, losses
from smoltui.core.recipe.finding import Finding, Recipe, rule, stop, warn
from smoltui.core.recipe.fix import deletes, edits, writes
from smoltui.core.runs.place import Target

DIVERGENCES = ("reverse_kl", "forward_kl", "js_divergence", "alpha_divergence")
"""Values of f_divergence_type."""
WITH_DIVERGENCE = frozenset({"sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "robust", "discopop", "sft"})
"""Losses that can be combined with another divergence than reverse_kl."""
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""Linear modules of the decoders in `DENSE`."""
DENSE = ("smollm3", "llama", "mistral", "qwen2", "qwen3")
"""Values of model_type whose modules are known, none of them a mixture of experts."""
RATE = 1e-3
"""Learning rates above it ruin a DPO run: with 5e-2, TRL's issue 1236 ends at a loss of 13.7. Papers and recipes use
5e-7 to 5e-6 for all weights and 5e-6 to 5e-5 with LoRA; models of a few million weights take more."""
BETA = 5.0
"""Above it, the margin that the loss asks for is smaller than the noise of one token; papers use 0.01 to 0.5."""


@rule
def _divergence(recipe: Recipe) -> Iterator[Finding]:
    kind, kinds = recipe.given("f_divergence_type"), losses(recipe.values)
    if not isinstance(kind, str) or kind == "reverse_kl":
        return
    if kind not in DIVERGENCES:
        near = difflib.get_close_matches(kind, DIVERGENCES, n=1, cutoff=0.4)
        fix = writes(f_divergence_type=near[0]) if near else deletes("f_divergence_type")
        allowed = ", ".join(DIVERGENCES)
        yield stop("f_divergence_type", f"TRL has no such divergence: {kind}", f"Write one of {allowed}.", fix)
    elif others := [name for name in kinds if name not in WITH_DIVERGENCE]:
        said = f"The loss {others[0]} can only be combined with reverse_kl, not with {kind}"
        yield stop("f_divergence_type", said, "Delete f_divergence_type.", deletes("f_divergence_type"))


@rule
def _targets(recipe: Recipe) -> Iterator[Finding]:
    given = recipe.given("lora_target_modules")
    names = [given] if isinstance(given, str) else given
    if not recipe.get("use_peft") or not isinstance(names, list) or not names or names == ["all-linear"]:
        return
    if "lm_head" in names:
        rest = [str(name) for name in names if name != "lm_head"]
        fix = writes(lora_target_modules=adapting(rest) if rest else "all-linear")
        said = "An adapter on lm_head would never be trained: TRL computes log-probabilities from its weights directly"
        yield stop("lora_target_modules", said, "Delete lm_head from the list.", fix)
    elif len(names) == 1:
        yield from _pattern(recipe, str(names[0]))
    elif recipe.model_type in DENSE:
        yield from _names(recipe, [str(name) for name in names])


def adapting(names: list[str]) -> str | list[str]:
    """Names of modules as lora_target_modules: a single one needs the form of a pattern (`_pattern`)."""
    return names if len(names) > 1 else rf".*\.{names[0]}"


def _pattern(recipe: Recipe, text: str) -> Iterator[Finding]:
    """A single word: TRL makes text of a list of one, and PEFT matches text with the whole name of each module."""
    known = (*LINEAR, "embed_tokens")
    if re.fullmatch(r"\w+", text):
        if text not in known and recipe.model_type in DENSE:
            near = difflib.get_close_matches(text, known, n=1, cutoff=0.6)
            hint = f"Did you mean {near[0]}?" if near else f"Its linear modules: {', '.join(LINEAR)}."
            fix = writes(lora_target_modules=adapting(near)) if near else edits("lora_target_modules")
            yield stop("lora_target_modules", f"The model has no module named {text}", hint, fix)
        else:
            said = f"A single name is taken as a pattern for whole names, such as model.layers.0.self_attn.{text}"
            fixed = adapting([text])
            yield stop(
                "lora_target_modules", said, f"Write lora_target_modules: {fixed}", writes(lora_target_modules=fixed)
            )
        return
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError):
        yield stop("lora_target_modules", f"Not a valid pattern: {text}", "Write all-linear, or names of modules.")


def _names(recipe: Recipe, names: list[str]) -> Iterator[Finding]:
    """Several names: PEFT adapts the modules whose names end like one of them."""
    known = (*LINEAR, "embed_tokens", "all-linear")
    unknown = [name for name in names if name.rpartition(".")[2] not in known]
    if not unknown:
        return
    near = difflib.get_close_matches(unknown[0], known, n=1, cutoff=0.6)
    fixed = [near[0] if name == unknown[0] and near else name for name in names]
    hint = f"Did you mean {near[0]}?" if near else f"Its linear modules: {', '.join(LINEAR)}."
    fix = writes(lora_target_modules=fixed) if near else edits("lora_target_modules")
    if len(unknown) == len(names):
        yield stop("lora_target_modules", f"The model has no module named {unknown[0]}", hint, fix)
    else:
        said = f"The model has no module named {unknown[0]}: it is silently left out"
        yield warn("lora_target_modules", said, hint, fix)


@rule
def _quantized(recipe: Recipe) -> Iterator[Finding]:
    for key in ("load_in_4bit", "load_in_8bit"):
        if recipe.get(key) is True and not recipe.get("use_peft"):
            said = "The weights of a quantized model cannot be trained, only an adapter on it"
            fix = writes(use_peft=True, lora_target_modules=["all-linear"])
            yield stop(key, said, f"Write use_peft: true, or delete {key}.", fix)


@rule
def _launchers(recipe: Recipe) -> Iterator[Finding]:
    table = "jobs" if recipe.target == Target.JOB else "local"
    for key, strategy in (("deepspeed", "zero3"), ("fsdp", "fsdp")):
        if recipe.given(key):
            said = f"{key} in a recipe needs a launcher that reads it; one process without one fails after loading"
            step = f'Delete it, and write strategy = "{strategy}" in [{table}] of smoltui.toml.'
            yield stop(key, said, step, deletes(key))


@rule
def _streamed(recipe: Recipe) -> Iterator[Finding]:
    if recipe.get("precompute_ref_log_probs") and (recipe.get("streaming") or recipe.get("dataset_streaming")):
        said = "The reference can't be precomputed for a stream of pairs, which has no end"
        fix = deletes(*(key for key in ("streaming", "dataset_streaming") if recipe.given(key)))
        yield stop("precompute_ref_log_probs", said, "Delete streaming, or precompute_ref_log_probs.", fix)


@rule
def _experts(recipe: Recipe) -> Iterator[Finding]:
    if recipe.given("router_aux_loss_coef") and recipe.model_type in DENSE:
        said = "router_aux_loss_coef is for mixtures of experts, and this model is none"
        yield stop("router_aux_loss_coef", said, "Delete the line.", deletes("router_aux_loss_coef"))


@rule
def _attention(recipe: Recipe) -> Iterator[Finding]:
    kind = recipe.given("attn_implementation")
    if recipe.target == Target.JOB and isinstance(kind, str) and kind.startswith("flash_attention"):
        said = f"{kind} has to be compiled for the GPU, which a Job's environment cannot do"
        yield stop("attn_implementation", said, "Write attn_implementation: sdpa.", writes(attn_implementation="sdpa"))


@rule
def _ruinous(recipe: Recipe) -> Iterator[Finding]:
    """Values that TRL accepts and that ruin a run."""
    rate, beta = recipe.get("learning_rate"), recipe.get("beta")
    if isinstance(rate, float | int) and rate > RATE:
        better = 1e-5 if recipe.get("use_peft") else 1e-6
        said = f"A learning rate of {rate:g} ruins DPO: the loss rises instead of falling"
        step = f"Write learning_rate: {better:g}. Recipes use 5e-7 to 5e-6, with LoRA 5e-6 to 5e-5."
        yield warn("learning_rate", said, step, writes(learning_rate=better))
    if isinstance(beta, float | int) and beta > BETA:
        said = f"With beta {beta:g} the model hardly moves from the reference"
        yield warn("beta", said, "Papers use 0.01 to 0.5.", writes(beta=0.1))
    warmup, steps = get(recipe.values, "warmup_steps"), recipe.given("max_steps")
    if isinstance(warmup, int) and isinstance(steps, int) and 0 < steps <= warmup:
        said = f"The warm-up of {warmup} steps is as long as the run: the learning rate never reaches its maximum"
        yield warn("warmup_steps", said, "Write warmup_steps: 0.1 for a tenth of all steps.", writes(warmup_steps=0.1))
