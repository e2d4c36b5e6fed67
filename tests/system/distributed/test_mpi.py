"""Any MPI program runs the way Horovod does."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.errors import SpecError
from tests.unit.support import refusing

from .examples import Examples

pytestmark = [pytest.mark.slurm, pytest.mark.tensorflow]


@pytest.mark.parametrize(("place", "nodes"), [("srun", 2), ("mpirun", 2), ("local mpirun", 1)])
def test_an_mpi_program_computes_pi(place: str, nodes: int, examples: Examples, tf_classic: Path) -> None:
    results = list(examples.start(place, "mpi4py-pi", tf_classic).results().values())
    assert [result["rank"] for result in results] == list(range(2 * nodes))
    assert {result["size"] for result in results} == {2 * nodes}
    assert len({result["node"] for result in results[:2]}) == 1
    assert len({result["node"] for result in results}) == nodes
    assert {round(result["pi"], 9) for result in results} == {3.141592654}


def test_mpi_on_this_machine_needs_a_launcher_that_serves_it(examples: Examples, tf_classic: Path) -> None:
    with refusing(SpecError, "launcher-unfit", "spawn", "launcher: mpirun"):
        examples.start("local", "mpi4py-pi", tf_classic)
