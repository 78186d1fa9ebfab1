"""Answers of one model to many prompts: in batches, each text streaming into its own place.

It is shipped with generate.py and answer_models.py. An answer depends only on model, prompt, settings and seed: each
prompt has its own random generator, so batching and order do not change it (except for rounding in a different batch
shape).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from answer_rows import OPENED, Batch, Rows, generator_for, messages_of, sampler
from model_loading import Loaded, end_tokens
from script_events import Lines

WINDOW_BATCHES = 4
"""Prompts are sorted by length within so many batches: less padding, and the first answers still come first."""


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


# Answers


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
        return Batch(indexes, ids, opens, limit, self._asking.stream)

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

        asking, tokenizer, device = self._asking, self._loaded.tokenizer, self._loaded.model.device
        ends = end_tokens(self._loaded.model, tokenizer)
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        rows = Rows(batch, ends, tokenizer, self._tell)
        width = max(map(len, batch.ids))
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in batch.ids])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in batch.ids])
        generators = [generator_for(asking.seed, asking.prompts[index]) for index in batch.indexes]
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
                logits_processor=LogitsProcessorList([sampler(asking.temperature, asking.top_p, generators, rows)]),
                stopping_criteria=StoppingCriteriaList([Stop()]),
                streamer=rows,
            )
        if stopped():
            raise StoppedError
        rows.finish_cut()
