"""The result where submitit looks for it, in its format: a pickled pair of outcome and value."""

import contextlib
import os
import pickle

from ..contract.layout import RunLayout
from ..contract.outcome import Outcome
from ..contract.private import write_private


def leave(layout: RunLayout, job_id: str, run_id: str, outcome: Outcome) -> None:
    """Leave an outcome as submitit's result. Raises OSError."""
    if outcome.succeeded:
        write(layout, job_id, "success", {"run": run_id, "exit_code": 0})
    else:
        write(layout, job_id, "error", error(outcome))


def error(outcome: Outcome) -> str:
    """Return the facts of a failure, and the log's tail, as submitit's ``job.exception()`` shows them."""
    facts = dict(task=outcome.task, host=outcome.host, exit_code=outcome.exit_code, signal=outcome.signal, **outcome.detail)
    words = ["{}={}".format(name, value) for name, value in facts.items() if value not in ("", None, [])]
    lines = [" ".join(["cause={}".format(outcome.cause.value), *words]), outcome.tail]
    return "\n".join(filter(None, lines))


def write(layout: RunLayout, job_id: str, outcome: str, value: object) -> None:
    """Leave ``('success', value)`` or ``('error', text)`` (submitit.core.submission.process_job)."""
    write_private(layout.submitit_file(job_id, "result.pkl"), pickle.dumps((outcome, value), protocol=4))


def forget(layout: RunLayout, job_id: str) -> None:
    """Remove the result of an earlier attempt of the same job."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(layout.submitit_file(job_id, "result.pkl"))


def link_logs(layout: RunLayout, job_id: str, label: str) -> None:
    """Let ``job.stdout()`` and ``job.stderr()`` of submitit read the logs of task 0."""
    for stream in ("out", "err"):
        name = layout.submitit_file(job_id, "log." + stream)
        with contextlib.suppress(OSError):  # there from an earlier attempt, or a file system without links
            os.symlink(os.path.relpath(layout.task_log(label, stream), layout.submitit), name)
