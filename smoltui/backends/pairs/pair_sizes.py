"""Measures the pairs of a recipe before it is trained: a sample of them, and the longest ones, are tokenized."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from smoltui.backends.data_files.hub_repo import MODEL, HubRepo
from smoltui.backends.pairs.set_columns import column_values
from smoltui.backends.pairs.store import PART_ROWS, TEXT, PairStore, pair_of_columns
from smoltui.backends.pairs.template_limits import Patience
from smoltui.backends.pairs.token_service import open_tokenizer
from smoltui.backends.pairs.tokenizer import Counts, cut_of
from smoltui.backends.pairs.tokenizer_files import TOKENIZER
from smoltui.backends.project.project import Project
from smoltui.backends.system.paths import exists
from smoltui.core.pairs.preference import Pair
from smoltui.core.pairs.sizes import PairSizes, differ_at, quantiles
from smoltui.errors import InputError, RunFailedError, ServiceError

LOOKED_AT = 20_000
"""Rows that are read."""
SAMPLE = 512
"""Pairs that are tokenized, spread evenly: a share of 5 % is then known to within 2 %. 0: none."""
LONGEST = 8
"""…and as many of the longest by characters."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was seen of a set while its rows were read."""

    pairs: int = 0
    """Usable ones."""
    identical: int = 0
    sample: tuple[Pair, ...] = ()
    longest: tuple[Pair, ...] = ()


class Looking:
    """Collects what `Looked` holds, from pairs in order."""

    def __init__(self, rows: int) -> None:
        self._every = max(1, min(rows, LOOKED_AT) // max(SAMPLE, 1))
        self._pairs = self._identical = 0
        self._sample: list[Pair] = []
        self._longest: list[tuple[int, int, Pair]] = []

    def see(self, pair: Pair) -> None:
        """Takes a usable pair."""
        self._identical += pair.chosen == pair.rejected
        if self._pairs % self._every == 0 and len(self._sample) < SAMPLE:
            self._sample.append(pair)
        self._pairs += 1
        heapq.heappush(self._longest, (_characters(pair), -pair.index, pair))
        if len(self._longest) > LONGEST:
            heapq.heappop(self._longest)

    def looked(self) -> Looked:
        return Looked(
            self._pairs, self._identical, tuple(self._sample), tuple(pair for _, _, pair in sorted(self._longest))
        )


def looked_at_store(store: PairStore) -> Looked:
    """The same of an imported set, of which only the texts of the chosen rows are read. Raises as `column_values`."""
    from pyarrow import compute as pc

    names = ("prompt_chars", "chosen_chars", "rejected_chars", "identical", "reason")
    prompt, chosen, rejected, identical, reason = (column_values(store, name) for name in names)
    usable = pc.indices_nonzero(pc.is_null(reason)).to_pylist()
    size = pc.add(prompt, pc.max_element_wise(chosen, rejected))
    longest = heapq.nlargest(LONGEST, usable, key=lambda row: size[row].as_py() or 0)
    every = max(1, len(usable) // max(SAMPLE, 1))
    sample = usable[::every][:SAMPLE]
    count = pc.sum(pc.and_(identical, pc.is_null(reason))).as_py() or 0
    return Looked(len(usable), count, tuple(_texts(store, sample)), tuple(_texts(store, longest)))


def _texts(store: PairStore, rows: Sequence[int]) -> Iterator[Pair]:
    for part, some in groupby(sorted(rows), key=lambda row: row // PART_ROWS):
        wanted = list(some)
        table = store.table(TEXT, part).take([row - part * PART_ROWS for row in wanted])
        for row, columns in zip(wanted, table.to_pylist(), strict=True):
            yield pair_of_columns(row, columns, store.meta.schema)


def sizes_of(project: Project, values: Mapping[str, object], looked: Looked) -> PairSizes | None:
    """The sizes of the pairs that were seen, their tokens by the recipe's tokenizer; None without a pair. Blocking."""
    if not looked.pairs:
        return None
    limit, _ = cut_of(values)
    sizes = PairSizes(looked.pairs, looked.identical, max_length=limit)
    sample = list(looked.sample)
    known = {pair.index for pair in sample}
    more = [pair for pair in looked.longest if pair.index not in known]
    counts = _tokens(project, values, [*sample, *more]) if SAMPLE else None
    return sizes if counts is None else _measured(sizes, sample, counts)


def _characters(pair: Pair) -> int:
    prompt = sum(len(turn.content) for turn in pair.prompt)
    return prompt + max(len(pair.chosen_text), len(pair.rejected_text))


def _tokens(project: Project, values: Mapping[str, object], pairs: list[Pair]) -> list[Counts | None] | None:
    """The tokens of some pairs; None if the tokenizer is not on this machine or cannot be used, which others report."""
    if not pairs or not _is_here(project, values):
        return None
    conversational = any(pair.schema != "standard" for pair in pairs)
    thinking = None if all(pair.schema in ("standard", "conversational") for pair in pairs) else False
    try:
        tokenizer = open_tokenizer(project, values, template_needed=conversational)
    except (InputError, ServiceError, RunFailedError):
        return None
    try:
        return tokenizer.ask_counts(pairs, thinking, Patience()).result()
    except (InputError, RunFailedError):
        return None
    finally:
        tokenizer.close()


def _is_here(project: Project, values: Mapping[str, object]) -> bool:
    """Whether the recipe's tokenizer is on this machine: nothing is downloaded for a check."""
    name = values.get("model_name_or_path")
    if not isinstance(name, str) or not name:
        return False
    if exists(folder := project.resolve(name)):
        return (folder / TOKENIZER).is_file()
    revision = values.get("model_revision")
    try:
        repo = HubRepo(MODEL, name, revision if isinstance(revision, str) and revision else None)
        with repo.reading():
            return repo.cached(TOKENIZER) is not None
    except (InputError, ServiceError):
        return False


def _measured(sizes: PairSizes, sample: list[Pair], counts: list[Counts | None]) -> PairSizes:
    """`sizes` with what the tokens of the sample, and of the longest pairs behind it, say."""
    limit, found, longest = sizes.max_length, [], 0
    cut = same = dropped = 0
    for place, one in enumerate(counts):
        if one is None:
            continue
        prompt, chosen, rejected = one
        longest = max(longest, prompt + max(chosen, rejected))
        if place >= len(sample):
            continue
        found.append(prompt + max(chosen, rejected))
        if limit is None:
            continue
        if prompt >= limit:
            dropped += 1
        elif found[-1] > limit:
            cut += 1
            same += _differ_after(sample[place], one, limit)
    if not found:
        return sizes
    return replace(
        sizes, measured=len(found), cut=cut, same=same, dropped=dropped, longest=longest, lengths=quantiles(found)
    )


def _differ_after(pair: Pair, counts: Counts, limit: int) -> bool:
    """Whether the answers of a pair differ only in what is cut; by characters, so near the limit it is a guess."""
    prompt, chosen, rejected = counts
    room = limit - prompt
    if min(chosen, rejected) <= room:
        return False
    text = pair.chosen_text
    return differ_at(text, pair.rejected_text) * chosen / max(len(text), 1) > room
