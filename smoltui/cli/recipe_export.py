"""smoltui recipe export: a script or a command that trains the recipe without smoltui."""

from __future__ import annotations

from typing import Any

from smoltui.backends.exporting.recipe_export import Form, export_recipe, script_name, write_export
from smoltui.backends.project.project import Project
from smoltui.backends.system.paths import expanded, shown_path
from smoltui.cli.output import note, say_script
from smoltui.safe_text import redact, safe_line


def exported(project: Project, form: str, out: str | None, *, overwrite: bool = False) -> dict[str, Any]:
    """An object with `form`, `text`, `written` (paths), `files` (what it needs beside it) and `notes`.

    A command for a Job needs a script: it is written into the project's folder, named as in the command.

    Raises:
        RecipeError: there is no recipe, or it cannot be exported.
        InputError: a file exists already or cannot be written.
    """
    wanted = Form(form)
    target = None if out is None else expanded(out).absolute()
    made = export_recipe(project, wanted, target)
    written = []
    if wanted is Form.HF_JOBS:
        place = project.folder / script_name(project)
        script = export_recipe(project, Form.SCRIPT, place, for_jobs=True)
        written.append(str(write_export(script.text, str(place), overwrite=overwrite)))
    if target is not None:
        written.append(str(write_export(made.text, str(target), overwrite=overwrite)))
    return {
        "form": made.form.value,
        "text": made.text,
        "written": written,
        "files": list(made.files),
        "notes": list(made.notes),
    }


def print_export(report: dict[str, Any], out: str | None) -> None:
    """Prints the text, unless it was written, and everything else on stderr, so that the text can be piped."""
    if out is None:
        say_script(report["text"])
    for path in report["written"]:
        note(f"Written: {shown_path(path)}")
    if report["files"]:
        note(f"Needs: {safe_line(redact(', '.join(report['files'])), 300)}")
    for said in report["notes"]:
        note(f"Note: {safe_line(redact(said), 300)}.")
