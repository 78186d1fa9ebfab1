"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from smoltui.backends.project.project import Project


class _LateChoice(click.Choice[str]):
    """Choices that are looked up when they are needed, so that no command waits for their modules."""

    def __init__(self) -> None:
        super().__init__(())

    @property
    def choices(self) -> tuple[str, ...]:
        return self.known()

    @choices.setter
    def choices(self, names: tuple[str, ...]) -> None:
        """click sets them in its constructor; they are looked up instead."""

    def known(self) -> tuple[str, ...]:
        """All choices."""
        raise NotImplementedError


class EngineChoice(_LateChoice):
    """The names of all engines."""

    def known(self) -> tuple[str, ...]:
        from smoltui.backends.services import places

        return tuple(place.name for place in places())


class PickChoice(_LateChoice):
    """How pairs are made of several answers."""

    def known(self) -> tuple[str, ...]:
        from smoltui.scripts.pair_how import PICKS

        return tuple(PICKS)


folder_argument = click.argument("folder", default=".")
json_option = click.option("--json", "as_json", is_flag=True, help="Print only JSON on stdout.")


def project_in(folder: str) -> Project:
    """The project of a command's FOLDER argument.

    Raises:
        InputError: there is no such folder.
    """
    from smoltui.backends.project.project import open_project

    return open_project(folder)
