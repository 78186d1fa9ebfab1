"""The tables of the documentation that come from the code: keys, commands, events, columns, recipe fields and settings.

    python -m tests.docs_tables

writes them into smoltui/docs/*.md, each between `<!-- table: NAME -->` and `<!-- end -->`. docs_words.json holds what
the documentation says in place of a text of the code; entries for texts that are gone are removed.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path

import click

from smoltui.core.actions.action import Action
from smoltui.core.actions.keys import written
from smoltui.core.actions.table import ACTIONS, PLACES
from smoltui.docs import FOLDER, TOPICS

BLOCK = re.compile(r"<!-- table: (?P<name>[\w -]+) -->\n.*?<!-- end -->", re.DOTALL)

MOVES = {"Down", "Up", "Page down", "Page up", "Half a page down", "Half a page up", "Top", "End"}
"""Words of moves that work alike everywhere; the page says so once."""


WORDS_FILE = Path(__file__).with_name("docs_words.json")
WORDS: dict[str, str] = json.loads(WORDS_FILE.read_text(encoding="utf-8"))
"""Text of the code → the same in the documentation, where the code's wording is too short for a page."""
used: set[str] = set()
"""Keys of `WORDS` that a table asked for."""


def words_of(text: str) -> str:
    """A text of the code as the documentation says it."""
    used.add(text)
    return WORDS.get(text, text)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a bar in a cell is escaped."""

    def line(row: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |"

    return "\n".join([line(head), "|" + "---|" * len(head), *map(line, rows)])


def shown_keys(action: Action) -> str:
    """The keys of an action as they are written in the documentation; a colon for the palette, if it has none."""
    if not action.keys:
        return "–"
    return " ".join(f"`` {key} ``" if "`" in key else f"`{key}`" for key in map(written, action.key_names))


def keys(name: str) -> str:
    """The keys of a place, those that move as everywhere left out."""
    rows = [
        (shown_keys(action), action.words, f"`{action.id}`")
        for action in PLACES[name].actions
        if action.words not in MOVES
    ]
    return table(("key", "what it does", "name"), rows)


def places() -> str:
    """Every place with keys of its own."""
    parts = []
    for place in PLACES.values():
        moves = [action for action in place.actions if action.words in MOVES]
        text = f"### {place.title}\n\n"
        text += keys(place.name) if len(moves) < len(place.actions) else "Moves as everywhere."
        parts.append(text)
    return "\n\n".join(parts)


def letters() -> str:
    """What each letter means."""
    from smoltui.core.actions.letters import LETTERS, SAME

    rows = []
    for key, (_, words) in LETTERS.items():
        same = [other for other, meant in SAME.items() if meant == key]
        shown = f"`{same[0]}` … `{same[-1]}`" if same else f"`{written(key)}`"
        rows.append((shown, words))
    return table(("key", "meaning"), rows)


def exceptions() -> str:
    """The keys that mean something else in one place."""
    from smoltui.core.actions.letters import EXCEPTIONS

    reasons: dict[str, list[str]] = {}
    for name, reason in EXCEPTIONS.items():
        action = ACTIONS[name]
        reasons.setdefault(f"{PLACES[action.place].title} | {reason}", []).append(shown_keys(action))
    rows = [(" ".join(shown), *where.split(" | ")) for where, shown in reasons.items()]
    return table(("key", "where", "why"), rows)


def commands() -> str:
    from smoltui.cli.main import smoltui

    return "\n\n".join(
        _command(f"smoltui {name}", command) for name, command in smoltui.commands.items() if not command.hidden
    )


def _command(name: str, command: click.Command) -> str:
    said = " ".join(inspect.cleandoc(command.help or "").split("\n\n")[0].split())
    parts = [f"### {name}"]
    if isinstance(command, click.Group):
        parts.append(words_of(said))
        parts += [_command(f"{name} {sub}", each).replace("### ", "#### ", 1) for sub, each in command.commands.items()]
        return "\n\n".join(parts)
    context = click.Context(command)
    usage = " ".join([name, *(part for part in command.collect_usage_pieces(context) if part != "[OPTIONS]")])
    parts += [f"`{usage}`", words_of(said)]
    options = [option for option in command.params if isinstance(option, click.Option) and option.name != "as_json"]
    if options:
        rows = []
        for option in options:
            names = ", ".join([*option.opts, *option.secondary_opts])
            value = "" if option.is_flag else f" {_value(option)}"
            rows.append((f"`{names}{value}`", words_of(option.help or "").rstrip(".")))
        parts.append(table(("option", "meaning"), rows))
    return "\n\n".join(parts)


def _value(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return "|".join(option.type.choices)
    if option.metavar:
        return option.metavar
    return "N" if isinstance(option.type, click.types.IntParamType) else (option.name or "").upper()


def events() -> str:
    from smoltui.core.runs.events import EVENTS, OF_MODELS

    rows = []
    for name, event in EVENTS.items():
        if name not in OF_MODELS:
            said = words_of(" ".join(inspect.cleandoc(event.__doc__ or "").split("\n\n")[0].split()))
            held = ", ".join(f"`{item.name}`" for item in fields(event) if item.name != "at")
            rows.append((f"`{name}`", said.rstrip("."), held))
    return table(("event", "meaning", "fields"), rows)


def columns() -> str:
    from smoltui.core.pairs.columns import COLUMNS

    return table(
        ("column", "kind", "meaning"),
        ((f"`{name}`", column.kind, words_of(column.words)) for name, column in COLUMNS.items()),
    )


def run_columns() -> str:
    from smoltui.screens.runs.columns import COLUMNS

    return table(("column", "meaning"), ((f"`{column.heading}`", words_of(column.words)) for column in COLUMNS))


def recipe_fields() -> str:
    from smoltui.core.recipe import FIELDS, show

    parts = []
    for group in dict.fromkeys(field.group for field in FIELDS):
        rows = []
        for field in FIELDS:
            if field.group == group:
                value = field.unset if field.default is None else field.default
                default = "" if value is None else show(field, value)
                limits = words_of(field.range_text)
                if field.unit not in limits:
                    limits = f"{field.unit}, {limits}".removesuffix(", ")
                meaning = words_of(field.help)
                if field.ours is not None:
                    meaning += f" Write `{show(field, field.ours)}`: {words_of(field.why)}."
                cells = (f"`{field.key}`", meaning, limits, default and f"`{default}`")
                rows.append(cells)
        parts.append(f"### {group}\n\n{table(('key', 'meaning', 'unit, range', 'TRL default'), rows)}")
    return "\n\n".join(parts)


def settings() -> str:
    from smoltui.core.setting_fields.fields import setting_fields

    rows = []
    for field in setting_fields().values():
        typed = field.kind in ("int", "float", "bool", "choice") or field.default not in (None, "", ())
        unset = f"`{field.unset}`" if typed and field.unset != "unknown" else field.unset
        limits = "" if field.kind in ("bool", "texts", "table") else field.range_text.removeprefix("a whole number ")
        rows.append((f"`{field.key}`", field.help, limits, unset))
    return table(("key", "meaning", "range", "default"), rows)


def cards() -> str:
    """What has a card and no page of its own: metrics, figures, checks, rules and terms."""
    from smoltui.core.meanings import KINDS, all_cards

    parts = []
    for kind in ("term", "metric", "run", "figure", "pairs", "check"):
        told = [f"## {KINDS[kind][:1].upper()}{KINDS[kind][1:]}"]
        for card in all_cards().values():
            if card.kind == kind:
                rest = [f"*{label}:* {text}" for label, text in card.rows() if label != "what"]
                told.append(f"**{card.heading}.** " + " ".join([card.what, *map(_sentence, rest)]))
        parts.append("\n\n".join(told))
    return "\n\n".join(parts).replace("<", "&lt;")


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


def hf_jobs() -> str:
    from smoltui.core.runs.hf_jobs import COMMANDS, OPTIONS

    rows = []
    for name, (here, why) in {**COMMANDS, **OPTIONS}.items():
        rows.append((f"`{name}`", f"`{here}`" if here else "–", why))
    return table(("hf jobs", "here", "remark"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "cards": cards,
    "places": places,
    "letters": letters,
    "exceptions": exceptions,
    "commands": commands,
    "events": events,
    "hf jobs": hf_jobs,
    "columns": columns,
    "run columns": run_columns,
    "fields": recipe_fields,
    "settings": settings,
}


def generated(name: str) -> str:
    """The table of this name as the code has it now."""
    kind, _, of = name.partition(" ")
    return keys(of) if kind == "keys" else TABLES[name]()


def with_tables(text: str) -> str:
    """A page with all its tables up to date."""

    def block(match: re.Match[str]) -> str:
        name = match["name"]
        return f"<!-- table: {name} -->\n{generated(name)}\n<!-- end -->"

    return BLOCK.sub(block, text)


def main() -> None:
    """Writes the tables, and says which pages changed."""
    for name in TOPICS:
        path = FOLDER / f"{name}.md"
        before = path.read_text(encoding="utf-8")
        after = with_tables(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"Updated {path.name}")
    if unused := WORDS.keys() - used:
        kept = {text: words for text, words in WORDS.items() if text in used}
        WORDS_FILE.write_text(json.dumps(kept, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        print(f"Removed from {WORDS_FILE.name}: {', '.join(sorted(unused))}")


if __name__ == "__main__":
    main()
