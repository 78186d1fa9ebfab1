"""What the first rows of a set show, for the wizard: its splits, how it is read, and what a recipe has to say of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from smoltui.backends.data_files.head import open_head, raw_head
from smoltui.backends.data_files.hub_names import hub_name
from smoltui.backends.data_files.local import is_pattern
from smoltui.backends.data_files.source import PairsSpec, UnknownShapeError, is_local, open_spec
from smoltui.backends.data_files.splits import format_of
from smoltui.backends.pairs.counted import PairCounts
from smoltui.backends.pairs.curated import set_name
from smoltui.backends.system.paths import exists, expanded
from smoltui.core.guide.first_recipe import PairsFacts
from smoltui.core.pairs.curation import DEFAULT_SEED, held_out, prompt_hash
from smoltui.core.pairs.how_read import how_lines, how_read
from smoltui.core.pairs.mapping import pairs_in
from smoltui.core.pairs.preference import Pair, pair_of
from smoltui.core.settings.settings import Settings
from smoltui.errors import PairsError, SmoltuiError

LARGE_BYTES = 200 << 20
"""Files above this are not counted here: it would take seconds."""
FULLY = 5000
"""Up to so many pairs, those that are held out are counted; of more, their number is estimated from the share."""
FEW_ROWS = 20
"""Below this, nothing is held out: a share would be one pair or none."""
SMALL_ROWS, SMALL_SHARE, SHARE = 1000, 0.1, 0.05
"""Below so many pairs a larger share is held out, so that it has at least a few."""
LARGER_SHARES, FEWEST_HELD_OUT = (0.1, 0.2, 0.3), 2
"""For sets of which so few pairs would be held out."""
PROMPTS, PROMPT_CHARS, PROMPT_ROWS = 8, 300, 400
"""How many prompts a new project asks, their longest, and the rows they are looked for in."""


@dataclass(frozen=True, slots=True)
class PairsSeen:
    """A set as its start shows it."""

    spec: PairsSpec
    base: Path
    name: str
    split: str
    splits: tuple[str, ...]
    rows: Sequence[object]
    """The first ones, as in the file."""
    lines: tuple[tuple[str, str], ...] = ()
    """How it is read: label and words; empty if the shape is unknown."""
    pairs: tuple[Pair, ...] = ()
    """The first pairs."""
    usable: int | None = None
    """Pairs of the split for training, with those that are held out; None if they were not counted."""
    prompts: tuple[int, ...] | None = None
    """Hash of the prompt of each of these pairs; None if there are more than `FULLY`, or they were not counted."""
    problem: str = ""
    """Why its shape is unknown, one sentence; empty if it is known."""
    columns: tuple[str, ...] = ()
    """Of a set of unknown shape."""

    @property
    def test_split(self) -> str:
        """The split that its author held out; empty without one."""
        twin = self.split.replace("train", "test")
        names = (twin, self.split.replace("train", "eval"), "test", "validation")
        return next((name for name in names if name in self.splits and name != self.split), "")

    @property
    def share(self) -> float:
        """Share of the prompts to hold out; 0 if there is a split for that, or too few pairs.

        Prompts are drawn, so a small share of a small set may hold out none: it is raised until it takes some of the
        pairs that were read.
        """
        if self.test_split or (self.usable is not None and self.usable < FEW_ROWS):
            return 0.0
        wanted = SMALL_SHARE if self.usable is not None and self.usable < SMALL_ROWS else SHARE
        prompts = self.prompts or [prompt_hash(pair.prompt) for pair in self.pairs if pair.readable]
        for share in (wanted, *(larger for larger in LARGER_SHARES if larger > wanted)):
            if not prompts or sum(held_out(prompt, DEFAULT_SEED, share) for prompt in prompts) >= FEWEST_HELD_OUT:
                return share
        return 0.0

    @property
    def held(self) -> int | None:
        """Pairs that are held out from this split; None if that was not counted."""
        if not self.share:
            return 0
        if self.prompts is None:
            return None
        return sum(held_out(prompt, DEFAULT_SEED, self.share) for prompt in self.prompts)

    def facts(self, project: Path) -> PairsFacts:
        """What the recipe of a project in this folder says of it."""
        name, config, builder = _named(self.spec, self.base, project)
        share, train, held = self.share, self.usable, self.held
        if train is not None:
            train = train - held if held is not None else round(train * (1 - share))
        return PairsFacts(
            dataset=name,
            builder=builder,
            config=config,
            train_split=self.split,
            test_split=self.test_split,
            rows=train,
            exact=held is not None,
            held_out_share=share,
            columns=self.spec.columns or {},
            how=self.spec.how,
        )


def _named(spec: PairsSpec, base: Path, project: Path) -> tuple[str, str, str]:
    """Name, configuration and builder of a set in a recipe."""
    path = base / expanded(spec.source)
    if not is_local(spec, base):
        named = hub_name(spec.source)
        if named is not None and named.revision is None and not named.path:
            return named.repo, spec.config or named.config or "", ""
        return spec.source, spec.config or "", ""
    shown = str(path.relative_to(project)) if path.is_relative_to(project) else str(path)
    one_file = (is_pattern(spec.source) and not exists(path)) or path.is_file()
    return shown, "", _builder(path.name) if one_file else ""


def _builder(name: str) -> str:
    form = format_of(name)
    return form if form in ("json", "csv", "parquet", "arrow") else "json"


def look_at(spec: PairsSpec, base: Path) -> PairsSeen:
    """Reads the start of a set, and counts it if it is on this machine and not huge. Blocking; may use the network.

    A set of unknown shape is a result with `problem`.

    Raises:
        PairsError, ServiceError: as `open_head`.
    """
    spec = _with_split(spec, base)
    start = raw_head(spec, base, 64)
    rows = start.head.rows if start.head is not None else ()
    seen = PairsSeen(spec, base, start.found.name, start.split, tuple(start.found.splits), rows)
    try:
        head = open_head(spec, base)
    except UnknownShapeError as error:
        return replace(seen, problem=error.message, columns=error.columns, rows=error.rows)
    found = how_read(head.schema, rows or head.rows, spec.columns, spec.how)
    pairs = [pair_of(at, row) for at, row in enumerate(head.rows)]
    usable = _usable(spec, base, start.found.splits)
    prompts = _prompt_hashes(pairs) if head.whole else None
    if prompts is None and usable is not None and usable <= FULLY:
        source = open_spec(spec, base)
        prompts = _prompt_hashes(pair_of(at, row) for at, row in enumerate(source.rows(0, len(source))))
    return replace(
        seen,
        lines=tuple(how_lines(found.as_json())),
        pairs=tuple(pairs[:PROMPT_ROWS]),
        usable=usable if prompts is None else len(prompts),
        prompts=prompts,
    )


def _prompt_hashes(pairs: Iterable[Pair]) -> tuple[int, ...]:
    """Of the pairs that can be trained on."""
    return tuple(prompt_hash(pair.prompt) for pair in pairs if pair.reason is None)


def _with_split(spec: PairsSpec, base: Path) -> PairsSpec:
    """With the split for preferences, where a set has several kinds: `train_prefs` beside `train_sft`."""
    if spec.split is not None:
        return spec
    names = raw_head(spec, base, 1).found.splits
    wanted = next((name for name in names if name.startswith("train") and "pref" in name), None)
    return replace(spec, split=wanted) if wanted is not None and "train" not in names else spec


def _usable(spec: PairsSpec, base: Path, splits: Any) -> int | None:
    if not is_local(spec, base):
        return None
    try:
        if sum(Path(path).stat().st_size for paths in splits.values() for path in paths) > LARGE_BYTES:
            return None
        counted = PairCounts().count(spec, base, Settings(), judge=True)
    except (OSError, SmoltuiError):
        return None
    if counted.problem:
        raise PairsError(counted.problem, "A pair has a prompt, a chosen and a rejected answer.")
    return counted.usable


def hold_out_name(facts: PairsFacts, seen: PairsSeen, project: Path) -> str:
    """Name of the set in a decision that holds out a share of its prompts."""
    from smoltui.backends.data_files.source import pairs_of
    from smoltui.core.guide.first_recipe import Choices, first_recipe, values_of

    wanted = pairs_of(values_of(first_recipe(Choices(pairs=facts))))
    return set_name(wanted if wanted is not None else seen.spec, project)


def first_prompts(seen: PairsSeen) -> list[str]:
    """Prompts that are not trained on, to ask before and after: of the held-out split, or of the held-out share.

    Blocking. Empty if none of the first rows is held out.
    """
    if seen.test_split:
        try:
            head = open_head(replace(seen.spec, split=seen.test_split), seen.base)
        except SmoltuiError:
            return []
        return _prompts([pair_of(at, row) for at, row in enumerate(head.rows)])
    if not seen.share:
        return _prompts(seen.pairs)
    pairs = list(seen.pairs)
    if is_local(seen.spec, seen.base):
        try:
            rows = open_head(seen.spec, seen.base, PROMPT_ROWS).rows
        except SmoltuiError:
            rows = []
        pairs = [pair_of(at, pair) for at, row in enumerate(rows) for pair in pairs_in(row, seen.spec.how)]
    return _prompts(
        [pair for pair in pairs if pair.readable and held_out(prompt_hash(pair.prompt), DEFAULT_SEED, seen.share)]
    )


def _prompts(pairs: Sequence[Pair]) -> list[str]:
    """The questions of these pairs that fit in one line, without those that appear twice."""
    found: dict[str, None] = {}
    for pair in pairs:
        text = pair.prompt[-1].content.strip() if pair.readable and pair.prompt else ""
        if text and "\n" not in text and len(text) <= PROMPT_CHARS and not text.startswith("#"):
            found.setdefault(text)
    return list(found)[:PROMPTS]
