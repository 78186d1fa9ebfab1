"""The command of the Pairs room: pairs."""

from __future__ import annotations

from typing import Any

import click

from smoltui.cli.arguments import json_option
from smoltui.cli.failures import require_address_space
from smoltui.cli.output import print_json


@click.command("pairs")
@click.argument("source", default=".")
@click.option("--split", help="Split, if the set has several.")
@click.option("--config", help="Configuration of a set on the Hub.")
@click.option("--revision", help="Branch, tag or commit of a set on the Hub.")
@click.option(
    "--columns",
    metavar="PART=COLUMN,…",
    help="What the columns are, such as prompt=question,chosen=good,rejected=bad. Only needed if the names don't tell.",
)
@click.option("--row", type=int, help="Show this pair, counted from 0, with all columns of its row.")
@click.option("--head", type=int, metavar="N", help="Show the first N pairs, or matches, with all columns.")
@click.option("--facet", metavar="COLUMN", help="Count the values of this column, in all pairs or in the matches.")
@click.option("--search", help="Rows with this text, ignoring case, or matching this /regular expression/.")
@click.option("--where", help="Rows for which this SQL condition holds, such as 'chosen_chars > 500'.")
@click.option("--audit", is_flag=True, help="Check the whole set.")
@click.option(
    "--export", metavar="OUT", help="Write the curated, converted set: JSONL, or Parquet if the name ends in .parquet."
)
@click.option("--overwrite", is_flag=True, help="Replace an existing export.")
@json_option
def pairs_command(as_json: bool, **options: Any) -> None:
    """Show what a set of preference pairs contains.

    SOURCE is a file, a folder, a pattern, a Hub id or address, a project, or - for standard input.
    """
    require_address_space()
    from smoltui.cli import pairs

    report = pairs.pairs_report(pairs.Asked(**options), quiet=as_json)
    # The texts of a pair are data: they are printed unchanged, even if they look like secrets.
    print_json(report, as_is=("pair", "head", "facet")) if as_json else pairs.print_report(report)
