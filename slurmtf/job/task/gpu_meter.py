"""Measure how busy and how full the job's GPUs on this node are, with the vendor's tool, without waiting for it."""

import subprocess
import time
from typing import List, Mapping, Optional, Tuple

from ..contract import variables as var
from ..contract.attempt.samples import Gpu
from ..contract.plan import JobPlan

PAUSE_S = {"nvidia": 110.0, "amd": 590.0}
"""Seconds between two calls of the vendor's tool, which take about 0.1 s (nvidia-smi) or 0.5 s (rocm-smi) of a core."""
FIRST_S = 20.0
PATIENCE_S = 30.0
ASK = {
    "nvidia": ("nvidia-smi", "--query-gpu=utilization.gpu,memory.used,memory.total", "--format=csv,noheader,nounits"),
    "amd": ("rocm-smi", "--showuse", "--showmeminfo", "vram", "--csv"),
}


class GpuMeter:
    """Calls the vendor's tool now and then, if the job has GPUs."""

    def __init__(self, plan: JobPlan, environ: Mapping[str, str]) -> None:
        self._vendor = plan.gpu_vendor
        self._count = plan.size.gpus_per_node
        self._numbers = _parse_numbers(environ.get(var.SLURM_STEP_GPUS, ""))
        self._next = time.monotonic() + FIRST_S
        self._patient_until = 0.0
        self._tool: Optional["subprocess.Popen[bytes]"] = None
        self._measured: Tuple[Gpu, ...] = ()

    def tick(self, now: float) -> None:
        """Start the tool if it is due, read what it has said, or end it if it hangs."""
        if self._tool is None:
            if self._count and now >= self._next:
                self._start(now)
        elif self._tool.poll() is not None:
            self._measured, self._tool = self._read(self._tool), None
        elif now > self._patient_until:
            self._tool.kill()

    def take(self) -> Tuple[Gpu, ...]:
        """Return what was measured since the last call; empty if nothing was."""
        measured, self._measured = self._measured, ()
        return measured

    def end(self) -> None:
        if self._tool and self._tool.poll() is None:
            self._tool.kill()
            self._tool.wait()

    def _start(self, now: float) -> None:
        self._next, self._patient_until = now + PAUSE_S[self._vendor], now + PATIENCE_S
        try:
            self._tool = subprocess.Popen(  # its output is short, and fits into a pipe
                ASK[self._vendor], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError:
            self._count = 0

    def _read(self, tool: "subprocess.Popen[bytes]") -> Tuple[Gpu, ...]:
        output = tool.stdout.read() if tool.stdout else b""
        gpus = parse_gpus(output.decode("utf-8", "replace"), self._vendor) if tool.returncode == 0 else []
        return choose_own(gpus, self._count, self._numbers)


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


def choose_own(gpus: List[Gpu], asked: int, numbers: List[int]) -> Tuple[Gpu, ...]:
    """Return the GPUs of the job: all that were reported if the number matches; else those whose numbers Slurm names."""
    if len(gpus) <= asked:
        return tuple(gpus)
    return tuple(gpus[number] for number in numbers if number < len(gpus))


def _parse_numbers(text: str) -> List[int]:
    return [int(word) for word in text.split(",") if word.isdigit()]


def _to_float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
