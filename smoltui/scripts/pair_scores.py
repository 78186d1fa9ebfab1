"""Log-probabilities of the answers in preference pairs, as DPOTrainer of TRL 1.16 computes them.

Prompt and answer are rendered together by the chat template, with the row's own arguments and tools, the answer's end
token counts, tokens beyond `max_length` are cut off, and the log-probabilities of the rest are summed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

MAX_LOGIT_BYTES = 2**28
"""Maximum bytes of the float32 logits of one batch; SmolLM3's vocabulary takes half a megabyte per token."""


@dataclass(frozen=True)
class Scoring:
    """What scores depend on besides model and pairs."""

    batch_size: int = 8
    """Pairs scored at once."""
    max_length: int | None = 1024
    """Tokens of prompt and answer that are scored; None for all."""
    keep_end: bool = False
    """Of a pair that is too long, its end is scored, as with TRL's truncation_mode keep_end."""
    ld_alpha: float | None = None
    """Weight of the part of an answer beyond the length of the other answer; None for 1."""


class Ready(NamedTuple):
    """A pair in tokens."""

    number: int
    """Place of the pair in the request, from 0."""
    rows: tuple[tuple[list[int], int], tuple[list[int], int]]
    """For chosen and rejected: token ids of prompt and answer, and where the answer starts in them."""

    @property
    def longest(self) -> int:
        return max(len(ids) for ids, _ in self.rows)


class Score(NamedTuple):
    """Summed log-probabilities of a pair's answers, nats."""

    number: int
    chosen: float
    rejected: float


def ready_pairs(tokenizer: Any, pairs: Sequence[Mapping[str, Any]], how: Scoring) -> list[Ready]:
    """The pairs in tokens, in order, without those whose prompt alone fills `max_length`: DPOTrainer drops them."""
    ready = []
    for number, pair in enumerate(pairs):
        prompt, chosen, rejected = pair_tokens(tokenizer, pair)
        if how.max_length is not None and not how.keep_end and len(prompt) >= how.max_length:
            print(f"pair {number} is not scored: its prompt has {len(prompt)} tokens, max_length is {how.max_length}")
            continue
        ready.append(Ready(number, (_cut(prompt, chosen, how), _cut(prompt, rejected, how))))
    return ready


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


def _cut(prompt: list[int], answer: list[int], how: Scoring) -> tuple[list[int], int]:
    """Prompt and answer within `max_length`, and where the answer starts in them."""
    ids, over = prompt + answer, len(prompt) + len(answer) - (how.max_length or sys.maxsize)
    if over <= 0:
        return ids, len(prompt)
    return (ids[over:], max(0, len(prompt) - over)) if how.keep_end else (ids[:-over], len(prompt))


def scores(model: Any, pad: int, pairs: Sequence[Ready], how: Scoring) -> Iterator[Score]:
    """The score of each pair, short pairs first. `pad` is the token that fills up a batch."""
    ready = sorted(pairs, key=lambda pair: pair.longest)
    for batch in _batches(ready, how.batch_size, model.config.get_text_config().vocab_size):
        rows = [row for pair in batch for row in pair.rows]
        each = token_log_probabilities(model, pad, [ids for ids, _ in rows], [at for _, at in rows])
        for pair, at in zip(batch, range(0, len(each), 2), strict=True):
            shared = min(len(each[at]), len(each[at + 1]))
            yield Score(pair.number, *(_summed(values, shared, how.ld_alpha) for values in each[at : at + 2]))


def _summed(values: Any, shared: int, ld_alpha: float | None) -> float:
    """The sum over an answer's tokens; those beyond `shared` count `ld_alpha` times (TRL's `_compute_loss`)."""
    if ld_alpha is None:
        return float(values.sum())
    return float(values[:shared].sum() + ld_alpha * values[shared:].sum())


def _batches(ready: Sequence[Ready], size: int, vocabulary: int) -> Iterator[list[Ready]]:
    """Batches of at most `size` pairs whose logits fit in `MAX_LOGIT_BYTES`; a single pair may exceed it."""
    batch: list[Ready] = []
    for pair in ready:  # sorted by length, so the newest is the longest
        if batch and (len(batch) >= size or 2 * (len(batch) + 1) * pair.longest * vocabulary * 4 > MAX_LOGIT_BYTES):
            yield batch
            batch = []
        batch.append(pair)
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
