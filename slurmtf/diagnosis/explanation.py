"""The evidence of an end, and its explanation."""

from __future__ import annotations

from dataclasses import dataclass

from slurmtf.diagnosis.hiding import hide_secrets
from slurmtf.diagnosis.kinds import Kind
from slurmtf.job.contract.attempt.outcome import End


@dataclass(frozen=True)
class Log:
    """A log, or the parts of it that were read.

    ``task`` is empty for the job's own log. ``uncaught`` is the error that ended the script, as its Python recorded it: empty
    if none did, None if Python was not watched. ``exit`` is the traceback of the script's ``sys.exit``, with the error that it
    was handling; ``exit_name`` is the file with that traceback. ``ended_in_order``: its Python recorded that no error
    ended it, but the script's last line or SystemExit.
    """

    name: str
    task: str
    text: str
    uncaught: str | None = None
    exit: str = ""
    exit_name: str = ""
    ended_in_order: bool = False


@dataclass(frozen=True)
class TaskFailure:
    """The end of a task that did not succeed."""

    task: str
    end: End


@dataclass(frozen=True)
class Evidence:
    """A line of one of the run's logs that supports an explanation, without what may be a secret."""

    log: str
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", hide_secrets(self.text))


@dataclass(frozen=True)
class Explanation:
    """Why a run died. ``task`` is the first that failed; ``rule`` is the id of the matching rule, empty if none was needed."""

    kind: Kind
    task: str = ""
    host: str = ""
    evidence: tuple[Evidence, ...] = ()
    remedy: str = ""
    rule: str = ""
