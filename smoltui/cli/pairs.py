"""The Pairs room on the command line: what is known about a set, as JSON or text."""

from __future__ import annotations

import asyncio
import math
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from smoltui.backends.data_files import standard_input
from smoltui.backends.data_files.source import PairsSpec, project_pairs
from smoltui.backends.pairs.decisions import Decisions
from smoltui.backends.pairs.export import Exported
from smoltui.backends.pairs.export_files import Kind
from smoltui.backends.pairs.opened_set import imported, open_set, typed_spec
from smoltui.backends.pairs.session import PairsSession, recipe_values
from smoltui.backends.pairs.summary import summary
from smoltui.backends.project.project import RECIPE_NAME, Project, open_project
from smoltui.backends.project.settings_file import set_pair_reading
from smoltui.backends.system.paths import expanded
from smoltui.cli.first_pairs import check_head, first_pairs_report, no_such_row, one_pair_report
from smoltui.cli.output import note, progress, say, say_data, say_styled
from smoltui.cli.pair_values import facet_json, print_facet, print_further, print_head, with_further
from smoltui.core.pairs.audit import Audit
from smoltui.core.pairs.how_read import how_lines
from smoltui.core.pairs.preference import FINDINGS, Message, answer_text, words_diff
from smoltui.core.pairs.query import PairQuery, parse_query
from smoltui.core.settings.file_name import FILE_NAME
from smoltui.errors import InputError, PairsError, SmoltuiError
from smoltui.safe_text import safe, safe_line
from smoltui.scripts.pair_how import AS_IT_IS, OPTIONAL, PARTS, How
from smoltui.scripts.pair_shapes import SCHEMAS


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `smoltui pairs`. Without row, head, facet, search, where, audit and export, prints a summary."""

    source: str | PairsSpec = "."
    split: str | None = None
    config: str | None = None
    revision: str | None = None
    columns: str | None = None
    """Part=column, separated by commas; None: as the names of the columns, or smoltui.toml, tell."""
    answers: str | None = None
    """Columns with answers, separated by commas, or the one with a list of them."""
    winner: str | None = None
    score: str | None = None
    rank: str | None = None
    pick: str | None = None
    """A key of `PICKS`."""
    min_margin: float | None = None
    seed: int | None = None
    save: bool = False
    """Write how the set is read to the project's smoltui.toml."""
    how: bool = False
    """Show how the set is read."""
    exclude: bool = False
    """Exclude the rows of `row`, `search` or `where` from training."""
    limit: int | None = None
    """Maximum number of rows listed for each finding or search; None: all."""
    row: int | None = None
    head: int | None = None
    """Number of pairs to show: the first matches, or the first of the set."""
    facet: str | None = None
    """Column whose values are counted, in the matches or in the whole set."""
    search: str | None = None
    where: str | None = None
    audit: bool = False
    export: str | None = None
    overwrite: bool = False


HOW_OPTIONS = ("winner", "score", "rank", "pick", "min_margin", "seed")
"""Options that are a field of `How`."""


def pairs_report(asked: Asked, *, base: Path | None = None, quiet: bool = True) -> dict[str, Any]:
    """What `smoltui pairs SOURCE --json` prints.

    `source`, `split`, `splits`, `schema`, `columns`, `rows`, `clean` and each of `core.pairs.preference.FINDINGS` as
    {"count", "rows": [from 0]}; `left_out` counts what cannot be trained on, by reason; `notes` says what was done to
    read it, such as an encoding, and which files of a folder were left aside. In addition: with `row`, `pair` (that row
    in TRL's conversational form, with its other columns as `further`; of a large set that is not imported, without the
    counts); with `head`, `head` (a list of these); with `how`, `how` (`core.pairs.how_read`); with `search` or `where`,
    `search` (the matching rows); with `exclude`, `excluded` (how many pairs were not excluded before); with `facet`,
    `facet` (`pair_values.facet_json`); with `audit`, `audit` (the whole report); with `export`, `export` (what was
    written). With `head` alone, no counts of the whole set, but `judged` (counts of these pairs). A project folder
    means its recipe's pairs, and `-` standard input.

    Raises:
        PairsError: no pairs there, a line that cannot be decoded.
        InputError: no such row or column, an expression that cannot be used, an export that cannot be written.
        ServiceError: the set cannot be loaded from the Hub.
    """
    base = base or Path.cwd()
    if asked.source == standard_input.NAME:
        with standard_input.stored_input(sys.stdin.buffer) as path:
            return _reported(replace(asked, source=str(path)), base, quiet, keep=False)
    return _reported(asked, base, quiet)


