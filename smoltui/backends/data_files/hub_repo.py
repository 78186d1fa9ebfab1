"""A repository on the Hub as a place of files: from the local cache, or downloaded into it; its errors become ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from smoltui.backends.hub.client import setup
from smoltui.backends.hub.errors import endpoint, explain
from smoltui.errors import (
    InputError,
    NotFoundOnHubError,
    PairsError,
    PermissionDeniedError,
    SmoltuiError,
    UnreachableError,
)
from smoltui.safe_text import redact, safe_line

ANSWER_SECONDS = 8.0
"""Longest silence in one response: a response may take two of them, and a person waits no longer than 20 s."""
METADATA_SECONDS = 10.0
"""The same for the question whether a cached file is current, before a download."""

Words = tuple[str, str]
"""Message and hint; {repo}, {revision} and {page} are filled in."""


@dataclass(frozen=True, slots=True)
class RepoKind:
    """Models or datasets: what their errors say."""

    repo_type: str
    """As in the Hub's client."""
    reading: str
    """What is being done: completes "so smoltui could not …"."""
    error: type[InputError]
    """Raised for an invalid id and for a full disk."""
    gated: Words
    no_revision: Words
    invalid: Words
    not_cached: Words
    missing: Words
    not_stored: Words
    """The system's message is appended."""


DATASET = RepoKind(
    repo_type="dataset",
    reading="read the dataset {repo}",
    error=PairsError,
    gated=(
        "This set is gated, and your account does not have access yet: {repo}",
        "Request access at {page}, and log in with: hf auth login",
    ),
    no_revision=("The set has no such revision: {repo}", "Use a branch, tag or commit."),
    invalid=("Not the id of a dataset: {repo}", "Hub ids look like owner/name."),
    not_cached=(
        "The Hub cannot be reached, and this set is not in the local cache: {repo}",
        "Open a local file, or try again when the network is available.",
    ),
    missing=(
        "The Hub has no such dataset, or it is private: {repo}",
        "Check the name; for a private set, log in with: hf auth login",
    ),
    not_stored=("The set could not be stored on this machine", "Is the disk full?"),
)
MODEL = RepoKind(
    repo_type="model",
    reading="read the tokenizer of {repo}",
    error=InputError,
    gated=(
        "This model is gated, and your account does not have access yet: {repo}",
        "Request access at {page}, and log in with: hf auth login",
    ),
    no_revision=("The model has no such revision: {revision}", "Fix model_revision."),
    invalid=(
        "Not a model folder, and not a model id on the Hub: {repo}",
        "Fix model_name_or_path; Hub ids look like owner/name.",
    ),
    not_cached=(
        "The Hub cannot be reached, and this model's tokenizer is not in the local cache: {repo}",
        "Try again when the network is available, or use a model folder on this machine.",
    ),
    missing=(
        "No such model on this machine or the Hub, or it is private: {repo}",
        "Fix model_name_or_path; for a private model, log in with: hf auth login",
    ),
    not_stored=("The tokenizer could not be stored on this machine", ""),
)


@dataclass(frozen=True, slots=True)
class HubRepo:
    """One revision of a repository. Blocking; downloads go into the Hub's cache on this machine."""

    kind: RepoKind
    id: str
    """owner/name."""
    revision: str | None = None
    """Branch, tag or commit; None for the default branch."""

    @property
    def doing(self) -> str:
        """What is being done, for errors."""
        return self.kind.reading.format(repo=safe_line(self.id, 120))

    def cached(self, name: str) -> Path | None:
        """A file in the local cache; None if it is not there. Raises within `reading`, as `file`."""
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(self.id, name, repo_type=self.kind.repo_type, revision=self.revision)
        return Path(found) if isinstance(found, str) else None

    def is_known_missing(self, name: str) -> bool:
        """Whether the cache says that the Hub has no such file."""
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(self.id, name, repo_type=self.kind.repo_type, revision=self.revision)
        return found is not None and not isinstance(found, str)

    def download(self, name: str) -> Path:
        """A file on this machine, downloaded if it is missing or not current. Raises what the Hub's client raises."""
        from huggingface_hub import hf_hub_download

        return Path(
            hf_hub_download(
                self.id,
                name,
                repo_type=self.kind.repo_type,
                revision=self.revision,
                etag_timeout=METADATA_SECONDS,
            )
        )

    def cached_files(self) -> list[str]:
        """Paths of all files in the local cache; empty if the repository is not there."""
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            folder = Path(
                snapshot_download(self.id, repo_type=self.kind.repo_type, revision=self.revision, local_files_only=True)
            )
        except (LocalEntryNotFoundError, OSError):
            return []
        return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turns what the Hub's client raises within the block into our errors.

        Raises:
            ServiceError: gated, private, missing, or unreachable and not in the cache.
            InputError: not the id of a repository, or this machine's disk is full (`kind.error`).
        """
        setup()
        try:
            yield
        except SmoltuiError:
            raise
        except Exception as error:
            ours = self._known(error) or explain(error, self.doing) or self._not_stored(error)
            if ours is None:
                raise
            raise ours from error

    def _known(self, error: Exception) -> SmoltuiError | None:
        """Our error for one that says something about the repository."""
        from huggingface_hub import get_token
        from huggingface_hub.errors import (
            GatedRepoError,
            HfHubHTTPError,
            HFValidationError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )

        kind = self.kind
        # The first that fits: a gated repository is also one that is not found.
        known: tuple[tuple[type[Exception], type[SmoltuiError], Words], ...] = (
            (GatedRepoError, PermissionDeniedError, kind.gated),
            (RevisionNotFoundError, NotFoundOnHubError, kind.no_revision),
            (HFValidationError, kind.error, kind.invalid),
            (LocalEntryNotFoundError, UnreachableError, kind.not_cached),
            (RepositoryNotFoundError, NotFoundOnHubError, kind.missing),
        )
        for foreign, ours, words in known:
            if isinstance(error, foreign):
                return self._said(ours, words)
        if isinstance(error, HfHubHTTPError) and error.response.status_code in (401, 404) and not get_token():
            return self._said(NotFoundOnHubError, kind.missing)
        return None

    def _not_stored(self, error: Exception) -> SmoltuiError | None:
        if not isinstance(error, OSError):
            return None
        message, hint = self.kind.not_stored
        return self.kind.error(f"{message}: {safe_line(redact(error.strerror or str(error)), 120)}", hint)

    def _said(self, error: type[SmoltuiError], words: Words) -> SmoltuiError:
        repo = safe_line(self.id, 120)
        facts = {
            "repo": repo,
            "revision": safe_line(self.revision or "main", 80),
            "page": f"{endpoint()}/{'datasets/' if self.kind is DATASET else ''}{repo}",
        }
        message, hint = words
        return error(message.format(**facts), hint.format(**facts))
