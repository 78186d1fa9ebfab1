"""Files that a Job needs from this machine: the script, the recipe, and the local files in the recipe.

All of it is mounted read-only at `/data` in the Job. Files inside the project keep their relative paths, so the recipe
that is shipped is the project's, byte for byte; paths outside the project are shipped under `outside/`, and the shipped
copy of the recipe refers to them there.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smoltui.backends.project.project import RECIPE_NAME
from smoltui.backends.project.recipe_file import RecipeFile
from smoltui.backends.system.paths import expanded
from smoltui.core.runs.accelerate import CONFIG_NAME, accelerate_config, as_yaml, mixed_precision_of
from smoltui.core.runs.run import RunSpec
from smoltui.errors import InputError
from smoltui.scripts import BESIDE_DPO, LOCKED, LOCKED_LINUX, SCRIPTS

MOUNT = "/data"
SHIPPED = ("dpo.py", *BESIDE_DPO)
KEPT_NOTE = "kept/README.txt"
"""Makes the folder that is mounted for checkpoints exist."""
_DEPENDENCIES = re.compile(r"(?m)^(# dependencies = \[\n)(?:#   .*\n)*# \]\n")
EXCLUDE_NAME = "left_out.txt"
"""One content hash per line, for the script's `--exclude`."""

PATH_KEYS = (
    "model_name_or_path",
    "dataset_name",
    "resume_from_checkpoint",
    "deepspeed",
    "fsdp_config",
    "accelerate_config",
)
"""Keys of TRL, transformers and accelerate whose value may be a local path."""
FILE_BUILDERS = ("json", "csv", "parquet", "arrow", "text", "pandas")
"""Values of `datasets[].path` that name a file format of `datasets`; the files are in data_files or data_dir."""


@dataclass(frozen=True)
class Shipment:
    """Files for a Job, by their path below `MOUNT`."""

    files: dict[str, Path | bytes] = field(repr=False)
    recipe: str
    """The recipe as shipped."""

    def sizes(self) -> list[tuple[str, int]]:
        """(path below `MOUNT`, bytes) of each file, the largest first."""
        sizes = [
            (name, len(source) if isinstance(source, bytes) else source.stat().st_size)
            for name, source in self.files.items()
        ]
        return sorted(sizes, key=lambda item: (-item[1], item[0]))


def pack(spec: RunSpec) -> Shipment:
    """Files for the Job of `spec`. Reads the disk, so not on the event loop.

    Raises:
        RecipeError: the recipe is not YAML.
        InputError: a path in the recipe does not exist or cannot be read.
    """
    recipe = RecipeFile(Path(spec.project) / RECIPE_NAME, spec.recipe, "")
    packer = _Packer(Path(spec.project))
    values = recipe.values
    for key in PATH_KEYS:
        value = values.get(key)
        if isinstance(value, str) and (placed := packer.path(value, key)) != value:
            recipe.set(key, placed)
    if isinstance(values.get("datasets"), list):
        placed_sets = [packer.dataset(item) if isinstance(item, dict) else item for item in values["datasets"]]
        if placed_sets != values["datasets"]:
            recipe.set("datasets", placed_sets)
    scripts = SCRIPTS
    files: dict[str, Path | bytes] = {name: (scripts / name).read_bytes() for name in SHIPPED}
    files["dpo.py"] = locked_script((scripts / "dpo.py").read_text(encoding="utf-8")).encode("utf-8")
    files[RECIPE_NAME] = recipe.text.encode("utf-8")
    if (spec.processes or 1) > 1:
        config = accelerate_config(spec.processes or 1, spec.strategy or "ddp", mixed_precision_of(values))
        files[CONFIG_NAME] = as_yaml(config).encode("ascii")
    if spec.keep.startswith("bucket:") and not spec.resumes:
        files[KEPT_NOTE] = b"Checkpoints of the Job, which outlive it. Deleted once its model is pushed.\n"
    if spec.left_out:
        files[EXCLUDE_NAME] = "".join(f"{value}\n" for value in spec.left_out).encode("ascii")
    return Shipment({**packer.files, **files}, recipe.text)


def locked_script(text: str) -> str:
    """The script with every package that it gets on Linux in its header (PEP 723), each with an exact version.

    `uv run` reads no lock file of a script that another command names, so the header is the lock.
    """
    names = [*LOCKED.read_text(encoding="utf-8").split(), *LOCKED_LINUX.read_text(encoding="utf-8").split()]
    listed = "".join(f'#   "{name}",\n' for name in sorted(names))
    return _DEPENDENCIES.sub(lambda found: f"{found[1]}{listed}# ]\n", text, count=1)


