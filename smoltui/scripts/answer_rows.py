"""The growing answers of one batch: how the next token of each is drawn, and how each text is reported.

It is shipped with generate.py and answer_models.py.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

PART_SECONDS = 0.1
"""A text that grows is reported at most ten times a second."""
OPENED, CLOSED = "<think>", "</think>"
"""Around thoughts, as in SmolLM3 and Qwen 3."""
LIKELIEST = 256
"""Tokens that usually have all of the probability that counts."""
NOT_A_NUMBER = "the model's output is not a number (NaN)"


def messages_of(prompt: Any) -> list[dict[str, str]]:
    """A prompt as a conversation."""
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)


# Sampling


def generator_for(seed: int, prompt: Any) -> Any:
    """The random generator of one prompt: the same for every model, batch and order."""
    import torch

    text = json.dumps([seed, messages_of(prompt)], sort_keys=True)
    digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def sampler(temperature: float, top_p: float, generators: Sequence[Any], rows: Rows) -> Any:
    """A logits processor that makes the largest score of each row a sample, drawn with the row's own generator.

    Adding Gumbel noise to log-probabilities and taking the largest samples from them (Maddison et al. 2014). A row
    whose scores are NaN is ended, and noted.
    """
    import torch
    from transformers import LogitsProcessor

    class Sampler(LogitsProcessor):  # type: ignore[misc]
        def __call__(self, input_ids: Any, scores: Any) -> Any:
            scores = scores.float()
            broken = torch.isnan(scores).any(dim=-1)
            if bool(broken.any()):
                rows.broken.update(row for row, is_broken in enumerate(broken.tolist()) if is_broken)
                scores[broken] = 0.0
            if temperature <= 0:
                return scores
            scores = scores / temperature
            if 0 < top_p < 1:
                scores = nucleus(scores, top_p)
            noise = torch.full(scores.shape, 0.5)
            for row, generator in enumerate(generators):
                if not rows.is_done(row):
                    noise[row] = torch.rand(scores.shape[-1], generator=generator)
            gumbel = -torch.log(-torch.log(noise.clamp(1e-20, 1 - 1e-7)))
            return scores + gumbel.to(scores.device)

    return Sampler()


def nucleus(scores: Any, top_p: float) -> Any:
    """`scores` without tokens beyond the most likely ones that have `top_p` of the probability together.

    As `TopPLogitsWarper` of transformers, which sorts the whole vocabulary: a third of the time of a small model.
    """
    import torch
    from transformers import TopPLogitsWarper

    probabilities = torch.softmax(scores, dim=-1)
    top = probabilities.topk(min(LIKELIEST, probabilities.shape[-1])).values
    if bool((top.sum(dim=-1) < top_p).any()):
        return TopPLogitsWarper(top_p=top_p)(None, scores)
    before = top.cumsum(dim=-1) - top
    least = top.masked_fill(before >= top_p, float("inf")).amin(dim=-1, keepdim=True)
    return scores.masked_fill(probabilities < least, float("-inf"))


# One batch


class Rows:
    """The growing answers of one batch, as a streamer of transformers gets them."""

    def __init__(self, batch: Batch, ends: Sequence[int], tokenizer: Any, tell: Callable[..., None]) -> None:
        self._batch, self._ends, self._tokenizer, self._tell = batch, set(ends), tokenizer, tell
        self.tokens: list[list[int]] = [[] for _ in batch.indexes]
        self.broken: set[int] = set()
        """Rows whose scores were NaN."""
        self._done: set[int] = set()
        self._told = ["" for _ in batch.indexes]
        self._told_at = 0.0
        self._has_prompt = False

    def is_done(self, row: int) -> bool:
        return row in self._done

    @property
    def all_done(self) -> bool:
        return len(self._done) == len(self.tokens)

    def put(self, value: Any) -> None:
        """One more token of each row; the first call has the prompts."""
        if not self._has_prompt:
            self._has_prompt = True
            return
        for row, token in enumerate(value.tolist()):
            if row in self._done:
                continue
            if row in self.broken:
                self._done.add(row)
                self._tell("answer_left_out", index=self._batch.indexes[row], reason=NOT_A_NUMBER)
            elif token in self._ends:
                self._finish(row, ended=True)
            else:
                self.tokens[row].append(token)
        now = time.monotonic()
        if self._batch.stream and now - self._told_at >= PART_SECONDS:
            self._told_at = now
            for row in range(len(self.tokens)):
                if row not in self._done:
                    self._tell_part(row)

    def end(self) -> None:
        """Called by transformers after the last token; the caller knows why it was the last."""

    def finish_cut(self) -> None:
        """Reports rows that the token limit cut."""
        for row in range(len(self.tokens)):
            if row not in self._done:
                self._finish(row, ended=False)

    def _text(self, row: int) -> str:
        text: str = self._tokenizer.decode(self.tokens[row], skip_special_tokens=True)
        return (OPENED + "\n" if self._batch.opens[row] else "") + text.lstrip()

    def _tell_part(self, row: int) -> None:
        text, told = self._text(row), self._told[row]
        if text.endswith("\ufffd") or not text.startswith(told) or text == told:
            return  # half a character, or a tokenizer that changes what came before: the whole answer will say
        self._told[row] = text
        self._tell("answer_part", index=self._batch.indexes[row], text=text[len(told) :])

    def _finish(self, row: int, ended: bool) -> None:
        self._done.add(row)
        text, tokens = self._text(row).strip(), self.tokens[row]
        self._tell(
            "answer",
            index=self._batch.indexes[row],
            text=text,
            ended=ended,
            tokens=len(tokens),
            thought_tokens=self._thought_tokens(text, tokens),
        )

    def _thought_tokens(self, text: str, tokens: Sequence[int]) -> int:
        if not text.startswith(OPENED):
            return 0
        if CLOSED not in text:
            return len(tokens)
        closing = self._tokenizer.convert_tokens_to_ids(CLOSED)
        if closing in tokens:
            return list(tokens).index(closing) + 1
        thought = text[: text.index(CLOSED) + len(CLOSED)]
        return min(len(tokens), len(self._tokenizer(thought, add_special_tokens=False)["input_ids"]))


@dataclass(frozen=True)
class Batch:
    """Prompts that are answered at once."""

    indexes: list[int]
    ids: list[list[int]]
    """Token ids of each prompt."""
    opens: list[bool]
    """Whether the rendered prompt ends within a thought that it opens."""
    max_new_tokens: int
    stream: bool
