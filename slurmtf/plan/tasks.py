"""Turn a distribution into tasks: roles, layout, and the rules for their lives and ends."""

from __future__ import annotations

from slurmtf.environments import Software
from slurmtf.estimator import Estimator, Jax, Mpi, MultiWorker, ParameterServer
from slurmtf.job.contract.plan import Distribution
from slurmtf.plan import launchers
from slurmtf.plan.checks import COORDINATOR, ESTIMATOR, RESOLVER
from slurmtf.sites.model import Site
from slurmtf.snapshot import ScriptFacts

TF1_SERVER = ("train.Server",)


def build_tasks(estimator: Estimator, site: Site, script: ScriptFacts, software: Software) -> tuple[Distribution, str]:
    """Return the tasks of an estimator, and what was chosen for the user and why (empty if nothing was)."""
    distribution = estimator.distribution
    if isinstance(distribution, Mpi):
        why = _describe_mpi_obstacle(estimator, site, script, software) if distribution.transport == "auto" else ""
        return _build_mpi_tasks(distribution, estimator, gloo=distribution.transport == "gloo" or bool(why)), why
    if isinstance(distribution, ParameterServer):
        return _place(*_build_parameter_server_tasks(distribution, script), script)
    if isinstance(distribution, MultiWorker):
        return _place(_build_multi_worker_tasks(distribution), "", script)
    if isinstance(distribution, Jax):
        return _build_jax_tasks(distribution, estimator), ""
    return Distribution((("main", 1),), gpu_roles=("main",)), ""


def _place(tasks: Distribution, why: str, script: ScriptFacts) -> tuple[Distribution, str]:
    """Return the tasks placed as TensorFlow's resolver for Slurm assumes, if the script uses it."""
    if not script.uses(RESOLVER):
        return tasks, why
    placed = f"tasks are placed in blocks, and each sees its node's GPUs: the script uses {RESOLVER}"
    return tasks._replace(cyclic=False, gpu_roles=()), "; ".join(filter(None, (why, placed)))


def _describe_mpi_obstacle(estimator: Estimator, site: Site, script: ScriptFacts, software: Software) -> str:
    """Return why Horovod can't run over MPI: the launcher does not support it, or Horovod was compiled without; empty if it
    can."""
    launcher = estimator.launcher or site.launcher.default
    if not launchers.can_serve_mpi(launcher, site, estimator.srun):
        return f"Horovod runs over Gloo: {site.name} has no MPI for {launcher} (launcher.mpi)"
    only_horovod = script.imports_any("horovod") and not script.imports_any("mpi4py")
    features = software.horovod.features if software.horovod and only_horovod else ()
    if "gloo" in features and "mpi" not in features:
        return f"Horovod runs over Gloo: that of {software.prefix or software.python} was compiled without MPI"
    return ""


def _build_mpi_tasks(wish: Mpi, estimator: Estimator, gloo: bool) -> Distribution:
    return Distribution(
        (("rank", estimator.node_count * wish.process_count_per_node),),
        backend="mpi",
        gloo=gloo,
        check_world=True,
        gpu_roles=("rank",) if wish.gpus == "each" else (),
        bind=not gloo,  # as MPI's starters do; Gloo's threads want to move
        straggler_grace_s=wish.straggler_grace_s,
    )


def _build_jax_tasks(wish: Jax, estimator: Estimator) -> Distribution:
    return Distribution(
        (("rank", estimator.node_count * wish.process_count_per_node),),
        backend="jax",
        check_world=True,
        gpu_roles=("rank",) if wish.gpus == "each" else (),
        straggler_grace_s=wish.straggler_grace_s,
    )


def _build_parameter_server_tasks(wish: ParameterServer, script: ScriptFacts) -> tuple[Distribution, str]:
    layout, why = (wish.layout, "") if wish.layout != "auto" else detect_layout(wish, script)
    coordinated = layout == "chief" and script.uses(*COORDINATOR)
    head = [(layout, 1)] if layout in ("chief", "master") else []
    roles = [*head, ("ps", wish.parameter_server_count), ("worker", wish.worker_count), ("evaluator", wish.evaluator_count)]
    tasks = Distribution(
        tuple((role, count) for role, count in roles if count),
        backend="ps",
        layout=layout,
        cyclic=True,
        cluster=True,
        gpu_roles=("worker",) if coordinated else ("chief", "master", "worker"),
        restarts=wish.restarts,
        restartable=("worker",) if coordinated else ("worker", "ps"),
        straggler_grace_s=wish.straggler_grace_s,
        stragglers_succeed=True,
        evaluator_grace_s=wish.evaluator_grace_s if script.uses("train_and_evaluate") else 0,  # other evaluators never end
    )
    return tasks, why


def detect_layout(wish: ParameterServer, script: ScriptFacts) -> tuple[str, str]:
    """Return the layout that the script needs, and how that was determined."""
    if script.uses(*COORDINATOR):
        return "chief", "layout 'chief': the script uses ParameterServerStrategy, whose coordinator is the chief"
    if wish.evaluator_count or script.uses(*ESTIMATOR):
        return "chief", "layout 'chief': tf.estimator needs one"
    who = "ps and workers" if wish.parameter_server_count else "workers"
    if script.uses(*TF1_SERVER):
        return "original", f"layout 'original' ({who}): the script starts tf.train.Server"
    return "original", f"layout 'original' ({who}): nothing in the script asks for a chief"


def _build_multi_worker_tasks(wish: MultiWorker) -> Distribution:
    roles = [("chief", 1), ("worker", wish.worker_count - 1)] if wish.chief else [("worker", wish.worker_count)]
    return Distribution(
        tuple((role, count) for role, count in roles if count),
        backend="multiworker",
        layout="workers",
        cyclic=True,
        cluster=True,
        gpu_roles=("chief", "worker"),
        straggler_grace_s=wish.straggler_grace_s,
    )
