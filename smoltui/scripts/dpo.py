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
"""Trains with TRL's DPOTrainer what `trl dpo --config recipe.yaml` would train, and says on stdout what happens.

    python dpo.py --config recipe.yaml [--output-dir DIR] [--work-dir DIR] [--exclude FILE] [--overwrite] [TRL flags]

It runs as a child process on this machine or as a Job, alone: of smoltui it imports only `pair_format.py`,
`saved_model.py` and `script_events.py`, which lie beside it. Each line of stdout that starts with `{"event"` is one
event (`core/runs/events.py` lists them and reads them); every other line is log text. Relative paths in the recipe are
relative to its folder, as they are for `trl dpo` started there; `--work-dir` names another folder.

SIGTERM while it trains is a pause: it saves a checkpoint after the step and ends; `--resume_from_checkpoint` goes on
from there with the same numbers. On several GPUs it is started by `accelerate launch`, and only rank 0 speaks.

Exit code 0 after `finished`, 2 for wrong input, 1 for every other failure; a failure ends in one `failed` event, and
its traceback stays in the log.
"""

from __future__ import annotations

import argparse
import ctypes
import difflib
import hashlib
import json
import math
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent))  # its neighbours; last, since in a Job it holds foreign files

from pair_choices import unfold
from pair_format import Reading, content_hash, examine, hash_of
from pair_turns import NotAPairError
from saved_model import holds_model
from script_events import Lines, WrongInputError, quiet, run_script

PROGRESS_SECONDS = 0.25
"""Shortest time between two progress events."""
SAMPLED_WEIGHTS = 4096
"""Elements of each trainable parameter that are compared with their start."""
PACKAGES = ("trl", "transformers", "datasets", "torch", "accelerate", "peft", "trackio", "huggingface_hub")


# Recipe


