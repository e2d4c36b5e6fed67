"""What in a script does not go with its distribution."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.estimator import Distribution, MultiWorker, ParameterServer
from slurmtf.plan import resolve
from slurmtf.snapshot import ScriptFacts
from tests.unit.support import PLACE, SITE, SNAPSHOT, SOFTWARE, tensorflow


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
def test_a_strategy_that_does_not_go_with_the_roles(
    source: Path, training: Distribution, names: set[str], codes: list[str]
) -> None:
    facts = ScriptFacts(names=frozenset(names), certain=True)
    plan = resolve(tensorflow(source, distributed_training=training), SITE, SOFTWARE, SNAPSHOT, PLACE, facts)
    assert [warning.code for warning in plan.warnings] == codes


def test_a_job_without_parameter_servers_is_not_said_to_have_some(source: Path) -> None:
    training = ParameterServer(worker_count=2, parameter_server_count=0)
    plan = resolve(tensorflow(source, distributed_training=training), SITE, SOFTWARE, SNAPSHOT, PLACE)
    assert plan.choice == "layout 'original' (workers): nothing in the script asks for a chief"
