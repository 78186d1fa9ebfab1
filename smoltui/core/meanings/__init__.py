"""What every figure, field, finding, check, column and term means: one place for all rooms, commands and pages."""

from typing import TYPE_CHECKING

from smoltui.late_names import late_names

if TYPE_CHECKING:
    from smoltui.core.meanings.book import all_cards, by_id, find, terms_like
    from smoltui.core.meanings.card import KINDS, Card
else:
    __getattr__ = late_names(
        __name__,
        {
            "book": "all_cards by_id find terms_like",
            "card": "KINDS Card",
        },
    )

__all__ = ["KINDS", "Card", "all_cards", "by_id", "find", "terms_like"]
