"""What every figure, field, finding, check, column and term means: one place for all rooms, commands and pages."""

from smoltui.core.meanings.book import all_cards, by_id, find, terms_like
from smoltui.core.meanings.card import KINDS, Card

__all__ = ["KINDS", "Card", "all_cards", "by_id", "find", "terms_like"]
