"""Reads a command line: `trl dpo …`, or `python`, `accelerate launch` or `hf jobs uv run` with `dpo.py …`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from smoltui.core.importing.imported import Imported
from smoltui.core.recipe.keys import Key, snapshot
from smoltui.errors import InputError

JOB_SETTINGS: Mapping[str, str] = {
    "--flavor": "flavor",
    "--timeout": "timeout",
    "--namespace": "namespace",
}
"""Option of `hf jobs uv run` → key of `[jobs]`."""
JOB_FLAGS = ("-d", "--detach", "--expose")
"""Options of `hf jobs uv run` without a value."""
SCRIPT = re.compile(r"(?:^|/)[\w.-]+\.py$")
PINNED = re.compile(r"/(?:v\d[\w.]*|[0-9a-f]{40})/")
"""A tag or commit in the address of a script."""
NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")


def is_command(text: str) -> bool:
    """Whether a text is a command line rather than a script."""
    first = next((line for line in _lines(text) if line), "")
    words = first.split()
    return bool(words) and (words[0] in ("trl", "hf", "accelerate", "uv", "python", "python3", "torchrun"))


def _lines(text: str) -> list[str]:
    """The lines without comments; lines continued with a backslash are joined."""
    whole = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return [line.strip() for line in re.sub(r"\\[ \t]*\n", " ", whole).splitlines()]


def read_command(text: str) -> Imported:
    """The recipe and the settings of a Job that a command line amounts to.

    Raises:
        InputError: quotes are not closed, or it does not train with TRL.
    """
    try:
        words = shlex.split("\n".join(_lines(text)))
    except ValueError as error:
        raise InputError("A quote in this command is not closed", "Copy the whole command.") from error
    words = [word for word in words if word.strip()]
    found, start = Imported(), _start(words)
    if start is None:
        raise InputError("This command does not train with DPO", "Import trl dpo …, or a command with dpo.py.")
    if start == len(words):
        script = words[-1].rpartition("/")[2]
        raise InputError("This command has no settings: they are in the script", f"Import {script} instead.")
    _before(words[:start], found)
    _arguments(words[start:], found)
    found.finish()
    return found


def _start(words: list[str]) -> int | None:
    """Place of the first argument of the training script."""
    for at, word in enumerate(words):
        if word == "trl" and words[at + 1 : at + 2] == ["dpo"]:
            return at + 2
        if SCRIPT.search(word.partition("?")[0]) and at:
            return at + 1
    return None


def _before(words: list[str], found: Imported) -> None:
    """The part before the script's arguments: the launcher and its options."""
    script = words[-1]
    if script.startswith(("http://", "https://")) and not PINNED.search(script):
        found.note(0, "The script is the newest one of TRL, its packages are not", "smoltui runs its own script.")
    if words[:2] != ["hf", "jobs"]:
        return
    at = 2
    while at < len(words) - 1:
        name, _, value = words[at].partition("=")
        if name in JOB_SETTINGS:
            at += not value
            found.jobs[JOB_SETTINGS[name]] = value or words[at]
        elif name in ("--secrets", "-s", "--env", "-e", "--with", "--volume", "-v", "--label", "-l", "--python", "-p"):
            at += not value
            given = (value or words[at]).partition("=")[0]
            if given != "HF_TOKEN":
                found.note(0, f"{name} {given} of the Job", "Left out: see [jobs] in smoltui.toml.")
        elif name.startswith("-") and name not in JOB_FLAGS:
            found.note(0, f"{name} of the Job", "Left out.")
        at += 1


def _arguments(words: list[str], found: Imported) -> None:
    """`--key value …`, `--key=value`, and `--key` alone for true."""
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if not word.startswith("--"):
            found.note(0, f"{word} belongs to no option", "Left out.")
            continue
        name, given, value = word[2:].partition("=")
        key = name.replace("-", "_")
        values = [value] if given else []
        while not given and at < len(words) and not (words[at].startswith("-") and not NUMBER.fullmatch(words[at])):
            values.append(words[at])
            at += 1
        if key == "config":
            found.note(0, "The command reads a file", f"Import it, too: {' '.join(values)}")
        elif key not in snapshot().keys and key in snapshot().launch:
            found.note(0, f"{key} is an option of accelerate", "Left out: see local.processes and local.strategy.")
        else:
            found.put(key, _value(snapshot().keys.get(key), values), 0)


def _value(key: Key | None, words: list[str]) -> Any:
    """The words of an option as its key takes them; unchanged if they do not fit, which the checks report."""
    if not words:
        return True
    types = key.types if key is not None else ()
    if any(kind.startswith("list") for kind in types) and ("str" not in types or len(words) > 1):
        return [_scalar(word, ("str",)) for word in words]
    return _scalar(" ".join(words), types)


def _scalar(word: str, types: tuple[str, ...]) -> Any:
    if "bool" in types and word.lower() in ("true", "false", "yes", "no", "1", "0"):
        return word.lower() in ("true", "yes", "1")
    if NUMBER.fullmatch(word) and ("int" in types or "float" in types or not types):
        whole = (word.lstrip("+-").isdigit() and "int" in types) or (not types and word.isdigit())
        return int(word) if whole else float(word)
    return word
