"""What `dpo.py` adds to TRL's trainer: events, a pause at SIGTERM, and a resumption that trains no step too many."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from script_events import Lines

PROGRESS_SECONDS = 0.25
"""Minimum seconds between two progress events."""


def reporter(lines: Lines, plan: Callable[[Any, Any], Mapping[str, Any]]) -> Any:
    """A TrainerCallback that prints events; `plan` returns the values of the plan event once the steps are known."""
    from transformers import TrainerCallback

    class Reporter(TrainerCallback):  # type: ignore[misc]
        told = 0.0

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            lines.emit("plan", **plan(args, state))
            if state.global_step:
                lines.emit("progress", step=state.global_step)  # it resumes from there
            lines.phase("train")

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            now = time.monotonic()
            if now - self.told >= PROGRESS_SECONDS or state.global_step >= state.max_steps:
                self.told = now
                lines.emit("progress", step=state.global_step)
            if control.should_evaluate:
                lines.phase("evaluate")

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            values = {key: float(value) for key, value in (logs or {}).items() if isinstance(value, int | float)}
            if "train_runtime" in values and state.global_step < state.max_steps:
                return  # totals of a training that was paused
            lines.emit("metrics", step=state.global_step, values=values)

        def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step < state.max_steps:
                lines.phase("train")

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            path = Path(args.output_dir, f"checkpoint-{state.global_step}").absolute()
            lines.emit("checkpoint", step=state.global_step, path=str(path))

    return Reporter()


class TrainedError(Exception):
    """The checkpoint to resume from is one of the last step: only saving, or pushing, is left."""


def ends_before_the_first_step() -> Any:
    """A TrainerCallback that raises TrainedError if nothing is left to train.

    The loop of transformers 5.23 looks at the number of steps only after a step: it would train one too many.
    """
    from transformers import TrainerCallback

    class Ends(TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step >= state.max_steps:
                raise TrainedError

    return Ends()


def pauser() -> Any:
    """A TrainerCallback that ends the training after the step in which SIGTERM arrived, with a checkpoint of that step.

    Used instead of `enable_jit_checkpoint` of transformers 5.23, which saves between the gradient and the update: the
    random state has advanced by then, so with `disable_dropout: false` a resumed run has different losses; and
    processes that get the signal at different moments stop at different steps, and wait for each other forever.
    """
    from transformers import TrainerCallback

    class Pauser(TrainerCallback):  # type: ignore[misc]
        asked = False
        pausing = False

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            owner = os.getpid()

            def told(number: int, frame: Any) -> None:
                if os.getpid() == owner:
                    self.asked = True
                else:  # a forked worker of the data loader has nothing to save
                    os._exit(128 + number)

            signal.signal(signal.SIGTERM, told)
            # Whoever starts this script may block the signal until here, so that one which comes early is not lost.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if self.agreed(args) and state.global_step < state.max_steps:
                self.pausing = True
                args.save_only_model = False  # training cannot resume from the weights alone
                control.should_save = control.should_training_stop = True

        def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if self.pausing:  # the end of the loop also calls this, although the epoch has not ended
                control.should_save = control.should_evaluate = control.should_log = False

        def agreed(self, args: Any) -> bool:
            """Whether any process got the signal: all of them stop after the same step."""
            if args.world_size == 1:
                return self.asked
            import torch

            flag = torch.tensor(int(self.asked), device=args.device)
            torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
            return bool(flag.item())

    return Pauser()


def continue_token_count(trainer: Any) -> Any:
    """A TrainerCallback that continues `num_tokens` from the checkpoint; TRL 1.16 restarts it at 0."""
    from transformers import TrainerCallback

    class Counter(TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            counts = [entry["num_tokens"] for entry in state.log_history if "num_tokens" in entry]
            if counts and hasattr(trainer, "_total_train_tokens"):
                trainer._total_train_tokens = int(counts[-1])

    return Counter()
