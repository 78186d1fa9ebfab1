"""Whether a repository on the Hub has a LoRA adapter instead of a full model, for programs that load it themselves."""

from __future__ import annotations

from pathlib import Path

from smoltui.backends.data_files.hub_repo import MODEL, HubRepo
from smoltui.backends.evaluation.loading import ADAPTER_CONFIG, base_in


def base_on_hub(repo_id: str, revision: str | None) -> str | None:
    """The base model of an adapter on the Hub; None for a full model. Blocks; two small files may be downloaded.

    Raises:
        ServiceError: the repository is gated, private or missing, or the Hub did not answer and it is not cached.
        InputError: the adapter names no base model.
    """
    repo = HubRepo(MODEL, repo_id, revision)
    with repo.reading():
        if repo.cached("config.json") is not None:  # a full model: the Hub need not be asked
            return None
    adapter = _file(repo, ADAPTER_CONFIG)
    if adapter is None or _file(repo, "config.json") is not None:
        return None
    return base_in(adapter, repo_id)


def _file(repo: HubRepo, name: str) -> Path | None:
    """A file of the repository; None if it has none of this name."""
    with repo.reading():
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        if (found := repo.cached(name)) is not None:
            return found
        if repo.is_known_missing(name):
            return None
        try:
            return repo.download(name)
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            return None
