# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "trl==1.16.0",
#   "transformers==5.23.0",
#   "datasets==5.2.0",
#   "torch==2.13.0",
#   "accelerate==1.15.0",
#   "peft==0.21.2",
#   "trackio==0.43.0",
#   "huggingface_hub==2.4.0",
# ]
# ///
"""Trains with TRL's DPOTrainer exactly as `trl dpo --config recipe.yaml` would, and reports progress on stdout.

    python dpo.py --config recipe.yaml [--output-dir DIR] [--work-dir DIR] [--exclude FILE] [--overwrite]
                  [--stop-ruined] [--keep DIR] [TRL flags]

It runs as a child process on this machine or as a Job, without smoltui: it imports only modules of its own folder.
Each line of stdout that starts with `{"event"` is one event (`core/runs/events.py` lists and reads them); every other
line is log text. Relative paths in the recipe start from its folder, as for `trl dpo` started there, or from
`--work-dir`.

SIGTERM during training is a pause: it saves a checkpoint after the current step and exits; `--resume_from_checkpoint`
resumes with the same numbers. On several GPUs it is started by `accelerate launch`, and only rank 0 prints events.

The exit code is 0 after `finished`, 2 for wrong input, 1 for any other failure; a failure prints one `failed` event,
after its traceback.
"""

from __future__ import annotations

import argparse
import ctypes
import difflib
import json
import math
import os
import signal
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any

# For the modules beside this one; last, because in a Job the folder also has foreign files.
sys.path.append(str(Path(__file__).resolve().parent))

import kept_checkpoints
from accelerator_guard import refuse_without_accelerator
from freed_memory import memory_saver
from run_health import health_callback
from saved_model import holds_model
from script_events import Lines, RuinedError, WrongInputError, quiet, run_script
from training_callbacks import TrainedError, continue_token_count, ends_before_the_first_step, pauser, reporter
from training_pairs import is_dataset, load_pairs, pairs_hash, prepare_pairs

SAMPLED_WEIGHTS = 4096
"""Maximum elements of each trainable parameter that are compared before and after training."""
PACKAGES = ("trl", "transformers", "datasets", "torch", "accelerate", "peft", "trackio", "huggingface_hub")


# Recipe


