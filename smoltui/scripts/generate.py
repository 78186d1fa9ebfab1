# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "transformers==5.23.0",
#   "torch==2.13.0",
#   "accelerate==1.15.0",
#   "peft==0.21.2",
#   "huggingface_hub==2.4.0",
# ]
# ///
"""Generates the answers of models to prompts, and the log-probabilities of the answers in preference pairs.

    python generate.py --request request.json

The request is one JSON object:

    models          [{"name": "reference" or "aligned", "path": folder or Hub id, "revision"?, "adapter"?: folder}, …]
                    `adapter` is a LoRA adapter's folder, put on the model at `path`
    prompts         [text or list of messages, …]
    pairs           [{"prompt", "chosen", "rejected", "chat_template_kwargs"?, "tools"?}, …], texts or lists of messages
    max_new_tokens, temperature (0 is greedy), top_p, seed, thinking
    batch_size      prompts and pairs handled at once
    max_length      tokens of a pair that are scored, null for all
    keep_end        true: of a pair that is too long, its end is scored, as with TRL's truncation_mode keep_end
    ld_alpha        weight of the part of an answer beyond the length of the other answer, null for 1, as in TRL
    date            what chat templates take for today, such as 2026-11-29; null: the date of this machine
    stream          true: one prompt after the other, with the text as it comes; false: in batches, whole answers only
    reference_values  folder in which the reference's log-probabilities are kept and found again, null for none

It prints events (`core/runs/events.py`): phase, answer_part, answer, pair, failed, finished. One model is in memory at
a time; an adapter's base model is loaded once, and is the reference with the adapter off. An answer depends only on
model, prompt and seed: each prompt has its own random generator, so streaming and batching do not change it (except for
rounding in a different batch shape). Pairs are scored as in `pair_scores.py`, with the tokens of the last model's
tokenizer for all models, as in training.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

# For the modules beside this one; last, because in a Job the folder also has foreign files.
sys.path.append(str(Path(__file__).resolve().parent))

import reference_values
from pair_scores import Ready, Score, Scoring, ready_pairs, scores
from saved_model import weights_problem
from script_events import Lines, WrongInputError, run_script


@dataclass(frozen=True)
class Request:
    """The fields of a request, explained in the module's docstring."""

    models: list[dict[str, Any]]
    prompts: list[Any]
    pairs: list[dict[str, Any]]
    max_new_tokens: int = 256
    temperature: float = 0.7
    top_p: float = 0.95
    seed: int = 0
    thinking: bool = False
    batch_size: int = 8
    max_length: int | None = 1024
    keep_end: bool = False
    ld_alpha: float | None = None
    date: str | None = None
    stream: bool = False
    reference_values: str | None = None

    @property
    def scoring(self) -> Scoring:
        return Scoring(self.batch_size, self.max_length, self.keep_end, self.ld_alpha)


