"""Many small jobs at once on shared nodes never share a port."""

from __future__ import annotations

import pytest

from slurmtf import ParameterServer, Run
from tests.patience import until
from tests.system.slurm.support import read_journal, wait_until_ended

from .support import Faults, assert_completed, assert_nothing_left, label_host

pytestmark = pytest.mark.slurm

COUNTS = {"slurm": 16, "local": 10}
"""On Slurm, as many as fit at once: two CPUs each, on four nodes with eight."""
ACTS = {"ps": "serve()", "worker": "held = bind(); here(); wait_for('ps-0', 'all'); work()"}


@pytest.fixture(scope="module")
def runs(faults: Faults) -> dict[str, list[Run]]:
    distribution = ParameterServer(1, 1, layout="original")
    wishes = {"slurm": {"node_count": 2, "memory": "500M"}, "local": {}}
    return {
        target: [faults.submit(distribution, ACTS, compute_target=target, **wishes[target]) for _ in range(count)]
        for target, count in COUNTS.items()
    }


def ports(run: Run) -> list[tuple[str, str]]:
    """Wait until a run's tasks hold their ports and its journal has their hosts; return (host, port) for each."""
    until(
        lambda: len([event for event in read_journal(run) if event["event"] == "task-started"]) == 2, f"two tasks of {run.id}"
    )
    files = {label: run.folder / "outputs" / f"{label}.here" for label in ("ps-0", "worker-0")}
    for file in files.values():
        until(lambda file=file: file.exists() and file.read_text(), str(file))  # type: ignore[misc]
    return [(label_host(run, label), file.read_text().rpartition(":")[2]) for label, file in files.items()]


@pytest.mark.parametrize("target", COUNTS)
def test_jobs_on_shared_nodes_never_share_a_port(target: str, runs: dict[str, list[Run]]) -> None:
    held = [port for run in runs[target] for port in ports(run)]
    assert len(set(held)) == len(held) == 2 * COUNTS[target]
    for run in runs[target]:
        (run.folder / "outputs/all.here").touch()
    for state in wait_until_ended(*runs[target]):
        assert_completed(state)
    for run in runs[target]:
        assert_nothing_left(run)
