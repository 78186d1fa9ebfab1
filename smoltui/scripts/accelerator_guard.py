"""Stops a training that was meant for an accelerator where torch sees none, instead of training on the processor.

A Job on a GPU whose driver is too old for its CUDA would train on its CPU until its time limit. Shipped with dpo.py.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from script_events import WrongInputError

HALF = ("bf16", "fp16")
"""Keys of the recipe that need an accelerator unless `use_cpu` is set (transformers 5.23 `training_args.py`)."""


def why_intended(recipe: Mapping[str, Any], flags: Sequence[str], env: Mapping[str, str]) -> str:
    """What asks for an accelerator, in words; empty if nothing does."""
    if recipe.get("use_cpu") or "--use_cpu" in flags:
        return ""
    for key in HALF:
        if str(_flag(flags, key, recipe.get(key))).lower() == "true":
            return f"{key}: true needs one"
    if env.get("JOB_ID") and env.get("ACCELERATOR", "").lower() not in ("", "none", "cpu", "null"):
        return f"the flavor of this Job has one ({env['ACCELERATOR']})"
    if gpus := env.get("SLURM_JOB_GPUS") or env.get("SLURM_STEP_GPUS"):
        return f"Slurm allocated GPUs to this job ({gpus})"
    return ""


def _flag(flags: Sequence[str], key: str, otherwise: object) -> object:
    """The value of `--key` among flags, which win over the recipe."""
    for at, word in enumerate(flags):
        if word == f"--{key}":
            following = flags[at + 1] if at + 1 < len(flags) else "true"
            return "true" if following.startswith("-") else following
        if word.startswith(f"--{key}="):
            return word.partition("=")[2]
    return otherwise


def refuse_without_accelerator(recipe: Mapping[str, Any], flags: Sequence[str]) -> None:
    """Raises WrongInputError if an accelerator was intended and torch sees none, with the versions that matter."""
    why = why_intended(recipe, flags, os.environ)
    if not why:
        return
    import torch

    if torch.cuda.is_available() or torch.backends.mps.is_available() or torch.accelerator.is_available():
        return
    built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU alone"
    raise WrongInputError(
        f"No accelerator: {why}, but torch {torch.__version__} sees none. It is built for {built}; {driver_words()}",
        "Start it where torch sees a GPU, or write use_cpu: true without bf16 and fp16 to train on the processor.",
    )


def driver_words() -> str:
    """The NVIDIA driver and the newest CUDA that it supports, in words."""
    driver, cuda = driver_version(), driver_cuda()
    if driver is None and cuda is None:
        return "this machine has no NVIDIA driver"
    supports = f" supports CUDA {cuda}" if cuda else ", whose CUDA version is unknown"
    return f"the NVIDIA driver {driver or 'here'}{supports}"


def driver_version() -> str | None:
    """Version of the NVIDIA driver; None without one."""
    with suppress(OSError):
        text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8", errors="replace")
        if found := re.search(r"Module\s+(\d+(?:\.\d+)+)", text):
            return found[1]
    return None


def driver_cuda() -> str | None:
    """The newest CUDA that the driver supports, such as 12.2 (`cuDriverGetVersion`); None without a driver."""
    for name in ("libcuda.so.1", "nvcuda.dll"):
        with suppress(OSError, AttributeError):
            number = ctypes.c_int(0)
            if ctypes.CDLL(name).cuDriverGetVersion(ctypes.byref(number)) == 0 and number.value:
                return f"{number.value // 1000}.{number.value % 1000 // 10}"
    return None
