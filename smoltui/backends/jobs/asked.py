"""What `[jobs]` asks of a Job, as the Hub's client takes it; values of secrets are read here, and stored nowhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoltui.backends.system.paths import expanded
from smoltui.backends.system.small_file import read_small_text
from smoltui.core.runs.job_options import JobOptions, options_in, secret_values, volume_in
from smoltui.core.runs.run import RunSpec
from smoltui.errors import InputError
from smoltui.redaction import register_secrets
from smoltui.safe_text import safe_line

if TYPE_CHECKING:
    from huggingface_hub import Volume


@dataclass(frozen=True, slots=True)
class Asked:
    """What a Job is started with, besides command, flavor and time."""

    image: str
    env: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    volumes: list[Volume] = field(default_factory=list)
    ssh: bool = False
    resource_group: str | None = None

    def as_arguments(self, token: str, env: Mapping[str, str], volumes: list[Volume]) -> dict[str, Any]:
        """Arguments of `HfApi.run_job`, with what every Job has: `token`, unless a secret is its HF_TOKEN."""
        return {
            "image": self.image,
            "env": {**self.env, **env},
            "secrets": {"HF_TOKEN": token, **self.secrets},
            "volumes": [*volumes, *self.volumes] or None,
            "ssh": self.ssh,
            "resource_group_id": self.resource_group,
        }

    def as_json(self, token: str, env: Mapping[str, str], volumes: list[Volume]) -> dict[str, Any]:
        """The same in a request for a scheduled Job, which has no ssh."""
        group = {"resourceGroupId": self.resource_group} if self.resource_group else {}
        return {
            "dockerImage": self.image,
            "environment": {**self.env, **env},
            "secrets": {"HF_TOKEN": token, **self.secrets},
            "volumes": [volume.to_dict() for volume in (*volumes, *self.volumes)],
            **group,
        }


def asked_of(spec: RunSpec | None) -> Asked:
    """What the specification asks; None asks nothing. Reads the disk and the environment.

    Raises:
        InputError: a secret has no value here.
    """
    from huggingface_hub import Volume
    from huggingface_hub._jobs_api import DEFAULT_UV_IMAGE

    options = options_in(spec.options) if spec is not None else JobOptions()
    volumes = []
    for text in options.volumes:
        one = volume_in(text)
        volumes.append(
            Volume(
                type=one.type,
                source=one.source,
                mount_path=one.mount,
                revision=one.revision,
                read_only=one.read_only,
            )
        )
    return Asked(
        options.image or DEFAULT_UV_IMAGE,
        dict(options.env),
        _secrets(options, Path(spec.project if spec is not None else ".")),
        volumes,
        options.ssh,
        options.resource_group or None,
    )


def register_secrets_of(spec: RunSpec | None) -> None:
    """From now on, the values of the Job's secrets are removed from its log, as far as they can be read here."""
    if spec is None:
        return
    with suppress(InputError):
        options = options_in(spec.options)
        known = _known(options, Path(spec.project)) if options.secrets else {}
        register_secrets(*(known.get(name) for name in options.secrets))


def missing_secrets(spec: RunSpec) -> list[str]:
    """Names of secrets that have no value here. Raises InputError: the file of secrets cannot be read."""
    options = options_in(spec.options)
    known = _known(options, Path(spec.project))
    return [name for name in options.secrets if not known.get(name)]


def _secrets(options: JobOptions, project: Path) -> dict[str, str]:
    known = _known(options, project) if options.secrets else {}
    for name in options.secrets:
        if not known.get(name):
            where = f"{options.secrets_file} or the environment" if options.secrets_file else "the environment"
            raise InputError(
                f"A secret of the Job has no value here: {safe_line(name, 100)}",
                f"Set it in {safe_line(where, 200)}, or remove it from jobs.secrets in smoltui.toml.",
            )
    register_secrets(*(known[name] for name in options.secrets))
    return {name: known[name] for name in options.secrets}


def _known(options: JobOptions, project: Path) -> dict[str, str]:
    """Values by name; those in the file come before those in the environment."""
    if not options.secrets_file:
        return dict(os.environ)
    path = project / expanded(options.secrets_file)
    try:
        return {**os.environ, **secret_values(read_small_text(path))}
    except (OSError, UnicodeDecodeError) as error:
        hint = "Fix jobs.secrets_file in smoltui.toml."
        raise InputError(f"The file of secrets cannot be read: {path}", hint) from error
