"""Reads of repositories on the Hub: always from the Hub itself, never from a cached copy, and bounded in time.

huggingface_hub's `hf_hub_download` silently returns its cached copy where the Hub refuses or does not answer. What a
submission is built on must be today's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from smoltui.backends.hub import client as hub
from smoltui.backends.hub.client import Session
from smoltui.backends.hub.errors import not_the_hub
from smoltui.core.foreign.server_values import mapping_in, text_in
from smoltui.errors import NotFoundOnHubError, NotLoggedInError, PermissionDeniedError

MOST_PAGES = 10
"""Pages of a list of pull requests."""
PLURAL = {"model": "models", "dataset": "datasets", "space": "spaces"}


@dataclass(frozen=True, slots=True)
class RepoInfo:
    """A repository as the Hub lists it."""

    id: str
    commit: str
    """Of its main branch."""
    private: bool
    gated: bool
    files: tuple[str, ...]
    license: str | None
    """Of its card; None without one."""


def api_path(kind: str, repo: str, *rest: str) -> str:
    """Path of a repository in the Hub's API; `kind` is model, dataset or space."""
    owner, _, name = repo.partition("/")
    parts = [PLURAL[kind], quote(owner, safe=""), quote(name, safe=""), *(quote(part, safe="") for part in rest)]
    return "/api/" + "/".join(parts)


def page(kind: str, repo: str) -> str:
    """Address of a repository's page."""
    return f"{hub.endpoint()}/{'' if kind == 'model' else PLURAL[kind] + '/'}{repo}"


async def repo_info(session: Session, kind: str, repo: str, *, doing: str) -> RepoInfo:
    """What the Hub says about a repository. Raises as `Session.send`; an answer without a commit is not the Hub's."""
    data = mapping_in(await session.get(api_path(kind, repo), doing=doing))
    commit = text_in(data.get("sha"))
    if commit is None:
        raise not_the_hub(doing)
    siblings = data.get("siblings")
    rows = siblings if isinstance(siblings, list) else []
    files = tuple(name for row in rows if isinstance(name := mapping_in(row).get("rfilename"), str))
    license_ = mapping_in(data.get("cardData")).get("license")
    return RepoInfo(
        id=text_in(data.get("id")) or repo,
        commit=commit,
        private=data.get("private") is not False,
        gated=bool(data.get("gated")),
        files=files,
        license=license_ if isinstance(license_, str) else None,
    )


async def file_at(session: Session, kind: str, repo: str, revision: str, path: str, *, doing: str) -> bytes:
    """The bytes of a file at a commit or reference. Raises as `Session.send`."""
    prefix = "" if kind == "model" else f"/{PLURAL[kind]}"
    owner, _, name = repo.partition("/")
    where = f"{prefix}/{quote(owner, safe='')}/{quote(name, safe='')}/resolve/{quote(revision, safe='')}/{quote(path)}"
    response = await session.send("GET", where, doing=doing)
    return response.content


async def public_info(kind: str, repo: str, *, doing: str) -> RepoInfo | None:
    """What everybody sees of a repository, asked without a token; None if it is private or does not exist.

    Raises:
        ServiceError: the Hub did not answer.
    """
    async with hub.session(doing, public=True) as session:
        try:
            found = await repo_info(session, kind, repo, doing=doing)
        except (NotFoundOnHubError, NotLoggedInError, PermissionDeniedError):
            return None
    return None if found.private else found


async def discussions(session: Session, repo: str, *, author: str, doing: str) -> list[Mapping[str, Any]]:
    """The pull requests of `author` to a Space, newest first, whatever their state. Raises as `Session.send`.

    The filters are applied again to what the server sends.
    """
    found: list[Mapping[str, Any]] = []
    for number in range(MOST_PAGES):
        query = [("type", "pull_request"), ("author", author), ("p", str(number))]
        data = mapping_in(await session.get(api_path("space", repo, "discussions"), doing=doing, params=query))
        items = data.get("discussions")
        if not isinstance(items, list):
            raise not_the_hub(doing)
        found += [row for row in map(mapping_in, items) if _is_by(row, author)]
        count, start = data.get("count"), data.get("start")
        done = not isinstance(count, int) or not isinstance(start, int) or start + len(items) >= count
        if done or not items:
            break
    return found


def _is_by(row: Mapping[str, Any], author: str) -> bool:
    name = mapping_in(row.get("author")).get("name")
    number = row.get("num")
    is_pull = row.get("isPullRequest") is True and isinstance(number, int) and not isinstance(number, bool)
    return is_pull and isinstance(name, str) and name.casefold() == author.casefold()


async def details(session: Session, repo: str, number: int, *, doing: str) -> Mapping[str, Any]:
    """One pull request of a Space, with its state and the files in conflict. Raises as `Session.send`."""
    path = api_path("space", repo, "discussions", str(number))
    found = mapping_in(await session.get(path, doing=doing, params=[("diff", "1")]))
    if not isinstance(found.get("status"), str):
        raise not_the_hub(doing)
    return found
