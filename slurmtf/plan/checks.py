"""Check that the script and its environment fit the distribution, before anything is submitted."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from slurmtf.environments import Software, check
from slurmtf.environments.missing import check_missing_imports
from slurmtf.estimator import Estimator
from slurmtf.findings import Finding, build_warning
from slurmtf.job.contract import variables as var
from slurmtf.job.contract.plan import Distribution
from slurmtf.job.contract.served import AZUREML, is_served
from slurmtf.plan.launchers import is_step
from slurmtf.plan.model import Resources
from slurmtf.snapshot import ScriptFacts
from slurmtf.snapshot.imports import Need
from slurmtf.snapshot.script import Import

COORDINATOR = ("ParameterServerStrategy", "ParameterServerStrategyV2", "ClusterCoordinator")
ESTIMATOR = ("train_and_evaluate", "tf.estimator", "v1.estimator", "estimator.Estimator", "estimator.RunConfig")
RESOLVER = "SlurmClusterResolver"
"""It assumes that consecutive ranks share a node, divides the node's GPUs itself, and reads SLURM_PROCID, SLURM_STEP_NUM_TASKS,
SLURM_STEP_NODELIST, SLURM_STEP_TASKS_PER_NODE (tensorflow/python/distribute/cluster_resolver/slurm_cluster_resolver.py)."""
MULTI_WORKER = ("MultiWorkerMirroredStrategy", "CollectiveAllReduceStrategy")
WITHOUT_MPI = "Horovod in {} was built without MPI: set `Mpi.transport=gloo`, or build it again where mpicxx is in PATH"
WITHOUT_GLOO = "Horovod in {} was built without Gloo: set a `launcher` with MPI, or build it again (HOROVOD_WITH_GLOO=1)"
MPI_MODULES = ("horovod", "mpi4py")
JAX_MODULES = ("jax", "keras")
JOINS_JAX = ("jax.distributed", "keras.distribution", "distribution.initialize", "distributed.initialize")
"""Names whose use shows that a script has JAX join its processes."""
STARTS_JAX = ("distribution.initialize", "distributed.initialize")
"""The names that fail, or do not join the processes, if JAX has no information about the job."""
JOINING_MODULES = ("jax.distributed", "keras.distribution")
"""The modules that define these names."""
KERAS_3 = (2, 16)
"""The first TensorFlow whose tf.keras is Keras 3."""


def check_legacy_keras(estimator: Estimator, software: Software) -> Iterable[Finding]:
    """Check that legacy_keras can work: without the package tf_keras, tf.keras can't be imported at all."""
    tensorflow = check.get_tensorflow_release(software)
    if not estimator.legacy_keras or tensorflow is None:
        return
    if tensorflow < KERAS_3:
        what = f"TensorFlow {'.'.join(map(str, tensorflow))} has Keras 2 already"
        yield Finding("legacy-keras", "legacy_keras", what, "leave `legacy_keras` out")
    elif "tf_keras" not in software.packages and not software.is_to_build:
        yield _describe_missing_tf_keras(software)


def _describe_missing_tf_keras(software: Software) -> Finding:
    what = f"needs the package tf_keras, which is not in {check.describe_location(software)}"
    install = f"install it there: pip install --no-deps tf-keras=={check.get_tensorflow_version(software)}"
    return Finding("legacy-keras", "legacy_keras", what, "add `pip_packages[]=tf-keras`" if software.spec else install)


def check_software(estimator: Estimator, script: ScriptFacts, software: Software) -> Iterable[Finding]:
    """Check that the script can start: what it certainly imports is installed, and its Horovod matches its TensorFlow."""
    if script.relative and "relative-import" not in estimator.silence:
        yield _describe_relative_import(estimator, script)
    yield from _check_vital_imports(estimator, script, software)
    if script.imports_any("horovod") and "horovod-build" not in estimator.silence:
        yield from filter(None, [check.check_horovod_build(software)])


