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

It prints events (`core/runs/events.py`): phase, answer_part, answer, pair, failed, finished. One model is in memory at
a time. An answer depends only on model, prompt and seed: each prompt has its own random generator, so streaming and
batching do not change it (except for rounding in a different batch shape). Log-probabilities are summed over the answer
as in TRL 1.16's DPOTrainer: prompt and answer are rendered together by the chat template, with the row's own arguments
and tools, the answer's end token counts, and tokens beyond `max_length` are cut off.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

# For the modules beside this one; last, because in a Job the folder also has foreign files.
sys.path.append(str(Path(__file__).resolve().parent))

from script_events import Lines, WrongInputError, run_script

MAX_LOGIT_BYTES = 2**28
"""Maximum bytes of the float32 logits of one scoring batch; SmolLM3's vocabulary takes half a megabyte per token."""


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


def load(model: Mapping[str, Any]) -> tuple[Any, Any]:
    """(model, tokenizer), loaded: float32 on a CPU, bfloat16 on an accelerator that supports it."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device = (
        torch.device("cuda")
        if torch.cuda.is_available()
        else torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    )
    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    adapter = model.get("adapter")
    tokenizer_at = adapter if adapter and Path(adapter, "tokenizer_config.json").is_file() else model["path"]
    revision = model.get("revision")
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_at, revision=None if tokenizer_at == adapter else revision)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    loaded = AutoModelForCausalLM.from_pretrained(
        model["path"], revision=revision, dtype=torch.bfloat16 if bf16 else torch.float32
    )
    if adapter:
        from peft import PeftModel

        loaded = PeftModel.from_pretrained(loaded, adapter)
    return loaded.to(device).eval(), tokenizer


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


def pair_tokens(tokenizer: Any, pair: Mapping[str, Any]) -> tuple[list[int], list[int], list[int]]:
    """Token ids of prompt, chosen and rejected, as in DPOTrainer's `_prepare_dataset`."""
    prompt, chosen, rejected = pair["prompt"], pair["chosen"], pair["rejected"]
    if isinstance(prompt, str):
        end = tokenizer.eos_token
        whole = [prompt + (text if text.endswith(end) else text + end) for text in (chosen, rejected)]
        prompt_ids, chosen_ids, rejected_ids = (tokenizer(text)["input_ids"] for text in (prompt, *whole))
    else:
        given = {"tools": pair.get("tools"), **(pair.get("chat_template_kwargs") or {})}

        def ids(messages: list[Any], **more: Any) -> list[int]:
            encoded = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, **more, **given)
            return list(encoded["input_ids"])

        prompt_ids = ids(prompt, add_generation_prompt=True)
        chosen_ids, rejected_ids = ids(prompt + chosen), ids(prompt + rejected)
    cut = min(_shared(prompt_ids, chosen_ids), _shared(prompt_ids, rejected_ids))
    return prompt_ids[:cut], chosen_ids[cut:], rejected_ids[cut:]


def _shared(left: Sequence[int], right: Sequence[int]) -> int:
    """Length of the common prefix."""
    return next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))


def score(lines: Lines, model: Any, tokenizer: Any, request: Request, name: str) -> None:
    """Emits the summed log-probabilities of each pair's answers; pairs that DPOTrainer would drop get no event."""
    ready = []
    for index, pair in enumerate(request.pairs):
        prompt, chosen, rejected = pair_tokens(tokenizer, pair)
        if request.max_length is not None and not request.keep_end and len(prompt) >= request.max_length:
            print(
                f"pair {index} is not scored: its prompt has {len(prompt)} tokens, max_length is {request.max_length}"
            )
            continue
        ready.append((index, [_cut(prompt, answer, request) for answer in (chosen, rejected)]))
    ready.sort(key=lambda entry: max(len(ids) for ids, _ in entry[1]))
    for batch in _scoring_batches(ready, request.batch_size, model.config.get_text_config().vocab_size):
        rows = [row for _, pair_rows in batch for row in pair_rows]
        each = token_log_probabilities(model, tokenizer.pad_token_id, [ids for ids, _ in rows], [at for _, at in rows])
        for (index, _), at in zip(batch, range(0, len(each), 2), strict=True):
            shared = min(len(each[at]), len(each[at + 1]))
            sums = [_summed(values, shared, request.ld_alpha) for values in each[at : at + 2]]
            lines.emit("pair", model=name, index=index, chosen=sums[0], rejected=sums[1])


def _cut(prompt: list[int], answer: list[int], request: Request) -> tuple[list[int], int]:
    """Prompt and answer within `max_length`, and where the answer starts in them."""
    ids, over = prompt + answer, len(prompt) + len(answer) - (request.max_length or sys.maxsize)
    if over <= 0:
        return ids, len(prompt)
    return (ids[over:], max(0, len(prompt) - over)) if request.keep_end else (ids[:-over], len(prompt))


def _summed(values: Any, shared: int, ld_alpha: float | None) -> float:
    """The sum over an answer's tokens; those beyond `shared` count `ld_alpha` times (TRL's `_compute_loss`)."""
    if ld_alpha is None:
        return float(values.sum())
    return float(values[:shared].sum() + ld_alpha * values[shared:].sum())


def _scoring_batches(ready: list[Any], size: int, vocabulary: int) -> Iterator[list[Any]]:
    """Batches of at most `size` pairs whose logits fit in `MAX_LOGIT_BYTES`; a single pair may exceed it."""
    batch: list[Any] = []
    for entry in ready:
        longest = max(len(ids) for ids, _ in entry[1])  # sorted by length, so the newest is the longest
        if batch and (len(batch) >= size or 2 * (len(batch) + 1) * longest * vocabulary * 4 > MAX_LOGIT_BYTES):
            yield batch
            batch = []
        batch.append(entry)
    if batch:
        yield batch


def token_log_probabilities(model: Any, pad: int, rows: list[list[int]], starts: list[int]) -> list[Any]:
    """For each row, a tensor with the log-probabilities of its tokens from its start on, in nats."""
    import torch

    width = max(map(len, rows))
    ids = torch.full((len(rows), width), pad)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for at, row in enumerate(rows):
        ids[at, : len(row)] = torch.tensor(row)
        mask[at, : len(row)] = 1
    ids, mask = ids.to(model.device), mask.to(model.device)
    each = []
    with torch.inference_mode():
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        for at, (row, start) in enumerate(zip(rows, starts, strict=True)):
            first = max(start, 1)  # the first token has no prediction
            log_probabilities = torch.log_softmax(logits[at, first - 1 : len(row) - 1].float(), dim=-1)
            taken = log_probabilities.gather(1, ids[at, first : len(row), None])
            each.append(taken[:, 0].cpu())
    return each


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
        name = str(spec.get("name", ""))
        lines.subject = str(spec["path"])
        lines.phase("load_model", name)
        from transformers.utils import logging

        logging.disable_progress_bar()
        model, tokenizer = load(spec)
        if request.pairs:
            lines.phase("score", name)
            score(lines, model, tokenizer, request, name)
        if request.prompts:
            lines.phase("generate", name)
            generate(lines, model, tokenizer, request, name)
        del model, tokenizer
        gc.collect()
        if "torch" in sys.modules and sys.modules["torch"].cuda.is_available():
            sys.modules["torch"].cuda.empty_cache()
    lines.emit("finished", step=0, max_steps=0, seconds=round(time.monotonic() - began, 3))


if __name__ == "__main__":
    sys.exit(run_script(main))
