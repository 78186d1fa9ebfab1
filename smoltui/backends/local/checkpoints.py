"""The checkpoints that a training left in its output folder, and which of them it can go on from.

Transformers writes a checkpoint in place, file by file, and `trainer_state.json` last (`Trainer._save_checkpoint`,
5.23), so a folder without that file is a half one: the process was killed, or the disk was full. A file that is cut off
(the machine lost its power) is found by its own frame, without reading the weights.
"""

from __future__ import annotations

import os
import re
import struct
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smoltui.backends.system.small_file import read_small
from smoltui.core.foreign import foreign_json

STATE_NAME = "trainer_state.json"
_NAME = re.compile(r"checkpoint-(\d{1,18})")
_STEP = re.compile(rb'^  "global_step": (\d{1,18}),?$', re.MULTILINE)
HEAD_BYTES, TAIL_BYTES = 1 << 14, 64
_SENTINEL = "checkpoint-is-incomplete.txt"
"""Transformers' own just-in-time checkpoint lies in this state until it is whole (`trainer_jit_checkpoint.py`)."""
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin", "adapter_model.bin", "pytorch_model_fsdp*", "global_step*")
_OPTIMIZER = ("optimizer.pt", "optimizer.bin", "optimizer_*", "global_step*")
MOST_STATE_BYTES = 64 << 20
"""Of trainer_state.json, which holds the metrics of every step that was logged, and of the header of safetensors."""
_ZIPPED = ("*.pt", "*.pth", "*.bin")
"""What torch.save writes is a zip archive, whose directory comes last."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One folder `checkpoint-N`."""

    path: Path
    step: int
    """Optimizer steps done: as its `trainer_state.json` says, or as its name does where that is not to be read."""
    written_at: float
    """When its last file was written, seconds since the epoch; 0 where it is not complete."""
    problem: str | None = None
    """Why a training cannot go on from it; None when it can."""

    @property
    def complete(self) -> bool:
        return self.problem is None

    def as_json(self) -> dict[str, Any]:
        return {"step": self.step, "path": str(self.path), "complete": self.complete, "problem": self.problem}


def find_checkpoints(output_dir: Path) -> list[Checkpoint]:
    """All checkpoints in a folder, by step; none where the folder is not there or may not be read."""
    try:
        found = [(int(match[1]), path) for path in output_dir.iterdir() if (match := _NAME.fullmatch(path.name))]
    except (OSError, ValueError):  # ValueError: a NUL in its name
        return []
    return [_examine(path, number) for number, path in sorted(found) if path.is_dir()]


def newest_complete(
    checkpoints: Collection[Checkpoint], *, since: float = 0.0, told: Collection[str] = ()
) -> Checkpoint | None:
    """The complete checkpoint with the highest step that belongs to one run; None when there is none.

    A folder may hold those of an earlier run too: a run's own were written after it was made (`since`, seconds since
    the epoch) or are named in its log (`told`, their paths; a file server's clock may be behind).
    """
    own = [one for one in checkpoints if one.complete and (one.written_at >= since or str(one.path) in told)]
    return max(own, key=lambda one: one.step, default=None)


def _examine(path: Path, number: int) -> Checkpoint:
    state = path / STATE_NAME
    try:
        written_at = state.stat().st_mtime
        data = _state(state)
    except FileNotFoundError:
        return Checkpoint(path, number, 0.0, f"{STATE_NAME} is missing, which is written last")
    except (OSError, ValueError, RecursionError):
        return Checkpoint(path, number, 0.0, f"{STATE_NAME} cannot be read")
    step = data.get("global_step") if isinstance(data, dict) else None
    if not isinstance(step, int) or isinstance(step, bool) or step < 0:
        return Checkpoint(path, number, 0.0, f"{STATE_NAME} names no step")
    problem = _problem(path)
    return Checkpoint(path, step, written_at if problem is None else 0.0, problem)


def _state(file: Path) -> Any:
    """What `trainer_state.json` holds, of a long one the step alone: its curve would take milliseconds to parse.

    Keys are sorted (`TrainerState.save_to_json`, 5.23), so the step stands before `log_history`, which makes it long.
    Raises OSError, ValueError.
    """
    if file.stat().st_size > HEAD_BYTES:
        with file.open("rb") as opened:
            found = _STEP.search(opened.read(HEAD_BYTES).partition(b'"log_history"')[0])
            opened.seek(-TAIL_BYTES, os.SEEK_END)
            if found is not None and opened.read().rstrip().endswith(b"}"):
                return {"global_step": int(found[1])}
    return foreign_json.decode(read_small(file, MOST_STATE_BYTES))


def _problem(path: Path) -> str | None:
    try:
        if (path / _SENTINEL).exists():
            return f"it was still being written ({_SENTINEL})"
        if not _any(path, _WEIGHTS):
            return "the weights are missing"
        if not _any(path, _OPTIMIZER):
            return "the optimizer's state is missing (save_only_model keeps the weights alone)"
        if not (path / "scheduler.pt").exists() and not _any(path, ("global_step*",)):
            return "the state of the learning rate (scheduler.pt) is missing"
        if not _any(path, ("rng_state*.pth",)):
            return "the random state (rng_state.pth) is missing"
        for file in path.glob("*.safetensors"):
            if not _whole_safetensors(file):
                return f"a file is cut off: {file.name}"
        for pattern in _ZIPPED:
            for file in path.glob(pattern):
                if file.is_file() and not zipfile.is_zipfile(file):
                    return f"a file is cut off: {file.name}"
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    return None


def _any(path: Path, patterns: Collection[str]) -> bool:
    return any(any(path.glob(pattern)) for pattern in patterns)


def _whole_safetensors(file: Path) -> bool:
    """Whether the file is as long as its header says (8 bytes of length, JSON, then the tensors)."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        start = opened.read(8)
        if len(start) < 8:
            return False
        (length,) = struct.unpack("<Q", start)
        if length > min(size - 8, MOST_STATE_BYTES):
            return False
        try:
            header = foreign_json.decode(opened.read(length))
            ends = [int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"]
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError, OverflowError):
            return False
    return size == 8 + int(length) + max(ends, default=0)
