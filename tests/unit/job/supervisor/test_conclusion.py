"""How a launch ended, according to what is known about it."""

from __future__ import annotations

from typing import Any

import pytest

from slurmtf.job.contract.attempt.job_log import has_run_out_of_memory
from slurmtf.job.contract.attempt.outcome import Cause, End, Outcome
from slurmtf.job.contract.roles import Role
from slurmtf.job.supervisor.completion import Verdict
from slurmtf.job.supervisor.conclusion import (
    Facts,
    Killing,
    apply_notice,
    apply_out_of_memory,
    compute_unheard_since,
    conclude,
    conclude_early,
    infer_killing,
    may_be_killed,
)

ROLES = [Role(0, "chief", 0, 0), Role(1, "worker", 0, 1)]
KILLED = Outcome(Cause.SCRIPT, signal=9)
HOSTS = {0: "n1", 1: "n2"}
FAILED = Verdict(False, 1)
LOST = Verdict(False, 1, Cause.TASK_LOST)
DONE = Verdict(True, None)
MISSING = {"hosts": ["n2"], "failed": []}


def facts(**more: Any) -> Facts:
    known: dict[str, Any] = {
        "roles": ROLES,
        "launcher": "srun",
        "hosts": HOSTS,
        "ends": {},
        "returncode": 0,
        "decided_at": 100.0,
    }
    return Facts(**{**known, **more})


def kill(at: float, cause: Cause = Cause.CANCELED, node: str = "") -> Killing:
    return Killing(15, at, cause, node)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (facts(verdict=DONE), Outcome(Cause.SCRIPT, exit_code=0)),
        (facts(verdict=FAILED, ends={1: End(3)}), Outcome(Cause.SCRIPT, "worker-0", "n2", 3)),
        (facts(verdict=FAILED, ends={1: End(None, 11)}), Outcome(Cause.SCRIPT, "worker-0", "n2", None, 11)),
        # lost before all were connected: it may never have been started
        (facts(verdict=LOST, lost=frozenset({1}), hosts={0: "n1"}),
         Outcome(Cause.LAUNCHER, exit_code=0, detail={"launcher": "srun", "missing": ["worker-0"]})),
        # a kill that comes later changes nothing; one before it or at the same time does
        (facts(verdict=FAILED, ends={1: End(3)}, killing=kill(103.0)), Outcome(Cause.SCRIPT, "worker-0", "n2", 3)),
        (facts(verdict=FAILED, ends={1: End(None, 15)}, killing=kill(101.0)), Outcome(Cause.CANCELED, signal=15)),
        (facts(verdict=DONE, killing=kill(99.0)), Outcome(Cause.CANCELED, signal=15)),
        (facts(killing=kill(99.0, Cause.PREEMPTED)), Outcome(Cause.PREEMPTED, signal=15)),
        (facts(killing=kill(99.0, Cause.NODE_FAILURE, "n2")), Outcome(Cause.NODE_FAILURE, host="n2", signal=15)),
        (facts(verdict=DONE, overtime=True), Outcome(Cause.TIME_LIMIT, signal=15)),
        (facts(overtime=True, killing=kill(101.0)), Outcome(Cause.TIME_LIMIT, signal=15)),  # we end it before Slurm does
        (facts(verdict=LOST, lost=frozenset({1})), Outcome(Cause.TASK_LOST, "worker-0", "n2", 1)),
        (facts(verdict=Verdict(False, None, Cause.CALLED_OFF, {"by": "x"})), Outcome(Cause.CALLED_OFF, detail={"by": "x"})),
        # the launcher was killed and took the task with it
        (
            facts(verdict=LOST, lost=frozenset({1}), returncode=-9),
            Outcome(Cause.LAUNCHER, signal=9, detail={"launcher": "srun", "missing": ["chief-0", "worker-0"]}),
        ),
        (
            facts(verdict=LOST, lost=frozenset({1}), returncode=-9, killed_by_us=True),
            Outcome(Cause.TASK_LOST, "worker-0", "n2", 1),
        ),
        (
            facts(hosts={0: "n1"}, returncode=1),
            Outcome(Cause.LAUNCHER, exit_code=1, detail={"launcher": "srun", "missing": ["worker-0"]}),
        ),
        (
            facts(ends={0: End(0)}),
            Outcome(Cause.LAUNCHER, exit_code=0, detail={"launcher": "srun", "missing": ["worker-0"]}),
        ),
        (facts(verdict=DONE, missing_results=MISSING), Outcome(Cause.RESULTS, exit_code=1, detail=MISSING)),
        (facts(verdict=FAILED, ends={1: End(3)}, missing_results=MISSING), Outcome(Cause.SCRIPT, "worker-0", "n2", 3)),
        (
            facts(verdict=Verdict(False, 1, Cause.STRAGGLER, {"late": ["worker-0"]}), ends={1: End(0)}),
            Outcome(Cause.STRAGGLER, "worker-0", "n2", 1, detail={"late": ["worker-0"]}),
        ),  # how it ended then was our doing
    ],
)  # fmt: skip
def test_facts_lead_to_the_outcome(known: Facts, expected: Outcome) -> None:
    assert conclude(known) == expected


