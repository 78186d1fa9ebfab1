"""`smoltui report`: a run as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from smoltui.backends.project.project import Project
from smoltui.backends.publish.report import folder_for, make_report, write_report
from smoltui.backends.system.paths import expanded
from smoltui.backends.system.threads import in_thread
from smoltui.cli.output import say
from smoltui.safe_text import safe_line


def report(run_id: str, out: str | None) -> dict[str, Any]:
    """Writes the report of a run; returns `run`, `folder`, `page` and all `files`.

    Raises:
        InputError: there is no such run, its recipe is unknown, or the files cannot be written.
        ServiceError: the Hub could not be asked about a Job.
    """
    from smoltui.cli.runs import run_async

    return run_async(_report(run_id, out))


async def _report(run_id: str, out: str | None) -> dict[str, Any]:
    from smoltui.cli.runs import find

    engine, run = await find(run_id)
    made = await make_report(engine, run, Project(Path.cwd()))
    folder = expanded(out).absolute() if out else folder_for(run, Path.cwd())
    files = await in_thread(lambda: write_report(made, folder))
    return {"run": run.id, "folder": str(folder), "page": str(files[0]), "files": [str(file) for file in files]}


def print_report(written: dict[str, Any]) -> None:
    """Prints which files were written."""
    for path in written["files"]:
        say(safe_line(path, 4096))
    say("Open the first in a browser; nothing in it is loaded from the network.")
