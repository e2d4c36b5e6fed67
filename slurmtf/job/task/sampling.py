"""Sample what the tasks of this job use on this node; the node's first task does it for all, at a cost below 0.1 % of a core.

CPU time is that of the launcher's processes here, which are our siblings: children of slurmstepd, or of mpirun's daemon
(proc(5)). Memory is what Slurm's cgroup counts without cached files, or the sum of the processes' own peaks if that is more:
the kernel records the peak of each process between two samples, and of children that we waited for, until they end. GPUs are
sampled with the vendor's tool.
"""

import contextlib
import os
import re
import resource
import time
from typing import Dict, List, Mapping, NamedTuple

from ..common import cgroup, identity
from ..contract import variables as var
from ..contract.attempt.samples import Sample
from ..contract.layout import RunLayout
from ..contract.plan import JobPlan
from ..contract.system import proc
from ..contract.system.private import add_private
from .gpu_meter import GpuMeter

FIRST_S, GROWTH, LONGEST_S = 2.0, 1.5, 60.0
"""Seconds until the first sample; each pause is longer than the one before, up to the longest."""
SIZE = re.compile(r"^(VmHWM|RssFile|RssShmem):\s*([0-9]+) kB$", re.MULTILINE)


class Process(NamedTuple):
    """A process according to /proc: CPU seconds include those of its ended children."""

    pid: int
    parent: int
    cpu_s: float


class PeakMemory(NamedTuple):
    """The peak memory of a process in bytes, and how much of it is backed by files or shared, as far as that is known."""

    most: int
    files: int

    @property
    def own(self) -> int:
        return max(0, self.most - self.files)


class Sampler:
    """Takes the samples of one launch on this node."""

    def __init__(self, plan: JobPlan, layout: RunLayout, environ: Mapping[str, str]) -> None:
        job = identity.get_job_name(environ) or str(os.getppid())
        self._path = layout.node_samples(job, identity.get_host(environ))
        self._gpus = GpuMeter(plan, environ)
        self._cgroup = find_memory_file(cgroup.read_text(cgroup.OWN), environ.get(var.SLURM_JOB_ID, ""))
        self._series = time.time()
        self._pause = FIRST_S
        self._next = time.monotonic() + FIRST_S
        self._cpu_s = 0.0
        self._files = 0

    def tick(self) -> None:
        """Take a sample if one is due. Nothing here blocks, and what fails is skipped."""
        now = time.monotonic()
        self._gpus.tick(now)
        if now >= self._next:
            self._pause = min(self._pause * GROWTH, LONGEST_S)
            self._next = now + self._pause
            self._write()

    def end(self) -> None:
        """Write the last sample."""
        self._write()
        self._gpus.end()

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            found = select_descendants(list_processes(), os.getppid(), os.getpid())
            self._cpu_s = max(self._cpu_s, sum(one.cpu_s for one in found))
            held = [parse_held(cgroup.read_text("/proc/{}/status".format(one.pid))) for one in found]
            self._files = max([self._files, *(one.files for one in held)])
            memory = max(
                _read_count(self._cgroup), sum(one.own for one in held), PeakMemory(measure_ended_children(), self._files).own
            )
            sample = Sample(time.time(), self._series, self._cpu_s, memory, self._gpus.take())
            add_private(os.path.dirname(self._path))
            with open(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "wb") as file:
                file.write(sample.to_line())


def list_processes() -> List[Process]:
    """Return all processes of this node that can be seen."""
    return [Process(pid, process.parent, process.cpu_s) for pid, process in proc.iterate_processes()]


def parse_held(status: str) -> PeakMemory:
    """Return a process's peak memory, from its status (proc(5))."""
    sizes = {name: int(size) << 10 for name, size in SIZE.findall(status)}
    return PeakMemory(sizes.get("VmHWM", 0), sizes.get("RssFile", 0) + sizes.get("RssShmem", 0))


def measure_ended_children() -> int:
    """Return the largest peak memory among our ended children, in bytes (getrusage(2))."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10


def select_descendants(known: List[Process], root: int, own: int) -> List[Process]:
    """Return the processes below ``root``; only those below ``own`` if the root is the whole system's."""
    children: Dict[int, List[Process]] = {}
    for process in known:
        children.setdefault(process.parent, []).append(process)
    start = root if root > 1 else own
    found = [process for process in known if process.pid == start and start == own]
    rest = list(children.get(start, ()))
    while rest:
        process = rest.pop()
        found.append(process)
        rest += children.get(process.pid, ())
    return found


def find_memory_file(text: str, job_id: str) -> str:
    """Return the file in which the job's cgroup counts its memory, found through /proc/self/cgroup; empty if there is none."""
    found = cgroup.find_cgroup(text, job_id)
    return found.job + "/memory.stat" if found else ""


def _read_count(path: str) -> int:
    return count_bytes(cgroup.read_text(path)) if path else 0


def count_bytes(text: str) -> int:
    """Return the bytes in a memory.stat that no file backs: anon and shmem in cgroup v2, total_rss and total_shmem in v1."""
    facts = dict(line.split()[:2] for line in text.splitlines() if len(line.split()) > 1)
    names = ("anon", "shmem") if "anon" in facts else ("total_rss", "total_shmem")
    return sum(int(facts[name]) for name in names if facts.get(name, "").isdigit())
