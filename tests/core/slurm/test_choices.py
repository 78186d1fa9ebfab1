"""What a cluster offers for a setting."""

from __future__ import annotations

from smoltui.core.slurm.answers import partitions_of
from smoltui.core.slurm.choices import associated, offered

PARTITIONS = partitions_of(
    "gpu*|up|1-00:00:00|1:00:00|3|idle|64|500000|gpu:a100:4|a100,nvlink\n"
    "gpu*|up|1-00:00:00|1:00:00|1|alloc|64|500000|gpu:h100:8|h100\n"
    "cpu|down|infinite|n/a|9|down*|32|100000|(null)|(null)\n"
)


def test_what_sinfo_knows() -> None:
    """Partitions in words; GPU types and features of the partition that is set."""
    assert offered("partition", PARTITIONS, "") == [
        ("gpu", "default · 3 of 4 nodes idle · 8 GPUs a node (a100, h100) · at most 1 d 0 h"),
        ("cpu", "down · 0 of 9 nodes idle · no GPUs · no time limit"),
    ]
    assert [one.value for one in offered("gpu_type", PARTITIONS, "")] == ["a100", "h100"]
    assert offered("constraint", PARTITIONS, "gpu")[1] == ("nvlink", "in gpu")
    assert offered("gpu_type", PARTITIONS, "cpu") == []


def test_what_the_accounting_knows() -> None:
    """Accounts, and the QOS of each; those that only another partition has are left out."""
    text = "physics||normal,long\nbio|cpu|short\nbanner\n"
    assert associated("account", text, "") == [("physics", ""), ("bio", "only in cpu")]
    assert associated("account", text, "gpu") == [("physics", "")]
    assert associated("qos", text, "") == [
        ("normal", "with account physics"), ("long", "with account physics"), ("short", "with account bio"),
    ]  # fmt: skip
