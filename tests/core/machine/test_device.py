"""The verdict: what can be trained on this machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smoltui.core.machine.account import Account
from smoltui.core.machine.device import (
    GIB,
    Accelerator,
    DeviceReport,
    Mark,
    Need,
    Package,
    Sentence,
    gib,
    needs,
    verdict,
)
from smoltui.core.machine.fit import Fit, Term

TRL = Package("trl", ">=1.16,<1.17", "1.16.0", True, "train")
LAPTOP = DeviceReport(
    accelerators=(),
    cores=4,
    ram_total=16 * GIB,
    ram_available=12 * GIB,
    disk_folder="/",
    disk_total=None,
    disk_free=None,
    system="Linux x86_64",
    python="3.12.1",
    python_wanted=">=3.11,<3.15",
    python_fits=True,
    packages=(TRL,),
)
ME = Account("ada", is_pro=True, can_pay=True, token_role="write")


def with_gpu(total: float, free: float | None = None) -> DeviceReport:
    memory = int(total * GIB)
    left = memory if free is None else int(free * GIB)
    return replace(LAPTOP, accelerators=(Accelerator("cuda", "NVIDIA Test", memory, left, "580.1"),))


def about(words: str, report: DeviceReport) -> Sentence:
    (found,) = [sentence for sentence in verdict(report, ME) if words in sentence.text]
    return found


def test_a_laptop_trains_small_models_and_leaves_the_large_to_jobs() -> None:
    """Without an accelerator: the demo here, SmolLM3-3B on Jobs, with the flavor that holds it and the sum."""
    sentences = verdict(LAPTOP, ME)
    assert [sentence.mark for sentence in sentences] == [Mark.HERE, Mark.JOBS, Mark.JOBS, Mark.HERE]
    assert "4 cores" in sentences[0].text and "l4x1" in sentences[1].text and "a100-large" in sentences[2].text
    assert "5.8 weights +" in sentences[1].text and "11.5 reference" in sentences[2].text
    assert "ready, logged in as ada" in sentences[3].text


def test_the_sums_are_those_that_were_simulated() -> None:
    """LoRA on bf16 weights peaks at 7.6 GiB, full fp32 at 64.2 (both within 6 %), and the parts shown add up."""
    lora, full = needs()
    assert lora.fit.peak / GIB == pytest.approx(7.6, rel=0.06) and full.fit.peak / GIB == pytest.approx(64.2, rel=0.06)
    for need in (lora, full):
        shown = need.in_words.split("(")[1].rstrip(")").split(" + ")
        assert sum(float(part.split()[0]) for part in shown) == pytest.approx(need.fit.needed / GIB, abs=0.3)


@pytest.mark.parametrize(
    ("gpu", "lora", "full"),
    [
        (with_gpu(8), Mark.JOBS, Mark.JOBS),
        (with_gpu(24), Mark.HERE, Mark.JOBS),
        (with_gpu(80), Mark.HERE, Mark.HERE),
        (with_gpu(80, 20), Mark.HERE, Mark.TIGHT),
        (with_gpu(24, 1), Mark.TIGHT, Mark.JOBS),
    ],
)
def test_what_fits_a_card(gpu: DeviceReport, lora: Mark, full: Mark) -> None:
    """16 and 24 GB hold LoRA, 80 GB hold it all; memory that others use is not mine."""
    assert about("with LoRA", gpu).mark is lora and about("in full", gpu).mark is full


def test_memory_that_is_not_told_is_not_guessed() -> None:
    """A device that does not say how much it has gets no promise."""
    report = replace(LAPTOP, accelerators=(Accelerator("cuda", "NVIDIA Test"),))
    assert about("with LoRA", report).mark is Mark.TIGHT and "unknown" in about("with LoRA", report).text
    assert gib(None) == "unknown"


def test_the_own_recipe_is_weighed() -> None:
    """The first sentence is about my recipe, on the device it would use."""
    own = Need("This recipe", Fit((Term("W", GIB, ""),), GIB, 1, 1), on_processor=True)
    assert verdict(LAPTOP, ME, recipe=own)[0].mark is Mark.HERE
    assert "2.0 GiB (1.0 weights + 1.0 reserve)" in verdict(LAPTOP, ME, recipe=own)[0].text
    small = replace(LAPTOP, ram_available=GIB // 2)
    assert verdict(small, ME, recipe=own)[0].mark is Mark.JOBS and verdict(small, ME)[0].mark is Mark.TIGHT
    tiny = Need("This recipe", Fit((Term("W", GIB // 2, ""),), GIB // 10, 1, 1), on_processor=True)
    assert tiny.in_words == "0.6 GiB (0.5 weights + 0.1 reserve)"  # one unit
    on_card = replace(own, on_processor=False)
    assert verdict(with_gpu(1), ME, recipe=on_card)[0].mark is Mark.JOBS


def test_packages_that_are_missing_or_outside_their_range() -> None:
    """Nothing trains without TRL; another version than the tested one may."""
    gone = replace(LAPTOP, packages=(replace(TRL, installed=None, fits=False),))
    assert verdict(gone, ME)[0].mark is Mark.NO and "pip install 'smoltui[train]'" in verdict(gone, ME)[0].text
    odd = replace(LAPTOP, packages=(replace(TRL, installed="2.0", fits=False),))
    assert verdict(odd, ME)[0].mark is Mark.TIGHT and "trl 2.0" in verdict(odd, ME)[0].text
    old = replace(LAPTOP, python="3.10.0", python_fits=False)
    assert verdict(old, ME)[0].mark is Mark.NO


@pytest.mark.parametrize(
    ("account", "why", "mark", "said"),
    [
        (None, "You are not logged in", Mark.NO, "not logged in"),
        (replace(ME, can_pay=False), "", Mark.NO, "cannot pay"),
        (replace(ME, can_pay=None), "", Mark.TIGHT, "unknown"),
        (replace(ME, token_role="read"), "", Mark.NO, "read-only"),
        (replace(ME, token_role="read", token_variable="HF_TOKEN"), "", Mark.NO, "then set HF_TOKEN to it"),
        (replace(ME, token_role="fineGrained"), "", Mark.HERE, "ada"),
    ],
)
def test_what_the_account_allows(account: Account | None, why: str, mark: Mark, said: str) -> None:
    """Not logged in, no credit, a token that only reads: each is said, with its fix."""
    last = verdict(LAPTOP, account, why)[-1]
    assert last.mark is mark and said in last.text
