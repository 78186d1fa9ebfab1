"""What `[jobs]` asks of a Job besides its flavor and time: variables, secrets by name, volumes, image, ssh.

The values of secrets are never in here, nor in the specification of a run: they are read when a Job is submitted.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from smoltui.core.foreign.field_types import FITS, field_types

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VOLUME = re.compile(
    r"hf://(?:(?P<type>models|datasets|spaces|buckets)/)?(?P<source>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?"
    r":(?P<mount>/[^:]*)(?::(?P<mode>ro|rw))?"
)
TAKEN = ("/data", "/checkpoints")
"""Where a Job finds its script, and its kept checkpoints."""
OURS = ("HF_TOKEN", "PYTHONUNBUFFERED", "PYTHONSAFEPATH")
"""Variables that are always set."""


@dataclass(frozen=True, slots=True)
class JobOptions:
    """What is asked of a Job; the fields are keys of `[jobs]`."""

    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    """Names, whose values come from `secrets_file` or the environment."""
    secrets_file: str = ""
    """A file of NAME=VALUE lines, relative to the project."""
    volumes: tuple[str, ...] = ()
    """As `hf jobs run -v` takes them (`volume_in`)."""
    image: str = ""
    """Image of the container, with `uv` in it; empty for that of `hf jobs uv run`."""
    ssh: bool = False
    resource_group: str = ""
    """Id of an organization's resource group."""


@dataclass(frozen=True, slots=True)
class JobVolume:
    """A repository or bucket that is mounted in a Job."""

    type: str
    """model, dataset, space or bucket."""
    source: str
    """owner/name."""
    mount: str
    """An absolute path without `..`, `.` or double slashes."""
    revision: str | None = None
    read_only: bool = True


def volume_in(text: str) -> JobVolume:
    """The volume in `hf://[TYPE/]OWNER/NAME[@REVISION]:/MOUNT[:ro|:rw]`; TYPE is models, datasets, spaces or buckets.

    Only buckets can be written to, and can be by default, as for `hf jobs run`.

    Raises:
        ValueError: it cannot be used, with a sentence without a full stop.
    """
    found = _VOLUME.fullmatch(text)
    if found is None:
        raise ValueError("a volume is written hf://[models|datasets|spaces|buckets/]OWNER/NAME:/MOUNT[:ro|:rw]")
    kind = (found["type"] or "models").removesuffix("s")
    if kind != "bucket" and found["mode"] == "rw":
        raise ValueError("only buckets can be mounted for writing (:rw)")
    mount = posixpath.normpath(f"/{found['mount'].lstrip('/')}")  # normpath keeps two slashes at the beginning
    if any(mount == taken or mount.startswith(f"{taken}/") for taken in TAKEN) or mount == "/":
        raise ValueError(f"{' and '.join(TAKEN)} are used by the Job itself; choose another mount path")
    read_only = found["mode"] == "ro" if kind == "bucket" else True
    return JobVolume(kind, found["source"], mount, found["revision"], read_only)


def options_in(options: Mapping[str, str]) -> JobOptions:
    """The options in a run's specification (`RunSpec.options`); values of another type, and other keys, are ignored."""
    types = field_types(JobOptions)
    values: dict[str, Any] = {}
    for name, kind in types.items():
        if name in options:
            try:
                value = json.loads(options[name])
            except ValueError:
                continue
            if FITS[kind.type](value):
                values[name] = tuple(value) if isinstance(value, list) else value
    return JobOptions(**values)


def problem_in(options: JobOptions) -> tuple[str, str, str] | None:
    """The key of the first value that cannot be used, what is wrong, and what to do; None if all can."""
    for name in options.env:
        if name in OURS:
            return "env", f"has a name that every Job already has a value for: {name}", "Choose another name."
        if not _NAME.fullmatch(name):
            return "env", f"has a name that cannot be set: {name}", "Use letters, digits and _."
    for name in options.secrets:
        if "=" in name:
            return (
                "secrets",
                "must name the secrets without their values, which would be stored",
                "Write only the name, and set its value in the environment.",
            )
        if not _NAME.fullmatch(name):
            return "secrets", f"has a name that cannot be used: {name}", "Use letters, digits and _."
        if name in options.env:
            return "secrets", f"has a name that is in jobs.env, too: {name}", "Remove one of them."
    mounts = []
    for text in options.volumes:
        try:
            mounts.append(volume_in(text).mount)
        except ValueError as error:
            return "volumes", f"has a volume that cannot be used: {text}", f"{str(error)[:1].upper()}{str(error)[1:]}."
    if len(set(mounts)) < len(mounts):
        return "volumes", "mounts two volumes at the same path", "Choose another mount path."
    return None


def secret_values(text: str) -> dict[str, str]:
    """Names and values in a file of NAME=VALUE lines; `#` begins a comment line, quotes around a value are removed."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and _NAME.fullmatch(name.strip()):
            value = value.strip()
            if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
                value = value[1:-1]
            found[name.strip()] = value
    return found
