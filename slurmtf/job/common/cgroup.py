"""Find the cgroup in which Slurm's task/cgroup counts the memory of a job (cgroups(7), cgroup.conf(5))."""

import re
from typing import NamedTuple, Optional

OWN = "/proc/self/cgroup"
JOB_PATH = re.compile(r"(.*/job_(\d+))(?:/.*)?")
ROOT = "/sys/fs/cgroup"


class Cgroup(NamedTuple):
    """``job``: the folder of the whole job, ``own``: that of this process in it; ``is_unified``: cgroup v2."""

    job: str
    own: str
    is_unified: bool


def find_cgroup(text: str, job_id: str) -> Optional[Cgroup]:
    """Return the cgroup that counts the job's memory, from ``/proc/self/cgroup``; None if there is none."""
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        match, is_unified = JOB_PATH.fullmatch(path), number == "0"
        if match and match.group(2) == job_id and (is_unified or "memory" in kinds.split(",")):
            root = ROOT if is_unified else ROOT + "/memory"
            return Cgroup(root + match.group(1), root + path, is_unified)
    return None


def read_text(path: str) -> str:
    """Return the text of one of the kernel's files; empty if it can't be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