def read_request(path: Path) -> Request:
    """The request in a file.

    Raises:
        WrongInputError: it cannot be read, or a value is missing or invalid.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WrongInputError(f"The request cannot be read: {error}") from error
    known = set(Request.__dataclass_fields__)
    if not isinstance(data, dict) or (unknown := set(data) - known):
        raise WrongInputError(f"The request has an unknown key: {sorted(unknown) if data else data}")
    request = Request(**{"prompts": [], "pairs": [], **data})
    for name, low in (("max_new_tokens", 1), ("batch_size", 1), ("temperature", 0), ("top_p", 0)):
        value = getattr(request, name)
        if not isinstance(value, int | float) or value < low:
            raise WrongInputError(f"The request's {name} must be at least {low}: {value}")
    if not request.models or not all(isinstance(model.get("path"), str) for model in request.models):
        raise WrongInputError("The request has no model")
    return request


def freeze_date(date: str) -> None:
    """Makes chat templates take `date` for today: `strftime_now`, which SmolLM3's writes into every prompt.

    Raises:
        WrongInputError: not a date.
    """
    from transformers.utils import chat_template_utils

    try:
        then = datetime.combine(datetime.fromisoformat(date).date(), datetime.min.time().replace(hour=12))
    except ValueError as error:
        raise WrongInputError(f"Not a date: {date}", "Write it as 2026-11-29.") from error

    class Frozen(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return then

    chat_template_utils.datetime = Frozen


# Models


def load_tokenizer(model: Mapping[str, Any]) -> Any:
    """The tokenizer of a model: that of its adapter, if one is saved with it."""
    from transformers import AutoTokenizer

    adapter = model.get("adapter")
    is_own = adapter and Path(adapter, "tokenizer_config.json").is_file()
    place, revision = (adapter, None) if is_own else (model["path"], model.get("revision"))
    tokenizer = AutoTokenizer.from_pretrained(place, revision=revision)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    return tokenizer


def place_for_models() -> tuple[Any, Any]:
    """(device, dtype) of all models: float32 on a CPU, bfloat16 on an accelerator that supports it."""
    import torch

    device = (
        torch.device("cuda")
        if torch.cuda.is_available()
        else torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    )
    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return device, torch.bfloat16 if bf16 else torch.float32


def load_model(model: Mapping[str, Any]) -> Any:
    """A model, with its adapter if it has one, ready to answer.

    Raises:
        WrongInputError: its weights lack some.
    """
    from transformers import AutoModelForCausalLM

    device, dtype = place_for_models()
    adapter = model.get("adapter")
    loaded, info = AutoModelForCausalLM.from_pretrained(
        model["path"], revision=model.get("revision"), dtype=dtype, output_loading_info=True
    )
    if missing := sorted(info.get("missing_keys", ())):  # transformers would fill them with random numbers
        raise WrongInputError(
            f"The model cannot be used: its weights lack {missing[0]} and {len(missing) - 1} more: {model['path']}",
            WHOLE_MODEL,
        )
    if adapter:
        from peft import PeftModel

        loaded = PeftModel.from_pretrained(loaded, adapter)
    return loaded.to(device).eval()


WHOLE_MODEL = "Copy or download the model again; a run's model comes back with a new training (t)."


def require_weights(model: Mapping[str, Any]) -> None:
    """Raises WrongInputError if a folder of the model is gone, or its weights are missing or half-written."""
    for folder in map(Path, filter(None, (model["path"], model.get("adapter")))):
        if folder.is_absolute() and not folder.is_dir():
            raise WrongInputError(f"The model no longer exists: {folder}", WHOLE_MODEL)
        if folder.is_dir() and (problem := weights_problem(folder)):
            raise WrongInputError(f"The model cannot be used: {problem}: {folder}", WHOLE_MODEL)


class Models:
    """The models of a request, of which one is in memory at a time."""

    def __init__(self, specs: Sequence[Mapping[str, Any]]) -> None:
        self._specs = specs
        self._loaded: tuple[Mapping[str, Any], Any] | None = None

    @contextmanager
    def using(self, spec: Mapping[str, Any]) -> Iterator[Any]:
        """The model of `spec` in memory. The base of an adapter in the request is the adapter's model with it off."""
        whole = next((other for other in self._specs if _is_base(spec, other)), spec)
        if self._loaded is None or self._loaded[0] is not whole:
            self._loaded = None
            _free()
            self._loaded = whole, load_model(whole)
        model = self._loaded[1]
        if whole is spec:
            yield model
        else:
            with model.disable_adapter():
                yield model


