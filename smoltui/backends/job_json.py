"""A Job as the server describes it, as a `Run`. Nothing is required but an id; what is not known stays unknown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from smoltui.backends.hub_errors import endpoint
from smoltui.core.run import FINAL, Run, Stage
from smoltui.core.scheduled import ScheduledJob
from smoltui.errors import InputError
from smoltui.safe_text import redact, safe_line

UNKNOWN = "UNKNOWN"
"""Shown for a Job without a stage."""


def stage_of(job: Mapping[str, Any]) -> str:
    """The stage as the server says it, whether we know the word or not."""
    status = job.get("status")
    stage = status.get("stage") if isinstance(status, Mapping) else None
    return stage if isinstance(stage, str) and stage else UNKNOWN


def run_of(job: Mapping[str, Any], *, namespace: str | None = None) -> Run:
    """The run in a Job's JSON. `namespace` is where it was found, for an answer that does not name its owner."""
    status, owner = _mapping(job.get("status")), _mapping(job.get("owner"))
    labels = labels_of(job)
    name = _word(owner.get("name")) or namespace
    message = _word(status.get("message"))
    raw = dict(job)
    if "secrets" in raw:
        raw["secrets"] = secret_names(job)
    return Run(
        id=str(job.get("id")),
        engine="hub",
        name=labels.get("name") or _image(job) or str(job.get("id")),
        stage=stage_of(job),
        message=redact(message) if message else None,
        hint=_next_step(message or "", job.get("id")) if stage_of(job) == Stage.ERROR else None,
        created_at=seconds_of(job.get("createdAt")),
        started_at=seconds_of(job.get("startedAt")),
        finished_at=seconds_of(job.get("finishedAt")),
        flavor=_word(job.get("flavor")),
        namespace=name,
        timeout_seconds=_whole(job.get("timeoutSeconds")),
        labels=labels,
        url=f"{endpoint()}/jobs/{name}/{job.get('id')}" if name else None,
        raw=raw,
    )


def _next_step(message: str, job_id: Any) -> str:
    """What to do about a Job that ended in ERROR with this message; its own log may know better."""
    said = message.lower()
    if "oom" in said or "memory" in said:
        return "Take a flavor with more memory, or lower per_device_train_batch_size or max_length."
    if "timeout" in said or "timed out" in said:
        return "Give it more time: --timeout, or jobs.timeout in smoltui.toml."
    return f"Its log says more: smoltui logs {job_id}"


