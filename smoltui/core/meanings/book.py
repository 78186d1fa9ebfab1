"""All cards: those of the TOML files beside this module, and those that tables of the core already explain."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

from smoltui.core.meanings.card import KINDS, Card
from smoltui.core.pairs.audit import DEFINITIONS
from smoltui.core.pairs.columns import COLUMNS
from smoltui.core.recipe.fields import FIELDS, Field
from smoltui.core.recipe.keys import snapshot
from smoltui.core.setting_fields.fields import SettingField, setting_fields
from smoltui.suggestions import near

FILES = ("metrics", "runs", "pairs", "figures", "machine", "glossary")
"""TOML files of cards, without their ending."""
HELD_OUT = "eval_"
_EXTRA = {
    "beta": (
        "0.1 for most models; 0.05 to 0.5.",
        "0 or below is accepted and wrong. Very low: the model leaves the reference, and answers break.",
        "Answers broken: raise it. Little change: look at the learning rate, the type of the weights and the pairs "
        "first, then lower it.",
    ),
    "learning_rate": (
        "5e-7 to 5e-6 for full training of models of billions of weights, 5e-6 to 5e-5 with LoRA.",
        "The loss rises above its start: too high. The margin doesn't move: too low.",
        "Change it by a factor of 3 to 10 at a time.",
    ),
    "max_length": (
        "Long enough that few answers are cut.",
        "Cut answers have no end token: the model isn't taught to stop. A prompt that fills it drops the pair.",
        "m in Pairs counts the tokens; raise it, or leave long pairs out.",
    ),
    "num_train_epochs": (
        "1 to 3.",
        "The held-out loss turns up while the training loss falls.",
        "Use fewer epochs, or more pairs.",
    ),
    "warmup_steps": ("0.1, a share of the run.", "More steps than the run has.", ""),
    "dtype": ("float32 for full training; bfloat16 below a LoRA adapter.", "bfloat16 in full training.", ""),
}
"""Recipe key → healthy, suspicious and what to do, for those where that can be said in general."""


@cache
def all_cards() -> Mapping[str, Card]:
    """Every card by its id, in the order of the list of terms."""
    cards = [card for name in FILES for card in _from_file(name)]
    cards += [_of_field(field) for field in FIELDS]
    cards += [
        Card("finding", each.name, each.why, each.title, suspicious="", act=each.act, source=each.source)
        for each in DEFINITIONS
    ]
    cards += [_of_setting(each) for each in setting_fields().values()]
    written = {card.term for card in cards if card.kind == "pairs"}
    cards += [
        Card("column", name, f"{column.words[:1].upper()}{column.words[1:]}.", unit=column.kind, source="core/pairs")
        for name, column in COLUMNS.items()
        if name not in written
    ]
    return {card.id: card for card in cards}


def by_id(identity: str) -> Card:
    """The card with this id; `metric:eval_…` is the card of the metric, measured on held-out pairs.

    Raises:
        KeyError: there is none.
    """
    cards = all_cards()
    kind, _, term = identity.partition(":")
    if identity not in cards and kind == "metric" and term.startswith(HELD_OUT):
        return cards[f"metric:{term.removeprefix(HELD_OUT)}"]
    return cards[identity]


def find(text: str) -> list[Card]:
    """The cards with this name: those whose term it is come first; none if it is unknown."""
    index, wanted = _index(), _folded(text)
    found = index.get(wanted, ())
    if not found and wanted.startswith("eval "):
        found = index.get(wanted.removeprefix("eval "), ())
    terms = [card for card in found if _folded(card.term) == wanted]
    return [*terms, *(card for card in found if card not in terms)]


def terms_like(text: str) -> list[str]:
    """Up to three terms whose names, or a word of them, are like an unknown one, the most similar first."""
    index, wanted = _index(), _folded(text)
    words = {word for name in index for word in name.split()}
    closest = near(wanted, sorted({*index, *words}))[:1]
    alike = near(wanted, index)
    meant = [name for name in (*alike, *index) if not set(closest).isdisjoint(name.split())]
    inside = [name for name in index if len(wanted) > 2 and wanted in name]
    found = [*(name for name in closest if name in index), *meant, *alike, *inside]
    return list(dict.fromkeys(index[name][0].term for name in found))[:3]


@cache
def _index() -> Mapping[str, tuple[Card, ...]]:
    """Folded name → cards."""
    index: dict[str, list[Card]] = {}
    for card in all_cards().values():
        for name in dict.fromkeys(map(_folded, card.names)):
            index.setdefault(name, []).append(card)
    return {name: tuple(cards) for name, cards in index.items()}


def _folded(text: str) -> str:
    """A name without differences that don't matter: case, and signs between words."""
    return re.sub(r"[\s_/\-–]+", " ", text.casefold()).strip(" .:?")


def _from_file(name: str) -> Iterator[Card]:
    data = tomllib.loads((files(__package__) / f"{name}.toml").read_text(encoding="utf-8"))
    kind = data["kind"]
    assert kind in KINDS
    for card in data["card"]:
        yield Card(**{"kind": kind, **card, "also": tuple(card.get("also", ()))})


def _of_field(field: Field) -> Card:
    healthy, suspicious, act = _EXTRA.get(field.key, ("", "", ""))
    if field.ours is not None:
        healthy = f"{healthy} smoltui writes {field.ours}: {field.why}.".strip()
    default = field.unset if field.default is None else field.default
    unit = ", ".join(filter(None, (field.unit, field.range_text if len(field.range_text) < 200 else "")))
    if default is not None and field.key in snapshot().keys:
        unit = f"{unit}; TRL's default: {default}".lstrip("; ")
    return Card("field", field.key, field.help, field.label, unit, healthy, suspicious, act, field.source)


def _of_setting(field: SettingField) -> Card:
    unit = "; ".join(filter(None, (field.range_text, f"without the key: {field.unset}")))
    return Card("setting", field.key, f"{field.help[:1].upper()}{field.help[1:]}.", unit=unit, source="smoltui.toml")
