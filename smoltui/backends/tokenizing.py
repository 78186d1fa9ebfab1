"""The recipe's tokenizer and chat template without torch and transformers: tokens of a pair, and what the trainer sees.

Equal to what TRL 1.16 on transformers 5.23 makes of a pair; a test compares the two. Loading parses the whole
vocabulary and holds Python's interpreter lock meanwhile (0.7 s for 128 000 tokens and merges), counting a set takes a
processor (1 ms a pair): both belong into a child process. `view` of one pair takes a few milliseconds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoltui.backends.hub import setup
from smoltui.backends.hub_errors import endpoint, explain
from smoltui.backends.project import Project, exists
from smoltui.core.preference import Message, Pair
from smoltui.core.recipe import get, snapshot
from smoltui.core.recipe.values import typed
from smoltui.core.rendering import (
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
from smoltui.errors import (
    InputError,
    NotFoundOnHubError,
    PairsError,
    PermissionDeniedError,
    RecipeError,
    UnreachableError,
)
from smoltui.safe_text import redact, safe_line

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

TOKENIZER, CONFIG, TEMPLATE, SPECIALS = (
    "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json",
)  # fmt: skip
NAMED_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
"""transformers 5.23 `SPECIAL_TOKENS_ATTRIBUTES`: what a template is given by these names."""
RULES = b"trl 1.16"
"""Part of every key: counts made by other rules are made anew."""
BATCH_PAIRS = 256
"""Pairs tokenized in one call: some megabytes of text, a few tenths of a second."""
ANSWER_SECONDS = 10.0

Counts = tuple[int, int, int]
"""Tokens of prompt, chosen and rejected; the answers with their end mark, nothing cut off."""


def load_tokenizer(project: Project, values: Mapping[str, Any], *, template_needed: bool = True) -> PairTokenizer:
    """The tokenizer of the recipe `values`: of a model folder, or of a Hub id (the Hub's cache on this machine first).

    `template_needed` False: the pairs are plain text with a prompt of their own, which is trained without a template.

    Raises:
        RecipeError: the recipe names no model.
        InputError: there is no such model, it has no tokenizer.json or no chat template, or one that cannot be used.
        ServiceError: the model is gated, private or missing, or the Hub cannot be reached and its cache has nothing.
    """
    name = values.get("model_name_or_path")
    if not isinstance(name, str) or not name.strip():
        raise RecipeError("The recipe names no model, so tokens cannot be counted", "Set model_name_or_path.")
    shown = safe_line(name, 120)
    folder = project.resolve(name)
    fetch: Callable[[str], Path | None]
    if exists(folder):
        fetch = _in_folder(folder)
    else:
        revision = values.get("model_revision")
        fetch = _on_hub(name, revision if isinstance(revision, str) and revision else None)
    data = _read(fetch, TOKENIZER)
    if data is None:
        raise InputError(
            f"The model has no {TOKENIZER}, so its tokens cannot be counted here: {shown}",
            "Training can do without it. To make one, load the tokenizer with transformers and save it.",
        )
    config = _object(_read(fetch, CONFIG), CONFIG, shown)
    if "added_tokens_decoder" not in config:  # older models keep their special tokens in a file of their own
        config = {**config, **_object(_read(fetch, SPECIALS), SPECIALS, shown)}
    file = _read(fetch, TEMPLATE)
    source = file.decode("utf-8", "replace") if file is not None else _template_of(config)
    if source is None and template_needed:
        raise _no_template(shown)
    return _build(shown, data, config, source).limited(values)


# ------------------------------------------------------------------------------------------------------------ the files


def _in_folder(folder: Path) -> Callable[[str], Path | None]:
    if not folder.is_dir():
        raise InputError(f"The model must be a folder or a Hub id: {safe_line(str(folder), 200)}")
    return lambda name: path if (path := folder / name).is_file() else None


def _on_hub(repo: str, revision: str | None) -> Callable[[str], Path | None]:
    def fetch(name: str) -> Path | None:
        with _hub(repo, revision):
            from huggingface_hub import hf_hub_download, try_to_load_from_cache
            from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

            found = try_to_load_from_cache(repo, name, revision=revision)
            if isinstance(found, str):
                return Path(found)
            if found is not None:  # the Hub said that there is no such file
                return None
            try:
                return Path(hf_hub_download(repo, name, revision=revision, etag_timeout=ANSWER_SECONDS))
            except LocalEntryNotFoundError:
                if name != TOKENIZER and isinstance(try_to_load_from_cache(repo, TOKENIZER, revision=revision), str):
                    return None  # the tokenizer was fetched at some time, and this file was not beside it
                raise
            except EntryNotFoundError:
                return None

    return fetch


@contextmanager
def _hub(repo: str, revision: str | None) -> Iterator[None]:
    """Turns what the Hub's client raises while a tokenizer is fetched into our errors."""
    setup()
    from huggingface_hub import get_token
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    shown = safe_line(repo, 120)
    try:
        yield
    except GatedRepoError as error:
        raise PermissionDeniedError(
            f"This model is gated, and there is no access to it yet for the account of your token: {shown}",
            f"Ask for access at {endpoint()}/{shown}, and log in with: hf auth login",
        ) from error
    except RevisionNotFoundError as error:
        raise NotFoundOnHubError(
            f"The model has no such revision: {safe_line(revision or 'main', 80)}", "Mend model_revision."
        ) from error
    except HFValidationError as error:
        raise InputError(
            f"There is no such model folder, and it is not the id of a model on the Hub: {shown}",
            "Mend model_name_or_path; a Hub id looks like owner/name.",
        ) from error
    except LocalEntryNotFoundError as error:
        raise UnreachableError(
            f"The Hub cannot be reached, and the tokenizer of this model is not in its cache here: {shown}",
            "Try again when the network is back, or name a model folder of this machine.",
        ) from error
    except Exception as error:
        refused = isinstance(error, HfHubHTTPError) and error.response.status_code in (401, 404) and not get_token()
        if isinstance(error, RepositoryNotFoundError) or refused:
            raise NotFoundOnHubError(
                f"There is no such model here or on the Hub, or it is private: {shown}",
                "Mend model_name_or_path; for a private model log in with: hf auth login",
            ) from error
        if (ours := explain(error, f"read the tokenizer of {shown}")) is not None:
            raise ours from error
        if isinstance(error, OSError):
            said = safe_line(redact(error.strerror or str(error)), 120)
            raise InputError(f"The tokenizer could not be stored on this machine: {said}") from error
        raise


def _read(fetch: Callable[[str], Path | None], name: str) -> bytes | None:
    """A file of the model; None where it has none of this name."""
    path = fetch(name)
    try:
        return None if path is None else path.read_bytes()
    except OSError as error:
        raise InputError(f"The model's {name} cannot be read, {error.strerror}: {path}") from error


def _object(data: bytes | None, name: str, model: str) -> dict[str, Any]:
    """A JSON object; an empty one where there is no file."""
    if data is None:
        return {}
    try:
        value = json.loads(data)
    except ValueError as error:
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


def _no_template(model: str) -> InputError:
    return InputError(
        f"The model has no chat template, so conversations cannot be rendered for it: {model}",
        "Start from a model that was taught to chat, such as HuggingFaceTB/SmolLM3-3B.",
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
            raise SecurityError(f"a namespace cannot hold a name that begins with an underscore: {name}")

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

    def __init__(self, source: str, model: str) -> None:
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
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise InputError(f"The chat template of this model cannot be used: {model}", _said(error)) from error

    def render(self, messages: list[dict[str, str]], variables: Mapping[str, Any]) -> str:
        """The text of a conversation.

        Raises:
            InputError: the template refuses it, or fails on it; TRL would stop there.
        """
        try:
            return self._template.render(messages=messages, tools=None, documents=None, **variables)
        except Exception as error:  # a template is a program of strangers: it can fail in any way
            raise InputError(
                f"The model's chat template does not take this conversation: {_said(error)}",
                "Training would stop at it: leave the pair out.",
            ) from error


def _said(error: Exception) -> str:
    return safe_line(redact(str(error) or type(error).__name__), 200)


# ------------------------------------------------------------------------------------------------------- the tokenizer


def _build(model: str, data: bytes, config: Mapping[str, Any], source: str | None) -> PairTokenizer:
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
        None if source is None else _ChatTemplate(source, model),
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
    """Counts and shows pairs. Made by `load_tokenizer`; may be used from any thread."""

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

    def limited(self, values: Mapping[str, Any]) -> PairTokenizer:
        """The same tokenizer under the `max_length` and `truncation_mode` of another recipe; costs nothing."""
        limit = typed(snapshot().keys["max_length"], get(values, "max_length"))
        return replace(
            self,
            max_length=limit if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0 else None,
            keeps_end=get(values, "truncation_mode") == "keep_end",
        )

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
        pairs: Sequence[Pair],
        thinking: bool | None = None,
        row_settings: Sequence[Mapping[str, Any] | None] | None = None,
    ) -> list[Counts | None]:
        """`count` of each pair, all processors at work; None for one that cannot be read or that the template refuses.

        Raises:
            InputError: there is no chat template, and the pairs are conversations.
        """
        counts: list[Counts | None] = [None] * len(pairs)
        for begin in range(0, len(pairs), BATCH_PAIRS):
            waiting: dict[bool, list[tuple[int, _Texts]]] = {True: [], False: []}
            for place in range(begin, min(begin + BATCH_PAIRS, len(pairs))):
                if not pairs[place].readable:
                    continue
                try:
                    texts = self._texts(pairs[place], thinking, row_settings[place] if row_settings else None)
                except InputError:
                    if self._template is None:
                        raise
                    continue
                waiting[texts.special].append((place, texts))
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
            raise _no_template(self.model)
        if thinking is False or (thinking is None and pair.schema != "conversational"):
            settings: Mapping[str, Any] = {"enable_thinking": False}
        else:
            settings = row_settings or {}
        prompt = _messages(pair.prompt)
        variables = {"add_generation_prompt": False, **self._named, **settings}
        return _Texts(
            self._template.render(prompt, {**variables, "add_generation_prompt": True}),
            self._template.render(prompt + _messages(pair.chosen), variables),
            self._template.render(prompt + _messages(pair.rejected), variables),
            special=False,
        )

    def _plain_texts(self, pair: Pair) -> _Texts:
        """As `DPOTrainer._prepare_dataset` treats rows of three texts: an end mark is added where there is none."""
        end = self._named.get("eos_token")
        if end is None:
            raise InputError(
                f"The tokenizer names no end mark (eos_token), which plain text is trained with: {self.model}",
                "Set eos_token in its tokenizer_config.json.",
            )
        # The row's own prompt is the last turn; other columns that a conversation would begin with stay unused.
        prompt, chosen, rejected = (_sound(getattr(pair, part)[-1].content) for part in ("prompt", *SIDES))
        chosen, rejected = (text if text.endswith(end) else text + end for text in (chosen, rejected))
        return _Texts(prompt, prompt + chosen, prompt + rejected, special=True)


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
