"""Determine from a run's folder what it requested, what it used of that, and where its time went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from slurmtf.files import load_json
from slurmtf.job.contract.attempt import events, journal, samples
from slurmtf.job.contract.attempt.samples import Gpu, Sample
from slurmtf.job.contract.interchange import JsonView
from slurmtf.job.contract.layout import RunLayout
from slurmtf.plan.model import Resources
from slurmtf.runs.states.state import RunState
from slurmtf.scheduler.books import JobUsage, NodeBooks


@dataclass(frozen=True)
class GpuUsage:
    """One GPU over time: average and highest load in percent (``busy``, ``busiest``); highest memory in MiB."""

    node: str
    number: int
    busy: float
    busiest: float
    used_mb: float
    total_mb: float


@dataclass(frozen=True)
class NodeUsage:
    """One node: CPU seconds, highest memory in bytes, and for how many seconds it was sampled."""

    node: str
    cpu_s: float
    memory: int
    seconds: float
    gpus: tuple[GpuUsage, ...] = ()


@dataclass(frozen=True)
class Times:
    """Where the time went, in seconds; None if unknown.

    ``queue`` is the time before the first start, ``start_up`` the time from then until the script started, without ``staging``,
    and ``training`` the time while it ran. Several attempts are summed, without the time between them.
    """

    queue: float | None = None
    staging: float = 0.0
    start_up: float = 0.0
    training: float = 0.0

    @property
    def allocated(self) -> float:
        """How long the run had its nodes, in seconds."""
        return self.staging + self.start_up + self.training


@dataclass(frozen=True)
class Usage:
    """What a run requested, the usage of its nodes, and its times; ``source`` is where the usage comes from."""

    requested: Resources
    nodes: tuple[NodeUsage, ...]
    times: Times
    source: str = "samples"

    @property
    def cpus_per_node(self) -> int:
        """The CPUs requested on each node."""
        return (self.requested.cpus_per_task or 1) * self.requested.tasks_per_node

    @property
    def cpus_used(self) -> float:
        """The average number of busy CPUs on the busiest node."""
        return max((one.cpu_s / one.seconds for one in self.nodes if one.seconds > 0), default=0.0)

    @property
    def memory(self) -> int:
        """The highest memory use of any node, in bytes."""
        return max((one.memory for one in self.nodes), default=0)

    @property
    def gpus(self) -> list[GpuUsage]:
        return [gpu for one in self.nodes for gpu in one.gpus]

    @property
    def cpu_hours(self) -> tuple[float, float]:
        """The allocated and the used CPU hours."""
        allocated = self.cpus_per_node * self.requested.nodes * self.times.allocated
        return allocated / 3600, sum(one.cpu_s for one in self.nodes) / 3600

    @property
    def gpu_hours(self) -> tuple[float, float]:
        """The allocated and the busy GPU hours."""
        allocated = self.requested.gpus_per_node * self.requested.nodes * self.times.allocated / 3600
        busy = sum(gpu.busy for gpu in self.gpus) / 100 / len(self.gpus) if self.gpus else 0.0
        return allocated, allocated * busy


def compute_usage(layout: RunLayout, state: RunState, now: float) -> Usage | None:
    """Return what a run requested and used; None if its plan can't be read."""
    try:
        asked = parse_resources(load_json(layout.plan))
    except (OSError, ValueError, TypeError, LookupError):
        return None
    return Usage(asked, summarize_nodes(_read_samples(layout)), compute_times(journal.read_attempts(layout), state, now))


def add_accounting(usage: Usage, books: JobUsage) -> Usage:
    """Return the usage, completed from accounting if there are no samples, or from jobstats if there are none of GPUs."""
    if books.nodes and not usage.gpus:
        nodes = (NodeUsage(one.node, one.cpu_s, one.memory, books.seconds, _convert_jobstats(one)) for one in books.nodes)
        return replace(usage, nodes=tuple(nodes), source="jobstats")
    if usage.nodes or not books.seconds:
        return usage
    count = max(1, usage.requested.nodes)
    share = NodeUsage("", books.cpu_s / count, books.max_rss * usage.requested.tasks_per_node, books.seconds)
    return replace(usage, nodes=(share,) * count, source="sacct")


