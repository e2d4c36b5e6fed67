"""Derive the state of a run from its folder and the scheduler's answer. Pure: no disk, no Slurm, no clock.

The run's own records come first, then the scheduler. Success is never guessed: it requires that the supervisor started.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from slurmtf.job.contract.attempt.journal import NO_LAST_WORD
from slurmtf.job.contract.attempt.outcome import MAY_RETURN, Cause, Outcome
from slurmtf.job.contract.layout import JOB_LOG, LOGS
from slurmtf.runs.states import cancelers, codes
from slurmtf.runs.states.history import Attempt, History, Phase
from slurmtf.runs.states.observe import Answer
from slurmtf.runs.states.records import Records
from slurmtf.runs.states.state import Doubt, DoubtKind, RunState, RunStatus
from slurmtf.scheduler import JobRef, JobState, Observation, SubmittedJob
from slurmtf.scheduler.base import RECORD_LAG_S, Canceler
from slurmtf.submit.record import BY_HAND

SILENCE_S = 300
"""Seconds without a heartbeat (sent once a minute) after which a supervisor is not responding."""
CLOCK_SLACK_S = 100
"""Seconds by which the clocks of node and controller may differ. Slurm delays a requeued job for longer (cred_expire)."""
LOG = f"{LOGS}/{JOB_LOG}"
NEVER_SATISFIED = "DependencyNeverSatisfied"
"""Slurm's reason for canceling a job that can no longer start (src/slurmctld/job_scheduler.c, _kill_dependent)."""
LAUNCH_FAILURE, IO_FAILURE = "JobLaunchFailure", 53
"""What squeue and sacct report if slurmstepd could not start the script or open its log (ExitCode=0:53)."""
UNASKED = Answer()


@dataclass(frozen=True)
class Evidence:
    """Other evidence of an end in the run folder, read only if the state depends on it.

    ``limited``: the user set a limit (``max_run_duration_seconds``). ``build``: why the environment that the job waited for
    could not be built; None if it waited for no build. ``after``: the runs that it was to follow. ``last_line``: the last line
    of the batch script that this start reached. ``job_log``: the last lines of the job's log. ``failed_node``: the node that
    Slurm named in that log. ``over_memory``: Slurm logged there that it killed a process for its memory use.
    """

    limited: bool = False
    build: str | None = None
    after: tuple[str, ...] = ()
    last_line: str = ""
    job_log: str = ""
    failed_node: str = ""
    over_memory: bool = False


NO_EVIDENCE = Evidence()
_STATUS_OF_JOB = {
    JobState.PENDING: RunStatus.QUEUED,
    JobState.CONFIGURING: RunStatus.PROVISIONING,
    JobState.SUSPENDED: RunStatus.PAUSED,
    JobState.COMPLETING: RunStatus.FINALIZING,
}
_STATUS_OF_PHASE = {
    Phase.PREPARING: RunStatus.PREPARING,
    Phase.STARTING: RunStatus.STARTING,
    Phase.RUNNING: RunStatus.RUNNING,
    Phase.FINALIZING: RunStatus.FINALIZING,
}
CAUSE_OF = {
    JobState.TIMEOUT: Cause.TIME_LIMIT,
    JobState.DEADLINE: Cause.TIME_LIMIT,
    JobState.CANCELLED: Cause.CANCELED,
    JobState.PREEMPTED: Cause.PREEMPTED,
    JobState.NODE_FAIL: Cause.NODE_FAILURE,
    JobState.BOOT_FAIL: Cause.NODE_FAILURE,
    JobState.OUT_OF_MEMORY: Cause.OUT_OF_MEMORY,
}
"""The cause for each final state of a job that did not end by itself."""
_CANCELED = (Cause.CANCELED, Cause.DEPENDENCY, Cause.CALLED_OFF, Cause.PREEMPTED)