def _reported(asked: Asked, base: Path, quiet: bool, *, keep: bool = True) -> dict[str, Any]:
    """`pairs_report` of what is not standard input; without `keep`, the imported set is deleted afterwards."""
    spec, project, values = _named(asked, base)
    if project is not None:
        base = project.folder
    elif isinstance(asked.source, str):
        spec, base = typed_spec(spec.source, base, spec)
    _check_project(asked, project)
    if (quick := _without_import(asked, spec, base)) is not None:
        return quick
    opened = imported(spec, base, progress=_no_progress if quiet else _Progress())
    if asked.save and project is not None:
        set_pair_reading(project, spec.columns or {}, spec.how)
        note(f"How the set is read is saved in {FILE_NAME}.")
    session = PairsSession(opened, Decisions(project.folder if project is not None else None), project, values)
    try:
        return asyncio.run(_report(session, asked))
    finally:
        if not keep:
            shutil.rmtree(opened.folder, ignore_errors=True)


def _without_import(asked: Asked, spec: PairsSpec, base: Path) -> dict[str, Any] | None:
    """The report of --head alone, or of --row alone in a large set that is not imported; None for any other."""
    if asked.search or asked.where or asked.facet is not None or asked.audit or asked.export is not None:
        return None
    if asked.how or asked.exclude or asked.save:
        return None
    if asked.head is not None:
        return first_pairs_report(spec, base, asked.head)
    if asked.row is None:
        return None
    opened = open_set(spec, base)
    if opened.complete or opened.head is None or opened.head.whole:
        return None
    return one_pair_report(spec, base, asked.row, opened.head)


async def _report(session: PairsSession, asked: Asked) -> dict[str, Any]:
    _check(session, asked)
    report = _summary(session, asked.limit)
    query = PairQuery("where", asked.where) if asked.where else parse_query(asked.search or "")
    if query is not None:
        report["search"] = await _found(session, query, asked.limit)
    if asked.exclude:
        report["excluded"] = await _exclude(session, asked.row)
    if asked.how:
        report["how"] = (await session.how_read()).as_json()
    if asked.row is not None:
        report["pair"] = _shown_pair(session, asked.row)
    if asked.head is not None:
        check_head(asked.head)
        rows = [row for row in map(session.row_at, range(min(asked.head, session.listed))) if row is not None]
        report["head"] = [_shown_pair(session, row) for row in rows]
    if asked.facet is not None:
        report["facet"] = await _facet(session, asked.facet)
    if asked.audit:
        report["audit"] = await _audited(session)
    if asked.export is not None:
        out = (Path.cwd() / expanded(asked.export.removesuffix(".parquet"))).absolute()
        kind: Kind = "parquet" if asked.export.endswith(".parquet") else "jsonl"
        report["export"] = _export_json(await session.export(out, kind, overwrite=asked.overwrite))
    return report


def _shown_pair(session: PairsSession, row: int) -> dict[str, Any]:
    return with_further(session.here(row).pair, session.opened.further(row))


def _check_project(asked: Asked, project: Project | None) -> None:
    """Raises InputError for options that write into a project, without one; or that don't say what to write."""
    if project is None and (asked.save or asked.exclude):
        option, file = ("--save", FILE_NAME) if asked.save else ("--exclude", Decisions.NAME)
        raise InputError(f"{option} needs a project", f"Name a project folder, whose {file} keeps it.")
    if asked.exclude and not (asked.search or asked.where or asked.row is not None):
        raise InputError("--exclude needs rows", "Name them: --where 'gap > 500', --search TEXT or --row 3")


async def _exclude(session: PairsSession, row: int | None) -> int:
    """Excludes one row, or all matches; returns how many pairs are excluded now that were not before."""
    known = await session.decisions.current()
    found = session.matches
    listed = [row] if row is not None else list(found.rows) if found is not None else []
    rows = [one for one in listed if session.opened.hash(one) not in known.excluded]
    await session.decide_all("exclude", rows, found.reason if row is None and found is not None else "")
    return len(rows)


def _check(session: PairsSession, asked: Asked) -> None:
    """Raises InputError for a row that does not exist, and PairsError for a set with a line that cannot be decoded."""
    opened, store = session.opened, session.whole()
    if asked.row is not None and not 0 <= asked.row < len(opened):
        raise no_such_row(asked.row, opened.name, len(opened))
    if store.meta.broken is not None:
        raise PairsError(
            store.meta.broken,
            f"Expected one JSON object per line with chosen and rejected; fix or delete that line "
            f"({store.meta.broken_rows} of {len(store)} rows are broken).",
        )


