"""Where a run is: its journal first, Slurm as the second witness, and never a guess."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from slurmtf.errors import SlurmError
from slurmtf.files import read_json, write_json
from slurmtf.job.contract import events, job_log, journal
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.outcome import MAY_RETURN, Cause, Outcome
from slurmtf.present import outcome_text
from slurmtf.processes import recognise
from slurmtf.scheduler import JobState, Observation, SubmittedJob, by_scheduler
from slurmtf.submit.record import latest, read_record

SILENCE_S = 300
"""Seconds without a heartbeat (one a minute) after which a supervisor that should be there is not responding."""
RECORD_LAG_S = 60
"""Seconds after a submission in which Slurm may not know the job yet."""
VERDICT = "verdict.json"
CANCEL_MARK = "cancel-requested"


class RunStatus(str, Enum):
    """The states of a run."""

    NOT_STARTED = "NotStarted"
    QUEUED = "Queued"
    PROVISIONING = "Provisioning"
    PREPARING = "Preparing"
    STARTING = "Starting"
    RUNNING = "Running"
    PAUSED = "Paused"
    FINALIZING = "Finalizing"
    CANCEL_REQUESTED = "CancelRequested"
    NOT_RESPONDING = "NotResponding"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"

    @property
    def final(self) -> bool:
        """Whether the run has ended."""
        return self in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELED)


@dataclass(frozen=True)
class RunState:
    """What is known of a run. Times in seconds since 1970; ``expected_start`` is Slurm's estimate, ``reason``
    its word for why a job waits, or what one that was launched waits for.

    ``cause`` says what ended it: script, launcher, agent, time-limit, canceled, preempted, node-failure, out-of-memory,
    lost, software (the environment could not be built), results (not copied back). ``doubt`` says why the answer may be out
    of date.
    """

    status: RunStatus
    job_id: str | None = None
    cause: str = ""
    message: str = ""
    reason: str = ""
    exit_code: int | None = None
    signal: int | None = None
    nodes: str = ""
    submitted: float | None = None
    started: float | None = None
    ended: float | None = None
    expected_start: float | None = None
    attempt: int = 0
    doubt: str = ""

    @property
    def exit_status(self) -> int:
        """The exit status that stands for the run: the script's own, 128 + its signal, 124 after the time limit,
        130 when it was canceled, 1 when there is none."""
        if self.status is RunStatus.COMPLETED:
            return 0
        by_cause = {"time-limit": 124, "canceled": 130}
        if self.cause in by_cause:
            return by_cause[self.cause]
        return 128 + self.signal if self.signal else self.exit_code or 1


_OF_SLURM = {
    JobState.PENDING: RunStatus.QUEUED,
    JobState.CONFIGURING: RunStatus.PROVISIONING,
    JobState.SUSPENDED: RunStatus.PAUSED,
    JobState.COMPLETING: RunStatus.FINALIZING,
    JobState.COMPLETED: RunStatus.COMPLETED,
    JobState.CANCELLED: RunStatus.CANCELED,
    JobState.PREEMPTED: RunStatus.CANCELED,
}
_PHASES = {
    "started": RunStatus.PREPARING,
    "prepared": RunStatus.PREPARING,
    "launched": RunStatus.STARTING,
    "task-started": RunStatus.RUNNING,
    "decided": RunStatus.FINALIZING,
    "finalizing": RunStatus.FINALIZING,
}
_CAUSES = {
    JobState.TIMEOUT: (Cause.TIME_LIMIT, "the job reached its time limit"),
    JobState.CANCELLED: (Cause.CANCELED, "the job was canceled"),
    JobState.PREEMPTED: (Cause.PREEMPTED, "the job was preempted, and Slurm did not requeue it"),
    JobState.NODE_FAIL: (Cause.NODE_FAILURE, "a node of the job failed"),
    JobState.BOOT_FAIL: (Cause.NODE_FAILURE, "a node of the job did not start"),
    JobState.OUT_OF_MEMORY: (Cause.OUT_OF_MEMORY, "the job used more memory than it asked for"),
    JobState.DEADLINE: (Cause.TIME_LIMIT, "the job's deadline passed"),
    JobState.FAILED: (Cause.LAUNCHER, "the job failed before slurmtf's supervisor could say why"),
}


def states_of(folders: Sequence[Path]) -> list[RunState]:
    """Return the states of runs: two Slurm calls at most for each cluster, none for runs that have ended."""
    views = [_View(RunLayout(str(folder))) for folder in folders]
    witness = _Witness(view.record for view in views if view.needs_slurm)
    return [view.state(witness) for view in views]


class _Witness:
    """Slurm's answers for many runs at once."""

    def __init__(self, records: Iterable[SubmittedJob | None]) -> None:
        self.jobs: dict[SubmittedJob, Observation] = {}
        self.doubts: dict[str | None, str] = {}
        for scheduler, jobs in by_scheduler(filter(None, records)):
            try:
                self.jobs.update(scheduler.observe(jobs))
            except SlurmError as err:
                self.doubts[jobs[0].ref.cluster] = f"Slurm could not be asked: {err.findings[0].what}"


