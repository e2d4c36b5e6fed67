"""Horovod over every transport: one world, in which all ranks have the same gradients and weights."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from slurmtf.runs.states.state import RunStatus

from .examples import EXAMPLES, Examples, Launched, Results

pytestmark = [pytest.mark.slurm, pytest.mark.tensorflow]

LOST = """
import os, runpy
for name in [name for name in os.environ if name.startswith(("SLURM_", "PMI"))]:
    del os.environ[name]  # as for an MPI that does not know Slurm: it takes itself for alone, and says nothing
runpy.run_path("{}", run_name="__main__")
"""
WITHOUT_PMI: dict[str, Any] = {
    "distributed_backend": None,
    "process_count_per_node": None,
    "distributed_training": {"backend": "mpi", "process_count_per_node": 1, "transport": "mpi"},
    "srun": {"mpi": "none"},
}


def assert_one_world(results: Results, size: int, loss: float = 2.0) -> None:
    ranks = list(results.values())
    assert [rank["rank"] for rank in ranks] == list(range(size))
    assert {rank["size"] for rank in ranks} == {size}
    for name in {"weights", "gradients", "loss"} & ranks[0].keys():
        assert len({rank[name] for rank in ranks}) == 1, name
    assert ranks[0]["loss"] < loss


def uses_gloo(launched: Launched) -> bool:
    return bool(launched.run.plan["job"]["distribution"]["gloo"])


def test_horovod_trains_on_two_nodes(examples: Examples, tf_classic: Path) -> None:
    places = {"srun": "horovod-keras", "mpirun": "horovod-loop", "gloo": "horovod-keras"}
    started = [examples.start(place, example, tf_classic) for place, example in places.items()]
    for launched in started:
        assert_one_world(launched.results(), 4)
    assert [uses_gloo(launched) for launched in started] == [False, False, True]
    assert "Gloo" in started[-1].run.plan["provenance"]["choice"]


def test_horovod_trains_on_this_machine(examples: Examples, tf_classic: Path) -> None:
    gloo = examples.start("local", "horovod-loop", tf_classic)
    assert_one_world(gloo.results(), 2)
    mpi = examples.start("local mpirun", "horovod-keras", tf_classic)
    assert_one_world(mpi.results(), 2)
    assert uses_gloo(gloo) and not uses_gloo(mpi)


def test_horovod_trains_with_the_newest_tensorflow(examples: Examples, tf_newest: Path) -> None:
    """With Keras 3, in a loop, and with legacy Keras."""
    started = [
        examples.start("srun", "horovod-loop", tf_newest),
        examples.start("gloo", "horovod-keras3", tf_newest),
        examples.start("gloo", "horovod-keras", tf_newest, legacy_keras=True),
    ]
    for launched in started:
        assert_one_world(launched.results(), 4)


def test_horovod_trains_with_keras3_on_this_machine(examples: Examples, tf_newest: Path) -> None:
    assert_one_world(examples.start("local", "horovod-keras3", tf_newest).results(), 2)


@pytest.mark.parametrize(("example", "script"), [("horovod-loop", "train.py"), ("mpi4py-pi", "pi.py")])
def test_ranks_without_a_common_world_do_not_succeed(
    example: str, script: str, examples: Examples, tf_classic: Path, tmp_path: Path
) -> None:
    source = Path(shutil.copytree(EXAMPLES / example, tmp_path / example))
    (source / "lost.py").write_text(LOST.format(script))
    launched = examples.start("srun", source, tf_classic, entry_script="lost.py", script_params={}, **WITHOUT_PMI)
    state = launched.end()
    assert state.status is RunStatus.FAILED
    assert state.exit_code == 78
    assert re.search(r"\b1 process.* 2 ", state.message)
    for remedy in ("transport='gloo'", "launcher='mpirun'", "'mpi': 'pmix'"):
        assert remedy in state.message


def test_an_mpi_without_pmi_fails_at_once(examples: Examples, tf_classic: Path) -> None:
    """Debian's Open MPI itself reports this."""
    launched = examples.start("srun", "mpi4py-pi", tf_classic, **WITHOUT_PMI)
    state = launched.end()
    assert state.status is RunStatus.FAILED
    assert "PMI" in state.message
