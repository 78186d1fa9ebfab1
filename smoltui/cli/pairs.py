"""`smoltui pairs`: what the Pairs room knows of a set, as one object or as lines to read."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import click

from smoltui.backends.pair_source import PairSource, PairsSpec, open_spec, project_pairs
from smoltui.backends.project import RECIPE_NAME, expanded, open_project
from smoltui.core.preference import FINDINGS, pair_json, words_diff
from smoltui.errors import InputError, PairsError
from smoltui.safe_text import safe, safe_line
from smoltui.scripts.pair_format import SCHEMAS


def pairs_report(
    source: str | PairsSpec,
    *,
    row: int | None = None,
    search: str | None = None,
    limit: int | None = None,
    config: str | None = None,
    split: str | None = None,
    revision: str | None = None,
    base: Path | None = None,
) -> dict[str, Any]:
    """What `smoltui pairs SOURCE --json` prints.

    `source`, `split`, `splits`, `schema`, `columns`, `rows`, `clean` and the findings of the survey
    (`core.preference.FINDINGS`), each {"count", "rows": [from 0]}, at most `limit` rows of each; `left_out` counts
    what cannot be trained on, by reason. With `row` also `pair`, that row in TRL's conversational form; with `search`
    also `search`, the rows that hold the text. A project folder stands for the pairs of its recipe.

    Raises:
        PairsError: no pairs there, a line that cannot be decoded, no such row.
        ServiceError: the Hub does not give the set.
    """
    spec = PairsSpec(source, config, split, revision) if isinstance(source, str) else source
    folder = (base or Path()) / expanded(spec.source)
    if (folder / RECIPE_NAME).is_file():
        own = project_pairs(open_project(folder))
        if own is None:
            raise PairsError(f"The recipe names no pairs: {folder / RECIPE_NAME}", "Set dataset_name in it.")
        spec, base = replace(own, split=split or own.split), folder
    opened = open_spec(spec, base)
    if row is not None and not 0 <= row < len(opened):
        raise InputError(f"There is no such row: {row}", f"Rows of {opened.name} go from 0 to {len(opened) - 1}.")
    survey = opened.survey()
    assert survey is not None  # nothing stops it
    if survey.findings["broken"]:
        raise PairsError(
            opened.broken_line() or f"{opened.name} cannot be decoded.",
            f"Expected one JSON object a line with chosen and rejected; mend or delete that line "
            f"({len(survey.findings['broken'])} of {survey.rows} rows are like it).",
        )
    report: dict[str, Any] = {
        "source": opened.name,
        "split": opened.split,
        "splits": list(opened.splits),
        "schema": opened.schema,
        "columns": list(opened.columns),
        **survey.as_json(limit),
    }
    if survey.reasons:
        report["left_out"] = dict(sorted(survey.reasons.items()))
    if search is not None:
        report["search"] = _hits(opened, search, limit)
    if row is not None:
        report["pair"] = pair_json(opened.pair(row))
    return report


def _hits(source: PairSource, text: str, limit: int | None) -> dict[str, Any]:
    hits = list(islice(source.hits(text), limit))
    count = len(hits) if limit is None or len(hits) < limit else source.count(text)
    return {"text": text, "count": count, "rows": hits}


def print_report(report: dict[str, Any]) -> None:
    """The same for a person: the set, what was found in it, and the pair or the hits that were asked for."""
    if "pair" in report:
        _print_pair(report["pair"])
        return
    click.echo(f"{safe_line(report['source'])}  split {safe_line(report['split'])} of {', '.join(report['splits'])}")
    click.echo(f"shape    {report['schema']}: {SCHEMAS[report['schema']]}")
    click.echo(f"columns  {safe_line(', '.join(report['columns']))}")
    click.echo(f"{report['rows']:>9,}  rows")
    click.echo(f"{report['clean']['count']:>9,}  clean: usable, and the answers differ")
    for name, words in FINDINGS.items():
        found = report[name]
        rows = ", ".join(str(number) for number in found["rows"][:8]) + (", …" if found["count"] > 8 else "")
        click.echo(f"{found['count']:>9,}  {words}" + (f": rows {rows}" if found["count"] else ""))
    if search := report.get("search"):
        rows = ", ".join(str(number) for number in search["rows"][:20]) + (", …" if search["count"] > 20 else "")
        click.echo(f"{search['count']:>9,}  rows hold {safe_line(search['text'], 60)!r}: {rows or 'none'}")


def _print_pair(pair: dict[str, Any]) -> None:
    if problem := pair.get("problem"):
        click.secho(f"row {pair['row']} is not a usable pair: {safe_line(problem, 400)}", fg="yellow")
    if "raw" in pair:
        click.echo(safe(pair["raw"]))
        return
    for turn in pair["prompt"]:
        click.secho(turn["role"], bold=True)
        click.echo(f"{safe(turn['content'])}\n")
    chosen, rejected = (safe(pair[side][0]["content"]) for side in ("chosen", "rejected"))
    for side, colour, spans in zip(("chosen", "rejected"), ("green", "red"), words_diff(chosen, rejected), strict=True):
        click.secho(f"{side} ({len(pair[side][0]['content']):,} characters)", bold=True)
        click.echo(
            "".join(click.style(span.text, fg=colour, bold=True) if span.differs else span.text for span in spans)
        )
        click.echo()
