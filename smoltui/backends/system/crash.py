"""A bug in smoltui: one sentence for the person, and a report in a file."""

from __future__ import annotations

import logging
import os
import platform
import sys
import time
import traceback
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from smoltui.backends.system import locks
from smoltui.backends.system.data_folder import home, private_folder
from smoltui.errors import InternalError
from smoltui.safe_text import redact, safe, safe_line

REPORTS_KEPT = 20
PACKAGES = ("smoltui", "textual", "rich", "huggingface_hub", "trl", "transformers", "datasets", "torch")


def crashed(error: BaseException) -> InternalError:
    """The message for an unexpected exception. Writes a report if possible."""
    logging.getLogger("smoltui").debug("crash: %s", error, exc_info=error)
    said = safe_line(redact(str(error)), 200)
    message = f"Internal error: {type(error).__name__}{f', {said}' if said else ''}. This is a bug in smoltui"
    path = written_report(error)
    where = "The crash report could not be written." if path is None else f"Please attach {path} to a bug report."
    told = InternalError(message, f"Runs and Jobs continue, and saved work is kept: start smoltui again. {where}")
    told.__cause__ = error
    return told


def written_report(error: BaseException) -> Path | None:
    """The file with the report of an exception; None if it could not be written."""
    try:
        return _write(error)
    except Exception:  # whatever fails here, the first exception is the one to report
        return None


def _write(error: BaseException) -> Path:
    """The traceback, without values of variables: one of them may be a token."""
    folder = home() / "crashes"
    private_folder(folder)  # a report may contain paths and text of pairs
    for old in sorted(folder.glob("*.txt"))[: -(REPORTS_KEPT - 1)]:
        old.unlink(missing_ok=True)
    path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    lines = [
        f"Python {platform.python_version()} on {platform.platform()}, TERM={os.environ.get('TERM', '')}",
        ", ".join(f"{name} {found}" for name in PACKAGES if (found := installed(name))),
        f"$ {' '.join(sys.argv)}",
        "",
        "".join(traceback.format_exception(error)),
    ]
    locks.write_private(path, safe(redact("\n".join(lines)), None).encode("utf-8", "backslashreplace"))
    return path


def installed(name: str) -> str | None:
    """The installed version of a package; None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
