"""What to request next time, according to what was used."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from slurmtf.diagnosis.asking import advise
from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.plan.model import Resources
from slurmtf.runs.states.state import RunState, RunStatus
from slurmtf.runs.usage import GpuUsage, NodeUsage, Times, Usage
from slurmtf.spelling import spell

GIB = 1 << 30
HOUR = 3600.0
DONE = RunState(RunStatus.COMPLETED, outcome=Outcome(Cause.SCRIPT, exit_code=0))
RUNNING = RunState(RunStatus.RUNNING)
FAILED = RunState(RunStatus.FAILED, outcome=Outcome(Cause.SCRIPT, exit_code=1))
KILLED = RunState(RunStatus.FAILED, outcome=Outcome(Cause.SCRIPT, signal=9))
NO_MEMORY = RunState(RunStatus.FAILED, outcome=Outcome(Cause.OUT_OF_MEMORY))


def gpus(*busy: float) -> tuple[GpuUsage, ...]:
    return tuple(GpuUsage("n1", number, percent, percent * 1.1, 1.0, 80.0) for number, percent in enumerate(busy))


def usage(cpus: float = 4.0, used: float = 8.0, shown: tuple[GpuUsage, ...] = (), took: float = HOUR, **asked: Any) -> Usage:
    known = {"cpus_per_task": 4, "memory": "10G", "gpus_per_node": len(shown), **asked}
    return Usage(
        Resources(1, 1, 1, **known), (NodeUsage("n1", cpus * took, int(used * GIB), took, shown),), Times(0, 0, 0, took)
    )


TABLE = [
    (usage(), DONE, []),
    (usage(used=9.5), DONE, ["memory-near"]),
    (usage(used=3.0), DONE, ["memory-less"]),
    (usage(used=0.1), FAILED, ["memory-less"]),
    (usage(used=0.0), DONE, []),
    (usage(), NO_MEMORY, ["memory-more"]),
    (usage(took=10.0), NO_MEMORY, ["memory-more"]),
    (usage(took=10.0, memory="100M"), DONE, ["memory-near"]),
    (usage(took=10.0, used=3.0), DONE, []),
    (usage(used=12.0), DONE, ["memory-near"]),
    (usage(used=9.9), KILLED, ["memory-more"]),
    (usage(used=8.0), KILLED, []),
    (usage(memory=None, used=3.0), NO_MEMORY, ["memory-more"]),
    (usage(memory=None, used=3.0), DONE, []),
    (usage(memory=None, used=0.0), NO_MEMORY, []),
    (usage(cpus=1.0, cpus_per_task=16), DONE, ["cpus-less"]),
    (usage(cpus=1.0, cpus_per_task=2), DONE, []),
    (usage(cpus=12.0, cpus_per_task=16), DONE, []),
    (usage(cpus=0.0, cpus_per_task=16), DONE, []),
    (usage(shown=gpus(95.0, 90.0)), DONE, []),
    (usage(shown=gpus(95.0, 90.0, 0.0, 1.0)), RUNNING, ["gpus-idle"]),
    (usage(shown=gpus(0.0, 0.0)), DONE, ["gpus-idle"]),
    (usage(shown=gpus(20.0, 30.0)), DONE, ["gpus-low"]),
    (usage(shown=gpus(20.0, 0.0)), DONE, ["gpus-idle", "gpus-low"]),
    (usage(time_s=10 * 3600), DONE, ["time-less"]),
    (usage(time_s=10 * 3600), RUNNING, []),
    (usage(time_s=10 * 3600), FAILED, []),
    (usage(time_s=3700), DONE, ["time-near"]),
    (usage(time_s=2 * 3600), DONE, []),
    (usage(time_s=0), DONE, []),
]
TEXTS = [
    (usage(used=3.0), DONE, "set --mem 4G instead of 10G: at most 3.0G were in use"),
    (usage(), NO_MEMORY, "set --mem 15G instead of 10G: it was killed for want of memory"),
    (usage(used=20.0), NO_MEMORY, "set --mem 25G instead of 10G: it was killed for want of memory"),
    (usage(memory=None), NO_MEMORY, "set --mem 10G instead of the site's default: it was killed for want of memory"),
    (usage(used=9.5), KILLED, "set --mem 15G instead of 10G: it was killed when 9.5G of 10G were in use"),
    (usage(used=12.0), DONE, "set --mem 15G instead of 10G: 12G were in use"),
    (usage(shown=gpus(95.0, 90.0, 0.0, 1.0)), RUNNING, "2 of 4 GPUs idle: set --gpus-per-node 2 instead of 4"),
    (usage(cpus=1.0, cpus_per_task=16), DONE, "set --cpus-per-task 2 instead of 16: 1.0 were busy on average"),
    (usage(time_s=86400), DONE, "set --time 01:20:00 instead of 1-00:00:00: shorter jobs often start sooner"),
]
FLAGS = {"memory": "--mem", "gpus_per_node": "--gpus-per-node", "cpus_per_task": "--cpus-per-task", "time": "--time"}


@pytest.mark.parametrize(("used", "state", "codes"), TABLE)
def test_advice_on_resources(used: Usage, state: RunState, codes: list[str]) -> None:
    assert [advice.code for advice in advise(used, state)] == codes


@pytest.mark.parametrize(("used", "state", "text"), TEXTS)
def test_text_of_the_advice(used: Usage, state: RunState, text: str) -> None:
    assert [spell(advice.text, FLAGS) for advice in advise(used, state)] == [text]


def test_idle_nodes_are_named() -> None:
    used = usage()
    nodes = (*used.nodes, replace(used.nodes[0], node="n2", cpu_s=10.0))
    (advice,) = advise(replace(used, nodes=nodes), DONE)
    assert (advice.code, advice.text) == ("nodes-idle", "1 of 2 nodes did almost nothing: n2")


def test_without_samples_only_time_is_advised_on() -> None:
    assert advise(replace(usage(), nodes=()), DONE) == []
