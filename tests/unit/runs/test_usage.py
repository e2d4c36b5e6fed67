"""The usage of a run, from samples, journals and the accounting."""

from __future__ import annotations

import pytest

from slurmtf.job.contract.attempt import events
from slurmtf.job.contract.attempt.journal import Attempt
from slurmtf.job.contract.attempt.samples import Gpu, Sample
from slurmtf.plan.model import Resources
from slurmtf.runs.states.state import RunState, RunStatus
from slurmtf.runs.usage import GpuUsage, NodeUsage, Times, Usage, add_accounting, compute_times, summarize_nodes
from slurmtf.scheduler.books import JobUsage, NodeBooks
from tests.unit.runs.states.stories import DONE, LAUNCHED, RUNS, lines


def test_cpu_time_of_each_launch_starts_at_zero() -> None:
    first = [Sample(110.0, 100.0, 5.0, 10), Sample(160.0, 100.0, 50.0, 30)]
    second = [Sample(210.0, 200.0, 4.0, 20)]
    assert summarize_nodes({"node1": [*first, *second], "node2": []}) == (NodeUsage("node1", 54.0, 30, 70.0),)


def test_samples_may_come_in_any_order() -> None:
    samples = [Sample(160.0, 100.0, 50.0), Sample(110.0, 100.0, 5.0)]
    assert summarize_nodes({"node1": samples})[0].cpu_s == 50.0


def test_gpu_usage_over_time() -> None:
    seen = [(Gpu(100.0, 10.0, 80.0), Gpu()), (), (Gpu(50.0, 30.0, 80.0), Gpu(2.0, 1.0, 80.0))]
    samples = [Sample(100.0 + number, 100.0, 0.0, 0, gpus) for number, gpus in enumerate(seen)]
    (node,) = summarize_nodes({"n": samples})
    assert node.gpus == (GpuUsage("n", 0, 75.0, 100.0, 30.0, 80.0), GpuUsage("n", 1, 1.0, 2.0, 1.0, 80.0))


def attempt(*later: object, start: float = 2000.0, number: int = 0, beat: float = 0.0) -> Attempt:
    return Attempt("", "12", number, lines(*later, start=start, number=number), beat)


ENDED = events.Ended(DONE.to_dict(), 4.0)
DONE_STATE = RunState(RunStatus.COMPLETED, submitted=1000.0, ended=2004.0)
GOES_ON = RunState(RunStatus.RUNNING, submitted=1000.0)
TIMES = [
    ([], RunState(RunStatus.QUEUED, submitted=1000.0), Times(500.0)),
    ([], RunState(RunStatus.NOT_STARTED), Times(None)),
    ([attempt(*RUNS, ENDED)], DONE_STATE, Times(1000.0, 0.0, 3.0, 1.0)),
    ([attempt(*RUNS, start=1100.0)], GOES_ON, Times(100.0, 0.0, 3.0, 397.0)),
    (
        [attempt(events.Prepared(), LAUNCHED, events.Staged("node1"), events.TaskStarted(), ENDED)],
        DONE_STATE,
        Times(1000.0, 1.0, 3.0, 1.0),
    ),
    ([attempt(events.Prepared(), ENDED)], DONE_STATE, Times(1000.0, 0.0, 2.0, 0.0)),
    *[
        ([attempt(*RUNS, beat=beat), attempt(*RUNS, ENDED, start=3000.0, number=1)], DONE_STATE, Times(1000.0, 0.0, 6.0, run))
        for beat, run in ((0.0, 1.0), (2503.0, 501.0), (9000.0, 998.0))  # killed, then queued for a while
    ],
    (
        [attempt(*RUNS, ENDED, beat=2900.0), attempt(*RUNS, ENDED, start=3000.0, number=1)],
        DONE_STATE,
        Times(1000.0, 0.0, 6.0, 2.0),
    ),
]


@pytest.mark.parametrize(("attempts", "state", "times"), TIMES)
def test_time_spent_in_each_phase(attempts: list[Attempt], state: RunState, times: Times) -> None:
    assert compute_times(attempts, state, 1500.0) == times


ASKED = Resources(2, 4, 2, cpus_per_task=4, gpus_per_node=2)


def test_cpu_and_gpu_hours() -> None:
    gpu = GpuUsage("n", 0, 50.0, 90.0, 1.0, 2.0)
    usage = Usage(ASKED, (NodeUsage("n", 7200.0, 5, 3600.0, (gpu,)), NodeUsage("m", 3600.0, 7, 3600.0)), Times(0, 0, 0, 3600.0))
    assert (usage.cpu_hours, usage.gpu_hours) == ((16.0, 3.0), (4.0, 2.0))
    assert (usage.cpus_per_node, usage.cpus_used, usage.memory) == (8, 2.0, 7)


def test_accounting_is_used_if_there_are_no_samples() -> None:
    books = JobUsage(100.0, 300.0, 1 << 30)
    found = add_accounting(Usage(ASKED, (), Times()), books)
    assert found.nodes == (NodeUsage("", 150.0, 2 << 30, 100.0),) * 2
    assert found.source == "sacct"
    sampled = Usage(ASKED, (NodeUsage("n", 1.0, 2, 3.0),), Times())
    assert add_accounting(sampled, books) == sampled
    assert add_accounting(Usage(ASKED, (), Times()), JobUsage()).nodes == ()


def test_gpu_usage_is_read_from_jobstats() -> None:
    books = JobUsage(100.0, 300.0, 0, "", (NodeBooks("n1", 90.0, 5, ((80.0, 1.0, 2.0),)),))
    found = add_accounting(Usage(ASKED, (NodeUsage("n1", 1.0, 2, 3.0),), Times()), books)
    assert found.nodes == (NodeUsage("n1", 90.0, 5, 100.0, (GpuUsage("n1", 0, 80.0, 80.0, 1.0, 2.0),)),)
    assert found.source == "jobstats"
