"""What an audit tells the reading of a run's curves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smoltui.backends.data_files.source import pairs_of
from smoltui.backends.pairs.audit import Asked, make_audit
from smoltui.backends.pairs.opened_set import imported
from smoltui.backends.runs.pair_facts import facts_of, pair_facts
from smoltui.core.pairs.audit import Audit, Found, LengthBias
from smoltui.core.runs.run import RunSpec

RECIPE = "model_name_or_path: model\ndataset_name: pairs.jsonl\n"


def spec_of(folder: Path, recipe: str = RECIPE) -> RunSpec:
    return RunSpec(name="n", project=str(folder), recipe=recipe, output_dir="o", label="l")


def audit(pairs: int, longer: int, cut: float | None) -> Audit:
    found = Found("chosen_cut", "cut", "warn", None if cut is None else 1, cut, (), "why", "source", "act", "")
    lengths = LengthBias(pairs=pairs, chosen_longer=longer, equal=0, median_gap=5.0, median_gap_tokens=None)
    return Audit("s", "train", pairs, pairs, (found,), lengths, 256, True)


def test_shares_of_length_and_cuts() -> None:
    facts = facts_of(audit(1000, 997, 0.25))
    assert (facts.chosen_longer, facts.longer_wins, facts.chosen_cut) == (0.997, 0.997, 0.25)
    nothing = facts_of(audit(0, 0, None))
    assert nothing.chosen_longer is nothing.longer_wins is nothing.chosen_cut is None


def test_the_last_audit_of_its_pairs_counts_until_they_change(tmp_path: Path) -> None:
    rows = [{"prompt": f"{n}?", "chosen": "a long answer", "rejected": "short"} for n in range(9)]
    path = tmp_path / "pairs.jsonl"
    rows.append({"prompt": "9?", "chosen": "no", "rejected": "longer"})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    wanted = pairs_of({"dataset_name": str(path)})
    assert wanted is not None
    opened = imported(wanted, tmp_path)
    spec = spec_of(tmp_path, f"dataset_name: {path}\n")
    assert pair_facts(spec) is None
    make_audit(Asked(opened.folder, None, None, None))
    facts = pair_facts(spec)
    assert facts is not None and facts.chosen_longer == 0.9
    path.write_text("{}\n")
    assert pair_facts(spec) is None


@pytest.mark.parametrize("recipe", [RECIPE, "", "no: [yaml", "dataset_name: 7\n"])
def test_without_an_audit_nothing_is_known(recipe: str, tmp_path: Path) -> None:
    """Pairs that nobody audited, a recipe without pairs, and one that cannot be read: no facts, and no error."""
    assert pair_facts(spec_of(tmp_path, recipe)) is None and pair_facts(None) is None
