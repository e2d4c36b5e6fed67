"""Count the processes that the kernel has killed for their memory in the batch step: Slurm reports it only after its end."""

import re

OF_JOB = re.compile(r".*/job_(\d+)(/.*|$)")
KILLS = re.compile(r"(?m)^oom_kill (\d+)$")


def events_file(text: str, job_id: str) -> str:
    """Return the file in which our cgroup, one of the job's, counts them, from /proc/self/cgroup; empty if there is none."""
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        match = OF_JOB.fullmatch(path)
        if match and match.group(1) == job_id and number == "0":
            return "/sys/fs/cgroup{}/memory.events".format(path)
        if match and match.group(1) == job_id and "memory" in kinds.split(","):
            return "/sys/fs/cgroup/memory{}/memory.oom_control".format(path)
    return ""


def kills(job_id: str) -> int:
    """Return how many processes were killed; 0 if there is no count."""
    path = events_file(_text("/proc/self/cgroup"), job_id)
    found = KILLS.search(_text(path)) if path else None
    return int(found.group(1)) if found else 0


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
