"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from smoltui.backends.project.project import Project


class EngineChoice(click.Choice[str]):
    """The names of all engines, looked up when they are needed."""

    def __init__(self) -> None:
        super().__init__(())

    @property
    def choices(self) -> tuple[str, ...]:
        from smoltui.backends.services import places

        return tuple(place.name for place in places())

    @choices.setter
    def choices(self, names: tuple[str, ...]) -> None:
        """click sets them in its constructor; they are looked up instead."""


folder_argument = click.argument("folder", default=".")
json_option = click.option("--json", "as_json", is_flag=True, help="Print only JSON on stdout.")


def project_in(folder: str) -> Project:
    """The project of a command's FOLDER argument.

    Raises:
        InputError: there is no such folder.
    """
    from smoltui.backends.project.project import open_project

    return open_project(folder)
