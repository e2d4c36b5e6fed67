"""Conclude how a launch ended: facts become an outcome. No clock, no processes, no files."""

import signal
from typing import Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..contract.attempt import job_log
from ..contract.attempt.outcome import Cause, End, Outcome
from ..contract.roles import Role
from .completion import Verdict

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Killing(NamedTuple):
    """What ends the job from outside: its first signal, and when it came, on the clock of ``Facts.decided_at``. ``cause`` and
    ``node`` are those of Slurm's notice in the job's log."""

    signal: int
    at: float
    cause: Cause = Cause.CANCELED
    node: str = ""

    @property
    def outcome(self) -> Outcome:
        """Return how an attempt ends because of it."""
        return Outcome(self.cause, host=self.node, signal=int(self.signal))


class Facts(NamedTuple):
    """What is known of a launch. ``hosts`` are those of the tasks that connected; ``lost`` ended without a report.

    ``returncode`` is the launcher's, as subprocess reports it, ``killed_by_us`` whether we killed it; ``missing_results`` what
    was not copied back (Disks.find_missing); ``out_of_memory``: Slurm, or the kernel, says that a process was killed for its
    memory;
    ``asks_with``: the exit code with which a script that was ``noticed`` asks to continue; ``at_once_s``: see Timings.

    ``killing``, ``overtime`` (we end it for its time limit) and ``noticed`` come from the allocation.
    """

    roles: Sequence[Role]
    launcher: str
    hosts: Dict[int, str]
    ends: Dict[int, End]
    lost: FrozenSet[int] = frozenset()
    verdict: Optional[Verdict] = None
    decided_at: float = 0.0
    returncode: Optional[int] = None
    killed_by_us: bool = False
    killing: Optional[Killing] = None
    overtime: bool = False
    noticed: Optional[Cause] = None
    missing_results: Optional[Mapping[str, object]] = None
    out_of_memory: bool = False
    asks_with: int = 0
    at_once_s: float = 2.0

    @property
    def all_connected(self) -> bool:
        return len(self.hosts) == len(self.roles)

    @property
    def launcher_died(self) -> bool:
        """Whether somebody else killed the launcher, and its tasks with it."""
        return self.returncode is not None and self.returncode < 0 and not self.killed_by_us


def conclude(facts: Facts) -> Outcome:
    """Return how the launch ended. Reading the tail of its log is up to the caller."""
    if facts.overtime:
        return Outcome(Cause.TIME_LIMIT, signal=int(signal.SIGTERM))
    if facts.killing is not None and was_killed_first(facts):
        return facts.killing.outcome
    verdict = facts.verdict
    if verdict is None or (verdict.rank in facts.lost and (facts.launcher_died or not facts.all_connected)):
        return apply_out_of_memory(_conclude_from_launcher(facts), facts.out_of_memory)
    return conclude_from_verdict(facts, verdict)


def conclude_early(facts: Facts, now: float) -> Optional[Outcome]:
    """Return the outcome once no later kill of the job can change it; None while it may still change."""
    verdict = facts.verdict
    if verdict is None or verdict.rank in facts.lost or facts.overtime or was_killed_first(facts):
        return None
    waits_for_results = verdict.success and bool(facts.missing_results) and bool((facts.missing_results or {}).get("hosts"))
    return None if waits_for_results or now - facts.decided_at < facts.at_once_s else conclude_from_verdict(facts, verdict)


def was_killed_first(facts: Facts) -> bool:
    """Return whether the job was ended from outside before the verdict, or at the same time."""
    if facts.killing is None:
        return False
    return facts.verdict is None or facts.killing.at - facts.decided_at < facts.at_once_s


def may_be_killed(facts: Facts) -> bool:
    """Return whether a kill of the job can explain a task's end: the signal to us may still be on its way."""
    return any(end.signal in (*STOP_SIGNALS, signal.SIGKILL) for end in facts.ends.values())


def conclude_from_verdict(facts: Facts, verdict: Verdict) -> Outcome:
    """Return the outcome of a verdict, considering also what the script and Slurm report."""
    return apply_out_of_memory(
        apply_notice(_conclude_by_rule(facts, verdict), facts.noticed, facts.asks_with), facts.out_of_memory
    )


def _conclude_by_rule(facts: Facts, verdict: Verdict) -> Outcome:
    """Return the outcome by the task whose end decided, or by the rule."""
    if verdict.success and facts.missing_results:
        return Outcome(Cause.RESULTS, exit_code=1, detail=dict(facts.missing_results))
    if verdict.success:
        return Outcome(Cause.SCRIPT, exit_code=0, detail=dict(verdict.detail))
    if verdict.rank is None:
        return Outcome(verdict.cause, detail=dict(verdict.detail))
    # decided by a rule: the task's end came later, and was caused by us
    end = facts.ends[verdict.rank] if verdict.cause is Cause.SCRIPT else End(1)
    label = facts.roles[verdict.rank].label
    host = facts.hosts.get(verdict.rank, "") if len(facts.roles) > 1 else ""
    return Outcome(verdict.cause, label, host, end.exit_code, end.signal, detail=dict(verdict.detail))


def apply_notice(outcome: Outcome, noticed: Optional[Cause], asks_with: int) -> Outcome:
    """Return the outcome of a script that had been notified: if it then exited by itself, the run continues."""
    if noticed is None or outcome.cause is not Cause.SCRIPT or outcome.end != End(asks_with):
        return outcome
    return outcome._replace(cause=noticed, detail={"noticed": True})


def apply_out_of_memory(outcome: Outcome, out_of_memory: bool) -> Outcome:
    """Return an outcome corrected by Slurm's report: a process killed for its memory ends like one killed for any other
    reason."""
    by_kill = outcome.cause in (Cause.SCRIPT, Cause.TASK_LOST, Cause.LAUNCHER) and not outcome.succeeded
    return outcome._replace(cause=Cause.OUT_OF_MEMORY) if by_kill and out_of_memory else outcome


def infer_killing(first: Tuple[int, float], written: bytes, job_id: str, gives_way: bool) -> Killing:
    """Return what ends the job from outside.

    ``first`` is its first signal and when it came, ``written`` what Slurm wrote: slurmstepd writes the reason into the job's
    log before it sends TERM. An attempt ``gives_way`` to the next one of its job.
    """
    cause = Cause.REQUEUED if gives_way else job_log.find_kill_cause(written, job_id)
    return Killing(first[0], first[1], cause, job_log.find_failed_node(written) if cause is Cause.NODE_FAILURE else "")


def compute_unheard_since(since: Optional[float], began: float, outcome: Outcome, written: bytes) -> Optional[float]:
    """Return since when slurmctld has not answered any launcher; None if it has, or this launcher ended for another reason.

    ``since`` is the result for the launch before this one, which ``began`` at that time; ``written`` is this launcher's output.
    """
    if outcome.cause is not Cause.LAUNCHER or not job_log.was_unanswered(written):
        return None
    return began if since is None else since


def _conclude_from_launcher(facts: Facts) -> Outcome:
    end = End.from_returncode(facts.returncode or 0)
    detail = {"launcher": facts.launcher, "missing": _list_unreported(facts)}
    return Outcome(Cause.LAUNCHER, exit_code=end.exit_code, signal=end.signal, detail=detail)


def _list_unreported(facts: Facts) -> List[str]:
    known = facts.ends if facts.all_connected else facts.hosts
    return [role.label for role in facts.roles if role.rank not in known]
