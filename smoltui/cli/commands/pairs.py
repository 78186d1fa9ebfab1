"""The command of the Pairs room: pairs."""

from __future__ import annotations

from typing import Any

import click

from smoltui.cli.arguments import FILE, PickChoice, json_option
from smoltui.cli.failures import require_address_space
from smoltui.cli.output import print_json


@click.command("pairs")
@click.argument("source", default=".", type=FILE)
@click.option("--split", help="Split, if the set has several.")
@click.option("--config", help="Configuration of a set on the Hub.")
@click.option("--revision", help="Branch, tag or commit of a set on the Hub.")
@click.option(
    "--columns",
    metavar="PART=COLUMN,…",
    help="What the columns are, such as prompt=question,chosen=good,rejected=bad. Needed only if the names don't tell.",
)
@click.option(
    "--answers", metavar="COLUMN,…", help="Columns with the answers to make pairs from, or the one with a list of them."
)
@click.option("--winner", metavar="COLUMN", help="Column that names the better answer.")
@click.option("--score", metavar="NAME", help="Column or key of the answers' scores; more is better.")
@click.option("--rank", metavar="NAME", help="Column or key of the answers' ranks; less is better.")
@click.option("--pick", type=PickChoice(), help="Which pairs are made of more than two answers; default: best-worst.")
@click.option("--min-margin", type=float, metavar="NUMBER", help="Leave out pairs whose scores differ by less.")
@click.option("--seed", type=int, help="Seed of --pick best-random; default: 42.")
@click.option("--save", is_flag=True, help="Keep these options in the project's smoltui.toml: training uses them too.")
@click.option("--how", is_flag=True, help="Show how the set is read: shape, columns, what is left out, first pairs.")
@click.option("--row", type=int, help="Show this pair, counted from 0, with all columns of its row.")
@click.option("--head", type=int, metavar="N", help="Show the first N pairs, or matches, with all columns.")
@click.option("--facet", metavar="COLUMN", help="Count the values of this column, in all pairs or in the matches.")
@click.option("--search", help="Rows with this text, ignoring case, or matching this /regular expression/.")
@click.option("--where", help="Rows for which this SQL condition holds, such as 'chosen_chars > 500'.")
@click.option(
    "--exclude", is_flag=True, help="Exclude these rows (--where, --search, --row) from the project's training."
)
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
    print_json(report, as_is=("pair", "head", "facet", "how")) if as_json else pairs.print_report(report)
