"""What a run asks of sbatch."""

from __future__ import annotations

from smoltui.core.settings.slurm_settings import SlurmSettings
from smoltui.core.slurm.submission import gpu_hours, has_launcher, job_name, resources, save_seconds, sbatch_options

GB = 10**9


def test_when_a_run_is_told_to_save() -> None:
    """At least five minutes before the limit, longer for a large checkpoint, and less of a short limit."""
    assert save_seconds(None, None) == 300 and save_seconds(1, 86_400) == 300
    assert save_seconds(37 * GB, 86_400) > 600
    assert save_seconds(None, 600) == 100 and save_seconds(37 * GB, 60) == 10 and save_seconds(None, 1) == 1


def test_the_resources_of_a_run() -> None:
    """One task for each GPU; with sharding, one for each node, as accelerate starts the processes there."""
    ddp = SlurmSettings(nodes=2, gpus=4, cpus=8, gpu_type="a100", mem="64G", time="90m", account="me")
    assert resources(ddp) == [
        "--account=me",
        "--nodes=2",
        "--ntasks-per-node=4",
        "--gres=gpu:a100:4",
        "--cpus-per-task=8",
        "--mem=64G",
        "--time=0-01:30:00",
    ]
    fsdp = SlurmSettings(gpus=4, cpus=8, strategy="fsdp", exclusive=True, extra=("--mail-type=END",))
    assert has_launcher(fsdp) and not has_launcher(ddp) and not has_launcher(SlurmSettings(strategy="fsdp"))
    assert resources(fsdp)[1:] == [
        "--ntasks-per-node=1",
        "--gres=gpu:4",
        "--cpus-per-task=32",
        "--exclusive",
        "--mail-type=END",
    ]
    assert resources(SlurmSettings(gpus=0)) == ["--nodes=1", "--ntasks-per-node=1"]


def test_all_options() -> None:
    """The log of a folder with a percent sign is still in this folder, and the job can be found and requeued."""
    options = sbatch_options(SlurmSettings(), name="a b", label="0123", folder="/50%/x", checkpoint=None)
    assert {"--parsable", "--requeue", "--open-mode=append", "--comment=smoltui-run=0123"} <= set(options)
    assert {"--output=/50%%/x/log", "--chdir=/50%/x", "--signal=TERM@300", "--job-name=a-b"} <= set(options)


def test_a_name_for_squeue() -> None:
    assert job_name("zwölf | Läufe") == "zw-lf-L-ufe" and job_name("|") == "smoltui" and len(job_name("x" * 300)) == 60


def test_gpu_hours() -> None:
    assert gpu_hours(SlurmSettings(nodes=2, gpus=4), 5400) == 12.0
