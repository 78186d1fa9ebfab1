"""Acts on a Job that exists: start it again, change its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smoltui.backends.hub import client as hub
from smoltui.backends.hub.errors import never_sent, not_the_hub
from smoltui.backends.jobs import submit as hub_submit
from smoltui.backends.jobs.job_json import id_of, labels_of, secret_names, spec_of_job
from smoltui.backends.runs.spec import new_label
from smoltui.backends.runs.token_check import refuse_tokens_in_job
from smoltui.core.runs.rerun import again, spec_of
from smoltui.core.runs.run import LABEL, RunSpec
from smoltui.errors import InputError, SmoltuiError, UnreachableError
from smoltui.safe_text import safe_line

TOKEN_SECRET = "HF_TOKEN"
"""The one secret whose value is known here: the token of this machine."""


def recorded_spec(record: Mapping[str, Any] | None) -> RunSpec | None:
    """The specification of a Job that was submitted from here, with a label of its own, to be submitted anew.

    None when it was not, or when the project folder is gone: the Job's own JSON then says what to start. Blocks.
    """
    spec = spec_of((record or {}).get("spec"))
    if spec is None or not Path(spec.project).is_dir():
        return None
    return again(spec, new_label())


async def start_again(job: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    """The new Job that does the same as `job`, which may have been started by anybody and with any program.

    Image, command, files, flavor, timeout, labels and ports are the old one's, the label `smoltui-run` is new. It is
    started once, whatever becomes of the answer. The token is put back where the old one had a secret `HF_TOKEN`.

    Raises:
        InputError: it had other secrets, whose values the Hub gives to nobody, or does not say what it runs.
        PermissionDeniedError, NoCreditError: nothing was started.
        UnreachableError: the sentence says whether nothing was started, or that it is not known.
        ServiceError: the Hub refused.
    """
    instead = f"hf jobs rerun {safe_line(namespace, 60)}/{safe_line(str(job.get('id')), 60)}"
    spec = await with_token(job, spec_of_job(job), instead)
    await hub.writing_account(hub_submit.DOING)
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


async def with_token(job: Mapping[str, Any], spec: Mapping[str, Any], instead: str) -> dict[str, Any]:
    """`spec` with the secrets that `job` had, as far as they are known here.

    Raises:
        InputError: it had others than the token; `instead` is the command that does it without knowing them.
            Or another of its fields holds a token.
        NotLoggedInError: there is no token.
    """
    refuse_tokens_in_job(spec)
    names = secret_names(job)
    if others := [name for name in names if name != TOKEN_SECRET]:
        told = ", ".join(safe_line(name, 60) for name in others)
        raise InputError(
            f"It was started with secrets whose values the Hub gives to nobody, so it is not started again: {told}",
            f"The Hub itself can copy them: {instead}",
        )
    return {**spec, "secrets": {TOKEN_SECRET: await hub.token()}} if names else dict(spec)


def may_have_worked(error: SmoltuiError) -> bool:
    """Whether a request may have had its effect although no answer came that says so."""
    return isinstance(error, UnreachableError) and not never_sent(error.__cause__)


def described(data: Any, doing: str) -> dict[str, Any]:
    """A Job or scheduled Job out of an answer.

    Raises:
        UnreachableError: it is none.
    """
    if not isinstance(data, dict) or id_of(data) is None:
        raise not_the_hub(doing)
    return data


async def relabel(
    job: Mapping[str, Any], namespace: str, set_: Mapping[str, str], remove: Sequence[str]
) -> dict[str, Any]:
    """`job` with some labels set and others removed; the rest stays, though the Hub's own request replaces all.

    Two that change labels at the same moment may undo each other's: the Hub knows no condition for this request.

    Raises:
        InputError: a label that the Hub would refuse, one to be removed that is not there, or smoltui's own.
        ServiceError: the Hub refused or gave no answer; asking again does no harm.
    """
    job_id = str(job.get("id"))
    labels = merged_labels(labels_of(job), set_, remove)
    if labels == labels_of(job):
        return dict(job)
    doing = f"change the labels of {safe_line(job_id, 60)}"
    async with hub.session(doing) as session:
        path = hub.jobs_path(namespace, job_id, "labels")
        response = await session.send("PUT", path, doing=doing, body={"labels": labels})
        return described(hub.decoded(response, doing), doing)


def merged_labels(known: Mapping[str, str], set_: Mapping[str, str], remove: Sequence[str]) -> dict[str, str]:
    """Labels after a change.

    Raises:
        InputError: as `relabel`.
    """
    for key in (*set_, *remove):
        if key == LABEL:
            raise InputError(
                f"This label finds the Job again when an answer was lost, so it stays as it is: {LABEL}",
                "Take another key.",
            )
    for key, value in set_.items():
        hub_submit.check_label(key, value)
    if missing := [key for key in remove if key not in known]:
        there = ", ".join(safe_line(key, 60) for key in known) or "none"
        raise InputError(f"It has no label of this key: {safe_line(missing[0], 60)}", f"Its labels: {there}")
    return {key: value for key, value in {**known, **set_}.items() if key not in remove}