def _summary(session: PairsSession, limit: int | None) -> dict[str, Any]:
    """What the report says of any set; of each finding at most `limit` rows."""
    opened, counted = session.opened, summary(session.whole())
    report: dict[str, Any] = {
        "source": opened.name,
        "split": opened.split,
        "splits": list(opened.splits),
        "schema": opened.schema,
        "columns": list(opened.columns),
        "rows": counted["rows"],
        "clean": {"count": counted["clean"]},
        **{name: {"count": len(rows), "rows": rows[:limit]} for name, rows in counted["findings"].items()},
    }
    if opened.notes:
        report["notes"] = list(opened.notes)
    if counted["left_out"]:
        report["left_out"] = counted["left_out"]
    if made := session.whole().meta.made:
        report["pairs_made"] = made
    return report


async def _found(session: PairsSession, query: PairQuery, limit: int | None) -> dict[str, Any]:
    """The matches of a search, at most `limit` rows of them."""
    if query.kind == "where" and "_tokens" in query.words:
        await _count_tokens(session)
    rows: Sequence[int] = ()
    async for found in session.search(query):
        rows = found.rows
    return {"text": query.shown, "count": len(rows), "rows": list(rows[:limit])}


async def _facet(session: PairsSession, name: str) -> dict[str, Any]:
    if name.endswith("_tokens"):
        await _count_tokens(session)
    return facet_json(await session.facet(name))


async def _audited(session: PairsSession) -> dict[str, Any]:
    """The report of the audit; without token counts if the recipe's tokenizer cannot be used."""
    try:
        if session.project is not None:
            await _count_tokens(session)
    except SmoltuiError as error:
        note(f"Tokens are not counted: {safe_line(error.message)}")
    audits = [step async for step in session.audit() if isinstance(step, Audit)]
    return audits[-1].as_json()


async def _count_tokens(session: PairsSession) -> None:
    if session.tokens is None:
        async for _ in session.count_tokens():
            pass


def _named(asked: Asked, base: Path) -> tuple[PairsSpec, Project | None, Mapping[str, object]]:
    """The set to open; if it belongs to a project, also the project and the values of its recipe."""
    source = asked.source
    spec = PairsSpec(source, asked.config, asked.split, asked.revision) if isinstance(source, str) else source
    columns: Mapping[str, str] | None = parse_columns(asked.columns) if asked.columns else None
    how = parse_how(asked)
    if how.names_columns and columns and {"chosen", "rejected"} & columns.keys():
        raise InputError(
            "Either two columns are chosen and rejected, or pairs are made of answers; not both",
            "Leave out chosen= and rejected=, or --answers, --winner, --score and --rank.",
        )
    spec = replace(spec, columns=columns, how=how)
    folder = base / expanded(spec.source)
    if not (spec.source and (folder / RECIPE_NAME).is_file()):
        return spec, None, {}
    project = open_project(folder)
    values = recipe_values(project)
    own = project_pairs(project, values or None)  # without values, it reports what is wrong with the recipe
    if own is None:
        raise PairsError(f"The recipe has no pairs: {folder / RECIPE_NAME}", "Set dataset_name in the recipe.")
    if columns is None and how == AS_IT_IS:
        columns, how = own.columns, own.how
    return replace(own, split=asked.split or own.split, columns=columns, how=how), project, values


def parse_columns(text: str) -> dict[str, str]:
    """Part → column from `prompt=question,chosen=good`. Raises InputError for anything else."""
    columns = {}
    for piece in text.split(","):
        part, equals, column = (word.strip() for word in piece.partition("="))
        if part not in PARTS or not equals or not (column or part in OPTIONAL):
            raise InputError(
                f"--columns takes PART=COLUMN, separated by commas: {safe_line(piece, 60)}",
                f"Parts are {', '.join(PARTS)}. For example: --columns prompt=question,chosen=good,rejected=bad",
            )
        columns[part] = column
    return columns


def parse_how(asked: Asked) -> How:
    """How pairs are made, from the options; `AS_IT_IS` without any. Raises InputError for a negative margin."""
    if asked.min_margin is not None and not 0 <= asked.min_margin < math.inf:
        raise InputError(f"--min-margin takes a number from 0: {asked.min_margin}")
    given = {name: value for name in HOW_OPTIONS if (value := getattr(asked, name)) is not None}
    if asked.answers:
        given["answers"] = tuple(name.strip() for name in asked.answers.split(","))
    return replace(AS_IT_IS, **given)


def _export_json(made: Exported) -> dict[str, Any]:
    return {
        "folder": str(made.folder),
        "hash": made.hash,
        "rows": made.rows,
        "train": made.train,
        "held_out": made.test,
        "excluded": made.excluded,
        "swapped": made.swapped,
        "left_out": dict(made.left_out),
    }


