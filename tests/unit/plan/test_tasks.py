"""From a distribution to its tasks: all rules of each one in full, since the job follows them to the letter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slurmtf.environments import Software
from slurmtf.environments.software import HorovodBuild
from slurmtf.estimator import Jax, Mpi, MultiWorker, ParameterServer
from slurmtf.estimator.distribution import GRACE_S
from slurmtf.job.contract.plan import Distribution
from slurmtf.plan.tasks import build_tasks
from slurmtf.sites import Site
from slurmtf.sites.model import Launcher
from slurmtf.snapshot import ScriptFacts
from tests.unit.support import SOFTWARE, tensorflow

COORDINATED = ScriptFacts(names=frozenset({"ParameterServerStrategy"}), certain=True)
OF_ESTIMATOR = ScriptFacts(names=frozenset({"train_and_evaluate"}), certain=True)
OF_SERVER = ScriptFacts(names=frozenset({"train.Server"}), certain=True)
PLAIN = ScriptFacts(certain=True)
HOROVOD = ScriptFacts(imports=frozenset({"horovod.tensorflow"}), certain=True)
BOTH = ScriptFacts(imports=frozenset({"horovod.tensorflow", "mpi4py"}), certain=True)
WITH_MPI = Site(name="here", launcher=Launcher(mpi="pmix"))
WITHOUT_MPI = Site(name="here")

SERVED: dict[str, Any] = {
    "backend": "ps",
    "cyclic": True,
    "cluster": True,
    "stragglers_succeed": True,
    "straggler_grace_s": GRACE_S,
}
WORKERS: dict[str, Any] = {
    "backend": "multiworker",
    "layout": "workers",
    "cyclic": True,
    "cluster": True,
    "gpu_roles": ("chief", "worker"),
}
RANKS: dict[str, Any] = {"backend": "mpi", "check_world": True, "straggler_grace_s": GRACE_S}
COMPUTING = ("chief", "master", "worker")
IN_PLACE = ("worker", "ps")


@pytest.mark.parametrize(
    ("wish", "script", "expected"),
    [
        (None, PLAIN, Distribution((("main", 1),), gpu_roles=("main",))),
        (Jax(2), PLAIN,
         Distribution((("rank", 2),), backend="jax", check_world=True, gpu_roles=("rank",), straggler_grace_s=GRACE_S)),
        (Jax(2, gpus="all", straggler_grace_s=7), PLAIN,
         Distribution((("rank", 2),), backend="jax", check_world=True, straggler_grace_s=7)),
        (MultiWorker(1, chief=True, straggler_grace_s=7), PLAIN,
         Distribution((("chief", 1),), straggler_grace_s=7, **WORKERS)),
        (MultiWorker(2, chief=True), PLAIN,
         Distribution((("chief", 1), ("worker", 1)), straggler_grace_s=GRACE_S, **WORKERS)),
        (MultiWorker(2, chief=False), PLAIN,
         Distribution((("worker", 2),), straggler_grace_s=GRACE_S, **WORKERS)),
        (ParameterServer(2, 1), PLAIN,
         Distribution((("ps", 1), ("worker", 2)), layout="original", gpu_roles=COMPUTING, restartable=IN_PLACE,
               **SERVED)),
        (ParameterServer(2, 0), PLAIN,
         Distribution((("worker", 2),), layout="original", gpu_roles=COMPUTING, restartable=IN_PLACE,
               **SERVED)),
        (ParameterServer(2, 1), OF_SERVER,
         Distribution((("ps", 1), ("worker", 2)), layout="original", gpu_roles=COMPUTING, restartable=IN_PLACE,
               **SERVED)),
        (ParameterServer(2, 1, restarts=3), COORDINATED,
         Distribution((("chief", 1), ("ps", 1), ("worker", 2)), layout="chief", gpu_roles=("worker",), restarts=3,
               restartable=("worker",), **SERVED)),
        (ParameterServer(2, 1, layout="original"), COORDINATED,
         Distribution((("ps", 1), ("worker", 2)), layout="original", gpu_roles=COMPUTING, restartable=IN_PLACE,
               **SERVED)),
        (ParameterServer(2, 1, evaluator_count=1, evaluator_grace_s=5), OF_ESTIMATOR,
         Distribution((("chief", 1), ("ps", 1), ("worker", 2), ("evaluator", 1)), layout="chief", gpu_roles=COMPUTING,
               restartable=IN_PLACE, evaluator_grace_s=5, **SERVED)),
        (ParameterServer(1, 1, evaluator_count=1), PLAIN,  # a script's own evaluator never ends: no grace
         Distribution((("chief", 1), ("ps", 1), ("worker", 1), ("evaluator", 1)), layout="chief", gpu_roles=COMPUTING,
               restartable=IN_PLACE, evaluator_grace_s=0, **SERVED)),
        (ParameterServer(1, 1, layout="master"), PLAIN,
         Distribution((("master", 1), ("ps", 1), ("worker", 1)), layout="master", gpu_roles=COMPUTING, restartable=IN_PLACE,
               **SERVED)),
        (Mpi(2), PLAIN, Distribution((("rank", 2),), bind=True, **RANKS)),
        (Mpi(2, gpus="each"), PLAIN, Distribution((("rank", 2),), bind=True, gpu_roles=("rank",), **RANKS)),
        (Mpi(2, transport="gloo"), HOROVOD, Distribution((("rank", 2),), gloo=True, **RANKS)),
        (Mpi(2, transport="mpi", straggler_grace_s=9), HOROVOD,
         Distribution((("rank", 2),), bind=True, **{**RANKS, "straggler_grace_s": 9})),
    ],
)  # fmt: skip
def test_each_distribution_has_its_rules(source: Path, wish: Any, script: ScriptFacts, expected: Distribution) -> None:
    assert build_tasks(tensorflow(source, distributed_training=wish), WITH_MPI, script, SOFTWARE)[0] == expected


def test_ranks_are_counted_by_nodes(source: Path) -> None:
    found, _ = build_tasks(tensorflow(source, node_count=3, distributed_training=Mpi(2)), WITH_MPI, PLAIN, SOFTWARE)
    assert found.roles == (("rank", 6),)


ONLY_GLOO = Software("/opt/env/bin/python3", horovod=HorovodBuild("2.15", ("gloo",)))
ANY = Software("/opt/env/bin/python3", horovod=HorovodBuild("2.15", ("mpi", "gloo")))
ONLY_MPI = Software("/opt/env/bin/python3", horovod=HorovodBuild("2.15", ("mpi",)))


@pytest.mark.parametrize(
    ("site", "script", "software", "settings", "why"),
    [
        (WITH_MPI, HOROVOD, ANY, {}, ""),
        (WITH_MPI, HOROVOD, ONLY_GLOO, {}, "that of /opt/env/bin/python3 was compiled without MPI"),
        (WITH_MPI, BOTH, ONLY_GLOO, {}, ""),  # mpi4py needs MPI
        (WITH_MPI, PLAIN, ONLY_GLOO, {}, ""),
        (WITH_MPI, HOROVOD, ONLY_MPI, {}, ""),
        (WITHOUT_MPI, HOROVOD, ANY, {}, "here has no MPI for srun"),
        (WITHOUT_MPI, HOROVOD, ANY, {"srun": {"mpi": "pmi2"}}, ""),
        (WITHOUT_MPI, HOROVOD, ANY, {"launcher": "mpirun"}, ""),
        (WITH_MPI, HOROVOD, ANY, {"launcher": "spawn"}, "has no MPI for spawn"),
    ],
)
def test_horovod_uses_gloo_if_there_is_no_mpi(
    source: Path, site: Site, script: ScriptFacts, software: Software, settings: dict[str, Any], why: str
) -> None:
    found, choice = build_tasks(tensorflow(source, distributed_training=Mpi(2), **settings), site, script, software)
    assert (found.gloo, found.bind) == (bool(why), not why)
    assert why in choice
    assert bool(choice) == bool(why)


@pytest.mark.parametrize(
    ("wish", "script", "why"),
    [
        (
            ParameterServer(),
            COORDINATED,
            "layout 'chief': the script uses ParameterServerStrategy, whose coordinator is the chief",
        ),
        (ParameterServer(evaluator_count=1), PLAIN, "layout 'chief': tf.estimator needs one"),
        (ParameterServer(), OF_ESTIMATOR, "layout 'chief': tf.estimator needs one"),
        (ParameterServer(), OF_SERVER, "layout 'original' (ps and workers): the script starts tf.train.Server"),
        (ParameterServer(1, 0), PLAIN, "layout 'original' (workers): nothing in the script asks for a chief"),
        (ParameterServer(layout="chief"), PLAIN, ""),
        (MultiWorker(), PLAIN, ""),
    ],
)
def test_the_plan_says_what_was_chosen(source: Path, wish: Any, script: ScriptFacts, why: str) -> None:
    assert build_tasks(tensorflow(source, distributed_training=wish), WITH_MPI, script, SOFTWARE)[1] == why
