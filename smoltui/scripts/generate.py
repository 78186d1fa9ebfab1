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

It prints events (`core/runs/events.py`): phase, answer, answer_left_out, pair, failed, finished. One model is in memory
at a time. Answers are those of `answering.py`, whole and not streaming; `answer_models.py` streams them.
Log-probabilities are summed over the answer as in TRL 1.16's DPOTrainer: prompt and answer are rendered together by the
chat template, with the row's own arguments and tools, the answer's end token counts, and tokens beyond `max_length` are
cut off.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# For the modules beside this one; last, because in a Job the folder also has foreign files.
sys.path.append(str(Path(__file__).resolve().parent))

from answering import Answers, Asking
from model_loading import Loaded, freeze_date, load, release_memory
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


# Answers


def generate(lines: Lines, model: Any, tokenizer: Any, request: Request, name: str) -> None:
    """Emits the answers to all prompts."""
    asking = Asking(
        request.prompts,
        request.max_new_tokens,
        request.temperature,
        request.top_p,
        request.seed,
        request.thinking,
        request.batch_size,
        stream=False,
    )
    answers = Answers(lines, Loaded({"model": model}, tokenizer), asking, name)
    for batch in answers.batches():
        answers.answer(batch)


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
        model, tokenizer = load(spec)
        if request.pairs:
            lines.phase("score", name)
            score(lines, model, tokenizer, request, name)
        if request.prompts:
            lines.phase("generate", name)
            generate(lines, model, tokenizer, request, name)
        del model, tokenizer
        release_memory()
    lines.emit("finished", step=0, max_steps=0, seconds=round(time.monotonic() - began, 3))


if __name__ == "__main__":
    sys.exit(run_script(main))
