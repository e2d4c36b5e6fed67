"""What slurmtf infers from a script."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.environments import Software
from slurmtf.estimator import ParameterServer
from slurmtf.estimator.document import from_yaml
from slurmtf.job.contract.plan import Distribution
from slurmtf.plan.checks import warn_about_script
from slurmtf.plan.tasks import detect_layout
from slurmtf.snapshot import examine

from .examples import EXAMPLES

SOFTWARE = Software("python3")
JOBS = sorted(EXAMPLES.glob("*/job.yaml"))


@pytest.mark.parametrize(
    ("example", "layout", "reason"),
    [
        ("ps-loop", "chief", "ParameterServerStrategy"),
        ("ps-fit", "chief", "ParameterServerStrategy"),
        ("tf1-replica", "original", "tf.train.Server"),
        ("estimator", "chief", "tf.estimator"),
        ("multiworker", "original", "nothing"),
    ],
)
def test_the_layout_is_inferred_from_the_script(example: str, layout: str, reason: str) -> None:
    found, why = detect_layout(ParameterServer(), examine(EXAMPLES / example, "train.py"))
    assert found == layout
    assert reason in why


def test_an_evaluator_requires_a_chief() -> None:
    assert detect_layout(ParameterServer(evaluator_count=1), examine(EXAMPLES / "digits", "train.py"))[0] == "chief"


@pytest.mark.parametrize("job", JOBS, ids=[job.parent.name for job in JOBS])
def test_no_example_has_a_warning(job: Path) -> None:
    estimator = from_yaml(job)
    backend = getattr(estimator.distribution, "backend", None)
    facts = examine(job.parent, estimator.script)
    assert facts.certain
    assert not list(warn_about_script(estimator, Distribution((("rank", 2),), backend=backend), facts, SOFTWARE))


def test_several_copies_of_one_training_give_a_warning() -> None:
    estimator = from_yaml(EXAMPLES / "horovod-loop/job.yaml")
    facts = examine(EXAMPLES / "digits", "train.py")
    found = warn_about_script(estimator, Distribution((("rank", 2),), backend="mpi"), facts, SOFTWARE)
    assert [warning.code for warning in found] == ["no-mpi"]