class _View:
    """One run folder, read once."""

    def __init__(self, layout: RunLayout) -> None:
        self._layout = layout
        self._verdict = read_json(Path(layout.folder, VERDICT))
        self._read_journal()
        self.record = latest(read_record(layout), self._start if self._events else None)

    def _read_journal(self) -> None:
        attempts = journal.attempts(self._layout)
        self._attempt_journal = attempts[-1] if attempts else None
        self._events = attempts[-1].records if attempts else []

    @property
    def _start(self) -> events.Started:
        return self._attempt_journal.started if self._attempt_journal else events.Started()

    @property
    def _last_word(self) -> Outcome | None:
        """The end that the journal tells."""
        return self._attempt_journal.outcome if self._attempt_journal else None

    @property
    def _end(self) -> Outcome | None:
        """The journal's last word, unless Slurm may start the job again after it."""
        last = self._last_word
        return last if last and last.cause not in MAY_RETURN else None

    @property
    def _job_id(self) -> str | None:
        """The run's job: the one that ran last, which somebody may have submitted by hand."""
        return self._start.job_id if self._events else self.record.ref.job_id if self.record else None

    @property
    def needs_slurm(self) -> bool:
        ended = self._end is not None or bool(self._current_verdict())
        return not ended and self.record is not None and self.record.scheduler == "slurm"

    def _current_verdict(self) -> Mapping[str, Any]:
        """Return the end that was written down, unless the job has been started again since."""
        known = self._verdict
        return known if known.get("job_id") == self._job_id and known.get("attempt", 0) >= self._attempt else {}

    @property
    def _attempt(self) -> int:
        return self._start.attempt

    @property
    def _cancel_requested(self) -> bool:
        """Whether slurmtf was asked to end this job of the run; an earlier one does not count."""
        try:
            return Path(self._layout.folder, CANCEL_MARK).read_text(encoding="utf-8") == self._job_id
        except OSError:
            return False

    def state(self, witness: _Witness) -> RunState:
        if self._end is not None:
            return self._from_end(self._end)
        if self._current_verdict():
            return RunState(**{**self._current_verdict(), "status": RunStatus(self._verdict["status"])})
        if self.record is None:
            return self._base(RunStatus.NOT_STARTED, message="no job is known for it (yet)")
        if self.record.scheduler == "local":
            return self._from_process(self.record)
        return self._from_slurm(self.record, witness)

    def _base(self, status: RunStatus, **facts: Any) -> RunState:
        known = RunState(
            status,
            job_id=self._job_id,
            submitted=(self.record.submitted or None) if self.record else None,
            started=self._events[0].time if self._events else None,
            nodes=self._start.nodes or self._start.host,
            attempt=self._attempt,
            reason=self._awaited() if status is RunStatus.STARTING else "",
        )
        return replace(known, **facts)

    def _awaited(self) -> str:
        """Return what a job that has been launched waits for: software and data that are brought to its nodes."""
        launched = (one.event for one in self._events if isinstance(one.event, events.Launched))
        nodes = next((event.nodes_to_fill for event in launched), None)
        filled = sum(isinstance(one.event, events.Staged) for one in self._events)
        return f"software and data are there on {filled} of {nodes} nodes" if nodes else ""

    def _from_end(self, end: Outcome) -> RunState:
        status = RunStatus.COMPLETED if end.succeeded else self._status_of(end.cause)
        facts = {"exit_code": end.exit_code, "signal": end.signal, "ended": self._events[-1].time}
        return self._base(status, cause=end.cause.value, message=outcome_text(end), **facts)

    def _status_of(self, cause: str) -> RunStatus:
        """Return the status of an end that was no success. A limit that the user set is his own doing."""
        limited = bool(read_json(self._layout.plan).get("provenance", {}).get("estimator", {}).get("max_run_duration_seconds"))
        if cause in (Cause.CANCELED, Cause.PREEMPTED) or (cause == Cause.TIME_LIMIT and limited):
            return RunStatus.CANCELED
        return RunStatus.FAILED

    def _from_process(self, record: SubmittedJob) -> RunState:
        process = recognise(self._start.process) if self._events else record.process
        alive = process.alive() if process else False
        if alive:
            return self._base(self._phase() or RunStatus.PREPARING)
        if alive is None:
            return self._by_heartbeat(f"it runs on {process.host}" if process else "")
        ended = self._ended_meanwhile()
        if ended is not None:
            return ended
        if self._cancel_requested:  # before it could write a word
            return self._final(self._base(RunStatus.CANCELED, cause="canceled", message=_CAUSES[JobState.CANCELLED][1]))
        message = "the supervisor was killed; the last lines of logs/job.log may say more"
        return self._final(self._base(RunStatus.FAILED, cause="lost", message=message))

    def _ended_meanwhile(self) -> RunState | None:
        """Return the end that the journal tells by now: the job may have ended between our look at it and the answer.

        Or it was killed while its tasks were being ended: then the verdict had fallen before.
        """
        self._read_journal()
        if self._end is not None:
            return self._from_end(self._end)
        decided = self._attempt_journal.decided if self._attempt_journal and not self._last_word else None
        return self._final(self._from_end(decided)) if decided else None

    def _phase(self) -> RunStatus | None:
        """Return how far the job has come, by its journal; None when that tells of an earlier start."""
        if self._cancel_requested:
            return RunStatus.CANCEL_REQUESTED
        if self._last_word:
            return None
        return next((_PHASES[one.name] for one in reversed(self._events) if one.name in _PHASES), None)

    def _by_heartbeat(self, doubt: str) -> RunState:
        path = Path(self._attempt_journal.path) if self._attempt_journal else None
        silent = path is None or not path.exists() or time.time() - path.stat().st_mtime > SILENCE_S
        status = RunStatus.NOT_RESPONDING if silent and self._events else self._phase() or RunStatus.QUEUED
        return self._base(status, doubt=doubt)

    def _from_slurm(self, record: SubmittedJob, witness: _Witness) -> RunState:
        job = witness.jobs.get(record)
        unread = "Slurm names a state of the job that slurmtf does not know" if job and job.state is JobState.UNKNOWN else ""
        doubt = witness.doubts.get(record.ref.cluster) or unread
        if doubt:
            return self._by_heartbeat(doubt)
        if job is None:
            return self._unknown_to_slurm(record)
        if job.state is JobState.RUNNING:
            return self._base(self._phase() or RunStatus.STARTING, nodes=job.nodes, started=job.start)
        status = _OF_SLURM.get(job.state, RunStatus.FAILED)
        if job.state.final:
            return self._ended_meanwhile() or self._ended_without_word(job, status)
        status = RunStatus.CANCEL_REQUESTED if self._cancel_requested else status
        if job.state is JobState.PENDING:
            return self._base(status, reason=job.reason, expected_start=job.start, started=None, nodes="")
        return self._base(status, reason=job.reason, nodes=job.nodes)

    def _ended_without_word(self, job: Observation, status: RunStatus) -> RunState:
        """The job ended and its journal does not say how: killed while waiting, or with its node."""
        cause, message = _CAUSES.get(job.state, (Cause.SCRIPT, ""))
        trouble = self._software_trouble(job) if job.state is JobState.CANCELLED and not self._cancel_requested else ""
        if trouble:
            return self._final(self._base(RunStatus.FAILED, cause="software", message=trouble, ended=job.end))
        if job.state is JobState.FAILED and self._events:
            cause, message = Cause.LOST, "slurmtf's supervisor was killed before it could say how the run ended"
        if job.state is JobState.NODE_FAIL:
            node = job_log.failed_node(job_log.written_since(self._layout.job_log, 0))
            message = f"{node} failed" if node else message
        last = job_log.tail(self._layout.job_log) if job.state is JobState.FAILED else ""
        message += f"; the last lines of logs/job.log:\n{last}" if last else ""
        if job.state is JobState.TIMEOUT:
            status = self._status_of(cause)
        facts = {"exit_code": job.exit_code, "signal": job.signal, "ended": job.end, "nodes": job.nodes}
        return self._final(self._base(status, cause=cause.value, message=message, **facts))

    def _software_trouble(self, job: Observation) -> str:
        """Return why the environment of the run could not be built: Slurm cancels the job that waited for the build job."""
        plan = read_json(self._layout.plan)
        if not plan.get("provenance", {}).get("build_task"):
            return ""
        from slurmtf.environments.store import trouble_with  # noqa: PLC0415 - for the few that wait for one

        silent = "its build job ended without a reason" if "Dependency" in job.reason else ""
        return trouble_with(plan) or silent

    def _unknown_to_slurm(self, record: SubmittedJob) -> RunState:
        if time.time() - record.submitted < RECORD_LAG_S:
            return self._base(RunStatus.QUEUED, doubt="Slurm does not list the job yet")
        ended = self._ended_meanwhile()
        if ended is not None:
            return ended
        if self._last_word:
            return self._final(self._from_end(self._last_word))
        if self._cancel_requested:
            return self._final(self._base(RunStatus.CANCELED, cause="canceled", message=_CAUSES[JobState.CANCELLED][1]))
        message = f"Slurm no longer knows job {self._job_id}, and its journal does not say how it ended"
        return self._final(self._base(RunStatus.FAILED, cause="lost", message=message))

    def _final(self, state: RunState) -> RunState:
        """Write down an end that only Slurm knew: it forgets after a while, the run folder does not."""
        with contextlib.suppress(OSError):  # somebody else's run, or a full disk: the answer is right all the same
            write_json(Path(self._layout.folder, VERDICT), {**vars(state), "status": state.status.value})
        return state
