"""The result where submitit looks for it, in its format: a pickled pair of outcome and value."""

import contextlib
import os
import pickle
from typing import Any

from ..contract.layout import RunLayout


def write(layout: RunLayout, job_id: str, outcome: str, value: Any) -> None:
    """Leave ``('success', value)`` or ``('error', text)`` (submitit.core.submission.process_job)."""
    path = layout.submitit_file(job_id, "result.pkl")
    partial = "{}.partial-{}".format(path, os.urandom(4).hex())
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        pickle.dump((outcome, value), file, protocol=4)
    os.replace(partial, path)


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
