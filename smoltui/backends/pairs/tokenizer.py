"""The recipe's tokenizer and chat template without torch and transformers: tokens of a pair, and what the trainer sees.

Equal to what TRL 1.16 on transformers 5.23 makes of a pair; a test compares the two. Loading parses the whole
vocabulary and holds Python's interpreter lock meanwhile (0.7 s for 128 000 tokens and merges), counting a set takes a
processor, and rendering runs the template, a program of strangers. So all of it happens in a process of its own,
`template_child.py`; what asks it is `token_service.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoltui.backends.pairs.template_limits import Late, Limits, StuckError, too_large, too_late
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
from smoltui.safe_text import redact, safe_line

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

TOKENIZER, CONFIG, TEMPLATE, SPECIALS = (
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "special_tokens_map.json",
)
NAMED_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
"""transformers 5.23 `SPECIAL_TOKENS_ATTRIBUTES`: what a template is given by these names."""
RULES = b"trl 1.16"
"""Part of every key: counts made by other rules are made anew."""
BATCH_PAIRS = 256
"""Pairs tokenized in one call: some megabytes of text, a few tenths of a second."""
MOST_BYTES = {TOKENIZER: 512 << 20, CONFIG: 16 << 20, TEMPLATE: 4 << 20, SPECIALS: 16 << 20}
"""A larger file is not read. A tokenizer.json of 262 144 words has some 35 MB."""

Counts = tuple[int, int, int]
"""Tokens of prompt, chosen and rejected; the answers with their end mark, nothing cut off."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Where the files of a model's tokenizer are (`model_files.py` finds them); None for one that it has not."""

    model: str
    """As the recipe names it, safe to show."""
    tokenizer: Path
    config: Path | None = None
    template: Path | None = None
    specials: Path | None = None


def read_tokenizer(
    files: ModelFiles, *, limits: Limits | None = None, guard: Callable[[], AbstractContextManager[None]] = nullcontext
) -> PairTokenizer:
    """The tokenizer in these files.

    It compiles the chat template, and counting renders it: a program of strangers. So this is for a process of its own
    (`template_child.py`), where `guard` holds limits around it; everyone else asks `token_service.py`.

    Raises:
        InputError: a file cannot be read or used.
        StuckError: the template takes too much of something.
    """
    shown = files.model
    data = _read(files.tokenizer, TOKENIZER)
    config = _object(files.config, CONFIG, shown)
    if "added_tokens_decoder" not in config:  # older models keep their special tokens in a file of their own
        config = {**config, **_object(files.specials, SPECIALS, shown)}
    if files.template is not None:
        source: str | None = _read(files.template, TEMPLATE).decode("utf-8", "replace")
    else:
        source = _template_of(config)
    return _build(shown, data, config, source, limits or Limits(), guard)


# ------------------------------------------------------------------------------------------------------------ the files


def _read(path: Path, name: str) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES[name]:
            raise InputError(f"The model's {name} is larger than {MOST_BYTES[name] >> 20} MiB: {path}")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"The model's {name} cannot be read ({error.strerror}): {path}") from error


def _object(path: Path | None, name: str, model: str) -> dict[str, Any]:
    """A JSON object; an empty one where there is no file."""
    if path is None:
        return {}
    try:
        value = json.loads(_read(path, name))
    except (ValueError, RecursionError) as error:
        raise InputError(f"The {name} of this model is not JSON: {model}") from error
    if not isinstance(value, dict):
        raise InputError(f"The {name} of this model is not an object: {model}")
    return value


def _template_of(config: Mapping[str, Any]) -> str | None:
    """`chat_template` of a tokenizer_config.json; of several named ones, the default."""
    found = config.get("chat_template")
    if isinstance(found, list):
        found = {part.get("name"): part.get("template") for part in found if isinstance(part, dict)}
    if isinstance(found, dict):
        found = found.get("default")
    return found if isinstance(found, str) else None


def no_template(model: str) -> InputError:
    return InputError(
        f"The model has no chat template, so conversations cannot be rendered for it: {model}",
        "Start from a chat model, such as HuggingFaceTB/SmolLM3-3B.",
    )


