"""Repositories of the tests' Hub: commits, references, pull requests, and what awaits the next commits."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Tree = Mapping[str, bytes]
MAIN = "main"
FAULTS = ("ok", "lost", "lost-502", "403", "412", "429", "moved", "moved-after")
"""lost: the commit is made and the connection cut; lost-502: made, and answered with 502; a number: refused with it;
moved: somebody else commits to main just before; moved-after: just after."""


@dataclass(frozen=True)
class Commit:
    """One commit."""

    oid: str
    parent: str | None
    tree: Tree
    title: str
    description: str
    author: str


@dataclass
class Pull:
    """A pull request; a discussion without files has no reference."""

    number: int
    title: str
    author: str
    description: str
    base: str
    """Commit of main that it started from."""
    status: str = "open"
    comments: list[str] = field(default_factory=list)
    is_pull: bool = True

    @property
    def ref(self) -> str:
        return f"refs/pr/{self.number}"


@dataclass
class Repo:
    """A model, data set or Space."""

    kind: str
    id: str
    private: bool = False
    gated: bool = False
    discussions: str = "open"
    """open, or disabled: 403."""
    card: dict[str, Any] | None = None
    refs: dict[str, str] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    pulls: list[Pull] = field(default_factory=list)
    _counter: Iterator[int] = field(default_factory=itertools.count)

    @property
    def owner(self) -> str:
        return self.id.partition("/")[0]

    def commit(self, ref: str, tree: Tree, title: str, author: str, description: str = "") -> Commit:
        """A new commit on a reference."""
        seed = f"{self.kind}{self.id}{ref}{next(self._counter)}"
        oid = hashlib.sha1(seed.encode()).hexdigest()
        made = Commit(oid, self.refs.get(ref), dict(tree), title, description, author)
        self.commits[oid] = made
        self.refs[ref] = oid
        return made

    def at(self, revision: str) -> Commit | None:
        """The commit of a branch, a pull request or an id."""
        oid = self.refs.get(revision, revision)
        return self.commits.get(oid)

    @property
    def files(self) -> Tree:
        """Of the main branch."""
        return self.commits[self.refs[MAIN]].tree

    def change(self, files: Tree, *, author: str = "carol", title: str = "Update", ref: str = MAIN) -> Commit:
        """What somebody else does."""
        return self.commit(ref, {**self.commits[self.refs[ref]].tree, **files}, title, author)

    def open_pull(self, title: str, author: str, description: str = "", files: Tree | None = None) -> Pull:
        """A new pull request, with changed files if given."""
        pull = Pull(len(self.pulls) + 1, title, author, description, self.refs[MAIN])
        self.pulls.append(pull)
        self.refs[pull.ref] = self.refs[MAIN]
        if files is not None:
            self.change(files, author=author, title=title, ref=pull.ref)
        return pull

    def conflicts(self, pull: Pull) -> list[str]:
        """Files that were changed both in the pull request and on main since it started."""
        if pull.status != "open" or not pull.is_pull:
            return []
        base, ours, theirs = (self.commits[oid].tree for oid in (pull.base, self.refs[pull.ref], self.refs[MAIN]))
        names = sorted({*ours, *theirs, *base})
        return [name for name in names if len({base.get(name), ours.get(name), theirs.get(name)}) == 3]

    def merge(self, pull: Pull) -> None:
        """The owners take it."""
        assert not self.conflicts(pull), "it conflicts"
        base, ours = self.commits[pull.base].tree, self.commits[self.refs[pull.ref]].tree
        changed = {name: data for name, data in ours.items() if base.get(name) != data}
        self.change(changed, author=self.owner, title=pull.title)
        pull.status = "merged"


class Repos:
    """All repositories of a Hub."""

    def __init__(self) -> None:
        self.all: dict[tuple[str, str], Repo] = {}
        self.faults: list[str] = []
        """Names of `FAULTS`, one for each commit to come."""
        self.moves: dict[tuple[str, str], list[Tree]] = {}
        """What somebody else commits, one at each `moved`."""
        self.page_size = 50
        self.warnings: list[str] = []
        """Of the check of a card."""

    def add(self, kind: str, repo_id: str, files: Tree | None = None, **how: Any) -> Repo:
        """An existing repository."""
        repo = Repo(kind, repo_id, **how)
        repo.commit(MAIN, files or {}, "Initial commit", repo.owner)
        self.all[kind, repo_id] = repo
        return repo

    def next_fault(self) -> str:
        return self.faults.pop(0) if self.faults else "ok"

    def move(self, repo: Repo) -> None:
        """Somebody else's commit to main."""
        waiting = self.moves.get((repo.kind, repo.id), [])
        repo.change(waiting.pop(0) if waiting else {"README.md": str(len(repo.commits)).encode()})
