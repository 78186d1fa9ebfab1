"""`smoltui pairs`: what the Pairs room knows of a set, as one object or as lines to read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from smoltui.backends.data_files.source import PairsSpec, project_pairs
from smoltui.backends.pairs.curation_file import CurationFile
from smoltui.backends.pairs.export import Exported, Kind
from smoltui.backends.pairs.opened_set import PairSet, imported, typed_spec
from smoltui.backends.pairs.search import Search
from smoltui.backends.pairs.set_export import export_set
from smoltui.backends.pairs.store import tokens_kind
from smoltui.backends.pairs.summary import summary
from smoltui.backends.project.project import RECIPE_NAME, Project, expanded, open_project
from smoltui.backends.runs.spec import load_project_recipe
from smoltui.cli.output import note, progress, say, say_data, say_styled
from smoltui.core.pairs.curation import Curation, marks_of
from smoltui.core.pairs.preference import FINDINGS, pair_json, words_diff
from smoltui.core.pairs.query import PairQuery, parse_query
from smoltui.errors import InputError, PairsError, SmoltuiError
from smoltui.safe_text import safe, safe_line
from smoltui.scripts.pair_format import SCHEMAS


@dataclass(frozen=True, slots=True)
class Asked:
    """What `smoltui pairs` was asked for; without any of the last five a summary."""

    source: str | PairsSpec = "."
    split: str | None = None
    config: str | None = None
    revision: str | None = None
    limit: int | None = None
    """Row numbers given of each finding or search at most; None: all."""
    row: int | None = None
    search: str | None = None
    where: str | None = None
    audit: bool = False
    export: str | None = None
    overwrite: bool = False


def pairs_report(asked: Asked, *, base: Path | None = None, quiet: bool = True) -> dict[str, Any]:
    """What `smoltui pairs SOURCE --json` prints.

    `source`, `split`, `splits`, `schema`, `columns`, `rows`, `clean` and each of `core.pairs.preference.FINDINGS` as
    {"count", "rows": [from 0]}; `left_out` counts what cannot be trained on, by reason. With `row` also `pair`, that
    row in TRL's conversational form; with `search` or `where` also `search`, the rows found; with `audit` also `audit`,
    the whole report; with `export` also `export`, what was written. A project folder stands for its recipe's pairs.

    Raises:
        PairsError: no pairs there, a line that cannot be decoded.
        InputError: no such row, an expression that cannot be used, an export that cannot be written.
        ServiceError: the Hub does not give the set.
    """
    base = base or Path.cwd()
    spec, project = _named(asked, base)
    if project is not None:
        base = project.folder
    elif isinstance(asked.source, str):
        spec, base = typed_spec(spec.source, base, spec)
    opened = imported(spec, base, progress=_no_progress if quiet else _Progress())
    store = opened.store
    assert store is not None
    if asked.row is not None and not 0 <= asked.row < len(opened):
        raise InputError(
            f"No such row: {asked.row}", f"Rows of {opened.name} are numbered from 0 to {len(opened) - 1}."
        )
    if store.meta.broken is not None:
        raise PairsError(
            store.meta.broken,
            f"Expected one JSON object per line with chosen and rejected; fix or delete that line "
            f"({store.meta.broken_rows} of {len(store)} rows are broken).",
        )
    told = summary(store)
    report: dict[str, Any] = {
        "source": opened.name,
        "split": opened.split,
        "splits": list(opened.splits),
        "schema": opened.schema,
        "columns": list(opened.columns),
        "rows": told["rows"],
        "clean": {"count": told["clean"]},
        **{name: {"count": len(rows), "rows": rows[: asked.limit]} for name, rows in told["findings"].items()},
    }
    if told["left_out"]:
        report["left_out"] = told["left_out"]
    curation = CurationFile(project.folder).load() if project is not None else Curation()
    query = PairQuery("where", asked.where) if asked.where else parse_query(asked.search or "")
    if query is not None:
        report["search"] = _hits(opened, query, curation, asked.limit, project)
    if asked.row is not None:
        report["pair"] = pair_json(opened.pair(asked.row))
    if asked.audit:
        report["audit"] = _audit(opened, project)
    if asked.export is not None:
        out = (Path.cwd() / expanded(asked.export.removesuffix(".parquet"))).absolute()
        kind: Kind = "parquet" if asked.export.endswith(".parquet") else "jsonl"
        made = export_set(opened, curation, out, kind=kind, overwrite=asked.overwrite)
        assert made is not None  # nothing stops it
        report["export"] = _export_json(made)
    return report


def _named(asked: Asked, base: Path) -> tuple[PairsSpec, Project | None]:
    source = asked.source
    spec = PairsSpec(source, asked.config, asked.split, asked.revision) if isinstance(source, str) else source
    folder = base / expanded(spec.source)
    if not (spec.source and (folder / RECIPE_NAME).is_file()):
        return spec, None
    project = open_project(folder)
    own = project_pairs(project)
    if own is None:
        raise PairsError(f"The recipe has no pairs: {folder / RECIPE_NAME}", "Set dataset_name in the recipe.")
    return replace(own, split=asked.split or own.split), project


def _hits(
    opened: PairSet, query: PairQuery, curation: Curation, limit: int | None, project: Project | None
) -> dict[str, Any]:
    assert opened.store is not None
    tokens = _tokens(opened, project) if "_tokens" in query.words else None
    search = Search(opened.store, query, tokens=tokens, marks=marks_of(curation, opened.label))
    search.run()
    return {"text": query.shown, "count": len(search.hits), "rows": list(search.hits[:limit])}


def _tokens(opened: PairSet, project: Project | None) -> str:
    """Counts the tokens where they are not counted yet; gives the kind of their files.

    Raises:
        InputError: there is no project, so no tokenizer.
    """
    from smoltui.backends.pairs.count_tokens import count_tokens
    from smoltui.backends.pairs.token_service import open_tokenizer

    if project is None:
        raise InputError("Counting tokens needs a recipe's tokenizer", "Give a project folder instead of a file.")
    assert opened.store is not None
    tokenizer = open_tokenizer(project, load_project_recipe(project).values)
    try:
        count_tokens(opened.store, tokenizer)
    finally:
        tokenizer.close()
    return tokens_kind(tokenizer.key)


def _audit(opened: PairSet, project: Project | None) -> dict[str, Any]:
    from smoltui.backends.pairs.audit import Asked as AuditAsked
    from smoltui.backends.pairs.audit import make_audit

    tokens = None
    if project is not None:
        try:
            tokens = _tokens(opened, project)
        except SmoltuiError as error:
            note(f"Tokens are not counted: {safe_line(error.message)}")
    length = load_project_recipe(project).values.get("max_length", 1024) if project is not None else None
    asked = AuditAsked(
        store=opened.folder, max_length=length if isinstance(length, int) else None, tokens=tokens,
        project=project.folder if project is not None else None,
    )  # fmt: skip
    return make_audit(asked).as_json()


def _export_json(made: Exported) -> dict[str, Any]:
    return {
        "folder": str(made.folder), "hash": made.hash, "rows": made.rows, "train": made.train, "held_out": made.test,
        "excluded": made.excluded, "swapped": made.swapped, "left_out": dict(made.left_out),
    }  # fmt: skip


class _Progress:
    """How far a long import is, on stderr where that is a terminal."""

    def __call__(self, rows: int, total: int | None) -> None:
        of = f" of {total:,}" if total else ""
        progress(f"reading {rows:,}{of} pairs", done=rows == total)


def _no_progress(rows: int, total: int | None) -> None:
    return None


def print_report(report: dict[str, Any]) -> None:
    """The same for a person: the set, what was found in it, and the pair or the hits that were asked for."""
    if "pair" in report:
        _print_pair(report["pair"])
        return
    if "audit" in report:
        from smoltui.core.pairs.audit import audit_from_json
        from smoltui.core.pairs.audit_report import as_markdown

        say(as_markdown(audit_from_json(report["audit"])))
        return
    splits = safe_line(", ".join(report["splits"]))
    say(f"{safe_line(report['source'])}  split {safe_line(report['split'])} of {splits}")
    say(f"shape    {report['schema']}: {SCHEMAS[report['schema']]}")
    say(f"columns  {safe_line(', '.join(report['columns']))}")
    say(f"{report['rows']:>9,}  rows")
    say(f"{report['clean']['count']:>9,}  clean: usable, with answers that differ")
    for name, words in FINDINGS.items():
        found = report[name]
        say(f"{found['count']:>9,}  {words}" + (f": rows {_some(found, 8)}" if found["count"] else ""))
    if search := report.get("search"):
        say(f"{search['count']:>9,}  rows with {safe_line(search['text'], 60)!r}: {_some(search, 20) or 'none'}")
    if made := report.get("export"):
        say(f"exported {made['train']:,} pairs, {made['held_out']:,} held out, to {safe_line(made['folder'])}")
        say(f"hash     {made['hash']}")


def _some(found: dict[str, Any], most: int) -> str:
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