# -------------------------------------------------------------------------------------------------------- the template


class _Dictionaries:
    """What a template knows as `dict`: it makes dictionaries, and nothing else of the class is to be had."""

    def __call__(self, *parts: Any, **items: Any) -> dict[Any, Any]:
        return dict(*parts, **items)

    def fromkeys(self, keys: Any, value: Any = None) -> dict[Any, Any]:
        return dict.fromkeys(keys, value)


def _namespace() -> type[Any]:
    """What a template knows as `namespace`, without names that begin with an underscore (transformers 5.23)."""
    from jinja2.exceptions import SecurityError
    from jinja2.utils import Namespace

    def checked(name: Any) -> None:
        if isinstance(name, str) and name.startswith("_"):
            raise SecurityError(f"a namespace cannot contain a name that starts with an underscore: {name}")

    class Guarded(Namespace):
        def __init__(*parts: Any, **items: Any) -> None:  # without a name for itself: a template may use `self`
            held = dict(*parts[1:], **items)
            for name in held:
                checked(name)
            Namespace.__init__(parts[0], held)

        def __setitem__(self, name: str, value: Any) -> None:
            checked(name)
            super().__setitem__(name, value)

    return Guarded


class _ChatTemplate:
    """A chat template, compiled in a sandbox as transformers 5.23 does (`utils/chat_template_utils.py`)."""

    def __init__(
        self, source: str, model: str, limits: Limits, guard: Callable[[], AbstractContextManager[None]]
    ) -> None:
        import jinja2
        from jinja2.ext import Extension, loopcontrols
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        class Generation(Extension):
            """{% generation %} … {% endgeneration %} marks what the assistant says; it is written as it is."""

            tags = {"generation"}

            def parse(self, parser: Any) -> Any:
                line = next(parser.stream).lineno
                body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
                # A scope of its own, as the macro has that transformers makes of it.
                return jinja2.nodes.CallBlock(self.call_method("_as_it_is"), [], [], body).set_lineno(line)

            def _as_it_is(self, caller: Callable[[], str]) -> str:
                return caller()

        def tojson(
            x: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
        ) -> str:
            return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

        def raise_exception(message: str) -> None:
            raise jinja2.exceptions.TemplateError(message)

        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
        )
        environment.filters["tojson"] = tojson
        environment.globals["raise_exception"] = raise_exception
        environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
        # Templates come from strangers: no attributes of the real `dict`, no underscored names in a namespace.
        environment.globals["dict"] = _Dictionaries()
        environment.globals["namespace"] = _namespace()
        self._limits, self._guard = limits, guard
        try:
            with guard():
                self._template = environment.from_string(source)
        except (Late, MemoryError, RecursionError) as error:
            raise _stuck(error, limits) from None
        except Exception as error:  # not only its syntax: constants are computed here, and names become Python's
            raise InputError(f"The chat template of this model cannot be used: {model}", _said(error)) from error

    def render(self, *conversations: tuple[list[dict[str, str]], Mapping[str, Any]]) -> list[str]:
        """The texts of some conversations (messages, variables) of one pair, under one limit of time.

        Raises:
            InputError: the template refuses one, or fails on it; TRL would stop there.
            StuckError: it takes too much of something.
        """
        try:
            with self._guard():
                return [self._rendered(messages, variables) for messages, variables in conversations]
        except StuckError:
            raise
        except (Late, MemoryError, RecursionError) as error:
            raise _stuck(error, self._limits) from None
        except Exception as error:  # a template is a program of strangers: it can fail in any way
            raise InputError(
                f"The model's chat template rejects this conversation: {_said(error)}",
                "Training would stop here: exclude the pair.",
            ) from error

    def _rendered(self, messages: list[dict[str, str]], variables: Mapping[str, Any]) -> str:
        most = self._limits.characters + self._limits.times * sum(len(message["content"]) for message in messages)
        parts, size = [], 0
        for part in self._template.generate(messages=messages, tools=None, documents=None, **variables):
            if (size := size + len(part)) > most:
                raise StuckError.because(f"writes more than {most:,} characters")
            parts.append(part)
        text = "".join(parts)
        try:
            text.encode()
        except UnicodeEncodeError as error:  # no tokenizer takes a lone surrogate
            raise ValueError(f"it writes half a character, {text[error.start]!a}") from error
        return text


