"""The text of a report: everything known of a run, with foreign text as text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smoltui.core.evaluation.column import PAIR
from smoltui.core.evaluation.sheet import Cell, Sheet
from smoltui.core.publish.record import Base, Pairs, Record
from smoltui.core.publish.report import MOST_CHARACTERS, MOST_PROMPTS, Report, body, head, markdown, sparkline
from smoltui.core.runs.events import Answered
from smoltui.core.runs.run import Run, Stage

RECORD = Record(
    name="m",
    run_id="0a1b",
    base=Base("HuggingFaceTB/SmolLM3-3B", "HuggingFaceTB/SmolLM3-3B"),
    pairs=Pairs("pairs", train=9),
    recipe="beta: 0.1\n",
    beta=0.1,
    curves={"loss": [(1, 0.69), (2, 0.5)], "eval_loss": [(2, 0.55)], "grad_norm": [(1, 3.0)]},
)
RUN = Run(
    "0a1b", "local", "first try", Stage.COMPLETED, started_at=1_764_460_800.0, finished_at=1_764_460_860.0, step=2
)


def answer(text: str, *, ended: bool = True) -> Cell:
    return Cell(text, Answered(model="aligned", index=0, text=text, ended=ended, tokens=3))


def report(run: Run = RUN, *answers: Sheet, checks: tuple[str, ...] = ()) -> Report:
    return Report(RECORD, run, "this machine", checks, "Healthy. Loss fell.", answers, 1_764_470_000.0)


def test_the_markdown_alone_shows_the_curves_in_small() -> None:
    """It names the picture beside it, and has first, last and course of each curve."""
    text = markdown(report())
    assert "saved beside this one" in text and "| 0.690 | 0.500 | 0.550 | █▁ |" in text
    assert sparkline([0.0, float("nan"), 7.0]) == "▁ █" and sparkline([float("nan")]) == ""
    assert len(sparkline(list(range(1000)))) == 24 and sparkline([2.0, 2.0]) == "▁▁"


def test_the_head_says_how_it_stands() -> None:
    text = head(report())
    assert "# Run first try" in text and "| stage | COMPLETED |" in text and "| time | 1 min 00 s |" in text
    assert "`0a1b` on this machine" in text and "2025-11-30 00:00 UTC" in text
    failed = replace(RUN, stage=Stage.ERROR, message="out of memory", hint="Halve the batch size", flavor="a100-large")
    text = head(report(failed))
    assert "out of memory" in text and "Halve the batch size" in text and "this machine, a100-large" in text
    running = replace(RUN, stage=Stage.RUNNING, finished_at=None, hint="x pauses")
    assert "x pauses" not in head(report(running)) and "| time | 2 h 33 min |" in head(report(running))


def test_figures_and_facts() -> None:
    text = markdown(report(checks=("✓ fits", "! no credit")))
    assert "**Reading:** Healthy. Loss fell.\n" in text
    assert "| loss, nats | 0.690 | 0.500 | 0.550 |" in text and "| gradient norm | 3.000 | 3.000 | – |" in text
    assert "![Loss" in text and "- ! no credit" in text
    for heading in ("Training", "Preference pairs", "Held-out pairs", "Checks before the start", "Recipe", "Versions"):
        assert text.count(f"## {heading}\n") == 1
    bare = replace(report(), record=replace(RECORD, curves={}))
    assert "No curve" in markdown(bare) and "![" not in markdown(bare) and "## Checks" not in markdown(bare)


def test_answers_of_each_set() -> None:
    sheet = Sheet(["Hello?", "Why?"], PAIR, prompt_set="/home/ada/prompts.txt")
    sheet.cells["aligned", 0] = answer("<think>musing</think>Hi.", ended=False)
    sheet.cells["reference", 0] = Cell(left_out="the prompt is too long")
    sheet.sampling = {"temperature": 0, "max_new_tokens": 9, "seed": 1, "thinking": True}
    text = body(report(RUN, sheet))
    assert "## Answers: prompts.txt" in text and "/home/ada" not in text and "greedy" in text
    assert "No answer: the prompt is too long" in text and "```\nHi.\n```" in text and "musing" not in text
    assert "Cut off at the limit of tokens." in text and "Why?" not in text
    assert "## Answers" not in body(report(RUN, Sheet(["Hello?"], PAIR)))


def test_a_large_set_is_shown_in_part() -> None:
    sheet = Sheet([f"prompt {number}" for number in range(MOST_PROMPTS + 2)], PAIR)
    for number in range(MOST_PROMPTS + 2):
        sheet.cells["aligned", number] = answer("x" * (MOST_CHARACTERS + 1))
    text = body(report(RUN, sheet))
    assert text.count("### Prompt") == MOST_PROMPTS and "2 more prompts" in text and "(4,001 characters)" in text


@pytest.mark.parametrize("hostile", ["`a` | b\n# c", "![x](http://h/)", "<b>", "hf_" + 34 * "a", "\x1b[2J\u202e"])
def test_foreign_text_is_text(hostile: str) -> None:
    sheet = Sheet([hostile], PAIR)
    sheet.cells["aligned", 0] = answer(f"```\n{hostile}")
    run = replace(RUN, name=hostile, message=hostile, labels={hostile: hostile})
    text = markdown(report(run, sheet, checks=(hostile,)))
    outside = text.split("## Answers")[0]
    assert "hf_aaa" not in text and "\x1b" not in text and "\u202e" not in text
    assert "\n# c" not in outside and "<b>" not in outside and "![x]" not in outside
