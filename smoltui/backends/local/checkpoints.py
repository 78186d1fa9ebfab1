"""The checkpoints in a training's output folder, and which of them it can resume from.

Transformers writes a checkpoint in place, file by file, and `trainer_state.json` last (`Trainer._save_checkpoint`,
5.23), so a folder without that file is incomplete: the process was killed, or the disk was full. A truncated file
(after a power failure) is detected by its framing, without reading the weights.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smoltui.backends.system.small_file import read_small
from smoltui.core.foreign import foreign_json
from smoltui.core.runs.run import RunSpec
from smoltui.errors import InputError
from smoltui.safe_text import safe_line

STATE_NAME = "trainer_state.json"
_NAME = re.compile(r"checkpoint-(\d{1,18})")
_STEP = re.compile(rb'^  "global_step": (\d{1,18}),?$', re.MULTILINE)
HEAD_BYTES, TAIL_BYTES = 1 << 14, 64
_SENTINEL = "checkpoint-is-incomplete.txt"
"""Marks Transformers' own just-in-time checkpoint as incomplete (`trainer_jit_checkpoint.py`)."""
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin", "adapter_model.bin", "pytorch_model_fsdp*", "global_step*")
_OPTIMIZER = ("optimizer.pt", "optimizer.bin", "optimizer_*", "global_step*")
MOST_STATE_BYTES = 64 << 20
"""Maximum bytes of trainer_state.json, which has the metrics of all logged steps, and of a safetensors header."""
_ZIPPED = ("*.pt", "*.pth", "*.bin")
"""torch.save writes a zip archive, whose directory comes last."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One folder `checkpoint-N`."""

    path: Path
    step: int
    """Completed optimizer steps: from its `trainer_state.json`, or from its name if that is unreadable."""
    written_at: float
    """When its last file was written, seconds since the epoch; 0 if incomplete."""
    problem: str | None = None
    """Why training cannot resume from it; None if it can."""

    @property
    def complete(self) -> bool:
        return self.problem is None

    def as_json(self) -> dict[str, Any]:
        return {"step": self.step, "path": str(self.path), "complete": self.complete, "problem": self.problem}


def find_checkpoints(output_dir: Path) -> list[Checkpoint]:
    """All checkpoints in a folder, by step; none if the folder is missing or unreadable."""
    try:
        found = [(int(match[1]), path) for path in output_dir.iterdir() if (match := _NAME.fullmatch(path.name))]
    except (OSError, ValueError):  # ValueError: a NUL in its name
        return []
    return [_examine(path, number) for number, path in sorted(found) if path.is_dir()]


def newest_complete(
    checkpoints: Collection[Checkpoint], *, since: float = 0.0, told: Collection[str] = ()
) -> Checkpoint | None:
    """The complete checkpoint of one run with the highest step; None without one.

    A folder may also contain those of an earlier run: a run's own were written after it was created (`since`, seconds
    since the epoch) or are named in its log (`told`, their paths; a file server's clock may be behind).
    """
    own = [one for one in checkpoints if one.complete and (one.written_at >= since or str(one.path) in told)]
    return max(own, key=lambda one: one.step, default=None)


def nothing_kept(run_id: str, spec: RunSpec) -> InputError:
    """The error for a run that cannot be resumed: it has no complete checkpoint."""
    again = (
        f"Start over from the first step: smoltui rerun {run_id}. Set save_strategy: steps and save_steps in the "
        "recipe, or pause a run before stopping it."
    )
    broken = [one for one in find_checkpoints(Path(spec.output_dir)) if not one.complete]
    if broken:
        last = broken[-1]
        return InputError(
            f"This run has no complete checkpoint; in {last.path.name}, {safe_line(last.problem or '')}", again
        )
    return InputError(f"This run saved no checkpoint, so there is nothing to resume: {run_id}", again)


def _examine(path: Path, number: int) -> Checkpoint:
    state = path / STATE_NAME
    try:
        written_at = state.stat().st_mtime
        data = _state(state)
    except FileNotFoundError:
        return Checkpoint(path, number, 0.0, f"{STATE_NAME}, which is written last, is missing")
    except (OSError, ValueError, RecursionError):
        return Checkpoint(path, number, 0.0, f"{STATE_NAME} cannot be read")
    step = data.get("global_step") if isinstance(data, dict) else None
    if not isinstance(step, int) or isinstance(step, bool) or step < 0:
        return Checkpoint(path, number, 0.0, f"{STATE_NAME} has no step")
    problem = _problem(path)
    return Checkpoint(path, step, written_at if problem is None else 0.0, problem)


def _state(file: Path) -> Any:
    """The content of `trainer_state.json`; only the step of a long one, whose curve would take milliseconds to parse.

    Keys are sorted (`TrainerState.save_to_json`, 5.23), so the step precedes `log_history`, which makes it long.
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
            return f"it was not completely written ({_SENTINEL})"
        if not _any(path, _WEIGHTS):
            return "the weights are missing"
        if not _any(path, _OPTIMIZER):
            return "the optimizer's state is missing (save_only_model keeps only the weights)"
        if not (path / "scheduler.pt").exists() and not _any(path, ("global_step*",)):
            return "the state of the learning rate (scheduler.pt) is missing"
        if not _any(path, ("rng_state*.pth",)):
            return "the random state (rng_state.pth) is missing"
        for file in path.glob("*.safetensors"):
            if not _whole_safetensors(file):
                return f"a file is truncated: {file.name}"
        for pattern in _ZIPPED:
            for file in path.glob(pattern):
                if file.is_file() and not _whole_zip(file):
                    return f"a file is truncated: {file.name}"
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    return None


def _any(path: Path, patterns: Collection[str]) -> bool:
    return any(any(path.glob(pattern)) for pattern in patterns)


def _whole_zip(file: Path) -> bool:
    import zipfile  # only runs that ended early are asked

    return zipfile.is_zipfile(file)


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
