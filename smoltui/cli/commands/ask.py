"""The command that lets models answer prompts."""

from __future__ import annotations

import click

from smoltui.cli.arguments import RUN_ID, json_option, project_in, yes_to_loading


def _as_utf8(typed: str) -> str:
    """Text that was typed in UTF-8 under another locale, for which Python decodes each byte to a lone surrogate."""
    try:
        return typed.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        return typed


@click.command("ask")
@click.argument("folder")
@click.argument("prompts", nargs=-1)
@click.option(
    "--set",
    "prompt_set",
    default="",
    metavar="SET",
    help="Prompts to answer: project (the default), course, smoltui, or a text or JSONL file.",
)
@click.option(
    "--run",
    "runs",
    multiple=True,
    metavar="RUN",
    type=RUN_ID,
    help="Ask the model of this run; default: the project's newest completed run. Can be repeated.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="MODEL",
    help="Ask this model, too: a folder (a checkpoint, an adapter) or a Hub id. Can be repeated.",
)
@click.option("--no-reference", is_flag=True, help="Leave out the recipe's model, which is the first column otherwise.")
@click.option("--thinking/--no-thinking", default=None, help="Let models think first, or not; default: smoltui.toml.")
@click.option("--answers", is_flag=True, help="Print the answers to a large set, too, and not only their figures.")
@yes_to_loading
@json_option
def ask_command(
    folder: str,
    prompts: tuple[str, ...],
    prompt_set: str,
    runs: tuple[str, ...],
    models: tuple[str, ...],
    no_reference: bool,
    thinking: bool | None,
    answers: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Print the answers of up to four models to PROMPTS or to a set of prompts, with figures."""
    from smoltui.cli import ask

    question = ask.Question(
        [_as_utf8(prompt) for prompt in prompts],
        prompt_set,
        runs,
        models,
        reference=not no_reference,
        thinking=thinking,
        yes=yes,
    )
    ask.run_ask(project_in(folder), question, show_answers=answers, as_json=as_json)
