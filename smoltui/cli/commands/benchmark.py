"""The command `benchmark`."""

from __future__ import annotations

from typing import Any

import click

from smoltui.cli.arguments import FLAVOR, FOLDER, WORD, Choice, EngineChoice, json_option, project_in, run_option
from smoltui.cli.failures import require_address_space


@click.command("benchmark")
@click.argument("folder", required=False, type=FOLDER)
@run_option("Benchmark the model of this run; default: the project's newest completed run.")
@click.option(
    "--tasks",
    metavar="TASK,…",
    help="Tasks as the harness spells them; default: evaluation.benchmarks of smoltui.toml, or the course's tasks.",
)
@click.option(
    "--harness",
    type=Choice(["lm_eval", "lighteval"]),
    help="lm_eval runs on this machine (the default), lighteval as a Job.",
)
@click.option(
    "--model",
    "models",
    type=Choice(["aligned", "reference", "both"]),
    help="Which model; default: both where a run is free, otherwise the aligned one.",
)
@click.option("--max-samples", type=click.IntRange(1), metavar="N", help="Rehearsal: only the first N questions.")
@click.option("--on", "engine", type=EngineChoice(), help="Where to run; default: where the harness runs.")
@click.option("--hub-model", metavar="OWNER/NAME", help="Where the aligned model is on the Hub, for a Job.")
@click.option("--flavor", type=FLAVOR, help="Hardware of the Job.")
@click.option("--timeout", type=WORD, help="Time limit of the Job, such as 3h or 90m.")
@click.option("--namespace", type=WORD, help="User or organization that pays for the Job and owns its results.")
@click.option("--yes", is_flag=True, help="Start a Job that costs money without asking.")
@click.option("--detach", is_flag=True, help="Start the Job and return; --read gets its results later.")
@click.option("--dry-run", is_flag=True, help="Only check, and show the command and what it costs.")
@click.option("--list", "lists", is_flag=True, help="Show the table of tasks: what each really does.")
@click.option(
    "--check",
    "command",
    metavar="COMMAND",
    help="Check your own LightEval command, such as the course's, without running it.",
)
@click.option(
    "--read",
    "source",
    metavar="PATH",
    help="Show results: a file, a folder, a dataset on the Hub, or the id of a Job. With FOLDER, keep them.",
)
@json_option
def benchmark_command(folder: str | None, **options: Any) -> None:
    """Run benchmarks on the reference and the aligned model, and keep the results with the run."""
    from smoltui.cli import benchmark

    asked = benchmark.Asked(**options)
    if asked.lists:
        benchmark.list_tasks(asked)
    elif asked.command is not None:
        benchmark.check_command(asked)
    elif asked.source is not None:
        benchmark.read(project_in(folder) if folder is not None else None, asked)
    else:
        require_address_space()
        benchmark.run(project_in(folder or "."), asked)
