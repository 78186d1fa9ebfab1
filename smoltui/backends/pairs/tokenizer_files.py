"""Loads a tokenizer from the files of a model, without transformers: vocabulary, special tokens, chat template."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from smoltui.backends.pairs.chat_template import ChatTemplate, Guarding, error_words
from smoltui.backends.pairs.template_limits import Limits
from smoltui.backends.pairs.tokenizer import PairTokenizer
from smoltui.errors import InputError

if TYPE_CHECKING:
    from tokenizers import AddedToken, Tokenizer

TOKENIZER, CONFIG, TEMPLATE, SPECIALS = (
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "special_tokens_map.json",
)
NAMED_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
"""transformers 5.23 `SPECIAL_TOKENS_ATTRIBUTES`: passed to a template under these names."""
RULES = b"trl 1.16"
"""Part of every key: token counts made by other rules are not used."""
MOST_BYTES = {TOKENIZER: 512 << 20, CONFIG: 16 << 20, TEMPLATE: 4 << 20, SPECIALS: 16 << 20}
"""A larger file is not read. A tokenizer.json of 262 144 words has some 35 MB."""

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The files of a model's tokenizer (found by `model_files.py`); None if the model does not have one."""

    model: str
    """As in the recipe, safe to show."""
    tokenizer: Path
    config: Path | None = None
    template: Path | None = None
    specials: Path | None = None


def read_tokenizer(files: ModelFiles, *, limits: Limits | None = None, guard: Guarding = nullcontext) -> PairTokenizer:
    """The tokenizer in these files.

    Loading compiles the chat template, and counting renders it: a program of strangers. Only `template_child.py` calls
    this, a process of its own whose `guard` enforces the `limits`; everyone else asks `token_service.py`.

    Raises:
        InputError: a file cannot be read or used.
        StuckError: the template takes too much time or memory.
    """
    model = files.model
    data = _read(files.tokenizer, TOKENIZER)
    config = _object(files.config, CONFIG, model)
    if "added_tokens_decoder" not in config:  # older models keep their special tokens in a file of their own
        config = {**config, **_object(files.specials, SPECIALS, model)}
    source = _template_source(files.template, config)
    tokenizer = _tokenizer_of(data, model)
    split = config.get("split_special_tokens") is True
    tokenizer.encode_special_tokens = split
    named, unnamed = _special_tokens(config)
    added = _tokens_to_add(tokenizer, config, (*named.values(), *unnamed))
    tokenizer.add_tokens(added)
    return PairTokenizer(
        _key(data, source, [named, split, [str(token.content) for token in added]]),
        model,
        tokenizer,
        None if source is None else ChatTemplate(source, model, limits or Limits(), guard),
        named,
        frozenset(tokenizer.get_added_tokens_decoder()),
    )


# ------------------------------------------------------------------------------------------------------------ the files


def _read(path: Path, name: str) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES[name]:
            raise InputError(f"The model's {name} is larger than {MOST_BYTES[name] >> 20} MiB: {path}")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"The model's {name} cannot be read ({error.strerror}): {path}") from error


def _object(path: Path | None, name: str, model: str) -> dict[str, object]:
    """A JSON object; an empty one if there is no file."""
    if path is None:
        return {}
    try:
        value = json.loads(_read(path, name))
    except (ValueError, RecursionError) as error:
        raise InputError(f"The {name} of this model is not JSON: {model}") from error
    if not isinstance(value, dict):
        raise InputError(f"The {name} of this model is not an object: {model}")
    return value


def template_text(template: Path | None, config: Path | None, model: str) -> str | None:
    """The chat template in these files, which is not compiled; None without one. Raises InputError: unreadable."""
    return _template_source(template, _object(config, CONFIG, model))


def _template_source(path: Path | None, config: Mapping[str, object]) -> str | None:
    """The chat template in its own file, or else in tokenizer_config.json; of several named ones, the default."""
    if path is not None:
        return _read(path, TEMPLATE).decode("utf-8", "replace")
    found = config.get("chat_template")
    if isinstance(found, list):
        found = {part.get("name"): part.get("template") for part in found if isinstance(part, dict)}
    if isinstance(found, dict):
        found = found.get("default")
    return found if isinstance(found, str) else None


# ------------------------------------------------------------------------------------------------------- the tokenizer


def _tokenizer_of(data: bytes, model: str) -> Tokenizer:
    """The content of a tokenizer.json, without padding and truncation."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_buffer(data)
    except Exception as error:  # tokenizers raises this very class
        raise InputError(f"The {TOKENIZER} of this model cannot be used: {model}", error_words(error)) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _special_tokens(config: Mapping[str, object]) -> tuple[dict[str, str], list[str]]:
    """Name → special token, and the special tokens without a name."""
    named = _contents({key: config.get(key) for key in NAMED_TOKENS})
    named |= _contents({key: value for key, value in config.items() if key.endswith("_token") and key not in named})
    unnamed: list[str] = []
    extra = config.get("extra_special_tokens") or config.get("additional_special_tokens")
    if isinstance(extra, dict):
        named |= _contents(extra)
    elif isinstance(extra, list):
        unnamed = list(_contents(dict(enumerate(extra))).values())
    if "pad_token" not in named and "eos_token" in named:
        named["pad_token"] = named["eos_token"]  # as DPOTrainer does
    return named, unnamed


def _contents(tokens: Mapping[K, object]) -> dict[K, str]:
    """The special tokens among some values, each written as text or as an object with its `content`."""
    texts = {key: value.get("content") if isinstance(value, dict) else value for key, value in tokens.items()}
    return {key: text for key, text in texts.items() if isinstance(text, str)}


def _tokens_to_add(tokenizer: Tokenizer, config: Mapping[str, object], specials: Sequence[str]) -> list[AddedToken]:
    """What the configuration adds to tokenizer.json, in the order of transformers."""
    from tokenizers import AddedToken

    decoder = config.get("added_tokens_decoder")
    listed = {int(key): value for key, value in decoder.items()} if isinstance(decoder, dict) else {}
    tokens = [AddedToken(**_token_options(token)) for _, token in sorted(listed.items()) if isinstance(token, dict)]
    known = {token.content for token in (*tokenizer.get_added_tokens_decoder().values(), *tokens)}
    new = [content for content in dict.fromkeys(specials) if content not in known]
    return [*tokens, *(AddedToken(content, special=True) for content in new)]


def _token_options(token: Mapping[str, Any]) -> dict[str, Any]:
    names = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
    return {name: token[name] for name in names if name in token}


def _key(data: bytes, template: str | None, settings: object) -> str:
    """16 hexadecimal digits over everything that token counts depend on."""
    digest = hashlib.sha256()
    for part in (
        RULES,
        data,
        b"" if template is None else template.encode(),
        json.dumps(settings, sort_keys=True).encode(),
    ):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]
