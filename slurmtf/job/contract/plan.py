"""The job's part of a plan: what the supervisor and the tasks need to know. The login node writes it, the job reads it."""

import json
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from .life import Budget, Notice, Stall
from .schedulers import CAPABILITIES, Capabilities

SCHEMA = 1


class PlanError(ValueError):
    """A plan can't be used; the text says why."""


class Run(NamedTuple):
    """The run that the job belongs to."""

    run_id: str
    experiment: str


class Size(NamedTuple):
    """The resources, as far as the job itself needs to know them. ``gpus_bound``: Slurm binds GPUs to tasks; ``time_s`` None:
    no limit is known; ``memory_mb``: per node, in MiB (0: not known, or all of it)."""

    nodes: int = 1
    tasks: int = 1
    tasks_per_node: int = 1
    cpus_per_task: Optional[int] = None
    gpus_per_node: int = 0
    gpus_bound: bool = False
    time_s: Optional[int] = None
    memory_mb: int = 0


class Distribution(NamedTuple):
    """The processes of a job: the roles with their counts, and the rules by which they start and end.

    ``cyclic`` deals them round-robin over the nodes (else node by node); ``cluster`` gives them TF_CONFIG; ``gloo`` serves
    Horovod's rendezvous; ``check_world`` compares the world that MPI, Horovod or JAX sees with the plan's; ``gpu_roles`` share
    a node's GPUs; ``bind`` divides a node's CPUs among its tasks, which all do the same work; ``restartable`` roles may be
    restarted ``restarts`` times in all. If some tasks have not ended ``straggler_grace_s`` after the first success, the job is
    ended, and has succeeded if ``stragglers_succeed``. An evaluator may continue for ``evaluator_grace_s`` after all others.
    """

    roles: Tuple[Tuple[str, int], ...]
    backend: Optional[str] = None
    layout: Optional[str] = None
    cyclic: bool = False
    cluster: bool = False
    gloo: bool = False
    check_world: bool = False
    gpu_roles: Tuple[str, ...] = ()
    bind: bool = False
    restarts: int = 0
    restartable: Tuple[str, ...] = ()
    straggler_grace_s: float = 0
    evaluator_grace_s: float = 0
    stragglers_succeed: bool = False

    @property
    def joined_by_jax(self) -> bool:
        """Whether JAX joins the processes: rank 0 serves its coordinator."""
        return self.backend == "jax"

    @property
    def world_size(self) -> int:
        """How many processes there are."""
        return sum(count for _, count in self.roles)

    def count_gpu_users_per_node(self, nodes: int) -> int:
        """Return the highest number of processes on a node that share its GPUs; 0 if each sees all of them."""
        return sum(-(-count // nodes) for role, count in self.roles if role in self.gpu_roles)


class Stage(NamedTuple):
    """What is on each node's own disk when the script starts. With 'node-local': the source, and the environment of ``prefix``,
    packed into the file ``pack``. ``local``: the disk's folder; '$NAME' is expanded on the node. Empty: none."""

    where: str = "shared"
    local: str = ""
    prefix: str = ""
    pack: str = ""

    @property
    def on_node(self) -> bool:
        """Whether software and source are staged to the node's own disk."""
        return self.where == "node-local"


class DataInput(NamedTuple):
    """Data with a name, and how the script accesses it: see ``slurmtf.Input``."""

    name: str
    path: str
    mode: str


class Timings(NamedTuple):
    """The supervisor's times, in seconds.

    - ``start``: from the first task's connection until all must have connected
    - ``grace``: between TERM and KILL; below Slurm's KillWait (30 by default, slurm.conf(5))
    - ``peer_grace``: the same if the others only wait for a task that has failed; measured: docs/decisions.md
    - ``late_reports``: how long to wait for reports that are still on their way
    - ``at_once``: Slurm ends all processes of a job at once: what comes within this time of a task's end belongs to it
    - ``listen``: how long to wait for the signal that belongs to a task's end
    - ``heartbeat``: between two signs of life
    - ``sign``: how long to wait after each sign of life of a node that copies results back
    - ``warning``: how long before the time limit to warn
    - ``leave``: how long before the time limit to end the tasks if the next attempt must still be arranged
    - ``look``: between two checks for a later attempt of the job, to which this one gives way
    - ``unheard``: how long to retry if slurmctld, which may be restarting, answers no launcher; ``ask_again``: between tries
    - ``stacks``: how long the scripts' stacks may take to write before a stalled run is ended
    """

    start: float = 600.0
    grace: float = 20.0
    peer_grace: float = 5.0
    late_reports: float = 5.0
    at_once: float = 2.0
    listen: float = 0.5
    heartbeat: float = 60.0
    sign: float = 30.0
    warning: float = 120.0
    leave: float = 35.0
    look: float = 5.0
    unheard: float = 180.0
    ask_again: float = 2.0
    stacks: float = 3.0


class LaunchOrder(NamedTuple):
    """One launch of a job, as plain data: how it differs from the plan.

    - ``arguments``: appended to the command's
    - ``variables``: take precedence over the plan's
    - ``folder``: its own folder in the run folder, with logs, outputs and a working directory; empty: the run folder itself
    - ``command``: replaces the script's
    - ``distribution``: its tasks, if they are not the plan's; ``size``: their resources, by default on the plan's nodes
    - ``launcher``: the words that start the tasks, in place of the plan's
    - ``last``: no other launch follows; after any other launch, what was staged stays on the nodes' disks
    """

    arguments: Tuple[str, ...] = ()
    variables: Dict[str, str] = {}  # noqa: RUF012 - never modified
    folder: str = ""
    command: Tuple[str, ...] = ()
    distribution: Optional[Distribution] = None
    size: Optional[Size] = None
    launcher: Tuple[str, ...] = ()
    last: bool = True

    @property
    def tasks(self) -> "LaunchOrder":
        """The part of the order that says which tasks there are."""
        return LaunchOrder(distribution=self.distribution, size=self.size)

    def to_dict(self) -> Dict[str, object]:
        return {
            name: dict(value._asdict()) if name in _ORDER_TYPES and value else value for name, value in self._asdict().items()
        }

    @classmethod
    def from_dict(cls, facts: Any) -> "LaunchOrder":
        """Return what :meth:`to_dict` wrote. Raises TypeError if the facts are not an order."""
        order: LaunchOrder = _build_part(cls, facts)
        nested = {name: _build_part(kind, facts[name]) for name, kind in _ORDER_TYPES.items() if facts.get(name) is not None}
        return order._replace(**nested)


_ORDER_TYPES: Dict[str, type] = {"distribution": Distribution, "size": Size}


class JobPlan(NamedTuple):
    """Everything that a job needs to know of its plan.

    ``launcher`` is the launcher's name, for messages, and ``launcher_words`` the words with which the batch script starts the
    tasks; ``is_step``: Slurm starts the tasks, each bound to its GPUs; ``launches`` follow one another, even after a failure;
    ``snapshot`` is the id of what ``source.tar`` must hold (empty: anything); ``autolog`` names the library whose metrics are
    logged for the script; ``restarts``: after which causes the run restarts; ``notice``: how the script is notified of its end;
    ``resume_from``: the folder from which the first attempt resumes (empty: none); ``stall``: when the run counts as stalled.
    """

    run: Run
    scheduler: str
    distribution: Distribution
    size: Size = Size()
    launcher: str = "none"
    launcher_words: Tuple[str, ...] = ()
    is_step: bool = False
    gpu_vendor: str = "nvidia"
    host_suffix: str = ""
    interface: Optional[str] = None
    variables: Dict[str, str] = {}  # noqa: RUF012 - never modified
    stage: Stage = Stage()
    inputs: Tuple[DataInput, ...] = ()
    timings: Timings = Timings()
    launches: Tuple[LaunchOrder, ...] = (LaunchOrder(),)
    snapshot: str = ""
    sweep: bool = False
    autolog: str = ""
    restarts: Tuple[Budget, ...] = ()
    notice: Notice = Notice()
    resume_from: str = ""
    stall: Stall = Stall()

    @property
    def can(self) -> Capabilities:
        """What the scheduler does for the job."""
        return CAPABILITIES[self.scheduler]

    @property
    def uses_disks(self) -> bool:
        """Whether the nodes' disks must be prepared before the tasks start."""
        return self.stage.on_node or any(item.mode != "mount" for item in self.inputs)

    @property
    def returns_results(self) -> bool:
        """Whether results must be copied back after the tasks."""
        return any(item.mode == "upload" for item in self.inputs)

    def with_launch(self, order: LaunchOrder) -> "JobPlan":
        """Return the plan with the tasks of a launch."""
        if order.distribution is None:
            return self._replace(size=order.size or self.size)
        count = order.distribution.world_size
        size = order.size or self.size._replace(tasks=count, tasks_per_node=-(-count // self.size.nodes))
        return self._replace(distribution=order.distribution, size=size)

    def to_dict(self) -> Dict[str, object]:
        found: Dict[str, object] = {"schema": SCHEMA}
        for name, value in self._asdict().items():
            found[name] = dict(value._asdict()) if name in _PARTS else value
        found["inputs"] = [dict(item._asdict()) for item in self.inputs]
        found["launches"] = [order.to_dict() for order in self.launches]
        found["restarts"] = [dict(budget._asdict()) for budget in self.restarts]
        return found

    @classmethod
    def from_dict(cls, facts: Any) -> "JobPlan":
        """Return what :meth:`to_dict` wrote. Unknown keys are ignored, missing ones have their defaults.

        Raises PlanError if the facts are not a plan, or have a newer schema.
        """
        _check_schema(facts)
        try:
            found = {name: facts[name] for name in cls._fields if name in facts}
            for name, kind in _PARTS.items():
                if name in found:
                    found[name] = _build_part(kind, found[name])
            for name, read_one in _LISTS.items():
                if name in found:
                    found[name] = tuple(map(read_one, found[name]))
            if found["scheduler"] not in CAPABILITIES:
                raise ValueError("there is no scheduler {!r}".format(found["scheduler"]))
            return cls(**dict(found, launcher_words=_to_hashable(found.get("launcher_words", ()))))
        except (TypeError, AttributeError, ValueError, KeyError) as err:
            raise PlanError("its part for the job is damaged: {}".format(err)) from None


_PARTS: Dict[str, type] = {
    "run": Run,
    "size": Size,
    "distribution": Distribution,
    "stage": Stage,
    "timings": Timings,
    "notice": Notice,
    "stall": Stall,
}
_LISTS: Dict[str, Callable[[object], object]] = {
    "inputs": lambda facts: _build_part(DataInput, facts),
    "launches": LaunchOrder.from_dict,
    "restarts": lambda facts: _build_part(Budget, facts),
}


def read(path: str) -> JobPlan:
    """Return the job's part of a plan file. Raises OSError, or PlanError that names the file."""
    try:
        with open(path, encoding="utf-8") as file:
            return JobPlan.from_dict(_get_job(json.load(file)))
    except (ValueError, RecursionError) as err:
        raise PlanError("{}: {}".format(path, err)) from None


def _get_job(plan: object) -> object:
    if not isinstance(plan, dict):
        raise PlanError("is not a plan")
    return plan.get("job")


def _check_schema(facts: object) -> None:
    schema = facts.get("schema") if isinstance(facts, dict) else None
    if not isinstance(schema, int) or isinstance(schema, bool):
        raise PlanError("is not the plan of a job")
    if schema > SCHEMA:
        text = "has schema {}, and this slurmtf knows up to {}: use the slurmtf that wrote it, or a newer one"
        raise PlanError(text.format(schema, SCHEMA))


def _build_part(kind: Any, facts: object) -> Any:
    if not isinstance(facts, dict):
        raise TypeError("{} is not an object".format(kind.__name__))
    return kind(**{name: _to_hashable(facts[name]) for name in kind._fields if name in facts})


def _to_hashable(value: object) -> object:
    """Return a JSON list as the tuple that it was."""
    found: List[object] = [_to_hashable(item) for item in value] if isinstance(value, list) else []
    return tuple(found) if isinstance(value, list) else value
