"""How the processes of a job are started: one small function for each launcher.

A launcher returns the words that stand before the task's own command in the batch script.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from slurmtf.errors import Problem, SpecError, did_you_mean
from slurmtf.estimator.quantities import flag_name
from slurmtf.plan.model import Resources, Value
from slurmtf.sites.model import Site

Flags = Mapping[str, object]
Launcher = Callable[[Resources, Site, Flags], list[str]]
LAUNCHERS: dict[str, Launcher] = {}


def launcher(name: str) -> Callable[[Launcher], Launcher]:
    """Register a launcher under the name that profiles and estimators use."""

    def register(function: Launcher) -> Launcher:
        LAUNCHERS[name] = function
        return function

    return register


def find(name: str, where: str, site: Site) -> Launcher:
    """Return the launcher of that name. Raises SpecError when there is none or the site refuses it."""
    if name not in LAUNCHERS:
        remedy = did_you_mean(name, LAUNCHERS) or f"give one of {', '.join(LAUNCHERS)}"
        raise SpecError(Problem(where, f"there is no launcher {name!r}", remedy))
    if name in site.launcher.forbidden:
        what = f"{site.name} does not let jobs use {name}"
        raise SpecError(Problem(where, what, f"leave it out: {site.launcher.default} is used"))
    return LAUNCHERS[name]


def flag_words(flags: Mapping[str, object] | Sequence[tuple[str, Value]]) -> list[str]:
    """Return flags as words: True is a bare flag, False and None leave it out, a list repeats it."""
    items = flags.items() if isinstance(flags, Mapping) else flags
    found = []
    for name, value in items:
        for item in value if isinstance(value, list | tuple) else [value]:
            if item is True:
                found.append(f"--{flag_name(name)}")
            elif item is not None and item is not False:
                found.append(f"--{flag_name(name)}={item}")
    return found


@launcher("none")
def none(resources: Resources, site: Site, flags: Flags) -> list[str]:  # noqa: ARG001
    """The process is started by the supervisor itself."""
    return []


@launcher("srun")
def srun(resources: Resources, site: Site, flags: Flags) -> list[str]:
    """One job step (srun(1)).

    --cpus-per-task stands here too: srun of Slurm 22.05 to 23.02 does not take it from sbatch. --export=ALL undoes an
    --export=NONE of sbatch, which srun would inherit.
    """
    own: dict[str, object] = {"nodes": resources.nodes, "ntasks": resources.tasks}
    if resources.tasks > 1:
        own["ntasks-per-node"] = resources.tasks_per_node
    own |= {"cpus-per-task": resources.cpus_per_task, "export": "ALL"}
    if resources.gpus_per_node:
        own |= {flag_name(name): value for name, value in site.gpu.srun.items()}
    own |= {flag_name(name): value for name, value in flags.items()}
    return ["srun", *flag_words(own), *site.launcher.args]


@launcher("ibrun")
def ibrun(resources: Resources, site: Site, flags: Flags) -> list[str]:  # noqa: ARG001
    """TACC's launcher takes the shape of the job from Slurm."""
    return ["ibrun", *site.launcher.args]
