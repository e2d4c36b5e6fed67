"""What is known of an end, and what it is explained by."""

from __future__ import annotations

from dataclasses import dataclass

from slurmtf.diagnosis.hiding import without_secrets
from slurmtf.diagnosis.kinds import Kind
from slurmtf.job.contract.attempt.outcome import End


@dataclass(frozen=True)
class Log:
    """A log, or the parts of it that were read. ``task``: whose it is; empty for the job's own. ``uncaught``: the error that
    ended its script, by the word of its Python; empty: none has; None: nobody watched. ``exit``: where its script left by
    ``sys.exit``, and the error that it handled there, as Python shows an error; ``exit_name``: the file that tells it."""

    name: str
    task: str
    text: str
    uncaught: str | None = None
    exit: str = ""
    exit_name: str = ""


@dataclass(frozen=True)
class TaskFailure:
    """The end of a task that did not succeed."""

    task: str
    end: End


@dataclass(frozen=True)
class Evidence:
    """A line that shows it: of a log of the run, without what may be a secret."""

    log: str
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", without_secrets(self.text))


@dataclass(frozen=True)
class Explanation:
    """``task`` is the first that failed; ``rule`` the id of the rule that knew, empty where none was needed."""

    kind: Kind
    task: str = ""
    host: str = ""
    evidence: tuple[Evidence, ...] = ()
    remedy: str = ""
    rule: str = ""
