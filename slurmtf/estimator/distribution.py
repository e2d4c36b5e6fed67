"""How the processes of a training divide the work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Literal

from slurmtf.errors import Problem

Backend = Literal["mpi", "ps", "multiworker"]


@dataclass(frozen=True)
class Mpi:
    """MPI ranks, Horovod's among them: ``node_count`` x ``process_count_per_node`` copies of the script."""

    process_count_per_node: int = 1
    backend: Literal["mpi"] = "mpi"


@dataclass(frozen=True)
class ParameterServer:
    """TensorFlow's parameter-server training: workers that compute, parameter servers that hold the variables."""

    worker_count: int = 1
    parameter_server_count: int = 1
    backend: Literal["ps"] = "ps"


@dataclass(frozen=True)
class MultiWorker:
    """``tf.distribute.MultiWorkerMirroredStrategy``: equal workers, no parameter server."""

    worker_count: int = 1
    backend: Literal["multiworker"] = "multiworker"


Distribution = Mpi | ParameterServer | MultiWorker
KINDS: dict[str, type[Distribution]] = {"mpi": Mpi, "ps": ParameterServer, "multiworker": MultiWorker}


def counts(distribution: Distribution) -> dict[str, int]:
    """Return the distribution's counts by the name of their parameter."""
    return {f.name: getattr(distribution, f.name) for f in fields(distribution) if f.name != "backend"}


def from_counts(backend: str, given: dict[str, int]) -> Distribution:
    """Return the distribution of ``backend`` with the counts that were given and that it knows."""
    kind: Any = KINDS[backend]
    known = {f.name for f in fields(kind)}
    distribution: Distribution = kind(**{name: count for name, count in given.items() if name in known})
    return distribution


def foreign_counts(backend: str | None, given: dict[str, int]) -> Iterable[Problem]:
    """Yield a problem for each count that was given and that the backend would silently ignore."""
    known = {f.name for f in fields(KINDS[backend])} if backend else set()
    for name in given.keys() - known:
        owners = [other for other, kind in KINDS.items() if name in {f.name for f in fields(kind)}]
        remedy = " or ".join(f"distributed_backend={owner!r}" for owner in owners)
        what = f"means nothing with distributed_backend={backend!r}" if backend else "needs a distributed_backend"
        yield Problem(name, what, f"give {remedy}, or leave {name} out")
