"""The plan: plain data, the contract between the login node and the job."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from slurmtf.findings import Finding
from slurmtf.job.contract.layout import RunLayout
from slurmtf.snapshot import SnapshotRef

SCHEMA = 1
Value = str | int | float | bool


@dataclass(frozen=True)
class RunPlace:
    """Where a run lives: ``<workspace>/<experiment>/<run id>``."""

    workspace: str
    experiment: str
    run_id: str

    @property
    def folder(self) -> str:
        return f"{self.workspace}/{self.experiment}/{self.run_id}"


@dataclass(frozen=True)
class Resources:
    """What the job gets, whoever asked for it. None: not asked, the site decides.

    Memory of a node as Slurm writes it; time in seconds, 0 for no limit; several types of GPU are divided by commas."""

    nodes: int
    tasks: int
    tasks_per_node: int
    cyclic: bool = False
    cpus_per_task: int | None = None
    gpus_per_node: int = 0
    gpu_type: str | None = None
    gpus_bound: bool = False
    """Whether srun gives each task GPUs of its own."""
    memory: str | None = None
    time_s: int | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclusive: bool = False
    requeue: bool = False


@dataclass(frozen=True)
class Tasks:
    """Who the processes of a job are: the roles with their counts, and the rules by which they live and end.

    ``cyclic`` deals them over the nodes one by one (else node by node); ``cluster`` gives them TF_CONFIG; ``gloo`` serves
    Horovod's rendezvous; ``check_world`` compares the world that MPI or Horovod sees with the plan's; ``gpu_roles`` share a
    node's GPUs; ``bind`` deals a node's CPUs out among its tasks, which all do the same work; ``restartable`` roles may be
    started again ``restarts`` times in all; when some have not ended
    ``straggler_grace_s`` after the first success, the job is ended, and has succeeded if ``stragglers_succeed``;
    an evaluator may go on for ``evaluator_grace_s`` after all others.
    """

    roles: tuple[tuple[str, int], ...]
    backend: str | None = None
    layout: str | None = None
    cyclic: bool = False
    cluster: bool = False
    gloo: bool = False
    check_world: bool = False
    gpu_roles: tuple[str, ...] = ()
    bind: bool = False
    restarts: int = 0
    restartable: tuple[str, ...] = ()
    straggler_grace_s: int = 0
    evaluator_grace_s: int = 0
    stragglers_succeed: bool = False

    @property
    def count(self) -> int:
        return sum(count for _, count in self.roles)

    def gpu_users_per_node(self, nodes: int) -> int:
        """Return the most processes of a node that share its GPUs; 0 where each sees all of them."""
        return sum(-(-count // nodes) for role, count in self.roles if role in self.gpu_roles)


@dataclass(frozen=True)
class Activation:
    """The environment that the batch script activates: ``made`` is its name where slurmtf made it, else empty."""

    prefix: str
    kind: str
    made: str = ""


@dataclass(frozen=True)
class Shell:
    """The batch script's surroundings: its first line and what runs before the launch.

    ``image`` is the container's, where it is a file, and must be there; ``local`` the node's own disk, as bash has it.
    """

    shebang: str
    unset: tuple[str, ...] = ()
    prologue: tuple[str, ...] = ()
    modules: tuple[tuple[str, ...], ...] = ()
    activation: Activation | None = None
    image: str = ""
    local: str = ""
    exports: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Container:
    """What the tasks run in: ``words`` stand before a task's own, as the script has them."""

    runtime: str
    image: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Stage:
    """What lies on each node's own disk when the script starts: with 'node-local' the source, and the environment in ``pack``,
    one file, which was in ``prefix``; ``local`` is the disk's folder, with '$NAME' to be expanded there. Empty: none."""

    where: Literal["node-local", "shared"] = "shared"
    local: str = ""
    prefix: str = ""
    pack: str = ""


@dataclass(frozen=True)
class DataInput:
    """Data by name, and how the script gets at it: see :class:`slurmtf.Input`."""

    name: str
    path: str
    mode: str


class Awaited(NamedTuple):
    """A job that must have succeeded before the run's starts, and the name of what it makes."""

    job_id: str
    name: str


@dataclass(frozen=True)
class LaunchPlan:
    """Everything that was decided for one run."""

    run: RunPlace
    site: str
    scheduler: Literal["slurm", "local"]
    cluster: str | None
    snapshot: SnapshotRef
    resources: Resources
    distribution: Tasks
    gpu_vendor: str
    host_suffix: str
    interface: str | None
    directives: tuple[tuple[str, Value], ...]
    shell: Shell
    launcher: str
    launch: tuple[str, ...]
    container: Container | None
    python: str
    """The script's interpreter; in a container, the container's."""
    host_python: str
    """The interpreter of the supervisor, which runs outside of containers."""
    environment_spec: dict[str, Any] | None
    """What the environment is built from, where it is built for the run: enough to build it again."""
    command: tuple[str, ...]
    script: str
    """The entry script's file, relative to the source."""
    variables: dict[str, str]
    stage: Stage
    inputs: tuple[DataInput, ...]
    time_warning_s: int
    stop_grace_s: int
    estimator: dict[str, Any]
    template: str
    build_task: str = ""
    """The name, in the store, of the build job's task; empty: the environment was there."""
    warnings: tuple[Finding, ...] = ()
    choice: str = ""
    slurmtf: str = ""
    schema: int = SCHEMA

    @property
    def layout(self) -> RunLayout:
        """The run folder's names."""
        return RunLayout(self.run.folder)

    def to_json(self) -> str:
        """Return the plan as JSON text."""
        return json.dumps({**asdict(self), "run": {**asdict(self.run), "folder": self.run.folder}}, indent=1)


@dataclass(frozen=True)
class BuildPlan:
    """Everything that was decided for a job that makes an environment."""

    name: str
    summary: str
    site: str
    directives: tuple[tuple[str, Value], ...]
    shell: Shell
    command: tuple[str, ...]
    slurmtf: str
    template: str = "build.sh.j2"
