"""Submitting a Job: exactly one, even if the response is lost.

The Hub starts a Job on every request and bills it, so each submission has a unique label. It is searched before
the request (an earlier attempt may have worked), and after any response that leaves open whether a Job was started.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from smoltui import __version__
from smoltui.backends.hub import client as hub
from smoltui.backends.hub.errors import explain, never_sent
from smoltui.backends.jobs.asked import Asked, asked_of
from smoltui.backends.jobs.job_json import id_of, labels_of
from smoltui.backends.jobs.shipment import EXCLUDE_NAME, MOUNT, Shipment, pack
from smoltui.backends.runs.spec import label_value
from smoltui.backends.runs.token_check import refuse_tokens, refuse_tokens_in_job
from smoltui.backends.system.threads import in_thread
from smoltui.core.foreign.token_stop import leak_in_value
from smoltui.core.runs.accelerate import CONFIG_NAME, job_command_for
from smoltui.core.runs.command import CommandSpec
from smoltui.core.runs.run import JOB_OUTPUT, LABEL, RunSpec
from smoltui.errors import (
    InputError,
    ServiceError,
    SmoltuiError,
    UnreachableError,
)
from smoltui.safe_text import safe_line

if TYPE_CHECKING:
    from huggingface_hub import HfApi

T = TypeVar("T")
Tell = Callable[[str], object]
KEPT_MOUNT = "/checkpoints"
"""Where a Job finds the folder of kept checkpoints."""
BUCKET = "bucket:"
"""Beginning of `RunSpec.keep` for a folder in the bucket of an account."""
SENT_AT_ONCE = 16_000_000
"""Bytes after which a request is completed, so that the progress of an upload can be told."""

DOING = "start the Job"
LOOKS = (0.0, 1.0, 2.0)
"""Seconds before each search for the label after a lost response; a Job may be listed with a delay."""

SAVING_SECONDS = "600"
"""`accelerate launch` kills its processes 30 seconds after SIGTERM; saving a large model takes longer."""

_LABEL = re.compile(r"[A-Za-z0-9_-]{0,100}")
_NAME = re.compile(r"[A-Za-z0-9._-]{0,100}")
"""Grammar of a label's key and value, and of the value of `name` (Hub, Jobs labels)."""


async def submit(spec: RunSpec, tell: Tell = lambda words: None) -> dict[str, Any]:
    """The server's JSON of `spec`'s Job, started unless one with its label exists; `tell` is told how far it is.

    Raises as `Engine.submit`.
    """
    refuse_tokens(spec)
    tell("asking the Hub")
    labels = checked_labels(spec)
    _must_be_limited(spec)
    account = await hub.writing_account(DOING, spec.namespace)
    namespace = spec.namespace or account.name
    if found := await find(namespace, spec.label):
        return found
    spec = await with_processes(spec)
    command = job_command(spec)
    asked = await in_thread(lambda: asked_of(spec))
    shipment = await in_thread(lambda: pack(spec))
    token = await hub.token()
    volumes = [await upload(shipment, namespace, spec.label, token, tell)]
    if (kept := await in_thread(partial(kept_volume, spec, namespace))) is not None:
        volumes.append(kept)
    tell("starting the Job")
    try:
        job_id = await _start(spec, command, labels, namespace, token, asked, env=environment(spec), volumes=volumes)
    except Exception as error:
        if not _may_have_started(error):
            await take_back(shipment, namespace, spec.label, token)
            hub.raise_ours(error, DOING)
        # The files stay, in case the Job turns up after all.
        return await found_by_label(namespace, spec.label, error)
    return await _read(namespace, job_id, spec, labels)


async def submit_command(spec: CommandSpec) -> dict[str, Any]:
    """As `submit`, for a command: nothing is uploaded. Raises as `Engine.command`."""
    refuse_tokens_in_job({"command": list(spec.command)})
    labels = checked_labels(spec)
    _must_be_limited(spec)
    account = await hub.writing_account(DOING, spec.namespace)
    namespace = spec.namespace or account.name
    if found := await find(namespace, spec.label):
        return found
    token = await hub.token()
    asked = await in_thread(lambda: asked_of(None))
    try:
        job_id = await _start(spec, list(spec.command), labels, namespace, token, asked, env={"PYTHONUNBUFFERED": "1"})
    except Exception as error:
        if not _may_have_started(error):
            hub.raise_ours(error, DOING)
        return await found_by_label(namespace, spec.label, error)
    return await _read(namespace, job_id, spec, labels)


