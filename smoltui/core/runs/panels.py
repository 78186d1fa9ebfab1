"""The charts of the Runs room: which metrics share one, what its thin line means, and how its values are written."""

from __future__ import annotations

from dataclasses import dataclass

from smoltui.core.runs.metrics import LN2, as_word

START = "start"
"""Reference line at the first value of the series."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart."""

    name: str
    """As a title shows it, without the value."""
    keys: tuple[str, ...]
    """TRL's metrics, the main one first."""
    parts: tuple[str, ...] = ()
    """What each of several metrics is called in the legend; empty for a single one."""
    words: str = ""
    """Explains the values, where there is room."""
    line: float | str | None = None
    """A value that has a meaning, drawn as a thin line; `START` for the first value of the run."""
    line_words: str = ""
    """What that value means."""
    is_share: bool = False
    """Values are shares 0..1, written as percent."""

    @property
    def key(self) -> str:
        """The main metric, which has the card."""
        return self.keys[0]

    def said(self, value: float | None) -> str:
        """A value as it is written."""
        return said_share(value) if self.is_share else as_word(value)


def said_share(value: float | None) -> str:
    """A share as `94 %`; NaN and unknown as `as_word`."""
    if value is None or not -1e6 < value < 1e6:
        return as_word(value)
    return f"{value * 100:.0f} %"


def line_of(panel: Panel, first: float | None) -> tuple[float, str] | None:
    """The value of the reference line and what it means; `first` is the first value. None: no line."""
    if panel.line is None or (panel.line == START and first is None):
        return None
    if panel.line == START and first is not None:
        return first, "knows nothing" if abs(first - LN2) < 0.02 else "start"
    return float(panel.line), panel.line_words


PANELS: tuple[Panel, ...] = (
    Panel("loss", ("loss",), line=START),
    Panel("reward margin", ("rewards/margins",), words="chosen minus rejected", line=0.0, line_words="start"),
    Panel(
        "reward accuracy",
        ("rewards/accuracies",),
        words="pairs ranked right",
        line=0.5,
        line_words="coin toss",
        is_share=True,
    ),
    Panel(
        "rewards",
        ("rewards/chosen", "rewards/rejected"),
        ("chosen", "rejected"),
        words="nats × beta",
        line=0.0,
        line_words="as the reference",
    ),
    Panel("log-probs", ("logps/chosen", "logps/rejected"), ("chosen", "rejected"), words="nats per answer"),
    Panel("gradient norm", ("grad_norm",), words="before clipping"),
    Panel("token accuracy", ("mean_token_accuracy",), words="first guess right", is_share=True, line=START),
    Panel("entropy", ("entropy",), words="nats per token", line=START),
    Panel("learning rate", ("learning_rate",)),
    Panel("mean logits", ("logits/chosen", "logits/rejected"), ("chosen", "rejected"), words="nothing can be read off"),
    Panel("tokens so far", ("num_tokens",)),
    Panel("epoch", ("epoch",)),
)
"""In the order in which they are shown."""
