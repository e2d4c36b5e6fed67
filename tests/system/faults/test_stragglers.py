"""Tasks that keep running after the others have succeeded."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from slurmtf import Mpi, MultiWorker, ParameterServer, Run, RunStatus
from tests.system.faults.support import get_outcome

from .support import Faults, end_of, find_time, list_killed, seconds_to_end

pytestmark = pytest.mark.slurm

GRACE_S = 2
SLEEPS: Mapping[str, tuple[ParameterServer | MultiWorker | Mpi, str, str]] = {
    "ps": (ParameterServer(3, 1, layout="original", straggler_grace_s=GRACE_S), "worker-0", "worker-1, worker-2"),
    "multiworker": (MultiWorker(2, straggler_grace_s=GRACE_S), "worker-1", "worker-0"),
    "mpi": (Mpi(2, straggler_grace_s=GRACE_S), "rank-1", "rank-0"),
}


@pytest.fixture(scope="module")
def runs(faults: Faults) -> dict[tuple[str, str], Run]:
    return {
        (name, target): faults.submit(
            distribution,
            {"rank": "stay()", "worker": "stay()", first: f"work(after=({late.split(', ')[0]!r},))"},
            compute_target=target,
            node_count=nodes,
        )
        for name, (distribution, first, late) in SLEEPS.items()
        for target, nodes in (("slurm", 2), ("local", 1))
    }


@pytest.mark.parametrize("target", ["slurm", "local"])
@pytest.mark.parametrize("name", SLEEPS)
def test_stragglers_are_ended_after_their_grace_time(name: str, target: str, runs: dict[tuple[str, str], Run]) -> None:
    run, (_, first, late) = runs[name, target], SLEEPS[name]
    if name == "mpi" and target == "slurm":
        late = "rank-0, rank-2, rank-3"
    state = end_of(run)
    expected = (RunStatus.COMPLETED, 0) if name == "ps" else (RunStatus.FAILED, 1)
    assert (state.status, state.exit_status) == expected, state
    assert state.cause == ("script" if name == "ps" else "straggler"), state
    assert get_outcome(state).detail == {"late": late.split(", "), "grace_s": GRACE_S}
    succeeded = find_time(run, "task-ended", lambda event: event["task"] == first)
    assert seconds_to_end(run, succeeded) >= GRACE_S
    assert list_killed(run) == set()
