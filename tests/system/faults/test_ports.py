"""Many small jobs at once on shared nodes: nobody's port is another's."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import pytest

from slurmtf import ParameterServer, Run
from tests.system.slurm.support import ended

from .support import Faults, completed, label_host, moment, nothing_left

pytestmark = pytest.mark.slurm

COUNTS = {"slurm": 20, "local": 10}
ACTS = {"ps": "serve()", "worker": "held = bind(); here(); wait_for('ps-0'); time.sleep(3); work()"}


class Held(NamedTuple):
    """The ports of a run, and a time in which it surely had all of them."""

    since: float
    until: float
    ports: set[tuple[str, str]]


@pytest.fixture(scope="module")
def runs(faults: Faults) -> dict[str, list[Run]]:
    distribution = ParameterServer(1, 1, layout="original")
    return {
        target: [faults.submit(distribution, ACTS, compute_target=target, node_count=nodes) for _ in range(COUNTS[target])]
        for target, nodes in (("slurm", 2), ("local", 1))
    }


def held(run: Run) -> Held:
    files = {label: run.folder / "outputs" / f"{label}.here" for label in ("ps-0", "worker-0")}
    ports = {(label_host(run, label), file.read_text().rpartition(":")[2]) for label, file in files.items()}
    assert len(ports) == 2
    return Held(max(file.stat().st_mtime for file in files.values()), moment(run, "task-ended"), ports)


@pytest.mark.parametrize("target", COUNTS)
def test_no_collision(target: str, runs: dict[str, list[Run]]) -> None:
    for state in ended(*runs[target]):
        completed(state)
    for run in runs[target]:
        nothing_left(run)
    pairs = list(itertools.combinations(map(held, runs[target]), 2))
    together = [(one, other) for one, other in pairs if one.since < other.until and other.since < one.until]
    assert len(together) >= COUNTS[target]
    assert not [(one.ports, other.ports) for one, other in together if one.ports & other.ports]
