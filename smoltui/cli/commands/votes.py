"""The commands of blind votes and of labelling: vote and label."""

from __future__ import annotations

from typing import Any

import click

from smoltui.cli.arguments import FILE, folder_argument, json_option, project_in, run_option, yes_to_loading
from smoltui.cli.failures import require_address_space

EXPORT = "Write preference pairs with a card into this folder: JSONL, or Parquet if the name ends in .parquet."
HOLD_OUT = "Share of the prompts to hold out as a test split, such as 0.1."
OVERWRITE = "Replace an existing export."


@click.command("vote")
@folder_argument
@run_option("Votes on the answers of this run; default: the project's newest run with votes.")
@click.option("--export", "out", metavar="OUT", help=EXPORT)
@click.option("--hold-out", type=float, metavar="SHARE", help=HOLD_OUT)
@click.option("--overwrite", is_flag=True, help=OVERWRITE)
@click.option(
    "--ballot", metavar="FILE", type=FILE, help="Write what is not voted on yet to a file, without names of models."
)
@click.option("--choices", metavar="FILE", type=FILE, help="Record the votes in such a file.")
@json_option
def vote_command(
    folder: str,
    run_id: str | None,
    out: str | None,
    hold_out: float | None,
    overwrite: bool,
    ballot: str | None,
    choices: str | None,
    as_json: bool,
) -> None:
    """Show what blind votes say about two or more models, and turn them into preference pairs.

    Votes are cast in the app (Evaluate, b), or in a file written by --ballot: a command cannot judge.
    """
    from smoltui.cli import choices as choosing
    from smoltui.cli import votes

    pairs = choosing.Pairs(out, hold_out, overwrite)
    votes.run_vote(project_in(folder), run_id=run_id, ballot=ballot, choices=choices, pairs=pairs, as_json=as_json)


@click.command("label")
@folder_argument
@click.option(
    "--prompts", metavar="FILE", type=FILE, help="Text or JSONL file, or name of a set; default: the project's prompts."
)
@click.option(
    "--n", "n", type=int, default=4, show_default=True, help="Number of answers of each model to each prompt."
)
@click.option("--temperature", type=float, help="Sampling temperature; default: the project's.")
@click.option("--seed", type=int, help="Sampling seed; default: the project's.")
@click.option(
    "--model",
    "models",
    multiple=True,
    help="reference, aligned, a folder or a Hub id; repeat it for two. Default: the aligned model.",
)
@run_option("Run with the aligned model; default: the project's newest completed run.")
@click.option("--name", help="Name of the set; default: the name of the prompts file.")
@click.option("--choices", metavar="FILE", type=FILE, help="Record best and worst from a file instead of sampling.")
@click.option("--export", "out", metavar="OUT", help=EXPORT)
@click.option("--hold-out", type=float, metavar="SHARE", help=HOLD_OUT)
@click.option("--overwrite", is_flag=True, help=OVERWRITE)
@yes_to_loading
@json_option
def label_command(folder: str, as_json: bool, **options: Any) -> None:
    """Sample several answers to each prompt, to choose the best and the worst of them as a preference pair.

    The choice is made in the app (Evaluate, L): a command cannot judge. --choices and --export use a sampled set.
    """
    require_address_space()
    from smoltui.backends.evaluation.labels import Asked
    from smoltui.cli import choices, labels

    pairs = choices.Pairs(options["out"], options["hold_out"], options["overwrite"])
    asked = Asked(*(options[name] for name in ("prompts", "n", "temperature", "seed", "name")))
    labels.run_label(
        project_in(folder),
        asked=asked,
        models=options["models"],
        run_id=options["run_id"],
        choices=options["choices"],
        pairs=pairs,
        yes=options["yes"],
        as_json=as_json,
    )
