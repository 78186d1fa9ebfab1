"""Where the files of a recipe's tokenizer are: in a model folder, or in the Hub's cache, fetched where they are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from smoltui.backends.hub.client import setup
from smoltui.backends.hub.errors import endpoint, explain
from smoltui.backends.pairs.tokenizer import CONFIG, SPECIALS, TEMPLATE, TOKENIZER, ModelFiles
from smoltui.backends.project.project import Project
from smoltui.backends.system.paths import exists
from smoltui.errors import (
    InputError,
    NotFoundOnHubError,
    PermissionDeniedError,
    RecipeError,
    UnreachableError,
)
from smoltui.safe_text import redact, safe_line

ANSWER_SECONDS = 10.0


def find_model_files(project: Project, values: Mapping[str, Any]) -> ModelFiles:
    """The files of the model that the recipe `values` names: a folder, or a Hub id (its cache on this machine first).

    Raises:
        RecipeError: the recipe has no model.
        InputError: there is no such model, or it has no tokenizer.json.
        ServiceError: the model is gated, private or missing, or the Hub cannot be reached and its cache has nothing.
    """
    name = values.get("model_name_or_path")
    if not isinstance(name, str) or not name.strip():
        raise RecipeError("The recipe has no model, so tokens cannot be counted", "Set model_name_or_path.")
    shown = safe_line(name, 120)
    folder = project.resolve(name)
    fetch: Callable[[str], Path | None]
    if exists(folder):
        fetch = _in_folder(folder)
    else:
        revision = values.get("model_revision")
        fetch = _on_hub(name, revision if isinstance(revision, str) and revision else None)
    tokenizer = fetch(TOKENIZER)
    if tokenizer is None:
        raise InputError(
            f"The model has no {TOKENIZER}, so its tokens cannot be counted here: {shown}",
            "Training works without it. To create one, load the tokenizer with transformers and save it.",
        )
    # What is asked of the Hub may be answered with a path of its cache: no other process goes there for it.
    config, template, specials = (
        None if path is None else path.absolute() for path in map(fetch, (CONFIG, TEMPLATE, SPECIALS))
    )
    return ModelFiles(shown, tokenizer.absolute(), config, template, specials)


def _in_folder(folder: Path) -> Callable[[str], Path | None]:
    if not folder.is_dir():
        raise InputError(f"The model must be a folder or a Hub id: {safe_line(str(folder), 200)}")
    return lambda name: path if (path := folder / name).is_file() else None


def _on_hub(repo: str, revision: str | None) -> Callable[[str], Path | None]:
    def fetch(name: str) -> Path | None:
        with _hub(repo, revision):
            from huggingface_hub import hf_hub_download, try_to_load_from_cache
            from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

            found = try_to_load_from_cache(repo, name, revision=revision)
            if isinstance(found, str):
                return Path(found)
            if found is not None:  # the Hub said that there is no such file
                return None
            try:
                return Path(hf_hub_download(repo, name, revision=revision, etag_timeout=ANSWER_SECONDS))
            except LocalEntryNotFoundError:
                if name != TOKENIZER and isinstance(try_to_load_from_cache(repo, TOKENIZER, revision=revision), str):
                    return None  # the tokenizer was fetched at some time, and this file was not beside it
                raise
            except EntryNotFoundError:
                return None

    return fetch


@contextmanager
def _hub(repo: str, revision: str | None) -> Iterator[None]:
    """Turns what the Hub's client raises while a tokenizer is fetched into our errors."""
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

    shown = safe_line(repo, 120)
    try:
        yield
    except GatedRepoError as error:
        raise PermissionDeniedError(
            f"This model is gated, and your account does not have access yet: {shown}",
            f"Request access at {endpoint()}/{shown}, and log in with: hf auth login",
        ) from error
    except RevisionNotFoundError as error:
        raise NotFoundOnHubError(
            f"The model has no such revision: {safe_line(revision or 'main', 80)}", "Fix model_revision."
        ) from error
    except HFValidationError as error:
        raise InputError(
            f"Not a model folder, and not a model id on the Hub: {shown}",
            "Fix model_name_or_path; Hub ids look like owner/name.",
        ) from error
    except LocalEntryNotFoundError as error:
        raise UnreachableError(
            f"The Hub cannot be reached, and this model's tokenizer is not in the local cache: {shown}",
            "Try again when the network is available, or use a model folder on this machine.",
        ) from error
    except Exception as error:
        refused = isinstance(error, HfHubHTTPError) and error.response.status_code in (401, 404) and not get_token()
        if isinstance(error, RepositoryNotFoundError) or refused:
            raise NotFoundOnHubError(
                f"No such model on this machine or the Hub, or it is private: {shown}",
                "Fix model_name_or_path; for a private model, log in with: hf auth login",
            ) from error
        if (ours := explain(error, f"read the tokenizer of {shown}")) is not None:
            raise ours from error
        if isinstance(error, OSError):
            said = safe_line(redact(error.strerror or str(error)), 120)
            raise InputError(f"The tokenizer could not be stored on this machine: {said}") from error
        raise
