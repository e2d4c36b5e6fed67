"""Runs as their folders and schedulers show them: the building blocks for the tests of states."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from slurmtf.job.contract.attempt import events
from slurmtf.job.contract.attempt.events import Record
from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.processes import ProcessId
from slurmtf.runs.states.history import Attempt, History, build_attempt, sort_attempts
from slurmtf.runs.states.observe import Answer
from slurmtf.runs.states.records import CancelRequest, Records
from slurmtf.runs.states.reduce import UNASKED, Evidence, reduce
from slurmtf.runs.states.state import RunState
from slurmtf.scheduler import JobRef, JobState, Observation, SubmittedJob

SUBMITTED = 1000.0
START = 2000.0
"""The time at which Slurm starts the job first."""
AGAIN = 5000.0
"""The time at which Slurm starts it again."""
NOW = 9000.0
FOLDER = "/scratch/lab/lab-1"
JOB = SubmittedJob(JobRef(None, "12"), "slurm", FOLDER, SUBMITTED, "submitted")
LOCAL = SubmittedJob(JobRef(None, "77"), "local", FOLDER, SUBMITTED, "submitted", process=ProcessId("here", 77, 5))
LATER = SubmittedJob(JobRef("wice", "15"), "slurm", FOLDER, AGAIN, "restarted")
RECORDS = Records((JOB,))
CANCELING = Records((JOB,), CancelRequest("12", "ada", 1000, "login1", 3000.0))
CANCELING_OTHER = Records((JOB,), CancelRequest("11"))

DONE = Outcome(Cause.SCRIPT, exit_code=0)
FAILED = Outcome(Cause.SCRIPT, task="main-0", exit_code=3)
CRASHED = Outcome(Cause.SCRIPT, task="main-0", signal=11)
PREEMPTED = Outcome(Cause.PREEMPTED, signal=15)
NODE_FAILED = Outcome(Cause.NODE_FAILURE, host="node3", signal=15)
REQUEUED = Outcome(Cause.REQUEUED, signal=15)


def lines(*later: Any, start: float = START, number: int = 0, job: str = "12") -> list[Record]:
    """Return the journal of an attempt: its start, then these events, one each second."""
    began = events.Started(job_id=job, attempt=number, host="node1", nodes="node[1-2]", process=NOBODY)
    return [Record.from_event(event, start + second) for second, event in enumerate([began, *later])]


NOBODY = {"host": "node1", "pid": 5, "started": 6}
LAUNCHED = events.Launched()
RUNS = (events.Prepared(), LAUNCHED, events.TaskStarted(0, "main-0", "node1"))


def attempt(*later: Any, start: float = START, number: int = 0, job: str = "12") -> Attempt:
    found = build_attempt(f"{job}.{number}.jsonl", lines(*later, start=start, number=number, job=job))
    assert found is not None
    return found


def ended(outcome: Outcome, **settings: Any) -> Attempt:
    """Return an attempt whose script ran and which ended with this outcome."""
    return attempt(*RUNS, events.Ended(outcome.to_dict(), 3.0), **settings)


def history_of(*attempts: Attempt, heartbeat: float | None = NOW) -> History:
    return History(sort_attempts(attempts), heartbeat if attempts else None)


def seen(state: JobState, start: float | None = START, **facts: Any) -> Answer:
    """Return what Slurm reports about the job."""
    return Answer(replace(Observation(JOB.ref, state, start=start, folder=FOLDER), **facts))


FORGOTTEN = Answer()
UNREACHABLE = Answer(error="squeue: no answer")


NOTHING = History()
RUNNING = attempt(*RUNS)
CANCELED = Outcome(Cause.CANCELED)


def but_for_canceler(outcome: Outcome | None) -> Outcome | None:
    """Return an outcome without the facts about who canceled the run, which test_cancelers.py covers."""
    return outcome._replace(detail={}) if outcome and outcome.cause is Cause.CANCELED else outcome


def state_of(
    records: Records = RECORDS, history: History = NOTHING, answer: Answer = UNASKED, evidence: Evidence | None = None
) -> RunState:
    return reduce(records, history, answer, NOW, evidence or Evidence())
