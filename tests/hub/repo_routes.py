"""What the tests' Hub answers about repositories: information, files, commits, pull requests, settings, cards."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from tests.hub.repos import MAIN, Pull, Repo, Repos

Answer = tuple[int, Any, dict[str, str]]
CUT: Answer = (0, None, {})
"""In place of an answer: the connection is closed."""
KIND = "models|datasets|spaces"
REPO = r"([^/]+/[^/]+)"


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    raw: bytes
    account: str | None
    """Whose token it has; None without one."""
    namespaces: tuple[str, ...] = ()
    """Where the account may write."""
    role: str = "write"
    url: str = ""
    """Of the Hub."""

    @property
    def body(self) -> Any:
        return json.loads(self.raw) if self.raw else {}

    def one(self, name: str, default: str) -> str:
        return self.query.get(name, [default])[0]


class Refused(Exception):
    """An answer with a status of 400 or more."""

    def __init__(self, status: int, words: str, code: str = "") -> None:
        super().__init__(words)
        headers = {"X-Error-Message": words, **({"X-Error-Code": code} if code else {})}
        self.answer: Answer = (status, {"error": words}, headers)


Route = Callable[[Repos, Asked, re.Match[str]], Answer]
ROUTES: list[tuple[str, re.Pattern[str], Route]] = []


def route(method: str, pattern: str) -> Callable[[Route], Route]:
    def register(function: Route) -> Route:
        ROUTES.append((method, re.compile(pattern), function))
        return function

    return register


def answer(repos: Repos, asked: Asked) -> Answer | None:
    """The answer; None for a path that is not about these repositories."""
    method = "GET" if asked.method == "HEAD" else asked.method
    for wanted, pattern, function in ROUTES:
        if wanted == method and (match := pattern.fullmatch(asked.path)):
            try:
                return function(repos, asked, match)
            except Refused as refused:
                return refused.answer
    return None


def _repo(repos: Repos, asked: Asked, kinds: str, repo_id: str) -> Repo:
    repo = repos.all.get((kinds.removesuffix("s"), unquote(repo_id)))
    if repo is None or (repo.private and repo.owner not in asked.namespaces):
        raise Refused(401 if asked.account is None else 404, "Repository not found", "RepoNotFound")
    return repo


def _writes(asked: Asked) -> str:
    """The account, whose token may write. Raises Refused."""
    if asked.account is None:
        raise Refused(401, "Invalid username or password.")
    if asked.role == "read":
        raise Refused(403, "This token is read-only")
    return asked.account


@route("POST", "/api/repos/create")
def create(repos: Repos, asked: Asked, match: re.Match[str]) -> Answer:
    account, body = _writes(asked), asked.body
    owner = body.get("organization") or account
    if owner not in asked.namespaces:
        raise Refused(403, f"You don't have the rights to create a repository under {owner}")
    kind, repo_id = body.get("type") or "model", f"{owner}/{body['name']}"
    page = {"url": f"{asked.url}/{repo_id}", "name": repo_id}
    if (kind, repo_id) in repos.all:
        return 409, {**page, "error": "You already created this repo"}, {"X-Error-Message": "You already created it"}
    private = body.get("visibility") == "private" or bool(body.get("private"))
    repos.add(kind, repo_id, {".gitattributes": b""}, private=private)
    return 200, page, {}


@route("POST", "/api/validate-yaml")
def validate(repos: Repos, asked: Asked, match: re.Match[str]) -> Answer:
    """Of the Hub's rules, those that a card breaks most easily."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    head = re.match(r"---\n(.*?)^---$", asked.body["content"], re.DOTALL | re.MULTILINE)
    errors: list[str] = []
    try:
        data = YAML(typ="safe").load(head[1]) if head else {}
    except YAMLError as error:
        data, errors = {}, [f"Invalid YAML: {error}"]
    for name in ("base_model", "datasets"):
        values = data.get(name) or []
        for value in values if isinstance(values, list) else [values]:
            if not isinstance(value, str) or not re.fullmatch(r"[\w.-]+/[\w.-]+", value):
                errors.append(f'"{name}" with value "{value}" is not valid. Use an id from https://hf.co.')
    if data.get("license") not in (None, "apache-2.0", "mit", "other"):
        errors.append('"license" must be one of [apache-2.0, mit, other]')
    found = {"errors": [{"message": text} for text in errors], "warnings": [{"message": t} for t in repos.warnings]}
    return (400 if errors else 200), found, {}


