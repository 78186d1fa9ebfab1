"""Rules for a run around its training: loss, what is kept and sent where, measurements."""

from __future__ import annotations

from collections.abc import Iterator

from smoltui.core.recipe.effective import losses, trackers
from smoltui.core.recipe.finding import Finding, Recipe, rule, stop, warn
from smoltui.core.recipe.fix import Fix, deletes, repository, writes
from smoltui.core.recipe.values import REPOSITORY, is_placeholder
from smoltui.core.runs.place import Target


@rule
def _token(recipe: Recipe) -> Iterator[Finding]:
    if recipe.given("hub_token"):
        yield stop(
            "hub_token",
            "A token does not belong in a recipe",
            "Delete the line and log in: hf auth login",
            deletes("hub_token"),
        )


@rule
def _loss(recipe: Recipe) -> Iterator[Finding]:
    kinds, weights = losses(recipe.values), recipe.given("loss_weights")
    if isinstance(weights, list) and len(weights) != len(kinds):
        yield stop(
            "loss_weights",
            f"loss_weights has {len(weights)} weights for {len(kinds)} losses",
            "Give each loss one weight.",
        )
    if "exo_pair" in kinds and not recipe.get("label_smoothing"):
        said = "exo_pair needs label smoothing above 0"
        yield stop("label_smoothing", said, "Write label_smoothing: 0.001", writes(label_smoothing=0.001))
    if recipe.get("use_weighting") and any(kind.startswith("aot") for kind in kinds):
        said = "WPO weighting cannot be combined with the aot losses"
        yield stop("use_weighting", said, "Delete use_weighting.", deletes("use_weighting"))
    if recipe.get("precompute_ref_log_probs") and recipe.get("sync_ref_model"):
        yield stop(
            "precompute_ref_log_probs",
            "A precomputed reference cannot follow the policy",
            "Delete sync_ref_model.",
            deletes("sync_ref_model"),
        )
    if recipe.get("use_liger_kernel"):
        said = "Liger is deprecated in TRL and needs a separate package"
        yield warn("use_liger_kernel", said, "Delete the line.", deletes("use_liger_kernel"))


@rule
def _saving(recipe: Recipe) -> Iterator[Finding]:
    push, name = recipe.get("push_to_hub"), recipe.given("hub_model_id")
    ours = repository(name, recipe.given("output_dir"))
    if recipe.target == Target.JOB and not push:
        yield warn(
            "push_to_hub",
            "push_to_hub is off: a Job's disk is deleted at its end, so the model will be lost",
            "Write push_to_hub: true and hub_model_id: YOUR-NAME/smollm3-dpo-aligned",
            Fix(recipe={"push_to_hub": True} | ({} if _is_own(name) else {"hub_model_id": ours})),
        )
    if push and not name:
        yield warn(
            "hub_model_id",
            "TRL would push to a repository named after the output folder",
            "Write hub_model_id: OWNER/NAME",
            writes(hub_model_id=ours),
        )
    if push and isinstance(name, str) and is_placeholder(name):
        yield stop(
            "hub_model_id",
            f"hub_model_id is still a placeholder: {name}",
            "Write your own user name before the slash.",
            writes(hub_model_id=ours),
        )
    elif push and isinstance(name, str) and not REPOSITORY.fullmatch(name):
        yield stop("hub_model_id", f"Not a valid repository name: {name}", "Write OWNER/NAME.")
    if recipe.get("resume_from_checkpoint") in (True, "true", "True"):
        yield warn("resume_from_checkpoint", "Resuming fails if the output folder has no checkpoint yet")


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
        yield warn(
            "report_to",
            "Under trl dpo, a push with trackio creates a Space with the metrics, public by default",
            "Write trackio_static_space_id: false, or hub_private_repo: true",
            writes(trackio_static_space_id=False),
        )
    if recipe.given("trackio_space_id") and recipe.given("hub_private_repo") is not True:
        yield warn(
            "trackio_space_id",
            "The Space with the live metrics is public by default",
            "Write hub_private_repo: true",
            writes(hub_private_repo=True),
        )


@rule
def _offloading(recipe: Recipe) -> Iterator[Finding]:
    on_cpu = recipe.get("use_cpu") or (recipe.target == Target.LOCAL and recipe.has_bf16 is False)
    if recipe.get("activation_offloading") and on_cpu:
        yield stop(
            "activation_offloading",
            "Activation offloading needs an accelerator: on the CPU, training fails at its first step",
            "Delete activation_offloading.",
            deletes("activation_offloading"),
        )


@rule
def _habits(recipe: Recipe) -> Iterator[Finding]:
    if recipe.get("logging_nan_inf_filter"):
        yield warn(
            "logging_nan_inf_filter",
            "A run ruined by NaN would show a loss of 0.0",
            "Write logging_nan_inf_filter: false",
            writes(logging_nan_inf_filter=False),
        )