def own_options(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Our own options, and the remaining arguments, for TRL."""
    parser = argparse.ArgumentParser(prog="dpo.py", allow_abbrev=False, add_help=False, exit_on_error=False)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--output-dir", "--output_dir", type=Path)
    parser.add_argument("--work-dir", type=Path)
    parser.add_argument("--exclude", type=Path)
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--must-resume", action="store_true")
    parser.add_argument("--stop-ruined", action="store_true")
    # Files that are shipped with the script when it is submitted as a Job; the script itself ignores them.
    parser.add_argument("--beside", action="append", default=[])
    try:
        known, rest = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise WrongInputError(f"A flag cannot be used: {error}") from error
    for name in ("config", "output_dir", "work_dir", "exclude", "keep"):
        if (value := getattr(known, name)) is not None:
            setattr(known, name, value.expanduser().absolute())
    return known, rest


def parse_recipe(options: argparse.Namespace, rest: list[str]) -> tuple[Any, Any, Any, Any]:
    """TRL's four groups of settings, parsed as in `trl/scripts/dpo.py`, but with unknown keys refused.

    Raises:
        WrongInputError: the file cannot be read, or a key or value is not one of TRL's.
    """
    import yaml  # type: ignore[import-untyped]
    from trl import DatasetMixtureConfig, DPOConfig, ModelConfig, ScriptArguments, TrlParser

    class Parser(TrlParser):  # type: ignore[misc]
        def error(self, message: str) -> Any:
            raise WrongInputError(f"The recipe cannot be used: {message}", "Fix the flag or the key of that name.")

    parser = Parser((ScriptArguments, DPOConfig, ModelConfig, DatasetMixtureConfig), prog="dpo.py")
    arguments = [*rest]
    if options.output_dir is not None:
        arguments += ["--output_dir", str(options.output_dir)]
    if options.config is not None:
        arguments += ["--config", str(options.config)]
    try:
        *groups, from_file, from_flags = parser.parse_args_and_config(
            arguments, return_remaining_strings=True, separate_remaining_strings=True
        )
    except yaml.YAMLError as error:
        where = " ".join(str(error).split())
        raise WrongInputError(f"The recipe is not YAML: {where}", "Fix that line.") from error
    except (ValueError, TypeError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WrongInputError(f"The recipe cannot be used: {first}", "Fix that value.") from error
    unknown = [word for word in (*_not_for_accelerate(from_file), *from_flags) if word.startswith("-")]
    if unknown:
        names = {action.dest for action in parser._actions}
        name = unknown[0].lstrip("-").replace("-", "_").split("=")[0]
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        version = metadata.version("trl")
        hint = f"Similar: {', '.join(near)}." if near else "Keys must be TRL's own; trl dpo --help lists them."
        raise WrongInputError(f"TRL {version} has no such setting: {name}", hint)
    script, training, model, mixture = groups
    return script, training, model, mixture


def _not_for_accelerate(words: Sequence[str]) -> list[str]:
    """Unknown keys of the recipe that are not options of `accelerate launch` either; `trl dpo` passes those on to
    it."""
    flags = [word for word in words if word.startswith("--")]
    if not flags:
        return []
    from accelerate.commands.launch import launch_command_parser

    known = {"--accelerate_config", *launch_command_parser()._option_string_actions}
    return [flag for flag in flags if flag not in known]


def refuse_to_overwrite(folder: Path) -> None:
    """Raises WrongInputError if `folder` contains a model."""
    if holds_model(folder):
        raise WrongInputError(
            f"The output folder already contains a model: {folder}",
            "Set another output_dir, move the model away, or replace it with --overwrite.",
        )


def template_can_think(lines: Lines, training: Any, model_args: Any) -> bool:
    """Whether the model's chat template knows `enable_thinking` (SmolLM3's does, and thinks unless told not to)."""
    from transformers import AutoTokenizer

    lines.phase("load_model")
    tokenizer = AutoTokenizer.from_pretrained(
        model_args.model_name_or_path,
        revision=model_args.model_revision,
        trust_remote_code=training.trust_remote_code,
    )
    template = tokenizer.chat_template or ""
    lines.phase("load_pairs")
    return "enable_thinking" in (template if isinstance(template, str) else json.dumps(template))


# Training


def weights_sample(model: Any) -> dict[str, Any]:
    """At most `SAMPLED_WEIGHTS` evenly spaced elements of each trainable parameter, copied to the CPU."""
    import torch

    sample = {}
    for name, parameter in model.named_parameters():
        if hasattr(parameter, "full_tensor"):  # FSDP shards it over the processes, and all of them call this
            parameter = parameter.full_tensor()
        count = min(parameter.numel(), SAMPLED_WEIGHTS)
        if not parameter.requires_grad or count == 0:
            continue
        spaced = torch.arange(count, dtype=torch.int64, device=parameter.device) * parameter.numel() // count
        sample[name] = parameter.detach().reshape(-1)[spaced].to("cpu", copy=True)
    return sample


def share_moved(before: Mapping[str, Any], model: Any) -> float | None:
    """Share (0 to 1) of the sampled weights that differ from `before`; None if nothing was sampled."""
    after = weights_sample(model)
    total = sum(values.numel() for name, values in before.items() if name in after)
    moved = sum(int((after[name] != values).sum()) for name, values in before.items() if name in after)
    return moved / total if total else None


def announce_tokenizing(lines: Lines) -> None:
    """Makes DPOTrainer report when it starts tokenizing, which its constructor does after loading the model."""
    from trl import DPOTrainer

    prepare = getattr(DPOTrainer, "_prepare_dataset", None)
    if prepare is None:
        return

    def told(self: Any, *args: Any, **kwargs: Any) -> Any:
        lines.phase("tokenize")
        return prepare(self, *args, **kwargs)

    DPOTrainer._prepare_dataset = told


def installed_versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def end_with_launcher() -> None:
    """Makes the kernel kill this process when `accelerate launch` ends. The launcher gives each process its own
    session, so if it was killed, they would keep their GPUs (PR_SET_PDEATHSIG is 1)."""
    if "LOCAL_RANK" in os.environ and sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def enough_devices(options: argparse.Namespace, rest: Sequence[str]) -> None:
    """Raises WrongInputError if there are fewer GPUs than processes.

    Called before the recipe is parsed: DPOConfig selects the GPU of this process, and without one, the launcher kills
    all processes before one can say why.
    """
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if processes < 2 or "--use_cpu" in rest:
        return
    import torch

    there = torch.cuda.device_count()
    if 0 < there < processes and not plain_recipe(options).get("use_cpu"):
        raise WrongInputError(
            f"{processes} processes were requested, but this machine has fewer GPUs: {there}",
            "Set local.processes in smoltui.toml to the number of GPUs; for a Job, choose a flavor with enough.",
        )


def plain_recipe(options: argparse.Namespace) -> Mapping[str, Any]:
    """The recipe as YAML has it; empty without one, or if it cannot be read, which `parse_recipe` reports."""
    import yaml

    try:
        recipe = yaml.safe_load(options.config.read_text(encoding="utf-8")) if options.config else {}
    except (yaml.YAMLError, UnicodeDecodeError):
        return {}
    return recipe if isinstance(recipe, dict) else {}


def resume_from_kept(folder: Path | None, training: Any, *, must: bool) -> None:
    """Resumes from the newest complete checkpoint in the folder of kept ones, if there is one.

    Raises:
        WrongInputError: there is none, and it `must` resume.
    """
    if folder is not None and not training.resume_from_checkpoint:
        found = kept_checkpoints.newest_kept(folder)
        if found is not None:
            print(f"Resuming from the kept checkpoint of step {kept_checkpoints.step_of(found)}", flush=True)
            training.resume_from_checkpoint = str(found)
        elif must:
            raise WrongInputError(f"No complete checkpoint is kept in {folder}", "Start over from the first step.")


def refuse_fsdp_on_cpu(training: Any) -> None:
    """Raises WrongInputError if accelerate 1.15 would silently use DistributedDataParallel instead of FSDP."""
    if os.environ.get("ACCELERATE_USE_FSDP") == "true" and training.device.type == "cpu":
        raise WrongInputError(
            "The strategy fsdp needs GPUs, but this run trains on the CPU",
            'Set strategy = "ddp" in smoltui.toml, or remove use_cpu from the recipe.',
        )


def main(lines: Lines, arguments: Sequence[str]) -> None:
    """The whole run; every failure is raised."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # otherwise TRL reports each trainer to the Hub
    end_with_launcher()
    options, rest = own_options(arguments)
    enter_work_dir(options)
    excluded = excluded_pairs(options.exclude)

    lines.phase("load_pairs")
    refuse_without_accelerator(plain_recipe(options), rest)
    enough_devices(options, rest)
    script, training, model_args, mixture = parse_recipe(options, rest)
    quiet()
    refuse_fsdp_on_cpu(training)
    if str(training.resume_from_checkpoint).lower() in ("true", "false"):  # text from a flag, a boolean from the file
        training.resume_from_checkpoint = str(training.resume_from_checkpoint).lower() == "true" or None
    resume_from_kept(options.keep, training, must=options.must_resume)
    if not (options.overwrite or training.resume_from_checkpoint):
        refuse_to_overwrite(Path(training.output_dir).absolute())
    if not model_args.model_name_or_path:
        raise WrongInputError("The recipe has no model", "Set model_name_or_path.")
    lines.subject = script.dataset_name or ", ".join(str(part.path) for part in mixture.datasets)
    train_rows, test_rows = load_pairs(script, training, mixture)

    lines.subject = model_args.model_name_or_path
    left_out: Counter[str] = Counter()
    if is_dataset(train_rows):
        thinking_off = cache(partial(template_can_think, lines, training, model_args))
        train_rows = prepare_pairs(train_rows, left_out, excluded=excluded, thinking_off=thinking_off)
        if test_rows is not None:
            test_rows = prepare_pairs(test_rows, left_out, thinking_off=thinking_off)

    pairs = (train_rows, test_rows, left_out)
    train(lines, script, training, model_args, pairs, stop_ruined=options.stop_ruined, keep=options.keep)


