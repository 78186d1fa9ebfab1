"""Which figures each view shows: the ids of their cards, the most asked for first."""

from __future__ import annotations

from collections.abc import Mapping

from smoltui.core.meanings.book import all_cards
from smoltui.core.pairs.columns import COLUMNS

_PAIR = ("pairs:position of a pair", "pairs:gap", "pairs:turn", "pairs:characters", "term:preference pair")
_TOKENS = ("pairs:tokens of a pair", "field:max_length", "term:truncation", "term:token", "term:chat template")
_SIZES = ("column:prompt_chars", "column:chosen_chars", "column:rejected_chars", "pairs:gap", "pairs:similarity")
_RUN_LIST = (
    "run:run",
    "run:stage",
    "run:where",
    "run:age",
    "run:took",
    "run:progress",
    "metric:loss",
    "metric:rewards/margins",
    "metric:rewards/accuracies",
    "run:cost",
)
_RUN_HEAD = ("run:reading", "run:weights changed", "run:steps per second")
_SAMPLING = ("figure:temperature", "figure:top_p", "figure:max_new_tokens", "figure:seed", "term:thinking")
_ANSWERS = ("figure:answers", "figure:manner", "figure:well-formed", "figure:tokens per answer")
_VOTES = (
    "figure:win rate",
    "figure:at equal length",
    "term:sign test",
    "term:confidence interval",
    "term:Bradley–Terry strength",
)

