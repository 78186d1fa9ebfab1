"""The command line: opens the app, and does without it everything that the rooms do.

Exit codes: 0 done, 1 the run failed, 2 wrong usage or input, 3 refused by the service, 130 interrupted. With `--json`,
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
    """A first argument that isn't a command is the folder to open; without arguments, the current folder opens."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        plain = [arg for arg in args if not arg.startswith("-")]
        own = {"--help", "--version"}
        if not (set(args) & own and not plain) and (not plain or plain[0] not in self.commands):
            args = ["open", *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order of the workflow, as defined below


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
        raise InputError(f"Not a project folder or a command: {folder}", "See: smoltui --help") from error
    if as_json:
        raise InputError("Only the commands take --json, not the app", "See the commands: smoltui --help")
    run_app(project)


CANNOT_DRAW = ("", "dumb", "unknown")
"""Names of terminals that cannot move the cursor, such as the output panes of editors and build servers."""
COMMANDS = (
    "Without the app, use the commands (all take --json): smoltui check, pairs, recipe, train, ps, logs, ask, evaluate"
)


def run_app(project: Project) -> None:
    """Runs the app until the person quits.

    Raises:
        InputError: there is no terminal that the app can draw on.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError("The app needs an interactive terminal", COMMANDS)
    if (term := os.environ.get("TERM", "")) in CANNOT_DRAW and sys.platform != "win32":
        named = f"TERM is {term}" if term else "TERM is not set"
        raise InputError(
            f"The app cannot draw on this terminal: {named}",
            f"If the terminal supports more, set TERM, for example TERM=xterm-256color. {COMMANDS}",
        )
    if sys.__stderr__ is None or not sys.__stderr__.isatty():
        # Textual draws on stderr. Whoever redirects it to a file wants the errors there, and would get an empty screen.
        sys.__stderr__ = sys.__stdout__  # type: ignore[misc]
    from smoltui.at_rest import postpone_collections

    postpone_collections()
    from smoltui.app import SmoltuiApp

    app = SmoltuiApp(project)
    # The app's own result, or the return code if a signal or a lost terminal ended it.
    if code := app.run() or app.return_code:
        raise SystemExit(code)


@smoltui.command("demo")
@click.argument("folder", default="smoltui-demo")
@click.option("--no-open", is_flag=True, help="Only create the folder.")
@json_option
def demo_command(folder: str, no_open: bool, as_json: bool) -> None:
    """Create a project that trains within a minute on any CPU, and open the app on it.

    A folder that is already a project is opened as it is.
    """
    from smoltui.backends.project.new_project import create_project
    from smoltui.backends.project.project import Project

    project = Project(_absolute(folder))
    if not project.has_recipe:
        project = create_project(project.folder, "demo")
    elif not as_json:
        output.note(f"This folder is already a project; nothing was changed: {project.folder}")
    _made(project, no_open, as_json)


@smoltui.command("new")
@click.argument("folder")
@click.option("--preset", required=True, help="demo, course-local or course-jobs; required.")
@click.option("--open/--no-open", "opens", default=False, help="Open the app on it, or not (the default).")
@json_option
def new_command(folder: str, preset: str, opens: bool, as_json: bool) -> None:
    """Create a project folder from a preset."""
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
        output.say(f"Open the project: smoltui {safe_line(shlex.quote(str(project.folder)), 4096)}")
    if not no_open and not as_json:
        run_app(project)


@smoltui.command("check")
@folder_argument
@json_option
def check_command(folder: str, as_json: bool) -> None:
    """Show what can be trained here: devices, memory, disk, packages, account."""
    from smoltui.cli import check as twin

    report = twin.check_report(project_in(folder).folder)
    print_json(report) if as_json else twin.print_report(report)


@smoltui.command("pairs")
@click.argument("source", default=".")
@click.option("--split", help="Split, if the set has several.")
@click.option("--config", help="Configuration of a set on the Hub.")
@click.option("--revision", help="Branch, tag or commit of a set on the Hub.")
@click.option("--row", type=int, help="Show this pair, counted from 0.")
@click.option("--search", help="Rows with this text, ignoring case, or matching this /regular expression/.")
@click.option("--where", help="Rows for which this SQL condition holds, such as 'chosen_chars > 500'.")
@click.option("--audit", is_flag=True, help="Check the whole set.")
@click.option(
    "--export", metavar="OUT", help="Write the curated, converted set: JSONL, or Parquet if the name ends in .parquet."
)
@click.option("--overwrite", is_flag=True, help="Replace an existing export.")
@json_option
def pairs_command(as_json: bool, **options: Any) -> None:
    """Show what a set of preference pairs contains. SOURCE is a file, a folder, a pattern, a Hub id, or a project."""
    require_address_space()
    from smoltui.cli import pairs as twin

    report = twin.pairs_report(twin.Asked(**options), quiet=as_json)
    # The texts of a pair are data: they are printed unchanged, whatever they look like.
    print_json(report, as_is=("pair",)) if as_json else twin.print_report(report)


@smoltui.group("recipe")
def recipe_group() -> None:
    """The recipe of a project: its values, its problems, and the command that runs it."""


@recipe_group.command("show")
@folder_argument
@json_option
def recipe_show_command(folder: str, as_json: bool) -> None:
    """Show every value and what it means."""
    from smoltui.cli import recipe as twin

    report = twin.recipe_show(project_in(folder))
    print_json(report) if as_json else twin.print_show(report)


@recipe_group.command("check")
@folder_argument
@click.option("--on", "target", type=EngineChoice(), help="Where it will run; default: run.on in smoltui.toml.")
@json_option
def recipe_check_command(folder: str, target: str | None, as_json: bool) -> None:
    """Show what would stop or spoil the run. The exit code is 2 if something would stop it."""
    from smoltui.cli import recipe as twin

    report = twin.recipe_check(project_in(folder), target)
    print_json(report) if as_json else twin.print_check(report)
    if not report["ok"]:
        raise SystemExit(InputError.exit_code)


@recipe_group.command("command")
@folder_argument
@click.option("--on", "target", type=EngineChoice(), help="Where it will run; default: run.on in smoltui.toml.")
@json_option
def recipe_command_command(folder: str, target: str | None, as_json: bool) -> None:
    """Print the command that does the same by hand."""
    from smoltui.cli import recipe as twin

    report = twin.recipe_command(project_in(folder), target)
    print_json(report) if as_json else twin.print_command(report)


@smoltui.command("train")
@folder_argument
@click.option("--on", "engine", type=EngineChoice(), help="Where to run; default: run.on in smoltui.toml.")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Override one key of the recipe; can be repeated."
)
@click.option("--seed", type=int, help="Same as --set seed=N.")
@click.option("--output-dir", help="Where the model goes, instead of the recipe's output_dir.")
@click.option("--overwrite", is_flag=True, help="Replace an existing model in the output folder.")
@click.option("--flavor", help="Hardware of the Job.")
@click.option("--timeout", help="Time limit of the Job, such as 3h or 90m.")
@click.option("--namespace", help="User or organization that owns and pays for the Job.")
@click.option("--yes", is_flag=True, help="Start a Job that costs money without asking.")
@click.option("--side-by-side", is_flag=True, help="Run in parallel with other runs on this machine.")
@click.option(
    "--processes",
    type=click.IntRange(1),
    help="Training processes, one per GPU, instead of the setting in smoltui.toml.",
)
@click.option("--detach", is_flag=True, help="Start the run and return.")
@click.option(
    "--then",
    multiple=True,
    type=click.Choice(["ask"]),  # core.runs.chain.STEPS
    help="What to do after the run completes. ask: let both models answer the project's prompts.",
)
@json_option
def train_command(folder: str, **options: Any) -> None:
    """Train the recipe and follow it to the end. With --json, it prints one object per line."""
    require_address_space()
    from smoltui.cli import runs as twin

    raise SystemExit(twin.train(project_in(folder), **options))


@smoltui.command("ps")
@click.option("-a", "--all", "every", is_flag=True, help="Include runs that ended more than a day ago.")
@click.option("--on", "engine", type=EngineChoice(), help="Only local runs, or only Jobs.")
@click.option(
    "--filter",
    "filter_text",
    default="",
    metavar="TERMS",
    help="Words, stage:, label:, flavor: and engine:; all must match.",
)
@json_option
def ps_command(every: bool, engine: str | None, filter_text: str, as_json: bool) -> None:
    """List local runs and the Jobs of all your namespaces, newest first."""
    from smoltui.cli import runs as twin

    twin.ps(every=every, engine=engine, filter_text=filter_text, as_json=as_json)


@smoltui.command("logs")
@click.argument("run_id", metavar="ID")
@click.option("-f", "--follow", is_flag=True, help="Continue until the run ends; the exit code is its result.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N of the existing lines.")
@click.option("--grep", metavar="REGEX", help="Of these, only matching lines.")
@json_option
def logs_command(run_id: str, follow: bool, tail: int | None, grep: str | None, as_json: bool) -> None:
    """Print the log of a run."""
    from smoltui.cli import runs as twin

    raise SystemExit(twin.logs(run_id, follow=follow, tail=tail, grep=grep, as_json=as_json))


@smoltui.command("inspect")
@click.argument("run_id", metavar="ID")
@json_option
def inspect_command(run_id: str, as_json: bool) -> None:
    """Show everything known about a run."""
    from smoltui.cli import runs as twin

    twin.inspect(run_id, as_json=as_json)


@smoltui.command("stats")
@click.argument("run_id", metavar="ID")
@click.option("-f", "--follow", is_flag=True, help="Print one line per second until the run ends.")
@json_option
def stats_command(run_id: str, follow: bool, as_json: bool) -> None:
    """Show what a run is using: processor, memory, each GPU, network."""
    from smoltui.cli import jobs as twin

    twin.stats(run_id, follow=follow, as_json=as_json)


@smoltui.command("wait")
@click.argument("run_ids", metavar="ID...", nargs=-1, required=True)
@json_option
def wait_command(run_ids: tuple[str, ...], as_json: bool) -> None:
    """Wait until runs have ended. The exit code is 0 if all COMPLETED, 130 if one was CANCELED, 1 if one failed."""
    from smoltui.cli import jobs as twin

    raise SystemExit(twin.wait(run_ids, as_json=as_json))


@smoltui.command("cancel")
@click.argument("run_ids", metavar="ID...", nargs=-1, required=True)
@json_option
def cancel_command(run_ids: tuple[str, ...], as_json: bool) -> None:
    """Stop runs."""
    from smoltui.cli import runs as twin

    twin.cancel(run_ids, as_json=as_json)


@smoltui.command("pause")
@click.argument("run_ids", metavar="ID...", nargs=-1, required=True)
@json_option
def pause_command(run_ids: tuple[str, ...], as_json: bool) -> None:
    """Stop local runs with a checkpoint, so that they can be resumed."""
    from smoltui.cli import jobs as twin

    twin.pause(run_ids, as_json=as_json)


@smoltui.command("resume")
@click.argument("run_ids", metavar="ID...", nargs=-1, required=True)
@json_option
def resume_command(run_ids: tuple[str, ...], as_json: bool) -> None:
    """Resume local runs from their newest complete checkpoint."""
    from smoltui.cli import jobs as twin

    twin.resume(run_ids, as_json=as_json)


@smoltui.command("rerun")
@click.argument("run_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Start a Job that costs money without asking.")
@json_option
def rerun_command(run_id: str, yes: bool, as_json: bool) -> None:
    """Start the same run again and return."""
    from smoltui.cli import jobs as twin

    twin.rerun(run_id, yes=yes, as_json=as_json)


@smoltui.command("labels")
@click.argument("run_id", metavar="ID")
@click.argument("assignments", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--remove", multiple=True, metavar="KEY", help="Remove this label; can be repeated.")
@json_option
def labels_command(run_id: str, assignments: tuple[str, ...], remove: tuple[str, ...], as_json: bool) -> None:
    """Show the labels of a Job, or set some; the others are kept."""
    from smoltui.cli import jobs as twin

    twin.labels(run_id, assignments, remove, as_json=as_json)


@smoltui.command("hardware")
@click.option("--for", "folder", metavar="FOLDER", help="Also show whether this project's recipe fits.")
@json_option
def hardware_command(folder: str | None, as_json: bool) -> None:
    """List the flavors of Jobs: processor, memory, accelerators, price."""
    from smoltui.cli import jobs as twin

    twin.hardware(None if folder is None else project_in(folder), as_json=as_json)


@smoltui.group("scheduled")
def scheduled_group() -> None:
    """Recurring Jobs."""


@scheduled_group.command("list")
@json_option
def scheduled_list_command(as_json: bool) -> None:
    """List all recurring Jobs with their next start, including suspended ones."""
    from smoltui.cli import scheduled as twin

    twin.list_all(as_json=as_json)


@scheduled_group.command("create")
@folder_argument
@click.option(
    "--schedule", required=True, metavar="CRON", help="Five cron fields in UTC, or @hourly, @daily, @weekly; required."
)
@click.option("--from", "source", metavar="ID", help="Repeat this Job instead of training FOLDER.")
@click.option("--flavor", help="Hardware of each Job.")
@click.option("--timeout", help="Time limit of each Job, such as 3h or 90m.")
@click.option("--namespace", help="User or organization that owns and pays for the Jobs.")
@click.option("--suspended", is_flag=True, help="Create it suspended: it starts nothing until you resume it.")
@click.option("--concurrency", is_flag=True, help="Allow overlapping runs.")
@click.option("--yes", is_flag=True, help="Create it without asking, although it costs money.")
@json_option
def scheduled_create_command(folder: str, **options: Any) -> None:
    """Train a project on a schedule, with its recipe and pairs as they are now."""
    from smoltui.cli import scheduled as twin

    twin.create(folder, **options)


@scheduled_group.command("suspend")
@click.argument("scheduled_id", metavar="ID")
@json_option
def scheduled_suspend_command(scheduled_id: str, as_json: bool) -> None:
    """Suspend a schedule until you resume it. A running Job continues."""
    from smoltui.cli import scheduled as twin

    twin.suspend(scheduled_id, as_json=as_json)


@scheduled_group.command("resume")
@click.argument("scheduled_id", metavar="ID")
@json_option
def scheduled_resume_command(scheduled_id: str, as_json: bool) -> None:
    """Resume a suspended schedule."""
    from smoltui.cli import scheduled as twin

    twin.resume(scheduled_id, as_json=as_json)


@scheduled_group.command("trigger")
@click.argument("scheduled_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Start a Job that costs money without asking.")
@json_option
def scheduled_trigger_command(scheduled_id: str, yes: bool, as_json: bool) -> None:
    """Start one Job now. The schedule doesn't change."""
    from smoltui.cli import scheduled as twin

    twin.trigger(scheduled_id, yes=yes, as_json=as_json)


@scheduled_group.command("delete")
@click.argument("scheduled_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Delete without asking.")
@json_option
def scheduled_delete_command(scheduled_id: str, yes: bool, as_json: bool) -> None:
    """Delete a schedule permanently. A running Job continues."""
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
@click.option("--run", "run_id", help="Ask the model of this run; default: the project's newest completed run.")
@json_option
def ask_command(folder: str, prompts: tuple[str, ...], run_id: str | None, as_json: bool) -> None:
    """Print the answers of the reference and the aligned model to PROMPTS, or to the project's prompts."""
    from smoltui.cli import evaluate as twin

    twin.run_ask(project_in(folder), [_as_utf8(prompt) for prompt in prompts], run_id=run_id, as_json=as_json)


@smoltui.command("evaluate")
@folder_argument
@click.option("--run", "run_id", help="Measure the model of this run; default: the project's newest completed run.")
@json_option
def evaluate_command(folder: str, run_id: str | None, as_json: bool) -> None:
    """Measure the reference and the aligned model on held-out pairs."""
    require_address_space()
    from smoltui.cli import evaluate as twin

    twin.run_evaluate(project_in(folder), run_id=run_id, as_json=as_json)


@smoltui.command("docs")
@click.argument("topic", required=False)
@json_option
def docs_command(topic: str | None, as_json: bool) -> None:
    """List the topics of this documentation, or print one."""
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
