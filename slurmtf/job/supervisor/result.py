"""Report an attempt's outcome: in its journal, in the receipt, and to submitit, in its format."""

import contextlib
import os
import pickle
import time
from typing import Optional

from ..contract.attempt import events
from ..contract.attempt.outcome import Outcome
from ..contract.layout import RunLayout
from ..contract.system.private import write_private
from . import receipt
from .job import Job


class Result:
    """The result of one attempt, which begins now. ``reported``: the outcome, if it was final before
    the attempt's end."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._began = time.monotonic()
        self.reported: Optional[Outcome] = None

    def begin(self, label: str) -> None:
        """Remove what an earlier attempt of the job has left; show submitit the logs of the first task, which has ``label``."""
        remove_result(self._job.layout, self._job.name)
        link_logs(self._job.layout, self._job.name, label)

    def tell(self, outcome: Outcome) -> None:
        """Report an outcome that is final: nothing that kills the job from then on changes it."""
        self.reported = outcome
        self._write_outcome(outcome)
        self._job.journal.write(events.Decided(outcome.to_dict()))

    def finish(self, outcome: Outcome, is_known: bool) -> int:
        """Report how the attempt has ended; return the exit code to exit with. ``is_known``: this is also the job's end."""
        if is_known and not self.reported:
            self._write_outcome(outcome)
        took = time.monotonic() - self._began
        self._job.journal.write(events.Ended(outcome.to_dict(), round(took, 3)))
        receipt.complete(self._job.plan, self._job.layout, self._job.environ, outcome, time.time() - took, time.time())
        return outcome.job_status

    def _write_outcome(self, outcome: Outcome) -> None:
        with contextlib.suppress(OSError):  # a full disk: the journal and the exit status tell
            write_outcome(self._job.layout, self._job.name, self._job.plan.run.run_id, outcome)


def write_outcome(layout: RunLayout, job_id: str, run_id: str, outcome: Outcome) -> None:
    """Write an outcome as submitit's result. Raises OSError."""
    if outcome.succeeded:
        write_result(layout, job_id, "success", {"run": run_id, "exit_code": 0})
    else:
        write_result(layout, job_id, "error", format_error(outcome))


def format_error(outcome: Outcome) -> str:
    """Return the facts of a failure and the log's tail, as submitit's ``job.exception()`` shows them."""
    facts = dict(task=outcome.task, host=outcome.host, exit_code=outcome.exit_code, signal=outcome.signal, **outcome.detail)
    words = ["{}={}".format(name, value) for name, value in facts.items() if value not in ("", None, [])]
    lines = [" ".join(["cause={}".format(outcome.cause.value), *words]), outcome.tail]
    return "\n".join(filter(None, lines))


def write_result(layout: RunLayout, job_id: str, outcome: str, value: object) -> None:
    """Leave ``('success', value)`` or ``('error', text)`` (submitit.core.submission.process_job)."""
    write_private(layout.submitit_file(job_id, "result.pkl"), pickle.dumps((outcome, value), protocol=4))


def remove_result(layout: RunLayout, job_id: str) -> None:
    """Remove the result of an earlier attempt of the same job."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(layout.submitit_file(job_id, "result.pkl"))


def link_logs(layout: RunLayout, job_id: str, label: str) -> None:
    """Link the logs of task 0 to where ``job.stdout()`` and ``job.stderr()`` of submitit read them."""
    for stream in ("out", "err"):
        name = layout.submitit_file(job_id, "log." + stream)
        with contextlib.suppress(OSError):  # exists from an earlier attempt, or a file system without links
            os.symlink(os.path.relpath(layout.task_log(label, stream), layout.submitit), name)