def own_options(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Our own options, and the rest, which is TRL's."""
    parser = argparse.ArgumentParser(prog="dpo.py", allow_abbrev=False, add_help=False, exit_on_error=False)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--output-dir", "--output_dir", type=Path)
    parser.add_argument("--work-dir", type=Path)
    parser.add_argument("--exclude", type=Path)
    parser.add_argument("--overwrite", action="store_true")
    # Files named here travel with the script when it is submitted as a Job; the script itself needs no word of them.
    parser.add_argument("--beside", action="append", default=[])
    try:
        known, rest = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise WrongInputError(f"A flag cannot be used: {error}") from error
    for name in ("config", "output_dir", "work_dir", "exclude"):
        if (value := getattr(known, name)) is not None:
            setattr(known, name, value.expanduser().absolute())
    return known, rest


def parse_recipe(options: argparse.Namespace, rest: list[str]) -> tuple[Any, Any, Any, Any]:
    """TRL's four groups of settings, parsed the way `trl/scripts/dpo.py` parses them, unknown keys refused.

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
    """Keys of the recipe that are no options of `accelerate launch` either; `trl dpo` hands the others to it."""
    flags = [word for word in words if word.startswith("--")]
    if not flags:
        return []
    from accelerate.commands.launch import launch_command_parser

    known = {"--accelerate_config", *launch_command_parser()._option_string_actions}
    return [flag for flag in flags if flag not in known]


def refuse_to_overwrite(folder: Path) -> None:
    """Raises WrongInputError when a model lies in `folder`."""
    if holds_model(folder):
        raise WrongInputError(
            f"The output folder already contains a model: {folder}",
            "Set another output_dir, move the model away, or replace it with --overwrite.",
        )


# Pairs


def prepare_pairs(
    rows: Any,
    left_out: Counter[str],
    *,
    excluded: frozenset[str] = frozenset(),
    thinking_off: Callable[[], bool] = lambda: False,
) -> Any:
    """A `datasets.Dataset` that DPOTrainer trains on as meant, every row that is not used counted in `left_out`.

    Each row is judged by `pair_format`, as in the app. Where all usable rows are in TRL's own form, they stay as they
    are. Otherwise all become conversations, with the row's own arguments for the template; where it has none, thinking
    is turned off if the template knows it (`thinking_off`, only asked if it matters).

    Raises:
        WrongInputError: no row is left.
    """
    if len(rows) == 0:
        raise WrongInputError("The data has no pairs", "Choose another file, data set or split.")
    kept: list[int] = []
    pairs: list[Reading] = []
    as_it_is = True
    for index, row in enumerate(rows):
        for pair, reading in _usable(row, left_out):
            if excluded and hash_of(reading, pair) in excluded:
                left_out["excluded"] += 1
                continue
            as_it_is = as_it_is and pair is row and is_trl_form(reading, row)
            kept.append(index)
            pairs.append(reading)
    if not pairs:
        raise _nothing_left(len(rows), left_out)
    if as_it_is:
        return rows if len(kept) == len(rows) else rows.select(kept)
    silent = any(not pair.kwargs for pair in pairs)
    return _as_conversations(pairs, silent and thinking_off())


def _usable(row: Any, left_out: Counter[str]) -> Iterator[tuple[Any, Reading]]:
    """The pairs that a row stands for, each with its reading; those that are none are counted in `left_out`."""
    try:
        found = unfold(row)
    except NotAPairError as error:
        left_out[error.reason.replace("_", " ")] += 1
        return
    for pair in found:
        try:
            reading = examine(pair)
        except NotAPairError as error:
            left_out[error.reason.replace("_", " ")] += 1
            continue
        if reading.problems:
            left_out[reading.problems[0].reason.replace("_", " ")] += 1
        else:
            yield pair, reading


def is_trl_form(reading: Reading, row: Mapping[str, Any]) -> bool:
    """Whether TRL takes the row as it is, with an explicit prompt: three texts, or three lists of messages.

    A transcript or a rendered template in `prompt` is no such row, nor a prompt that comes again at the start of the
    answers: TRL would train on it twice.
    """
    if "prompt" not in row or "chosen" not in row or "rejected" not in row:
        return False
    if reading.schema == "standard":
        return len(reading.prompt) == 1
    sides = (reading.prompt, reading.chosen_turns, reading.rejected_turns)
    return reading.schema == "conversational" and all(
        _same_turns(row[name], turns) for name, turns in zip(("prompt", "chosen", "rejected"), sides, strict=True)
    )


def _same_turns(value: Any, turns: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a value of a row holds these turns in TRL's own words; what is null in it counts as missing."""
    return (
        isinstance(value, list)
        and len(value) == len(turns)
        and all(
            isinstance(item, Mapping) and {key: part for key, part in item.items() if part is not None} == turn
            for item, turn in zip(value, turns, strict=True)
        )
    )


def _as_conversations(pairs: Sequence[Reading], thinking_off: bool) -> Any:
    """The pairs as a `datasets.Dataset` in TRL's conversational form."""
    from datasets import Dataset, Features, Json, Value

    sides = {
        "prompt": [pair.prompt for pair in pairs],
        "chosen": [pair.chosen_turns for pair in pairs],
        "rejected": [pair.rejected_turns for pair in pairs],
    }
    turn = {"role": Value("string"), "content": Value("string")}
    keys = {key for side in sides.values() for turns in side for message in turns for key in message}
    # Json keeps the arguments of each call as they are; a struct would give every call those of all others, as nulls.
    turn |= {key: Json() if key == "tool_calls" else Value("string") for key in sorted(keys - set(turn))}
    features: dict[str, Any] = {name: [turn] for name in sides}
    columns: dict[str, list[Any]] = dict(sides)
    if thinking_off or any(pair.kwargs for pair in pairs):
        silent = {"enable_thinking": False} if thinking_off else {}
        columns["chat_template_kwargs"] = [pair.kwargs or silent for pair in pairs]
        features["chat_template_kwargs"] = Json()
    if any(pair.tools for pair in pairs):
        columns["tools"] = [pair.tools for pair in pairs]
        features["tools"] = Json()
    if keys - {"role", "content"}:
        for side in sides:
            columns[side] = [[{**dict.fromkeys(turn), **message} for message in turns] for turns in columns[side]]
    return Dataset.from_dict(columns, features=Features(features))


def _nothing_left(total: int, left_out: Counter[str]) -> WrongInputError:
    reasons = ", ".join(f"{reason} ({count:,})" for reason, count in left_out.most_common(3))
    return WrongInputError(
        f"None of the {total:,} rows is a usable preference pair: {reasons}",
        "A pair has chosen and rejected, with a separate prompt or the prompt at the start of both.",
    )


def pairs_hash(train_rows: Any, test_rows: Any) -> str | None:
    """Which pairs, in which order: SHA-256 over the content hashes of the training rows, one a line, a line `--`, and
    those of the held-out rows; its first 32 hexadecimal digits. None for streams, which are read only once."""
    digest = hashlib.sha256()
    for rows in (train_rows, test_rows):
        if rows is not None and not hasattr(rows, "__len__"):
            return None
        for row in rows or ():
            digest.update(f"{content_hash(row)}\n".encode("ascii"))
        if rows is train_rows:
            digest.update(b"--\n")
    return digest.hexdigest()[:32]


def load_pairs(script: Any, training: Any, mixture: Any) -> tuple[Any, Any]:
    """Training rows and held-out rows (None when nothing is evaluated), loaded the way TRL's own script loads them."""
    from datasets import load_dataset
    from trl import get_dataset

    if mixture.datasets:
        source = get_dataset(mixture)
    elif script.dataset_name:
        source = load_dataset(script.dataset_name, name=script.dataset_config, streaming=script.dataset_streaming)
    else:
        raise WrongInputError("The recipe has no pairs", "Set dataset_name or datasets.")
    wanted = [script.dataset_train_split] + ([script.dataset_test_split] if training.eval_strategy != "no" else [])
    for split in wanted:
        if split not in source:
            raise WrongInputError(
                f"The pairs have no such split: {split}",
                f"Splits: {', '.join(source)}. Set dataset_train_split and dataset_test_split, or eval_strategy.",
            )
    return source[wanted[0]], source[wanted[1]] if len(wanted) > 1 else None


def template_can_think(name: str, revision: str | None, trust_remote_code: bool) -> bool:
    """Whether the model's chat template knows `enable_thinking` (SmolLM3's does, and thinks unless told not to)."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=trust_remote_code)
    template = tokenizer.chat_template or ""
    return "enable_thinking" in (template if isinstance(template, str) else json.dumps(template))


# Training


def weights_sample(model: Any) -> dict[str, Any]:
    """At most `SAMPLED_WEIGHTS` evenly spaced elements of each trainable parameter, copied to the CPU."""
    import torch

    sample = {}
    for name, parameter in model.named_parameters():
        if hasattr(parameter, "full_tensor"):  # FSDP spreads it over the processes; each of them is here
            parameter = parameter.full_tensor()
        count = min(parameter.numel(), SAMPLED_WEIGHTS)
        if not parameter.requires_grad or count == 0:
            continue
        spaced = torch.arange(count, dtype=torch.int64, device=parameter.device) * parameter.numel() // count
        sample[name] = parameter.detach().reshape(-1)[spaced].to("cpu", copy=True)
    return sample


def share_moved(before: Mapping[str, Any], model: Any) -> float | None:
    """Share of the sampled weights whose value is no longer the one in `before`; None when nothing was sampled."""
    after = weights_sample(model)
    total = sum(values.numel() for name, values in before.items() if name in after)
    moved = sum(int((after[name] != values).sum()) for name, values in before.items() if name in after)
    return moved / total if total else None


def reporter(lines: Lines, plan: Callable[[Any, Any], Mapping[str, Any]]) -> Any:
    """A TrainerCallback that tells what the trainer does; `plan` gives the plan event's values once steps are known."""
    from transformers import TrainerCallback

    class Reporter(TrainerCallback):  # type: ignore[misc]
        told = 0.0

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            lines.emit("plan", **plan(args, state))
            if state.global_step:
                lines.emit("progress", step=state.global_step)  # it goes on from there
            lines.phase("train")

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            now = time.monotonic()
            if now - self.told >= PROGRESS_SECONDS or state.global_step >= state.max_steps:
                self.told = now
                lines.emit("progress", step=state.global_step)
            if control.should_evaluate:
                lines.phase("evaluate")

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            values = {key: float(value) for key, value in (logs or {}).items() if isinstance(value, int | float)}
            if "train_runtime" in values and state.global_step < state.max_steps:
                return  # figures of the whole training, which has not ended
            lines.emit("metrics", step=state.global_step, values=values)

        def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step < state.max_steps:
                lines.phase("train")

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            path = Path(args.output_dir, f"checkpoint-{state.global_step}").absolute()
            lines.emit("checkpoint", step=state.global_step, path=str(path))

    return Reporter()


def pauser() -> Any:
    """A TrainerCallback that ends the training after the step in which SIGTERM came, with a checkpoint of that step.

    It stands in for `enable_jit_checkpoint` of transformers 5.23, which saves between the gradient and the update: the
    random state has gone on by then, so with `disable_dropout: false` a resumed run has other losses; and processes
    that are told at different moments stop at different steps, and wait for each other for ever.
    """
    from transformers import TrainerCallback

    class Pauser(TrainerCallback):  # type: ignore[misc]
        asked = False
        pausing = False

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            owner = os.getpid()

            def told(number: int, frame: Any) -> None:
                if os.getpid() == owner:
                    self.asked = True
                else:  # a forked worker of the data loader, which has nothing to save
                    os._exit(128 + number)

            signal.signal(signal.SIGTERM, told)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if self.agreed(args) and state.global_step < state.max_steps:
                self.pausing = True
                args.save_only_model = False  # it could not go on from the weights alone
                control.should_save = control.should_training_stop = True

        def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if self.pausing:  # the end of the loop only looks like the end of an epoch
                control.should_save = control.should_evaluate = control.should_log = False

        def agreed(self, args: Any) -> bool:
            """Whether any process was told: all of them stop after the same step."""
            if args.world_size == 1:
                return self.asked
            import torch

            flag = torch.tensor(int(self.asked), device=args.device)
            torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
            return bool(flag.item())

    return Pauser()


def go_on_counting(trainer: Any) -> Any:
    """A TrainerCallback that has `num_tokens` go on from the checkpoint; TRL 1.16 begins it at 0 again."""
    from transformers import TrainerCallback

    class Counter(TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            counts = [entry["num_tokens"] for entry in state.log_history if "num_tokens" in entry]
            if counts and hasattr(trainer, "_total_train_tokens"):
                trainer._total_train_tokens = int(counts[-1])

    return Counter()


def announce_tokenizing(lines: Lines) -> None:
    """Has DPOTrainer say when it turns to tokenizing: its constructor does that after it loaded the model."""
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
    """Has the kernel end this process when `accelerate launch` ends, which gives each of its processes a session of its
    own: a launcher that was killed would leave them on their GPUs (PR_SET_PDEATHSIG is 1)."""
    if "LOCAL_RANK" in os.environ and sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def enough_devices(options: argparse.Namespace, rest: Sequence[str]) -> None:
    """Raises WrongInputError when there are fewer GPUs than processes.

    Before the recipe is parsed: DPOConfig takes the GPU of this process, and where there is none, the launcher ends all
    of them before one has said why.
    """
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if processes < 2 or "--use_cpu" in rest:
        return
    import torch
    import yaml

    there = torch.cuda.device_count()
    if not 0 < there < processes:
        return
    try:
        recipe = yaml.safe_load(options.config.read_text(encoding="utf-8")) if options.config else {}
    except (yaml.YAMLError, UnicodeDecodeError):
        return  # `parse_recipe` says what is wrong with it
    if isinstance(recipe, dict) and not recipe.get("use_cpu"):
        raise WrongInputError(
            f"{processes} processes were requested, but this machine has fewer GPUs: {there}",
            "Set local.processes in smoltui.toml to the number of GPUs; for a Job, choose a flavor with enough.",
        )


def refuse_fsdp_on_cpu(training: Any) -> None:
    """Raises WrongInputError where accelerate 1.15 would take DistributedDataParallel for FSDP, without a word."""
    if os.environ.get("ACCELERATE_USE_FSDP") == "true" and training.device.type == "cpu":
        raise WrongInputError(
            "The strategy fsdp needs GPUs, but this run trains on the CPU",
            'Set strategy = "ddp" under [local] in smoltui.toml, or remove use_cpu from the recipe.',
        )


def main(lines: Lines, arguments: Sequence[str]) -> None:
    """The whole run; every failure is raised."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # TRL tells the Hub about each trainer otherwise
    end_with_launcher()
    options, rest = own_options(arguments)
    folder = options.work_dir or (options.config.parent if options.config else Path.cwd())
    if not folder.is_dir():
        raise WrongInputError(f"No such folder: {folder}")
    os.chdir(folder)
    if options.config is not None and not options.config.is_file():
        raise WrongInputError(f"No such recipe: {options.config}", "Set one with --config.")
    excluded: frozenset[str] = frozenset()
    if options.exclude is not None:
        try:
            excluded = frozenset(options.exclude.read_text(encoding="utf-8").split())
        except OSError as error:
            raise WrongInputError(f"The list of excluded pairs cannot be read: {options.exclude}") from error

    lines.phase("load_pairs")
    enough_devices(options, rest)
    script, training, model_args, mixture = parse_recipe(options, rest)
    quiet()
    refuse_fsdp_on_cpu(training)
    if str(training.resume_from_checkpoint).lower() in ("true", "false"):  # as a flag it is text, in the file it is not
        training.resume_from_checkpoint = str(training.resume_from_checkpoint).lower() == "true" or None
    if not (options.overwrite or training.resume_from_checkpoint):
        refuse_to_overwrite(Path(training.output_dir).absolute())
    if not model_args.model_name_or_path:
        raise WrongInputError("The recipe has no model", "Set model_name_or_path.")
    lines.subject = script.dataset_name or ", ".join(str(part.path) for part in mixture.datasets)
    train_rows, test_rows = load_pairs(script, training, mixture)

    lines.subject = model_args.model_name_or_path
    left_out: Counter[str] = Counter()
    from datasets import Dataset

    if isinstance(train_rows, Dataset):

        @cache
        def thinking_off() -> bool:
            lines.phase("load_model")
            off = template_can_think(
                model_args.model_name_or_path, model_args.model_revision, training.trust_remote_code
            )
            lines.phase("load_pairs")
            return off

        train_rows = prepare_pairs(train_rows, left_out, excluded=excluded, thinking_off=thinking_off)
        if test_rows is not None:
            test_rows = prepare_pairs(test_rows, left_out, thinking_off=thinking_off)

    train(lines, script, training, model_args, train_rows, test_rows, left_out)


def train(
    lines: Lines, script: Any, training: Any, model_args: Any, train_rows: Any, test_rows: Any, left_out: Counter[str]
) -> None:
    """Builds TRL's trainer as `trl/scripts/dpo.py` does, trains, saves and pushes."""
    from transformers import PrinterCallback
    from trl import DPOTrainer, get_peft_config, get_quantization_config

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
    pairs = pairs_hash(train_rows, test_rows)
    lines.phase("load_model", model_args.model_name_or_path)
    announce_tokenizing(lines)
    given = _length(train_rows)
    trainer = DPOTrainer(
        model=model_args.model_name_or_path,
        args=training,
        train_dataset=train_rows,
        eval_dataset=test_rows,
        quantization_config=get_quantization_config(model_args),
        peft_config=get_peft_config(model_args),
    )
    trainer.remove_callback(PrinterCallback)
    if given is not None and (dropped := given - len(trainer.train_dataset)):
        left_out["prompt longer than max_length"] += dropped
        if dropped == given:
            raise WrongInputError(
                f"Every prompt is at least as long as max_length: {training.max_length}", "Raise max_length."
            )
    if script.ignore_bias_buffers:
        import torch

        trainer.model._ddp_params_and_buffers_to_ignore = [
            name for name, buffer in trainer.model.named_buffers() if buffer.dtype == torch.bool
        ]

    def plan(args: Any, state: Any) -> dict[str, Any]:
        weights = list(trainer.model.parameters())
        trainable = [weight for weight in weights if weight.requires_grad]
        return {
            "max_steps": state.max_steps,
            "epochs": _epochs(trainer, args, state.max_steps),
            "train_pairs": _length(trainer.train_dataset) or 0,
            "held_out_pairs": _length(trainer.eval_dataset),
            "left_out": dict(left_out),
            "device": _device_name(args.device),
            "dtype": str(trainable[0].dtype).removeprefix("torch.") if trainable else "",
            "parameters": sum(map(_elements, weights)),
            "trainable": sum(map(_elements, trainable)),
            "beta": float(args.beta),
            "versions": installed_versions(),
            "output_dir": str(Path(args.output_dir).absolute()),
            "pairs_hash": pairs,
        }

    trainer.add_callback(pauser())
    trainer.add_callback(go_on_counting(trainer))
    trainer.add_callback(reporter(lines, plan))
    before = weights_sample(trainer.model)
    result = trainer.train(resume_from_checkpoint=training.resume_from_checkpoint)
    if (share := share_moved(before, trainer.model)) is not None:
        lines.emit("moved", share=share)
    step, max_steps = trainer.state.global_step, trainer.state.max_steps
    if step >= max_steps:  # otherwise it was told to pause: its checkpoint goes on, a half-trained model is no result
        lines.phase("save")
        trainer.save_model(training.output_dir)
        lines.emit("saved", path=str(Path(training.output_dir).absolute()))
        if training.push_to_hub:
            lines.phase("push")
            named = script.dataset_name  # the model card names it, which makes sense for a data set of the Hub alone
            trainer.push_to_hub(dataset_name=None if named and Path(named).exists() else named)  # waits for its end
            from huggingface_hub import constants

            repo = str(trainer.hub_model_id)
            lines.emit("pushed", repo=repo, url=f"{constants.ENDPOINT}/{repo}")
    trainer.end()
    seconds = float(result.metrics.get("train_runtime", 0.0))
    lines.emit("finished", step=step, max_steps=max_steps, seconds=seconds)


def _epochs(trainer: Any, args: Any, max_steps: int) -> float:
    """Passes over the training pairs in `max_steps`, a fraction where the last one is not complete; 0 when unknown."""
    pairs = _length(trainer.train_dataset)
    batch = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
    return round(max_steps / math.ceil(pairs / batch), 4) if pairs else 0.0


def _elements(weight: Any) -> int:
    """Elements of a whole parameter; under ZeRO-3 a process holds none of most, and `ds_numel` says."""
    return int(getattr(weight, "ds_numel", None) or weight.numel())


def _length(rows: Any) -> int | None:
    """How many rows; None for none at all and for a stream."""
    return len(rows) if hasattr(rows, "__len__") else None


def _device_name(device: Any) -> str:
    """`cpu`, or the device with the name its maker gave it."""
    if device.type == "cuda":
        import torch

        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device.type if device.type == "cpu" else device)  # several processes number their CPU


if __name__ == "__main__":
    sys.exit(run_script(main))