@dataclass(frozen=True)
class _Case:
    """All known facts about a run. ``attempt`` is the last one of its current job."""

    records: Records
    history: History
    job: SubmittedJob
    attempt: Attempt | None
    answer: Answer
    now: float
    evidence: Evidence

    @property
    def cancel_requested(self) -> bool:
        """Whether slurmtf was asked to cancel the run's current job; requests for earlier jobs do not count."""
        request = self.records.cancel_request
        return request is not None and request.job == self.job.ref.name

    @property
    def present(self) -> Attempt | None:
        """The attempt that the scheduler's answer is about; None if Slurm has started the job again since, or will."""
        seen, attempt = self.answer.observation, self.attempt
        if attempt is None or seen is None:
            return attempt
        over = seen.state is JobState.PENDING or bool(seen.start and attempt.started < seen.start - CLOCK_SLACK_S)
        return None if over else attempt

    @property
    def unreadable(self) -> tuple[str, ...]:
        return (*self.records.unreadable, *self.history.unreadable)

    def build_state(self, status: RunStatus, **facts: Any) -> RunState:
        """Return a state with this status and the facts from the journal."""
        attempt, present = self.attempt, self.present
        again = present is None and not (self.answer.observation and self.answer.observation.state is JobState.PENDING)
        known = RunState(
            status,
            self.job.ref,
            attempt.number + again if attempt else 0,
            submitted=self.records.jobs[0].submitted or None,
            started=present.started if present else None,
            nodes=present.nodes if present else "",
            staging=present.staging if present and status is RunStatus.STARTING else None,
            unreadable=self.unreadable,
            again=self.history.find_last_restart(is_past=attempt is not None and present is None),
        )
        return replace(known, **facts)


def choose_current_job(records: Records, history: History) -> SubmittedJob | None:
    """Return the run's current job: the one submitted last, or a later one that somebody submitted by hand."""
    submitted = records.jobs[-1] if records.jobs else None
    attempt = history.last
    if submitted is None or attempt is None or attempt.started < submitted.submitted - CLOCK_SLACK_S:
        return submitted
    if any(job.ref.name == attempt.job for job in records.jobs):
        return submitted
    ref = replace(JobRef.parse(attempt.job), cluster=_choose_cluster(attempt, submitted, history))
    return SubmittedJob(ref, submitted.scheduler, submitted.folder, 0.0, BY_HAND, process=attempt.process)


def _choose_cluster(attempt: Attempt, submitted: SubmittedJob, history: History) -> str | None:
    """Return the cluster to query about a job that was submitted by hand: ``sbatch -M`` may have sent it to another one.

    If the record names no cluster, only a name that differs from those of the recorded job's attempts shows another cluster:
    without accounting, Slurm does not accept ``--clusters`` (squeue(1)).
    """
    if submitted.ref.cluster:
        return attempt.cluster or submitted.ref.cluster
    known = {one.cluster for one in history.attempts if one.job == submitted.ref.name}
    return (attempt.cluster or None) if known and attempt.cluster not in known else None


def is_outdated(history: History, answer: Answer, max_age_s: float, now: float) -> bool:
    """Return whether an answer that may be ``max_age_s`` old is older than the run's folder.

    An answer that a job is over never is, because it is never taken from another process.
    """
    attempt = history.last
    latest = (attempt.ended or attempt.started) if attempt else 0.0
    goes_on = not answer.error and not answer.over
    return max_age_s > 0 and goes_on and latest > now - max_age_s - CLOCK_SLACK_S


def reduce(
    records: Records,
    history: History,
    answer: Answer = UNASKED,
    now: float = 0.0,
    evidence: Evidence = NO_EVIDENCE,
) -> RunState:
    """Return the state of a run. ``answer`` is the scheduler's answer about its :func:`choose_current_job`."""
    case = _build_case(records, history, answer, now, evidence)
    if case is None:
        return RunState(RunStatus.NOT_STARTED, unreadable=(*records.unreadable, *history.unreadable))
    return _add_canceler(case, _find_known_end(case) or _infer_from_answer(case))


def read_end(records: Records, history: History) -> RunState | None:
    """Return the end of a run according to its folder alone; None if the folder records no end."""
    case = _build_case(records, history, UNASKED, 0.0, NO_EVIDENCE)
    return _find_known_end(case) if case else None


def choose_job_to_query(records: Records, history: History) -> SubmittedJob | None:
    """Return the job to ask the scheduler about; None if the folder has all facts of its end, including who canceled it, and
    the exit code if the supervisor recorded no end."""
    case = _build_case(records, history, UNASKED, 0.0, NO_EVIDENCE)
    known = case and _find_known_end(case)
    if case is None or (known and not _is_incomplete(_add_canceler(case, known).outcome)):
        return None
    return case.job


def _is_incomplete(outcome: Outcome | None) -> bool:
    """Return whether the scheduler may still add to a recorded outcome."""
    return cancelers.is_wanted(outcome) or codes.is_wanted(outcome)


def _build_case(records: Records, history: History, answer: Answer, now: float, evidence: Evidence) -> _Case | None:
    job = choose_current_job(records, history)
    if job is None:
        return None
    attempt = next((one for one in reversed(history.attempts) if one.job == job.ref.name), None)
    return _Case(records, history, job, attempt, answer, now, evidence)


