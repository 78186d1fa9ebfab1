"""Actions on an existing Job: rerun it, change its labels."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from smoltui.backends.hub import client as hub
from smoltui.backends.hub.errors import never_sent, not_the_hub
from smoltui.backends.jobs import submit as hub_submit
from smoltui.backends.jobs.job_json import id_of, labels_of, secret_names, spec_of_job, stage_of
from smoltui.backends.runs.spec import has_project, new_label
from smoltui.backends.runs.token_check import refuse_tokens_in_job
from smoltui.core.runs.label_text import OURS
from smoltui.core.runs.rerun import again, spec_of
from smoltui.core.runs.run import FINAL, LABEL, RunSpec
from smoltui.errors import InputError, SmoltuiError, UnreachableError
from smoltui.safe_text import safe_line

T = TypeVar("T")
TOKEN_SECRET = "HF_TOKEN"
"""The one secret whose value is known here: the token of this machine."""


def recorded_spec(record: Mapping[str, object] | None) -> RunSpec | None:
    """The specification of a Job that was submitted from here, with a new label, to be submitted again.

    None if it was not, or if the project folder is gone: the Job's JSON then says what to start. Blocks.
    """
    spec = spec_of((record or {}).get("spec"))
    if spec is None or not has_project(spec):
        return None
    label = new_label()
    # A run of its own keeps its checkpoints in a folder of its own.
    keep = spec.keep and (
        f"bucket:{label}/kept" if spec.keep.startswith("bucket:") else f"{Path(spec.keep).parent}/{label}"
    )
    return replace(again(spec, label), keep=keep, resumes=False)


async def start_again(job: Mapping[str, object], namespace: str) -> dict[str, Any]:
    """A new Job that does the same as `job`, which may have been started by anyone with any program.

    Image, command, files, flavor, timeout, labels and ports are the same, the label `smoltui-run` is new. It is
    started once, even if the response is lost. The token is added if the old one had a secret `HF_TOKEN`.

    Raises:
        InputError: it had other secrets, whose values the Hub never reveals, or its command is unknown.
        PermissionDeniedError, NoCreditError: nothing was started.
        UnreachableError: the message says whether nothing was started, or that it is unknown.
        ServiceError: the Hub refused.
    """
    instead = f"hf jobs rerun {safe_line(namespace, 60)}/{safe_line(str(job.get('id')), 60)}"
    spec = await with_token(job, spec_of_job(job), instead)
    await hub.writing_account(hub_submit.DOING, namespace)
    label = new_label()
    spec["labels"] = {**spec.get("labels", {}), LABEL: label}

    async def start() -> dict[str, Any]:
        async with hub.session(hub_submit.DOING) as session:
            response = await session.send("POST", hub.jobs_path(namespace), doing=hub_submit.DOING, body=spec)
            return described(hub.decoded(response, hub_submit.DOING), hub_submit.DOING)

    try:
        return await start()
    except SmoltuiError as error:
        if not may_have_worked(error):
            raise
        return await hub_submit.found_by_label(namespace, label, error)


async def with_token(job: Mapping[str, object], spec: Mapping[str, object], instead: str) -> dict[str, Any]:
    """`spec` with the secrets of `job`, as far as they are known.

    Raises:
        InputError: it had secrets other than the token; `instead` is the command that works without knowing them.
            Or another of its fields contains a token.
        NotLoggedInError: there is no token.
    """
    refuse_tokens_in_job(spec)
    names = secret_names(job)
    if others := [name for name in names if name != TOKEN_SECRET]:
        told = ", ".join(safe_line(name, 60) for name in others)
        raise InputError(
            f"This Job has secrets whose values the Hub never reveals, so it cannot be rerun: {told}",
            f"Let the Hub copy the secrets: {instead}",
        )
    return {**spec, "secrets": {TOKEN_SECRET: await hub.token()}} if names else dict(spec)


def may_have_worked(error: SmoltuiError) -> bool:
    """Whether a request may have had its effect although no response confirms it."""
    return isinstance(error, UnreachableError) and not never_sent(error.__cause__)


def described(data: object, doing: str) -> dict[str, Any]:
    """A Job or scheduled Job from a response.

    Raises:
        UnreachableError: it is not JSON.
    """
    if not isinstance(data, dict) or id_of(data) is None:
        raise not_the_hub(doing)
    return data


async def confirmed(
    send: Callable[[], Awaitable[object]],
    look: Callable[[], Awaitable[T | None]],
    *,
    undone: str,
    unclear: str,
    see: str,
) -> T:
    """What `look` finds after the request `send`, whose response proves nothing: None means that it had no effect.

    `undone` and `unclear` say so after "The Hub accepted this, but", and of what may have happened; `see` is the
    command that shows it.

    Raises:
        UnreachableError: it had no effect, or nobody knows.
        SmoltuiError: as `send`, if that failed and had no effect.
    """
    lost: SmoltuiError | None = None
    try:
        await send()
    except SmoltuiError as error:
        if not may_have_worked(error):
            raise
        lost = error
    check = f"When the Hub is reachable, check before retrying: {see}"
    found = await hub_submit.look_again(look, lost, f"The Hub did not confirm this: {unclear}", check)
    if found is not None:
        return found
    if lost is not None:
        raise lost
    raise UnreachableError(f"The Hub accepted this, but {undone}", f"Wait a moment and check, then try again: {see}")


async def relabel(
    job: Mapping[str, object], namespace: str, set_: Mapping[str, str], remove: Sequence[str]
) -> dict[str, Any]:
    """`job` with some labels set and others removed; the others are kept, although the Hub's request replaces all.

    Simultaneous changes may undo each other: the Hub has no conditional form of this request.

    Raises:
        InputError: a label that the Hub would reject, a missing one to be removed, or smoltui's own.
        ServiceError: the Hub refused, did not respond, or did nothing; retrying is harmless.
    """
    job_id = str(job.get("id"))
    labels = merged_labels(labels_of(job), set_, remove)
    if labels == labels_of(job):
        return dict(job)
    shown = safe_line(job_id, 60)
    doing = f"change the labels of {shown}"
    async with hub.session(doing) as session:

        async def look() -> dict[str, Any] | None:
            now = described(await session.get(hub.jobs_path(namespace, job_id), doing=doing), doing)
            return now if are_set(labels_of(now), set_, remove) else None

        path = hub.jobs_path(namespace, job_id, "labels")
        return await confirmed(
            lambda: session.send("PUT", path, doing=doing, body={"labels": labels}),
            look,
            undone=f"the labels of {shown} are unchanged",
            unclear=f"the labels of {shown} may or may not have been changed",
            see=f"smoltui labels {shown}",
        )


def are_set(labels: Mapping[str, str], set_: Mapping[str, str], remove: Sequence[str]) -> bool:
    """Whether a change of labels is in these."""
    return all(labels.get(key) == value for key, value in set_.items()) and not set(remove) & set(labels)


async def exposed(
    job: Mapping[str, object], namespace: str, ports: Sequence[int], public: Sequence[int]
) -> dict[str, Any]:
    """`job` with these ports exposed, in place of the exposed ones.

    Raises:
        InputError: it has ended.
        ServiceError: the Hub refused or did not respond; retrying is harmless.
    """
    job_id = str(job.get("id"))
    if stage_of(job) in FINAL:
        raise InputError(f"This Job has ended, so its ports cannot be reached: {safe_line(job_id, 60)}")
    doing = f"expose ports of {safe_line(job_id, 60)}"
    async with hub.session(doing) as session:
        path = hub.jobs_path(namespace, job_id, "expose")
        body = {"ports": list(ports), "portsPublic": list(public)}
        return described(hub.decoded(await session.send("PUT", path, doing=doing, body=body), doing), doing)


def merged_labels(known: Mapping[str, str], set_: Mapping[str, str], remove: Sequence[str]) -> dict[str, str]:
    """Labels after a change.

    Raises:
        InputError: as `relabel`.
    """
    for key in (*set_, *remove):
        if key in OURS:
            raise InputError(f"This label {OURS[key]} and cannot be changed: {key}", "Use another key.")
    for key, value in set_.items():
        hub_submit.check_label(key, value)
    if missing := [key for key in remove if key not in known]:
        there = ", ".join(safe_line(key, 60) for key in known) or "none"
        raise InputError(f"No such label: {safe_line(missing[0], 60)}", f"Labels of this Job: {there}")
    return {key: value for key, value in {**known, **set_}.items() if key not in remove}
