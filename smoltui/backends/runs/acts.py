"""Acts on a run that not every engine can do: the same call for each, and a sentence where an engine cannot.

An engine that can has a method of the same name; `backends/runs/engine.py` asks none of them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from smoltui.backends.local import stats as local_stats
from smoltui.backends.machine.train_extra import holds_model
from smoltui.backends.runs.engine import Engine
from smoltui.backends.runs.spec import new_label
from smoltui.backends.system.threads import in_thread
from smoltui.core.machine.sample import Sample
from smoltui.core.runs.rerun import again, spec_of
from smoltui.core.runs.run import Run, RunSpec
from smoltui.errors import InputError
from smoltui.safe_text import safe_line


async def rerun(engine: Engine, run_id: str) -> Run:
    """The same run again, once, and the new run. What it costs is asked before, by the caller.

    On this machine it trains into the first of `aligned-2`, `aligned-3`, … that is free, with the recipe as it was and
    the files as they are now.

    Raises:
        InputError: its specification is not known.
        Else as `Engine.submit` and `Engine.get`.
    """
    if act := _method(engine, "rerun"):
        return await act(run_id)
    run = await engine.get(run_id)
    spec = spec_of(run.raw.get("spec"))
    if spec is None:
        raise InputError(
            f"The specification of this run is unknown, so it cannot be rerun: {safe_line(run_id, 60)}",
            "Start a new run: smoltui train FOLDER",
        )
    taken = {other.output_dir for other in await engine.list_runs() if not other.is_final}
    output_dir = await in_thread(lambda: _free(spec, taken))
    return await engine.submit(again(spec, new_label(), output_dir=output_dir))


def _free(spec: RunSpec, taken: Collection[str | None]) -> str:
    """Where the second run may write: no run that has not ended writes there, and no model is replaced unasked."""
    folder = Path(spec.output_dir)
    number, candidate = 1, folder
    while str(candidate) in taken or (holds_model(candidate) and not spec.overwrite):
        number += 1
        candidate = folder.with_name(f"{folder.name}-{number}")
    return str(candidate)


async def stats(engine: Engine, run_id: str, *, follow: bool = True) -> AsyncGenerator[Sample, None]:
    """What a run takes of its machine, a sample a second until its end; without `follow` one, or none if it rests.

    Raises:
        InputError: the engine tells nothing of it. Else as `Engine.get`.
    """
    act: Callable[..., AsyncGenerator[Sample, None]] | None = getattr(engine, "stats", None)
    if act is None and engine.name == "local":
        samples = local_stats.stats(engine, run_id, follow=follow)
    elif act is None:
        raise _cannot(engine, "does not report processor and memory", "See the log: smoltui logs ID")
    else:
        samples = act(run_id, follow=follow)
    try:
        async for sample in samples:
            yield sample
    finally:
        await samples.aclose()


async def relabel(engine: Engine, run_id: str, set_: Mapping[str, str], remove: Sequence[str] = ()) -> Run:
    """Sets some labels of a run and removes others. Raises as `HubEngine.labels`; InputError where runs have none."""
    if act := _method(engine, "labels"):
        return await act(run_id, set_, remove)
    raise _cannot(engine, "has no labels", "Labels are for Jobs.")


async def pause(engine: Engine, run_id: str) -> Run:
    """Stops a run so that it can go on later. Raises InputError where the engine cannot; else as the engine's own."""
    if act := _method(engine, "pause"):
        return await act(run_id)
    raise _cannot(engine, "cannot pause a run", "Cancel it: smoltui cancel ID; anything already pushed is kept.")


async def resume(engine: Engine, run_id: str) -> Run:
    """Goes on with a run where it stopped. Raises InputError where the engine cannot; else as the engine's own."""
    if act := _method(engine, "resume"):
        return await act(run_id)
    raise _cannot(engine, "cannot resume a run", "Start over from the first step: smoltui rerun ID")


def _method(engine: Engine, name: str) -> Callable[..., Awaitable[Run]] | None:
    found: Any = getattr(engine, name, None)
    return found if callable(found) else None


def _cannot(engine: Engine, what: str, hint: str) -> InputError:
    where = {"local": "This machine", "hub": "HF Jobs"}.get(engine.name, f"The engine {safe_line(engine.name, 40)}")
    return InputError(f"{where} {what}", hint)