def _describe_relative_import(estimator: Estimator, script: ScriptFacts) -> Finding:
    """Report relative imports that Python will reject: ``from . import x`` in a file that is not run as a module of its
    package, and ``from .. import x`` in one whose package is not inside another."""
    source = Path(estimator.source_directory)
    *folders, name = estimator.script.removesuffix(".py").split("/")
    depth = max(script.levels, len(folders), 1)
    module = ".".join([*source.parts[1:], *folders, name][-depth - 1 :])
    above = [source, *source.parents][depth - len(folders) :][:1]
    elsewhere = "".join(f" and `source_directory={folder}`" for folder in above if folder != source)
    what = "imports from its own package (from . import ...), which a script that is run as a file can't"
    if estimator.module:
        what = "imports from a package that it is not run in (from . import ..., from .. import ...)"
    remedy = f"run it as a module{' of the package above' if estimator.module else ''}: set `entry_script={module}`{elsewhere}"
    return Finding("relative-import", f"{estimator.script}:{script.relative}", what, remedy)


def _select_vital_imports(estimator: Estimator, script: ScriptFacts) -> list[Import]:
    """Return the modules from outside the source without which the script can't run."""
    return [one for one in script.foreign if one.need is Need.CERTAIN and "missing-import" not in estimator.silence]


def _check_vital_imports(estimator: Estimator, script: ScriptFacts, software: Software) -> Iterable[Finding]:
    """Yield a finding for the modules that the script needs and the software lacks."""
    vital = [one for one in _select_vital_imports(estimator, script) if one.module in software.missing]
    legacy = "tf_keras" if estimator.legacy_keras else ""
    yield from _check_missing([one for one in vital if one.module not in (AZUREML, legacy)], script, software)
    yield from (finding for one in vital for finding in _check_azureml(one, estimator, script, software))
    if legacy in software.missing:
        yield _describe_missing_tf_keras(software)


def describe_needs(estimator: Estimator, script: ScriptFacts, software: Software) -> dict[str, Finding]:
    """Return the modules from outside the source without which the script can't run, each with the finding to report if it is
    missing."""
    wanted = _select_vital_imports(estimator, script)
    found = {
        one.module: finding for one in wanted if one.module != AZUREML for finding in _check_missing([one], script, software)
    }
    found.update((one.module, finding) for one in wanted for finding in _check_azureml(one, estimator, script, software))
    return {**found, "tf_keras": _describe_missing_tf_keras(software)} if estimator.legacy_keras else found


def _check_azureml(found: Import, estimator: Estimator, script: ScriptFacts, software: Software) -> Iterable[Finding]:
    """Yield what to report if azureml is not installed: that slurmtf can serve it, or which parts of it slurmtf can't."""
    if found.module != AZUREML:
        return
    unserved = sorted(name for name in script.imports if name.startswith(f"{AZUREML}.") and not is_served(name))
    if not estimator.azureml:
        (finding,) = _check_missing([found], script, software)
        yield replace(finding, remedy=f"set `azureml=true`, which serves azureml.core.Run, or {finding.remedy}")
    elif unserved:
        what = f"imports {', '.join(unserved)}: slurmtf serves azureml.core.Run alone"
        yield Finding("missing-import", found.where, what, "add azureml-core to `pip_packages`, or do without it in the script")


def _select_absent(estimator: Estimator, script: ScriptFacts, software: Software) -> Iterable[Import]:
    served = AZUREML if estimator.azureml else ""
    return (one for one in script.foreign if one.module in software.missing and one.module != served)


def _check_missing(found: Iterable[Import], script: ScriptFacts, software: Software) -> Iterable[Finding]:
    others = {*sys.stdlib_module_names, *script.places}
    needed = [one for one in script.foreign if one.need is Need.CERTAIN and one.module not in others]
    return check_missing_imports(found, software, needed, script.places)


def _warn_about_uninspected(estimator: Estimator, script: ScriptFacts) -> Iterable[Finding]:
    """Yield the modules that the script needs if the software could not be inspected."""
    served = AZUREML if estimator.azureml else ""
    there = {*sys.stdlib_module_names, served}
    vital = [one for one in script.foreign if one.need is Need.CERTAIN and one.module not in there]
    if vital:
        names = ", ".join(one.module for one in vital)
        text = f"imports {names}: not checked, since the software can't be inspected"
        yield build_warning("missing-import", text, vital[0].where)


