"""The command that explains terms: explain."""

from __future__ import annotations

from collections.abc import Iterable

import click

from smoltui.cli.arguments import Named, json_option
from smoltui.cli.output import print_json


def _terms() -> Iterable[tuple[str, str]]:
    from smoltui.core.meanings import KINDS, all_cards

    return ((card.term, KINDS[card.kind]) for card in all_cards().values())


@click.command("explain")
@click.argument("term", nargs=-1, type=Named("term", _terms))
@json_option
def explain_command(term: tuple[str, ...], as_json: bool) -> None:
    """Explain a metric, recipe key, audit finding, check, column or word: what it is, its unit, what is healthy.

    Without a term, list all of them.
    """
    from smoltui.cli import explain

    print_json(explain.explained(term)) if as_json else explain.print_explained(term)
