"""The command line: opens the app, and does everything the rooms do without it.

Exit codes: 0 done, 1 the run failed, 2 wrong use or input, 3 the service refused, 130 interrupted. With `--json`,
stdout holds JSON and nothing else, and an error is `{"error", "hint"}` on stderr.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from smoltui import __version__
from smoltui.backends.system.known_secrets import register_secrets_of_machine
from smoltui.cli import output
from smoltui.cli.arguments import EngineChoice, folder_argument, json_option, project_in
from smoltui.cli.failures import as_smoltui_error, require_address_space
from smoltui.cli.output import print_json
from smoltui.errors import InputError
from smoltui.safe_text import safe_line

if TYPE_CHECKING:
    from smoltui.backends.project.project import Project

INTERRUPTED = 130


class _OpensByDefault(click.Group):
    """A first word that is no command is the folder to open; no word at all opens the current one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        plain = [arg for arg in args if not arg.startswith("-")]
        own = {"--help", "--version"}
        if not (set(args) & own and not plain) and (not plain or plain[0] not in self.commands):
            args = ["open", *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order of the work, as they are written below


@click.group(cls=_OpensByDefault, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="smoltui")
def smoltui() -> None:
    """From preference pairs to an aligned SmolLM3, here or on Hugging Face Jobs.

    `smoltui [FOLDER]` opens the app on a project folder (default: this one).
    """


@smoltui.command("open", hidden=True)
@folder_argument
@click.option("--json", "as_json", is_flag=True, hidden=True)
def open_app(folder: str, as_json: bool) -> None:
    """Opens the app on a project folder."""
    try:
        project = project_in(folder)
    except InputError as error:
        raise InputError(f"This is neither a project folder nor a command: {folder}", "See: smoltui --help") from error
    if as_json:
        raise InputError("The app itself has no --json, its commands have", "See them: smoltui --help")
    run_app(project)


CANNOT_DRAW = ("", "dumb", "unknown")
"""Names of terminals that cannot move the cursor: editors and build servers say so of their output windows."""
COMMANDS = "Every room has a command too, with --json: smoltui check, pairs, recipe, train, ps, logs, ask, evaluate"


def run_app(project: Project) -> None:
    """The app, until the person leaves it.

    Raises:
        InputError: there is no terminal to draw on.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError("The app needs a terminal for its keys and its screen", COMMANDS)
    if (term := os.environ.get("TERM", "")) in CANNOT_DRAW and sys.platform != "win32":
        named = f"TERM is {term}" if term else "TERM is not set"
        raise InputError(
            f"The app cannot draw on this terminal: {named}",
            f"If it can do more than that, name it, for example TERM=xterm-256color. {COMMANDS}",
        )
    if sys.__stderr__ is None or not sys.__stderr__.isatty():
        # Textual draws there. Who sends the errors to a file means the errors, and would be left with an empty screen.
        sys.__stderr__ = sys.__stdout__  # type: ignore[misc]
    from smoltui.at_rest import postpone_collections

    postpone_collections()
    from smoltui.app import SmoltuiApp

    app = SmoltuiApp(project)
    # What the app returns is of its own; a return code is there too when a signal or the lost terminal ended it.
    if code := app.run() or app.return_code:
        raise SystemExit(code)


@smoltui.command("demo")
@click.argument("folder", default="smoltui-demo")
@click.option("--no-open", is_flag=True, help="Only make the folder.")
@json_option
def demo_command(folder: str, no_open: bool, as_json: bool) -> None:
    """Makes a project that trains in a minute on any CPU, and opens the app on it.

    A folder that is already a project is opened as it is.
    """
    from smoltui.backends.project.new_project import create_project
    from smoltui.backends.project.project import Project

    project = Project(_absolute(folder))
    if not project.has_recipe:
        project = create_project(project.folder, "demo")
    elif not as_json:
        output.note(f"This folder is a project already, and stays as it is: {project.folder}")
    _made(project, no_open, as_json)


@smoltui.command("new")
@click.argument("folder")
@click.option("--preset", required=True, help="demo, course-local or course-jobs.")
@click.option("--open/--no-open", "opens", default=False, help="Open the app on it.")
@json_option
def new_command(folder: str, preset: str, opens: bool, as_json: bool) -> None:
    """Makes a project folder from a preset."""
    from smoltui.backends.project.new_project import create_project

    _made(create_project(_absolute(folder), preset), not opens, as_json)


def _absolute(folder: str) -> Any:
    from smoltui.backends.system.paths import expanded

    return expanded(folder).absolute()


def _made(project: Project, no_open: bool, as_json: bool) -> None:
    if as_json:
        print_json({"folder": str(project.folder)})
    elif no_open:
        import shlex

        output.say(f"Project: {safe_line(str(project.folder), 4096)}")
        output.say(f"Open it: smoltui {safe_line(shlex.quote(str(project.folder)), 4096)}")
    if not no_open and not as_json:
        run_app(project)


@smoltui.command("check")
@folder_argument
@json_option
def check_command(folder: str, as_json: bool) -> None:
    """What can be trained here: devices, memory, disk, packages, account."""
    from smoltui.cli import check as twin

    report = twin.check_report(project_in(folder).folder)
    print_json(report) if as_json else twin.print_report(report)


@smoltui.command("pairs")
@click.argument("source", default=".")
@click.option("--split", help="Which split of a set that has several.")
@click.option("--config", help="Which configuration of a set on the Hub.")
@click.option("--revision", help="Branch, tag or commit of a set on the Hub.")
@click.option("--row", type=int, help="Show this pair, zero-based.")
@click.option("--search", help="Rows that hold this text in any case, or match this /regular expression/.")
@click.option("--where", help="Rows that fulfil this SQL condition, such as 'chosen_chars > 500'.")
@click.option("--audit", is_flag=True, help="Everything that may be wrong with the set.")
@click.option("--export", metavar="OUT", help="Write the curated, converted set; a name in .parquet writes Parquet.")
@click.option("--overwrite", is_flag=True, help="Replace an export that is there.")
@json_option
def pairs_command(as_json: bool, **options: Any) -> None:
    """What a set of preference pairs holds: a file, a folder, shards, a Hub id, or a project's own."""
    require_address_space()
    from smoltui.cli import pairs as twin

    report = twin.pairs_report(twin.Asked(**options), quiet=as_json)
    # The texts of a pair are data: they are given as they are, whatever they look like.
    print_json(report, redacting="pair" not in report) if as_json else twin.print_report(report)


@smoltui.group("recipe")
def recipe_group() -> None:
    """The recipe of a project: its values, what is wrong with it, the command that runs it."""


@recipe_group.command("show")
@folder_argument
@json_option
def recipe_show_command(folder: str, as_json: bool) -> None:
    """Every value, and what it means."""
    from smoltui.cli import recipe as twin

    report = twin.recipe_show(project_in(folder))
    print_json(report) if as_json else twin.print_show(report)


@recipe_group.command("check")
@folder_argument
@click.option("--on", "target", type=EngineChoice(), help="Where it shall run.")
@json_option
def recipe_check_command(folder: str, target: str | None, as_json: bool) -> None:
    """What would stop it or spoil it; exit code 2 when something does."""
    from smoltui.backends.services import place_named
    from smoltui.cli import recipe as twin

    project = project_in(folder)
    report = twin.recipe_check(project, place_named(target or project.settings().on).target)
    print_json(report) if as_json else twin.print_check(report)
    if not report["ok"]:
        raise SystemExit(InputError.exit_code)


@recipe_group.command("command")
@folder_argument
@click.option("--on", "target", type=EngineChoice(), help="Where it shall run.")
@json_option
def recipe_command_command(folder: str, target: str | None, as_json: bool) -> None:
    """The command that does the same by hand."""
    from smoltui.backends.services import place_named
    from smoltui.cli import recipe as twin

    project = project_in(folder)
    report = twin.recipe_command(project, place_named(target or project.settings().on).target)
    print_json(report) if as_json else twin.print_command(report)


@smoltui.command("train")
@folder_argument
@click.option("--on", "engine", type=EngineChoice(), help="Where to run; default: smoltui.toml.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Another value for one recipe key.")
@click.option("--seed", type=int, help="The same as --set seed=N.")
@click.option("--output-dir", help="Where the model goes instead of the recipe's output_dir.")
@click.option("--overwrite", is_flag=True, help="Replace the model that the output folder holds.")
@click.option("--flavor", help="Hardware of the Job.")
@click.option("--timeout", help="The Job is killed after this, such as 3h or 90m.")
@click.option("--namespace", help="User or organization that owns and pays for the Job.")
@click.option("--yes", is_flag=True, help="Do not ask before a Job that costs money.")
@click.option("--side-by-side", is_flag=True, help="Do not wait for other runs of this machine to end.")
@click.option("--processes", type=click.IntRange(1), help="Training processes, one a GPU, instead of smoltui.toml's.")
@click.option("--detach", is_flag=True, help="Start it and return.")
@click.option(
    "--then",
    multiple=True,
    type=click.Choice(["ask"]),  # core.runs.chain.STEPS
    help="What to do when the run has completed. ask: let both models answer the project's prompts.",
)
@json_option
def train_command(folder: str, **options: Any) -> None:
    """Trains the recipe and follows it to its end; one JSON object a line with --json."""
    require_address_space()
    from smoltui.cli import runs as twin

    raise SystemExit(twin.train(project_in(folder), **options))


@smoltui.command("ps")
@click.option("-a", "--all", "every", is_flag=True, help="Also runs that ended more than a day ago.")
@click.option("--on", "engine", type=EngineChoice(), help="Only local runs, or only Jobs.")
@click.option(
    "--filter",
    "filter_text",
    default="",
    metavar="TERMS",
    help="Words and stage:, label:, flavor:, engine:; each must do.",
)
@json_option
def ps_command(every: bool, engine: str | None, filter_text: str, as_json: bool) -> None:
    """Lists local runs and the Jobs of all your namespaces, newest first."""
    from smoltui.cli import runs as twin

    twin.ps(every=every, engine=engine, filter_text=filter_text, as_json=as_json)


@smoltui.command("logs")
@click.argument("run_id", metavar="ID")
@click.option("-f", "--follow", is_flag=True, help="Go on until it ends; the exit code is the run's result.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines of what is there.")
@click.option("--grep", metavar="REGEX", help="Of these, only the lines that match.")
@json_option
def logs_command(run_id: str, follow: bool, tail: int | None, grep: str | None, as_json: bool) -> None:
    """Prints the log of a run."""
    from smoltui.cli import runs as twin

    raise SystemExit(twin.logs(run_id, follow=follow, tail=tail, grep=grep, as_json=as_json))


@smoltui.command("inspect")
@click.argument("run_id", metavar="ID")
@json_option
def inspect_command(run_id: str, as_json: bool) -> None:
    """Everything known of a run, as its engine gave it."""
    from smoltui.cli import runs as twin

    twin.inspect(run_id, as_json=as_json)


@smoltui.command("stats")
@click.argument("run_id", metavar="ID")
@click.option("-f", "--follow", is_flag=True, help="A line a second until it ends.")
@json_option
def stats_command(run_id: str, follow: bool, as_json: bool) -> None:
    """What a run takes now: processor, memory, each GPU, network."""
    from smoltui.cli import jobs as twin

    twin.stats(run_id, follow=follow, as_json=as_json)


@smoltui.command("wait")
@click.argument("run_ids", metavar="ID...", nargs=-1, required=True)
@json_option
def wait_command(run_ids: tuple[str, ...], as_json: bool) -> None:
    """Waits until runs have ended; exit code 0 if all are COMPLETED, 130 if one was CANCELED, 1 if one failed."""
    from smoltui.cli import jobs as twin

    raise SystemExit(twin.wait(run_ids, as_json=as_json))


@smoltui.command("cancel")
@click.argument("run_ids", metavar="ID...", nargs=-1, required=True)
@json_option
def cancel_command(run_ids: tuple[str, ...], as_json: bool) -> None:
    """Stops runs."""
    from smoltui.cli import runs as twin

    twin.cancel(run_ids, as_json=as_json)


@smoltui.command("pause")
@click.argument("run_ids", metavar="ID...", nargs=-1, required=True)
@json_option
def pause_command(run_ids: tuple[str, ...], as_json: bool) -> None:
    """Stops local runs with a checkpoint, to go on later."""
    from smoltui.cli import jobs as twin

    twin.pause(run_ids, as_json=as_json)


@smoltui.command("resume")
@click.argument("run_ids", metavar="ID...", nargs=-1, required=True)
@json_option
def resume_command(run_ids: tuple[str, ...], as_json: bool) -> None:
    """Goes on with local runs from their newest complete checkpoint."""
    from smoltui.cli import jobs as twin

    twin.resume(run_ids, as_json=as_json)


@smoltui.command("rerun")
@click.argument("run_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask before a Job that costs money.")
@json_option
def rerun_command(run_id: str, yes: bool, as_json: bool) -> None:
    """Starts the same run again and returns."""
    from smoltui.cli import jobs as twin

    twin.rerun(run_id, yes=yes, as_json=as_json)


@smoltui.command("labels")
@click.argument("run_id", metavar="ID")
@click.argument("assignments", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--remove", multiple=True, metavar="KEY", help="Take this label away.")
@json_option
def labels_command(run_id: str, assignments: tuple[str, ...], remove: tuple[str, ...], as_json: bool) -> None:
    """Shows the labels of a Job, or sets some and leaves the others as they are."""
    from smoltui.cli import jobs as twin

    twin.labels(run_id, assignments, remove, as_json=as_json)


@smoltui.command("hardware")
@click.option("--for", "folder", metavar="FOLDER", help="Whether the recipe of this project fits.")
@json_option
def hardware_command(folder: str | None, as_json: bool) -> None:
    """The flavors of Jobs: processor, memory, accelerators, price."""
    from smoltui.cli import jobs as twin

    twin.hardware(None if folder is None else project_in(folder), as_json=as_json)


@smoltui.group("scheduled")
def scheduled_group() -> None:
    """Jobs that the Hub starts again and again."""


@scheduled_group.command("list")
@json_option
def scheduled_list_command(as_json: bool) -> None:
    """All of them with their next time, the suspended ones too."""
    from smoltui.cli import scheduled as twin

    twin.list_all(as_json=as_json)


@scheduled_group.command("create")
@folder_argument
@click.option("--schedule", required=True, metavar="CRON", help="Five cron fields in UTC, or @hourly, @daily, @weekly.")
@click.option("--from", "source", metavar="ID", help="Do what this Job does, instead of training FOLDER.")
@click.option("--flavor", help="Hardware of each Job.")
@click.option("--timeout", help="Each Job is killed after this, such as 3h or 90m.")
@click.option("--namespace", help="User or organization that owns and pays for the Jobs.")
@click.option("--suspended", is_flag=True, help="It starts nothing until it is resumed.")
@click.option("--concurrency", is_flag=True, help="Start also while the one before still runs.")
@click.option("--yes", is_flag=True, help="Do not ask although it costs money.")
@json_option
def scheduled_create_command(folder: str, **options: Any) -> None:
    """Trains a project again and again; its recipe and pairs are those of now."""
    from smoltui.cli import scheduled as twin

    twin.create(folder, **options)


@scheduled_group.command("suspend")
@click.argument("scheduled_id", metavar="ID")
@json_option
def scheduled_suspend_command(scheduled_id: str, as_json: bool) -> None:
    """Starts nothing until it is resumed; a Job that runs goes on."""
    from smoltui.cli import scheduled as twin

    twin.suspend(scheduled_id, as_json=as_json)


@scheduled_group.command("resume")
@click.argument("scheduled_id", metavar="ID")
@json_option
def scheduled_resume_command(scheduled_id: str, as_json: bool) -> None:
    """Starts Jobs again from its next time on."""
    from smoltui.cli import scheduled as twin

    twin.resume(scheduled_id, as_json=as_json)


@scheduled_group.command("trigger")
@click.argument("scheduled_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask before a Job that costs money.")
@json_option
def scheduled_trigger_command(scheduled_id: str, yes: bool, as_json: bool) -> None:
    """Starts one Job of it now; the schedule stays as it is."""
    from smoltui.cli import scheduled as twin

    twin.trigger(scheduled_id, yes=yes, as_json=as_json)


@scheduled_group.command("delete")
@click.argument("scheduled_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def scheduled_delete_command(scheduled_id: str, yes: bool, as_json: bool) -> None:
    """Deletes it for good; a Job that runs goes on."""
    from smoltui.cli import scheduled as twin

    twin.delete(scheduled_id, yes=yes, as_json=as_json)


def _as_utf8(typed: str) -> str:
    """What was typed in UTF-8 where the locale is another: Python then has each byte as half a surrogate pair."""
    try:
        return typed.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        return typed


@smoltui.command("ask")
@click.argument("folder")
@click.argument("prompts", nargs=-1)
@click.option("--run", "run_id", help="Ask the model of this run; default: the newest completed one of the project.")
@json_option
def ask_command(folder: str, prompts: tuple[str, ...], run_id: str | None, as_json: bool) -> None:
    """Answers of the reference and of the aligned model to PROMPTS, or to the project's own prompts."""
    from smoltui.cli import evaluate as twin

    twin.run_ask(project_in(folder), [_as_utf8(prompt) for prompt in prompts], run_id=run_id, as_json=as_json)


@smoltui.command("evaluate")
@folder_argument
@click.option(
    "--run", "run_id", help="Measure the model of this run; default: the newest completed one of the project."
)
@json_option
def evaluate_command(folder: str, run_id: str | None, as_json: bool) -> None:
    """Measures the reference and the aligned model on the held-out pairs."""
    require_address_space()
    from smoltui.cli import evaluate as twin

    twin.run_evaluate(project_in(folder), run_id=run_id, as_json=as_json)


@smoltui.command("docs")
@click.argument("topic", required=False)
@json_option
def docs_command(topic: str | None, as_json: bool) -> None:
    """Lists the topics of the documentation, or prints one of them."""
    from smoltui.cli import docs as twin

    report = twin.docs_report(topic)
    print_json(report) if as_json else twin.print_report(report)


def run(args: Sequence[str] | None = None) -> int:
    """Runs the command line and gives its exit code; every expected error becomes one sentence and a next step."""
    argv = list(sys.argv[1:] if args is None else args)
    as_json = "--json" in argv
    output.prepare_streams()
    register_secrets_of_machine()
    try:
        # Not `main`: that makes exit code 1, "the run failed", of a reader of our output that has left.
        with smoltui.make_context("smoltui", argv) as context:
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
        # The reader of our output (head, less) has left: that is its right. Nothing may be flushed at exit.
        output.say_no_more()
        return 0
    except Exception as error:
        if isinstance(error, OSError):  # it may be the output that fails
            output.say_no_more()
        told = as_smoltui_error(error)
        output.print_error(told.message, told.hint, as_json)
        return told.exit_code
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