class _Progress:
    """Shows the progress of a long import on stderr."""

    def __call__(self, rows: int, total: int | None) -> None:
        of = f" of {total:,}" if total else ""
        progress(f"reading {rows:,}{of} pairs", done=rows == total)


def _no_progress(rows: int, total: int | None) -> None:
    return None


def print_report(report: dict[str, Any]) -> None:
    """Prints the report as text: the set and its findings, or only the requested pairs, values or audit."""
    if "pair" in report:
        _print_pair(report["pair"])
        print_further(report["pair"])
    elif "head" in report or "facet" in report:
        print_head(report.get("head", ()))
        if judged := report.get("judged"):
            say(f"{judged['usable']:,} of these {judged['rows']:,} rows are usable pairs")
        if "facet" in report:
            print_facet(report["facet"])
    elif "how" in report:
        _print_how(report)
    elif "audit" in report:
        from smoltui.core.pairs.audit import audit_from_json
        from smoltui.core.pairs.audit_report import as_markdown

        say(as_markdown(audit_from_json(report["audit"])))
    else:
        _print_set(report)
        _print_done(report)


def _print_set(report: dict[str, Any]) -> None:
    """Prints what the set is and how many of its rows have which finding."""
    _print_name(report)
    say(f"shape    {report['schema']}: {SCHEMAS[report['schema']]}")
    say(f"columns  {safe_line(', '.join(report['columns']))}")
    for words in report.get("notes", ()):
        say(f"note     {safe_line(words, 600)}")
    if made := report.get("pairs_made"):
        say(f"pairs    {safe_line(made, 400)}")
    say(f"{report['rows']:>9,}  rows")
    say(f"{report['clean']['count']:>9,}  clean: usable, with answers that differ")
    for name, words in FINDINGS.items():
        found = report[name]
        say(f"{found['count']:>9,}  {words}" + (f": rows {_some(found, 8)}" if found["count"] else ""))


def _print_done(report: dict[str, Any]) -> None:
    """Prints what was searched, excluded and exported."""
    if search := report.get("search"):
        say(f"{search['count']:>9,}  rows with {safe_line(search['text'], 60)!r}: {_some(search, 20) or 'none'}")
    if "excluded" in report:
        count = report["excluded"]
        say(
            f"{count:>9,}  excluded from training now; u in the Pairs room undoes it"
            if count
            else "  all excluded before"
        )
    if made := report.get("export"):
        say(f"exported {made['train']:,} pairs, {made['held_out']:,} held out, to {safe_line(made['folder'])}")
        say(f"hash     {made['hash']}")


def _print_how(report: dict[str, Any]) -> None:
    """Prints how the set is read, and its first pairs in a line for each part."""
    _print_name(report)
    for label, text in how_lines(report["how"]):
        say(f"{label:<10}{safe_line(text, 400)}")
    for pair in report["how"]["first"]["shown"]:
        say()
        if problem := pair.get("problem"):
            say_styled([("left out  ", {"bold": True}), (safe_line(problem, 200), {"fg": "yellow"})])
        for side, colour in (("prompt", None), ("chosen", "green"), ("rejected", "red")):
            if side in pair:
                text = answer_text([Message.of(turn) for turn in pair[side][-1:]])
                say_styled([(f"{side:<10}", {"bold": True, "fg": colour}), (safe_line(text, 160), {})])


def _print_name(report: dict[str, Any]) -> None:
    splits = safe_line(", ".join(report["splits"]))
    say(f"{safe_line(report['source'])}  split {safe_line(report['split'])} of {splits}")


def _some(found: dict[str, Any], most: int) -> str:
    """The first `most` rows of a finding or search, followed by an ellipsis if there are more."""
    rows: Iterable[int] = found["rows"][:most]
    return ", ".join(str(number) for number in rows) + (", …" if found["count"] > most else "")


def _print_pair(pair: dict[str, Any]) -> None:
    if problem := pair.get("problem"):
        say_styled([(f"row {pair['row']} is not a usable pair: {safe_line(problem, 400)}", {"fg": "yellow"})])
    if "raw" in pair:
        say_data(safe(pair["raw"]))
        return
    for turn in pair["prompt"]:
        say_styled([(safe_line(turn["role"]), {"bold": True})])
        say_data(f"{safe(turn['content'])}\n")
    chosen, rejected = (safe(pair[side][0]["content"]) for side in ("chosen", "rejected"))
    for side, colour, spans in zip(("chosen", "rejected"), ("green", "red"), words_diff(chosen, rejected), strict=True):
        say_styled([(f"{side} ({len(pair[side][0]['content']):,} characters)", {"bold": True})])
        differing = {"fg": colour, "bold": True}
        say_styled((span.text, differing if span.differs else {}) for span in spans)
        say()
