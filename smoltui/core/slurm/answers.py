"""What Slurm's commands print, in values.

They are asked for text in a format of ours, which is the same from version 22.05 to 24.11; the JSON of these versions
is not. Free text comes last, as it may have the separator in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from smoltui.core.runs.time_limits import limit_seconds, moment

SQUEUE_FORMAT = "%i|%T|%r|%V|%S|%l|%P|%N|%k"
"""Id, state, reason, when submitted, (expected) start, limit, partition, nodes, comment (squeue(1), --format)."""
SINFO_FORMAT = "%P|%a|%l|%L|%D|%t|%c|%m|%G|%f"
"""Partition, up or down, longest and default time, nodes, state, cores, MB, generic resources, features."""
COMMENT = "smoltui-run="
"""How the comment of a job of ours begins; the run's label follows."""
_ID = re.compile(r"(\d{1,12})(?:;\S*)?")
_GPUS = re.compile(r"\bgpu:(?:([A-Za-z_][\w.-]*):)?(\d{1,4})")


_CLUSTER = re.compile(r"^ClusterName\s*=\s*(\S+)", re.MULTILINE)


def cluster_of(text: str) -> str:
    """Name of the cluster in the output of `scontrol show config`; empty if it isn't there."""
    found = _CLUSTER.search(text)
    return found.group(1) if found else ""


@dataclass(frozen=True, slots=True)
class Row:
    """A job as squeue, scontrol or sacct shows it. Times are seconds since the epoch; None if unknown."""

    job: str
    state: str
    """Its long name, such as PENDING; the first word only."""
    reason: str = ""
    submitted_at: float | None = None
    start: float | None = None
    """When it started, or is expected to start."""
    limit: int | None = None
    """Seconds; None without a limit."""
    partition: str = ""
    nodes: str = ""
    comment: str = ""
    exit_code: int | None = None
    signal: int | None = None
    """Number of the signal that ended it, or one of Slurm's own codes, such as 53; 0 or None: none."""


def rows_of(text: str) -> list[Row]:
    """The jobs in the output of squeue with `SQUEUE_FORMAT`; other lines (a banner) are ignored."""
    found = []
    for line in text.splitlines():
        parts = line.strip().split("|", 8)
        if len(parts) == 9 and parts[0][:1].isdecimal():
            job, state, reason, submitted, start, limit, partition, nodes, comment = parts
            found.append(
                Row(
                    job=job,
                    state=first_word(state),
                    reason=reason if reason != "None" else "",
                    submitted_at=moment(submitted),
                    start=moment(start),
                    limit=limit_seconds(limit),
                    partition=partition,
                    nodes=nodes,
                    comment=comment,
                )
            )
    return found


def first_word(state: str) -> str:
    """A state without what sacct adds: `CANCELLED by 1000` → CANCELLED, `COMPLETED+` → COMPLETED."""
    word = state.strip().split(" ", 1)[0].rstrip("+")
    return word.upper()


def job_of(text: str) -> Row | None:
    """The job in the output of `scontrol show job ID --oneliner`; None if there is none."""
    values = dict(re.findall(r"(?:^|\s)([A-Z][A-Za-z]*)=(\S*)", text))
    if not values.get("JobId") or not values.get("JobState"):
        return None
    code, number = _exit(values.get("ExitCode", ""))
    comment = re.search(r"\sComment=(\S*)", text)
    return Row(
        job=values["JobId"],
        state=first_word(values["JobState"]),
        reason=values.get("Reason", "") if values.get("Reason") != "None" else "",
        submitted_at=moment(values.get("SubmitTime", "")),
        start=moment(values.get("StartTime", "")),
        limit=limit_seconds(values.get("TimeLimit", "")),
        partition=values.get("Partition", ""),
        nodes=values.get("NodeList", ""),
        comment=comment[1] if comment else "",
        exit_code=code,
        signal=number,
    )


def accounted(text: str, job: str) -> Row | None:
    """The newest record of a job in the output of `sacct -X -n -P -o JobID,State,ExitCode,Submit,Start`."""
    found = None
    for line in text.splitlines():
        parts = line.strip().split("|")
        if len(parts) == 5 and parts[0] == job:
            code, number = _exit(parts[2])
            found = Row(
                job, first_word(parts[1]), "", moment(parts[3]), moment(parts[4]), exit_code=code, signal=number
            )
    return found


def _exit(text: str) -> tuple[int | None, int | None]:
    """Exit code and signal in `7:0`."""
    code, _, number = text.partition(":")
    if not (code.isdecimal() and number.isdecimal()):
        return None, None
    return int(code), int(number)


def submitted_id(text: str) -> str | None:
    """The id in the output of `sbatch --parsable`, `ID` or `ID;CLUSTER`; None without one.

    Some sites print a banner before it.
    """
    found = [match[1] for line in text.splitlines() if (match := _ID.fullmatch(line.strip()))]
    return found[-1] if found else None


def last_line(text: str) -> str:
    """The last line of what a command said, without the name of the command; empty without one.

    Advice to read the help is skipped: the line before it says what is wrong.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip() and "--help" not in line]
    return re.sub(r"^\w+:\s*(?:error|fatal)?:?\s*", "", lines[-1]) if lines else ""


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition, as sinfo shows it; several lines of it are one."""

    name: str
    is_default: bool = False
    up: bool = True
    limit: int | None = None
    """Longest time limit, seconds; None: unlimited."""
    default_limit: int | None = None
    """Limit of a job that sets none, seconds; None: the longest."""
    nodes: int = 0
    usable: int = 0
    """Nodes that are neither down nor drained."""
    idle: int = 0
    cores: int = 0
    """Cores of its largest node."""
    memory: int = 0
    """Bytes of its largest node."""
    gpus: int = 0
    """GPUs of the node with most."""
    gpu_types: tuple[str, ...] = ()
    features: tuple[str, ...] = ()


BROKEN = ("down", "drain", "drng", "fail", "unk", "boot", "pow", "inval", "futr", "plnd")
"""How the short states of nodes begin that take no job now (sinfo(1), NODE STATE CODES)."""


def partitions_of(text: str) -> list[Partition]:
    """The partitions in the output of sinfo with `SINFO_FORMAT`, in Slurm's order."""
    known: dict[str, Partition] = {}
    for line in text.splitlines():
        parts = line.strip().split("|", 9)
        if len(parts) != 10 or not parts[4].isdecimal():
            continue
        name, up, limit, default, count, state, cores, memory, gres, features = parts
        plain = name.rstrip("*")
        found = known.get(plain, Partition(plain))
        number = int(count)
        gpus = [(kind, int(amount)) for kind, amount in _GPUS.findall(gres)]
        known[plain] = Partition(
            name=plain,
            is_default=name.endswith("*"),
            up=up == "up",
            limit=limit_seconds(limit),
            default_limit=limit_seconds(default),
            nodes=found.nodes + number,
            usable=found.usable + (0 if state.startswith(BROKEN) else number),
            idle=found.idle + (number if state.startswith("idle") else 0),
            cores=max(found.cores, _whole(cores)),
            memory=max(found.memory, _whole(memory) << 20),
            gpus=max(found.gpus, sum(amount for _, amount in gpus)),
            gpu_types=_merged(found.gpu_types, (kind for kind, _ in gpus if kind)),
            features=_merged(found.features, (one for one in features.split(",") if one and one != "(null)")),
        )
    return list(known.values())


def _whole(text: str) -> int:
    digits = re.match(r"\d{1,15}", text)
    return int(digits[0]) if digits else 0


def _merged(known: tuple[str, ...], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*known, *more)))
