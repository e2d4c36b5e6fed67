"""Start the processes of a job: one small function for each launcher.

A launcher returns the words that precede the task's own command in the batch script.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from slurmtf.errors import SpecError, suggest
from slurmtf.estimator import families
from slurmtf.estimator.quantities import get_flag_name
from slurmtf.findings import Finding
from slurmtf.job.contract.plan import Distribution
from slurmtf.plan.model import Resources, Value
from slurmtf.sites.model import Site


@dataclass(frozen=True)
class Launch:
    """What a launcher needs: the shape of the job, the site, the user's flags, and the agent's own command."""

    resources: Resources
    tasks: Distribution
    site: Site
    flags: Mapping[str, object]
    agent: tuple[str, ...]


Words = Callable[[Launch], list[str]]


class Starter(Enum):
    """Who starts the processes: our agent, Slurm as tasks of a job step, or MPI's own daemons."""

    AGENT = "agent"
    SLURM = "slurm"
    MPI = "mpi"


@dataclass(frozen=True)
class Launcher:
    """The words before the task's command, and who starts the processes, which matters for GPUs, containers and MPI."""

    words: Words
    starter: Starter


LAUNCHERS: dict[str, Launcher] = {}


def register_launcher(name: str, starter: Starter) -> Callable[[Words], Words]:
    """Register a launcher under the name that profiles and estimators use."""

    def register(words: Words) -> Words:
        LAUNCHERS[name] = Launcher(words, starter)
        return words

    return register


def is_step(name: str) -> bool:
    """Return whether Slurm starts the processes, as tasks of a job step: then it can bind GPUs to each, and it sets their
    variables."""
    return name in LAUNCHERS and LAUNCHERS[name].starter is Starter.SLURM


def list_agent_launchers() -> list[str]:
    """Return the names of the launchers whose processes our agent starts: several can run side by side in a job."""
    return [name for name, found in LAUNCHERS.items() if found.starter is Starter.AGENT]


def can_serve_mpi(name: str, site: Site, flags: Mapping[str, object]) -> bool:
    """Return whether MPI processes can find each other: Slurm connects them only through a plugin (``--mpi``, srun(1))."""
    if is_step(name):
        return bool(site.launcher.mpi or "mpi" in flags)
    return name != "spawn"


def find(name: str, where: str, site: Site) -> Words:
    """Return the launcher of that name. Raises SpecError if there is none or the site refuses it."""
    if name not in LAUNCHERS:
        remedy = suggest(name, LAUNCHERS) or f"use one of {', '.join(LAUNCHERS)}"
        raise SpecError(Finding("unknown-launcher", where, f"there is no launcher {name!r}", remedy))
    if name in site.launcher.forbidden:
        what = f"{site.name} does not let jobs use {name}"
        raise SpecError(Finding("forbidden-launcher", where, what, f"leave it out: {site.launcher.default} is used"))
    return LAUNCHERS[name].words


def build_words(name: str, where: str, launch: Launch) -> list[str]:
    """Return the words of the launcher of that name. Raises SpecError if it can't start the job, or is not allowed on this
    site."""
    return find(name, where, launch.site)(launch)


def build_flag_words(flags: Mapping[str, object] | Sequence[tuple[str, Value]]) -> list[str]:
    """Return flags as words: True is a bare flag, False and None omit it, a list repeats it."""
    items = flags.items() if isinstance(flags, Mapping) else flags
    found = []
    for name, value in items:
        for item in value if isinstance(value, list | tuple) else [value]:
            if item is True:
                found.append(f"--{get_flag_name(name)}")
            elif item is not None and item is not False:
                found.append(f"--{get_flag_name(name)}={item}")
    return found


@register_launcher("none", Starter.AGENT)
def build_none_words(launch: Launch) -> list[str]:
    """Return no words: the supervisor starts the process itself. Raises SpecError for several processes."""
    if launch.tasks.world_size > 1:
        raise SpecError(
            Finding(
                "launcher-unfit",
                "launcher",
                f"'none' starts only one process, not {launch.tasks.world_size}",
                "set `launcher=spawn` or `launcher=srun`",
            )
        )
    return []


