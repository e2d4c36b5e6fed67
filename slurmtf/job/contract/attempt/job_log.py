"""Read what Slurm and the launcher wrote to the job's log (logs/job.log)."""

import contextlib
import os
import re

from .log_excerpt import format_excerpt
from .outcome import Cause

TAIL_BYTES = 256 * 1024
TAIL_LINES = 20
NOTICES = (
    (re.compile(rb"DUE TO TIME LIMIT"), Cause.TIME_LIMIT),
    (re.compile(rb"DUE TO PREEMPTION"), Cause.PREEMPTED),
    (re.compile(rb"DUE TO JOB REQUEUE"), Cause.REQUEUED),
    (re.compile(rb"DUE TO NODE FAILURE"), Cause.NODE_FAILURE),
)
"""slurmstepd's messages (src/slurmd/slurmstepd/req.c), written before it sends TERM."""
OUT_OF_MEMORY = re.compile(rb"oom[-_ ]?kill|[Ee]xceeded (job |step )?memory limit")
"""The messages of cgroups and of JobAcctGatherParams=OverMemoryKill (slurm.conf(5))."""
UNANSWERED = re.compile(
    rb"srun: .{0,99}(Unable to confirm allocation|Unable to create step|Unable to contact slurm).{0,199}"
    rb"(Socket timed out|Connection (refused|reset|timed out)|connect failure|Zero Bytes|Resource temporarily)"
)
"""The message of an srun(1) that slurmctld did not answer."""
FAILED_NODE = re.compile(rb"Node failure on (\S+)")


def say(text: str) -> None:
    """Write a line to the job's log, from within the job.

    A line that a full disk refuses is dropped: Python would otherwise keep it until it exits, and then exit with 120.
    """
    with contextlib.suppress(OSError):
        os.write(2, "slurmtf: {}\n".format(text).encode("utf-8", "replace"))


def find_kill_cause(written: bytes, job_id: str) -> Cause:
    """Return why Slurm ended the job, according to this attempt's part of its log; CANCELED if somebody ended it."""
    notices = re.findall(rb"\*\*\* (?:JOB|STEP) " + re.escape(job_id.encode()) + rb"\b.*", written)
    return next((cause for notice in notices for pattern, cause in NOTICES if pattern.search(notice)), Cause.CANCELED)


def has_run_out_of_memory(written: bytes) -> bool:
    """Return whether Slurm says that a process was killed for its memory."""
    return bool(OUT_OF_MEMORY.search(written))


def was_unanswered(written: bytes) -> bool:
    """Return whether a launcher reports that slurmctld did not answer it."""
    return bool(UNANSWERED.search(written))


def find_failed_node(written: bytes) -> str:
    """Return the node that failed last, as named by srun; empty if srun had no time to name it."""
    found = FAILED_NODE.findall(written)
    return found[-1].decode("utf-8", "replace") if found else ""


def get_size(path: str) -> int:
    """Return the size of a log in bytes; 0 if it can't be read."""
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def read_since(path: str, size: int) -> bytes:
    """Return what was added to a log since it had that size; nothing if it can't be read."""
    try:
        with open(path, "rb") as file:
            file.seek(size)
            return file.read()
    except OSError:
        return b""


def read_tail(path: str, lines: int = TAIL_LINES, begin: int = 0) -> str:
    """Return the most telling lines at the end of a log (see log_excerpt), whatever bytes it holds; empty if there are none.

    ``begin``: ignore what precedes this position.
    """
    try:
        with open(path, "rb") as file:
            file.seek(max(begin, os.path.getsize(path) - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return format_excerpt(text, lines)
