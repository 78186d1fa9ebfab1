"""What a person can set of how a set is read: the columns of a pair, and how pairs are made of ranked answers.

Standard library only: it travels into a Job beside `dpo.py`. It stands apart from `pair_answers.py`, which reads rows,
because the app needs it for the project's settings at every start.
"""

from __future__ import annotations

from dataclasses import dataclass

PARTS = ("prompt", "chosen", "rejected", "system", "history")
"""What a column can be. Those that are not set are what the names of the columns show."""
OPTIONAL = ("prompt", "system", "history")
"""Parts that a pair may lack: an empty name says that no column holds them."""
PICKS = {
    "best-worst": "the best answer against the worst",
    "best-random": "the best answer against a random other",
    "best-each": "the best answer against each of the others",
    "all": "every answer against every worse one",
}
"""How pairs are made of more than two answers."""


@dataclass(frozen=True, slots=True)
class How:
    """How pairs are made of the answers of a row, as a person set it; the defaults are what the row itself shows."""

    answers: tuple[str, ...] = ()
    """The columns with the answers, or the one with a list of them; a dotted path leads into a column."""
    winner: str | None = None
    """The column that names the better one, or one column of yes and no for each answer, separated by commas."""
    score: str | None = None
    """The key, column or columns (one for each answer, separated by commas) with the score; more is better."""
    rank: str | None = None
    """The same for a rank; less is better."""
    pick: str = "best-worst"
    """A key of `PICKS`."""
    min_margin: float = 0.0
    """Pairs whose scores differ by less are left out."""
    seed: int = 42
    """Of what is drawn; a row gives the same pair wherever it is in the set."""

    @property
    def names_columns(self) -> bool:
        """Whether it says where answers are or which one is better, so that a pair in the row does not count."""
        return bool(self.answers or self.winner or self.score or self.rank)


AS_IT_IS = How()