def enter_work_dir(options: argparse.Namespace) -> None:
    """Changes to the folder that relative paths in the recipe start from."""
    folder = options.work_dir or (options.config.parent if options.config else Path.cwd())
    if not folder.is_dir():
        raise WrongInputError(f"No such folder: {folder}")
    os.chdir(folder)
    if options.config is not None and not options.config.is_file():
        raise WrongInputError(f"No such recipe: {options.config}", "Set one with --config.")


def excluded_pairs(path: Path | None) -> frozenset[str]:
    """Content hashes of excluded pairs, from a file with one per line; none without a file."""
    if path is None:
        return frozenset()
    try:
        return frozenset(path.read_text(encoding="utf-8").split())
    except OSError as error:
        raise WrongInputError(f"The list of excluded pairs cannot be read: {path}") from error


def train(
    lines: Lines,
    script: Any,
    training: Any,
    model_args: Any,
    pairs_and_left_out: tuple[Any, Any, Counter[str]],
    *,
    stop_ruined: bool = False,
    keep: Path | None = None,
) -> None:
    """Builds TRL's trainer as `trl/scripts/dpo.py` does, trains, saves and pushes; keeps checkpoints in `keep`.

    `pairs_and_left_out`: rows for training, held-out rows, and how many rows of the source are not used, by reason.
    """
    train_rows, test_rows, left_out = pairs_and_left_out
    complete_settings(training, model_args)
    pairs = pairs_hash(train_rows, test_rows)
    lines.phase("load_model", model_args.model_name_or_path)
    announce_tokenizing(lines)
    trainer = build_trainer(training, model_args, train_rows, test_rows)
    count_dropped(trainer, training, train_rows, left_out)
    if script.ignore_bias_buffers:
        ignore_bias_buffers(trainer)

    def plan(args: Any, state: Any) -> dict[str, Any]:
        return {**planned(trainer, args, state), "left_out": dict(left_out), "pairs_hash": pairs}

    trainer.add_callback(pauser())
    if training.device.type == "cpu":
        trainer.add_callback(memory_saver())
    trainer.add_callback(continue_token_count(trainer))
    trainer.add_callback(reporter(lines, plan))
    health = health_callback(lines, trainer, stop=stop_ruined)
    trainer.add_callback(health)
    if keep is not None:
        keeper = kept_checkpoints.Keeper(keep, lambda step, path: lines.emit("kept", step=step, path=path), print)
        trainer.add_callback(kept_checkpoints.callback(keeper))
    before = weights_sample(trainer.model)
    trainer.add_callback(ends_before_the_first_step())
    try:
        result = trainer.train(resume_from_checkpoint=training.resume_from_checkpoint)
        seconds = float(result.metrics.get("train_runtime", 0.0))
    except TrainedError:
        seconds = 0.0
        if training.load_best_model_at_end and trainer.state.best_model_checkpoint is not None:
            trainer._load_best_model()
    if (share := share_moved(before, trainer.model)) is not None:
        lines.emit("moved", share=share)
    step, max_steps = trainer.state.global_step, trainer.state.max_steps
    if health.ruined is not None:
        trainer.end()
        raise RuinedError(health.ruined.cause(step), f"{health.ruined.act}.")
    if step >= max_steps:  # otherwise it was paused: a run resumes from its checkpoint, and half a training is no model
        save(lines, trainer, script, training)
        if keep is not None and training.push_to_hub and trainer.is_world_process_zero():
            kept_checkpoints.forget(keep)
    trainer.end()
    lines.emit("finished", step=step, max_steps=max_steps, seconds=seconds)


