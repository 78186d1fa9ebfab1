"""Writes the report of a run: one HTML file, the same as Markdown, and its curves."""

from __future__ import annotations

import time
from pathlib import Path

from smoltui.backends.evaluation.kept_answers import newest_answers
from smoltui.backends.project.project import Project
from smoltui.backends.publish.facts import gather, read_run
from smoltui.backends.runs import store as run_store
from smoltui.backends.runs.engine import Engine
from smoltui.backends.runs.pair_facts import pair_facts
from smoltui.backends.system.small_file import read_small, replace_small
from smoltui.backends.system.threads import in_thread
from smoltui.core.publish import report as reports
from smoltui.core.publish.curves import curves_svg
from smoltui.core.publish.report import Report
from smoltui.core.publish.report_page import GENERATOR, page
from smoltui.core.runs.reading import read_run as reading_of
from smoltui.core.runs.run import Run, RunSpec
from smoltui.errors import InputError

MOST_BYTES = 64 << 20
"""Of an older report that is looked into before it is replaced."""


async def make_report(engine: Engine, run: Run, here: Project) -> Report:
    """Everything known of a run, which need not be over. `here`: the project that stands in if the run's is gone.

    Raises:
        InputError: the recipe of the run is unknown.
        RecipeError: settings or recipe cannot be read.
        ServiceError: the run's log could not be read.
    """
    run, spec = await read_run(engine, run)
    return await in_thread(lambda: _gathered(run, spec, engine.place.title, here))


def _gathered(run: Run, spec: RunSpec | None, where: str, here: Project) -> Report:
    project = Project(Path(run.project)) if run.project and Path(run.project).is_dir() else here
    found = gather(project, run, spec, ended=False)
    checks = spec.checks if spec is not None else ()
    reading = reading_of(found.run, pair_facts(spec)).line if found.record.curves else ""
    answers = newest_answers(run_store.run_dir(run.id))
    return Report(found.record, found.run, where, checks, reading, answers, time.time())


def folder_for(run: Run, base: Path) -> Path:
    """Where a report goes unless another folder is named: `report-ID` below `base`."""
    return base / f"report-{run.id}"


def write_report(report: Report, folder: Path) -> list[Path]:
    """Writes the files, and returns their paths; the page to open is the first. An older report is replaced.

    Raises:
        InputError: the folder cannot be written, or has files of these names that are no report.
    """
    files = {reports.PAGE: page(report), reports.TEXT: reports.markdown(report)}
    picture = curves_svg(report.record.curves)
    if picture is not None:
        files[reports.PICTURE] = f"{picture}\n"
    for name, mark in ((reports.PAGE, GENERATOR), (reports.TEXT, reports.MADE_BY)):
        _refuse_to_replace(folder / name, mark)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            replace_small(folder / name, text.encode(errors="replace"))
    except OSError as error:
        raise InputError(
            f"The report cannot be written ({error.strerror or error}): {folder}", "Choose another folder with --out."
        ) from error
    return [folder / name for name in files]


def _refuse_to_replace(path: Path, mark: str) -> None:
    try:
        found = mark.encode() in read_small(path, MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        said = error.strerror or str(error)
        raise InputError(f"The report cannot be written ({said}): {path}", "Choose another folder.") from error
    if not found:
        raise InputError(f"This file is not a report of smoltui: {path}", "Choose another folder.")
