"""Log-probabilities under a reference model, kept for the next evaluation of the same pairs.

They depend on the weights, the tokens of the pairs and how these are scored, so all of it is in the key: tokens differ
with the tokenizer, the chat template, the date that it writes, `max_length`, and every argument of a row.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from smoltui.scripts.pair_scores import Ready, Score, Scoring

FORMAT = 1
MOST_FILES = 64
MOST_BYTES = 64 << 20
"""Of all kept values together; the least recently used are deleted first. A pair takes 50 bytes."""
MODEL_SUFFIXES = (".safetensors", ".bin", ".json", ".py")
"""Of the files in a model's folder that its log-probabilities can depend on."""


class Kept(NamedTuple):
    """Values that were read."""

    at: float
    """When they were computed, seconds since the epoch."""
    values: list[tuple[int, float, float]]
    """Number, chosen and rejected, as in `pair_scores.Score`."""


def identity(path: str, revision: str | None) -> list[Any] | None:
    """What tells apart two states of a model: the commit on the Hub, or size and times of the files in a folder.

    None if unknown: then nothing is kept and nothing reused.
    """
    folder = Path(path)
    if not folder.is_dir():
        return _commit(path, revision)
    files = sorted(file for file in folder.iterdir() if file.suffix in MODEL_SUFFIXES and file.is_file())
    states = [(file.name, file.stat()) for file in files]
    # The time of the last change of a file's state cannot be set: a copy that keeps all other times has another one.
    return [[name, state.st_size, state.st_mtime_ns, state.st_ctime_ns] for name, state in states] or None


def _commit(path: str, revision: str | None) -> list[Any] | None:
    from transformers.utils import cached_file

    try:
        found = cached_file(path, "config.json", revision=revision)
    except OSError:  # loading the model says why
        return None
    snapshot = Path(found).parent
    return [path, snapshot.name] if snapshot.parent.name == "snapshots" else None


def key_of(model: list[Any] | None, device: str, pairs: Sequence[Ready], how: Scoring) -> str | None:
    """Name of the values of `pairs` under this model (`identity`); None if the model's identity is unknown.

    `device` names the hardware and the type of the weights, which change the rounding, as the batch size does.
    """
    if model is None:
        return None
    versions = [metadata.version(name) for name in ("torch", "transformers")]
    digest = hashlib.sha256(json.dumps([FORMAT, model, device, versions, asdict(how)]).encode())
    for pair in pairs:
        digest.update(json.dumps(pair).encode())
    return digest.hexdigest()[:32]


def read(folder: Path, key: str, pairs: Sequence[Ready]) -> Kept | None:
    """The values of this key; None without a readable file that has a value for each of `pairs`."""
    path = folder / f"{key}.json"
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        data = json.loads(path.read_text(encoding="utf-8"))
        kept = Kept(
            float(data["at"]), [(int(at), float(chosen), float(rejected)) for at, chosen, rejected in data["values"]]
        )
        if sorted(value[0] for value in kept.values) == [pair.number for pair in pairs]:
            os.utime(path)  # used now
            return kept
    return None


def write(folder: Path, key: str, values: Sequence[Score]) -> None:
    """Keeps values, and deletes the oldest beyond the limits. A full disk or the like is only printed."""
    beside = folder / f".{key}.{os.getpid()}"
    listed = [[score.number, *(_exact(value) for value in score[1:])] for score in values]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"v": FORMAT, "at": time.time(), "values": listed}, file, allow_nan=False)
        beside.replace(folder / f"{key}.json")
        _prune(folder)
    except OSError as error:
        print(f"The reference values are not kept: {error}")
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _exact(value: float) -> float | str:
    """A number that JSON can hold; NaN and infinities as text, which `float` reads."""
    return value if abs(value) < float("inf") else str(value)


def _prune(folder: Path) -> None:
    states = [(path.stat(), path) for path in folder.iterdir() if path.suffix == ".json" or path.name.startswith(".")]
    total = 0
    for count, (state, path) in enumerate(sorted(states, key=lambda entry: -entry[0].st_mtime_ns), 1):
        total += state.st_size
        if count > MOST_FILES or total > MOST_BYTES:
            path.unlink(missing_ok=True)
