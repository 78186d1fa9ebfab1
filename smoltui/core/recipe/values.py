"""Values of a recipe: typed text → value, value → shown text, and whether TRL can use it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from smoltui.core.recipe.fields import BY_KEY, RANGES, Field
from smoltui.core.recipe.keys import Key, snapshot

FILE_KINDS = {
    **dict.fromkeys((".json", ".jsonl", ".ndjson", ".zip"), "json"),
    **dict.fromkeys((".csv", ".tsv"), "csv"),
    ".parquet": "parquet",
    **dict.fromkeys((".arrow", ".feather"), "arrow"),
}
"""File extension → name of the `datasets` reader. What this one cannot read is exported before a training."""
_PACKED = (".gz", ".zst", ".xz", ".bz2")
"""Further extensions of compressed files."""

NULL = "null"
"""What is typed for no value at all, where TRL takes that."""
FROM_FILES = ("deepspeed", "fsdp_config", "accelerator_config")
"""Mappings that may be in a JSON file of their own."""
_TRUE = ("true", "yes", "on", "1", "y", "t")
_FALSE = ("false", "no", "off", "0", "n", "f")


def parse(field: Field, text: str) -> Any:
    """The value of `field` for typed `text`.

    Raises:
        ValueError: with a message for the person; called at every key press, so it is short and never crashes.
    """
    text = text.strip()
    if text == NULL and field.optional:
        return None
    value = _PARSERS.get(field.kind, _text)(field, text)
    if said := problem(field, value):
        raise ValueError(said)
    if field.key == "hub_model_id":
        _check_repository(str(value))
    return value


def _flag(field: Field, text: str) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise ValueError("write true or false")
    return text.lower() in _TRUE


def _steps(field: Field, text: str) -> float:
    """A whole number of steps, or a share of all steps, which has a point or an exponent."""
    number = _number(text)
    is_whole = math.isfinite(number) and number == int(number) and "." not in text and "e" not in text.lower()
    return int(number) if is_whole else number


def _choice(field: Field, text: str) -> str:
    if text not in field.choices:
        begins = [word for word in field.choices if text and word.startswith(text)]
        raise ValueError(f"write one of {', '.join(begins or field.choices)}")
    return text


def _list(field: Field, text: str) -> str | list[str]:
    words = [word for word in re.split(r"[,\s]+", text.strip("[]")) if word]
    if not words:
        raise ValueError("write at least one word")
    return words[0] if len(words) == 1 else words


def _text(field: Field, text: str) -> str:
    if not text:
        raise ValueError("write something")
    return text


def _words(field: Field, text: str) -> list[str]:
    found = _list(field, text)
    return [found] if isinstance(found, str) else found


def _numbers(field: Field, text: str) -> list[float]:
    return [_number(word) for word in _words(field, text)]


def _mapping(field: Field, text: str) -> object:
    """A JSON object, or a path where TRL reads one from a file."""
    if not text.startswith("{"):
        if field.key not in FROM_FILES:
            raise ValueError('write a JSON object, such as {"name": 1}')
        return _text(field, text)
    try:
        return json.loads(text)
    except ValueError:
        raise ValueError('not a JSON object yet, such as {"name": 1}') from None


def _mixed(field: Field, text: str) -> object:
    """A boolean or whole number where TRL takes one, otherwise text."""
    types = snapshot().keys[field.key].types
    if "bool" in types and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if "int" in types and re.fullmatch(r"[-+]?\d{1,15}", text):
        return int(text)
    return _text(field, text)


_PARSERS: Mapping[str, Callable[[Field, str], object]] = {
    "bool": _flag,
    "int": lambda field, text: _whole(text),
    "float": lambda field, text: _number(text),
    "steps": _steps,
    "choice": _choice,
    "list": _list,
    "words": _words,
    "numbers": _numbers,
    "mapping": _mapping,
    "mixed": _mixed,
    "datasets": lambda field, text: parse_datasets(text),
}
"""Kind of a field → how typed text is read; `_text` for other kinds. Each raises ValueError as `parse` does."""


def _check_repository(name: str) -> None:
    if is_placeholder(name):
        raise ValueError("write your own user name before the slash")
    if not REPOSITORY.fullmatch(name):
        raise ValueError("write owner/name, in letters, digits, and - _ .")


REPOSITORY = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/)?[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}")
"""Valid repository names on the Hub (huggingface_hub `validate_repo_id`)."""


def is_placeholder(name: str) -> bool:
    """Whether a repository name is still a placeholder, as in the course and our presets."""
    owner = name.split("/")[0].lower()
    return "<" in name or ">" in name or owner in ("you", "your-username", "username", "your-name", "your_name")


def show(field: Field, value: object) -> str:
    """A value as it would be typed; `parse` reads it back. None is an empty text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if field.kind == "datasets" and isinstance(value, list):
        return show_datasets(value)
    if isinstance(value, float):
        return show_number(value)
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, list) and not any(isinstance(item, Mapping) for item in value):
        return ", ".join(show_number(item) if isinstance(item, float) else str(item) for item in value)
    return str(value)


