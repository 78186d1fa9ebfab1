# /// script
# requires-python = ">=3.11"
# dependencies = ["huggingface_hub==2.4.0"]
# ///
"""Downloads models from the Hub into its cache on this machine, before they are loaded.

    python fetch_models.py --request request.json

The request has `models`: [{"repo", "revision"?, "files": [names], "total": bytes or null}, …]. It prints events
(`core/runs/events.py`): phase, download (bytes so far, about once a second, and at the end), failed, finished. What is
in the cache already is not downloaded again; a download that was stopped resumes.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

# For the modules beside this one; last, because in a Job the folder also has foreign files.
sys.path.append(str(Path(__file__).resolve().parent))

from script_events import Lines, WrongInputError, run_script

TELL_SECONDS = 1.0


def _bytes_in(folder: Path) -> int:
    """Bytes of a repository's files in the cache, unfinished ones included."""
    total = 0
    with suppress(OSError):
        for path in folder.iterdir():
            with suppress(OSError):
                total += path.stat().st_size
    return total


def fetch(lines: Lines, model: Mapping[str, Any]) -> None:
    """Downloads one model.

    Raises:
        WrongInputError: the account may not read it, or there is none.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    repo, revision = str(model["repo"]), model.get("revision")
    blobs = Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}" / "blobs"
    lines.phase_name, lines.subject = "", repo  # each model is a phase of its own
    lines.phase("download", repo)
    before, began, over = _bytes_in(blobs), time.monotonic(), threading.Event()
    total = model.get("total") or 0

    def tell() -> None:
        done, spent = max(0, _bytes_in(blobs) - before), time.monotonic() - began
        lines.emit("download", model=repo, done=done, total=max(total, done), seconds=round(spent, 3))

    def keep_telling() -> None:
        while not over.wait(TELL_SECONDS):
            tell()

    teller = threading.Thread(target=keep_telling, daemon=True)
    teller.start()
    try:
        snapshot_download(repo, revision=revision, allow_patterns=list(model["files"]))
    except GatedRepoError as error:
        raise WrongInputError(
            f"The model is gated, and this account has no access: {repo}", "Request access on its Hub page."
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise WrongInputError(f"There is no such model on the Hub: {repo}", "Check its name.") from error
    finally:
        over.set()
        teller.join()
    tell()


def main(lines: Lines, arguments: Sequence[str]) -> None:
    """Downloads the models of the request."""
    parser = argparse.ArgumentParser(description="Download models from the Hub.")
    parser.add_argument("--request", type=Path, required=True)
    request = json.loads(parser.parse_args(list(arguments)).request.read_text(encoding="utf-8"))
    began = time.monotonic()
    for model in request["models"]:
        fetch(lines, model)
    lines.emit("finished", step=0, max_steps=0, seconds=round(time.monotonic() - began, 3))


if __name__ == "__main__":
    sys.exit(run_script(main))
