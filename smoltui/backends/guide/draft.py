"""A new project while it is being decided: what was chosen so far, and what follows from it. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from smoltui.backends.guide.first_project import NewProject, recipe_text
from smoltui.backends.guide.pairs_seen import PairsSeen
from smoltui.backends.project.model_configs import config_in, remembered_shape
from smoltui.backends.project.new_project import PRESETS
from smoltui.backends.project.project import RECIPE_NAME, Project
from smoltui.backends.project.recipe_file import RecipeFile
from smoltui.backends.runs.engine import Engine
from smoltui.backends.runs.plan import Plan, PlannedPairs
from smoltui.backends.runs.preflight import gather
from smoltui.backends.runs.spec import Options, make_spec
from smoltui.backends.system.paths import exists, expanded
from smoltui.core.guide.first_recipe import MODEL_FOLDER, Choices, Line, first_recipe, values_of
from smoltui.core.guide.models import DEMO_MODEL, SHIPPED, Model, Way, memory_of, suggested, suggested_model, ways
from smoltui.core.machine.device import DeviceReport
from smoltui.core.machine.model_shape import KNOWN
from smoltui.core.preflight.check import Check
from smoltui.core.preflight.preflight import preflight
from smoltui.core.runs.cost import Flavor
from smoltui.core.runs.place import Place
from smoltui.core.settings.settings import JobSettings, Settings
from smoltui.errors import InputError
from smoltui.safe_text import safe_line
from smoltui.scripts.curve_remarks import percent

LONGEST_NAME = 60
"""Characters of the name of a project folder that is proposed."""


@dataclass
class Draft:
    """What was chosen so far. None: not chosen, or not known yet."""

    folder: Path
    """Where the project will be, absolute."""
    places: Sequence[Place]
    """Where its runs could start."""
    seen: PairsSeen | None = None
    models: list[Model] = field(default_factory=lambda: list(SHIPPED))
    """The models that are offered; typed ones come first."""
    model: Model | None = None
    way: Way | None = None
    report: DeviceReport | None = None
    flavors: dict[str, Sequence[Flavor]] = field(default_factory=dict)
    """Engine → its hardware, as far as known."""
    account: str = ""
    """Of the Hub; empty if nobody is logged in, or nobody was asked yet."""

    def suggested_model(self) -> int:
        """Position of the model to start from."""
        return suggested_model(self.models, self.report)

    def ways(self) -> list[Way]:
        """How and where the model can be trained."""
        return ways(self.model.shape if self.model else None, self.report, self.places, self.flavors)

    def suggested_way(self) -> int:
        """Position of the way to start from."""
        return suggested(self.ways(), self.model.shape if self.model else None)

    def chosen_way(self) -> Way:
        """The way that was chosen, or the suggested one."""
        return self.way or self.ways()[self.suggested_way()]

    def choices(self) -> Choices:
        """What the first recipe is made from."""
        way, model = self.chosen_way(), self.model
        return Choices(
            pairs=self.seen.facts(self.folder) if self.seen is not None else None,
            model=model.name if model is not None else "",
            shape=model.shape if model is not None else None,
            longest=_longest(model, self.folder),
            method=way.method,
            target=way.place.target,
            processor=way.place.here and memory_of(self.report)[1],
            account=self.account,
            project=self.folder.name[:LONGEST_NAME] or "project",
        )

    def lines(self) -> list[Line]:
        """The first recipe."""
        return first_recipe(self.choices())

    def new(self) -> NewProject:
        """What is written."""
        way = self.chosen_way()
        flavor = way.flavor.name if way.flavor is not None else ""
        return NewProject(self.folder, self.choices(), way.place.name, flavor, self.seen)


def typed_model(text: str, base: Path, project: Path) -> Model:
    """The model that a person typed: a folder, from `base`, or a Hub id. Reads the disk; the Hub is not asked.

    A folder inside the `project` keeps its relative path, so that the project can be moved.

    Raises:
        InputError: it is neither.
    """
    shown = safe_line(text, 200)
    folder = base / expanded(text)
    if exists(folder) and folder.is_dir():
        config = config_in(folder)
        if config is None:
            raise InputError(f"This folder contains no model (no config.json): {shown}", "Choose another folder.")
        folder = folder.absolute()
        name = str(folder.relative_to(project)) if folder.is_relative_to(project) else str(folder)
        return Model(name, folder.name, remembered_shape(config), "unknown", "a folder on this machine")
    if text.count("/") != 1 or text.startswith((".", "/", "~")) or any(mark.isspace() for mark in text):
        raise InputError(f"No such model folder: {shown}", "Hub ids look like owner/name.")
    return Model(text, text.rpartition("/")[2], KNOWN.get(text), "unknown", "on the Hub; its card has the license")


def _longest(model: Model | None, base: Path) -> int | None:
    """The longest sequence of a model in a folder, tokens; None if unknown."""
    if model is None or model.name == DEMO_MODEL or not exists(base / expanded(model.name)):
        return None
    longest = (config_in(base / expanded(model.name)) or {}).get("max_position_embeddings")
    return longest if isinstance(longest, int) and longest > 0 else None


def free_folder(here: Project, source: str) -> Path:
    """Where a new project goes: into this folder, or beside the project that is in it already, or below a home."""
    name = Path(source.rstrip("/")).name.split(".")[0] if source else "my"
    name = "".join(char for char in name if char.isalnum() or char in "-_")[:LONGEST_NAME] or "my"
    if not here.has_recipe and here.folder != Path.home():
        return here.folder
    parent = here.folder.parent if here.has_recipe else here.folder
    number, folder = 1, parent / f"{name}-dpo"
    while exists(folder):
        number += 1
        folder = parent / f"{name}-dpo-{number}"
    return folder


async def draft_checks(draft: Draft, engine: Engine) -> list[Check]:
    """The checks of the project as it would be written, for a run on this engine.

    Raises:
        SmoltuiError: the recipe cannot be written as YAML.
    """
    new = draft.new()
    lines = [
        Line(line.key, str(PRESETS["demo"] / MODEL_FOLDER), "") if _is_demo_model(line, new) else line
        for line in first_recipe(new.choices)
    ]
    recipe = RecipeFile(new.folder / RECIPE_NAME, recipe_text(lines), "")
    project = Project(new.folder)
    jobs = JobSettings()
    settings = Settings(on=new.on, jobs=replace(jobs, flavor=new.flavor or jobs.flavor))
    spec = make_spec(project, engine.place, recipe, settings, Options())
    facts = new.choices.pairs
    pairs = PlannedPairs()
    if facts is not None and facts.rows is not None:
        held = f", {percent(facts.held_out_share)} of the prompts held out" if facts.held_out_share else ""
        about = "" if facts.exact else "about "
        pairs = PlannedPairs(facts.rows, f"{about}{facts.rows:,} pairs of {facts.dataset}{held}")
    values = values_of(lines)
    # What is held out is decided by prompt, so TRL draws nothing.
    if values.pop("test_split_size", None) is not None:
        values["eval_strategy"] = "no"
    plan = Plan(project, engine.place, values, settings, new.choices.shape, pairs, spec)
    return preflight(await gather(plan, engine))


def _is_demo_model(line: Line, new: NewProject) -> bool:
    return line.key == "model_name_or_path" and new.choices.model == DEMO_MODEL