def _stuck(error: BaseException, limits: Limits) -> StuckError:
    if isinstance(error, Late):
        return StuckError.because(too_late(limits))
    return StuckError.because(too_large(limits) if isinstance(error, MemoryError) else "calls itself endlessly")


def _said(error: Exception) -> str:
    return safe_line(redact(str(error) or type(error).__name__), 200)


# ------------------------------------------------------------------------------------------------------- the tokenizer


def _build(
    model: str,
    data: bytes,
    config: Mapping[str, Any],
    source: str | None,
    limits: Limits,
    guard: Callable[[], AbstractContextManager[None]],
) -> PairTokenizer:
    from tokenizers import AddedToken, Tokenizer

    try:
        tokenizer = Tokenizer.from_buffer(data)
    except Exception as error:  # tokenizers raises this very class
        raise InputError(f"The {TOKENIZER} of this model cannot be used: {model}", _said(error)) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    split = config.get("split_special_tokens") is True
    tokenizer.encode_special_tokens = split

    named = {key: content for key in NAMED_TOKENS if (content := _content(config.get(key))) is not None}
    for key, value in config.items():
        if key.endswith("_token") and key not in named and (content := _content(value)) is not None:
            named[key] = content  # a name of the model's own
    extra = config.get("extra_special_tokens") or config.get("additional_special_tokens") or []
    if isinstance(extra, dict):
        named |= {key: content for key, value in extra.items() if (content := _content(value)) is not None}
        extra = []
    if "pad_token" not in named and "eos_token" in named:
        named["pad_token"] = named["eos_token"]  # DPOTrainer sees to it

    # What the configuration adds to tokenizer.json, in the order of transformers.
    decoder = config.get("added_tokens_decoder")
    listed = {int(key): value for key, value in decoder.items()} if isinstance(decoder, dict) else {}
    tokens = [AddedToken(**_plain(token)) for _, token in sorted(listed.items()) if isinstance(token, dict)]
    known = {token.content for token in tokenizer.get_added_tokens_decoder().values()} | {
        token.content for token in tokens
    }
    for content in (*named.values(), *(_content(value) for value in extra if isinstance(extra, list))):
        if content is not None and content not in known:
            known.add(content)
            tokens.append(AddedToken(content, special=True))
    tokenizer.add_tokens(tokens)

    settings = json.dumps([named, split, [str(token.content) for token in tokens]], sort_keys=True).encode()
    digest = hashlib.sha256()
    for part in (RULES, data, b"" if source is None else source.encode(), settings):
        digest.update(len(part).to_bytes(8, "big") + part)
    return PairTokenizer(
        digest.hexdigest()[:16],
        model,
        tokenizer,
        None if source is None else _ChatTemplate(source, model, limits, guard),
        named,
        frozenset(tokenizer.get_added_tokens_decoder()),
    )


def _content(value: Any) -> str | None:
    """A special token, written as text or as an object with its `content`."""
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else None


def _plain(token: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: token[name]
        for name in ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
        if name in token
    }


def cut_of(values: Mapping[str, Any]) -> tuple[int | None, bool]:
    """Where a recipe cuts: `max_length` (None: nowhere), and whether the end is what is kept."""
    limit = typed(snapshot().keys["max_length"], get(values, "max_length"))
    is_limit = isinstance(limit, int) and not isinstance(limit, bool) and limit > 0
    return limit if is_limit else None, get(values, "truncation_mode") == "keep_end"


@dataclass(frozen=True, slots=True)
class _Texts:
    """What is tokenized of a pair."""

    prompt: str
    chosen: str
    """Prompt and chosen answer in one text."""
    rejected: str
    special: bool
    """The tokenizer puts its own marks around each text: it does so around plain text, not around a conversation."""


