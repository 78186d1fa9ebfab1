"""What loading some models takes on this machine, asked before it happens; and the download, once it was agreed to."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from smoltui.backends.evaluation import speeds
from smoltui.backends.evaluation.weight_sizes import parameters_in, stored_files
from smoltui.backends.hub import cache
from smoltui.backends.hub import client as hub
from smoltui.backends.hub.models import ModelRepo, model_repo
from smoltui.backends.machine.devices import device_report
from smoltui.backends.runs.output_dir import broken_weights
from smoltui.backends.runs.script_child import script_events
from smoltui.backends.system.child import leashed
from smoltui.backends.system.small_file import read_small
from smoltui.backends.system.threads import in_thread
from smoltui.core.evaluation.column import Column
from smoltui.core.evaluation.loading import Load, LoadPlan, merged
from smoltui.core.foreign import foreign_json
from smoltui.core.foreign.server_values import mapping_in, text_in
from smoltui.core.runs.events import Downloading, Event, PhaseChanged
from smoltui.errors import InputError, NotFoundOnHubError, ServiceError
from smoltui.safe_text import safe_line
from smoltui.scripts import SCRIPTS
from smoltui.scripts.hub_files import is_weights, wanted

FETCH_MODELS = SCRIPTS / "fetch_models.py"
ADAPTER_CONFIG = "adapter_config.json"


@dataclass(frozen=True, slots=True)
class _Machine:
    """What this machine has."""

    free: int | None
    width: int
    """Bytes of one weight once loaded: as `scripts/model_loading.best_device`."""


ELSEWHERE = _Machine(None, 4)
"""A machine that can't be looked at: as without a GPU, where weights take most."""


async def load_plan(columns: Sequence[Column], folder: Path, *, here: bool = True) -> LoadPlan:
    """What loading these models takes. `folder`: the project's, where the disk is looked at. `here`: they are loaded
    on this machine; otherwise the free memory is unknown.

    The Hub is asked about models that are there; where it does not answer, what is cached counts.

    Raises:
        InputError: a model is neither here nor on the Hub, or cannot be loaded.
        ServiceError: the Hub did not answer, and the model is not in its cache.
    """
    machine = await in_thread(lambda: _machine(folder)) if here else ELSEWHERE
    loads: list[Load] = []
    for column in columns:
        loads += [replace(load, columns=(column.name,)) for load in await _loads_of(column, machine)]
    plan = LoadPlan(
        merged(loads),
        machine.free,
        speed=await in_thread(lambda: speeds.known(speeds.DOWNLOAD)),
        loading_speed=await in_thread(lambda: speeds.known(speeds.LOAD)),
    )
    return await in_thread(lambda: _with_disk(plan)) if plan.to_fetch else plan


async def fetch(plan: LoadPlan, folder: Path) -> AsyncGenerator[Event, None]:
    """Downloads what a plan says is missing, and measures how fast. Close it to stop; it resumes next time.

    Raises:
        RunFailedError: it could not be downloaded; the message says why.
    """
    missing = plan.to_fetch
    if not missing:
        return
    request = {
        "models": [
            {"repo": load.place, "revision": load.revision, "files": load.files, "total": load.download}
            for load in missing
        ]
    }
    with tempfile.TemporaryDirectory(prefix="smoltui-") as work:
        path = Path(work) / "request.json"
        path.write_text(json.dumps(request), encoding="utf-8")
        child = script_events(leashed(str(FETCH_MODELS), "--request", str(path)), folder, "The download stopped")
        last: Downloading | None = None
        async with aclosing(child) as events:
            async for event in events:
                if isinstance(event, Downloading):
                    last = event
                yield event
        if last is not None:
            measured = last
            await in_thread(lambda: speeds.remember(speeds.DOWNLOAD, measured.done, measured.seconds))


