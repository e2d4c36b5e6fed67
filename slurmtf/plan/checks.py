"""What in the script or its environment does not go with the distribution: told before anything is submitted."""

from __future__ import annotations

from collections.abc import Iterable

from slurmtf.environments import Software
from slurmtf.environments.probe import version_of
from slurmtf.errors import Problem
from slurmtf.estimator import Estimator
from slurmtf.plan.model import Tasks
from slurmtf.snapshot import ScriptFacts

COORDINATOR = ("ParameterServerStrategy", "ParameterServerStrategyV2", "ClusterCoordinator")
MULTI_WORKER = ("MultiWorkerMirroredStrategy", "CollectiveAllReduceStrategy")
TENSORFLOW = ("tensorflow", "tensorflow_cpu", "tensorflow_gpu")
KERAS_3 = (2, 16)
"""The first TensorFlow whose tf.keras is Keras 3."""


def legacy_keras_problems(estimator: Estimator, software: Software) -> Iterable[Problem]:
    """Check that legacy_keras can work: without the package tf_keras, tf.keras would not import at all."""
    tensorflow = version_of(software.packages, *TENSORFLOW)
    if not estimator.legacy_keras or tensorflow is None:
        return
    if tensorflow < KERAS_3:
        what = f"TensorFlow {'.'.join(map(str, tensorflow))} has Keras 2 already"
        yield Problem("legacy_keras", what, "leave legacy_keras out")
    elif "tf_keras" not in software.packages:
        version = next(software.packages[name] for name in TENSORFLOW if name in software.packages)
        what = f"needs the package tf_keras, which {software.python} does not have"
        yield Problem("legacy_keras", what, f"install it there: pip install --no-deps tf-keras=={version}")


def script_warnings(estimator: Estimator, tasks: Tasks, script: ScriptFacts, software: Software) -> Iterable[tuple[str, str]]:
    """Yield code and text of each warning."""
    for name in script.shadows:
        yield "shadow", f"{name} in source_directory hides the installed package {name}: rename it"
    if script.certain:
        yield from _mpi_warnings(estimator, tasks, script, software)
        yield from _strategy_warnings(tasks, script)
        yield from _keras_warnings(estimator, tasks, script, software)


def _mpi_warnings(estimator: Estimator, tasks: Tasks, script: ScriptFacts, software: Software) -> Iterable[tuple[str, str]]:
    if tasks.backend != "mpi":
        return
    used = [name for name in ("horovod", "mpi4py") if script.imports_any(name)]
    if not used:
        text = (
            f"nothing in {estimator.script} imports horovod or mpi4py: {tasks.count} processes would each train the same model"
        )
        yield "no-mpi", f"{text}. Use Horovod in the script, or leave distributed_backend out"
    for name in used:
        if software.packages and name not in software.packages:
            yield "not-installed", f"{estimator.script} imports {name}, which {software.python} does not have"
    if tasks.gloo and used == ["mpi4py"]:
        yield "gloo", "Gloo serves Horovod only, not mpi4py: give launcher='mpirun', or srun={'mpi': 'pmix'}"


def _strategy_warnings(tasks: Tasks, script: ScriptFacts) -> Iterable[tuple[str, str]]:
    if tasks.backend == "ps" and script.uses(*MULTI_WORKER) and dict(tasks.roles).get("ps"):
        yield (
            "ps-with-multiworker",
            "MultiWorkerMirroredStrategy has no parameter servers: give distributed_backend='multiworker'",
        )
    if tasks.backend == "ps" and tasks.layout == "original" and script.uses(*COORDINATOR):
        yield "no-chief", "ParameterServerStrategy without a chief waits for ever: give ParameterServer(layout='chief')"
    if tasks.backend == "multiworker" and script.uses(*COORDINATOR):
        yield "multiworker-with-ps", "ParameterServerStrategy needs parameter servers: give distributed_backend='ps'"


def _keras_warnings(estimator: Estimator, tasks: Tasks, script: ScriptFacts, software: Software) -> Iterable[tuple[str, str]]:
    """Keras 3 can't fit under the strategies of several processes (keras issue 20585), nor can Horovod's callbacks use it."""
    tensorflow = version_of(software.packages, *TENSORFLOW)
    if tensorflow is None or tensorflow < KERAS_3 or estimator.legacy_keras:
        return
    if tasks.cluster and script.uses("fit"):
        yield (
            "keras-3",
            "Keras 3 can't fit under this strategy: give legacy_keras=True (package tf_keras), or write the loop yourself",
        )
    if tasks.backend == "mpi" and any(module.startswith("horovod.tensorflow.keras") for module in script.imports):
        yield "keras-3", "horovod.tensorflow.keras does not go with Keras 3: give legacy_keras=True, or use horovod.tensorflow"
