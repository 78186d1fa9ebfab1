"""Finds the files of a recipe's tokenizer: in a model folder, or in the Hub's cache, downloaded if missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from smoltui.backends.data_files.hub_repo import MODEL, HubRepo
from smoltui.backends.pairs.tokenizer_files import CONFIG, SPECIALS, TEMPLATE, TOKENIZER, ModelFiles
from smoltui.backends.project.project import Project
from smoltui.backends.system.paths import exists
from smoltui.errors import InputError, RecipeError
from smoltui.safe_text import safe_line


def find_model_files(project: Project, values: Mapping[str, object]) -> ModelFiles:
    """The files of the model in the recipe `values`: a folder, or a Hub id, whose local cache is looked up first.

    Raises:
        RecipeError: the recipe has no model.
        InputError: there is no such model, or it has no tokenizer.json.
        ServiceError: the model is gated, private or missing, or the Hub is unreachable and the files are not cached.
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
        fetch = _on_hub(HubRepo(MODEL, name, revision if isinstance(revision, str) and revision else None))
    tokenizer = fetch(TOKENIZER)
    if tokenizer is None:
        raise InputError(
            f"The model has no {TOKENIZER}, so its tokens cannot be counted here: {shown}",
            "Training works without it. To create one, load the tokenizer with transformers and save it.",
        )
    # Absolute, because the process that reads them works in another folder.
    config, template, specials = (
        None if path is None else path.absolute() for path in map(fetch, (CONFIG, TEMPLATE, SPECIALS))
    )
    return ModelFiles(shown, tokenizer.absolute(), config, template, specials)


def _in_folder(folder: Path) -> Callable[[str], Path | None]:
    if not folder.is_dir():
        raise InputError(f"The model must be a folder or a Hub id: {safe_line(str(folder), 200)}")
    return lambda name: path if (path := folder / name).is_file() else None


def _on_hub(repo: HubRepo) -> Callable[[str], Path | None]:
    def fetch(name: str) -> Path | None:
        with repo.reading():
            from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

            if (found := repo.cached(name)) is not None:
                return found
            if repo.is_known_missing(name):
                return None
            try:
                return repo.download(name)
            except LocalEntryNotFoundError:
                if name != TOKENIZER and repo.cached(TOKENIZER) is not None:
                    return None  # the tokenizer was downloaded before, and this file was not among its files
                raise
            except EntryNotFoundError:
                return None

    return fetch
