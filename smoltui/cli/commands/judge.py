"""The command judge."""

from __future__ import annotations

import click

from smoltui.cli.arguments import folder_argument, json_option, project_in, run_option


@click.command("judge")
@folder_argument
@run_option("Judge the answers of this run; default: the project's newest run with answers.")
@click.option("--endpoint", metavar="URL", help="OpenAI-compatible base URL, hf, or local; default: smoltui.toml.")
@click.option("--model", help="Model as the endpoint names it; for local, a folder, a Hub id, or reference.")
@click.option("--key-env", metavar="NAME", help="Environment variable that holds the key.")
@click.option(
    "--max-calls", type=click.IntRange(0), metavar="N", help="Make at most N calls; run it again to continue."
)
@click.option("--dry-run", is_flag=True, help="Show the prompt, the number of calls and the cost; ask nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option
def judge_command(
    folder: str,
    run_id: str | None,
    endpoint: str | None,
    model: str | None,
    key_env: str | None,
    max_calls: int | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Let a model compare the answers of two or more models, two at a time and in both orders.

    Calls and cost are counted before anything is sent. Replies are kept with the run and not asked for twice.
    """
    from smoltui.cli import judge

    asked = judge.Asked(run_id, endpoint, model, key_env, max_calls)
    judge.run_judge(project_in(folder), asked, dry_run=dry_run, yes=yes, as_json=as_json)