def unit_of(field: Field, value: object) -> str:
    """The unit after this value: `1 epoch`, `0.1 of all steps`, `-1 (determined by the epochs)`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return field.unit
    if field.key == "max_steps" and value < 0:
        return "(determined by the epochs)"
    if field.kind == "steps" and 0 < value < 1:
        return "of all steps"
    return _ONE.get(field.unit, field.unit) if value == 1 else field.unit


_ONE = {
    "tokens": "token",
    "steps": "step",
    "epochs": "epoch",
    "pairs": "pair",
    "batches": "batch",
    "checkpoints": "checkpoint",
}
"""Units of `core.recipe.fields` in the singular."""


def show_number(value: float) -> str:
    """Short and exact: 5e-7, 0.1, 100."""
    text = repr(value)
    if "e" in text:
        mantissa, exponent = text.split("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    if 0 < abs(value) < 1e-3:
        mantissa, exponent = f"{value:.16e}".split("e")
        short = f"{float(mantissa):g}e{int(exponent)}"
        return short if float(short) == value else text
    return text.removesuffix(".0")


MOST = 2.0**53
"""Limit for numbers: up to here, floats represent whole numbers exactly."""


def problem(field: Field, value: object) -> str:
    """Why a value of the right type is out of range, as the end of a sentence; empty if it is not."""
    if said := _not_usable(field, value) or _not_a_choice(field, value):
        return said
    if not isinstance(value, int | float) or isinstance(value, bool) or value in field.extra:
        return ""
    return _out_of_range(field, value)


def _not_usable(field: Field, value: object) -> str:
    """What is wrong with a value for reasons that only its key has."""
    if field.key == "beta" and isinstance(value, int | float) and value <= 0:
        return (
            "beta 0 keeps the loss at ln 2 forever: write a value above 0"
            if value == 0
            else "a negative beta trains towards the rejected answers: write a value above 0"
        )
    if field.key == "max_steps" and value == 0:
        return "0 still trains one step: write -1 to use epochs, or at least 1"
    return ""


def _not_a_choice(field: Field, value: object) -> str:
    if field.kind == "list" and field.choices:
        words = value if isinstance(value, list) else [value]
        if unknown := [str(word) for word in words if word not in field.choices]:
            return f"unknown loss: {', '.join(unknown)}; write some of {', '.join(field.choices)}"
    if field.kind == "choice" and value not in field.choices:
        return f"write one of {', '.join(field.choices)}, not {value}"
    return ""


def _out_of_range(field: Field, value: float) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "write a finite number"
    if abs(value) >= MOST:
        return "write a smaller number"
    if field.kind == "steps" and value > 1 and value != int(value):
        return "values above 1 are a number of steps: write a whole number"
    low = field.low is not None and (value <= field.low if field.above else value < field.low)
    high = field.high is not None and (value >= field.high if field.below else value > field.high)
    return f"write {field.range_text}, not {show_number(float(value))}" if low or high else ""


def wrong_type(key: Key, value: object) -> str:
    """Why TRL cannot use a value of this type, as the end of a sentence; empty if it can.

    TRL's parser converts only text: text for a number is fine, 2.5 for a whole number passes and fails
    after the model is loaded.
    """
    types = key.types
    if value is None:
        return "" if "none" in types else "no value: write one or delete the line"
    if isinstance(value, bool):
        if key.name == "resume_from_checkpoint" and value:
            return ""  # the trainer takes true for the newest checkpoint
        return "" if "bool" in types else f"write {_expected(key)}, not {str(value).lower()}"
    if isinstance(value, str):
        return _wrong_text(key, value)
    if isinstance(value, int):
        return "" if {"int", "float"} & set(types) else f"write {_expected(key)}, not {value}"
    if isinstance(value, float):
        return "" if "float" in types else f"write {_expected(key)}, not {show_number(value)}"
    kind = "dict" if isinstance(value, Mapping) else "list"
    if any(name.startswith(kind) for name in types):
        return ""
    return f"write {_expected(key)}, not a {'mapping' if kind == 'dict' else 'list'}"


def _wrong_text(key: Key, text: str) -> str:
    if {"str", "dict"} & set(key.types) or any(name.startswith("list[str") for name in key.types):
        return ""
    try:
        if "bool" in key.types and text.lower() in _TRUE + _FALSE:
            return ""
        if "int" in key.types:
            int(text)
            return ""
        if "float" in key.types:
            float(text)
            return ""
    except ValueError:
        pass
    return f"write {_expected(key)}, not {text!r}"


_NAMES = {
    "str": "a word",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "dict": "a mapping",
    "list[str]": "a list of words",
    "list[float]": "a list of numbers",
    "list[dict]": "a list of sources, each with a path",
}


def _expected(key: Key) -> str:
    names = [_NAMES.get(name, name) for name in key.types if name != "none"]
    return " or ".join(names)


def typed(key: Key, value: Any) -> Any:
    """`value` as TRL's parser converts it: text for a number becomes the number."""
    if isinstance(value, str) and not _wrong_text(key, value):
        if "int" in key.types and "str" not in key.types:
            return int(value)
        if "float" in key.types:
            return float(value)
        if "bool" in key.types and "str" not in key.types:
            return value.lower() in _TRUE
    return value


