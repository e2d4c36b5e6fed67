"""The plan: plain data. The job's own part is in job/contract/plan.py."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from slurmtf.estimator.quantities import parse_memory
from slurmtf.findings import Finding
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.plan import JobPlan
from slurmtf.snapshot import SnapshotRef

SCHEMA = 1
Value = str | int | float | bool


@dataclass(frozen=True)
class RunPlace:
    """The place of a run's folder: ``<workspace>/<experiment>/<run id>``."""

    workspace: str
    experiment: str
    run_id: str

    @property
    def folder(self) -> str:
        return f"{self.workspace}/{self.experiment}/{self.run_id}"


@dataclass(frozen=True)
class Resources:
    """What the job requests, whichever setting requests it. None: not set, the site decides.

    Memory is that of a node, as Slurm writes it; time is in seconds, 0 for no limit; several GPU types are separated by commas.
    """

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

    @property
    def memory_mb(self) -> int:
        """The memory of a node in MiB; 0 if it is unknown, or all of it."""
        try:
            return 0 if self.memory is None else int(parse_memory(self.memory))
        except ValueError:
            return 0


@dataclass(frozen=True)
class Activation:
    """The environment that the batch script activates; ``built`` is its name if slurmtf built it, else empty."""

    prefix: str
    kind: str
    built: str = ""


@dataclass(frozen=True)
class Shell:
    """What the batch script does before the launch, and its first line.

    ``image`` is the container's image if it is a file, which must exist; ``local`` is the node's own disk, as a bash
    expression.
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
    """The container of the tasks: ``words`` precede a task's own command in the script."""

    runtime: str
    image: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Batch:
    """What the template of a batch script needs in addition to the run folder and the job's own part of the plan.

    ``command`` is what the script starts; for a run, what each task starts. ``python`` is the interpreter of the tasks (with a
    container, the container's); ``host_python`` is the supervisor's, which runs outside of containers.
    """

    template: str
    directives: tuple[tuple[str, Value], ...]
    shell: Shell
    command: tuple[str, ...]
    python: str = ""
    host_python: str = ""
    container: Container | None = None


class AwaitedJob(NamedTuple):
    """A job that must have succeeded before the run's starts, and the name of what it builds."""

    job_id: str
    name: str


@dataclass(frozen=True)
class Provenance:
    """Where a run comes from: enough to know what it was, and to build its environment again.

    ``environment_spec`` is set if slurmtf builds the run's environment; ``build_task`` is the name, in the store, of the build
    job's task, empty if the environment existed. ``profile`` is the site's file, ``templates`` are the files of the batch
    script's templates, the plan's own first. ``after`` are the runs that this one was submitted to follow. ``choice`` gives the
    reason for anything that was chosen without a request.
    """

    snapshot: SnapshotRef
    estimator: dict[str, object]
    environment_spec: dict[str, object] | None = None
    build_task: str = ""
    profile: str = ""
    templates: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    choice: str = ""


@dataclass(frozen=True)
class LaunchPlan:
    """All decisions for one run, grouped by reader: ``job`` is for the job, ``batch`` for the template of its batch script,
    ``provenance`` for anyone who later wants to know where the run comes from.

    ``script`` is the entry script's file, relative to the source.
    """

    job: JobPlan
    batch: Batch
    provenance: Provenance
    run: RunPlace
    site: str
    cluster: str | None
    resources: Resources
    script: str
    warnings: tuple[Finding, ...] = ()
    slurmtf: str = ""

    @property
    def layout(self) -> RunLayout:
        """The paths in the run folder."""
        return RunLayout(self.run.folder)

    def to_dict(self) -> dict[str, object]:
        """Return the plan as data for JSON. The job reads its own part of it."""
        own = asdict(self)
        return {"schema": SCHEMA, **own, "job": self.job.to_dict(), "run": {**own["run"], "folder": self.run.folder}}

    def to_json(self) -> str:
        """Return the plan as JSON text."""
        return json.dumps(self.to_dict(), indent=1)


@dataclass(frozen=True)
class BuildPlan:
    """All decisions for a job that builds an environment."""

    name: str
    summary: str
    site: str
    batch: Batch
    slurmtf: str
