"""How the scripts in this folder report: events as lines of JSON on stdout, and failures as a cause with a next step.

Standard library only. It is shipped with dpo.py and generate.py; `core/runs/events.py` is the reader.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

FORMAT_VERSION = 1
"""`core.runs.events.VERSION`."""


class WrongInputError(Exception):
    """The recipe, a flag, the pairs or a folder cannot be used: exit code 2."""

    def __init__(self, cause: str, hint: str = "") -> None:
        super().__init__(cause)
        self.cause, self.hint = cause, hint


class RuinedError(Exception):
    """The training was stopped on purpose, because its weights are lost: exit code 1."""

    def __init__(self, cause: str, hint: str) -> None:
        super().__init__(cause)
        self.cause, self.hint = cause, hint


class Lines:
    """Writes events to stdout, one JSON object per line, flushed immediately. Only one process of a run does so."""

    def __init__(self) -> None:
        self.phase_name = ""
        self.subject = ""
        """Name of what is being loaded, for messages about a failure."""
        self._speaks = os.environ.get("RANK", "0") == "0"  # set by `accelerate launch` for each of its processes
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True, encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]

    def emit(self, event: str, **values: Any) -> None:
        if self._speaks:
            line = {"event": event, "v": FORMAT_VERSION, "at": round(time.time(), 3), **_strict(values)}
            print(json.dumps(line, ensure_ascii=False, allow_nan=False), flush=True)

    def phase(self, phase: str, message: str | None = None) -> None:
        """Reports the current phase, if it has changed."""
        if phase != self.phase_name:
            self.phase_name = phase
            self.emit("phase", phase=phase, **({} if message is None else {"message": message}))

    def failed(self, cause: str, hint: str) -> None:
        if self._speaks:
            print(flush=True)  # a progress bar of a download may have left an unfinished line
        self.emit("failed", cause=cause, hint=hint)


def _strict(value: Any) -> Any:
    """`value` with NaN and infinities as strings: they are not valid JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    return value


# The meaning of a failure, and the next step


Explained = tuple[str, str, int]
"""Cause, next step and exit code of a failure."""


def explain(error: BaseException, phase: str, subject: str = "") -> Explained:
    """The meaning of a failure in `phase`; `subject` is the name of what was being loaded."""
    if isinstance(error, WrongInputError):
        return error.cause, error.hint, 2
    if isinstance(error, RuinedError):
        return error.cause, error.hint, 1
    text = str(error).strip()
    first = text.splitlines()[0][:300] if text else type(error).__name__
    if told := _explain_machine(error, text, first):
        return told
    if phase == "load_pairs":
        return _explain_pairs(error, first, subject)
    if phase == "load_model" and isinstance(error, OSError):
        if "gated" in text.lower():
            return (
                f"The model is gated, and this account has no access: {subject}",
                "Request access on its Hub page, then try again.",
                2,
            )
        hint = "Folders are relative to the recipe; a Hub id is owner/name and needs the network the first time."
        return f"The model was not found: {subject}", hint, 2
    if told := _explain_hub(error, phase, first):
        return told
    if type(error).__module__.startswith("jinja2"):
        hint = "The audit in the Pairs room finds such pairs once tokens are counted: exclude them."
        return f"The model's chat template rejects a conversation in the pairs: {first}", hint, 2
    if isinstance(error, ValueError | TypeError) and phase in ("", "load_model", "tokenize"):
        return (
            f"The recipe cannot be used: {first}",
            "Fix the value in recipe.yaml; the full message is in the log.",
            2,
        )
    return f"{type(error).__name__}: {first}", "The full error is in the log.", 1


_UNUSABLE = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EROFS, errno.EACCES, errno.EPERM)


def _errno_chain(error: BaseException | None) -> set[int | None]:
    """The system's codes of an error and of those that led to it."""
    found: set[int | None] = set()
    for _ in range(20):
        if error is None:
            break
        if isinstance(error, OSError):
            found.add(error.errno)
        error = error.__cause__ or error.__context__
    return found


