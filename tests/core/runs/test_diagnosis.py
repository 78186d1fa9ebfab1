"""Why a run failed, in one sentence with what to do, from the words of its service and its log."""

from __future__ import annotations

import pytest

from smoltui.core.guide.ends import Cause, cause_of
from smoltui.core.runs import events
from smoltui.core.runs.diagnosis import Circumstances, Kind, diagnose
from smoltui.core.runs.next_words import from_checkpoint, key_in, longer_in, run_again
from smoltui.core.runs.symptoms import Symptoms
from smoltui.safe_text import redact

EXIT_1 = "Job failed with exit code: 1. Reason: Error"
OOM_KILLED = "Job failed with exit code: 137. Reason: OOMKilled"
MARKER = "===== Job started at 2026-05-12 14:57:43 ====="
TRACEBACK = ["Traceback (most recent call last):", '  File "/data/train.py", line 12, in <module>', "    main()"]


def symptoms_of(*lines: str) -> Symptoms:
    found, reader = Symptoms(), events.Reader()
    for line in lines:
        for event in reader.feed(line):
            found.take(event)
    return found


@pytest.mark.parametrize(
    ("said", "lines", "kind", "cause"),
    [
        (
            EXIT_1,
            [
                "Reading inline script metadata from `/data/dpo.py`",
                "  × No solution found when resolving script dependencies:",
                "  ╰─▶ Because there is no version of trl==9.9.9 and you require trl==9.9.9,",
                "      we can conclude that your requirements are unsatisfiable.",
            ],
            Kind.PACKAGES,
            "The packages could not be resolved: Because there is no version of trl==9.9.9 and you require trl==9.9.9, "
            "we can conclude that your requirements are unsatisfiable",
        ),
        (EXIT_1, ["ERROR: Could not find a version that satisfies the requirement trl==9"], Kind.PACKAGES, "trl==9"),
        (EXIT_1, [*TRACEBACK, "ModuleNotFoundError: No module named 'wandb'"], Kind.PACKAGES, "missing: wandb"),
        (
            "Job failed with exit code: 2. Reason: Error",
            ["error: Failed to fetch: `https://pypi.org/simple/trl/`", "  Caused by: dns error"],
            Kind.NETWORK,
            "A server could not be reached: error: Failed to fetch: `https://pypi.org/simple/trl/`",
        ),
        (
            "Job failed with exit code: 139. Reason: Error",
            ["loading"],
            Kind.EXIT,
            "Crashed (SIGSEGV, exit code 139); last line: loading",
        ),
        (
            EXIT_1,
            [*TRACEBACK, "ValueError: chat template is missing", "bye"],
            Kind.EXCEPTION,
            "chat template is missing",
        ),
        (
            OOM_KILLED,
            ["step 1", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."],
            Kind.GPU_MEMORY,
            "The GPU ran out of memory (CUDA out of memory): 2.00 GiB more did not fit",
        ),
        (OOM_KILLED, ["Loading weights: 40%"], Kind.MAIN_MEMORY, "main memory ran out"),
        (
            "Job timeout",
            ["{'loss': '0.5', 'epoch': '0.5'}"],
            Kind.TIMEOUT,
            "after 3 h 00 min at epoch 0.5",
        ),
        (
            "Job timeout",
            ['{"event": "progress", "v": 1, "at": 1, "step": 640, "max_steps": 1000}'],
            Kind.TIMEOUT,
            "Timed out after 3 h 00 min at step 640 of 1000",
        ),
        ("ImagePullBackOff: pull access denied for me/none", [], Kind.IMAGE, "could not be pulled"),
        ("Pod was preempted by the node's scheduler", [], Kind.PREEMPTED, "took the machine away"),
        ("The node was low on resource: ephemeral-storage. Evicted", ["x"], Kind.DISK, "disk is full"),
        (EXIT_1, [*TRACEBACK, "OSError: [Errno 28] No space left on device"], Kind.DISK, "no space left"),
        (
            EXIT_1,
            ["RuntimeError: The NVIDIA driver on your system is too old (found version 11040)."],
            Kind.DRIVER,
            "11040",
        ),
        (
            EXIT_1,
            [*TRACEBACK, "huggingface_hub.errors.HfHubHTTPError: 403 Forbidden: rights to create a model under acme"],
            Kind.PUSH,
            "The Hub refused the push",
        ),
        (EXIT_1, ["403 Forbidden: You don't have the rights to create a model."], Kind.PUSH, "refused the push: 403"),
        (EXIT_1, ["ValueError: no rows", "handled", "next"], Kind.EXIT, "last line: next"),
        (EXIT_1, ["ValueError: the loss is nan"], Kind.NAN, "became NaN"),
        (EXIT_1, ["ValueError: no rows."], Kind.EXCEPTION, "ValueError: no rows"),
        (EXIT_1, [*TRACEBACK, "huggingface_hub.errors.GatedRepoError: 401 Client Error."], Kind.ACCESS, "gated"),
        (EXIT_1, [*TRACEBACK, "RuntimeError: probability tensor contains either inf, nan"], Kind.NAN, "became NaN"),
        (
            "Job failed with exit code: 3",
            ["all is well", "  indented"],
            Kind.EXIT,
            "code 3; last line: all",
        ),
        ("Weird", [], Kind.EXIT, "Weird"),
        ("", [], Kind.EXIT, "does not say why"),
        (
            EXIT_1,
            ['{"event": "failed", "v": 1, "at": 1, "cause": "CUDA out of memory", "hint": "smaller batch"}'],
            Kind.GPU_MEMORY,
            "CUDA out of memory",
        ),
    ],
)
def test_each_end_has_a_sentence_and_a_next_step(said: str, lines: list[str], kind: Kind, cause: str) -> None:
    found = diagnose(symptoms_of(*lines), Circumstances("6a77", said, 10_800, 10_800))
    assert (found.kind, cause in found.cause) == (kind, True), found.cause
    assert found.hint and "\n" not in found.cause and len(found.cause) < 500
    assert redact(found.cause) == found.cause, "our own words must not look like the name of a secret"


def test_the_first_error_counts_and_only_of_the_last_attempt() -> None:
    """A second traceback is a consequence, and another start of the container begins afresh."""
    first, second = [*TRACEBACK, "ValueError: first"], [*TRACEBACK, "RuntimeError: second"]
    assert symptoms_of(*first, "", "During handling of the above exception…", *second).error == "ValueError: first"
    assert symptoms_of(*first, MARKER, *second).error == "RuntimeError: second"
    assert symptoms_of(
        "[rank1]: Traceback (most recent call last):", "[rank1]:   File x", "[rank1]: KeyError: 'p'"
    ).error


def test_a_timeout_names_a_timeout_that_would_do() -> None:
    """640 of 1 000 steps took 3 h: all take 4 h 41 min, and a fifth more for safety is 6 h."""
    log = symptoms_of('{"event": "progress", "v": 1, "at": 1, "step": 640, "max_steps": 1000}')
    hint = diagnose(log, Circumstances("6a77", "Job timeout", 10_800, 10_800)).hint
    assert "smoltui rerun 6a77 --timeout 6h" in hint
    assert (key_in(hint), key_in(from_checkpoint(hint)), key_in(run_again("6a77")), key_in("R")) == (
        "R",
        "x",
        "R",
        None,
    )
    assert (longer_in(hint), longer_in(from_checkpoint(hint)), longer_in(run_again("6a77"))) == (21_600, 21_600, None)


@pytest.mark.parametrize(
    ("said", "lines", "cause"),
    [
        (OOM_KILLED, [], Cause.MAIN_MEMORY),
        ("Preempted", [], Cause.TAKEN),
        ("Job timeout", [], Cause.TIMEOUT),
        (EXIT_1, ["OSError: No space left on device"], Cause.DISK),
        (EXIT_1, [*TRACEBACK, "ModuleNotFoundError: No module named 'x'"], Cause.PACKAGES),
    ],
)
def test_the_table_of_next_steps_knows_the_sentences(said: str, lines: list[str], cause: Cause) -> None:
    assert cause_of(diagnose(symptoms_of(*lines), Circumstances("r", said)).cause) is cause
