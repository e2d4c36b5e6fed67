"""How an attempt of a job ended: a cause, and the facts that show it. runs/states/words.py puts it into words."""

import signal as signals
from enum import Enum
from typing import Dict, NamedTuple, Optional

from ..interchange import JsonObject


class Cause(str, Enum):
    """What ended an attempt. The value is what the journal, ``--json`` and Python callers see.

    ``detail`` of the outcome holds, for

    - SCRIPT: ``late``, ``grace_s``: the tasks that had not ended when a success was declared
    - STRAGGLER: the tasks in ``late`` had not ended ``grace_s`` after the first success
    - NOT_CONNECTED: the tasks in ``missing`` had not connected ``waited_s`` after the first task did
    - CALLED_OFF: the facts given by the job's orders
    - STAGING, AGENT, SOFTWARE: ``error``
    - LAUNCHER: ``launcher``, and ``missing``: the tasks that never reported, or the ``error`` of its start
    - RESULTS: ``hosts`` whose results never came, ``failed``: what could not be copied
    - TIME_LIMIT, PREEMPTED: ``noticed`` if the script ended itself after it was notified
    - NOT_STARTED: ``line`` of job.sh that was reached last; ``unlaunched``: Slurm could not start the script
    - LOST: ``by``: ``slurm`` no longer knows the job, the ``supervisor`` was killed, or the ``disk`` refused its report
    - STALL: ``minutes`` in which nothing happened
    - CANCELED: ``by``: a :class:`CanceledBy`; ``user`` and ``uid`` of that person, and ``host`` and ``time`` if it was done
      through slurmtf
    - DEPENDENCY: ``after``: the runs that it had to follow
    - UNKNOWN: ``cause``: what a newer slurmtf wrote
    """

    SCRIPT = "script"
    """The user's script: its exit code or signal decided; also the cause of a success."""
    STRAGGLER = "straggler"
    NOT_CONNECTED = "not-connected"
    TASK_LOST = "task-lost"
    """A task's agent or node died without a report."""
    STAGING = "staging"
    """Software or data could not be staged to a node."""
    LAUNCHER = "launcher"
    """srun, mpirun or spawn ended before its tasks reported."""
    AGENT = "agent"
    """slurmtf's own programs in the job failed."""
    RESULTS = "results"
    """Results on a node's own disk were not copied back."""
    TIME_LIMIT = "time-limit"
    CANCELED = "canceled"
    CALLED_OFF = "called-off"
    """The job's own orders stopped the launch, such as a sweep's policy."""
    PREEMPTED = "preempted"
    REQUEUED = "requeued"
    NODE_FAILURE = "node-failure"
    OUT_OF_MEMORY = "out-of-memory"
    STALL = "stall"
    """Nothing happened on any task for longer than the user allows."""
    DEPENDENCY = "dependency"
    """A run that this one follows did not end as required."""
    SOFTWARE = "software"
    """The environment could not be built."""
    NOT_STARTED = "not-started"
    """The batch script ended before the supervisor started."""
    LOST = "lost"
    """Unknown: the journal stops, and Slurm does not know the job."""
    UNKNOWN = "unknown"
    """A cause that this version does not know."""


class CanceledBy(str, Enum):
    """Who canceled a run."""

    SLURMTF = "slurmtf"
    """Its user, through slurmtf."""
    OWNER = "owner"
    """Its user, without slurmtf (scancel)."""
    OTHER = "other"
    """Another user of the cluster: an administrator, an operator, a coordinator of the account."""
    SLURM = "slurm"
    """Slurm itself, without a request."""
    UNKNOWN = "unknown"
    """Slurm was asked, but does not know."""


MAY_RETURN = (Cause.PREEMPTED, Cause.REQUEUED, Cause.NODE_FAILURE)
"""Causes after which Slurm may restart the job; only Slurm knows whether it will."""
OWN_STATUS = {Cause.TIME_LIMIT: 124, Cause.CANCELED: 130}
"""Exit codes that stand for a cause: timeout(1)'s, and a shell's after Ctrl-C."""
LONGEST_ERROR = 300
"""The most characters of an error in an outcome."""


class End(NamedTuple):
    """How a process ended. Exactly one of the two fields is set."""

    exit_code: Optional[int] = None
    signal: Optional[int] = None

    @property
    def status(self) -> int:
        """The exit code with which a shell would report this end."""
        return 128 + self.signal if self.signal else self.exit_code or 0

    @property
    def succeeded(self) -> bool:
        return self.exit_code == 0 and not self.signal

    @classmethod
    def from_returncode(cls, returncode: int) -> "End":
        """Return the end of a process from subprocess's return code."""
        return cls(None, -returncode) if returncode < 0 else cls(returncode, None)

    @classmethod
    def from_dict(cls, facts: object) -> "End":
        facts = facts if isinstance(facts, dict) else {}
        return cls(_to_int(facts.get("exit_code")), _to_int(facts.get("signal")))


class Outcome(NamedTuple):
    """``task`` is the label of the task that decided, ``host`` its node; ``log`` is a file, relative to the run folder, and
    ``tail`` its last lines; ``detail`` holds the facts of the cause (see :class:`Cause`)."""

    cause: Cause
    task: str = ""
    host: str = ""
    exit_code: Optional[int] = None
    signal: Optional[int] = None
    log: str = ""
    tail: str = ""
    detail: JsonObject = {}  # noqa: RUF012 - never modified

    @property
    def end(self) -> End:
        """The exit code or signal with which the job ends."""
        return End(self.exit_code, self.signal)

    @property
    def job_status(self) -> int:
        """The supervisor's exit code: that of the end, but 0 only for a success."""
        return self.end.status if self.succeeded else self.end.status or 1

    @property
    def succeeded(self) -> bool:
        return self.cause is Cause.SCRIPT and self.end.succeeded

    @property
    def exit_status(self) -> int:
        """The exit code that stands for the run: the script's own, 128 + its signal, 124 after the time limit, 130 if the run
        was canceled, 1 if there is none."""
        if self.succeeded:
            return 0
        return OWN_STATUS.get(self.cause, self.job_status)

    @property
    def error(self) -> str:
        """A text that identifies the error: the last line of the tail."""
        lines = [line.strip() for line in self.tail.splitlines() if line.strip()]
        return lines[-1][:LONGEST_ERROR] if lines else "{} (exit code {})".format(self.cause.value, self.exit_code)

    def to_dict(self) -> Dict[str, object]:
        return dict(self._asdict(), cause=self.cause.value)

    @classmethod
    def from_dict(cls, facts: object) -> "Outcome":
        """Return what :meth:`to_dict` of any version wrote: unknown keys are ignored, missing ones are empty."""
        facts = facts if isinstance(facts, dict) else {}
        detail = facts.get("detail")
        detail = dict(detail) if isinstance(detail, dict) else {}
        cause = parse_cause(facts.get("cause"))
        if cause is Cause.UNKNOWN:
            detail.setdefault("cause", str(facts.get("cause", "")))
        texts = {name: _to_text(facts.get(name)) for name in ("task", "host", "log", "tail")}
        end = End.from_dict(facts)
        return cls(cause, exit_code=end.exit_code, signal=end.signal, detail=detail, **texts)


def parse_cause(text: object) -> Cause:
    """Return the cause with this name; UNKNOWN if this version has none."""
    try:
        return Cause(text)
    except ValueError:
        return Cause.UNKNOWN


def format_signal(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        return "signal {}".format(number)


def _to_int(value: object) -> Optional[int]:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _to_text(value: object) -> str:
    return value if isinstance(value, str) else ""