@register_launcher("spawn", Starter.AGENT)
def build_spawn_words(launch: Launch) -> list[str]:
    """Return the words for the agent, which starts the tasks itself, on one machine.

    Raises SpecError for several nodes, and for MPI.
    """
    if launch.resources.nodes > 1:
        raise SpecError(
            Finding(
                "launcher-unfit",
                "launcher",
                "'spawn' starts processes on one node only",
                "set `launcher=srun` or `launcher=mpirun`",
            )
        )
    if launch.tasks.backend == "mpi" and not launch.tasks.gloo and launch.tasks.world_size > 1:
        what = "'spawn' does not support MPI: each process would be alone"
        raise SpecError(
            Finding("launcher-unfit", "launcher", what, "set `launcher=mpirun`, or `Mpi.transport=gloo` for Horovod")
        )
    return [*launch.agent, "spawn", str(launch.tasks.world_size), "--"]


@register_launcher("srun", Starter.SLURM)
def build_srun_words(launch: Launch) -> list[str]:
    """Return the words that start one job step (srun(1)).

    --cpus-per-task is repeated here: srun of Slurm 22.05 to 23.02 does not take it from sbatch. --export=ALL undoes an
    --export=NONE of sbatch, which srun would inherit. --kill-on-bad-exit: with several tasks, a task exits nonzero only if its
    agent can't start or is killed.
    """
    resources, site = launch.resources, launch.site
    own: dict[str, object] = {"nodes": resources.nodes, "ntasks": resources.tasks}
    if launch.tasks.cyclic:
        own["distribution"] = "cyclic"
    elif resources.tasks > 1:
        own["ntasks-per-node"] = resources.tasks_per_node
    own |= {"cpus-per-task": resources.cpus_per_task, "export": "ALL"}
    if resources.tasks > 1:
        own["kill-on-bad-exit"] = 1
    if launch.tasks.backend == "mpi" and not launch.tasks.gloo:
        own["mpi"] = site.launcher.mpi
    asked = merge_srun_flags(launch.flags, site, resources)
    return ["srun", *build_flag_words(families.override_flags(own, asked)), *site.launcher.args]


def merge_srun_flags(flags: Mapping[str, object], site: Site, resources: Resources) -> Mapping[str, object]:
    """Return the profile's flags of srun for a job with GPUs, overridden by the user's own."""
    return families.override_flags(site.gpu.srun if resources.gpus_per_node else {}, flags)


@register_launcher("mpirun", Starter.MPI)
def build_mpirun_words(launch: Launch) -> list[str]:
    """Return Open MPI's mpirun(1), which takes the nodes from Slurm's allocation.

    Its default binds each rank to a core, which starves TensorFlow (Horovod's documentation, mpi.rst). That is switched off;
    the agent binds ranks to their share of the node.
    """
    shape = "node" if launch.tasks.cyclic else f"ppr:{launch.resources.tasks_per_node}:node"
    words = ["mpirun", "-n", str(launch.tasks.world_size), "--map-by", f"{shape}:oversubscribe", "--bind-to", "none"]
    return [*words, *launch.site.launcher.args]


@register_launcher("mpiexec", Starter.MPI)
def build_mpiexec_words(launch: Launch) -> list[str]:
    """Return any MPI's ``mpiexec -n``, which the standard defines (MPI-4.1, 11.5). Anything else is in the profile's args."""
    return ["mpiexec", "-n", str(launch.tasks.world_size), *launch.site.launcher.args]


@register_launcher("ibrun", Starter.MPI)
def build_ibrun_words(launch: Launch) -> list[str]:
    """Return TACC's ibrun, which takes the shape of the job from Slurm."""
    return ["ibrun", *launch.site.launcher.args]
