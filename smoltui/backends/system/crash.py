"""A mistake of smoltui's own: one sentence for the person, and the report in a file."""

from __future__ import annotations

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
    """What the person is told of an exception that nobody expected; its report is written, where that can be done."""
    said = safe_line(redact(str(error)), 200)
    message = f"Internal error: {type(error).__name__}{f', {said}' if said else ''}. This is a bug in smoltui"
    path = written_report(error)
    where = "The crash report could not be written." if path is None else f"Please attach {path} to a bug report."
    told = InternalError(message, f"Runs and Jobs continue, and saved work is kept: start smoltui again. {where}")
    told.__cause__ = error
    return told


def written_report(error: BaseException) -> Path | None:
    """The file in which an exception is described; None where none could be written."""
    try:
        return _write(error)
    except Exception:  # whatever comes in its way, the first exception is the one that is told
        return None


def _write(error: BaseException) -> Path:
    """Where and what, without the values of variables: a token may be among them."""
    folder = home() / "crashes"
    private_folder(folder)  # paths and words of pairs may stand in a report
    for old in sorted(folder.glob("*.txt"))[: -(REPORTS_KEPT - 1)]:
        old.unlink(missing_ok=True)
    path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    lines = [
        f"Python {platform.python_version()} on {platform.platform()}, TERM={os.environ.get('TERM', '')}",
        ", ".join(f"{name} {found}" for name in PACKAGES if (found := _version(name))),
        f"$ {' '.join(sys.argv)}",
        "",
        "".join(traceback.format_exception(error)),
    ]
    locks.write_private(path, safe(redact("\n".join(lines)), None).encode("utf-8", "backslashreplace"))
    return path


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
