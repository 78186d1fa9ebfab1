"""The commands that train a recipe without smoltui: `trl dpo`, and `hf jobs uv run` with TRL's script or an exported
one."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from smoltui.core.exporting.flags import flags
from smoltui.core.recipe.keys import snapshot
from smoltui.core.settings.settings import JobSettings

REST_NAME = "rest-of-recipe.yaml"
"""File for the keys that no option can set."""
END = "RECIPE"
"""The word that ends that file in the command."""
TRL_SCRIPT = "https://raw.githubusercontent.com/huggingface/trl/v{version}/trl/scripts/dpo.py"
"""TRL's own script at the tag of a release."""


def trl_script() -> str:
    """Address of TRL's script for the release whose keys a recipe has."""
    return TRL_SCRIPT.format(version=snapshot().versions["trl"])


def trl_command(values: Mapping[str, Any], render: Mapping[str, str]) -> str:
    """`trl dpo` with an option per key, one a line; with a file made first for keys that have no option.

    `render` is key → value as YAML.
    """
    return _with_rest(["trl", "dpo"], values, render)


def hf_jobs_with_trl(
    values: Mapping[str, Any],
    render: Mapping[str, str],
    jobs: JobSettings,
    *,
    packages: Sequence[str],
    mounts: Sequence[str] = (),
) -> str:
    """`hf jobs uv run` with TRL's own script at its release tag.

    Its header names no versions, so `packages` (as pip takes them) pin them. `mounts` are values of `--volume`.
    """
    words = [*_job(jobs, mounts), *(word for package in packages for word in ("--with", package)), trl_script()]
    return _with_rest(words, values, render)


def hf_jobs_with_script(script: str, jobs: JobSettings, *, output_dir: str, mounts: Sequence[str] = ()) -> str:
    """`hf jobs uv run` with an exported script, which has recipe and versions in it."""
    work = ["--work-dir", mounts[0].split(":")[1]] if mounts else []
    return shlex.join([*_job(jobs, mounts), script, *work, "--output-dir", output_dir])


def _job(jobs: JobSettings, mounts: Sequence[str]) -> list[str]:
    words = ["hf", "jobs", "uv", "run", "--flavor", jobs.flavor, "--timeout", jobs.timeout, "--secrets", "HF_TOKEN"]
    if jobs.namespace:
        words += ["--namespace", jobs.namespace]
    for name, value in jobs.labels.items():
        words += ["--label", f"{name}={value}"]
    for mount in mounts:
        words += ["-v", mount]
    return words


def _with_rest(words: Sequence[str], values: Mapping[str, Any], render: Mapping[str, str]) -> str:
    found = flags(values)
    lines = [shlex.join(words)]
    made = ""
    if found.rest:
        text = "".join(f"{key}:{_spaced(render[key])}\n" for key in found.rest)
        made = f"cat > {REST_NAME} <<'{END}'\n{text}{END}\n"
        lines.append(f"--config {REST_NAME}")
    lines += [shlex.join(group) for group in found.options]
    return made + " \\\n  ".join(lines)


def _spaced(text: str) -> str:
    return text if text.startswith("\n") else f" {text}"