def _convert_jobstats(node: NodeBooks) -> tuple[GpuUsage, ...]:
    """Return the GPUs of a node; only their mean load is known."""
    return tuple(GpuUsage(node.node, number, busy, busy, *memory) for number, (busy, *memory) in enumerate(node.gpus))


def parse_resources(plan: JsonView) -> Resources:
    """Return the resources of a plan. Raises LookupError or TypeError if they are missing or invalid."""
    facts = plan["resources"]
    return Resources(**{name: facts[name] for name in Resources.__dataclass_fields__ if name in facts})


def _read_samples(layout: RunLayout) -> dict[str, list[Sample]]:
    """Return the samples by node. A file is named after the job and the node."""
    found: dict[str, list[Sample]] = {}
    for path in sorted(Path(layout.samples).glob("*.jsonl")):
        found.setdefault(path.stem.partition(".")[2], []).extend(samples.read(str(path)))
    return found


def summarize_nodes(sampled: Mapping[str, Sequence[Sample]]) -> tuple[NodeUsage, ...]:
    """Return the usage of each node. Each launch counts its CPU seconds from 0, so its last sample has its sum."""
    return tuple(_summarize_node(node, found) for node, found in sampled.items() if found)


def _summarize_node(node: str, found: Sequence[Sample]) -> NodeUsage:
    last: dict[float, Sample] = {}
    for sample in found:
        last[sample.series] = max(sample, last.get(sample.series, sample), key=lambda one: one.time)
    seconds = round(sum(max(0.0, sample.time - sample.series) for sample in last.values()), 1)
    memory = max(sample.memory for sample in found)
    return NodeUsage(
        node, sum(one.cpu_s for one in last.values()), memory, seconds, _summarize_gpus(node, [one.gpus for one in found])
    )


def _summarize_gpus(node: str, seen: Iterable[tuple[Gpu, ...]]) -> tuple[GpuUsage, ...]:
    known = [gpus for gpus in seen if gpus]
    count = min(map(len, known), default=0)
    return tuple(_summarize_gpu(node, number, [gpus[number] for gpus in known]) for number in range(count))


def _summarize_gpu(node: str, number: int, seen: Sequence[Gpu]) -> GpuUsage:
    busy = [gpu.busy for gpu in seen]
    used, total = max(gpu.used_mb for gpu in seen), max(gpu.total_mb for gpu in seen)
    return GpuUsage(node, number, sum(busy) / len(busy), max(busy), used, total)


def compute_times(attempts: Sequence[journal.Attempt], state: RunState, now: float) -> Times:
    """Return where a run's time went, from its journals; a run that has not ended counts until ``now``."""
    if not attempts:
        waited = None if state.submitted is None else max(0.0, (state.ended or now) - state.submitted)
        return Times(waited)
    queue = None if state.submitted is None else max(0.0, attempts[0].began - state.submitted)
    ends = [min(later.began, one.last_seen) for one, later in pairwise(attempts)] + [state.ended or now]
    parts = [_compute_attempt_times(one, end) for one, end in zip(attempts, ends, strict=True)]
    staging, start_up, training = (sum(part[place] for part in parts) for place in range(3))
    return Times(queue, staging, start_up, training)


def _compute_attempt_times(attempt: journal.Attempt, end: float) -> tuple[float, float, float]:
    """Return the seconds of staging, start-up and training of one attempt."""
    times: dict[type[object], list[float]] = {}
    for record in attempt.records:
        times.setdefault(type(record.event), []).append(record.time)
    over = times.get(events.Ended, [end])[0]
    launched, staged = times.get(events.Launched, [attempt.began])[0], times.get(events.Staged, [])
    staging = max(0.0, staged[-1] - launched) if staged else 0.0
    begun = times.get(events.TaskStarted)
    if begun is None:
        return staging, max(0.0, over - attempt.began - staging), 0.0
    return staging, max(0.0, begun[0] - attempt.began - staging), max(0.0, over - begun[0])
