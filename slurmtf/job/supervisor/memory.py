"""Count the processes that the kernel has killed for their memory in the batch step: Slurm reports it only after its end."""

import re

from ..common import cgroup

KILLS = re.compile(r"(?m)^oom_kill (\d+)$")


def find_events_file(text: str, job_id: str) -> str:
    """Return the file in which our cgroup, one of the job's, counts them, from /proc/self/cgroup; empty if there is none."""
    found = cgroup.find_cgroup(text, job_id)
    return found.own + ("/memory.events" if found.is_unified else "/memory.oom_control") if found else ""


def count_kills(job_id: str) -> int:
    """Return how many processes were killed; 0 if there is no count."""
    path = find_events_file(cgroup.read_text(cgroup.OWN), job_id)
    found = KILLS.search(cgroup.read_text(path)) if path else None
    return int(found.group(1)) if found else 0