def _find_known_end(case: _Case) -> RunState | None:
    """Return the end in the journal, or else the recorded end unless the job has started again; None if there is neither."""
    attempt, written = case.attempt, case.records.ended
    if attempt and attempt.end:
        case = replace(case, answer=UNASKED)
        return _build_end_state(case, attempt.end, ended=attempt.ended)
    if written and written.job == case.job.ref and written.attempt >= (attempt.number if attempt else 0):
        return _add_exit_code(case, written)
    return None


def _add_exit_code(case: _Case, written: RunState) -> RunState:
    """Return a recorded end with the exit code that accounting had only later."""
    if written.outcome is None or case.answer is UNASKED or not codes.is_wanted(written.outcome):
        return written
    return replace(written, outcome=codes.add_exit_code(written.outcome, case.answer, case.now - (written.ended or 0.0)))


def _add_canceler(case: _Case, state: RunState) -> RunState:
    """Return a state with who canceled the run, if known from its own note, from Slurm, or from its recorded end."""
    if state.outcome is None or not cancelers.is_wanted(state.outcome):
        return state
    written = case.records.ended
    noted = written.outcome if written and (written.job, written.attempt) == (state.job, state.attempt) else None
    request, canceler = case.records.cancel_request, case.answer.observation.canceler if case.answer.observation else None
    known = (
        cancelers.infer_from_request(request if case.cancel_requested else None, canceler)
        or cancelers.infer_from_scheduler(canceler)
        or cancelers.infer_from_record(noted)
        or (cancelers.infer_unknown(case.answer, case.now - (state.ended or 0.0)) if case.answer is not UNASKED else {})
    )
    return replace(state, outcome=state.outcome._replace(detail={**state.outcome.detail, **known})) if known else state


def _build_end_state(case: _Case, outcome: Outcome, **facts: object) -> RunState:
    return case.build_state(_infer_end_status(outcome, case.evidence), outcome=outcome, **facts)


def _infer_end_status(outcome: Outcome, evidence: Evidence) -> RunStatus:
    """Return the status of an end. A run that reached a limit set by the user counts as canceled."""
    if outcome.succeeded:
        return RunStatus.COMPLETED
    limited = outcome.cause is Cause.TIME_LIMIT and evidence.limited
    return RunStatus.CANCELED if limited or outcome.cause in _CANCELED else RunStatus.FAILED


def _infer_from_answer(case: _Case) -> RunState:
    """Return the state of a run whose folder records no end."""
    seen = case.answer.observation
    if case.answer.outdated:
        return _infer_from_heartbeat(replace(case, answer=UNASKED), None)
    if case.answer.error:
        return _infer_from_heartbeat(case, Doubt(DoubtKind.UNREACHABLE, case.answer.error))
    if seen is None:
        return _infer_unlisted_state(case)
    if seen.state is JobState.UNKNOWN:
        return _infer_from_heartbeat(case, _infer_doubt(seen, case.answer.lags))
    if seen.state.final:
        return _infer_ended_state(case, seen)
    return _infer_live_state(case, seen)


def _infer_doubt(seen: Observation, lags: bool) -> Doubt:
    """Return why a job's state is not known: it is on another machine, the scheduler could not be queried, or its answer is
    not understood."""
    if not lags:
        return Doubt(DoubtKind.ELSEWHERE, seen.nodes)
    if seen.reason and seen.submitted is None:
        return Doubt(DoubtKind.UNREACHABLE, seen.reason)
    return Doubt(DoubtKind.UNKNOWN_STATE)


def _infer_live_state(case: _Case, seen: Observation) -> RunState:
    status = RunStatus.CANCEL_REQUESTED if case.cancel_requested else _STATUS_OF_JOB.get(seen.state) or _infer_phase(case)
    if seen.state is JobState.PENDING:
        return case.build_state(status, reason=seen.reason, expected_start=seen.start)
    present = case.present
    started = seen.start or (present.started if present else None)
    return case.build_state(status, reason=seen.reason, nodes=seen.nodes, started=started)


def _infer_phase(case: _Case) -> RunStatus:
    """Return how far a running job has progressed."""
    return _STATUS_OF_PHASE[case.present.phase] if case.present else RunStatus.PREPARING


def _infer_from_heartbeat(case: _Case, doubt: Doubt | None) -> RunState:
    """Return the state of a job known from its journal alone."""
    attempt, heartbeat = case.attempt, case.history.heartbeat
    if attempt and (heartbeat is None or case.now - heartbeat > SILENCE_S):
        status = RunStatus.NOT_RESPONDING
    elif case.cancel_requested:
        status = RunStatus.CANCEL_REQUESTED
    else:  # an attempt that Slurm may start again is taken to be waiting
        status = _STATUS_OF_PHASE[attempt.phase] if attempt and not attempt.outcome else RunStatus.QUEUED
    return case.build_state(status, doubt=doubt)


