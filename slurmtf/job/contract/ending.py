"""What an end means: exit codes, signals, and what Slurm wrote into the job's log."""

import os
import re
import signal
from typing import Any, Dict, Optional

TAIL_BYTES = 64 * 1024
CAUSES = (
    (re.compile(rb"DUE TO TIME LIMIT"), "time-limit"),
    (re.compile(rb"DUE TO PREEMPTION"), "preempted"),
    (re.compile(rb"DUE TO JOB REQUEUE"), "requeued"),
    (re.compile(rb"DUE TO NODE FAILURE"), "node-failure"),
)
FAILED_NODE = re.compile(rb"Node failure on (\S+)")
MAY_RETURN = ("preempted", "requeued", "node-failure")
"""Causes after which Slurm may start the job again: whether it does, only Slurm knows."""


def of_status(returncode: int) -> Dict[str, Optional[int]]:
    """Return exit code and signal of a process as subprocess reports its end."""
    if returncode < 0:
        return {"exit_code": None, "signal": -returncode}
    return {"exit_code": returncode, "signal": None}


def in_words(end: Dict[str, Any]) -> str:
    """Say how a process ended."""
    if end.get("signal"):
        return "was killed by signal {} ({})".format(end["signal"], signal_name(end["signal"]))
    return "ended with exit code {}".format(end.get("exit_code"))


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "signal {}".format(number)


def as_exit_status(end: Dict[str, Any]) -> int:
    """Return the exit status with which a shell would report this end."""
    return 128 + end["signal"] if end.get("signal") else int(end.get("exit_code") or 0)


def tail(path: str, lines: int) -> str:
    """Return the last lines of a log, whatever bytes it holds; empty when there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def cause_of_kill(job_log: str, since: int, job_id: str) -> str:
    """Return why Slurm ended the job: slurmstepd writes it into the job's log before it sends TERM.

    ``since`` is the log's size when this attempt began. 'cancelled' when somebody ended it.
    """
    notices = re.findall(rb"\*\*\* (?:JOB|STEP) " + job_id.encode() + rb"\b.*", _written(job_log, since))
    return next((cause for notice in notices for pattern, cause in CAUSES if pattern.search(notice)), "cancelled")


def failed_node(job_log: str) -> str:
    """Return the node that failed last: srun names it in the job's log; empty when it had no time to."""
    found = FAILED_NODE.findall(_written(job_log, 0))
    return found[-1].decode("utf-8", "replace") if found else ""


def _written(job_log: str, since: int) -> bytes:
    try:
        with open(job_log, "rb") as file:
            file.seek(since)
            return file.read()
    except OSError:
        return b""