def test_the_host_of_a_single_task_is_left_out() -> None:
    known = facts(roles=ROLES[:1], hosts={0: "n1"}, verdict=Verdict(False, 0), ends={0: End(3)})
    assert conclude(known) == Outcome(Cause.SCRIPT, "chief-0", "", 3)


@pytest.mark.parametrize(
    ("known", "now", "certain"),
    [
        (facts(verdict=DONE), 101.9, False),
        (facts(verdict=DONE), 102.0, True),
        (facts(), 200.0, False),
        (facts(verdict=DONE, killing=kill(101.0)), 200.0, False),
        (facts(verdict=DONE, killing=kill(150.0)), 200.0, True),
        (facts(verdict=DONE, overtime=True), 200.0, False),
        (facts(verdict=DONE, missing_results=MISSING), 200.0, False),  # they may still arrive
        (facts(verdict=DONE, missing_results={"hosts": [], "failed": ["x"]}), 200.0, True),
        (facts(verdict=FAILED, ends={1: End(3)}, missing_results=MISSING), 200.0, True),
        (facts(verdict=LOST, lost=frozenset({1})), 200.0, False),  # Slurm may report that its node failed
    ],
)
def test_early_outcome_needs_certainty(known: Facts, now: float, certain: bool) -> None:
    assert (conclude_early(known, now) is not None) is certain


@pytest.mark.parametrize(("end", "expected"), [(End(0), False), (End(143), False), (End(None, 15), True), (End(None, 9), True), (End(None, 11), False)])  # fmt: skip  # noqa: E501
def test_ends_that_killing_the_job_would_explain(end: End, expected: bool) -> None:
    assert may_be_killed(facts(ends={0: end})) is expected


@pytest.mark.parametrize(
    ("outcome", "noticed", "asks_with", "cause"),
    [
        (Outcome(Cause.SCRIPT, exit_code=0), None, 0, Cause.SCRIPT),
        (Outcome(Cause.SCRIPT, exit_code=0), Cause.TIME_LIMIT, 0, Cause.TIME_LIMIT),
        (Outcome(Cause.SCRIPT, exit_code=0), Cause.PREEMPTED, 0, Cause.PREEMPTED),
        (Outcome(Cause.SCRIPT, exit_code=0), Cause.TIME_LIMIT, 85, Cause.SCRIPT),
        (Outcome(Cause.SCRIPT, exit_code=85), Cause.TIME_LIMIT, 85, Cause.TIME_LIMIT),
        (Outcome(Cause.SCRIPT, exit_code=85), Cause.TIME_LIMIT, 0, Cause.SCRIPT),
        (Outcome(Cause.SCRIPT, exit_code=85), None, 85, Cause.SCRIPT),
        (Outcome(Cause.SCRIPT, exit_code=1), Cause.TIME_LIMIT, 0, Cause.SCRIPT),
        (Outcome(Cause.SCRIPT, signal=10), Cause.TIME_LIMIT, 0, Cause.SCRIPT),
        (Outcome(Cause.CANCELED, exit_code=0), Cause.TIME_LIMIT, 0, Cause.CANCELED),
        (Outcome(Cause.RESULTS, exit_code=1), Cause.TIME_LIMIT, 0, Cause.RESULTS),
    ],
)
def test_an_end_after_a_notice_has_the_cause_of_the_notice(
    outcome: Outcome, noticed: Cause | None, asks_with: int, cause: Cause
) -> None:
    found = apply_notice(outcome, noticed, asks_with)
    assert (found.cause, found.end) == (cause, outcome.end)
    assert bool(found.detail.get("noticed")) is (cause is not outcome.cause)