CARDS_OF: Mapping[str, tuple[str, ...]] = {
    "home": (
        "check:pairs check",
        "pairs:count of a finding",
        "term:held-out pairs",
        "field:beta",
        "term:step",
        "check:fits here",
        "run:took",
        "run:cost",
        "figure:manner",
        "check:main memory",
        "check:processor",
        "check:disk",
        "check:packages",
        "check:Hub account",
    ),
    "device": (
        "check:fits here",
        "check:accelerator",
        "check:processor",
        "check:main memory",
        "check:disk",
        "check:Python",
        "check:PyTorch",
        "check:Hub account",
        "check:packages",
        "run:cost",
    ),
    "pairs.pair": (*_PAIR, *_TOKENS),
    "pairs.list": (*_PAIR[:1], *_SIZES, *_TOKENS[:1], "pairs:characters"),
    "pairs.audit": (
        "pairs:count of a finding",
        "pairs:severity",
        "pairs:longer wins",
        "check:pairs check",
        "pairs:position of a pair",
        "field:max_length",
    ),
    "pairs.tokens": (*_TOKENS, "pairs:position of a pair"),
    "pairs.columns": ("pairs:distinct values", "pairs:position of a pair"),
    "pairs.facet": ("pairs:distinct values", "pairs:gap", "pairs:score", "pairs:position of a pair"),
    "pairs.how": ("check:pairs check", "pairs:score", "column:reason", *_PAIR),
    "recipe": (
        "term:effective batch",
        "term:step",
        "metric:epoch",
        "term:warm-up",
        "term:checkpoint",
        "check:fits here",
        "check:main memory",
        "check:time limit",
        "check:pairs check",
        "run:cost",
    ),
    "runs.curves": ("run:held-out point", *_RUN_HEAD, *_RUN_LIST, "term:nats", "term:smoothing"),
    "runs.log": (*_RUN_HEAD, *_RUN_LIST, "term:checkpoint"),
    "runs.inspect": (*_RUN_HEAD, *_RUN_LIST, "term:Job"),
    "runs.stats": (
        "run:processor usage",
        "run:memory usage",
        "run:GPU usage",
        "run:network",
        *_RUN_HEAD,
        *_RUN_LIST,
    ),
    "runs.plan": ("run:plan", "field:beta", "term:effective batch", "metric:epoch", *_RUN_HEAD, *_RUN_LIST),
    "sweep": (
        "metric:rewards/accuracies",
        "metric:rewards/margins",
        "term:nats",
        "run:reading",
        "figure:length ratio",
        "run:took",
        "run:cost",
        "run:stage",
        "term:held-out pairs",
    ),
    "hardware": ("run:cost", "run:where", "check:accelerator", "check:fits here", "check:main memory"),
    "scheduled": ("term:Job", "run:cost", "run:stage", "run:where"),
    "rules": (
        "run:not_finite",
        "run:flat",
        "run:chosen_fell",
        "run:trivial",
        "run:cost",
        "check:time limit",
        "run:reading",
    ),
    "evaluate.answers": (*_ANSWERS, *_SAMPLING, "figure:memory of a model", "term:reference model"),
    "evaluate.held-out": (
        "figure:held-out reward accuracy",
        "metric:rewards/margins",
        "figure:prefers chosen by itself",
        "figure:log-prob chosen − rejected",
        "figure:change of chosen",
        "figure:change of rejected",
        "figure:manner",
        "figure:well-formed",
        "figure:tokens per answer",
        "figure:held-out pairs / answers",
        "figure:pairs that are not finite",
        "figure:template's date",
        "figure:group",
        "term:confidence interval",
        "field:beta",
        *_SAMPLING,
        "figure:memory of a model",
    ),
    "held-out pairs": (
        "metric:rewards/margins",
        "figure:change of chosen",
        "figure:change of rejected",
        "pairs:gap",
        "pairs:turn",
        "pairs:characters",
        "figure:group",
    ),
    "vote": _VOTES,
    "label": ("figure:labels", *_SAMPLING, "figure:answers"),
    "judge": ("figure:judge", *_VOTES, "term:position bias", "term:Cohen's kappa", "run:cost", "term:token"),
    "benchmarks": (
        "figure:benchmark score",
        "term:confidence interval",
        "term:benchmark",
        "check:time limit",
        "run:cost",
        "figure:memory of a model",
    ),
    "models": ("figure:memory of a model", "term:checkpoint", "term:reference model"),
    "submit.checks": ("check:model card", "check:files", "check:repository", "check:entry of the leaderboard"),
    "submit.card": ("check:model card", "check:repository"),
    "submit.change": ("check:entry of the leaderboard", "check:repository"),
    "submit.board": ("check:entry of the leaderboard", "check:repository"),
    "publish": ("check:files", "check:repository", "check:model card"),
    "start": (
        "check:fits here",
        "term:effective batch",
        "term:step",
        "metric:epoch",
        "check:pairs check",
        "check:output",
        "check:disk",
        "check:packages",
        "check:model check",
        "check:Hub account",
        "run:where",
        "check:time limit",
        "run:cost",
        "check:repository",
        "check:secret",
        "check:tools",
        "check:main memory",
    ),
}
"""View → cards of its figures. What the cursor is on comes first, from the room itself."""


def column_card(name: str) -> str:
    """The card of a column of the pairs; for a column of the person's own rows, the card of its values."""
    if name in ("gap", "similarity"):
        return f"pairs:{name}"
    return f"column:{name}" if name in COLUMNS else "pairs:distinct values"


_CHECKS = {
    "memory": "check:fits here",
    "time": "check:time limit",
    "timeout": "check:time limit",
    "cost": "run:cost",
    "flavor": "run:where",
    "account": "check:Hub account",
    "token": "check:Hub account",
    "pairs": "check:pairs check",
    "unusable rows": "check:pairs check",
    "model": "check:model check",
    **dict.fromkeys(("identical", "cut", "dropped", "longest"), "check:sizes of pairs"),
}
"""Name of a check before a start → its card, if that has another name."""


def card_of(name: str) -> tuple[str, ...]:
    """The card of a recipe key, a setting or a check; empty if there is none."""
    ids = (_CHECKS.get(name, ""), f"field:{name}", f"setting:{name}", f"check:{name}")
    return tuple(one for one in ids if one in all_cards())[:1]
