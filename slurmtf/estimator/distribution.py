"""How the processes of a training job divide the work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Literal

from slurmtf.errors import suggest
from slurmtf.estimator.quantities import check_choice, check_count
from slurmtf.findings import Finding
from slurmtf.schema import Strict

GRACE_S = 600


@dataclass(frozen=True)
class Mpi(Strict):
    """MPI ranks, including Horovod's: ``node_count`` x ``process_count_per_node`` copies of the script."""

    process_count_per_node: int = 1
    """Number of ranks on each node."""
    transport: Literal["auto", "mpi", "gloo"] = "auto"
    """'gloo' runs Horovod without MPI; 'auto' uses MPI if the site has one."""
    gpus: Literal["all", "each"] = "all"
    """Which of the node's GPUs a rank sees: all (for scripts that choose theirs by local rank), or a share of its own."""
    straggler_grace_s: int = GRACE_S
    """Seconds for which the other ranks may continue after the first has succeeded."""
    backend: Literal["mpi"] = "mpi"


@dataclass(frozen=True)
class ParameterServer(Strict):
    """TensorFlow's parameter-server training: workers that compute, parameter servers that hold the variables."""

    worker_count: int = 1
    """Number of workers, not counting a chief."""
    parameter_server_count: int = 1
    """Number of parameter servers; with 0, there are only workers."""
    layout: Literal["auto", "original", "chief", "master"] = "auto"
    """'original' has ps and workers; 'chief' and 'master' add that task; 'auto' finds out from the script what it needs."""
    evaluator_count: int = 0
    """1 adds an evaluator (tf.estimator.train_and_evaluate)."""
    evaluator_grace_s: int = 60
    """Seconds that the evaluator of train_and_evaluate may take for the last evaluation after the training."""
    restarts: int = 0
    """How many tasks that died may be restarted within the job, if the strategy lets them rejoin."""
    straggler_grace_s: int = GRACE_S
    """Seconds for which the other workers may continue after the first one has succeeded."""
    backend: Literal["ps"] = "ps"


@dataclass(frozen=True)
class MultiWorker(Strict):
    """``tf.distribute.MultiWorkerMirroredStrategy``: equal workers, no parameter server."""

    worker_count: int = 1
    """Number of workers, including a chief."""
    chief: bool = False
    """Call the first worker 'chief'."""
    straggler_grace_s: int = GRACE_S
    """Seconds for which the others may continue after the first worker has succeeded."""
    backend: Literal["multiworker"] = "multiworker"


@dataclass(frozen=True)
class Jax:
    """Processes that JAX joins, also for Keras 3 on its JAX backend: ``node_count`` x ``process_count_per_node``.

    The script calls ``keras.distribution.initialize()`` or ``jax.distributed.initialize()``, without arguments.
    """

    process_count_per_node: int = 1
    """Number of processes on each node."""
    gpus: Literal["all", "each"] = "each"
    """Which of the node's GPUs a process sees: a share of its own, as JAX expects, or all of them."""
    straggler_grace_s: int = GRACE_S
    """Seconds for which the others may continue after the first process has succeeded."""
    backend: Literal["jax"] = "jax"


Distribution = Mpi | ParameterServer | MultiWorker | Jax
KINDS: dict[str, type[Distribution]] = {"mpi": Mpi, "ps": ParameterServer, "multiworker": MultiWorker, "jax": Jax}
LEAST = {"parameter_server_count": 0, "evaluator_count": 0, "evaluator_grace_s": 0, "restarts": 0, "straggler_grace_s": 0}


def get_numbers(distribution: Distribution) -> dict[str, int]:
    """Return the distribution's numbers, by parameter name."""
    found = {f.name: getattr(distribution, f.name) for f in fields(distribution)}
    return {name: value for name, value in found.items() if name.endswith(("_count", "_per_node", "_s")) or name == "restarts"}


