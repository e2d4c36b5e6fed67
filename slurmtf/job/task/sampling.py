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
import subprocess
import time
from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple

from ..common import cgroup, identity
from ..contract import variables as var
from ..contract.attempt.samples import Gpu, Sample
from ..contract.layout import RunLayout
from ..contract.plan import JobPlan
from ..contract.system import proc
from ..contract.system.private import add_private

FIRST_S, GROWTH, LONGEST_S = 2.0, 1.5, 60.0
"""Seconds until the first sample; each pause is longer than the one before, up to the longest."""
GPU_PAUSE_S = {"nvidia": 110.0, "amd": 590.0}
"""Seconds between two calls of the vendor's tool, which take about 0.1 s (nvidia-smi) or 0.5 s (rocm-smi) of a core."""
FIRST_GPU_S = 20.0
GPU_PATIENCE_S = 30.0
ASK = {
    "nvidia": ("nvidia-smi", "--query-gpu=utilization.gpu,memory.used,memory.total", "--format=csv,noheader,nounits"),
    "amd": ("rocm-smi", "--showuse", "--showmeminfo", "vram", "--csv"),
}
SIZE = re.compile(r"^(VmHWM|RssFile|RssShmem):\s*([0-9]+) kB$", re.MULTILINE)


class Process(NamedTuple):
    """A process according to /proc: CPU seconds include those of its ended children."""

    pid: int
    parent: int
    cpu_s: float


class Held(NamedTuple):
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
        self._vendor = plan.gpu_vendor
        self._gpus_asked = plan.size.gpus_per_node
        self._numbers = _parse_numbers(environ.get(var.SLURM_STEP_GPUS, ""))
        self._cgroup = find_memory_file(cgroup.read_text(cgroup.OWN), environ.get(var.SLURM_JOB_ID, ""))
        self._series = time.time()
        self._pause = FIRST_S
        self._next = time.monotonic() + FIRST_S
        self._next_gpu = time.monotonic() + FIRST_GPU_S
        self._asking: Optional["subprocess.Popen[bytes]"] = None
        self._asked_at = 0.0
        self._gpus: Tuple[Gpu, ...] = ()
        self._cpu_s = 0.0
        self._files = 0

    def tick(self) -> None:
        """Take a sample if one is due. Nothing here blocks, and what fails is skipped."""
        now = time.monotonic()
        if self._gpus_asked:
            self._look_at_gpus(now)
        if now >= self._next:
            self._pause = min(self._pause * GROWTH, LONGEST_S)
            self._next = now + self._pause
            self._write()

    def end(self) -> None:
        """Write the last sample."""
        self._write()
        if self._asking and self._asking.poll() is None:
            self._asking.kill()
            self._asking.wait()

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            found = select_descendants(list_processes(), os.getppid(), os.getpid())
            self._cpu_s = max(self._cpu_s, sum(one.cpu_s for one in found))
            held = [parse_held(cgroup.read_text("/proc/{}/status".format(one.pid))) for one in found]
            self._files = max([self._files, *(one.files for one in held)])
            memory = max(
                _read_count(self._cgroup), sum(one.own for one in held), Held(measure_ended_children(), self._files).own
            )
            sample = Sample(time.time(), self._series, self._cpu_s, memory, self._gpus)
            self._gpus = ()
            add_private(os.path.dirname(self._path))
            with open(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "wb") as file:
                file.write(sample.to_line())

    def _look_at_gpus(self, now: float) -> None:
        if self._asking is None and now >= self._next_gpu:
            self._next_gpu, self._asked_at = now + GPU_PAUSE_S[self._vendor], now
            try:
                self._asking = subprocess.Popen(  # its output is short, and fits into a pipe
                    ASK[self._vendor], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )
            except OSError:
                self._gpus_asked = 0
        elif self._asking is not None and self._asking.poll() is not None:
            said = self._asking.stdout.read() if self._asking.stdout else b""
            told = parse_gpus(said.decode("utf-8", "replace"), self._vendor) if self._asking.returncode == 0 else []
            self._gpus, self._asking = choose_own(told, self._gpus_asked, self._numbers), None
        elif self._asking is not None and now > self._asked_at + GPU_PATIENCE_S:
            self._asking.kill()


def list_processes() -> List[Process]:
    """Return all processes of this node that can be seen."""
    return [Process(pid, process.parent, process.cpu_s) for pid, process in proc.iterate_processes()]


def parse_held(status: str) -> Held:
    """Return a process's peak memory, from its status (proc(5))."""
    sizes = {name: int(size) << 10 for name, size in SIZE.findall(status)}
    return Held(sizes.get("VmHWM", 0), sizes.get("RssFile", 0) + sizes.get("RssShmem", 0))


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


def parse_gpus(text: str, vendor: str) -> List[Gpu]:
    """Return the GPUs that the vendor's tool reports; an unknown value counts as 0."""
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines() if line.strip()]
    if vendor != "amd":
        return [Gpu(*(_to_float(cell) for cell in row[:3])) for row in rows if len(row) >= 3]
    if not rows:
        return []
    names = [name.lower() for name in rows[0]]
    places = [
        next((at for at, name in enumerate(names) if word in name), -1) for word in ("gpu use", "used memory", "total memory")
    ]
    cells = [[_to_float(row[at]) if 0 <= at < len(row) else 0.0 for at in places] for row in rows[1:]]
    return [Gpu(busy, used / 1048576, total / 1048576) for busy, used, total in cells]


def choose_own(told: List[Gpu], asked: int, numbers: List[int]) -> Tuple[Gpu, ...]:
    """Return the GPUs of the job: all that were reported if the number matches; else those whose numbers Slurm names."""
    if len(told) <= asked:
        return tuple(told)
    return tuple(told[number] for number in numbers if number < len(told))


def _parse_numbers(text: str) -> List[int]:
    return [int(word) for word in text.split(",") if word.isdigit()]


def _to_float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
