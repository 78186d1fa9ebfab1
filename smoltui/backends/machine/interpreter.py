"""Which Python trains on this machine: ours, another environment, or one that uv makes (`local.python`)."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smoltui.backends.machine.recipe_packages import serves
from smoltui.backends.system.data_folder import home
from smoltui.backends.system.paths import expanded, shown_path
from smoltui.core.exporting.script import requirements_of
from smoltui.core.preflight.check import Problem
from smoltui.core.recipe import snapshot
from smoltui.core.recipe.packages import Package, packages_for
from smoltui.errors import InputError, MissingExtraError, SmoltuiError
from smoltui.scripts import LOCKED, SCRIPTS

UV = "uv"
"""The value of `local.python` for an environment that uv makes."""
NEEDED = ("trl>=1,<2", "torch", "transformers", "datasets", "accelerate", "peft")
"""What an environment must have; any release of TRL 1."""
ASK_SECONDS = 20.0
"""How long another Python may take to list its packages; that takes 0.1 seconds."""
_ASK = (
    "import json, sys; from importlib.metadata import distributions; "
    "print(json.dumps({d.metadata['Name']: d.version for d in distributions() if d.metadata['Name']}))"
)


def interpreter(name: str, project: Path, packages: Sequence[str] = (), own: str = sys.executable) -> tuple[str, ...]:
    """The beginning of the command that trains. `name` is the value of `local.python` in the folder `project`; empty
    for `own`. `packages` are requirements that the recipe adds.

    Raises:
        InputError: there is no such Python.
        MissingExtraError: it lacks packages, or there is no uv.
    """
    if not name:
        return (own,)
    if name == UV:
        return _with_uv(packages)
    python = python_in(name, project)
    require_packages(python)
    return (str(python),)


def python_in(name: str, base: Path) -> Path:
    """The Python of an environment's folder, or a Python itself; relative paths start at `base`.

    Raises:
        InputError: there is none.
    """
    path = expanded(name)
    path = path if path.is_absolute() else base / path
    found = path / "bin" / "python" if path.is_dir() else path
    if not found.is_file() or not os.access(found, os.X_OK):
        raise InputError(
            f"local.python in smoltui.toml is no Python and no environment: {name}",
            'Name the folder of a venv or conda environment, or "uv"; or delete the line.',
        )
    return found  # not resolved: a venv is found by the link in it


def packages_in(python: Path) -> Mapping[str, str]:
    """Normalized name → version of the packages of another Python.

    Raises:
        InputError: it does not work.
    """
    try:
        asked = subprocess.run(
            [str(python), "-c", _ASK],
            capture_output=True,
            text=True,
            timeout=ASK_SECONDS,
            cwd="/",
            env={name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")},
        )
        found = json.loads(asked.stdout.splitlines()[-1])
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
        raise InputError(f"This Python does not work: {shown_path(str(python))}", f"Try it: {python} -V") from error
    from packaging.utils import canonicalize_name

    return {canonicalize_name(str(name)): str(version) for name, version in found.items()}


def require_packages(python: Path) -> None:
    """Raises MissingExtraError if a Python lacks what training needs, InputError if it does not work."""
    from packaging.requirements import Requirement

    found = packages_in(python)
    wanted = [Requirement(line) for line in NEEDED]
    lacking = [one for one in wanted if (version := found.get(one.name)) is None or version not in one.specifier]
    if lacking:
        told = ", ".join(
            f"{one.name} is {found[one.name]}" if one.name in found else f"no {one.name}" for one in lacking
        )
        raise MissingExtraError(
            f"The Python in local.python cannot train ({told}): {shown_path(str(python))}",
            f"Install it: {python} -m pip install {' '.join(repr(str(one)) for one in lacking)}",
        )


def _with_uv(packages: Sequence[str]) -> tuple[str, ...]:
    """The script that makes the environment and becomes its Python. Writes what uv reads.

    Raises:
        MissingExtraError: there is no uv.
        InputError: the data folder cannot be written.
    """
    if shutil.which("uv") is None:
        raise MissingExtraError('local.python is "uv", which is not installed', "Install it: pip install uv")
    wanted = [*requirements_of((SCRIPTS / "dpo.py").read_text(encoding="utf-8")), *packages]
    locked = LOCKED.read_text(encoding="utf-8")
    digest = hashlib.sha256("\n".join([*wanted, locked, sys.version]).encode()).hexdigest()[:16]
    folder = home() / "environments"
    requirements = folder / f"{digest}.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        requirements.write_text("".join(f"{line}\n" for line in wanted), encoding="utf-8")
    except OSError as error:
        raise InputError(f"The data folder cannot be written ({error.strerror}): {folder}") from error
    maker = str(SCRIPTS / "uv_environment.py")
    return (sys.executable, "-P", maker, str(folder / digest), str(requirements), str(LOCKED))


@dataclass(frozen=True, slots=True)
class OtherPython:
    """What is known about the Python of `local.python`."""

    missing: tuple[Package, ...] = ()
    """Packages of the recipe that it lacks."""
    trl: str | None = None
    problem: Problem | None = None
    """Why it cannot train."""


def look_at(name: str, project: Path, values: Mapping[str, Any], more: Sequence[Package] = ()) -> OtherPython:
    """The Python that `local.python` names, for a recipe with these values and `more` packages. Blocks for a moment."""
    from packaging.utils import canonicalize_name

    try:
        words = interpreter(name, project)
        if name == UV:  # it gets what it needs
            return OtherPython(trl=snapshot().versions["trl"])
        found = packages_in(Path(words[0]))
    except SmoltuiError as error:
        return OtherPython(problem=Problem(error.message, error.hint))
    installed = {package: found.get(canonicalize_name(package.name)) for package in (*packages_for(values), *more)}
    lacking = tuple(package for package, there in installed.items() if there is None or not serves(package, there))
    return OtherPython(lacking, found.get("trl"))
