"""Converts the server's JSON of a Job to a `Run`. Only an id is required; unknown values stay unknown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from smoltui.backends.hub.errors import endpoint
from smoltui.backends.jobs.place import JOBS
from smoltui.core.foreign.server_values import (
    MOST_CHARACTERS,
    duration_in,
    id_in,
    mapping_in,
    moment_in,
    name_in,
    text_in,
    truth_in,
)
from smoltui.core.runs.next_words import see_log
from smoltui.core.runs.run import FINAL, Run, Stage
from smoltui.core.runs.scheduled import ScheduledJob
from smoltui.errors import InputError
from smoltui.safe_text import redact, safe_line

UNKNOWN = "UNKNOWN"
"""Shown for a Job without a stage."""


MOST_ATTEMPTS = 10_000
"""A larger number is an error of the server: the cost would be, too."""
UNREADABLE = "This Job's record can't be read"
"""Message for a Job whose JSON lacks what every Job has: an id, a stage."""


def stage_of(job: Mapping[str, object]) -> str:
    """The stage as reported by the server, known to us or not."""
    stage = text_in(mapping_in(job.get("status")).get("stage"))
    return stage[:40] if stage else UNKNOWN


def id_of(job: object) -> str | None:
    """The id in a Job's JSON; None without a valid one."""
    return id_in(job.get("id")) if isinstance(job, Mapping) else None


def unreadable(job: object, namespace: str, number: int) -> Run:
    """A row for item `number` of a list of Jobs, which has no valid id."""
    name, words, raw = _unreadable(job, namespace, number)
    return Run(id=name, engine=JOBS.name, name=name, stage=UNKNOWN, message=words, namespace=namespace, raw=raw)


def unreadable_scheduled(item: object, namespace: str, number: int) -> ScheduledJob:
    """As `unreadable`, of a list of scheduled Jobs."""
    name, words, raw = _unreadable(item, namespace, number)
    return ScheduledJob(id=name, name=words, schedule=UNKNOWN, namespace=namespace, raw=raw)


def _unreadable(item: object, namespace: str, number: int) -> tuple[str, str, dict[str, Any]]:
    told = text_in(item.get("id")) if isinstance(item, Mapping) else None
    words = f"{UNREADABLE}: {safe_line(redact(told), 60)}" if told else UNREADABLE
    cleaned = clean(item)
    return f"unreadable-{namespace}-{number}", words, cleaned if isinstance(cleaned, dict) else {}


def run_of(job: Mapping[str, object], *, namespace: str | None = None) -> Run:
    """The run in a Job's JSON. `namespace` is where it was found, for a response without an owner.

    A field of the wrong type counts as missing. The caller has checked the id (`id_of`).
    """
    job_id = id_of(job) or UNKNOWN
    status, owner = mapping_in(job.get("status")), mapping_in(job.get("owner"))
    labels = labels_of(job)
    name = name_in(owner.get("name")) or namespace
    message = text_in(status.get("message"))
    if "status" in job and not isinstance(status.get("stage"), str):
        message = f"{UNREADABLE}: {job_id}"
    raw = dict(job)
    if "secrets" in raw:
        raw["secrets"] = secret_names(job)
    return Run(
        id=job_id,
        engine=JOBS.name,
        name=labels.get("name") or _image(job) or job_id,
        stage=stage_of(job),
        message=redact(message) if message else None,
        hint=_next_step(message or "", job_id) if stage_of(job) == Stage.ERROR else None,
        created_at=moment_in(job.get("createdAt")),
        started_at=moment_in(job.get("startedAt")),
        finished_at=moment_in(job.get("finishedAt")),
        flavor=name_in(job.get("flavor")),
        namespace=name,
        timeout_seconds=duration_in(job.get("timeoutSeconds")),
        attempts=attempts_of(job),
        labels=labels,
        url=f"{endpoint()}/jobs/{name}/{job_id}" if name else None,
        raw=raw,
    )


def _next_step(message: str, job_id: str) -> str:
    """What to do about a Job that ended in ERROR with this message; its log may have a better hint."""
    said = message.lower()
    if "oom" in said or "memory" in said:
        return "Use a flavor with more memory, or lower per_device_train_batch_size or max_length."
    if "timeout" in said or "timed out" in said:
        return "Raise the timeout: --timeout, or jobs.timeout in smoltui.toml."
    return see_log(job_id)


