"""The plan: plain data, the contract between the login node and the job."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from slurmtf.agent.layout import RunLayout
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
    """What the job asks for. Memory as Slurm writes it; time in seconds; None: not asked, the site decides."""

    nodes: int
    tasks: int
    tasks_per_node: int
    cpus_per_task: int | None = None
    gpus_per_node: int = 0
    gpu_type: str | None = None
    memory: str | None = None
    time_s: int | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclusive: bool = False
    requeue: bool = False


@dataclass(frozen=True)
class Shell:
    """The batch script's surroundings: its first line and what runs before the launch."""

    shebang: str
    unset: tuple[str, ...] = ()
    prologue: tuple[str, ...] = ()
    modules: tuple[tuple[str, ...], ...] = ()
    exports: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LaunchPlan:
    """Everything that was decided for one run."""

    run: RunPlace
    site: str
    scheduler: Literal["slurm", "local"]
    cluster: str | None
    snapshot: SnapshotRef
    resources: Resources
    directives: tuple[tuple[str, Value], ...]
    shell: Shell
    launcher: str
    launch: tuple[str, ...]
    python: str
    command: tuple[str, ...]
    variables: dict[str, str]
    time_warning_s: int
    stop_grace_s: int
    estimator: dict[str, Any]
    template: str
    warnings: tuple[str, ...] = ()
    slurmtf: str = ""
    schema: int = SCHEMA

    @property
    def layout(self) -> RunLayout:
        """The run folder's names."""
        return RunLayout(self.run.folder)

    def to_json(self) -> str:
        """Return the plan as JSON text."""
        return json.dumps({**asdict(self), "run": {**asdict(self.run), "folder": self.run.folder}}, indent=1)
