"""Warnings and errors about scripts that do not fit their distribution."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slurmtf.errors import SpecError
from slurmtf.estimator import Distribution, Jax, Mpi, MultiWorker, ParameterServer
from slurmtf.job.contract.roles import assign_roles
from slurmtf.plan import resolve
from slurmtf.sites import Site
from slurmtf.snapshot import ScriptFacts
from tests.unit.support import PLACE, SITE, SNAPSHOT, SOFTWARE, profile, tensorflow

LOCAL = profile("local")


@pytest.mark.parametrize(
    ("training", "names", "codes"),
    [
        (ParameterServer(1, layout="original"), {"ParameterServerStrategy"}, ["no-chief"]),
        (ParameterServer(1, layout="original"), {"train_and_evaluate", "tf.estimator"}, ["no-chief"]),
        (ParameterServer(1, layout="original"), {"estimator.RunConfig"}, ["no-chief"]),
        (ParameterServer(1, layout="chief"), {"train_and_evaluate"}, []),
        (ParameterServer(1, layout="auto"), {"train_and_evaluate"}, []),
        (ParameterServer(1, layout="original"), {"train.Server"}, []),
        (ParameterServer(1), {"MultiWorkerMirroredStrategy"}, ["ps-with-multiworker"]),
        (MultiWorker(2), {"ParameterServerStrategy"}, ["multiworker-with-ps"]),
        (MultiWorker(2), {"MultiWorkerMirroredStrategy"}, []),
    ],
)
def test_a_strategy_that_does_not_fit_the_roles_is_reported(
    source: Path, training: Distribution, names: set[str], codes: list[str]
) -> None:
    facts = ScriptFacts(names=frozenset(names), certain=True)
    plan = resolve(tensorflow(source, distributed_training=training), SITE, SOFTWARE, SNAPSHOT, PLACE, facts)
    assert [warning.code for warning in plan.warnings] == codes


def test_a_job_without_parameter_servers_is_not_described_as_having_some(source: Path) -> None:
    training = ParameterServer(worker_count=2, parameter_server_count=0)
    plan = resolve(tensorflow(source, distributed_training=training), SITE, SOFTWARE, SNAPSHOT, PLACE)
    assert plan.provenance.choice.startswith("layout 'original' (workers): ")


@pytest.mark.parametrize("training", [MultiWorker(4), ParameterServer(worker_count=3)])
def test_a_script_with_the_slurm_resolver_gets_block_placement_and_all_gpus(source: Path, training: Distribution) -> None:
    facts = ScriptFacts(names=frozenset({"SlurmClusterResolver"}), certain=True)
    estimator = tensorflow(source, distributed_training=training, node_count=2)
    plan = resolve(estimator, SITE, SOFTWARE, SNAPSHOT, PLACE, facts)
    assert [role.node for role in assign_roles(plan.job)] == [0, 0, 1, 1]
    assert plan.job.distribution.gpu_roles == ()
    assert "--distribution=cyclic" not in plan.job.launcher_words
    assert "SlurmClusterResolver" in plan.provenance.choice


@pytest.mark.parametrize(("site", "launcher"), [(SITE, "mpirun"), (LOCAL, None)])
def test_the_slurm_resolver_is_refused_without_srun(source: Path, site: Site, launcher: str | None) -> None:
    facts = ScriptFacts(names=frozenset({"SlurmClusterResolver"}), certain=True)
    estimator = tensorflow(source, distributed_training=MultiWorker(2), launcher=launcher)
    with pytest.raises(SpecError) as caught:
        resolve(estimator, site, SOFTWARE, SNAPSHOT, PLACE, facts)
    assert [finding.code for finding in caught.value.findings] == ["slurm-resolver"]


@pytest.mark.parametrize(
    ("wishes", "other_names", "warned"),
    [
        ({"node_count": 2}, set(), True),
        ({"node_count": 2}, {"gpus_per_task"}, False),
        ({"node_count": 2, "use_gpu": True, "sbatch": {"gpus-per-node": 2}}, set(), False),
        ({"node_count": 2, "use_gpu": True, "sbatch": {"gpus-per-node": 1}}, set(), True),
        ({"node_count": 4, "use_gpu": True}, set(), False),
    ],
)
def test_the_slurm_resolver_without_gpus_to_divide_gives_a_warning(
    source: Path, wishes: dict[str, Any], other_names: set[str], warned: bool
) -> None:
    facts = ScriptFacts(names=frozenset({"SlurmClusterResolver", *other_names}), certain=True)
    estimator = tensorflow(source, distributed_training=MultiWorker(4), **wishes)
    plan = resolve(estimator, SITE, SOFTWARE, SNAPSHOT, PLACE, facts)
    assert ("slurm-resolver-gpus" in {warning.code for warning in plan.warnings}) is warned


OF_KERAS = ({"keras"}, {"keras.distribution", "distribution.initialize", "fit"})
OF_JAX = ({"jax"}, {"jax.distributed", "distributed.initialize"})


@pytest.mark.parametrize(
    ("training", "script", "variables", "codes"),
    [
        (Jax(2), OF_KERAS, {"KERAS_BACKEND": "jax"}, []),
        (Jax(2), OF_KERAS, {}, ["keras-backend"]),
        (Jax(2), OF_KERAS, {"KERAS_BACKEND": "tensorflow"}, ["keras-backend"]),
        (Jax(2), (OF_KERAS[0], {*OF_KERAS[1], "os.environ"}), {}, []),  # it may choose for itself
        (Jax(2), (OF_KERAS[0], {*OF_KERAS[1], "os.environ"}), {"KERAS_BACKEND": "torch"}, ["keras-backend"]),
        (Jax(2), OF_JAX, {}, []),
        (Jax(2), ({"jax"}, set()), {}, ["no-jax"]),
        (Jax(2), ({"torch"}, {"torch.distributed", "distributed.initialize"}), {}, ["no-jax"]),
        (Jax(1), ({"jax"}, set()), {}, []),  # alone is what it is
        (Mpi(2), OF_KERAS, {}, ["no-mpi", "not-jax"]),
        (MultiWorker(2), OF_JAX, {}, ["not-jax"]),
        (MultiWorker(2), ({"jax.distributed.initialize"}, {"initialize"}), {}, ["not-jax"]),
        (Jax(2), ({"jax.distributed.initialize"}, {"initialize"}), {}, []),
        (None, OF_JAX, {}, ["not-jax"]),
        (None, OF_KERAS, {}, ["not-jax"]),
        (None, ({"keras"}, {"keras.distribution", "distribution.DataParallel"}), {}, []),  # all GPUs of one process
        (None, ({"torch"}, {"torch.distributed", "distributed.initialize"}), {}, []),
    ],
)
def test_warnings_depend_on_what_joins_jax_processes(
    source: Path, training: Distribution, script: tuple[set[str], set[str]], variables: dict[str, str], codes: list[str]
) -> None:
    facts = ScriptFacts(imports=frozenset(script[0]), names=frozenset(script[1]), certain=True)
    estimator = tensorflow(source, distributed_training=training, environment_variables=variables)
    plan = resolve(estimator, SITE, SOFTWARE, SNAPSHOT, PLACE, facts)
    assert [warning.code for warning in plan.warnings] == codes