def complete_settings(training: Any, model_args: Any) -> None:
    """Sets what `trl/scripts/dpo.py` sets, and turns off what this script does itself."""
    training.disable_tqdm = True
    training.enable_jit_checkpoint = False  # `pauser` does it, and a signal has one handler
    if training.trackio_static_space_id in (None, "False", "false"):
        training.trackio_static_space_id = False  # a push would make a public Space of the metrics otherwise
    training.model_init_kwargs = {
        "revision": model_args.model_revision,
        "trust_remote_code": training.trust_remote_code,
        "attn_implementation": model_args.attn_implementation,
        "dtype": model_args.dtype,
        **(training.model_init_kwargs or {}),
    }


def build_trainer(training: Any, model_args: Any, train_rows: Any, test_rows: Any) -> Any:
    """TRL's trainer, without the callback that prints metrics: `reporter` does that."""
    from transformers import PrinterCallback
    from trl import DPOTrainer, get_peft_config, get_quantization_config

    trainer = DPOTrainer(
        model=model_args.model_name_or_path,
        args=training,
        train_dataset=train_rows,
        eval_dataset=test_rows,
        quantization_config=get_quantization_config(model_args),
        peft_config=get_peft_config(model_args),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def count_dropped(trainer: Any, training: Any, rows: Any, left_out: Counter[str]) -> None:
    """Counts the training rows that TRL dropped. Raises WrongInputError if it dropped all."""
    given = _length(rows)
    if given is not None and (dropped := given - len(trainer.train_dataset)):
        left_out["prompt longer than max_length"] += dropped
        if dropped == given:
            raise WrongInputError(
                f"Every prompt is at least as long as max_length: {training.max_length}", "Raise max_length."
            )


def ignore_bias_buffers(trainer: Any) -> None:
    """Keeps boolean buffers from being synchronized between processes, as `trl/scripts/dpo.py` does."""
    import torch

    trainer.model._ddp_params_and_buffers_to_ignore = [
        name for name, buffer in trainer.model.named_buffers() if buffer.dtype == torch.bool
    ]


def planned(trainer: Any, args: Any, state: Any) -> dict[str, Any]:
    """What the trainer knows for the plan event once it has counted its steps."""
    weights = list(trainer.model.parameters())
    trainable = [weight for weight in weights if weight.requires_grad]
    return {
        "max_steps": state.max_steps,
        "epochs": _epochs(trainer, args, state.max_steps),
        "train_pairs": _length(trainer.train_dataset) or 0,
        "held_out_pairs": _length(trainer.eval_dataset),
        "device": _device_name(args.device),
        "dtype": str(trainable[0].dtype).removeprefix("torch.") if trainable else "",
        "parameters": sum(map(_elements, weights)),
        "trainable": sum(map(_elements, trainable)),
        "beta": float(args.beta),
        "versions": installed_versions(),
        "output_dir": str(Path(args.output_dir).absolute()),
    }


def save(lines: Lines, trainer: Any, script: Any, training: Any) -> None:
    """Saves the final model, and pushes it if the recipe says so."""
    lines.phase("save")
    trainer.save_model(training.output_dir)
    lines.emit("saved", path=str(Path(training.output_dir).absolute()))
    if not training.push_to_hub:
        return
    lines.phase("push")
    named = script.dataset_name  # for the model card, where only a data set of the Hub makes sense
    trainer.push_to_hub(dataset_name=None if named and Path(named).exists() else named)  # waits until it is done
    from huggingface_hub import constants

    repo = str(trainer.hub_model_id)
    lines.emit("pushed", repo=repo, url=f"{constants.ENDPOINT}/{repo}")


def _epochs(trainer: Any, args: Any, max_steps: int) -> float:
    """Epochs in `max_steps`, including a fraction; 0 if unknown."""
    pairs = _length(trainer.train_dataset)
    batch = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
    return round(max_steps / math.ceil(pairs / batch), 4) if pairs else 0.0


def _elements(weight: Any) -> int:
    """Elements of a whole parameter; under ZeRO-3 most are empty in this process, and `ds_numel` has the number."""
    return int(getattr(weight, "ds_numel", None) or weight.numel())


def _length(rows: Any) -> int | None:
    """Number of rows; None without rows, and for a stream."""
    return len(rows) if hasattr(rows, "__len__") else None


def _device_name(device: Any) -> str:
    """`cpu`, or the device with its product name."""
    if device.type == "cuda":
        import torch

        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device.type if device.type == "cpu" else device)  # several processes number their CPU


if __name__ == "__main__":
    sys.exit(run_script(main))
