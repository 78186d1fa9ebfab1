"""The audit of an imported set: what it finds, which rows, and what it leaves behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.data_files.source import PairsSpec
from smoltui.backends.pairs import store as pair_store
from smoltui.backends.pairs.audit import Asked, audit_request, load_audit, make_audit, save_reports
from smoltui.backends.pairs.count_tokens import count_tokens
from smoltui.backends.pairs.opened_set import PairSet, imported
from smoltui.backends.pairs.search import Search
from smoltui.backends.pairs.store import tokens_kind
from smoltui.backends.pairs.summary import summary
from smoltui.backends.pairs.token_service import open_tokenizer
from smoltui.backends.project.new_project import create_project
from smoltui.core.pairs.audit import DEFINITIONS, Audit, audit_from_json
from smoltui.core.pairs.audit_report import as_markdown
from smoltui.core.pairs.columns import COLUMNS
from smoltui.core.pairs.query import PairQuery, named_columns
from smoltui.scripts.pair_how import How


def pair(prompt: str, chosen: str, rejected: str) -> dict[str, Any]:
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


LONG = " ".join(f"word{number}" for number in range(60))
ROWS = [
    pair("Why?", "Because it is so.", "No."),
    pair("Why?", "No.", "Because it is so."),  # contradicts the first
    pair("Why?", "Because it is so.", "No."),  # is the first again
    pair("Same", "x", "x"),
    pair("Empty", "", "y"),
    pair(LONG, "I'm sorry, but I can't.", "Привет, как дела?"),
    pair(f"{LONG} more", "Sure \x1b[31m", "Of course \u202e"),  # nearly the same prompt
    pair("Nearly", "a" * 100, "a" * 99 + "b"),
    {"chosen": "only"},
    pair("What do you like?", "Tea.", "Coffee."),
]


def opened_set(folder: Path, rows: list[Any]) -> PairSet:
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return imported(PairsSpec(str(path)), folder)


def rows_of(audit: Audit) -> dict[str, list[int]]:
    return {found.name: list(found.examples) for found in audit.findings if found.count}


def test_each_finding_has_its_rows(tmp_path: Path) -> None:
    opened = opened_set(tmp_path, ROWS)
    audit = make_audit(Asked(opened.folder, 1024, None, None))
    assert rows_of(audit) == {
        "not_pairs": [8],
        "empty_chosen": [4],
        "identical": [3],
        "nearly_identical": [7],
        "duplicates": [2],
        "contradictions": [0, 1, 2],
        "repeated_prompts": [1, 2],
        "near_duplicate_prompts": [6],
        "much_longer_chosen": [0, 2],
        "refusals_chosen": [5],
        "control_chars": [6],
        "bidi_chars": [6],
        "mixed_scripts": [5],
    }
    assert (audit.rows, audit.clean) == (10, 7)
    unknown = {found.name for found in audit.findings if found.count is None}
    assert unknown == {
        "template_refuses",
        "chosen_cut",
        "rejected_cut",
        "no_room",
        "in_held_out",
        "in_evaluation_prompts",
    }
    assert any("not counted yet (m counts them)" in note for note in audit.notes)
    assert load_audit(opened.folder) == audit == audit_from_json(json.loads(json.dumps(audit.as_json())))


def test_near_duplicates_are_compared_by_what_is_asked(tmp_path: Path) -> None:
    """A long system text that all pairs share makes no duplicates; case, signs and one changed word do."""
    system = {"role": "system", "content": " ".join(f"rule{number}" for number in range(400))}
    questions = ["How does a mill turn?", "Where do herons sleep?", "Which bread keeps longest?", "Why is fog cold?"]
    asked = [*questions, questions[2].upper(), f"{LONG} {LONG}", f"{LONG} {LONG} please"]
    rows = [
        {
            "prompt": [system, {"role": "user", "content": text}],
            "chosen": [{"role": "assistant", "content": "a"}],
            "rejected": [{"role": "assistant", "content": "b"}],
        }
        for text in asked
    ]
    opened = opened_set(tmp_path, rows)
    assert rows_of(make_audit(Asked(opened.folder, None, None, None)))["near_duplicate_prompts"] == [4, 6]


@pytest.mark.slow
def test_many_near_duplicates_across_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of near duplicates are found whole, also when few prompts are held at a time."""
    monkeypatch.setattr("smoltui.backends.pairs.audit.COMPARED_AT_ONCE", 7)
    texts = [" ".join(f"{topic}{number}" for number in range(40)) for topic in ("mill", "fog", "tide", "loaf", "hill")]
    rows = [pair(f"{texts[number % 5]} {number}", "a", "b") for number in range(pair_store.PART_ROWS + 100)]
    audit = make_audit(Asked(opened_set(tmp_path, rows).folder, None, None, None))
    (found,) = (found for found in audit.findings if found.name == "near_duplicate_prompts")
    assert found.count == len(rows) - 5 and found.examples[0] == 5


def test_a_finding_is_a_condition_one_can_search_by(tmp_path: Path) -> None:
    """What the report counts is what the list shows."""
    opened = opened_set(tmp_path, ROWS)
    assert opened.store is not None
    for found in make_audit(Asked(opened.folder, 1024, None, None)).findings:
        if found.count is not None:
            search = Search(opened.store, PairQuery("where", found.condition))
            search.run()
            assert list(search.hits) == list(found.examples) and len(search.hits) == found.count, found.name