def warn_about_software(
    estimator: Estimator, tasks: Distribution, script: ScriptFacts, software: Software
) -> Iterable[Finding]:
    """Yield a warning for everything that the script may lack when it runs."""
    if software.is_unknown:
        yield from _warn_about_uninspected(estimator, script)
    yield from _warn_about_missing(estimator, tasks, script, software)
    version = getattr(estimator, "framework_version", None)
    text = check.describe_version_mismatch(version, software) if version else ""
    if text:
        yield build_warning("framework-version", text)


def _warn_about_missing(
    estimator: Estimator, tasks: Distribution, script: ScriptFacts, software: Software
) -> Iterable[Finding]:
    """Yield a warning for the modules that the script may need and the software lacks."""
    vital = MPI_MODULES if tasks.backend == "mpi" else ()
    absent = _select_absent(estimator, script, software)
    doubtful = [one for one in absent if one.need is (Need.HANDLED if one.module in vital else Need.POSSIBLE)]
    for finding in _check_missing(doubtful, script, software):
        yield replace(finding, what=finding.what.replace("imports", "may import", 1), severity="warning")


def warn_about_cpu_build(gpus_per_node: int, software: Software) -> Iterable[Finding]:
    """Yield a warning when a job gets GPUs that its TensorFlow can't use."""
    text = check.describe_cpu_build(software) if gpus_per_node else ""
    if text:
        yield build_warning("cpu-tensorflow", text)


def warn_about_script(estimator: Estimator, tasks: Distribution, script: ScriptFacts, software: Software) -> Iterable[Finding]:
    """Yield the warnings about a script and its distribution."""
    for name in script.shadows:
        yield build_warning("shadow", f"{name} in source_directory hides the installed package {name}: rename it")
    yield from warn_about_software(estimator, tasks, script, software)
    if script.certain:
        yield from _warn_about_mpi(estimator, tasks, script, software)
        yield from _warn_about_strategy(tasks, script)
        yield from _warn_about_jax(estimator, tasks, script)
        yield from _warn_about_keras(estimator, tasks, script, software)


def _warn_about_mpi(estimator: Estimator, tasks: Distribution, script: ScriptFacts, software: Software) -> Iterable[Finding]:
    if tasks.backend != "mpi":
        return
    used = [name for name in MPI_MODULES if script.imports_any(name)]
    if not used:
        each = f"{tasks.world_size} processes would each train the same model"
        text = f"nothing in {estimator.script} imports horovod or mpi4py: {each}"
        yield build_warning("no-mpi", f"{text}. Use Horovod in the script, or leave `distributed_backend` out")
    features = software.horovod.features if software.horovod and "horovod" in used else ()
    if features and ("gloo" if tasks.gloo else "mpi") not in features:
        yield build_warning(
            "horovod-transport", (WITHOUT_GLOO if tasks.gloo else WITHOUT_MPI).format(check.describe_location(software))
        )
    if tasks.gloo and used == ["mpi4py"]:
        yield build_warning("gloo", "Gloo serves Horovod only, not mpi4py: set `launcher=mpirun` or `srun[mpi]=pmix`")


def _warn_about_strategy(tasks: Distribution, script: ScriptFacts) -> Iterable[Finding]:
    if tasks.backend == "ps" and script.uses(*MULTI_WORKER) and dict(tasks.roles).get("ps"):
        yield build_warning(
            "ps-with-multiworker",
            "MultiWorkerMirroredStrategy has no parameter servers: set `distributed_backend=multiworker`",
        )
    if tasks.backend == "ps" and tasks.layout == "original" and script.uses(*COORDINATOR):
        yield build_warning(
            "no-chief", "ParameterServerStrategy without a chief waits forever: set `ParameterServer.layout=chief`"
        )
    if tasks.backend == "ps" and tasks.layout == "original" and script.uses(*ESTIMATOR) and not script.uses(*COORDINATOR):
        yield build_warning("no-chief", "tf.estimator without a chief fails in each task: set `ParameterServer.layout=chief`")
    if tasks.backend == "multiworker" and script.uses(*COORDINATOR):
        yield build_warning(
            "multiworker-with-ps", "ParameterServerStrategy needs parameter servers: set `distributed_backend=ps`"
        )


