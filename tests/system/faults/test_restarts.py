"""Tasks that are restarted in place, and those that are not."""

from __future__ import annotations

from typing import Any

import pytest

from slurmtf import ParameterServer, Run, RunStatus
from tests.patience import until
from tests.system.faults.support import get_outcome
from tests.system.slurm.support import read_journal

from .support import ACTOR, Faults, assert_completed, end_of, planned, wait_for_process, wait_for_scripts

pytestmark = pytest.mark.slurm

COORDINATOR = f"{ACTOR}\ndef unused(tf):\n    return tf.distribute.ParameterServerStrategy\n"
# Records its address each time, and dies the first time.
DIES_ONCE = """
server = bind()
with open("outputs/" + label + ".seen", "a") as seen:
    print(os.environ["SLURMTF_ADDRESS"], file=seen)
if first_time():
    die()
here()
"""
WORK = {"worker": "work(after=('ps-0', 'worker-0'))"}
TARGETS = {"slurm": 2, "local": 1}


def submit(faults: Faults, layout: Any, acts: dict[str, str], restarts: int = 2, **settings: Any) -> dict[str, Run]:
    distribution = ParameterServer(2, 1, layout=layout, restarts=restarts)
    return {
        target: faults.submit(distribution, acts, compute_target=target, node_count=nodes, **settings)
        for target, nodes in TARGETS.items()
    }


@pytest.fixture(scope="module")
def runs(faults: Faults) -> dict[str, dict[str, Run]]:
    serving = "bind(); stay()"
    coordinated: dict[str, Any] = {"script": COORDINATOR}
    return {
        "worker": submit(faults, "original", {**WORK, "worker-0": f"{DIES_ONCE}time.sleep(1); work()"}),
        "ps": submit(faults, "original", {**WORK, "worker-0": "here(); work(after=('ps-0',))", "ps": f"{DIES_ONCE}stay()"}),
        "budget": submit(faults, "original", {"worker-0": "wait_for('ps-0'); die()"}),
        "chief": submit(faults, "chief", {"chief": "wait_for('ps-0', 'worker-0', 'worker-1'); die()", "ps": serving}),
        "ps-of-coordinator": submit(faults, "auto", {"ps": "wait_for('chief-0', 'worker-0'); die()"}, **coordinated),
        "worker-of-coordinator": submit(
            faults, "auto", {"chief": "work(after=('worker-0', 'ps-0'))", "worker-0": f"{DIES_ONCE}stay()"}, **coordinated
        ),
        "agent-after": submit(faults, "original", {"worker-0": f"{DIES_ONCE}stay()"}),
    }


def restarted(run: Run) -> list[str]:
    return [event["task"] for event in read_journal(run) if event["event"] == "task-restarted"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("name", "label"), [("worker", "worker-0"), ("ps", "ps-0"), ("worker-of-coordinator", "worker-0")])
def test_a_task_is_restarted_on_the_same_address(name: str, label: str, target: str, runs: dict[str, dict[str, Run]]) -> None:
    run = runs[name][target]
    assert_completed(end_of(run))
    assert restarted(run) == [label]
    first, again = (run.folder / "outputs" / f"{label}.seen").read_text().split()
    assert first == again
    assert (run.folder / "logs" / f"{label}.err").read_text().startswith(f"last words of {label}\n")


@pytest.mark.parametrize("target", TARGETS)
def test_a_task_fails_once_its_budget_is_used_up(target: str, runs: dict[str, dict[str, Run]]) -> None:
    run = runs["budget"][target]
    state = end_of(run)
    assert (state.status, state.exit_status) == (RunStatus.FAILED, 137), state
    assert restarted(run) == ["worker-0", "worker-0"]
    assert get_outcome(state).task == "worker-0"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("name", "label"), [("chief", "chief-0"), ("ps-of-coordinator", "ps-0")])
def test_a_task_that_must_not_restart_fails_the_run(
    name: str, label: str, target: str, runs: dict[str, dict[str, Run]]
) -> None:
    run = runs[name][target]
    state = end_of(run)
    assert (state.status, state.exit_status) == (RunStatus.FAILED, 137), state
    assert get_outcome(state).task == label
    assert restarted(run) == []


@pytest.mark.parametrize("target", TARGETS)
def test_a_dead_agent_of_a_restarted_task_fails_the_run(target: str, runs: dict[str, dict[str, Run]]) -> None:
    """The task's first end must not hide its second."""
    run = runs["agent-after"][target]
    wait_for_scripts(run, "worker-0")
    until(lambda: restarted(run), "the restart in the journal")
    wait_for_process(run, "task", next(role.rank for role in planned(run) if role.label == "worker-0")).kill()
    state = end_of(run)
    assert (state.status, state.cause, get_outcome(state).task) == (RunStatus.FAILED, "task-lost", "worker-0")