async def preview(spec: RunSpec) -> dict[str, Any]:
    """The request that `submit` would send, with names instead of the values of secrets, and the files before it.

    Raises as `submit`, if nothing could be sent at all.
    """
    refuse_tokens(spec)
    labels = checked_labels(spec)
    _must_be_limited(spec)
    account = await hub.account()
    spec = await with_processes(spec)
    asked, files = await in_thread(lambda: (asked_of(spec), pack(spec).sizes()))
    request = asked.as_json("", environment(spec), [])
    return {
        "namespace": spec.namespace or account.name,
        "flavor": spec.flavor,
        "timeoutSeconds": spec.timeout_seconds,
        "attempts": spec.attempts or 1,
        "command": job_command(spec),
        "labels": labels,
        **request,
        "secrets": sorted(request["secrets"]),
        "ssh": asked.ssh,
        "files": [{"path": f"{MOUNT}/{name}", "bytes": size} for name, size in files],
    }


def _must_be_limited(spec: RunSpec | CommandSpec) -> None:
    """Raises InputError for a Job without a flavor or a timeout."""
    if not spec.flavor:
        raise InputError("A Job needs a flavor", "Set jobs.flavor in smoltui.toml; list flavors: smoltui hardware")
    if not spec.timeout_seconds or spec.timeout_seconds <= 0:
        raise InputError(
            "A Job needs a timeout; without one, the Hub stops it after 30 minutes",
            "Set jobs.timeout in smoltui.toml, for example 3h.",
        )


async def _start(
    spec: RunSpec | CommandSpec,
    command: list[str],
    labels: dict[str, str],
    namespace: str,
    token: str,
    asked: Asked,
    *,
    env: dict[str, str],
    volumes: Sequence[Any] = (),
) -> str:
    """The id of the Job that one request starts. Raises what the Hub's client raises."""

    def start() -> str:
        job = _api(token).run_job(
            command=command,
            flavor=spec.flavor,
            timeout=int(spec.timeout_seconds or 0),
            labels=labels,
            namespace=namespace,
            attempts=spec.attempts if isinstance(spec, RunSpec) else None,
            **asked.as_arguments(token, env, list(volumes)),
        )
        return str(job.id)

    return await in_thread(start)


async def with_processes(spec: RunSpec) -> RunSpec:
    """`spec` with one process per GPU of its flavor, if it sets no number.

    Raises:
        ServiceError: the Hub's list of hardware cannot be read.
    """
    if spec.processes is not None:
        return spec
    counts = {flavor.name: flavor.count for flavor in await hub.flavors()}
    return replace(spec, processes=max(counts.get(spec.flavor or "", 1), 1))


