"""Commits through huggingface_hub's client: one at a time, with what is known if the answer is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smoltui import __version__
from smoltui.backends.hub import client as hub
from smoltui.backends.hub.errors import explain, never_sent
from smoltui.backends.system.threads import in_thread
from smoltui.errors import InputError, SmoltuiError, UnreachableError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

STALE = 412
"""Status for a commit whose parent is no longer the newest one (hub docs; huggingface_hub 2.4 `create_commit`)."""
Content = bytes | Path
"""Of a file: its bytes, or where it is on this machine."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that the Hub made."""

    oid: str
    url: str
    pull_request: int | None = None
    pull_request_url: str | None = None


class StaleParentError(SmoltuiError):
    """Somebody else's commit came first."""


class LostAnswerError(UnreachableError):
    """The commit may have been made: the answer did not arrive."""


async def api() -> HfApi:
    """The client with this machine's token. Raises as `hub.token`."""
    token = await hub.token()

    def make() -> HfApi:
        from huggingface_hub import HfApi

        return HfApi(token=token, library_name="smoltui", library_version=__version__)

    return await in_thread(make)


async def create_commit(
    kind: str,
    repo: str,
    files: Mapping[str, Content],
    *,
    title: str,
    description: str = "",
    parent: str | None = None,
    pull_request: bool = False,
    delete: Sequence[str] = (),
    doing: str,
) -> Commit:
    """One commit with `files`, on main or as a new pull request; sent once, never repeated.

    Cancelling stops an upload of weights immediately.

    Raises:
        StaleParentError: `parent` is not the newest commit; nothing was changed.
        LostAnswerError: whether it was made is not known.
        InputError: a file cannot be read, or the Hub refuses the card's metadata.
        ServiceError: the Hub refused; nothing was changed.
    """
    client = await api()
    from huggingface_hub.utils._xet import abort_xet_session

    def send() -> Commit:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            CommitOperationAdd(path, content if isinstance(content, bytes) else str(content))
            for path, content in files.items()
        ]
        operations += [CommitOperationDelete(path) for path in delete]
        made = client.create_commit(
            repo_id=repo,
            repo_type=kind,
            operations=operations,
            commit_message=title,
            commit_description=description,
            create_pr=pull_request,
            parent_commit=parent,
        )
        number = made.pr_num
        return Commit(str(made.oid), str(made.commit_url), number, made.pr_url)

    try:
        return await in_thread(send, abandon=abort_xet_session)
    except Exception as error:
        raise _explained(error, doing) from error


def _explained(error: Exception, doing: str) -> Exception:
    """Our error for one of a commit; the same error if it is not the Hub's."""
    if status_of(error) == STALE:
        return StaleParentError("Somebody else changed the repository first", "Reading it again.")
    if isinstance(error, FileNotFoundError | PermissionError) and error.errno is not None:
        return InputError(f"A file cannot be read: {error.filename}", "Check the folder of the model.")
    if isinstance(error, ValueError) and status_of(error) is None and "Invalid metadata" in str(error):
        said = " ".join(str(error).split())[:300]
        return InputError(
            f"The Hub does not accept the card's metadata: {said}", "Edit the block between the dashes (e)."
        )
    ours = explain(error, doing)
    if ours is None:
        return error
    # A refusal before the commit, such as of the preupload, is a status; anything without an answer may have worked.
    if isinstance(ours, UnreachableError) and not never_sent(error):
        return LostAnswerError(ours.message, ours.hint)
    return ours


def status_of(error: Exception) -> int | None:
    """The status of a refusal; None for an error without one."""
    from huggingface_hub.errors import HfHubHTTPError

    return int(error.response.status_code) if isinstance(error, HfHubHTTPError) and error.response is not None else None
