"""Each task runs on the node that the plan assigns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slurmtf import MultiWorker, ParameterServer, Run
from tests.system.slurm.conftest import lab_at
from tests.system.slurm.support import call, read_journal, wait_until_ended

from .support import Faults, assert_completed, label_host, planned

pytestmark = pytest.mark.slurm

SHAPES: dict[str, tuple[int, ParameterServer | MultiWorker]] = {
    "2x(1+2)": (2, ParameterServer(2, 1, layout="original")),
    "2x(2+3)": (2, ParameterServer(3, 2, layout="original")),
    "3x(1+4)": (3, ParameterServer(4, 1, layout="original")),
    "3x(chief+2+2+evaluator)": (3, ParameterServer(2, 2, layout="chief", evaluator_count=1)),
    "4x(3+7)": (4, ParameterServer(7, 3, layout="original")),
    "3x(workers 7)": (3, MultiWorker(7)),
    "1x(1+3)": (1, ParameterServer(3, 1, layout="original")),
}
ACTS = {"worker": "work()", "chief": "here(); time.sleep(2)", "ps": "serve()"}


@pytest.mark.parametrize("variant", ["slurm", "slurm24"])
def test_tasks_run_on_their_planned_nodes(
    variant: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = Faults(lab_at(request.getfixturevalue(variant), tmp_path, monkeypatch))
    runs = {name: faults.submit(shape, ACTS, node_count=nodes, memory="300M") for name, (nodes, shape) in SHAPES.items()}
    for state in wait_until_ended(*runs.values()):
        assert_completed(state)
    placed = {name: _placed(run) for name, run in runs.items()}
    assert {name: real for name, (_, real) in placed.items()} == {name: plan for name, (plan, _) in placed.items()}


def _placed(run: Run) -> tuple[dict[str, Any], dict[str, Any]]:
    nodes = call("scontrol", "show", "hostnames", read_journal(run)[0]["nodes"]).split()
    plan = {role.label: nodes[role.node] for role in planned(run)}
    return plan, {label: label_host(run, label) for label in plan}
