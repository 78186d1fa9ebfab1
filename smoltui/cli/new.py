"""`smoltui new` without a preset: a project from pairs and a model, as the wizard in the app makes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smoltui.backends.project.project import Project
from smoltui.errors import InputError, SmoltuiError

if TYPE_CHECKING:
    from smoltui.backends.guide.draft import Draft
    from smoltui.backends.guide.opening import Target
    from smoltui.core.guide.models import Way


@dataclass(frozen=True, slots=True)
class Given:
    """What was said on the command line; empty texts: nothing."""

    folder: Path
    """Absolute."""
    pairs: str
    model: str
    method: str
    """A value of `core.guide.models.Method`."""
    on: str
    """Name of an engine."""


def asked(given: Given) -> tuple[Project, None, Target]:
    """What the app opens in order to ask for what is missing: the arguments of `run_app`."""
    from smoltui.backends.guide.opening import Kind, Target

    here = given.folder if given.folder.is_dir() else Path.cwd()
    if Project(given.folder).has_recipe:
        raise InputError(
            f"This folder already contains a project: {given.folder}",
            f"Open it: smoltui {given.folder}, or choose another folder.",
        )
    return Project(here), None, Target(Kind.NEW, given.folder, given.pairs)


def create(given: Given) -> Project:
    """Writes the project.

    Raises:
        InputError: pairs or model are missing, do not exist or cannot be used, or the folder has a project already.
        PairsError, ServiceError: the pairs cannot be read.
    """
    missing = [f"--{name}" for name in ("pairs", "model") if not getattr(given, name)]
    if missing:
        raise InputError(
            f"A new project needs {' and '.join(missing)}, or --preset",
            "For example: smoltui new my-dpo --pairs my_pairs.jsonl --model HuggingFaceTB/SmolLM2-135M-Instruct",
        )
    from smoltui.backends.guide.draft import Draft, typed_model
    from smoltui.backends.guide.first_project import make_project
    from smoltui.backends.guide.pairs_seen import look_at
    from smoltui.backends.machine.devices import device_report
    from smoltui.backends.pairs.opened_set import typed_spec
    from smoltui.backends.services import places
    from smoltui.core.guide.models import DEMO_MODEL, SHIPPED

    draft = Draft(given.folder, places(), report=device_report(given.folder))
    draft.model = next((one for one in SHIPPED if given.model in (one.name, one.title)), None)
    if draft.model is None or (given.model == DEMO_MODEL and (Path.cwd() / given.model).is_dir()):
        draft.model = typed_model(given.model, Path.cwd(), given.folder)
    spec, base = typed_spec(given.pairs, Path.cwd())
    draft.seen = look_at(spec, base)
    if draft.seen.problem:
        raise InputError(draft.seen.problem, "Open the app and map the columns: smoltui new without --pairs.")
    _ask_hub(draft, given)
    draft.way = _way(draft, given)
    return make_project(draft.new())


def _ask_hub(draft: Draft, given: Given) -> None:
    """Prices and account, if runs are to start where they cost money; both stay unknown if nobody answers."""
    from smoltui.backends.services import default_services, place_named
    from smoltui.cli.runs import run_async

    if not given.on or not place_named(given.on).pays:
        return
    engine = default_services().named(given.on)

    async def ask() -> None:
        try:
            draft.flavors[given.on] = await engine.hardware()
            draft.account = (await engine.account()).name
        except SmoltuiError:
            return

    run_async(ask())


def _way(draft: Draft, given: Given) -> Way:
    """The method and place that were asked for, or the suggested ones of those that fit what was said.

    Raises:
        InputError: the method does not work there.
    """
    from smoltui.core.guide.models import suggested

    found = [
        way
        for way in draft.ways()
        if (not given.method or way.method == given.method) and (not given.on or way.place.name == given.on)
    ]
    if not found:
        raise InputError(
            f"This method needs an NVIDIA GPU, and there is none here: {given.method}",
            "Choose --method lora, or --on hub.",
        )
    return found[suggested(found, draft.model.shape if draft.model else None)]