def _is_base(spec: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether `other` is an adapter on the model of `spec`."""
    same = (spec["path"], spec.get("revision")) == (other["path"], other.get("revision"))
    return same and bool(other.get("adapter")) and not spec.get("adapter")


def _free() -> None:
    """Gives back the memory of a model that is no longer used."""
    gc.collect()
    if "torch" in sys.modules and sys.modules["torch"].cuda.is_available():
        sys.modules["torch"].cuda.empty_cache()


def end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Ids of tokens that end an answer, from the model's generation settings and its tokenizer."""
    named = model.generation_config.eos_token_id
    listed = named if isinstance(named, list) else [named]
    return sorted({token for token in (*listed, tokenizer.eos_token_id) if token is not None})


# Answers


def prompt_text(tokenizer: Any, prompt: Any, thinking: bool) -> str:
    """The prompt as text for the model, rendered by the chat template if there is one."""
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    if tokenizer.chat_template is None:
        return "\n\n".join(message["content"] for message in messages) + "\n\n"
    text: str = tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True, enable_thinking=thinking
    )
    return text


def seeded_sampling(request: Request, indexes: Sequence[int]) -> Any:
    """A logits processor that makes the largest score of each row a sample, drawn with the row's own generator.

    Adding Gumbel noise to log-probabilities and taking the largest samples from them (Maddison et al. 2014).
    """
    import torch
    from transformers import LogitsProcessor, TopPLogitsWarper

    generators = [torch.Generator().manual_seed(request.seed * 1_000_003 + index) for index in indexes]
    nucleus = TopPLogitsWarper(top_p=request.top_p) if 0 < request.top_p < 1 else None

    class SeededSampling(LogitsProcessor):  # type: ignore[misc]
        def __call__(self, input_ids: Any, scores: Any) -> Any:
            scores = scores.float() / request.temperature
            if nucleus is not None:
                scores = nucleus(input_ids, scores)
            noise = torch.stack([torch.rand(scores.shape[-1], generator=each) for each in generators])
            gumbel = -torch.log(-torch.log(noise.clamp(1e-20, 1 - 1e-7)))
            return scores + gumbel.to(scores.device)

    return SeededSampling()


def generate(lines: Lines, model: Any, tokenizer: Any, request: Request, name: str) -> None:
    """Emits the answers to all prompts."""
    import torch
    from transformers import GenerationConfig, LogitsProcessorList, TextStreamer

    class Parts(TextStreamer):  # type: ignore[misc]
        """Emits the text of one answer as it grows."""

        def __init__(self, index: int) -> None:
            super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
            self.index = index

        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            if text:
                lines.emit("answer_part", model=name, index=self.index, text=text)

    ends = end_tokens(model, tokenizer)
    config = GenerationConfig(
        max_new_tokens=request.max_new_tokens, do_sample=False, eos_token_id=ends, pad_token_id=tokenizer.pad_token_id
    )
    size = 1 if request.stream else request.batch_size
    texts = [prompt_text(tokenizer, prompt, request.thinking) for prompt in request.prompts]
    # Sorted by length for less padding. Each prompt keeps its generator, so the order does not change answers.
    order = list(range(len(texts))) if request.stream else sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for at in range(0, len(order), size):
        indexes = order[at : at + size]
        batch = tokenizer(
            [texts[index] for index in indexes], add_special_tokens=False, padding=True, return_tensors="pt"
        ).to(model.device)
        processors = LogitsProcessorList([seeded_sampling(request, indexes)] if request.temperature > 0 else [])
        with torch.inference_mode():
            output = model.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                generation_config=config,
                logits_processor=processors,
                streamer=Parts(indexes[0]) if request.stream else None,
            )
        for index, row in zip(indexes, output[:, batch["input_ids"].shape[1] :].tolist(), strict=True):
            ended_at = next((i for i, token in enumerate(row) if token in ends), None)
            tokens = row if ended_at is None else row[:ended_at]
            text = tokenizer.decode(tokens, skip_special_tokens=True).strip()
            lines.emit("answer", model=name, index=index, text=text, ended=ended_at is not None, tokens=len(tokens))


# Pairs


