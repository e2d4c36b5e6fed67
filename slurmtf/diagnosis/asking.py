"""Advise what to request next time, from what a run has used. Pure."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator
from dataclasses import dataclass

from slurmtf.estimator.quantities import format_memory, format_slurm_time
from slurmtf.job.contract.attempt.outcome import Cause
from slurmtf.runs.states.state import RunState
from slurmtf.runs.usage import Usage

LEAST_S = 60.0
"""A run that has trained for fewer seconds says nothing about what the next one needs."""
MIB, GIB = 1 << 20, 1 << 30
MARGIN = 1.25
"""The factor between what was used and what to request."""
TOO_MUCH = 2.0
"""Requesting less is advised if this many times the used amount was requested."""
LEAST_MEMORY_GIB = 2
NEARLY = 0.9
IDLE_PERCENT, LOW_PERCENT = 5.0, 40.0
LOST_MEMORY_FACTOR = 1.5
STEP_S = 600


@dataclass(frozen=True)
class Advice:
    """One thing to request differently, and why. Settings are marked with backticks (slurmtf/spelling.py)."""

    code: str
    what: str
    why: str

    @property
    def text(self) -> str:
        return f"{self.what}: {self.why}"


def advise(usage: Usage, state: RunState) -> list[Advice]:
    """Return what to request next time. If the run was too short to judge, only advise on too little memory."""
    more = list(_advise_more_memory(usage, state))
    if usage.times.training < LEAST_S:
        return more
    less = [] if more else _advise_less_memory(usage)
    return [
        *more,
        *less,
        *_advise_on_gpus(usage),
        *_advise_on_cpus(usage),
        *_advise_on_nodes(usage),
        *_advise_on_time(usage, state),
    ]


def _advise_more_memory(usage: Usage, state: RunState) -> Iterator[Advice]:
    asked, used = usage.requested.memory_mb * MIB, usage.memory
    instead = f"instead of {format_memory(asked)}" if asked else "instead of the site's default"
    enough = _round_up_to_gib(max(asked * LOST_MEMORY_FACTOR, used * MARGIN))
    if state.cause is Cause.OUT_OF_MEMORY and enough:
        yield Advice("memory-more", f"set `memory={enough}G` {instead}", "it was killed for want of memory")
    elif used > asked * NEARLY > 0 and state.outcome and state.outcome.signal == signal.SIGKILL:
        why = f"it was killed when {format_memory(used)} of {format_memory(asked)} were in use"
        yield Advice("memory-more", f"set `memory={enough}G` {instead}", why)
    elif used > asked * NEARLY > 0:
        yield Advice(
            "memory-near", f"set `memory={_round_up_to_gib(used * MARGIN)}G` {instead}", f"{format_memory(used)} were in use"
        )


def _advise_less_memory(usage: Usage) -> Iterator[Advice]:
    asked, used = usage.requested.memory_mb * MIB, usage.memory
    enough = max(_round_up_to_gib(used * MARGIN), LEAST_MEMORY_GIB)
    if used and enough * GIB * TOO_MUCH <= asked:
        yield Advice(
            "memory-less",
            f"set `memory={enough}G` instead of {format_memory(asked)}",
            f"at most {format_memory(used)} were in use",
        )


def _advise_on_gpus(usage: Usage) -> Iterator[Advice]:
    gpus, asked = usage.gpus, usage.requested.gpus_per_node
    idle = [gpu for gpu in gpus if gpu.busiest < IDLE_PERCENT]
    if not gpus:
        return
    if len(idle) == len(gpus):
        yield Advice("gpus-idle", f"all {len(gpus)} GPUs idle", "the script does not use them; leave out `gpus_per_node`")
    elif idle:
        least = math.ceil((len(gpus) - len(idle)) / max(1, len(usage.nodes)))
        yield Advice("gpus-idle", f"{len(idle)} of {len(gpus)} GPUs idle", f"set `gpus_per_node={least}` instead of {asked}")
    busy = [gpu.busy for gpu in gpus if gpu not in idle]
    mean = sum(busy) / len(busy) if busy else 100.0
    if mean < LOW_PERCENT:
        yield Advice(
            "gpus-low",
            f"the GPUs were busy {mean:.0f} % of the time",
            "they wait for something, often for data (more `cpus_per_task`, a larger batch, prefetching)",
        )


def _advise_on_cpus(usage: Usage) -> Iterator[Advice]:
    asked, per_task = usage.requested, usage.requested.cpus_per_task or 1
    used = usage.cpus_used / max(1, asked.tasks_per_node)
    enough = max(1, math.ceil(used * MARGIN))
    if used and per_task >= 4 and enough * TOO_MUCH <= per_task:
        yield Advice("cpus-less", f"set `cpus_per_task={enough}` instead of {per_task}", f"{used:.1f} were busy on average")


def _advise_on_nodes(usage: Usage) -> Iterator[Advice]:
    most = max((one.cpu_s for one in usage.nodes), default=0.0)
    idle = [one.node for one in usage.nodes if one.cpu_s < most / 50]
    if idle:
        yield Advice("nodes-idle", f"{len(idle)} of {len(usage.nodes)} nodes did almost nothing", ", ".join(idle[:4]))


def _advise_on_time(usage: Usage, state: RunState) -> Iterator[Advice]:
    asked, took = usage.requested.time_s or 0, usage.times.allocated
    if not asked or state.outcome is None:
        return
    enough = math.ceil(took * MARGIN / STEP_S) * STEP_S
    if state.outcome.succeeded and enough * TOO_MUCH <= asked:
        yield Advice(
            "time-less",
            f"set `time={format_slurm_time(enough)}` instead of {format_slurm_time(asked)}",
            "shorter jobs often start sooner",
        )
    elif state.outcome.succeeded and took > asked * NEARLY:
        yield Advice("time-near", f"set `time={format_slurm_time(enough)}`", f"it took {took / asked * 100:.0f} % of its limit")


def _round_up_to_gib(size: float) -> int:
    return math.ceil(size / GIB)
