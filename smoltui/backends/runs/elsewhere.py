"""Where the models of a run are asked: on this machine, or where its engine has the memory and the GPUs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from smoltui.backends.system import data_folder
from smoltui.backends.system.child import leashed
from smoltui.core.runs.run import Run

if TYPE_CHECKING:
    from smoltui.backends.runs.engine import Engine


def around_of(engines: Mapping[str, Engine], run: Run | None, step: str) -> tuple[str, ...]:
    """The command that starts a step of a run elsewhere, as `Engine.around`; empty: on this machine."""
    engine = engines.get(run.engine) if run is not None else None
    return () if run is None or engine is None else tuple(engine.around(run, step))


def child_command(target: Sequence[str], around: Sequence[str] = ()) -> list[str]:
    """The command of one of our children; `target` as for `leashed`, `around` as from `around_of`."""
    return [*around, "-P", "-u", *target] if around else leashed(*target)


def work_folder(around: Sequence[str]) -> tempfile.TemporaryDirectory[str]:
    """A temporary folder that the child sees: in the data folder, if it is started elsewhere. Raises OSError."""
    if not around:
        return tempfile.TemporaryDirectory(prefix="smoltui-")
    folder = data_folder.home() / "requests"
    data_folder.private_folder(folder)
    return tempfile.TemporaryDirectory(prefix="smoltui-", dir=folder)