def ready(lines: Lines, request: Request) -> list[Ready]:
    """The request's pairs in tokens, made by the last model's tokenizer: the one that was trained."""
    spec = request.models[-1]
    lines.subject = str(spec.get("adapter") or spec["path"])
    tokenizer = load_tokenizer(spec)
    if tokenizer.chat_template is None and not isinstance(request.pairs[0]["prompt"], str):
        raise WrongInputError(
            f"The model has no chat template, and these pairs are conversations: {lines.subject}",
            "Copy chat_template.jinja from the model that it was trained from.",
        )
    lines.phase("tokenize")
    pairs: list[Ready] = ready_pairs(tokenizer, request.pairs, request.scoring)
    return pairs


def values_key(spec: Mapping[str, Any], pairs: Sequence[Ready], request: Request) -> str | None:
    """Name under which the log-probabilities of a reference are kept; None if they are not."""
    if request.reference_values is None or spec.get("name") != "reference":
        return None
    device, dtype = place_for_models()
    hardware = sys.modules["torch"].cuda.get_device_name() if device.type == "cuda" else device.type
    model = reference_values.identity(spec["path"], spec.get("revision"))
    key: str | None = reference_values.key_of(model, f"{hardware} {dtype}", pairs, request.scoring)
    return key


def reuse(lines: Lines, key: str | None, pairs: Sequence[Ready], request: Request, name: str) -> bool:
    """Emits the kept log-probabilities, if there are any; whether there were."""
    folder = request.reference_values
    kept = None if key is None or folder is None else reference_values.read(Path(folder), key, pairs)
    if kept is None:
        return False
    lines.phase("reuse", name)
    for index, chosen, rejected in kept.values:
        lines.emit("pair", model=name, index=index, chosen=chosen, rejected=rejected, scored_at=kept.at)
    return True


def score(lines: Lines, model: Any, pad: int, pairs: Sequence[Ready], request: Request, name: str) -> list[Score]:
    """Emits the summed log-probabilities of each pair's answers, and returns them."""
    found = []
    for each in scores(model, pad, pairs, request.scoring):
        lines.emit("pair", model=name, index=each.number, chosen=each.chosen, rejected=each.rejected)
        found.append(each)
    return found


def main(lines: Lines, arguments: Sequence[str]) -> None:
    """Answers the whole request; every failure is raised."""
    parser = argparse.ArgumentParser(description="Generate answers and score pairs as the request says.")
    parser.add_argument("--request", type=Path, required=True)
    request = read_request(parser.parse_args(list(arguments)).request)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    began = time.monotonic()
    if request.date is not None:
        freeze_date(request.date)
    for spec in request.models:
        require_weights(spec)
    lines.phase("load_model", str(request.models[0].get("name", "")))
    from transformers.utils import logging

    logging.disable_progress_bar()
    models, pairs = Models(request.models), ready(lines, request) if request.pairs else []
    for spec in request.models:
        work(lines, models, spec, pairs, request)
    lines.emit("finished", step=0, max_steps=0, seconds=round(time.monotonic() - began, 3))


def work(lines: Lines, models: Models, spec: Mapping[str, Any], pairs: Sequence[Ready], request: Request) -> None:
    """Scores the pairs and answers the prompts with one model, which is not loaded if nothing is left to do for it."""
    name = str(spec.get("name", ""))
    key = values_key(spec, pairs, request) if pairs else None
    to_score = [] if reuse(lines, key, pairs, request, name) else pairs
    if not to_score and not request.prompts:
        return
    lines.subject = str(spec["path"])
    lines.phase("load_model", name)
    tokenizer = load_tokenizer(spec)
    with models.using(spec) as model:
        if to_score:
            lines.phase("score", name)
            found = score(lines, model, tokenizer.pad_token_id, pairs, request, name)
            if key is not None and key == values_key(spec, pairs, request):  # not replaced while it was loaded
                reference_values.write(Path(str(request.reference_values)), key, found)
        if request.prompts:
            lines.phase("generate", name)
            generate(lines, model, tokenizer, request, name)


if __name__ == "__main__":
    sys.exit(run_script(main))
