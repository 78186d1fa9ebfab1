"""Prints the keys that `trl dpo --config` of the installed TRL accepts: `python recipe_keys.py > FILE`.

The output is stored in `core/recipe/keys.json`, so that a recipe is checked in milliseconds without TRL (building the
real configuration takes seconds); a test compares the two. `python recipe_keys.py --help-texts > FILE` prints what TRL
and transformers say about each key, which is stored in `core/recipe/help.json`.
"""

from __future__ import annotations

import builtins
import dataclasses
import enum
import importlib.metadata
import inspect
import json
import re
import sys
import types
import typing
from typing import Any


def snapshot() -> dict[str, Any]:
    """`versions`; `keys`: name → `type` (a list of names, None as "none"), `default`, `choices` where bounded, `of`
    (the class in TRL); `launch`: names of `accelerate launch` options, which `trl dpo` accepts in the same file."""
    from accelerate.commands.launch import launch_command_parser
    from trl import DatasetMixtureConfig, DPOConfig, ModelConfig, ScriptArguments

    keys: dict[str, Any] = {}
    for cls in (ScriptArguments, DPOConfig, ModelConfig, DatasetMixtureConfig):
        hints = typing.get_type_hints(cls)
        for field in dataclasses.fields(cls):
            kinds, choices = _kinds(hints[field.name])
            choices = list(field.metadata.get("choices") or choices)
            keys[field.name] = {
                "type": kinds,
                "default": _default(field),
                **({"choices": choices} if choices else {}),
                "of": cls.__name__,
            }
    ignored = {"help", "training_script", "training_script_args"}
    launch = {action.dest for action in launch_command_parser()._actions} | {"accelerate_config"}
    versions = {name: importlib.metadata.version(name) for name in ("trl", "transformers", "accelerate")}
    return {"versions": versions, "keys": keys, "launch": sorted(launch - ignored - set(keys))}


def _kinds(hint: object) -> tuple[list[str], list[str]]:
    """Names of the possible types of a value, and its choices if it is an enumeration."""
    match typing.get_origin(hint), typing.get_args(hint):
        case ((typing.Union | types.UnionType), parts):
            found = [_kinds(part) for part in parts]
            kinds = dict.fromkeys(kind for part, _ in found for kind in part)
            return list(kinds), [word for _, words in found for word in words]
        case typing.Literal, words:
            return sorted({type(word).__name__ for word in words}), []
        case builtins.list, (part, *_):
            return [f"list[{_kinds(part)[0][0]}]"], []
    if hint is types.NoneType:
        return ["none"], []
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return ["str"], [str(member.value) for member in hint]
    return [hint.__name__ if hint in (bool, int, float, str) else "dict"], []


def _default(field: dataclasses.Field[Any]) -> object:
    value = field.default if field.default is not dataclasses.MISSING else None
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    return value.value if isinstance(value, enum.Enum) else value


_SECTION = re.compile(r"\s+> ([A-Z][^.]*)$")
"""A heading between the parameters of a docstring."""
_PARAMETER = re.compile(r" {4}(\w+) ?\(")


def texts() -> dict[str, list[str]]:
    """Key → section of the documentation (empty without one), and help."""
    from transformers import TrainingArguments
    from trl import DatasetMixtureConfig, DPOConfig, ModelConfig, ScriptArguments

    found: dict[str, list[str]] = {}
    for cls in (ScriptArguments, DPOConfig, ModelConfig, DatasetMixtureConfig):
        sections = {**_sections(TrainingArguments), **_sections(cls)} if cls is DPOConfig else _sections(cls)
        for field in dataclasses.fields(cls):
            help_ = " ".join(str(field.metadata.get("help") or "").split())
            found[field.name] = [sections.get(field.name, ""), help_]
    return found


def _sections(cls: type) -> dict[str, str]:
    """Parameter → the heading above it in the docstring of the class."""
    found, section = {}, ""
    for line in (inspect.getdoc(cls) or "").splitlines():
        if heading := _SECTION.match(line):
            section = heading[1]
        elif parameter := _PARAMETER.match(line):
            found[parameter[1]] = section
    return found


if __name__ == "__main__" and "--help-texts" in sys.argv:
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in texts().items())
    sys.stdout.write(f"{{\n{lines}\n}}\n")
elif __name__ == "__main__":
    found = snapshot()
    lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(entry)}" for name, entry in found["keys"].items())
    sys.stdout.write(
        f'{{\n  "versions": {json.dumps(found["versions"])},\n  "launch": {json.dumps(found["launch"])},\n'
        f'  "keys": {{\n{lines}\n  }}\n}}\n'
    )
