"""What squeue, sinfo, sacct and sbatch print becomes values; banners and odd names change nothing."""

from __future__ import annotations

import pytest

from smoltui.core.slurm.answers import (
    accounted,
    first_word,
    job_of,
    last_line,
    partitions_of,
    rows_of,
    submitted_id,
)


def test_the_rows_of_squeue() -> None:
    """Free text comes last, so a comment may have the separator; other lines are a banner."""
    text = (
        "Welcome! | Please | be | nice | to | the | queue | 1 | 2\n"
        "12|PENDING|ReqNodeNotAvail, UnavailableNodes:n2|1795943475|N/A|1:00:00|main||smoltui-run=a|b\n"
        "13|RUNNING|None|2026-11-29T10:00:00|1795943475|UNLIMITED|low|n[1-2]|(null)\n"
    )
    waits, runs = rows_of(text)
    assert (waits.job, waits.reason, waits.submitted_at) == ("12", "ReqNodeNotAvail, UnavailableNodes:n2", 1795943475.0)
    assert (waits.start, waits.limit, waits.comment) == (None, 3600, "smoltui-run=a|b")
    assert (runs.reason, runs.limit, runs.start, runs.nodes) == ("", None, 1795943475.0, "n[1-2]")
    assert runs.submitted_at is not None


def test_the_words_of_sacct_and_scontrol() -> None:
    assert first_word("CANCELLED by 1000") == "CANCELLED" and first_word("COMPLETED+") == "COMPLETED"
    text = "7|FAILED|1:0|1795943475|1795943480\n7|TIMEOUT|0:9|1795943575|1795943580\n8|COMPLETED|0:0|1|1\n"
    found = accounted(text, "7")
    assert found is not None and (found.state, found.exit_code, found.signal) == ("TIMEOUT", 0, 9)
    assert accounted("", "7") is None
    job = job_of(
        "JobId=9 JobName=a b UserId=me(1) JobState=FAILED Reason=NonZeroExitCode ExitCode=7:0 "
        "TimeLimit=00:10:00 SubmitTime=1795943475 Partition=main NodeList=n1 Comment=smoltui-run=abc "
    )
    assert job is not None
    assert (job.state, job.exit_code, job.signal, job.comment) == ("FAILED", 7, 0, "smoltui-run=abc")
    assert job_of("slurm_load_jobs error: Invalid job id specified") is None


@pytest.mark.parametrize(
    ("text", "job"),
    [
        ("4711\n", "4711"),
        ("4711;cluster\n", "4711"),
        ("Welcome to 2 clusters\n99 jobs wait\n4711\n", "4711"),
        ("sbatch: warning\n", None),
        ("", None),
    ],
)
def test_the_id_that_sbatch_prints(text: str, job: str | None) -> None:
    assert submitted_id(text) == job


def test_the_last_line() -> None:
    said = "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Invalid qos\n"
    assert last_line("sbatch: unrecognized option '-x'\nTry \"sbatch --help\" for more information\n") == (
        "unrecognized option '-x'"
    )
    assert last_line(said) == "Batch job submission failed: Invalid qos" and last_line("\n") == ""


def test_the_partitions_of_sinfo() -> None:
    """Several lines of one partition are one; nodes that are down or drained give nothing."""
    gpu, low = partitions_of(
        "gpu*|up|1-00:00:00|1:00:00|3|idle|64|512000+|gpu:a100:4(S:0-1)|amd,nvlink\n"
        "gpu*|up|1-00:00:00|1:00:00|2|down*|32|256000|gpu:h100:8|(null)\n"
        "low|down|infinite|n/a|1|mix|8|4000|(null)|(null)\nno line of sinfo\n"
    )
    assert (gpu.is_default, gpu.up, gpu.limit, gpu.default_limit) == (True, True, 86_400, 3600)
    assert (gpu.nodes, gpu.usable, gpu.idle, gpu.cores, gpu.memory) == (5, 3, 3, 64, 512_000 << 20)
    assert (gpu.gpus, gpu.gpu_types, gpu.features) == (8, ("a100", "h100"), ("amd", "nvlink"))
    assert (low.up, low.limit, low.default_limit, low.gpus, low.usable) == (False, None, None, 0, 1)