def test_length_bias(tmp_path: Path) -> None:
    rows = [pair(f"p{number}", "x" * (number + 1), "y") for number in range(4)]
    bias = make_audit(Asked(opened_set(tmp_path, rows).folder, None, None, None)).lengths
    assert (bias.pairs, bias.chosen_longer, bias.equal, bias.median_gap) == (4, 3, 1, 1.5)
    assert bias.share == 0.75 and bias.longer_wins == 0.875


def test_what_lies_beside_the_set(tmp_path: Path) -> None:
    """Held-out pairs, evaluation prompts and tokens are looked at where they are there."""
    project = create_project(tmp_path / "project", "demo")
    (project.folder / "prompts.txt").write_text("what do YOU like\n")
    opened = opened_set(tmp_path, ROWS)
    (tmp_path / "other").mkdir()
    held = opened_set(tmp_path / "other", [pair("Same", "a", "b")])
    from smoltui.backends.project.recipe_file import load_project_recipe

    tokenizer = open_tokenizer(project, load_project_recipe(project).values)
    assert opened.store is not None
    assert count_tokens(opened.store, tokenizer) == 10
    tokenizer.close()
    audit = make_audit(Asked(opened.folder, 40, tokens_kind(tokenizer.key), project.folder, held.folder))
    found = rows_of(audit)
    assert found["in_held_out"] == [3] and found["in_evaluation_prompts"] == [9]
    assert {5, 6} <= set(found["no_room"]) and 7 in found["chosen_cut"] and audit.tokens_known
    assert audit.lengths.median_gap_tokens is not None


def test_the_known_answers(shared_data: Path) -> None:
    opened = imported(PairsSpec("hh_harmless_test.jsonl.gz"), shared_data)
    audit = make_audit(Asked(opened.folder, 1024, None, None))
    counts = {found.name: found.count for found in audit.findings}
    assert (audit.rows, audit.clean) == (2312, 2299)
    for name, count in {
        "broken": 0,
        "not_pairs": 0,
        "ties": 0,
        "identical": 0,
        "duplicates": 0,
        "contradictions": 0,
        "repeated_prompts": 2,
        "empty_chosen": 4,
        "empty_rejected": 0,
        "prompt_differs": 5,
        "roles_do_not_alternate": 9,
        "trl_cut_inside_answer": 445,
        "control_chars": 0,
        "nearly_identical": 0,
        "near_duplicate_prompts": 10,
    }.items():
        assert counts[name] == count, name
    # Figures of the set itself (facts of the file): over all rows 1 023 longer, 1 278 shorter, 11 equal.
    assert audit.lengths.pairs == 2299 and 0.44 < audit.lengths.share < 0.45


def test_the_child_tells_and_leaves_the_report(tmp_path: Path) -> None:
    opened = opened_set(tmp_path, ROWS)
    arguments = audit_request(Asked(opened.folder, 1024, None, None))
    told = subprocess.run(
        [sys.executable, "-m", "smoltui.backends.pairs.audit", *arguments], capture_output=True, text=True, check=True
    )
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert lines[0] == {"progress": 10, "of": 10} and lines[-1] == {"audit": 10}
    assert load_audit(opened.folder).rows == 10


def test_the_report_as_files(tmp_path: Path) -> None:
    """Foreign names in it act on nobody."""
    opened = opened_set(tmp_path, ROWS)
    audit = make_audit(Asked(opened.folder, 1024, None, None))
    paths = save_reports(audit, tmp_path)
    assert [path.name for path in paths] == ["audit.json", "audit.md"]
    text = paths[1].read_text()
    assert "| stop | 1 | 10.00% | pairs with identical answers |" in text
    from dataclasses import replace

    odd = as_markdown(replace(audit, source="[x](javascript:1) \x1b[31m|hf_AbCdEfGhIjKlMnOp"))
    assert "\x1b" not in odd and "[x](" not in odd and "hf_AbCdEfGhIjKlMnOp" not in odd


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda definition: definition.name)
def test_every_finding_says_why_from_where_and_how_to_fix_it(definition: Any) -> None:
    assert definition.why and definition.source and definition.act and definition.severity in ("stop", "warn", "info")
    ours, _ = named_columns(definition.condition, {})
    assert ours and ours <= set(COLUMNS)


def test_ties_are_no_mistake_of_the_set(tmp_path: Path) -> None:
    """Rows that don't say which answer is better are a finding of their own, and nothing stops training."""
    rows = [
        {"prompt": "p", "response_a": "x", "response_b": "y", "score_a": score, "score_b": 2}
        for score in (1, 2, 2.5, 9)
    ]
    (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    spec = PairsSpec("a.jsonl", how=How(min_margin=1))
    opened = imported(spec, tmp_path)
    assert opened.store is not None
    found = summary(opened.store)
    assert (found["findings"]["ties"], found["findings"]["not_pairs"]) == ([1, 2], [])
    assert found["left_out"] == {"tie": 1, "too_close": 1} and found["clean"] == 2