def _infer_unlisted_state(case: _Case) -> RunState:
    """Return the state of a job that the scheduler does not know, or whose id now belongs to another job."""
    attempt, forgets = case.attempt, case.answer.lags
    outcome = attempt and (attempt.outcome or attempt.decided)
    if outcome:
        return _build_end_state(case, outcome, ended=attempt.ended if attempt else None)
    if forgets and case.now - _get_submit_time(case) < RECORD_LAG_S:
        return _infer_from_heartbeat(case, Doubt(DoubtKind.NOT_LISTED))
    if case.cancel_requested:
        return _build_end_state(case, Outcome(Cause.CANCELED))
    if attempt is None and not forgets:
        return _build_end_state(case, _build_not_started(case))
    return _build_end_state(case, _build_lost(case, "slurm" if forgets else "supervisor"))


def _get_submit_time(case: _Case) -> float:
    """Return when the job was submitted; for one submitted by hand, when it started."""
    return case.job.submitted or (case.attempt.started if case.attempt else 0.0)


def _infer_ended_state(case: _Case, seen: Observation) -> RunState:
    attempt, cause = case.present, CAUSE_OF.get(seen.state)
    reported = attempt and (attempt.outcome or attempt.decided)
    may_return = attempt is not None and (attempt.may_return or (reported and reported.cause in MAY_RETURN))
    if reported and not (may_return and cause not in (None, reported.cause)):
        return _build_end_state(case, reported, ended=(attempt.ended if attempt else None) or seen.end)
    outcome = _infer_outcome_from_cause(case, cause, seen) if cause else _infer_script_outcome(case, seen)
    outcome = outcome._replace(exit_code=seen.exit_code, signal=seen.signal) if outcome.cause is not Cause.SCRIPT else outcome
    started = seen.start if outcome.cause is Cause.NOT_STARTED else attempt.started if attempt else None
    return _build_end_state(case, outcome, ended=seen.end, nodes=seen.nodes, started=started)


def _infer_outcome_from_cause(case: _Case, cause: Cause, seen: Observation) -> Outcome:
    """Return the outcome of a job that ended before it could record it: while it waited, or together with its node."""
    build, canceler = case.evidence.build, seen.canceler
    by_slurm = canceler == Canceler() or (canceler is None and NEVER_SATISFIED in seen.reason)
    by_somebody = case.cancel_requested or (canceler is not None and not by_slurm)
    if cause is Cause.CANCELED and not by_somebody and (build or (build == "" and by_slurm)):
        return Outcome(Cause.SOFTWARE, detail={"error": build})
    if cause is Cause.CANCELED and not by_somebody and case.evidence.after and by_slurm:
        return Outcome(Cause.DEPENDENCY, detail={"after": list(case.evidence.after)})
    return Outcome(cause, host=case.evidence.failed_node if cause is Cause.NODE_FAILURE else "")


def _infer_script_outcome(case: _Case, seen: Observation) -> Outcome:
    """Return the outcome of a job whose batch script ended, which Slurm calls COMPLETED or FAILED by its exit code.

    The batch script becomes the supervisor. Only once that has started is the exit code the supervisor's, and meaningful.
    """
    witnessed = case.present is not None or bool(case.unreadable)
    if not witnessed:
        return _build_not_started(case)
    if seen.state is JobState.COMPLETED:
        return Outcome(Cause.SCRIPT, exit_code=0)
    if case.evidence.over_memory:
        return Outcome(Cause.OUT_OF_MEMORY, log=LOG, tail=case.evidence.job_log)
    return _build_lost(case, "supervisor")


def _build_not_started(case: _Case) -> Outcome:
    evidence, seen = case.evidence, case.answer.observation
    unlaunched = seen is not None and (seen.reason == LAUNCH_FAILURE or seen.signal == IO_FAILURE) and not evidence.last_line
    facts = {"line": evidence.last_line, **({"unlaunched": True} if unlaunched else {})}
    return Outcome(Cause.NOT_STARTED, log=LOG, tail=evidence.job_log, detail=facts)


def _build_lost(case: _Case, by: str) -> Outcome:
    by = "disk" if by == "supervisor" and NO_LAST_WORD in case.evidence.job_log else by
    return Outcome(Cause.LOST, log=LOG, tail=case.evidence.job_log, detail={"by": by})