def clean(value: object, secrets: tuple[str, ...] = ()) -> Any:
    """JSON from the server without the values of secrets: only their names remain, and all texts are redacted."""
    if isinstance(value, str):
        return redact(value, secrets)
    if isinstance(value, Mapping):
        return {str(key): _names(item) if key == "secrets" else clean(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [clean(item, secrets) for item in value]
    return value


def labels_of(job: Mapping[str, object]) -> dict[str, str]:
    """Its labels, which the Hub sends as text; numbers become text, anything else is ignored."""
    return {
        str(key)[:MOST_CHARACTERS]: str(value)[:MOST_CHARACTERS]
        for key, value in mapping_in(job.get("labels")).items()
        if isinstance(value, str | int | float)
    }


def secret_names(job: Mapping[str, object]) -> list[str]:
    """Names of its secrets; the Hub never returns values."""
    return _names(job.get("secrets"))


def access_of(job: Mapping[str, object]) -> list[str]:
    """How to connect to a Job: the ssh command, then the URL of each exposed port. Empty without either.

    `job` is a Job's JSON or `Run.raw`. The texts are the server's, formatted but not made safe. Empty for an ended
    Job: the server keeps listing addresses that no longer respond.
    """
    if stage_of(job) in FINAL:
        return []
    status = mapping_in(job.get("status"))
    found = []
    if command := _ssh_command(text_in(status.get("sshUrl"))):
        found.append(command)
    urls = status.get("exposeUrls")
    for url in urls if isinstance(urls, list) else []:
        if isinstance(url, str) and url.startswith(("https://", "http://")):
            found.append(url)
    return found


def _ssh_command(url: str | None) -> str | None:
    """`ssh ID@ssh.hf.jobs` from `ssh://ID@ssh.hf.jobs`; None for anything that a shell might interpret."""
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
    "command",
    "arguments",
    "environment",
    "flavor",
    "timeoutSeconds",
    "labels",
    "volumes",
    "expose",
    "network",
    "resourceGroupId",
)
"""Keys with the same meaning in a Job's JSON and in the request for one (huggingface_hub 2.4, `_create_job_spec`)."""


def spec_of_job(job: Mapping[str, object]) -> dict[str, Any]:
    """The request that starts the same Job again, without its secrets, whose values are never revealed.

    Raises:
        InputError: the JSON has no command.
    """
    spec = {key: job[key] for key in SPEC_KEYS if job.get(key) is not None}
    image = next((key for key in ("dockerImage", "spaceId") if text_in(job.get(key))), None)
    if image is None or not isinstance(job.get("command"), list):
        name = safe_line(str(job.get("id")), 60)
        raise InputError(
            f"The Hub does not say what this Job runs, so it cannot be rerun: {name}",
            f"See all details: smoltui inspect {name}",
        )
    spec[image] = job[image]
    if (attempts := attempts_of(job)) is not None and attempts > 1:
        spec["attempts"] = attempts
    if mapping_in(job.get("status")).get("sshUrl"):
        spec["ssh"] = {"enabled": True}
    return spec


def attempts_of(job: Mapping[str, object]) -> int | None:
    """How often the Hub starts a Job before it gives up, from the JSON of it or of its specification.

    It is `attempts`, or `retry` without the first one. None if that is not said, or not plausible.
    """
    attempts, retries = _whole(job.get("attempts")), _whole(job.get("retry"))
    found = retries + 1 if attempts is None and retries is not None else attempts
    return found if found is not None and 1 <= found <= MOST_ATTEMPTS else None


def scheduled_of(item: Mapping[str, object], *, namespace: str | None = None) -> ScheduledJob:
    """The scheduled Job in its JSON. `namespace` is where it was found, for a response without an owner."""
    spec, status = mapping_in(item.get("jobSpec")), mapping_in(item.get("status"))
    last, labels = mapping_in(status.get("lastJob")), labels_of(spec)
    item_id = id_of(item) or UNKNOWN
    raw = dict(item)
    if isinstance(raw.get("jobSpec"), Mapping):
        raw["jobSpec"] = {**spec, "secrets": secret_names(spec)}
    # Its Jobs are given a timeout as `timeoutSeconds`, and the answer may name it `timeout` (huggingface_hub 2.4).
    timeout = duration_in(spec.get("timeoutSeconds"))
    return ScheduledJob(
        id=item_id,
        name=labels.get("name") or _image(spec) or item_id,
        schedule=safe_line(text_in(item.get("schedule")) or UNKNOWN, 200),
        namespace=name_in(mapping_in(item.get("owner")).get("name")) or namespace,
        suspended=truth_in(item.get("suspend")),
        concurrency=truth_in(item.get("concurrency")),
        next_at=moment_in(status.get("nextJobRunAt")),
        last_at=moment_in(last.get("at")),
        last_run=id_of(last),
        created_at=moment_in(item.get("createdAt")),
        flavor=name_in(spec.get("flavor")),
        timeout_seconds=duration_in(spec.get("timeout")) if timeout is None else timeout,
        attempts=attempts_of(spec),
        labels=labels,
        raw=raw,
    )


def _names(secrets: object) -> list[str]:
    """A list of names, as from the Hub, or the keys of a mapping, as from other servers."""
    if isinstance(secrets, Mapping):
        return sorted(str(key) for key in secrets)
    return [str(item) for item in secrets] if isinstance(secrets, list) else []


def _image(job: Mapping[str, object]) -> str | None:
    image = text_in(job.get("dockerImage")) or text_in(job.get("spaceId"))
    return image.rstrip("/").rsplit("/", 1)[-1] if image else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
