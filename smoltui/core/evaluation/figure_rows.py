"""The figures of two models in words, row by row, for the room and the command."""

from __future__ import annotations

from smoltui.core.evaluation.figures import WELL_FORMED_RULE, Figures, Interval, rule_in_words
from smoltui.core.runs.metrics import as_word
from smoltui.core.settings.settings import Manner
from smoltui.safe_text import safe_line

UNKNOWN = "–"
"""In place of what was not measured or is not defined."""


def figure_rows(
    reference: Figures, aligned: Figures, manner: Manner | None, date: str | None = None
) -> list[tuple[str, ...]]:
    """(label, the reference's figure, the aligned model's).

    `date`: what chat templates took for today (SmolLM3's writes it into every prompt); None while it is measured.
    """
    both = (reference, aligned)
    rows: list[tuple[str, ...]] = [
        ("reward accuracy", UNKNOWN, share(aligned.reward_accuracy, aligned.reward_accuracy_interval)),
        ("reward margin, nats", *(_nats(figures.margin, figures.margin_interval, 3) for figures in both)),
        ("prefers chosen by itself", *(share(each.prefers_chosen, each.prefers_chosen_interval) for each in both)),
        ("log-prob chosen − rejected, nats", *(as_word(figures.gap, 2) for figures in both)),
        ("change of chosen, nats", UNKNOWN, _nats(aligned.chosen_change, aligned.chosen_change_interval, 2)),
        ("change of rejected, nats", UNKNOWN, _nats(aligned.rejected_change, aligned.rejected_change_interval, 2)),
    ]
    if manner is not None:
        rows.append((safe_line(manner.name, 30), *(share(each.manner_share, each.manner_interval) for each in both)))
    rows += [
        ("well-formed", *(share(each.well_formed_share, each.well_formed_interval) for each in both)),
        ("tokens per answer", *(as_word(figures.mean_tokens, 1) for figures in both)),
        ("held-out pairs / answers", *(f"{figures.pairs} / {figures.answers}" for figures in both)),
    ]
    if any(figures.not_finite for figures in both):
        rows.append(("pairs that are not finite", *(str(figures.not_finite) for figures in both)))
    if date is not None:
        rows.append(("template's date", date, date))
    return rows


def result_words(reference: Figures, aligned: Figures, manner: Manner | None) -> str:
    """What training changed, in one line: `courteous 45 % → 100 % of answers · …`; empty if nothing was measured."""
    parts = []
    if manner is not None and reference.manner_share is not None and aligned.manner_share is not None:
        before, after = (share(each.manner_share, None) for each in (reference, aligned))
        parts.append(f"{safe_line(manner.name, 30)} {before} → {after} of answers")
    if reference.well_formed_share is not None and aligned.well_formed_share is not None:
        before, after = (share(each.well_formed_share, None) for each in (reference, aligned))
        parts.append(f"well-formed {before} → {after}")
    if aligned.reward_accuracy is not None:
        pairs = "1 held-out pair" if aligned.pairs == 1 else f"{aligned.pairs:,} held-out pairs"
        parts.append(f"reward accuracy {share(aligned.reward_accuracy, None)} of {pairs}")
    return " · ".join(parts)


def rules(beta: float, manner: Manner | None) -> list[str]:
    """What the figures mean, one sentence or two each."""
    said = [f"Margin: beta {beta:g} × (log-prob gap of the aligned model − log-prob gap of the reference)."]
    if manner is not None:
        said.append(safe_line(rule_in_words(manner), 1000))
    said.append(WELL_FORMED_RULE)
    said.append(
        "In parentheses: 95 % confidence interval (shares: Wilson; nats: bootstrap over prompts). Both changes can be "
        "negative: then a positive margin only says that the rejected answers fell further."
    )
    return said


def share(value: float | None, interval: Interval | None) -> str:
    """A share (0..1) with its interval: `97 % (89–99)`; `–` for None."""
    if value is None:
        return UNKNOWN
    told = f"{value * 100:.0f} %"
    return f"{told} ({interval[0] * 100:.0f}–{interval[1] * 100:.0f})" if interval else told


def _nats(value: float | None, interval: Interval | None, digits: int) -> str:
    told = as_word(value, digits)
    return f"{told} ({interval[0]:.{digits}f} to {interval[1]:.{digits}f})" if interval else told
