"""Writing smoltui.toml: one table of it, everything else in the file as it was."""

from __future__ import annotations

from collections.abc import Mapping

from smoltui.backends.project import Project
from smoltui.core.settings import FILE_NAME
from smoltui.errors import InputError


def set_pair_columns(project: Project, columns: Mapping[str, str]) -> None:
    """Writes `[pairs.columns]`: which column of the set is what.

    Raises:
        RecipeError: the file that is there cannot be read as TOML.
        InputError: it cannot be written.
    """
    import tomlkit

    project.settings()  # a file that is broken is said so, and not written over
    path = project.folder / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        document = tomlkit.parse(text)
        pairs = document.setdefault("pairs", tomlkit.table())
        table = tomlkit.table()
        for name, value in columns.items():
            table[name] = value
        pairs["columns"] = table
        beside = path.with_name(f".{path.name}.new")
        beside.write_text(tomlkit.dumps(document), encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise InputError(
            f"{FILE_NAME} cannot be written, {error.strerror}: {project.folder}", "Allow writing there, or free space."
        ) from error