@route("GET", f"/api/({KIND})/{REPO}(?:/revision/([^/]+))?")
def info(repos: Repos, asked: Asked, match: re.Match[str]) -> Answer:
    repo = _repo(repos, asked, match[1], match[2])
    found = repo.at(unquote(match[3] or MAIN))
    if found is None:
        raise Refused(404, f"Invalid rev id: {match[3]}", "RevisionNotFound")
    siblings: list[dict[str, Any]] = [{"rfilename": name} for name in sorted(found.tree)]
    if asked.one("blobs", "") == "true":
        for row in siblings:
            data = found.tree[row["rfilename"]]
            row |= {"size": len(data), "blobId": f"{zlib.crc32(data):08x}"}
    about = {"id": repo.id, "sha": found.oid, "private": repo.private, "gated": repo.gated, "siblings": siblings}
    return 200, about | ({"cardData": repo.card} if repo.card else {}), {}


@route("GET", f"/api/({KIND})/{REPO}/tree/([^/]+)")
def tree(repos: Repos, asked: Asked, match: re.Match[str]) -> Answer:
    found = _repo(repos, asked, match[1], match[2]).at(unquote(match[3]))
    files = found.tree if found is not None else {}
    rows = [
        {"type": "file", "path": name, "size": len(data), "oid": f"{zlib.crc32(data):08x}"}
        for name, data in sorted(files.items())
    ]
    return 200, rows, {}


@route("GET", "/api/models")
def listed_models(repos: Repos, asked: Asked, match: re.Match[str]) -> Answer:
    author = asked.one("author", "")
    return (
        200,
        [{"id": repo.id} for (kind, _), repo in repos.all.items() if kind == "model" and repo.owner == author],
        {},
    )


@route("GET", f"/api/({KIND})/{REPO}/commits/([^/]+)")
def history(repos: Repos, asked: Asked, match: re.Match[str]) -> Answer:
    repo = _repo(repos, asked, match[1], match[2])
    found, rows = repo.at(unquote(match[3])), []
    while found is not None:
        row = {"id": found.oid, "title": found.title, "message": found.description, "date": "2026-11-30T00:00:00.000Z"}
        rows.append({**row, "authors": [{"user": found.author}]})
        found = repo.commits.get(found.parent or "")
    return 200, rows, {}


@route("GET", f"/(?:(datasets|spaces)/)?{REPO}/resolve/([^/]+)/(.+)")
def resolve(repos: Repos, asked: Asked, match: re.Match[str]) -> Answer:
    repo = _repo(repos, asked, match[1] or "models", match[2])
    if repo.gated:
        raise Refused(403, f"Access to {repo.id} is restricted", "GatedRepo")
    found = repo.at(unquote(match[3]))
    if found is None:
        raise Refused(404, f"Invalid rev id: {match[3]}", "RevisionNotFound")
    data = found.tree.get(unquote(match[4]))
    if data is None:
        raise Refused(404, "Entry not found", "EntryNotFound")

    headers = {"X-Repo-Commit": found.oid, "ETag": f'"{zlib.crc32(data):08x}"', "Content-Type": "text/plain"}
    return 200, data, headers


@route("POST", f"/api/({KIND})/{REPO}/preupload/([^/]+)")
def preupload(repos: Repos, asked: Asked, match: re.Match[str]) -> Answer:
    """Every file of a test is small enough to be sent in the commit. The hash of an old one says what changed."""
    found = _repo(repos, asked, match[1], match[2]).at(unquote(match[3]))
    rows = []
    for name in [each["path"] for each in asked.body["files"]]:
        row: dict[str, Any] = {"path": name, "uploadMode": "regular", "shouldIgnore": False}
        if found is not None and (data := found.tree.get(name)) is not None:
            row["oid"] = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # as git's
        rows.append(row)
    return 200, {"files": rows}, {}