@dataclass(frozen=True, slots=True)
class PairTokenizer:
    """Counts and shows pairs. Made by `read_tokenizer`."""

    key: str
    """16 hexadecimal digits over everything the counts depend on but the pairs: for names of files that hold them."""
    model: str
    """As the recipe names it, safe to show."""
    _tokenizer: Tokenizer
    _template: _ChatTemplate | None
    _named: Mapping[str, str]
    _added: frozenset[int]
    max_length: int | None = None
    """Of the recipe; `view` cuts there, counts do not."""
    keeps_end: bool = False
    """`truncation_mode: keep_end` of the recipe."""

    @property
    def has_template(self) -> bool:
        return self._template is not None

    def limited(self, values: Mapping[str, Any]) -> PairTokenizer:
        """The same tokenizer under the `max_length` and `truncation_mode` of another recipe; costs nothing."""
        max_length, keeps_end = cut_of(values)
        return replace(self, max_length=max_length, keeps_end=keeps_end)

    def count(self, pair: Pair, thinking: bool | None = None, row_settings: Mapping[str, Any] | None = None) -> Counts:
        """Tokens of one readable pair.

        `thinking` False: the set is one that is converted for training, so its pairs are conversations with thinking
        turned off (`scripts/dpo.py`). True: the set is in TRL's own form. None: as the pair's own `schema` says.
        `row_settings`: the row's own column `chat_template_kwargs`, which TRL hands to the template of such rows.

        Raises:
            PairsError: the pair cannot be read.
            InputError: the template refuses it.
        """
        texts = self._texts(pair, thinking, row_settings)
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
        row_settings: Sequence[Mapping[str, Any] | None] | None = None,
        *,
        patience: Patience | None = None,
        rendered: Callable[[int | None], object] = lambda row: None,
    ) -> list[Counts | None]:
        """`count` of each pair; None for one that cannot be read or that the template refuses.

        `rendered` hears how many pairs of a batch are rendered, and None before their texts are tokenized.

        Raises:
            InputError: there is no chat template, and the pairs are conversations.
            StuckError: the template was stuck on more pairs than `patience` has.
        """
        counts: list[Counts | None] = [None] * len(pairs)
        for begin in range(0, len(pairs), BATCH_PAIRS):
            waiting: dict[bool, list[tuple[int, _Texts]]] = {True: [], False: []}
            for place in range(begin, min(begin + BATCH_PAIRS, len(pairs))):
                pair = pairs[place]
                if pair is None or not pair.readable:
                    continue
                rendered(place)
                try:
                    texts = self._texts(pair, thinking, row_settings[place] if row_settings else None)
                except InputError as error:
                    if self._template is None:
                        raise
                    if patience is not None:
                        patience.spend(error)
                    continue
                if patience is not None:
                    patience.regain()
                waiting[texts.special].append((place, texts))
            rendered(None)
            for special, batch in waiting.items():
                lines = [line for _, texts in batch for line in (texts.prompt, texts.chosen, texts.rejected)]
                found = self._tokenizer.encode_batch_fast(lines, add_special_tokens=special) if lines else []
                for number, (place, _) in enumerate(batch):
                    counts[place] = _counted(*(found[3 * number + side].ids for side in range(3)))
        return counts

    def view(
        self, pair: Pair, thinking: bool | None = None, row_settings: Mapping[str, Any] | None = None
    ) -> TrainerView:
        """What the trainer sees of one readable pair; the arguments and errors are those of `count`."""
        texts, prompt, sides, shared = self._encoded(pair, thinking, row_settings)
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
        """Tokens of one readable pair, and the answers that `max_length` cuts: side → characters kept of its text.

        Quicker than `view`, which lays out every token. Raises as `count`.
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

    def _encoded(
        self, pair: Pair, thinking: bool | None = None, row_settings: Mapping[str, Any] | None = None
    ) -> tuple[_Texts, Encoding, dict[str, Encoding], int]:
        """The texts of a pair, the tokens of its prompt and of its sides, and how many of the prompt are in both."""
        texts = self._texts(pair, thinking, row_settings)
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
        """The text with the marks the tokenizer put around it, its tokens, and the characters put before it."""
        tokens: list[Token] = []
        shift = before = 0
        for number, (token, (begin, end), mark) in enumerate(
            zip(encoding.ids, encoding.offsets, encoding.special_tokens_mask, strict=True)
        ):
            if mark and begin == end:  # put there by the post-processor: it stands in no text
                word = encoding.tokens[number]
                at = tokens[-1].end if tokens else 0
                before += len(word) if at == before else 0
                text, shift = f"{text[:at]}{word}{text[at:]}", shift + len(word)
                tokens.append(Token(at, at + len(word), True))
            else:
                tokens.append(Token(begin + shift, end + shift, token in self._added))
        return text, tokens, before

    # -- texts

    def _texts(self, pair: Pair, thinking: bool | None, row_settings: Mapping[str, Any] | None) -> _Texts:
        if not pair.readable:
            raise PairsError(pair.problem or "The row is not a pair.", "Only pairs have tokens.")
        if not pair.prompt:
            raise PairsError(pair.problem or "The pair has no prompt.", "Only pairs with a prompt can be rendered.")
        if pair.schema == "standard" and thinking is not False:
            return self._plain_texts(pair)
        if self._template is None:
            raise no_template(self.model)
        if thinking is False or (thinking is None and pair.schema != "conversational"):
            settings: Mapping[str, Any] = {"enable_thinking": False}
        else:
            settings = row_settings or {}
        prompt = _messages(pair.prompt)
        variables = {"add_generation_prompt": False, **self._named, **settings}
        alone, chosen, rejected = self._template.render(
            (prompt, {**variables, "add_generation_prompt": True}),
            (prompt + _messages(pair.chosen), variables),
            (prompt + _messages(pair.rejected), variables),
        )
        return _Texts(alone, chosen, rejected, special=False)

    def _plain_texts(self, pair: Pair) -> _Texts:
        """As `DPOTrainer._prepare_dataset` treats rows of three texts: an end mark is added where there is none."""
        end = self._named.get("eos_token")
        if end is None:
            raise InputError(
                f"The tokenizer has no end token (eos_token), which training on plain text needs: {self.model}",
                "Set eos_token in its tokenizer_config.json.",
            )
        # The row's own prompt is the last turn; other columns that a conversation would begin with stay unused.
        prompt, chosen, rejected = (_sound(getattr(pair, part)[-1].content) for part in ("prompt", *SIDES))
        chosen, rejected = (text if text.endswith(end) else text + end for text in (chosen, rejected))
        return _Texts(prompt, prompt + chosen, prompt + rejected, special=True)


@dataclass(slots=True)
class Patience:
    """How often a template may be stuck while a whole set is counted."""

    in_row: int = 3
    """Pairs one after the other."""
    pairs: int = 10
    """Of the whole set."""
    spent: int = 0
    last: int = 0

    def spend(self, error: InputError) -> None:
        """One more pair was refused. Raises StuckError with the words of `error` when it is too much."""
        if not isinstance(error, StuckError):
            self.last = 0
            return
        self.spent, self.last = self.spent + 1, self.last + 1
        if self.last >= self.in_row or self.spent >= self.pairs:
            raise error

    def regain(self) -> None:
        """A pair was rendered."""
        self.last = 0


def _counted(prompt: list[int], chosen: list[int], rejected: list[int]) -> Counts:
    shared = prompt_length(prompt, chosen, rejected)
    return shared, len(chosen) - shared, len(rejected) - shared


def _messages(turns: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": _sound(turn.content)} for turn in turns]


def _sound(text: str) -> str:
    """`text` with lone surrogates as U+FFFD: no tokenizer takes them, and no file of pairs can hold them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _common(left: str, right: str) -> int:
    """Characters both begin with."""
    if right.startswith(left):
        return len(left)
    pairs = enumerate(zip(left, right, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(left), len(right)))
