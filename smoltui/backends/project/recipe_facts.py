"""What a recipe means on this machine: the shape of its model, its local files, and the command to run it by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from smoltui.backends.project.model_configs import config_in, known_config, remembered_shape
from smoltui.backends.project.project import Project
from smoltui.backends.system.paths import exists
from smoltui.core.machine.hardware import accelerators_in
from smoltui.core.machine.model_shape import KNOWN, ModelShape
from smoltui.core.recipe import command, output_dir_of
from smoltui.core.runs.place import Target
from smoltui.core.runs.run import JOB_OUTPUT
from smoltui.core.settings.settings import Settings
from smoltui.scripts import BESIDE_DPO, SCRIPTS


def model_shape(path: Path) -> ModelShape | None:
    """The shape of the model in a folder; None without a model, or if its architecture is unknown."""
    config = config_in(path)
    return None if config is None else remembered_shape(config)


def recipe_shape(project: Project, values: Mapping[str, object]) -> ModelShape | None:
    """The shape of the recipe's model, as far as this machine knows it. Does not use the network."""
    name = values.get("model_name_or_path")
    if not isinstance(name, str) or not name:
        return None
    if name in KNOWN:
        return KNOWN[name]
    config = known_config(project, values)
    return None if config is None else remembered_shape(config)


def local_inputs(project: Project, values: Mapping[str, object]) -> list[str]:
    """Local paths in the recipe (model, pairs), which a Job cannot access by itself."""
    names = [values.get("model_name_or_path"), values.get("dataset_name")]
    sources = values.get("datasets")
    for source in sources if isinstance(sources, list) else []:
        if isinstance(source, Mapping):
            files = source.get("data_files")
            names += [source.get("path"), source.get("data_dir"), *(files if isinstance(files, list) else [files])]
    return [name for name in names if isinstance(name, str) and name and exists(project.resolve(name))]


def command_by_hand(project: Project, values: Mapping[str, object], settings: Settings, target: Target) -> str:
    """The shell command that does the same, run in the project folder.

    `hf jobs uv run SCRIPT` starts one process. For several GPUs, the exported script starts the others.
    """
    if target == Target.LOCAL:
        return command(target, recipe=project.recipe_path.name)
    if (settings.jobs.processes or accelerators_in(settings.jobs.flavor)) > 1:
        return "smoltui recipe export . --hf-jobs"
    output = Path(output_dir_of(values)).name
    return command(
        target,
        recipe=project.recipe_path.name,
        script=str(SCRIPTS / "dpo.py"),
        beside=[str(SCRIPTS / name) for name in BESIDE_DPO],
        output_dir=f"{JOB_OUTPUT}/{output}",
        jobs=settings.jobs,
        ships_project=bool(local_inputs(project, values)),
    )
