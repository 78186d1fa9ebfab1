"""The command line: which commands there are, and how their errors and exit codes are reported."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from smoltui import __version__
from smoltui.backends.system.known_secrets import register_secrets_of_machine
from smoltui.cli import completions, output
from smoltui.cli.arguments import FOLDER
from smoltui.cli.commands import (
    app,
    ask,
    benchmark,
    check,
    docs,
    evaluate,
    explain,
    jobs,
    judge,
    pairs,
    publish,
    recipe,
    runs,
    scheduled,
    shell,
    sweep,
    votes,
)
from smoltui.cli.failures import as_smoltui_error
from smoltui.cli.group import Group
from smoltui.errors import InputError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

DEBUG = "--debug"
INTERRUPTED = 130
"""Exit code after ctrl+c, as in a shell."""


class _OpensByDefault(Group):
    """A first argument that isn't a command is the folder to open; without arguments, the current folder opens."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        plain = [arg for arg in args if not arg.startswith("-")]
        # It works behind every command, where a person adds it after a failure.
        debug = [arg for arg in args if arg == DEBUG][:1]
        args = [arg for arg in args if arg != DEBUG]
        own = {"--help", "-h", "--version"}
        is_complete = not ctx.resilient_parsing or plain  # while a shell completes the first word, nothing is chosen
        asks_help = set(args) & own
        # The help of a mistyped command is not that of opening a folder.
        is_word = asks_help and plain and "/" not in plain[0] and not Path(plain[0]).exists()
        if is_complete and not (asks_help and not plain) and (not plain or plain[0] not in self.commands):
            args = args if is_word else ["open", *args]
        return super().parse_args(ctx, [*debug, *args])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        return [
            *FOLDER.shell_complete(ctx, ctx.command.params[0], incomplete),
            *super().shell_complete(ctx, incomplete),
        ]


def _start_debug_log(ctx: click.Context, param: click.Parameter, is_set: bool) -> None:
    if not is_set or ctx.resilient_parsing:
        return
    from smoltui.backends.system import debug_log

    path = debug_log.start(ctx.obj)
    output.note_debug_log(str(path), "--json" in ctx.obj)


@click.group(cls=_OpensByDefault, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="smoltui")
@click.option(
    DEBUG,
    is_flag=True,
    expose_value=False,
    callback=_start_debug_log,
    help="Write a debug log, and print where it is. Can also follow any command.",
)
def smoltui() -> None:
    """From preference pairs to an aligned SmolLM3: here, on Slurm or on Hugging Face Jobs.

    `smoltui [TARGET]` opens the app: on a project folder (default: this one), a file of pairs, a name on the Hub, or a
    run.
    """


SECTIONS: dict[str, tuple[click.Command, ...]] = {
    "Projects": (app.open_app, app.demo_command, app.new_command, check.check_command),
    "Pairs and recipe": (pairs.pairs_command, recipe.recipe_group),
    "Training": (
        runs.train_command,
        sweep.sweep_command,
        runs.ps_command,
        runs.logs_command,
        runs.inspect_command,
        jobs.stats_command,
        jobs.wait_command,
        runs.cancel_command,
        jobs.pause_command,
        jobs.resume_command,
        jobs.rerun_command,
        jobs.labels_command,
        jobs.expose_command,
        jobs.hardware_command,
        scheduled.scheduled_group,
    ),
    "Evaluation": (
        ask.ask_command,
        evaluate.evaluate_command,
        votes.vote_command,
        votes.label_command,
        judge.judge_command,
        benchmark.benchmark_command,
    ),
    "Publishing": (publish.report_command, publish.card_command, publish.submit_command, publish.leaderboard_command),
    "Help": (
        docs.docs_command,
        explain.explain_command,
        shell.doctor_command,
        shell.completions_command,
        shell.man_command,
    ),
}
"""Heading → commands, in the order of the workflow, in which help, manual page and documentation list them."""
smoltui.sections = SECTIONS
for commands in SECTIONS.values():
    for command in commands:
        smoltui.add_command(command)


def run(args: Sequence[str] | None = None) -> int:
    """Runs the command line (None: of this process) and returns its exit code; errors are printed with a next step."""
    argv = list(sys.argv[1:] if args is None else args)
    as_json = "--json" in argv
    output.prepare_streams()
    register_secrets_of_machine()
    if (instruction := completions.asked()) is not None:
        return completions.answer(smoltui, instruction)
    try:
        # Not `main`: if the reader of our output has left, that exits with 1, which means "the run failed".
        with smoltui.make_context("smoltui", list(argv), obj=argv) as context:
            smoltui.invoke(context)
        output.flush()
        return 0
    except click.ClickException as error:
        hint = ""
        if isinstance(error, click.UsageError) and error.ctx is not None:
            hint = f"See: {error.ctx.command_path} --help"
        output.print_error(error.format_message(), hint, as_json)
        return InputError.exit_code
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (head, less) has left, which is no error. Nothing may be flushed at exit.
        output.say_no_more()
        return 0
    except Exception as error:
        if isinstance(error, OSError):  # the output itself may have failed
            output.say_no_more()
        told = as_smoltui_error(error)
        logging.getLogger("smoltui").debug("shown: %s", told, exc_info=told)
        output.print_error(told.message, told.hint, as_json)
        return told.exit_code
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