def clean(value: Any, secrets: tuple[str, ...] = ()) -> Any:
    """JSON as the server gave it, without the value of any secret: those are names, and all texts are redacted."""
    if isinstance(value, str):
        return redact(value, secrets)
    if isinstance(value, Mapping):
        return {str(key): _names(item) if key == "secrets" else clean(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [clean(item, secrets) for item in value]
    return value


def labels_of(job: Mapping[str, Any]) -> dict[str, str]:
    """Its labels, which the Hub writes as texts."""
    return {str(key): str(value) for key, value in _mapping(job.get("labels")).items()}


def secret_names(job: Mapping[str, Any]) -> list[str]:
    """Names of its secrets; the Hub gives no value back."""
    return _names(job.get("secrets"))


def access_of(job: Mapping[str, Any]) -> list[str]:
    """How one gets into a Job: the ssh command, then the address of each exposed port. Empty where it offers neither.

    `job` is a Job's JSON or `Run.raw`. The texts are the server's, shaped but not made safe. An ended Job offers
    nothing: the server goes on naming what nobody answers at.
    """
    if stage_of(job) in FINAL:
        return []
    status = _mapping(job.get("status"))
    found = []
    if command := _ssh_command(_word(status.get("sshUrl"))):
        found.append(command)
    urls = status.get("exposeUrls")
    for url in urls if isinstance(urls, list) else []:
        if isinstance(url, str) and url.startswith(("https://", "http://")):
            found.append(url)
    return found


def _ssh_command(url: str | None) -> str | None:
    """`ssh ID@ssh.hf.jobs` out of `ssh://ID@ssh.hf.jobs`; None for what a shell might read as something else."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    user, host = parts.username or "", parts.hostname or ""
    if parts.scheme != "ssh" or not all(
        word and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", word) for word in (user, host)
    ):
        return None
    return f"ssh {f'-p {port} ' if port else ''}{user}@{host}"


SPEC_KEYS = (
    "command", "arguments", "environment", "flavor", "timeoutSeconds", "labels", "volumes", "expose", "network",
    "resourceGroupId",
)  # fmt: skip
"""Keys that mean the same in a Job's JSON and in the request for one (huggingface_hub 2.4, `_create_job_spec`)."""


def spec_of_job(job: Mapping[str, Any]) -> dict[str, Any]:
    """The request that starts the same Job once more, without its secrets, whose values nobody is told.

    Raises:
        InputError: the JSON does not say what it runs.
    """
    spec = {key: job[key] for key in SPEC_KEYS if job.get(key) is not None}
    image = next((key for key in ("dockerImage", "spaceId") if _word(job.get(key))), None)
    if image is None or not isinstance(job.get("command"), list):
        name = safe_line(str(job.get("id")), 60)
        raise InputError(
            f"The Hub does not say what this Job runs, so it cannot be started again: {name}",
            f"See what is known of it: smoltui inspect {name}",
        )
    spec[image] = job[image]
    attempts, retries = _whole(job.get("attempts")), _whole(job.get("retry"))
    if attempts is None and retries is not None:
        attempts = retries + 1
    if attempts is not None and attempts > 1:
        spec["attempts"] = attempts
    if _mapping(job.get("status")).get("sshUrl"):
        spec["ssh"] = {"enabled": True}
    return spec


def scheduled_of(item: Mapping[str, Any], *, namespace: str | None = None) -> ScheduledJob:
    """The scheduled Job in its JSON. `namespace` is where it was found, for an answer that does not name its owner."""
    spec, status = _mapping(item.get("jobSpec")), _mapping(item.get("status"))
    last, labels = _mapping(status.get("lastJob")), labels_of(spec)
    suspended, concurrency = item.get("suspend"), item.get("concurrency")
    raw = dict(item)
    if isinstance(raw.get("jobSpec"), Mapping):
        raw["jobSpec"] = {**spec, "secrets": secret_names(spec)}
    # Its Jobs are given a timeout as `timeoutSeconds`, and the answer may name it `timeout` (huggingface_hub 2.4).
    timeout = _whole(spec.get("timeoutSeconds"))
    return ScheduledJob(
        id=str(item.get("id")),
        name=labels.get("name") or _image(spec) or str(item.get("id")),
        schedule=_word(item.get("schedule")) or UNKNOWN,
        namespace=_word(_mapping(item.get("owner")).get("name")) or namespace,
        suspended=suspended if isinstance(suspended, bool) else None,
        concurrency=concurrency if isinstance(concurrency, bool) else None,
        next_at=seconds_of(status.get("nextJobRunAt")),
        last_at=seconds_of(last.get("at")),
        last_run=_word(last.get("id")),
        created_at=seconds_of(item.get("createdAt")),
        flavor=_word(spec.get("flavor")),
        timeout_seconds=_whole(spec.get("timeout")) if timeout is None else timeout,
        labels=labels,
        raw=raw,
    )


def _names(secrets: Any) -> list[str]:
    """A list of names, as the Hub gives it, or the keys of a mapping, as another server may."""
    if isinstance(secrets, Mapping):
        return sorted(str(key) for key in secrets)
    return [str(item) for item in secrets] if isinstance(secrets, list) else []


def _image(job: Mapping[str, Any]) -> str | None:
    image = _word(job.get("dockerImage")) or _word(job.get("spaceId"))
    return image.rstrip("/").rsplit("/", 1)[-1] if image else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def seconds_of(value: Any) -> float | None:
    """A time as the Hub writes it, in seconds since the epoch; None when it is none."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
