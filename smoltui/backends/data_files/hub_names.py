"""Names of datasets on the Hub in every way that people write them.

owner/name    owner/name:config    owner/name@revision    datasets/owner/name
hf://datasets/owner/name@revision/path/in/it.parquet
https://huggingface.co/datasets/owner/name/viewer/config/split    …/tree/revision/folder    …/blob/revision/file
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from smoltui.errors import PairsError
from smoltui.safe_text import safe_line

_ID = re.compile(r"([\w.-]+/[\w.-]+)(?::([\w.-]+))?(?:@([\w./-]+))?")
_HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")
_HINT = "Datasets look like https://huggingface.co/datasets/owner/name."


@dataclass(frozen=True, slots=True)
class HubName:
    """A dataset on the Hub, or a part of it."""

    repo: str
    """owner/name."""
    config: str | None = None
    split: str | None = None
    revision: str | None = None
    path: str = ""
    """File or folder in the repository; empty for all of it."""
    plain: bool = True
    """Written as `datasets` takes it: owner/name and nothing else."""

    def shown(self, text: str) -> str:
        """How to call it where `text` was written: an address is shortened to owner/name, and the path in it."""
        if "datasets/" not in text:
            return text
        return f"{self.repo}/{self.path}" if self.path else self.repo


def hub_name(text: str) -> HubName | None:
    """The dataset that `text` names; None for any other text, such as a path.

    Raises:
        PairsError: an address that is not that of a dataset.
    """
    text = text.strip()
    if text.startswith("hf://"):
        return _of_filesystem(text.removeprefix("hf://"), text)
    if "://" in text or text.lower().startswith(tuple(f"{host}/" for host in _HOSTS)):
        return _of_address(text)
    core = text.removeprefix("datasets/") if text.count("/") > 1 else text
    found = _ID.fullmatch(core)
    return HubName(found[1], found[2], None, found[3], plain=core == text == found[1]) if found else None


def _of_filesystem(path: str, shown: str) -> HubName:
    """Of huggingface_hub's file system: datasets/owner/name@revision/path; a `/` in a revision is written %2F."""
    parts = path.split("/", 3)
    if parts[0] != "datasets" or len(parts) < 3 or not parts[2]:
        raise _not_a_dataset(shown)
    name, _, revision = parts[2].partition("@")
    inside = parts[3] if len(parts) > 3 else ""
    if revision == "refs":  # refs/convert/parquet and refs/pr/1 are written without an escape
        first, second, *rest = [*inside.split("/", 2), ""]
        revision, inside = f"refs/{first}/{second}", "/".join(rest).strip("/")
    named = HubName(f"{parts[1]}/{name}", None, None, unquote(revision) or None, inside.strip("/"), plain=False)
    return _checked(named, shown)


def _of_address(text: str) -> HubName:
    """Of a page, or an address without its https://."""
    from smoltui.backends.hub.errors import endpoint

    try:
        address = urlsplit(text if "://" in text else f"https://{text}")
    except ValueError as error:
        raise _not_a_dataset(text) from error
    if address.netloc.lower() not in {*_HOSTS, urlsplit(endpoint()).netloc.lower()}:
        raise PairsError(f"This address is not on the Hub: {safe_line(text, 200)}", _HINT)
    parts = [unquote(part) for part in address.path.split("/") if part]
    if len(parts) < 3 or parts[0] != "datasets":
        raise _not_a_dataset(text)
    repo, page, rest = "/".join(parts[1:3]), parts[3:4], parts[4:]
    if page == ["viewer"]:
        config, split = (*rest, None, None)[:2]
        return _checked(HubName(repo, None if config == "default" else config, split, plain=False), text)
    if page in (["tree"], ["blob"], ["resolve"], ["raw"]) and rest:
        count = 3 if rest[0] == "refs" else 1
        revision = "/".join(rest[:count])
        named = HubName(repo, None, None, None if revision == "main" else revision, "/".join(rest[count:]), False)
        return _checked(named, text)
    return _checked(HubName(repo, plain=False), text)


def _checked(named: HubName, shown: str) -> HubName:
    if not _ID.fullmatch(named.repo) or ".." in named.path.split("/"):
        raise _not_a_dataset(shown)
    return named


def _not_a_dataset(text: str) -> PairsError:
    return PairsError(f"This is not the address of a dataset: {safe_line(text, 200)}", _HINT)
