"""Let an element work on several trials at once: a supervisor for each, with its share of the CPUs and GPUs."""

import os
import signal
import subprocess
import sys
from typing import Dict, List, Mapping, Sequence

from ..common import cpu_binding, gpus
from ..common.process import end_with_parent
from ..contract.layout import RunLayout
from ..contract.plan import JobPlan, Size
from ..contract.sweep.records import SweepLayout
from ..supervisor.conclusion import STOP_SIGNALS

FORWARDED = (*STOP_SIGNALS, signal.SIGUSR1, signal.SIGUSR2)


def start(argv: Sequence[str], count: int) -> int:
    """Start a supervisor for each slot, pass signals on to all of them, and return the exit code of the first that failed; 0 if
    none did. ``argv``: our own command line."""
    slots: List["subprocess.Popen[bytes]"] = []

    def forward(number: int, frame: object) -> None:  # noqa: ARG001
        for started in slots:
            started.send_signal(number)

    for number in FORWARDED:
        signal.signal(number, forward)
    parent = os.getpid()
    for slot in range(count):
        words = [sys.executable, "-I", argv[0], "slot", str(slot), str(count), *argv[2:]]
        slots.append(subprocess.Popen(words, preexec_fn=lambda: end_with_parent(parent)))  # noqa: PLW1509 - no threads here
    statuses = [started.wait() for started in slots]
    return next((status if status > 0 else 128 - status for status in statuses if status), 0)


def build_slot_plan(plan: JobPlan, count: int) -> JobPlan:
    """Return the plan of one slot: its part of the node, or a shared GPU if there are more slots than GPUs. Pure."""
    return plan._replace(size=compute_slot_size(plan.size, count))


def compute_slot_size(size: Size, count: int) -> Size:
    """Return the share of each of ``count`` slots in the node."""
    cpus = None if size.cpus_per_task is None else max(1, size.cpus_per_task // count)
    own_gpus = min(size.gpus_per_node, max(1, size.gpus_per_node // count))
    return size._replace(cpus_per_task=cpus, gpus_per_node=own_gpus)


def build_slot_environ(plan: JobPlan, number: int, count: int, environ: Mapping[str, str]) -> Dict[str, str]:
    """Return the variables of one slot, with its own GPUs. ``plan`` is that of the whole element."""
    if not plan.size.gpus_per_node:
        return dict(environ)
    names = gpus.find_visible(plan, environ, gpus.count_openable(plan.gpu_vendor)).names or ()
    return {**environ, **gpus.build_variables(plan.gpu_vendor, gpus.compute_share(names, number, count), environ)}


def bind(plan: JobPlan, number: int, count: int, environ: Mapping[str, str]) -> None:
    """Bind this process to the CPUs of its slot, if the job has CPUs of its own."""
    if not plan.can.one_machine and cpu_binding.has_exclusive_cpus(plan, environ) and len(os.sched_getaffinity(0)) >= count:
        cpu_binding.bind(number, count)


def build_slot_layout(folder: str, slot: int) -> RunLayout:
    """Return the run's layout for a slot. It has its own journals, because another journal of a job means a later attempt."""
    layout = RunLayout(folder)
    layout.journals = os.path.join(SweepLayout(folder).folder, "slots", str(slot))
    return layout
