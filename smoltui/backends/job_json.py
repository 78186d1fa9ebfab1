"""A Job as the server describes it, as a `Run`. Nothing is required but an id; what is not known stays unknown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from smoltui.backends.hub_errors import endpoint
from smoltui.core.run import Run, Stage
from smoltui.safe_text import redact

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
    labels = {str(key): str(value) for key, value in _mapping(job.get("labels")).items()}
    name = _word(owner.get("name")) or namespace
    timeout = job.get("timeoutSeconds")
    message = _word(status.get("message"))
    raw = dict(job)
    if "secrets" in raw:
        raw["secrets"] = _names(raw["secrets"])
    return Run(
        id=str(job.get("id")),
        engine="hub",
        name=labels.get("name") or _image(job) or str(job.get("id")),
        stage=stage_of(job),
        message=redact(message) if message else None,
        hint=_next_step(message or "", job.get("id")) if stage_of(job) == Stage.ERROR else None,
        created_at=_seconds(job.get("createdAt")),
        started_at=_seconds(job.get("startedAt")),
        finished_at=_seconds(job.get("finishedAt")),
        flavor=_word(job.get("flavor")),
        namespace=name,
        timeout_seconds=timeout if isinstance(timeout, int) and not isinstance(timeout, bool) else None,
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


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _seconds(value: Any) -> float | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
