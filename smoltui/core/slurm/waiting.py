"""Why a job of Slurm waits, in words (squeue(1), JOB REASON CODES). Unknown reasons are shown as Slurm writes them."""

from __future__ import annotations

import time
from collections.abc import Mapping

from smoltui.core.slurm.answers import Row

NEVER = "never starts"
"""How the words begin for a job that will wait forever as it is."""

REASONS: Mapping[str, str] = {
    "": "waiting: Slurm has not looked at the job yet",
    "Priority": "waiting: jobs with a higher priority come first",
    "Resources": "waiting for free nodes",
    "BeginTime": "waiting for its begin time",
    "Dependency": "waiting for another job to end",
    "DependencyNeverSatisfied": f"{NEVER}: the job that it depends on failed",
    "JobHeldUser": "held by you: scontrol release {job}",
    "JobHeldAdmin": "held by the administrators of the cluster; ask them why",
    "JobHoldMaxRequeue": "held: Slurm requeued the job too often",
    "job requeued in held state": "requeued and held by someone else: scontrol release {job}",
    "launch failed requeued held": "held: the job could not be launched; try again: scontrol release {job}",
    "PartitionTimeLimit": f"{NEVER}: slurm.time is longer than the partition allows",
    "PartitionNodeLimit": f"{NEVER}: slurm.nodes is more than the partition allows",
    "PartitionConfig": f"{NEVER}: the partition cannot give what the job asks for (nodes, time, account)",
    "PartitionDown": "waiting: the partition is down",
    "PartitionInactive": "waiting: the partition is inactive",
    "BadConstraints": f"{NEVER}: no node has all that the job asks for",
    "AccountNotAllowed": f"{NEVER}: the account may not use this partition",
    "InvalidAccount": f"{NEVER}: the account is not valid",
    "QOSNotAllowed": f"{NEVER}: the account or partition may not use this QOS",
    "InvalidQOS": f"{NEVER}: the QOS is not valid",
    "ReqNodeNotAvail": "waiting: a node that the job needs is down, or reserved for maintenance",
    "Reservation": "waiting for a reservation to begin",
    "ReservationDeleted": f"{NEVER}: its reservation was deleted",
    "Licenses": "waiting for a license",
    "NodeDown": "waiting: a node of the job is down",
    "Cleaning": "waiting: the job is being requeued and its earlier part is still ending",
    "QOSMaxJobsPerUserLimit": "waiting: you run as many jobs as the QOS allows",
    "QOSMaxSubmitJobPerUserLimit": "waiting: you have submitted as many jobs as the QOS allows",
    "QOSMaxGRESPerUser": "waiting: you use as many GPUs as the QOS allows",
    "QOSMaxCpuPerUserLimit": "waiting: you use as many cores as the QOS allows",
    "QOSMaxMemoryPerUser": "waiting: you use as much memory as the QOS allows",
    "QOSMaxNodePerUserLimit": "waiting: you use as many nodes as the QOS allows",
    "QOSMaxWallDurationPerJobLimit": f"{NEVER}: slurm.time is longer than the QOS allows",
    "QOSMaxGRESPerJob": f"{NEVER}: one job may not have that many GPUs with this QOS",
    "AssocMaxJobsLimit": "waiting: you run as many jobs as your account allows",
    "AssocMaxWallDurationPerJobLimit": f"{NEVER}: slurm.time is longer than the account allows",
    "AssocGrpGRES": "waiting: your account uses as many GPUs as it may",
    "AssocGrpCpuLimit": "waiting: your account uses as many cores as it may",
    "AssocGrpCPUMinutesLimit": "waiting: your account has no core hours left",
    "AssocGrpGRESMinutes": "waiting: your account has no GPU hours left",
    "AssocGrpBillingMinutes": "waiting: your account has no compute budget left",
}
"""Reason → words."""


def waits_in_words(row: Row, now: float, *, requeued: bool = False) -> str:
    """Why a job waits, and when it is expected to start. `requeued`: it was started before."""
    known, _, more = row.reason.partition(",")
    # Reasons of several words have blanks or underscores, depending on the version.
    words = REASONS.get(row.reason) or REASONS.get(known.strip("()")) or REASONS.get(row.reason.replace("_", " "))
    if requeued and known == "BeginTime":
        words = "waiting: Slurm delays a requeued job by two minutes"
    if words is None:
        words = f"waiting: {row.reason}"
    elif more.strip():
        words = f"{words} ({more.strip()})"
    words = words.replace("{job}", row.job)
    if row.start is not None and row.start > now and not words.startswith((NEVER, "held", "requeued and held")):
        same_day = time.localtime(row.start)[:3] == time.localtime(now)[:3]
        words += time.strftime("; start expected at %H:%M" if same_day else "; start expected on %b %d, %H:%M",
                               time.localtime(row.start))  # fmt: skip
    return words
