"""Data files of a dataset on the Hub: listed by split, fetched when a split is opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smoltui.backends.hub import setup
from smoltui.backends.hub_errors import endpoint, explain
from smoltui.backends.pair_splits import configured_splits, splits_of
from smoltui.backends.pair_tables import READABLE
from smoltui.errors import NotFoundOnHubError, PairsError, PermissionDeniedError, ServiceError, UnreachableError
from smoltui.safe_text import redact, safe_line

ANSWER_SECONDS = 15.0


def hub_splits(repo: str, config: str | None, revision: str | None) -> dict[str, list[str]]:
    """Split → files in the repository. Asks the Hub, and its cache on this machine when the Hub does not answer.

    Raises:
        PairsError: no data files, unknown configuration.
        ServiceError: gated, private, missing, not reachable and not in the cache.
    """
    try:
        with _hub(repo):
            from huggingface_hub import HfApi

            # list_repo_files would try for 23 s where there is no network (its pages are retried); this is one request.
            info = HfApi().dataset_info(repo, revision=revision, timeout=ANSWER_SECONDS)
            files = [entry.rfilename for entry in info.siblings or ()]
    except UnreachableError as error:
        folder = _cached(repo, revision)
        if folder is None:
            raise UnreachableError(
                f"The Hub cannot be reached, and this set is not in its cache here: {repo}",
                error.hint or "Open a local file, or try again when the network is back.",
            ) from error
        files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    configs = _card_configs(repo, revision) if "README.md" in files else None
    if configured := configured_splits(files, configs, config, repo):
        return configured
    if config is not None:
        files = [name for name in files if name.startswith(f"{config}/")]
        if not files:
            raise PairsError(f"{repo} has no such configuration: {config}", "Leave it out, or look at the set's page.")
    splits = splits_of(files)
    if not splits:
        raise PairsError(f"{repo} holds no file that can be read as pairs.", f"Readable: {READABLE}.")
    return splits


def hub_files(repo: str, names: list[str], revision: str | None) -> list[Path]:
    """The files on this machine, downloaded into the Hub's own cache where they are not there yet.

    Raises:
        ServiceError: as `hub_splits`.
    """
    with _hub(repo):
        from huggingface_hub import hf_hub_download

        return [Path(hf_hub_download(repo, name, repo_type="dataset", revision=revision)) for name in names]


def _cached(repo: str, revision: str | None) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, repo_type="dataset", revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, OSError):
        return None


def _card_configs(repo: str, revision: str | None) -> object:
    """`configs` of the dataset card, None when it cannot be had: the files' names then have to do."""
    try:
        text = hub_files(repo, ["README.md"], revision)[0].read_text(encoding="utf-8", errors="replace")
    except (ServiceError, OSError):
        return None
    if not text.startswith("---"):
        return None
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        data = YAML(typ="safe", pure=True).load(text.split("\n---", 1)[0].removeprefix("---"))
    except YAMLError:
        return None
    return data.get("configs") if isinstance(data, dict) else None


@contextmanager
def _hub(repo: str) -> Iterator[None]:
    """Turns what the Hub's client raises while a set is opened into our errors."""
    setup()
    from huggingface_hub import get_token
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise PermissionDeniedError(
            f"This set is gated, and there is no access to it yet for the account of your token: {repo}",
            f"Ask for access at {endpoint()}/datasets/{repo}, and log in with: hf auth login",
        ) from error
    except RevisionNotFoundError as error:
        raise NotFoundOnHubError(f"The set has no such revision: {repo}", "Name a branch, tag or commit.") from error
    except HFValidationError as error:
        raise PairsError(
            f"Not the id of a dataset: {safe_line(repo, 80)}", "A Hub id looks like owner/name."
        ) from error
    except LocalEntryNotFoundError as error:
        raise UnreachableError(
            f"The Hub cannot be reached, and this set is not in its cache here: {repo}",
            "Open a local file, or try again when the network is back.",
        ) from error
    except Exception as error:
        refused = isinstance(error, HfHubHTTPError) and error.response.status_code in (401, 404) and not get_token()
        if isinstance(error, RepositoryNotFoundError) or refused:
            raise NotFoundOnHubError(
                f"There is no such dataset on the Hub, or it is private: {repo}",
                "Check the name; for a private set log in with: hf auth login",
            ) from error
        if (ours := explain(error, f"read the dataset {repo}")) is not None:
            raise ours from error
        if isinstance(error, OSError):
            said = safe_line(redact(error.strerror or str(error)), 120)
            raise PairsError(f"The set could not be stored on this machine: {said}", "Is the disk full?") from error
        raise
