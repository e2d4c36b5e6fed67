"""Everything that slurmtf raises on purpose.

    SlurmtfError
    ├── InputError            what was asked for can't be done as asked; nothing was written or submitted
    │   ├── SpecError         an estimator, a job file or a command line
    │   ├── SiteError         a site profile
    │   ├── TemplateError     a job template
    │   ├── SnapshotError     the source directory can't be taken as it is
    │   ├── WorkspaceError    the run folder can't be created: permission, quota, disk
    │   ├── SoftwareError     the environment that a job needs can't be built
    │   ├── RefusedError      Slurm refused the job
    │   └── RunNotFoundError  no run of that name
    ├── SlurmError            Slurm does not answer, or not in a way that can be understood
    │   └── UnreachableError  Slurm can't be reached from this machine: nothing was submitted
    ├── RunGoneError          the run's folder was removed or renamed while it was followed; its job may go on
    └── RunFailedError        the run ended, and not well (``raise_on_error`` of ``wait_for_completion``); one for each cause:
        ScriptFailedError, OutOfMemoryError, TimeLimitError, PreemptedError, NodeFailedError, RunCanceledError, RunStalledError,
        LaunchFailedError, StagingFailedError, DependencyFailedError, BuildFailedError, RunLostError

Each carries its findings: what is wrong, where, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slurmtf.findings import Finding
    from slurmtf.job.contract.outcome import Outcome


class SlurmtfError(Exception):
    """Base class of all slurmtf errors. ``findings`` lists what is wrong; ``exit_code`` is the command line's exit code."""

    exit_code = 1

    def __init__(self, *findings: Finding) -> None:
        self.findings = findings
        super().__init__("\n".join(map(str, self.findings)))


class InputError(SlurmtfError):
    """What was asked for can't be done as asked. Nothing was written or submitted."""

    exit_code = 2


class SpecError(InputError):
    """An estimator, a job file or a command line is wrong."""


class SiteError(InputError):
    """A site profile is missing or wrong."""


class TemplateError(InputError):
    """A job template is missing or can't be rendered."""


class SnapshotError(InputError):
    """The source directory can't be taken as it is."""


class WorkspaceError(InputError):
    """The run folder can't be created: permission, quota, disk, or a path that Slurm can't carry."""


class SoftwareError(InputError):
    """The environment that a job needs can't be built."""


class RefusedError(InputError):
    """Slurm refused the job."""


class RunNotFoundError(InputError):
    """There is no run of that name."""


class SlurmError(SlurmtfError):
    """Slurm does not answer, or not in a way that can be understood."""

    exit_code = 3


class UnreachableError(SlurmError):
    """Slurm can't be reached from this machine: nothing was submitted."""


class RunGoneError(SlurmtfError):
    """The folder of a run was removed or renamed while its job goes on."""

    exit_code = 4


class RunFailedError(SlurmtfError):
    """The run ended, and not well. ``outcome`` says how (:class:`slurmtf.job.contract.outcome.Outcome`); None: nobody knows."""

    outcome: Outcome | None = None


class ScriptFailedError(RunFailedError):
    """The script ended with an error, or was killed."""


class OutOfMemoryError(RunFailedError):
    """It used more memory than it asked for."""


class TimeLimitError(RunFailedError):
    """It reached its time limit."""


class PreemptedError(RunFailedError):
    """A job of higher priority took its place, or it was requeued and did not start again."""


class NodeFailedError(RunFailedError):
    """A node failed."""


class RunCanceledError(RunFailedError):
    """Somebody canceled it, or a sweep called it off."""


class RunStalledError(RunFailedError):
    """Nothing went on any more, or some tasks did not end after the others."""


class LaunchFailedError(RunFailedError):
    """Its tasks could not be started."""


class StagingFailedError(RunFailedError):
    """Software or data could not be brought to a node, or results not be copied back."""


class DependencyFailedError(RunFailedError):
    """A run that it was to follow did not end as it had to."""


class BuildFailedError(RunFailedError):
    """The environment that it waited for could not be built."""


class RunLostError(RunFailedError):
    """Nobody saw how it ended."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'?`` for the closest of ``known``, or an empty string."""
    import difflib  # noqa: PLC0415 - for what was misspelled alone

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else ""