def get_choices(distribution: Distribution) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return the value of each choice, and the values that are allowed."""
    allowed = {"transport": ("auto", "mpi", "gloo"), "gpus": ("all", "each"), "layout": ("auto", "original", "chief", "master")}
    names = {f.name for f in fields(distribution)}
    return {name: (getattr(distribution, name), values) for name, values in allowed.items() if name in names}


def from_counts(backend: str, given: dict[str, int]) -> Distribution:
    """Return the distribution of ``backend``, with those of the given counts that it knows."""
    kind: Any = KINDS[backend]
    known = {f.name for f in fields(kind)}
    distribution: Distribution = kind(**{name: count for name, count in given.items() if name in known})
    return distribution


def check_foreign_counts(backend: str | None, given: dict[str, int]) -> Iterable[Finding]:
    """Yield a finding for each count that was given and that the backend would silently ignore.

    ``process_count_per_node=1`` is accepted with any backend, because it changes nothing.
    """
    known = {f.name for f in fields(KINDS[backend])} if backend else set()
    for name in [name for name in given if name not in known and (name, given[name]) != ("process_count_per_node", 1)]:
        owners = [other for other, kind in KINDS.items() if name in {f.name for f in fields(kind)}]
        remedy = " or ".join(f"`distributed_backend={owner}`" for owner in owners)
        what = f"has no effect with `distributed_backend={backend}`" if backend else "needs `distributed_backend`"
        yield Finding("foreign-count", name, what, f"set {remedy}, or leave `{name}` out")


@dataclass(frozen=True)
class DistributionRequest:
    """The distribution that a user asks for, by a backend's name and counts or as an object, and the number of nodes.

    ``kind`` is the name of the estimator's class, which supports ``backends``; ``training`` is the object; ``counts`` were
    given individually.
    """

    kind: str
    backends: tuple[str, ...]
    backend: object
    training: object
    counts: dict[str, int]
    node_count: object
    gpus_per_node: object


def check_distribution(asked: DistributionRequest) -> Iterable[Finding]:
    """Yield what is wrong with the distribution that a user asks for."""
    known = tuple(KINDS[name] for name in asked.backends)
    if asked.backend is not None and asked.backend not in asked.backends:
        supported = ", ".join(asked.backends)
        what = f"{asked.backend!r} is not one of those {asked.kind} supports: {supported}"
        remedy = suggest(str(asked.backend), asked.backends) or f"use {supported}"
        yield Finding("unknown-backend", "distributed_backend", what, remedy)
    elif asked.training is not None and not isinstance(asked.training, known):
        what = f"{asked.training!r} is not one that {asked.kind} supports"
        remedy = f"use one of {', '.join(kind.__name__ for kind in known)}"
        yield Finding("unknown-distribution", "distributed_training", what, remedy)
    else:
        yield from _check_agreement(asked.backend, asked.training, asked.counts)
        by_name = None if asked.backend is None else from_counts(asked.backend, asked.counts)
        yield from _check_process_counts(asked.training or by_name, asked.node_count, asked.gpus_per_node)


def _check_agreement(backend: str | None, training: Distribution | None, counts: dict[str, int]) -> Iterable[Finding]:
    if training is None:
        yield from check_foreign_counts(backend, counts)
        return
    if backend is not None and backend != training.backend:
        what = f"is {type(training).__name__}, but `distributed_backend` is {backend!r}"
        yield Finding("distribution-twice", "distributed_training", what, "leave `distributed_backend` out")
    for name, count in counts.items():
        if get_numbers(training).get(name) != count:
            what = f"{count} disagrees with `distributed_training`, {training!r}"
            yield Finding("distribution-twice", name, what, "set it in `distributed_training` alone")


def _check_process_counts(distribution: Distribution | None, nodes: object, gpus: object) -> Iterable[Finding]:
    if distribution is None:
        if isinstance(nodes, int) and nodes > 1:
            remedy = "set `distributed_backend` to mpi, ps, multiworker or jax, or use one node"
            yield Finding("no-distribution", "node_count", f"{nodes} nodes need a distribution of the work", remedy)
        return
    found = [
        finding for name, count in get_numbers(distribution).items() for finding in check_count(name, count, LEAST.get(name, 1))
    ]
    for name, (choice, allowed) in get_choices(distribution).items():
        found += check_choice(name, choice, allowed)
    yield from found or _check_gpus(distribution, nodes, gpus)


def _check_gpus(distribution: Distribution, nodes: object, gpus: object) -> Iterable[Finding]:
    """Check that each process that computes gets a GPU of its own; parameter servers need none."""
    if not (isinstance(gpus, int) and isinstance(nodes, int) and gpus > 0 and nodes > 0):
        return
    if isinstance(distribution, Mpi | Jax):
        processes = distribution.process_count_per_node
    else:
        processes = -(-distribution.worker_count // nodes)
    if processes > gpus:
        what = f"{gpus} GPUs on a node are too few for {processes} processes that take one each"
        yield Finding("too-few-gpus", "gpus_per_node", what, f"set `gpus_per_node={processes}`, or use fewer processes")
