"""Commands of the Runs room: train, ps, logs, inspect, cancel. `jobs.py` has the others."""

from __future__ import annotations

from typing import Any

import click

from smoltui.cli.arguments import (
    FLAVOR,
    WORD,
    Choice,
    EngineChoice,
    folder_argument,
    json_option,
    project_in,
    run_argument,
    runs_argument,
)
from smoltui.cli.failures import require_address_space


@click.command("train")
@folder_argument
@click.option("--on", "engine", type=EngineChoice(), help="Where to run; default: run.on in smoltui.toml.")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Override one key of the recipe; can be repeated."
)
@click.option("--seed", type=int, help="Same as --set seed=N.")
@click.option("--output-dir", help="Where the model goes, instead of the recipe's output_dir.")
@click.option("--overwrite", is_flag=True, help="Replace an existing model in the output folder.")
@click.option("--flavor", type=FLAVOR, help="Hardware of the Job.")
@click.option("--timeout", type=WORD, help="Time limit of the Job, such as 3h or 90m.")
@click.option("--namespace", type=WORD, help="User or organization that owns and pays for the Job.")
@click.option("--yes", is_flag=True, help="Start a Job that costs money without asking.")
@click.option("--force", is_flag=True, help="Start although an estimate (memory, disk, time) speaks against it.")
@click.option("--side-by-side", is_flag=True, help="Run in parallel with other runs on this machine.")
@click.option(
    "--processes",
    type=click.IntRange(1),
    help="Training processes, one per GPU, instead of the setting in smoltui.toml.",
)
@click.option("--detach", is_flag=True, help="Start the run, print its id, and return.")
@click.option("--dry-run", is_flag=True, help="Check everything and print what would be started; start nothing.")
@click.option(
    "--then",
    multiple=True,
    type=Choice(["ask", "measure", "benchmark", "push"]),  # core.runs.chain.STEPS
    help="What to do after the run completes; can be repeated. ask: both models answer the project's prompts; "
    "measure: both are measured on held-out pairs; benchmark: lm_eval benchmarks both; "
    "push: the model is pushed to the Hub.",
)
@json_option
def train_command(folder: str, **options: Any) -> None:
    """Train the recipe and follow it to the end. With --json, it prints one object per line."""
    require_address_space()
    from smoltui.cli import train

    raise SystemExit(train.train(project_in(folder), train.Training(**options)))


@click.command("ps")
@click.option("-a", "--all", "every", is_flag=True, help="Include runs that ended more than a day ago.")
@click.option("--on", "engine", type=EngineChoice(), help="Only local runs, or only Jobs.")
@click.option(
    "--filter",
    "filter_text",
    default="",
    metavar="TERMS",
    help="Words, stage:, label:, flavor:, namespace: and engine:; all must match.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print only ids, one per line.")
@json_option
def ps_command(every: bool, engine: str | None, filter_text: str, quiet: bool, as_json: bool) -> None:
    """List local runs and the Jobs of all your namespaces, newest first."""
    from smoltui.cli import runs

    raise SystemExit(runs.ps(every=every, engine=engine, filter_text=filter_text, quiet=quiet, as_json=as_json))


@click.command("logs")
@run_argument
@click.option("-f", "--follow", is_flag=True, help="Continue until the run ends; the exit code is its result.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N of the existing lines.")
@click.option("--grep", metavar="REGEX", help="Only matching lines, after --tail.")
@json_option
def logs_command(run_id: str, follow: bool, tail: int | None, grep: str | None, as_json: bool) -> None:
    """Print the log of a run."""
    from smoltui.cli import runs

    raise SystemExit(runs.logs(run_id, follow=follow, tail=tail, grep=grep, as_json=as_json))


@click.command("inspect")
@run_argument
@json_option
def inspect_command(run_id: str, as_json: bool) -> None:
    """Show everything known about a run."""
    from smoltui.cli import runs

    runs.inspect(run_id, as_json=as_json)


@click.command("cancel")
@runs_argument
@json_option
def cancel_command(run_ids: tuple[str, ...], as_json: bool) -> None:
    """Stop runs."""
    from smoltui.cli import runs

    runs.cancel(run_ids, as_json=as_json)