@route("POST", f"/api/({KIND})/{REPO}/commit/([^/]+)")
def commit(repos: Repos, asked: Asked, match: re.Match[str]) -> Answer:
    repo, account, revision = _repo(repos, asked, match[1], match[2]), _writes(asked), unquote(match[3])
    fault = repos.next_fault()
    if fault in ("403", "412", "429"):
        raise Refused(int(fault), {"403": "No permission to open pull requests"}.get(fault, "Not now"))
    if fault == "moved":
        repos.move(repo)
    opens = bool(asked.query.get("create_pr"))
    pull = next((each for each in repo.pulls if each.ref == revision), None)
    if opens and repo.discussions == "disabled":
        raise Refused(403, "Discussions are disabled for this repo")
    writes = repo.owner in asked.namespaces or (pull is not None and pull.author == account)
    if not opens and not writes:
        raise Refused(403, "Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request")
    lines = [json.loads(line) for line in asked.raw.splitlines() if line.strip()]
    head = next(line["value"] for line in lines if line["key"] == "header")
    parent = head.get("parentCommit")
    if parent and parent != repo.refs.get(revision):
        raise Refused(412, "A commit has happened since. Please refresh and try again.")
    tree = dict(repo.commits[repo.refs[revision]].tree)
    for line in lines:
        if line["key"] == "file":
            tree[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        elif line["key"] == "deletedFile":
            tree.pop(line["value"]["path"], None)
    title, words = head.get("summary", ""), head.get("description", "")
    if opens:
        pull = repo.open_pull(title, account, words)
        made = repo.commit(pull.ref, tree, title, account, words)
    else:
        made = repo.commit(revision, tree, title, account, words)
    if fault == "moved-after":
        repos.move(repo)
    if fault == "lost":
        return CUT
    if fault == "lost-502":
        return 502, "<html>502 Bad Gateway</html>", {"Content-Type": "text/html"}
    page = f"{asked.url}/{'' if repo.kind == 'model' else match[1] + '/'}{repo.id}"
    url = f"{page}/discussions/{pull.number}" if opens and pull else None
    return 200, {"commitOid": made.oid, "commitUrl": f"{page}/commit/{made.oid}", "pullRequestUrl": url}, {}


# -- pull requests


def _discussions(repos: Repos, asked: Asked, match: re.Match[str]) -> Repo:
    repo = _repo(repos, asked, match[1], match[2])
    if repo.discussions == "disabled":
        raise Refused(403, "Discussions are disabled for this repo")
    return repo


def _pull(repo: Repo, number: str) -> Pull:
    found = next((pull for pull in repo.pulls if pull.number == int(number)), None)
    if found is None:
        raise Refused(404, "Discussion not found")
    return found


def _row(pull: Pull) -> dict[str, Any]:
    return {
        "num": pull.number,
        "title": pull.title,
        "author": {"name": pull.author},
        "status": pull.status,
        "isPullRequest": pull.is_pull,
        "createdAt": "2026-11-30T08:00:00.000Z",
        "repo": {"name": "", "type": "space"},
    }


@route("GET", f"/api/({KIND})/{REPO}/discussions")
def listed(repos: Repos, asked: Asked, match: re.Match[str]) -> Answer:
    repo = _discussions(repos, asked, match)
    kind, status, author = asked.one("type", "all"), asked.one("status", "all"), asked.one("author", "")
    rows = [
        pull
        for pull in reversed(repo.pulls)
        if (not author or pull.author == author)
        and (kind == "all" or pull.is_pull == (kind == "pull_request"))
        and (status == "all" or (pull.status in ("closed", "merged")) == (status == "closed"))
    ]
    start = int(asked.one("p", "0")) * repos.page_size
    shown = [_row(pull) for pull in rows[start : start + repos.page_size]]
    return 200, {"discussions": shown, "count": len(rows), "start": start}, {}


@route("GET", rf"/api/({KIND})/{REPO}/discussions/(\d+)")
def details(repos: Repos, asked: Asked, match: re.Match[str]) -> Answer:
    repo = _discussions(repos, asked, match)
    pull = _pull(repo, match[3])
    event = {"id": "1", "type": "comment", "createdAt": "2026-11-30T08:00:00.000Z", "author": {"name": pull.author}}
    latest = {"raw": pull.description, "html": "", "updatedAt": "2026-11-30T08:00:00.000Z", "author": {"name": "x"}}
    data = {"edited": False, "hidden": False, "latest": latest, "history": []}
    more = {"filesWithConflicts": repo.conflicts(pull), "changes": {"base": "refs/heads/main"}, "diff": ""}
    return 200, {**_row(pull), **more, "events": [{**event, "data": data}]}, {}


@route("POST", rf"/api/({KIND})/{REPO}/discussions/(\d+)/comment")
def comment(repos: Repos, asked: Asked, match: re.Match[str]) -> Answer:
    pull, account = _pull(_discussions(repos, asked, match), match[3]), _writes(asked)
    pull.comments.append(asked.body["comment"])
    return 200, {"newMessage": {"id": "2", "type": "comment", "author": {"name": account}}}, {}


@route("POST", rf"/api/({KIND})/{REPO}/discussions/(\d+)/status")
def status(repos: Repos, asked: Asked, match: re.Match[str]) -> Answer:
    repo, account = _discussions(repos, asked, match), _writes(asked)
    pull, wanted = _pull(repo, match[3]), asked.body["status"]
    if repo.owner not in asked.namespaces and pull.author != account:
        raise Refused(403, "You don't have the required permissions to change the status of this discussion")
    if pull.status in ("merged", wanted):
        raise Refused(409, f"This discussion is already {pull.status}")
    if words := asked.body.get("comment"):
        pull.comments.append(words)
    pull.status = wanted
    return 200, {"newStatus": {"id": "3", "type": "status-change"}}, {}


@route("PUT", f"/api/({KIND})/{REPO}/settings")
def settings(repos: Repos, asked: Asked, match: re.Match[str]) -> Answer:
    repo, body = _repo(repos, asked, match[1], match[2]), asked.body
    if repo.owner not in asked.namespaces:
        raise Refused(403, "You don't have the required permissions to change settings")
    if "private" in body or "visibility" in body:
        repo.private = bool(body.get("private")) or body.get("visibility") == "private"
    return 200, {"private": repo.private}, {}
