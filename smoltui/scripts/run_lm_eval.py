"""Runs lm_eval with the arguments of its own command, and the date that chat templates take for today.

    python run_lm_eval.py --date 2026-11-29 run --model hf --model_args … --tasks … --output_path OUT

The results are those of `lm_eval run …`. In addition, the date stays the same past midnight (SmolLM3's template writes
it into every prompt), a model whose weights are NaN is refused (lm_eval takes its first answer for the likeliest, and
gives figures that look plausible), each state of a progress bar is a line of its own, and a failure is reported as an
event (`core/runs/events.py`): phase, failed, finished.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

# For the modules beside this one; last, because the working directory may have files of the same names.
sys.path.append(str(Path(__file__).resolve().parent))

from script_events import Lines, WrongInputError, run_script

INSTALL = "Install it: pip install 'smoltui[train,bench]'"


class _LineByLine:
    """A stream in which each carriage return of a progress bar ends a line, so that readers see it at once."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        # tqdm begins each state with the return, so the previous one is complete by then.
        self._stream.write(text.replace("\r\n", "\n").replace("\r", "\n"))
        self._stream.flush()
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def main(lines: Lines, arguments: Sequence[str]) -> None:
    if len(arguments) < 3 or arguments[0] != "--date":
        raise WrongInputError("Usage: run_lm_eval.py --date YYYY-MM-DD run …")
    begun = time.monotonic()
    lines.phase("load_model")
    try:
        from lm_eval.__main__ import cli_evaluate
    except ImportError as error:
        raise WrongInputError(f"lm_eval isn't installed ({error})", INSTALL) from error
    from model_loading import freeze_date

    freeze_date(arguments[1])
    refuse_ruined_models()
    sys.stderr = _LineByLine(sys.stderr)
    sys.argv = ["lm_eval", *arguments[2:]]
    try:
        cli_evaluate()
    except SystemExit as leaving:
        if leaving.code not in (None, 0):
            raise WrongInputError(f"lm_eval refused the command: {leaving.code}", "The log has its message.") from None
    except (KeyError, ValueError) as error:
        told = _explained(error)
        if told is None:
            raise
        raise told from error
    lines.emit("finished", step=0, max_steps=0, seconds=round(time.monotonic() - begun, 1))


def refuse_ruined_models() -> None:
    """Makes lm_eval check the weights of a model once it is loaded; raises WrongInputError then."""
    import torch
    from lm_eval.models.huggingface import HFLM

    load: Any = HFLM.__init__

    def load_and_check(self: Any, *arguments: Any, **options: Any) -> None:
        load(self, *arguments, **options)
        for name, weights in self.model.named_parameters():
            if not bool(torch.isfinite(weights).all()):
                raise WrongInputError(
                    f"The model's weights are not finite, so its figures would mean nothing: {name}",
                    "See the run's curves for where it diverged, and train again with a lower learning rate.",
                )

    HFLM.__init__ = load_and_check


def _explained(error: Exception) -> WrongInputError | None:
    """What an exception of lm_eval means; None if only its own message says so."""
    text = str(error)
    if "Tasks not found" in text or ("not found" in text.lower() and "task" in text.lower()):
        return WrongInputError(f"lm_eval doesn't have this task: {text[:200]}", "List them: lm_eval ls tasks")
    if "chat_template" in text or "chat template" in text:
        return WrongInputError(
            "The model has no chat template, which the questions need", "Use a model with a chat template."
        )
    return None


if __name__ == "__main__":
    sys.exit(run_script(main))