def _explain_machine(error: BaseException, text: str, first: str) -> Explained | None:
    """Failures of memory, disk and packages, possible in every phase; None for others."""
    on_accelerator = type(error).__name__ == "OutOfMemoryError"  # torch's
    if on_accelerator or isinstance(error, MemoryError) or "can't allocate memory" in text:
        hint = (
            "Lower per_device_train_batch_size (raise gradient_accumulation_steps to match) or max_length, set "
            "activation_checkpointing: true, train an adapter (use_peft: true, lora_target_modules: all-linear), "
            "or run as a Job."
        )
        return f"{'The accelerator' if on_accelerator else 'This machine'} ran out of memory", hint, 1
    codes = _errno_chain(error)
    quota = errno.EDQUOT in codes or "quota exceeded" in text
    # The last is what torch.save says.
    if quota or errno.ENOSPC in codes or "No space left" in text or "unexpected pos" in text:
        hint = "Free some space or set another output_dir; save_only_model: true makes checkpoints a third as large."
        return "The disk quota is used up" if quota else "The disk is full", hint, 1
    if isinstance(error, ImportError) or re.search(r"requires \S+ to be installed|pip install ", text):
        hint = 'Install the training packages: pip install "smoltui[train]"; trackers and kernels may need more.'
        return f"A package is missing: {getattr(error, 'name', None) or first}", hint, 1
    if isinstance(error, OSError) and error.errno in _UNUSABLE and error.filename:
        hint = "Set another folder in the recipe (output_dir for the model), or change its permissions."
        return f"A file or folder cannot be used ({error.strerror}): {error.filename}", hint, 2
    return None


def _explain_pairs(error: BaseException, first: str, subject: str) -> Explained:
    kind = type(error).__name__
    here = str(Path.cwd())
    if set(here) & set("[]\n") and not kind.startswith("DatasetGeneration"):
        # datasets treats the path of a folder as a pattern
        return (
            f"datasets cannot read pairs in a folder with [, ] or a line break in its path: {here!r}",
            ("Rename that folder, or move the project."),
            2,
        )
    hint = (
        "Folders are relative to the recipe; a Hub id is owner/name and needs the network. For a single file, write "
        "datasets: [{path: json, data_files: pairs.jsonl}]."
    )
    if isinstance(error, FileNotFoundError | ConnectionError) or "NotFound" in kind:
        return f"The pairs were not found: {subject}", hint, 2
    if kind.startswith("DatasetGeneration"):
        cause = str(error.__cause__ or error.__context__ or "").strip()
        # Arrow counts rows from 0 within a block, which would mislead.
        said = re.sub(r"\s+in row \d+$", "", cause.splitlines()[0][:300] if cause else first)
        told = f"The pairs cannot be read: {said}"
        return told, "The Pairs room and `smoltui pairs FILE` show the line and what was expected.", 2
    return f"The pairs cannot be loaded: {first}", hint, 2


def _explain_hub(error: BaseException, phase: str, first: str) -> Explained | None:
    """Failures of the Hub or the connection to it; None for others."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403) or re.search(r"\b(401 Unauthorized|403 Forbidden)\b", first):
        hint = "Log in with a token that can write there (hf auth login), or set another repository in hub_model_id."
        return f"The Hub denied access: {first}", hint, 1
    if phase == "push":
        hint = "The complete model is on the disk of the training machine; push it: hf upload REPOSITORY FOLDER"
        return f"The model could not be pushed to the Hub: {first}", hint, 1
    if isinstance(error, ConnectionError) or type(error).__name__ in ("OfflineModeIsEnabled", "ConnectError"):
        return f"The Hub could not be reached: {first}", "Check the network, or set push_to_hub: false.", 1
    return None


def run_script(main: Callable[[Lines, Sequence[str]], None], arguments: Sequence[str] | None = None) -> int:
    """Runs `main`, and converts every exception to one `failed` event and an exit code."""
    lines = Lines()
    try:
        main(lines, sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        lines.failed("Interrupted from the keyboard", "Start the run again.")
        return 130
    except Exception as error:
        if not isinstance(error, WrongInputError | RuinedError):
            traceback.print_exc()
        cause, hint, code = explain(error, lines.phase_name, lines.subject)
        lines.failed(cause, hint)
        return code
    return 0


def quiet() -> None:
    """Turns off the libraries' progress bars (readers of the events draw their own); warnings stay in the log."""
    import datasets
    import transformers

    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
