"""Model repositories on the Hub: their files with sizes, and those of an account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from smoltui.backends.hub.client import Session
from smoltui.backends.hub.errors import not_the_hub
from smoltui.core.foreign.server_values import mapping_in, name_in, number_in, text_in

MOST_LISTED = 100
"""Repositories of one account that are listed, the newest first."""


@dataclass(frozen=True, slots=True)
class RepoFile:
    """One file of a repository."""

    name: str
    size: int | None
    """Bytes; None if the Hub does not say."""
    blob: str | None
    """Name of its content in the local cache: SHA-256 of a large file, git's hash of a small one."""


@dataclass(frozen=True, slots=True)
class ModelRepo:
    """A model repository at one commit."""

    id: str
    commit: str
    files: tuple[RepoFile, ...]
    parameters: int | None
    """Number of weights, as the Hub counted them; None if it did not."""
    gated: bool = False
    """Its files need access that is requested first."""


async def model_repo(session: Session, repo: str, *, doing: str, revision: str | None = None) -> ModelRepo:
    """What the Hub says about a model repository at a revision (None: its main branch).

    Raises:
        NotFoundOnHubError: there is none, or this account may not see it. Else as `Session.send`.
    """
    path = f"/api/models/{quote(repo, safe='/')}"
    if revision is not None:
        path += f"/revision/{quote(revision, safe='')}"
    data = mapping_in(await session.get(path, doing=doing, params=[("blobs", "true")]))
    commit = text_in(data.get("sha"))
    if commit is None:
        raise not_the_hub(doing)
    listed = data.get("siblings")
    files = [found for row in listed if (found := _file(mapping_in(row)))] if isinstance(listed, list) else []
    counted = number_in(mapping_in(data.get("safetensors")).get("total"))
    return ModelRepo(
        text_in(data.get("id")) or repo,
        commit,
        tuple(files),
        int(counted) if counted else None,
        bool(data.get("gated")),
    )


def _file(row: Mapping[str, object]) -> RepoFile | None:
    name = row.get("rfilename")
    if not isinstance(name, str) or not name:
        return None
    large = mapping_in(row.get("lfs"))
    size = number_in(row.get("size")) if row.get("size") is not None else number_in(large.get("size"))
    return RepoFile(name, int(size) if size is not None else None, name_in(large.get("sha256") or row.get("blobId")))


async def models_of(session: Session, owner: str, *, doing: str) -> list[str]:
    """Ids of an account's model repositories, the newest first, at most `MOST_LISTED`. Raises as `Session.send`."""
    asked = [("author", owner), ("sort", "lastModified"), ("direction", "-1"), ("limit", str(MOST_LISTED))]
    data = await session.get("/api/models", doing=doing, params=asked)
    if not isinstance(data, list):
        raise not_the_hub(doing)
    names = [text_in(row.get("id")) or text_in(row.get("modelId")) for row in map(mapping_in, data[:MOST_LISTED])]
    return [name for name in names if name is not None and name.count("/") == 1]
