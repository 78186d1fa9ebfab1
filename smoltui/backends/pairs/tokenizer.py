"""The recipe's tokenizer and chat template without torch and transformers: tokens of a pair, and what the trainer sees.

The result is the same as that of TRL 1.16 with transformers 5.23; a test compares the two. Loading parses the whole
vocabulary and holds Python's interpreter lock meanwhile (0.7 s for 128 000 tokens and merges), counting a set takes a
processor, and rendering runs the template, a program of strangers. So all of it happens in a process of its own,
`template_child.py`, which `token_service.py` asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from smoltui.backends.pairs.chat_template import ChatTemplate, no_template
from smoltui.backends.pairs.template_limits import Patience
from smoltui.core.pairs.preference import Message, Pair
from smoltui.core.pairs.rendering import (
    SIDES,
    SideView,
    Token,
    TrainerView,
    cut_at,
    find_answer,
    prompt_length,
    side_view,
    trl_in_answers,
)
from smoltui.core.recipe import get, snapshot
from smoltui.core.recipe.values import typed
from smoltui.errors import InputError, PairsError

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

BATCH_PAIRS = 256
"""Pairs tokenized in one call: some megabytes of text, a few tenths of a second."""

Counts = tuple[int, int, int]
"""Tokens of prompt, chosen and rejected; the answers include their end token, and nothing is cut off."""


def cut_of(values: Mapping[str, object]) -> tuple[int | None, bool]:
    """`max_length` of a recipe (None: nothing is cut), and whether the end is kept instead of the start."""
    limit = typed(snapshot().keys["max_length"], get(values, "max_length"))
    is_limit = isinstance(limit, int) and not isinstance(limit, bool) and limit > 0
    return limit if is_limit else None, get(values, "truncation_mode") == "keep_end"


@dataclass(frozen=True, slots=True)
class _Texts:
    """The texts of a pair that are tokenized."""

    prompt: str
    chosen: str
    """Prompt and chosen answer together."""
    rejected: str
    special: bool
    """The tokenizer adds its special tokens around each text: for plain text, not for a conversation."""


@dataclass(frozen=True, slots=True)
class PairTokenizer:
    """Counts the tokens of pairs, and shows what the trainer sees. Made by `tokenizer_files.read_tokenizer`."""

    key: str
    """16 hexadecimal digits over everything that counts depend on, except the pairs: names the files with counts."""
    model: str
    """As in the recipe, safe to show."""
    _tokenizer: Tokenizer
    _template: ChatTemplate | None
    _named: Mapping[str, str]
    _added: frozenset[int]
    max_length: int | None = None
    """Of the recipe, in tokens; None: nothing is cut. Applies to `view` and `measure`, not to counts."""
    keeps_end: bool = False
    """`truncation_mode: keep_end` of the recipe."""

    @property
    def has_template(self) -> bool:
        return self._template is not None

    def limited(self, values: Mapping[str, object]) -> PairTokenizer:
        """The same tokenizer with the `max_length` and `truncation_mode` of another recipe; costs nothing."""
        max_length, keeps_end = cut_of(values)
        return replace(self, max_length=max_length, keeps_end=keeps_end)

    def count(self, pair: Pair, thinking: bool | None = None) -> Counts:
        """Tokens of one readable pair.

        `thinking` False: the set is converted for training, so its pairs are conversations, with thinking turned off
        where the row doesn't say (`scripts/dpo.py`). True: the set is in a format of TRL. None: decided by the pair's
        `schema`. The row's own template arguments (`pair.kwargs`) always count.

        Raises:
            PairsError: the pair cannot be read.
            InputError: the template rejects it.
        """
        texts = self._texts(pair, thinking)
        encode = self._tokenizer.encode_batch_fast
        ids = [
            found.ids
            for found in encode([texts.prompt, texts.chosen, texts.rejected], add_special_tokens=texts.special)
        ]
        return _counted(*ids)

    def count_many(
        self,
        pairs: Sequence[Pair | None],
        thinking: bool | None = None,
        *,
        patience: Patience | None = None,
        rendered: Callable[[int | None], object] = lambda row: None,
    ) -> list[Counts | None]:
        """`count` of each pair; None if the pair cannot be read or the template rejects it.

        `rendered` is called with the place of each pair before it is rendered, and with None before tokenizing.

        Raises:
            InputError: there is no chat template, and the pairs are conversations.
            StuckError: the template exceeded its limits for too many pairs (`patience`).
        """
        counts: list[Counts | None] = [None] * len(pairs)
        for begin in range(0, len(pairs), BATCH_PAIRS):
            batch: list[tuple[int, _Texts]] = []
            for place, pair in enumerate(pairs[begin : begin + BATCH_PAIRS], begin):
                if pair is None or not pair.readable:
                    continue
                rendered(place)
                texts = self._texts_or_none(pair, thinking, patience)
                if texts is not None:
                    batch.append((place, texts))
            rendered(None)
            for place, count in self._counts_of(batch):
                counts[place] = count
        return counts

    def _texts_or_none(self, pair: Pair, thinking: bool | None, patience: Patience | None) -> _Texts | None:
        """The texts of a pair; None if it cannot be rendered. Raises as `count_many`."""
        try:
            texts = self._texts(pair, thinking)
        except InputError as error:
            if self._template is None:
                raise
            if patience is not None:
                patience.spend(error)
            return None
        if patience is not None:
            patience.regain()
        return texts

    def _counts_of(self, batch: Sequence[tuple[int, _Texts]]) -> Iterator[tuple[int, Counts]]:
        """The counts of rendered pairs, each with its place; plain texts and conversations are tokenized apart."""
        for special in (True, False):
            alike = [(place, texts) for place, texts in batch if texts.special is special]
            if not alike:
                continue
            lines = [line for _, texts in alike for line in (texts.prompt, texts.chosen, texts.rejected)]
            ids = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(lines, add_special_tokens=special)]
            for number, (place, _) in enumerate(alike):
                yield place, _counted(*ids[3 * number : 3 * number + 3])

    def view(self, pair: Pair, thinking: bool | None = None) -> TrainerView:
        """What the trainer sees of one readable pair; the arguments and errors are those of `count`."""
        texts, prompt, sides, shared = self._encoded(pair, thinking)
        shown = {name: self._side(pair, name, texts, encoding, shared) for name, encoding in sides.items()}
        return TrainerView(
            **shown,
            max_length=self.max_length,
            dropped=self.max_length is not None and not self.keeps_end and shared >= self.max_length,
            keeps_end=self.keeps_end,
            left_out=self._tokenizer.decode(prompt.ids[shared:], skip_special_tokens=False),
            plain=texts.special,
            problem=pair.problem,
            trl_cut=pair.trl_cut,
        )

    def measure(self, pair: Pair) -> tuple[Counts, dict[str, int]]:
        """Tokens of one readable pair, and the answers cut at `max_length`: side → characters kept of its text.

        Faster than `view`, which locates every token. Raises as `count`.
        """
        texts, _, sides, shared = self._encoded(pair)
        cuts = {}
        for name, encoding in sides.items():
            if self.max_length is not None and len(encoding.ids) > self.max_length:
                at = cut_at(self._side(pair, name, texts, encoding, shared))
                if at is not None:
                    cuts[name] = at
        chosen, rejected = (len(sides[name].ids) - shared for name in SIDES)
        return (shared, chosen, rejected), cuts

    def _encoded(self, pair: Pair, thinking: bool | None = None) -> tuple[_Texts, Encoding, dict[str, Encoding], int]:
        """The texts of a pair, the tokens of its prompt and its sides, and the number of tokens that they share."""
        texts = self._texts(pair, thinking)
        written = [texts.prompt, texts.chosen, texts.rejected]
        prompt, *sides = self._tokenizer.encode_batch(written, add_special_tokens=texts.special)
        return texts, prompt, dict(zip(SIDES, sides, strict=True)), prompt_length(prompt.ids, *(s.ids for s in sides))

    def _side(self, pair: Pair, name: str, texts: _Texts, encoding: Encoding, shared: int) -> SideView:
        rendered = getattr(texts, name)
        text, tokens, before = self._laid_out(rendered, encoding)
        answer = _sound(getattr(pair, name)[-1].content)
        return side_view(
            text,
            tokens,
            shared,
            answer=answer,
            answer_at=find_answer(text, answer, before + _common(texts.prompt, rendered)),
            max_length=self.max_length,
            keeps_end=self.keeps_end,
            trl_in_answer=trl_in_answers(pair)[name],
        )

    def _laid_out(self, text: str, encoding: Encoding) -> tuple[str, list[Token], int]:
        """The text with the special tokens that the tokenizer added, its tokens, and the characters added before it."""
        tokens: list[Token] = []
        shift = before = 0
        for number, (token, (begin, end), mark) in enumerate(
            zip(encoding.ids, encoding.offsets, encoding.special_tokens_mask, strict=True)
        ):
            if mark and begin == end:  # added by the post-processor: it is not part of the text
                word = encoding.tokens[number]
                at = tokens[-1].end if tokens else 0
                before += len(word) if at == before else 0
                text, shift = f"{text[:at]}{word}{text[at:]}", shift + len(word)
                tokens.append(Token(at, at + len(word), True))
            else:
                tokens.append(Token(begin + shift, end + shift, token in self._added))
        return text, tokens, before

    # -- texts

    def _texts(self, pair: Pair, thinking: bool | None) -> _Texts:
        if not pair.readable:
            raise PairsError(pair.problem or "The row is not a pair.", "Only pairs have tokens.")
        if not pair.prompt:
            raise PairsError(pair.problem or "The pair has no prompt.", "Only pairs with a prompt can be rendered.")
        if pair.schema == "standard" and len(pair.prompt) == 1 and thinking is not False:
            return self._plain_texts(pair)
        if self._template is None:
            raise no_template(self.model)
        settings: Mapping[str, object] = {}
        if pair.kwargs is not None:
            settings = pair.kwargs
        elif thinking is False or (thinking is None and pair.schema != "conversational"):
            settings = {"enable_thinking": False}
        prompt = _messages(pair.prompt)
        tools = {"tools": list(pair.tools)} if pair.tools else {}
        variables = {"add_generation_prompt": False, **self._named, **tools, **settings}
        alone, chosen, rejected = self._template.render(
            (prompt, {**variables, "add_generation_prompt": True}),
            (prompt + _messages(pair.chosen), variables),
            (prompt + _messages(pair.rejected), variables),
        )
        return _Texts(alone, chosen, rejected, special=False)

    def _plain_texts(self, pair: Pair) -> _Texts:
        """As `DPOTrainer._prepare_dataset` treats rows of plain text: an end token is added if there is none."""
        end = self._named.get("eos_token")
        if end is None:
            raise InputError(
                f"The tokenizer has no end token (eos_token), which training on plain text needs: {self.model}",
                "Set eos_token in its tokenizer_config.json.",
            )
        prompt, chosen, rejected = (_sound(getattr(pair, part)[0].content) for part in ("prompt", *SIDES))
        chosen, rejected = (text if text.endswith(end) else text + end for text in (chosen, rejected))
        return _Texts(prompt, prompt + chosen, prompt + rejected, special=True)


def _counted(prompt: list[int], chosen: list[int], rejected: list[int]) -> Counts:
    shared = prompt_length(prompt, chosen, rejected)
    return shared, len(chosen) - shared, len(rejected) - shared


def _messages(turns: Sequence[Message]) -> list[dict[str, Any]]:
    return [{**turn.as_json(), "content": _sound(turn.content)} for turn in turns]


def _sound(text: str) -> str:
    """`text` with lone surrogates as U+FFFD: neither tokenizers nor files of pairs accept them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _common(left: str, right: str) -> int:
    """Length of the common prefix."""
    if right.startswith(left):
        return len(left)
    pairs = enumerate(zip(left, right, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(left), len(right)))
