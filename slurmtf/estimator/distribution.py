"""How the processes of a training job divide the work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Literal

from slurmtf.findings import Finding
from slurmtf.schema import Strict

GRACE_S = 600


@dataclass(frozen=True)
class Mpi(Strict):
    """MPI ranks, Horovod's among them: ``node_count`` x ``process_count_per_node`` copies of the script."""

    process_count_per_node: int = 1
    """How many ranks on each node."""
    transport: Literal["auto", "mpi", "gloo"] = "auto"
    """'gloo' runs Horovod without any MPI; 'auto' takes MPI where the site has one."""
    gpus: Literal["all", "each"] = "all"
    """Which of the node's GPUs a rank sees: all (scripts that pick theirs by local rank), or a share of its own."""
    straggler_grace_s: int = GRACE_S
    """Seconds that the others may run on after the first rank has ended well."""
    backend: Literal["mpi"] = "mpi"


@dataclass(frozen=True)
class ParameterServer(Strict):
    """TensorFlow's parameter-server training: workers that compute, parameter servers that hold the variables."""

    worker_count: int = 1
    """How many workers, beside a chief."""
    parameter_server_count: int = 1
    """How many parameter servers; 0 leaves workers only."""
    layout: Literal["auto", "original", "chief", "master"] = "auto"
    """'original' has ps and workers; 'chief' and 'master' add that task; 'auto' reads from the script what it needs."""
    evaluator_count: int = 0
    """1 adds an evaluator (tf.estimator.train_and_evaluate)."""
    evaluator_grace_s: int = 60
    """Seconds that the evaluator of train_and_evaluate may take for the last evaluation, after the training."""
    restarts: int = 0
    """How many dead tasks may be started again in place, where the strategy takes them back."""
    straggler_grace_s: int = GRACE_S
    """Seconds that the other workers may run on after the first one has ended well."""
    backend: Literal["ps"] = "ps"


@dataclass(frozen=True)
class MultiWorker(Strict):
    """``tf.distribute.MultiWorkerMirroredStrategy``: equal workers, no parameter server."""

    worker_count: int = 1
    """How many workers, a chief included."""
    chief: bool = False
    """Call the first worker 'chief'."""
    straggler_grace_s: int = GRACE_S
    """Seconds that the others may run on after the first worker has ended well."""
    backend: Literal["multiworker"] = "multiworker"


@dataclass(frozen=True)
class Jax:
    """Processes that JAX joins into one, Keras 3 on its JAX backend among them: ``node_count`` x ``process_count_per_node``.

    The script calls ``keras.distribution.initialize()`` or ``jax.distributed.initialize()``, without arguments.
    """

    process_count_per_node: int = 1
    """How many processes on each node."""
    gpus: Literal["all", "each"] = "each"
    """Which of the node's GPUs a process sees: a share of its own, as JAX expects, or all of them."""
    straggler_grace_s: int = GRACE_S
    """Seconds that the others may run on after the first process has ended well."""
    backend: Literal["jax"] = "jax"


Distribution = Mpi | ParameterServer | MultiWorker | Jax
KINDS: dict[str, type[Distribution]] = {"mpi": Mpi, "ps": ParameterServer, "multiworker": MultiWorker, "jax": Jax}
LEAST = {"parameter_server_count": 0, "evaluator_count": 0, "evaluator_grace_s": 0, "restarts": 0, "straggler_grace_s": 0}


def numbers(distribution: Distribution) -> dict[str, int]:
    """Return the distribution's numbers by the name of their parameter."""
    found = {f.name: getattr(distribution, f.name) for f in fields(distribution)}
    return {name: value for name, value in found.items() if name.endswith(("_count", "_per_node", "_s")) or name == "restarts"}


def choices(distribution: Distribution) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return for each choice the value and those that are allowed."""
    allowed = {"transport": ("auto", "mpi", "gloo"), "gpus": ("all", "each"), "layout": ("auto", "original", "chief", "master")}
    names = {f.name for f in fields(distribution)}
    return {name: (getattr(distribution, name), values) for name, values in allowed.items() if name in names}


def from_counts(backend: str, given: dict[str, int]) -> Distribution:
    """Return the distribution of ``backend`` with the counts that were given and that it knows."""
    kind: Any = KINDS[backend]
    known = {f.name for f in fields(kind)}
    distribution: Distribution = kind(**{name: count for name, count in given.items() if name in known})
    return distribution


def foreign_counts(backend: str | None, given: dict[str, int]) -> Iterable[Finding]:
    """Yield a finding for each count that was given and that the backend would silently ignore.

    One process on each node is what runs anyway.
    """
    known = {f.name for f in fields(KINDS[backend])} if backend else set()
    for name in [name for name in given if name not in known and (name, given[name]) != ("process_count_per_node", 1)]:
        owners = [other for other, kind in KINDS.items() if name in {f.name for f in fields(kind)}]
        remedy = " or ".join(f"`distributed_backend={owner}`" for owner in owners)
        what = f"means nothing with `distributed_backend={backend}`" if backend else "needs `distributed_backend`"
        yield Finding("foreign-count", name, what, f"set {remedy}, or leave `{name}` out")
