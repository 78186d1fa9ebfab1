"""Answers of one model to many prompts: in batches, each text streaming into its own place.

It is shipped with generate.py and answer_models.py. An answer depends only on model, prompt, settings and seed: each
prompt has its own random generator, so batching and order do not change it (except for rounding in a different batch
shape).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from model_loading import Loaded, end_tokens
from script_events import Lines

PART_SECONDS = 0.1
"""A text that grows is reported at most ten times a second."""
WINDOW_BATCHES = 4
"""Prompts are sorted by length within so many batches: less padding, and the first answers still come first."""
OPENED, CLOSED = "<think>", "</think>"
"""Around thoughts, as in SmolLM3 and Qwen 3."""
LIKELIEST = 256
"""Tokens that usually have all of the probability that counts."""
NOT_A_NUMBER = "the model's output is not a number (NaN)"


@dataclass(frozen=True)
class Asking:
    """What is asked, and how."""

    prompts: Sequence[Any]
    """Each a text, or a list of {"role", "content"}."""
    max_new_tokens: int = 256
    temperature: float = 0.7
    """0 is greedy."""
    top_p: float = 0.95
    seed: int = 0
    thinking: bool = False
    batch_size: int = 16
    stream: bool = True
    """Whether parts of answers are reported."""


class StoppedError(Exception):
    """Answering was stopped from outside."""


# Prompts


def messages_of(prompt: Any) -> list[dict[str, str]]:
    """A prompt as a conversation."""
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)


def prompt_text(tokenizer: Any, prompt: Any, thinking: bool) -> str:
    """The prompt as text for the model, rendered by the chat template if there is one."""
    messages = messages_of(prompt)
    if tokenizer.chat_template is None:
        return "\n\n".join(message["content"] for message in messages) + "\n\n"
    text: str = tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True, enable_thinking=thinking
    )
    return text


def context_of(model: Any) -> int | None:
    """Maximum tokens of prompt and answer together; None if the model states none."""
    most = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return most if isinstance(most, int) and most > 0 else None


def notices(model: Any, tokenizer: Any, thinking: bool) -> Iterator[tuple[str, str]]:
    """What makes the answers of a model hard to compare: kind, and one sentence without its name."""
    if tokenizer.chat_template is None:
        yield "no_template", "has no chat template: it was given the bare text of each prompt"
        return
    ends = end_tokens(model, tokenizer)
    if (closing := _turn_end(tokenizer, thinking)) is None:
        yield "end_token", "has a chat template that puts no token after an answer: answers may not end by themselves"
    elif closing not in ends:
        yield (
            "end_token",
            f"ends a turn with {tokenizer.convert_ids_to_tokens(closing)}, which does not end generation: "
            "answers may run on into further turns",
        )


def _turn_end(tokenizer: Any, thinking: bool) -> int | None:
    """Id of the first special token that the chat template writes after an answer; None without one."""
    mark = "smoltui-answer"
    try:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": mark}],
            tokenize=False,
            enable_thinking=thinking,
        )
    except Exception:  # a template that refuses this conversation refuses nothing that was asked
        return tokenizer.eos_token_id  # type: ignore[no-any-return]
    ids = tokenizer(text.rpartition(mark)[2], add_special_tokens=False)["input_ids"]
    added = set(tokenizer.added_tokens_decoder)
    return next((int(token) for token in ids if token in added), None)


# Sampling


def generator_for(seed: int, prompt: Any) -> Any:
    """The random generator of one prompt: the same for every model, batch and order."""
    import torch

    text = json.dumps([seed, messages_of(prompt)], sort_keys=True)
    digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def _sampler(asking: Asking, generators: Sequence[Any], rows: _Rows) -> Any:
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
            if asking.temperature <= 0:
                return scores
            scores = scores / asking.temperature
            if 0 < asking.top_p < 1:
                scores = nucleus(scores, asking.top_p)
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


class _Rows:
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


class Answers:
    """The answers of one model to the prompts of an asking, batch by batch."""

    def __init__(
        self, lines: Lines, loaded: Loaded, asking: Asking, name: str, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self._lines, self._loaded, self._asking, self._name, self._stopped = lines, loaded, asking, name, stopped
        self._context = context_of(loaded.model)

    def _tell(self, event: str, **values: Any) -> None:
        if event == "answer":
            self._lines.emit("answer", model=self._name, **values)
        elif event == "answer_part":
            self._lines.emit("answer_part", model=self._name, **values)
        else:
            self._lines.emit("answer_left_out", model=self._name, **values)

    def batches(self) -> Iterator[Batch]:
        """All batches, prepared a few at a time: ten thousand prompts do not hold up the first answers."""
        size = max(1, self._asking.batch_size)
        count, window = len(self._asking.prompts), size * WINDOW_BATCHES
        for start in range(0, count, window):
            ready = [
                one for index in range(start, min(start + window, count)) if (one := self._prepared(index)) is not None
            ]
            ready.sort(key=lambda one: len(one[1]))
            wanted = self._asking.max_new_tokens
            short = [one for one in ready if self._room(one[1]) >= wanted]
            for at in range(0, len(short), size):
                yield self._batch(short[at : at + size], wanted)
            for one in ready[len(short) :]:  # near the end of the context, each has a limit of its own
                yield self._batch([one], self._room(one[1]))

    def _room(self, ids: Sequence[int]) -> int:
        """Tokens that fit behind a prompt."""
        return self._asking.max_new_tokens if self._context is None else self._context - len(ids)

    def _batch(self, ready: Sequence[tuple[int, list[int], bool]], limit: int) -> Batch:
        indexes, ids, opens = ([one[part] for one in ready] for part in range(3))
        return Batch(indexes, ids, opens, limit, self._asking.stream)  # type: ignore[arg-type]

    def _prepared(self, index: int) -> tuple[int, list[int], bool] | None:
        """Index, token ids and whether a thought is open; None for a prompt that was left out, which is reported."""
        tokenizer, thinking = self._loaded.tokenizer, self._asking.thinking
        try:
            text = prompt_text(tokenizer, self._asking.prompts[index], thinking)
        except Exception as error:
            if not type(error).__module__.startswith("jinja2"):
                raise
            said = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            self._tell("answer_left_out", index=index, reason=f"the chat template rejects this conversation: {said}")
            return None
        ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
        if not ids:
            self._tell("answer_left_out", index=index, reason="the prompt is empty")
            return None
        if self._context is not None and len(ids) >= self._context:
            reason = f"the prompt has {len(ids)} tokens, the model's context {self._context}"
            self._tell("answer_left_out", index=index, reason=reason)
            return None
        return index, ids, text.rstrip().endswith(OPENED)

    def answer(self, batch: Batch) -> None:
        """Emits the answers of one batch.

        Raises:
            StoppedError: stopped from outside; whole answers were emitted.
        """
        import torch
        from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

        tokenizer, device = self._loaded.tokenizer, self._loaded.model.device
        ends = end_tokens(self._loaded.model, tokenizer)
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        rows = _Rows(batch, ends, tokenizer, self._tell)
        width = max(map(len, batch.ids))
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in batch.ids])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in batch.ids])
        generators = [generator_for(self._asking.seed, self._asking.prompts[index]) for index in batch.indexes]
        stopped = self._stopped

        class Stop(StoppingCriteria):  # type: ignore[misc]
            def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
                ended = rows.all_done or stopped()
                return torch.full((input_ids.shape[0],), ended, dtype=torch.bool, device=input_ids.device)

        config = GenerationConfig(
            max_new_tokens=batch.max_new_tokens, do_sample=False, eos_token_id=ends or None, pad_token_id=pad
        )
        with self._loaded.active() as model, torch.inference_mode():
            model.generate(
                input_ids=ids.to(device),
                attention_mask=mask.to(device),
                generation_config=config,
                logits_processor=LogitsProcessorList([_sampler(self._asking, generators, rows)]),
                stopping_criteria=StoppingCriteriaList([Stop()]),
                streamer=rows,
            )
        if stopped():
            raise StoppedError
        rows.finish_cut()