def field_of(key: str) -> Field | None:
    """The field with the range of a key, whether in the form or not."""
    return BY_KEY.get(key) or RANGES.get(key)


def parse_datasets(text: str) -> list[dict[str, Any]]:
    """Sources as typed: `Anthropic/hh-rlhf train[:1000] + pairs.jsonl`; the split defaults to `train`."""
    sources: list[dict[str, Any]] = []
    for part in re.split(r"\s\+\s", text):
        words = part.split()
        if not words or len(words) > 2:
            raise ValueError("write a Hub id or a file, then the split, such as train[:1000]")
        path, split = words[0], words[1] if len(words) == 2 else "train"
        if kind := file_kind(path):
            sources.append({"path": kind, "data_files": path, "split": split})
        else:
            sources.append({"path": path, "split": split})
    return sources


def show_datasets(sources: list[Any]) -> str:
    """What `parse_datasets` reads back; other keys of a source are shown in braces."""
    shown = []
    for source in sources:
        if not isinstance(source, Mapping):
            shown.append(str(source))
            continue
        rest = {key: value for key, value in source.items() if key not in ("path", "split", "data_files")}
        files = source.get("data_files")
        path = (
            str(files) if isinstance(files, str) and source.get("path") in FILE_KINDS.values() else source.get("path")
        )
        if files is not None and path != files:
            rest["data_files"] = files
        text = f"{path} {source.get('split', 'train')}"
        if rest:
            text += " {" + ", ".join(f"{key}: {value}" for key, value in rest.items()) + "}"
        shown.append(text)
    return " + ".join(shown)


def file_kind(path: str) -> str | None:
    """The `datasets` reader for a file of this name; None if it is not a file of pairs."""
    name = path.lower()
    for packed in _PACKED:
        name = name.removesuffix(packed)
    return next((kind for suffix, kind in FILE_KINDS.items() if name.endswith(suffix)), None)


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("write a whole number") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("write a number, such as 5e-7 or 0.1") from None
