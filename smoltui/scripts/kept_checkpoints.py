"""Checkpoints that outlive the machine: each is copied to a folder that does, from where another machine resumes.

The folder is a mounted bucket or volume. A file there may arrive late or not at all, and nothing can be renamed, so a
checkpoint is complete once its manifest, which is written last, names files that all have their size. Standard library
only; shipped with dpo.py.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

MANIFEST = "kept.json"
"""In each kept checkpoint: {"step": int, "files": {name: bytes}}."""
PREFIX = "checkpoint-"
STATE = "trainer_state.json"


def newest_kept(folder: Path) -> Path | None:
    """The newest complete checkpoint in a folder; None if there is none."""
    found = [path for path in folder.glob(f"{PREFIX}*") if is_complete(path)] if folder.is_dir() else []
    return max(found, key=step_of, default=None)


def step_of(checkpoint: Path) -> int:
    """The step in the name of a checkpoint; -1 if it has none."""
    digits = checkpoint.name.removeprefix(PREFIX)
    return int(digits) if digits.isdecimal() else -1


def is_complete(checkpoint: Path) -> bool:
    """Whether everything that the manifest names is there."""
    try:
        files = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))["files"]
        return STATE in files and all((checkpoint / name).stat().st_size == size for name, size in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def keep(checkpoint: Path, folder: Path) -> Path:
    """Copies a checkpoint into a folder, then deletes older ones there; returns the copy.

    Raises:
        OSError: it could not be copied; older ones are still there.
    """
    target = folder / checkpoint.name
    with suppress(FileNotFoundError):
        (target / MANIFEST).unlink()
    files = {}
    for source in sorted(path for path in checkpoint.rglob("*") if path.is_file()):
        name = source.relative_to(checkpoint).as_posix()
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target / name)  # a bucket has no permissions to copy
        files[name] = source.stat().st_size
    (target / MANIFEST).write_text(json.dumps({"step": step_of(checkpoint), "files": files}), encoding="utf-8")
    for other in folder.glob(f"{PREFIX}*"):
        if step_of(other) < step_of(checkpoint):
            shutil.rmtree(other, ignore_errors=True)
    return target


def forget(folder: Path) -> None:
    """Deletes all kept checkpoints: the model has been pushed."""
    for path in folder.glob(f"{PREFIX}*"):
        shutil.rmtree(path, ignore_errors=True)


class Keeper:
    """Copies checkpoints in a thread, one at a time, so that training continues meanwhile.

    `tell(step, path)` and `warn(sentence)` are called on the training thread.
    """

    def __init__(self, folder: Path, tell: Callable[[int, str], object], warn: Callable[[str], object]) -> None:
        self.folder = folder
        self._tell, self._warn = tell, warn
        self._thread: threading.Thread | None = None
        self._result: tuple[int, str, OSError | None] | None = None

    def begin(self, checkpoint: Path) -> None:
        """Starts to copy a checkpoint, once the previous copy is done."""
        self.finish()

        def copy() -> None:
            step = step_of(checkpoint)
            try:
                self._result = (step, str(keep(checkpoint, self.folder)), None)
            except OSError as error:
                self._result = (step, "", error)

        self._thread = threading.Thread(target=copy, name="keep", daemon=False)
        self._thread.start()

    def report(self) -> None:
        """Tells what came of a copy that is done."""
        if self._result is not None:
            (step, path, error), self._result = self._result, None
            if error is None:
                self._tell(step, path)
            else:
                self._warn(f"The checkpoint of step {step} could not be kept: {error.strerror or error}")

    def finish(self) -> None:
        """Waits for the copy under way, and tells what came of it."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.report()


def callback(keeper: Keeper) -> Any:
    """A TrainerCallback that keeps each checkpoint from which training can resume."""
    from transformers import TrainerCallback

    class Keeps(TrainerCallback):  # type: ignore[misc]
        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if args.world_size > 1:
                import torch

                torch.distributed.barrier()  # the other processes may still write their part
            if state.is_world_process_zero and not args.save_only_model:
                keeper.begin(Path(args.output_dir, f"{PREFIX}{state.global_step}"))

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            keeper.report()

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            keeper.finish()

    return Keeps()
