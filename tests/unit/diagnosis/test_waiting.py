"""The meaning of Slurm's reasons: each family, and those outside (from squeue(1) and job_state_reason.c)."""

from __future__ import annotations

import pytest

from slurmtf.diagnosis.waiting import Wait, explain_reason, format_hint

FAMILIES = {
    Wait.NEVER: (
        "PartitionTimeLimit", "PartitionNodeLimit", "PartitionConfig", "BadConstraints", "Constraints",
        "DependencyNeverSatisfied", "ReservationDeleted", "ReservationInvalid", "QOSMaxWallDurationPerJobLimit",
        "AssocMaxWallDurationPerJobLimit", "QOSMaxCpuPerJobLimit", "AssocMaxGRESPerJob", "QOSMinGRES", "QOSMinMemory",
        "MaxMemPerLimit", "AccountNotAllowed", "QOSNotAllowed", "InvalidAccount", "InvalidQOS", "DeadLine", "TimeLimit",
        "InactiveLimit", "NonZeroExitCode", "RaisedSignal", "OutOfMemory",
    ),
    Wait.ON_MINE: (
        "Dependency", "QOSMaxCpuPerUserLimit", "QOSMaxJobsPerUserLimit", "QOSMaxGRESPerUser",
        "AssocMaxJobsLimit", "AssocMaxSubmitJobLimit", "JobArrayTaskLimit",
    ),
    Wait.ON_OTHERS: (
        "Resources", "Priority", "None", "AssocGrpCpuLimit", "AssocGrpGRES", "AssocGrpCPUMinutesLimit", "AssocGrpNodeLimit",
        "QOSGrpCpuLimit", "QOSGrpGRES", "QOSGrpMemoryMinutes", "AssociationJobLimit", "QOSJobLimit", "QOSResourceLimit",
        "QOSTimeLimit", "QOSUsageThreshold", "AccountingPolicy", "Licenses", "NvidiaImexChannels", "MaxPoweredUpNodes",
        "MpiPortsBusy",
        "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions",
        "QOSMaxNodePerAccount", "MaxCpuPerAccount", "MaxGRESPerAccount",
    ),
    Wait.AT_A_TIME: (
        "BeginTime", "Cleaning", "Reservation", "SchedDefer", "SystemFailure", "JobLaunchFailure", "Prolog",
        "BurstBufferResources", "ReqNodeNotAvail, May be reserved for other job, MAINT",
    ),
    Wait.ON_SOMEBODY: (
        "PartitionDown", "PartitionInactive", "ReqNodeNotAvail, UnavailableNodes:n3", "NodeDown", "JobHeldUser", "JobHeldAdmin",
        "JobHoldMaxRequeue", "launch failed requeued held", "FedJobLock", "job requeued in held state",
    ),
    Wait.UNKNOWN: ("", "SomethingOf2031"),
}  # fmt: skip


@pytest.mark.parametrize(("reason", "wait"), [(reason, wait) for wait, reasons in FAMILIES.items() for reason in reasons])
def test_reasons_tell_whether_a_job_will_start(reason: str, wait: Wait) -> None:
    assert explain_reason(reason, "33").wait is wait


def test_a_limit_is_spelled_out() -> None:
    assert explain_reason("QOSMaxCpuPerUserLimit", "33").meaning.endswith(": QOS max cpu per user limit")


def test_a_held_job_can_be_released() -> None:
    assert explain_reason("JobHeldUser", "33_4").hint == "release it: scontrol release 33_4"
    assert format_hint("JobHeldUser", "33_4").endswith(": release it: scontrol release 33_4")


@pytest.mark.parametrize("reason", ["", "Priority", "Resources", "Licenses"])
def test_a_job_that_only_waits_has_no_hint(reason: str) -> None:
    assert format_hint(reason, "33") == ""


def test_a_job_that_never_starts_has_a_hint() -> None:
    assert "cancel" in format_hint("PartitionTimeLimit", "33")


@pytest.mark.parametrize("reason", ["job requeued in held state", "launch failed requeued held", "JobHoldMaxRequeue"])
def test_a_job_held_after_a_requeue_may_be_released_by_its_user(reason: str) -> None:
    assert "scontrol release 33" in format_hint(reason, "33")
    assert "release 33" not in format_hint("JobHeldAdmin", "33")


def test_unavailable_nodes_are_named() -> None:
    assert "node[3-4]" in explain_reason("ReqNodeNotAvail, UnavailableNodes:node[3-4]", "33").meaning
    assert "node" in explain_reason("ReqNodeNotAvail, UnavailableNodes:", "33").meaning