async def loaded(plan: LoadPlan, folder: Path, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    """The events of models that are loaded as planned: first what is missing is downloaded. Close it to stop.

    Measures how fast weights are loaded. Raises as `fetch` and `events`.
    """
    async with aclosing(events):
        async with aclosing(fetch(plan, folder)) as fetching:
            async for event in fetching:
                yield event
        begun, name = 0.0, ""
        async for event in events:
            if isinstance(event, PhaseChanged):
                if name:
                    await _remember_load(plan, name, time.monotonic() - begun)
                begun, name = time.monotonic(), (event.message or "") if event.phase == "load_model" else ""
            yield event


async def _remember_load(plan: LoadPlan, column: str, seconds: float) -> None:
    count = sum(load.stored or 0 for load in plan.loads if column in load.columns)
    await in_thread(lambda: speeds.remember(speeds.LOAD, count, seconds))


def as_spec(column: Column) -> dict[str, str]:
    """A column as the scripts take it. An adapter that was downloaded from the Hub is put on its base model. Blocks.

    Raises:
        InputError: the adapter names no base model.
    """
    path, adapter, revision = column.path, column.adapter, column.revision
    if adapter is None and not Path(path).is_absolute():
        here = cache.snapshot(path, revision)
        if here is not None and (here / ADAPTER_CONFIG).is_file() and not (here / "config.json").is_file():
            path, adapter, revision = base_in(here / ADAPTER_CONFIG, path), str(here), None
    values = {"name": column.name, "path": path, "revision": revision, "adapter": adapter}
    return {key: value for key, value in values.items() if value is not None}


def base_in(config: Path, shown: str) -> str:
    """The base model that an adapter's configuration names. Blocks.

    Raises:
        InputError: it names none.
    """
    try:
        return _base_of(foreign_json.decode(read_small(config)), shown)
    except (OSError, ValueError) as error:
        raise InputError(f"This adapter's configuration cannot be read: {shown}", "Save it again.") from error


def _base_of(config: object, shown: str) -> str:
    base = text_in(mapping_in(config).get("base_model_name_or_path"))
    if base is None:
        raise InputError(f"This adapter names no base model: {shown}", "Merge it first, or compare its run.")
    return base


def _machine(folder: Path) -> _Machine:
    report = device_report(folder)
    cuda = next((device for device in report.accelerators if device.kind == "cuda"), None)
    return _Machine(report.ram_available, 4) if cuda is None else _Machine(cuda.free, 2)


def _with_disk(plan: LoadPlan) -> LoadPlan:
    folder = cache.folder()
    with suppress(OSError, StopIteration):
        there = next(place for place in (folder, *folder.parents) if place.is_dir())
        return replace(plan, disk_free=shutil.disk_usage(there).free, disk_folder=str(folder))
    return plan


async def _loads_of(column: Column, machine: _Machine) -> list[Load]:
    """The sets of weights of one column: of its model, or of an adapter and its base."""
    if column.adapter is not None:
        return [
            *await _loads_at(column.path, column.revision, machine),
            await in_thread(lambda: _in_folder(Path(column.adapter or ""), column.adapter or "", machine)),
        ]
    return await _loads_at(column.path, column.revision, machine)


async def _loads_at(place: str, revision: str | None, machine: _Machine) -> list[Load]:
    """The weights in a folder or repository, and those of its base if it has an adapter."""
    if Path(place).is_absolute():
        return [await in_thread(lambda: _in_folder(Path(place), place, machine))]
    cached = await in_thread(lambda: _cached(place, revision, machine))
    if cached is not None and await in_thread(cache.is_offline):
        load, base = cached
    else:
        try:
            load, base = await _on_hub(place, revision, machine)
        except NotFoundOnHubError:
            raise
        except ServiceError as error:
            if cached is None and "/" not in place:  # a folder that is gone, rather than one of the Hub's oldest names
                raise InputError(
                    f"There is no folder with this name in the project, and the Hub did not answer: {place}",
                    "Fix model_name_or_path in the recipe, or check the network.",
                ) from error
            if cached is None:
                raise
            load, base = cached
    return [load] if base is None else [*await _loads_at(base, None, machine), load]


def _in_folder(folder: Path, shown: str, machine: _Machine) -> Load:
    """Raises InputError: a file of weights is damaged, or only partly written."""
    files = stored_files(folder)
    weights = {name: count for name, count in files.items() if is_weights(name)}
    if weights and (problem := broken_weights(folder)):
        raise InputError(problem, "Save or download the model again, or choose another one.")
    if (folder / ADAPTER_CONFIG).is_file() and not (folder / "config.json").is_file():
        memory: int | None = 2 * sum(weights.values())  # kept in float32
    else:
        counted = parameters_in(folder, weights)
        memory = counted * machine.width if counted is not None else sum(weights.values()) * machine.width // 2
    return Load(shown, None, (), sum(files.values()), 0, (), memory)


def _cached(place: str, revision: str | None, machine: _Machine) -> tuple[Load, str | None] | None:
    """A model of the Hub as it is in the cache, and its base; None unless its weights are there."""
    here = cache.snapshot(place, revision)
    if here is None or not any(is_weights(name) for name in stored_files(here)):
        return None
    config = here / ADAPTER_CONFIG
    base = base_in(config, place) if config.is_file() and not (here / "config.json").is_file() else None
    return replace(_in_folder(here, place, machine), revision=revision), base


async def _on_hub(place: str, revision: str | None, machine: _Machine) -> tuple[Load, str | None]:
    """A model as the Hub has it today, with what is not in the cache, and its base."""
    doing = f"look at {safe_line(place, 80)}"
    async with hub.session(doing, anonymous=True) as session:
        try:
            repo = await model_repo(session, place, doing=doing, revision=revision)
        except NotFoundOnHubError as error:
            at = f" at {revision}" if revision else ""
            raise NotFoundOnHubError(
                f"There is no such model on the Hub{at}, or this account may not see it: {place}",
                "Check its name, or log in: hf auth login",
            ) from error
        load = await in_thread(lambda: _load_of(repo, place, revision, machine))
        names = {file.name for file in repo.files}
        base = None
        if ADAPTER_CONFIG in names and "config.json" not in names:
            config = await session.get(f"/{repo.id}/resolve/{repo.commit}/{ADAPTER_CONFIG}", doing=doing)
            base = _base_of(config, place)
    return load, base


def _load_of(repo: ModelRepo, place: str, revision: str | None, machine: _Machine) -> Load:
    """Raises InputError: the repository has no weights that can be loaded."""
    by_name = {file.name: file for file in repo.files}
    files = [by_name[name] for name in wanted(by_name)]
    weights = [file for file in files if is_weights(file.name)]
    if not weights:
        raise InputError(
            f"This repository has no weights that can be loaded: {place}",
            "Name a model with model.safetensors, or a LoRA adapter.",
        )
    missing = [file for file in files if not cache.has_file(place, repo.commit, file.name, file.blob)]
    sizes = {file.name: file.size for file in files}
    if ADAPTER_CONFIG in by_name and "config.json" not in by_name:
        memory = _sum(sizes, [file.name for file in weights], 2)
    elif repo.parameters is not None:
        memory = repo.parameters * machine.width
    else:  # most are saved in two bytes per weight
        memory = _sum(sizes, [file.name for file in weights], machine.width / 2)
    return Load(
        place,
        revision,
        (),
        _sum(sizes, list(sizes)),
        _sum(sizes, [file.name for file in missing]),
        tuple(file.name for file in missing),
        memory,
    )


def _sum(sizes: Mapping[str, int | None], names: Sequence[str], times: float = 1) -> int | None:
    """Bytes of these files; None if one is unknown."""
    found = [sizes[name] for name in names]
    return None if None in found else int(sum(one or 0 for one in found) * times)