def environment(spec: RunSpec) -> dict[str, str]:
    """Variables of the Job; none of them is a secret."""
    several = (spec.processes or 1) > 1
    # The script is next to project files there: none of them may be imported.
    always = {"PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}
    return {**always, **({"TORCH_ELASTIC_SHUTDOWN_TIMEOUT": SAVING_SECONDS} if several else {})}


def job_command(spec: RunSpec) -> list[str]:
    """The command of the Job. It does not contain the token."""
    output = (
        spec.output_dir if spec.output_dir.startswith("/") else f"{JOB_OUTPUT}/{Path(spec.output_dir or 'run').name}"
    )
    if output == MOUNT or output.startswith(f"{MOUNT}/"):
        raise InputError(f"A Job cannot write below {MOUNT}, which is mounted read-only: {output}")
    left_out = ("--exclude", f"{MOUNT}/{EXCLUDE_NAME}") if spec.left_out else ()
    kept = ("--keep", KEPT_MOUNT if spec.keep.startswith(BUCKET) else spec.keep) if spec.keep else ()
    resumes = ("--must-resume",) if spec.resumes else ()
    stop = ("--stop-ruined",) if spec.stop_ruined else ()
    return job_command_for(
        f"{MOUNT}/dpo.py",
        ["--config", f"{MOUNT}/recipe.yaml", "--output-dir", output, *left_out, *stop, *kept, *resumes],
        processes=spec.processes or 1,
        strategy=spec.strategy or "ddp",
        config_file=f"{MOUNT}/{CONFIG_NAME}",
        packages=spec.packages,
    )


def kept_volume(spec: RunSpec, namespace: str) -> Any | None:
    """The folder of the private bucket in which checkpoints outlive the Job; None if it is not there.

    A run that is resumed for another namespace keeps its folder.
    """
    from huggingface_hub import Volume

    if not spec.keep.startswith(BUCKET):
        return None
    place = spec.keep.removeprefix(BUCKET)
    owner, _, path = place.partition("/") if place.count("/") > 1 else (namespace, "", place)
    return Volume(type="bucket", source=_bucket(owner), mount_path=KEPT_MOUNT, path=path, read_only=False)


def with_owner(spec: RunSpec, namespace: str) -> RunSpec:
    """`spec` with the owner of the bucket in which its checkpoints are kept."""
    if not spec.keep.startswith(BUCKET) or spec.keep.count("/") > 1:
        return spec
    return replace(spec, keep=f"{BUCKET}{namespace}/{spec.keep.removeprefix(BUCKET)}")


def checked_labels(spec: RunSpec | CommandSpec) -> dict[str, str]:
    """The labels of the Job, including its name and its unique label.

    Raises:
        InputError: one that the Hub would reject.
    """
    labels = {"name": label_value(spec.name), **spec.labels, LABEL: spec.label}
    for key, value in labels.items():
        check_label(key, value)
    return labels


def check_label(key: str, value: str) -> None:
    """Raises InputError for a label that the Hub would reject, or that contains a token."""
    if leak := leak_in_value("A label of the Job", f"{key}={value}"):
        raise InputError(leak.sentence, leak.next_step)
    grammar = _NAME if key == "name" else _LABEL
    if not key or not _LABEL.fullmatch(key) or not grammar.fullmatch(value):
        raise InputError(
            f"The Hub does not accept this label: {safe_line(key, 60)}={safe_line(value, 120)}",
            "Key and value can have up to 100 letters, digits, - and _ (no dot, no space).",
        )


async def find(namespace: str, label: str) -> dict[str, Any] | None:
    """The Job with the unique label; None without one. Raises `SmoltuiError`."""
    return next(iter(await labeled(namespace, LABEL, label, DOING)), None)


async def labeled(namespace: str, key: str, value: str, doing: str) -> list[dict[str, Any]]:
    """The Jobs of a namespace with a label, newest first. Raises `SmoltuiError`."""
    async with hub.session(doing) as session:
        named = [("label", f"{key}={value}")]
        jobs = await session.pages(hub.jobs_path(namespace), doing=doing, params=named, most=3)
    return [dict(job) for job in jobs if isinstance(job, dict) and id_of(job) and labels_of(job).get(key) == value]


async def upload(shipment: Shipment, namespace: str, label: str, token: str, tell: Tell = lambda words: None) -> Any:
    """Uploads the files to the private `jobs-artifacts` bucket, in a folder named by the label; returns the volume.

    Cancelling stops it immediately. May take minutes: hf_xet retries on its own.

    Raises:
        ServiceError: the bucket is public, or the Hub refused or did not respond.
        InputError: a file cannot be read.
    """
    from huggingface_hub import Volume
    from huggingface_hub.utils._xet import abort_xet_session

    bucket = _bucket(namespace)

    def prepare() -> None:
        api = _api(token)
        api.create_bucket(bucket, private=True, exist_ok=True)
        if api.bucket_info(bucket).private is not True:
            raise ServiceError(
                f"The bucket for the files of Jobs is public, so nothing was uploaded: {bucket}",
                f"Make it private: {hub.endpoint()}/buckets/{bucket}/settings",
            )

    doing = "upload the files of the Job"
    await hub.guarded(in_thread(prepare), doing)
    sending = in_thread(lambda: ship(shipment, bucket, label, token, tell), abandon=abort_xet_session)
    await hub.guarded(sending, doing, bounded=False)
    return Volume(type="bucket", source=bucket, mount_path=MOUNT, path=label, read_only=True)


def ship(shipment: Shipment, bucket: str, label: str, token: str, tell: Tell = lambda words: None) -> None:
    """The upload itself, blocking; `tell` is told how far it is, from this thread.

    Not `HfApi.sync_job_volume`, which prints, needs a folder that everything would have to be copied to first, and only
    warns if the bucket is public. The client reports no progress, so many bytes are sent in several requests.
    """
    sent, part = 0, 0
    files: list[tuple[str | Path | bytes, str]] = []
    try:
        left = shipment.sizes()
        total = sum(size for _, size in left)
        tell(f"sending files, 0 of {_megabytes(total)}")
        for number, (name, size) in enumerate(left, 1):
            files.append((shipment.files[name], f"{label}/{name}"))
            part += size
            if part >= SENT_AT_ONCE or number == len(left):
                _api(token).batch_bucket_files(bucket, add=files)
                sent, part, files = sent + part, 0, []
                tell(f"sending files, {_megabytes(sent).split(' ')[0]} of {_megabytes(total)}")
    except (FileNotFoundError, PermissionError) as error:
        raise InputError(f"A file for the Job cannot be read: {error.filename or error}") from error


def _megabytes(size: int) -> str:
    return f"{max(1, round(size / 1e6))} MB" if size else "0 MB"


def _bucket(namespace: str) -> str:
    from huggingface_hub import constants

    return f"{namespace}/{constants.HF_JOBS_ARTIFACTS_BUCKET_NAME}"


def _api(token: str) -> HfApi:
    from huggingface_hub import HfApi

    return HfApi(token=token, library_name="smoltui", library_version=__version__)


async def take_back(shipment: Shipment, namespace: str, label: str, token: str) -> None:
    """Deletes what was uploaded for a Job that was not started. It costs almost nothing, so failures are ignored."""

    def delete() -> None:
        _api(token).batch_bucket_files(_bucket(namespace), delete=[f"{label}/{name}" for name in shipment.files])

    try:
        await hub.guarded(in_thread(delete), "delete the uploaded files")
    except Exception as error:
        if explain(error, "") is None:
            raise


def _may_have_started(error: Exception) -> bool:
    """Whether a Job may exist although the client raised: the request may have arrived."""
    if never_sent(error):
        return False
    if (ours := explain(error, DOING)) is not None:
        return isinstance(ours, UnreachableError)
    # Our own bug in reading the response; the Job may be running anyway.
    return isinstance(error, AttributeError | KeyError | TypeError | ValueError)


async def look_again(
    look: Callable[[], Awaitable[T | None]], error: Exception | None, unclear: str, hint: str
) -> T | None:
    """What `look` finds after a response that was lost with `error`, or that proves nothing (None).

    None if there is certainly nothing.

    Raises:
        UnreachableError: this could not be determined; it has `unclear` and `hint`.
    """
    problem: SmoltuiError | None = None
    began = time.monotonic()
    for seconds in LOOKS:
        if time.monotonic() - began > hub.TOTAL_SECONDS / 2:
            break  # the Hub is silent, and a person is waiting
        await asyncio.sleep(seconds)
        try:
            if (found := await look()) is not None:
                return found
            problem = None
        except SmoltuiError as caught:
            problem = caught
    if problem is not None:
        raise UnreachableError(unclear, hint) from error or problem
    return None


class UnclearStartError(UnreachableError):
    """Nobody knows whether a Job was started."""


async def found_by_label(namespace: str, label: str, error: Exception) -> dict[str, Any]:
    """The Job whose start no response has confirmed, for the reason in `error`.

    Raises:
        UnclearStartError: this could not be determined.
        UnreachableError: none was started.
    """
    try:
        found = await look_again(
            lambda: find(namespace, label),
            error,
            "The connection was lost while starting the Job; it may or may not have started",
            f"When the Hub is reachable, check before retrying: smoltui ps -a --filter label:{LABEL}={label}",
        )
    except UnreachableError as problem:
        raise UnclearStartError(problem.message, problem.hint) from error
    if found is None:
        ours = explain(error, DOING)
        why = ours.message if ours is not None else "The Hub's response was lost while starting the Job"
        raise UnreachableError(
            f"{why}; no Job was started, as none has its label",
            "Check the list of runs, then try again.",
        ) from error
    return found


async def _read(namespace: str, job_id: str, spec: RunSpec | CommandSpec, labels: dict[str, str]) -> dict[str, Any]:
    """The Job that was just started, with all fields; built from the request if it cannot be read now."""
    doing = "read the new Job"
    try:
        async with hub.session(doing) as session:
            job = await session.get(hub.jobs_path(namespace, job_id), doing=doing)
            if id_of(job) == job_id:
                return dict(job)
    except SmoltuiError:
        pass  # it was started, which is what matters; the next poll fills in the rest
    return {
        "id": job_id,
        "status": {"stage": "SCHEDULING"},
        "owner": {"name": namespace},
        "labels": labels,
        "flavor": spec.flavor,
        "timeoutSeconds": spec.timeout_seconds,
    }