def shipment(spec: RunSpec) -> list[tuple[str, int]]:
    """(path, bytes) of each file that submitting `spec` would upload, the largest first. Raises as `pack`."""
    return pack(spec).sizes()


class _Packer:
    """Collects local files and their names in the Job."""

    def __init__(self, project: Path) -> None:
        self.project = Path(os.path.normpath(project.absolute()))
        self.files: dict[str, Path | bytes] = {}

    def path(self, value: str, key: str, *, must: bool = False) -> str:
        """The value for the shipped recipe; a Hub id or a URL is unchanged.

        `must`: it can only be a local path, so a missing one is an error.
        """
        if "://" in value or not value:
            return value
        path = self._absolute(value)
        if path.is_dir() or path.is_file():
            return self._take(path, value)
        if must or value.startswith(("/", "./", "../", "~")):
            raise InputError(
                f"The recipe uses a file or folder that does not exist, so it cannot be sent to a Job: {key}: {value}",
                "Fix the path, or use a model or dataset on the Hub as owner/name.",
            )
        return value

    def dataset(self, item: dict[str, Any]) -> dict[str, Any]:
        """One entry of `datasets:` as shipped."""
        placed = dict(item)
        if (name := item.get("path")) in FILE_BUILDERS:
            for key in ("data_files", "data_dir"):
                if item.get(key) is not None:
                    placed[key] = self._data(item[key], f"datasets: {key}")
        elif isinstance(name, str):
            placed["path"] = self.path(name, "datasets: path")
        return placed

    def _data(self, value: object, key: str) -> Any:
        match value:
            case str():
                return self._pattern(value, key) if glob.has_magic(value) else self.path(value, key, must=True)
            case list():
                return [self._data(part, key) for part in value]
            case dict():
                return {name: self._data(part, key) for name, part in value.items()}
        return value

    def _pattern(self, value: str, key: str) -> str:
        """A pattern such as `pairs/*.jsonl`: all matches are shipped."""
        if "://" in value:
            return value
        parts = expanded(value).parts
        fixed = next(number for number, part in enumerate(parts) if glob.has_magic(part))
        base = self._absolute(str(Path(*parts[:fixed])) if fixed else ".")
        rest = "/".join(parts[fixed:])
        name = self._name(base)
        found = [match for match in base.glob(rest) if match.is_file()] if base.is_dir() else []
        if not found:
            raise InputError(f"No files match this pattern of the recipe: {key}: {value}", "Fix the pattern.")
        for match in found:
            inside = match.relative_to(base).as_posix()
            self.files[f"{name}/{inside}" if name else inside] = match
        return value if self._is_inside(value, base) else f"{name}/{rest}"

    def _absolute(self, value: str) -> Path:
        return Path(os.path.normpath(self.project / expanded(value)))

    def _is_inside(self, value: str, path: Path) -> bool:
        """Whether `value` refers to the same file in the Job, where the project's folder is `MOUNT`."""
        return not value.startswith(("/", "~")) and path.is_relative_to(self.project)

    def _name(self, path: Path) -> str:
        """Path below `MOUNT`; empty for the project's folder itself."""
        if path.is_relative_to(self.project):
            name = path.relative_to(self.project).as_posix()
            if name.split("/")[0] not in (*SHIPPED, RECIPE_NAME, EXCLUDE_NAME, CONFIG_NAME, "outside"):
                return "" if name == "." else name
        mark = hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()[:8]
        return f"outside/{mark}/{path.name}"

    def _take(self, path: Path, value: str) -> str:
        name = self._name(path)
        if not name:
            raise InputError(
                f"The recipe uses the whole project folder, so all of it would be sent: {value}",
                "Move the pairs or the model into a separate folder.",
            )
        if path.is_file():
            self.files[name] = path
        else:
            for file in _walk(path):
                self.files[f"{name}/{file.relative_to(path).as_posix()}"] = file
        same = self._is_inside(value, path) and not name.startswith("outside/")
        return value if same else name


def _walk(folder: Path) -> Iterator[Path]:
    """Files below a folder, links followed. Without hidden ones (caches, `.git`, `.env`) and old checkpoints."""

    def unreadable(error: OSError) -> None:
        raise InputError(f"A folder that the Job needs cannot be read ({error.strerror}): {error.filename}")

    seen: set[str] = set()
    for at, folders, names in os.walk(folder, onerror=unreadable, followlinks=True):
        real = os.path.realpath(at)
        folders[:] = [name for name in sorted(folders) if not name.startswith((".", "checkpoint-"))]
        if real in seen:  # a link that leads back
            folders[:] = []
            continue
        seen.add(real)
        yield from (Path(at) / name for name in sorted(names) if not name.startswith("."))
