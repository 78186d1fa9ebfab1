"""Arguments and options that several commands share, with what a shell completes for them.

What is completed is looked up only when a person presses tab: no server is asked, and nothing heavy is imported.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from smoltui.errors import InputError
from smoltui.suggestions import did_you_mean

_Declared = TypeVar("_Declared", bound=Callable[..., Any])

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from smoltui.backends.project.project import Project


class Choice(click.Choice[str]):
    """A choice that says which one was probably meant."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        said = super().get_invalid_choice_message(value, ctx)
        return " ".join(filter(None, (said, did_you_mean(str(value), self.choices))))


theme_option = click.option(
    "--theme",
    type=Choice(("auto", "dark", "light")),
    help="Colors for a dark or a light background; auto asks the terminal.",
)
"""`theme`: None without the option."""


class _LateChoice(Choice, ABC):
    """Choices that are looked up when they are needed, so that no command waits for their modules."""

    def __init__(self) -> None:
        super().__init__(())

    @property
    def choices(self) -> tuple[str, ...]:
        return self.known()

    @choices.setter
    def choices(self, names: tuple[str, ...]) -> None:
        """click sets them in its constructor; they are looked up instead."""

    @abstractmethod
    def known(self) -> tuple[str, ...]:
        """All choices."""


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


class Named(click.types.StringParamType):
    """Any text, for which a shell completes the known values."""

    def __init__(self, name: str, known: Callable[[], Iterable[tuple[str, str]]]) -> None:
        self.name = name
        self._known = known
        """Returns (value, what it is), in the order shown."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        from click.shell_completion import CompletionItem

        return [
            CompletionItem(value, help=words or None) for value, words in self._known() if value.startswith(incomplete)
        ]


class NotEmpty(Named):
    """As `Named`; an empty text is refused, because a variable that is not set would silently choose the default."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(super().convert(value, param, ctx))
        if not text.strip():
            option = param.opts[0] if param is not None else self.name
            raise InputError(f"{option} has no value", "Write one, or leave the option out for its default.")
        return text


class PathText(click.types.StringParamType):
    """Any text, for which a shell completes paths; nothing is checked."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        """`dir` or `file`: click's words for what the shell completes."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type=self._kind)]


def _runs() -> Iterable[tuple[str, str]]:
    from smoltui.backends.runs.known import known_runs
    from smoltui.safe_text import redact, safe_line

    return [(run.id, safe_line(redact(run.name), 60)) for run in known_runs()]


def _flavors() -> Iterable[tuple[str, str]]:
    from smoltui.core.machine.hardware import FLAVORS

    return [(name, "") for name in FLAVORS]


def _presets() -> Iterable[tuple[str, str]]:
    from smoltui.backends.project.new_project import PRESETS

    return [(name, "") for name in PRESETS]


def _topics() -> Iterable[tuple[str, str]]:
    from smoltui.docs import topics

    return [(topic.name, topic.summary) for topic in topics()]


RUN_ID = Named("id", _runs)
"""The id of a run or a Job."""
FLAVOR = NotEmpty("flavor", _flavors)
WORD = NotEmpty("text", tuple)
"""Any text but an empty one."""
PRESET = Named("preset", _presets)
TOPIC = Named("topic", _topics)
FOLDER = PathText("dir")
FILE = PathText("file")

run_argument = click.argument("run_id", metavar="ID", type=RUN_ID)


def run_option(help: str) -> Callable[[_Declared], _Declared]:
    """The option --run, which takes the id of a run."""
    return click.option("--run", "run_id", type=RUN_ID, help=help)


runs_argument = click.argument("run_ids", metavar="ID...", nargs=-1, required=True, type=RUN_ID)
folder_argument = click.argument("folder", default=".", type=FOLDER)
yes_to_loading = click.option("--yes", is_flag=True, help="Download and load large models without a question.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print only JSON on stdout.")


def project_in(folder: str) -> Project:
    """The project of a command's FOLDER argument.

    Raises:
        InputError: there is no such folder.
    """
    from smoltui.backends.project.project import open_project

    return open_project(folder)