@pytest.mark.parametrize(
    ("outcome", "written", "cause"),
    [
        (
            Outcome(Cause.SCRIPT, signal=9),
            b"slurmstepd: error: Detected 1 oom-kill event(s) in StepId=2.0.",
            Cause.OUT_OF_MEMORY,
        ),
        (KILLED, b"slurmstepd: error: Detected 1 oom_kill event in StepId=2.0.", Cause.OUT_OF_MEMORY),
        (
            Outcome(Cause.TASK_LOST),
            b"StepId=5.0 exceeded memory limit (225026048 > 52428800), being killed",
            Cause.OUT_OF_MEMORY,
        ),
        (Outcome(Cause.LAUNCHER, signal=9), b"Detected 1 oom-kill event(s) in StepId=2.0.", Cause.OUT_OF_MEMORY),
        (Outcome(Cause.STRAGGLER, exit_code=1), b"Detected 1 oom-kill event(s) in StepId=2.0.", Cause.STRAGGLER),
        (KILLED, b"srun: error: node1: task 0: Killed", Cause.SCRIPT),
        (Outcome(Cause.SCRIPT, exit_code=0), b"Detected 1 oom-kill event(s)", Cause.SCRIPT),
        (Outcome(Cause.CANCELED), b"Detected 1 oom-kill event(s)", Cause.CANCELED),
    ],
)
def test_slurms_report_of_memory_outranks_the_scripts_end(outcome: Outcome, written: bytes, cause: Cause) -> None:
    assert apply_out_of_memory(outcome, has_run_out_of_memory(written)).cause is cause


NOTICED = facts(verdict=DONE, noticed=Cause.PREEMPTED)
NO_MEMORY = facts(verdict=FAILED, ends={1: End(None, 9)}, out_of_memory=True)


@pytest.mark.parametrize(
    ("known", "cause"),
    [
        (NOTICED, Cause.PREEMPTED),
        (NOTICED._replace(asks_with=85), Cause.SCRIPT),
        (NOTICED._replace(killing=kill(99.0)), Cause.CANCELED),
        (NOTICED._replace(missing_results=MISSING), Cause.RESULTS),
        (NO_MEMORY, Cause.OUT_OF_MEMORY),
        (NO_MEMORY._replace(verdict=None, ends={}, returncode=-9), Cause.OUT_OF_MEMORY),
        (NO_MEMORY._replace(overtime=True), Cause.TIME_LIMIT),
        (NO_MEMORY._replace(killing=kill(99.0)), Cause.CANCELED),
    ],
)
def test_a_notice_and_slurms_report_of_memory_count_in_the_early_outcome(known: Facts, cause: Cause) -> None:
    """The early outcome must be the final one."""
    assert conclude(known).cause is cause
    early = conclude_early(known._replace(missing_results=None), 200.0)
    assert early is None or known.missing_results or early.cause is cause


SLURMD = b"slurmstepd: error: *** JOB 47 ON node1 CANCELLED AT 2026-11-29T12:00:00 DUE TO %s ***\n"


@pytest.mark.parametrize(
    ("written", "gives_way", "cause", "node"),
    [
        (b"", False, Cause.CANCELED, ""),
        (SLURMD % b"PREEMPTION", False, Cause.PREEMPTED, ""),
        (SLURMD % b"TIME LIMIT", False, Cause.TIME_LIMIT, ""),
        (SLURMD % b"NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS", False, Cause.NODE_FAILURE, ""),
        (b"srun: error: Node failure on node2\n" + SLURMD % b"NODE FAILURE", False, Cause.NODE_FAILURE, "node2"),
        (b"srun: error: Node failure on node2\n" + SLURMD % b"PREEMPTION", False, Cause.PREEMPTED, ""),
        (SLURMD.replace(b"47", b"470") % b"PREEMPTION", False, Cause.CANCELED, ""),  # of another job
        (b"", True, Cause.REQUEUED, ""),
        (b"srun: error: Node failure on node2\n" + SLURMD % b"NODE FAILURE", True, Cause.REQUEUED, ""),
    ],
)
def test_cause_of_a_signal_to_the_job(written: bytes, gives_way: bool, cause: Cause, node: str) -> None:
    found = infer_killing((15, 99.0), written, "47", gives_way)
    assert found == Killing(15, 99.0, cause, node)
    assert found.outcome == Outcome(cause, host=node, signal=15)


SILENT = b"srun: error: Unable to confirm allocation for job 47: Socket timed out on send/recv operation"
UNHEARD = Outcome(Cause.LAUNCHER, exit_code=1)


@pytest.mark.parametrize(
    ("since", "outcome", "written", "expected"),
    [
        (None, UNHEARD, SILENT, 100.0),
        (40.0, UNHEARD, SILENT, 40.0),  # as long as there was no answer
        (40.0, UNHEARD, b"srun: error: Unable to create step for job 47: Invalid account", None),
        (40.0, Outcome(Cause.SCRIPT, exit_code=1), SILENT, None),
        (40.0, Outcome(Cause.CANCELED), SILENT, None),
        (None, Outcome(Cause.SCRIPT, exit_code=0), b"", None),
    ],
)
def test_start_of_slurmctlds_silence(since: float | None, outcome: Outcome, written: bytes, expected: float | None) -> None:
    assert compute_unheard_since(since, 100.0, outcome, written) == expected
