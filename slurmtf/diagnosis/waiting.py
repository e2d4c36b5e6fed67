"""Explain Slurm's reasons for a waiting job (squeue(1), JOB REASON CODES; src/common/job_state_reason.c)."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple


class Wait(str, Enum):
    """When a waiting job will start."""

    NEVER = "never"
    """Never, unless it is changed."""
    ON_MINE = "when mine end"
    ON_OTHERS = "when others end"
    AT_A_TIME = "at a time"
    ON_SOMEBODY = "when somebody acts"
    UNKNOWN = "unknown"


class Reason(NamedTuple):
    """A family of reasons. ``hint`` says what to do; empty if there is nothing to do but wait."""

    pattern: str
    wait: Wait
    meaning: str
    hint: str = ""


NEVER = "cancel it, and "
REASONS: tuple[Reason, ...] = (
    Reason(r"PartitionTimeLimit", Wait.NEVER, "it requests more time than the partition allows",
           NEVER + "ask for a time within the partition's limit ('sinfo -o \"%P %l\"')"),
    Reason(r"PartitionNodeLimit", Wait.NEVER, "it requests more nodes than the partition allows a job",
           NEVER + "ask for no more ('sinfo -o \"%P %D\"')"),
    Reason(r"ReqNodeNotAvail.*MAINT", Wait.AT_A_TIME, "nodes that it needs are under maintenance",
           "a shorter time limit may fit before it"),
    Reason(r"Partition(?:Down|Inactive)", Wait.ON_SOMEBODY, "the partition starts no jobs at present",
           "wait until it is up again, or submit it to another one ('sinfo -s')"),
    Reason(r"PartitionConfig", Wait.NEVER,
           "the partition does not allow what it requests: time, nodes, account, node sizes",
           NEVER + "ask for what it allows ('scontrol show partition', 'sinfo -N -l')"),
    Reason(r"BadConstraints|Constraints", Wait.NEVER, "no node of the partition has what it requests",
           NEVER + "ask for what its nodes have ('sinfo -N -l')"),
    Reason(r"ReqNodeNotAvail|UnavailableNodes|NodeDown", Wait.ON_SOMEBODY,
           "a node that it needs is down or reserved, often for maintenance{nodes}",
           "a shorter time limit may fit before the maintenance ('scontrol show reservation'); do not request nodes "
           "that are down ('sinfo -R')"),
    Reason(r"DependencyNeverSatisfied", Wait.NEVER, "the job that it waits for did not end as the dependency requires",
           NEVER + "submit it without the dependency"),
    Reason(r"Dependency", Wait.ON_MINE,
           "it waits for another job: of a run that it follows, of the build of its environment, or of --dependency"),
    Reason(r"Reservation(?:Deleted|Invalid)", Wait.NEVER, "its reservation is gone",
           NEVER + "submit it without the reservation"),
    Reason(r"^Reservation", Wait.AT_A_TIME, "it waits for its reservation to begin"),
    Reason(r"PerJob|MaxWall|^QOSMin|MaxMemPerLimit",
           Wait.NEVER, "a job may not request that much: {limit}", NEVER + "ask for less, or use another QOS or account"),
    Reason(r"(?:QOS)?Max\w*PerAccount", Wait.ON_OTHERS, "your account has reached its limit: {limit}",
           "it starts when other jobs of the account end"),
    Reason(r"(?:Assoc|QOS)?Max\w*PerUser|(?:Assoc|QOS)Max|JobArrayTaskLimit", Wait.ON_MINE,
           "you have reached your limit: {limit}", "it starts when other jobs of yours end"),
    Reason(r"AssocGrp", Wait.ON_OTHERS, "a limit of your account is reached: {limit}",
           "it starts when other jobs of the account end; a limit on minutes is restored only as time passes"),
    Reason(r"QOSGrp", Wait.ON_OTHERS, "a limit of the QOS is reached: {limit}", "it starts when other jobs under it end"),
    Reason(r"Assoc\w*Limit|QOS\w*Limit|QOSUsageThreshold|AccountingPolicy", Wait.ON_OTHERS,
           "a limit of your account or QOS is reached: {limit}", "it starts when other jobs under it end"),
    Reason(r"AccountNotAllowed|QOSNotAllowed|Invalid(?:Account|QOS)", Wait.NEVER,
           "the account or QOS is not for this partition",
           NEVER + "use an account and a QOS of yours"),
    Reason(r"JobHeldUser", Wait.ON_SOMEBODY, "you hold it", "release it: scontrol release {job}"),
    Reason(r"requeued (?:in )?held|JobHoldMaxRequeue|launch failure limit", Wait.ON_SOMEBODY,
           "it was put back into the queue, and is held since: its node could not start it, or somebody requested that",
           "release it: scontrol release {job}; if it comes back, ask your admins"),
    Reason(r"JobHeldAdmin|FedJobLock", Wait.ON_SOMEBODY, "an administrator holds it, or Slurm",
           "ask your admins: you can't release it"),
    Reason(r"DOWN, DRAINED or reserved", Wait.ON_OTHERS,
           "too few of the nodes that it may use are up and free: the others are busy, down, or kept for a partition of higher "
           "priority", "wait, or ask for fewer nodes or another partition ('sinfo -R' tells which are down, and why)"),
    Reason(r"DeadLine|TimeLimit|InactiveLimit|NonZeroExitCode|RaisedSignal|OutOfMemory", Wait.NEVER, "it can't run any more",
           NEVER + "submit it again"),
    Reason(r"BeginTime", Wait.AT_A_TIME, "its start time has not come yet: that of --begin, or some minutes after a requeue"),
    Reason(r"Cleaning|SchedDefer|SystemFailure|JobLaunchFailure|Prolog|BurstBuffer", Wait.AT_A_TIME,
           "Slurm is cleaning up after its last start, or after a system fault"),
    Reason(r"Licenses", Wait.ON_OTHERS, "all licenses that it requests are in use"),
    Reason(r"Priority", Wait.ON_OTHERS, "jobs of higher priority are ahead of it"),
    Reason(r"Resources|Nvidia|MaxPoweredUpNodes|MpiPortsBusy|None", Wait.ON_OTHERS,
           "it is next in line, and what it requests is in use"),
)  # fmt: skip


UNAVAILABLE = re.compile(r"UnavailableNodes:([^\s,]\S*)")


class Waiting(NamedTuple):
    """Why a job waits."""

    wait: Wait
    meaning: str
    hint: str


def explain_reason(reason: str, job: str) -> Waiting:
    """Return what Slurm's reason means for the job with the id ``job``."""
    found = next((one for one in REASONS if re.search(one.pattern, reason)), None)
    if found is None:
        return Waiting(Wait.UNKNOWN, f"Slurm's reason is {reason}" if reason else "Slurm has not said why yet", "")
    limit = _to_words(re.split(r"[\s,(]", reason)[0])
    nodes = UNAVAILABLE.search(reason)
    meaning = found.meaning.format(limit=limit, nodes=f": {nodes[1]}" if nodes else "")
    return Waiting(found.wait, meaning, found.hint.format(job=job))


def format_hint(reason: str, job: str) -> str:
    """Return what a reason means and what to do about it; empty if there is nothing to do but wait (Priority, Resources)."""
    waiting = explain_reason(reason, job)
    return f"{waiting.meaning}: {waiting.hint}" if waiting.hint else ""


def _to_words(reason: str) -> str:
    """Return a reason's name as words: QOSMaxCpuPerUserLimit is 'QOS max cpu per user limit'."""
    parts = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+", reason)
    return " ".join(part if part.isupper() else part.lower() for part in parts)