def _warn_about_jax(estimator: Estimator, tasks: Distribution, script: ScriptFacts) -> Iterable[Finding]:
    """Check that a script that has JAX join its processes gets what that needs, and the reverse."""
    joins = _does_join_jax(script, JOINS_JAX)
    if tasks.backend is None and _does_join_jax(script, STARTS_JAX):
        text = "the script has JAX join the processes of a job, and nothing tells JAX of this one"
        yield build_warning("not-jax", f"{text}: set `distributed_backend=jax`")
    if joins and tasks.backend not in (None, "jax"):
        text = f"the script has JAX join its processes, and distributed_backend={tasks.backend!r} does not tell JAX how"
        yield build_warning("not-jax", f"{text}: set `distributed_backend=jax`")
    if tasks.backend != "jax" or tasks.world_size == 1:
        return
    if not joins:
        each = f"{tasks.world_size} processes would each train the same model"
        call = "keras.distribution.initialize() or jax.distributed.initialize()"
        yield build_warning("no-jax", f"nothing in {estimator.script} calls {call}: {each}")
    chosen = (estimator.environment_variables or {}).get(var.KERAS_BACKEND)
    if script.imports_any("keras") and chosen != "jax" and not (chosen is None and script.uses("os.environ", "environ")):
        backend = chosen or "TensorFlow, where nothing says otherwise"
        text = f"Keras runs on {backend}, and only its JAX backend joins processes"
        yield build_warning("keras-backend", f"{text}: set `environment_variables[KERAS_BACKEND]=jax`")


def _does_join_jax(script: ScriptFacts, names: Iterable[str]) -> bool:
    own = {f"{module}.initialize" for module in JOINING_MODULES}
    return (script.uses(*names) and script.imports_any(*JAX_MODULES)) or not own.isdisjoint(script.imports)


def check_resolver(tasks: Distribution, script: ScriptFacts, launcher: str, resources: Resources) -> Iterable[Finding]:
    """Check a script that reads its cluster from Slurm: it needs a launcher that sets those variables, and GPUs for the
    resolver to divide.

    With fewer GPUs than tasks on a node, the resolver fails (``range() arg 3 must not be zero``; see the file above), as it
    does without nvidia-smi.
    """
    if not script.uses(RESOLVER):
        return
    if tasks.world_size > 1 and not is_step(launcher):
        what = f"{RESOLVER} reads the variables of srun's job step, and the launcher is {launcher!r}"
        remedy = "set `launcher=srun` on a Slurm site, or have the script read TF_CONFIG (TFConfigClusterResolver)"
        yield Finding("slurm-resolver", "launcher", what, remedy)
    elif resources.gpus_per_node < resources.tasks_per_node and not script.uses("gpus_per_task"):
        count, tasks_there = resources.gpus_per_node, resources.tasks_per_node
        what = f"{RESOLVER} divides a node's GPUs among its tasks, and fails with {count} for {tasks_there}"
        remedy = f"pass it gpus_per_node={tasks_there}, gpus_per_task=1, auto_set_gpu=False"
        yield build_warning("slurm-resolver-gpus", what, remedy=remedy)


def _warn_about_keras(estimator: Estimator, tasks: Distribution, script: ScriptFacts, software: Software) -> Iterable[Finding]:
    """Warn about Keras 3: it can't fit under strategies of several processes (keras issue 20585), and Horovod's callbacks can't
    use it."""
    tensorflow = check.get_tensorflow_release(software)
    if tensorflow is None or tensorflow < KERAS_3 or estimator.legacy_keras:
        return
    if tasks.cluster and script.uses("fit"):
        yield build_warning(
            "keras-3",
            "Keras 3 can't fit under this strategy: set `legacy_keras=true` (package tf_keras), or write the loop yourself",
        )
    if tasks.backend == "mpi" and any(module.startswith("horovod.tensorflow.keras") for module in script.imports):
        yield build_warning(
            "keras-3", "horovod.tensorflow.keras does not work with Keras 3: set `legacy_keras=true`, or use horovod.tensorflow"
        )
