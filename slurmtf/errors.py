"""The exceptions that slurmtf raises on purpose.

    SlurmtfError
    ├── InputError            the request can't be carried out as it is; nothing was written or submitted
    │   ├── SpecError         an estimator, a job file or a command line
    │   ├── SiteError         a site profile
    │   ├── TemplateError     a job template
    │   ├── SnapshotError     no snapshot of the source directory can be taken as it is
    │   ├── WorkspaceError    the run folder can't be created: permission, quota, disk
    │   ├── SoftwareError     the environment that a job needs can't be built
    │   ├── RefusedError      Slurm refused the job
    │   └── RunNotFoundError  no run of that name
    ├── SlurmError            Slurm does not answer, or its answer can't be understood
    │   └── UnreachableError  Slurm can't be reached from this machine: nothing was submitted
    ├── RunGoneError          the run's folder was removed or renamed while it was followed; its job may continue
    └── RunFailedError        the run did not complete (``raise_on_error`` of ``wait_for_completion``); one for each cause:
        ScriptFailedError, OutOfMemoryError, TimeLimitError, PreemptedError, NodeFailedError, RunCanceledError, RunStalledError,
        LaunchFailedError, StagingFailedError, DependencyFailedError, BuildFailedError, RunLostError

Each carries its findings: what is wrong, where, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slurmtf.findings import Finding
    from slurmtf.job.contract.attempt.outcome import Outcome


class SlurmtfError(Exception):
    """Base class of all slurmtf errors. ``findings`` lists what is wrong; ``exit_code`` is the command line's exit code."""

    exit_code = 1

    def __init__(self, *findings: Finding) -> None:
        self.findings = findings
        super().__init__("\n".join(map(str, self.findings)))


class InputError(SlurmtfError):
    """The request can't be carried out as it is. Nothing was written or submitted."""

    exit_code = 2


class SpecError(InputError):
    """An estimator, a job file or a command line is wrong."""


class SiteError(InputError):
    """A site profile is missing or wrong."""


class TemplateError(InputError):
    """A job template is missing or can't be rendered."""


class SnapshotError(InputError):
    """No snapshot of the source directory can be taken as it is."""


class WorkspaceError(InputError):
    """The run folder can't be created: permission, quota, disk, or a path that Slurm does not accept."""


class SoftwareError(InputError):
    """The environment that a job needs can't be built."""


class RefusedError(InputError):
    """Slurm refused the job."""


class RunNotFoundError(InputError):
    """There is no run of that name."""


class SlurmError(SlurmtfError):
    """Slurm does not answer, or its answer can't be understood."""

    exit_code = 3


class UnreachableError(SlurmError):
    """Slurm can't be reached from this machine: nothing was submitted."""


class RunGoneError(SlurmtfError):
    """The folder of a run was removed or renamed while its job continues."""

    exit_code = 4


class RunFailedError(SlurmtfError):
    """The run did not complete. ``outcome`` says how it ended (contract/attempt/outcome.py); None if that is not known."""

    outcome: Outcome | None = None


class ScriptFailedError(RunFailedError):
    """The script failed, or was killed."""


class OutOfMemoryError(RunFailedError):
    """The run used more memory than it requested."""


class TimeLimitError(RunFailedError):
    """The run reached its time limit."""


class PreemptedError(RunFailedError):
    """The run was preempted, or requeued and not restarted."""


class NodeFailedError(RunFailedError):
    """A node failed."""


class RunCanceledError(RunFailedError):
    """The run was canceled, by somebody or by its sweep."""


class RunStalledError(RunFailedError):
    """The run stopped making progress, or some tasks did not end after the others."""


class LaunchFailedError(RunFailedError):
    """The run's tasks could not be started."""


class StagingFailedError(RunFailedError):
    """Software or data could not be staged to a node, or results could not be copied back."""


class DependencyFailedError(RunFailedError):
    """A run that this one follows did not end as required."""


class BuildFailedError(RunFailedError):
    """The environment that the run waited for could not be built."""


class RunLostError(RunFailedError):
    """It is not known how the run ended."""


def suggest(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'?`` for the closest of ``known``, or an empty string."""
    import difflib  # noqa: PLC0415 - only for misspelled words

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else ""
