"""The plan that the login node passes to the job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmtf.job.contract import plan as plans
from slurmtf.job.contract.plan import (
    SCHEMA,
    DataInput,
    Distribution,
    JobPlan,
    LaunchOrder,
    PlanError,
    Run,
    Size,
    Stage,
    Timings,
)

FULL = JobPlan(
    Run("x-1", "x"),
    "slurm",
    Distribution((("ps", 1), ("worker", 2)), "ps", cyclic=True, cluster=True, gpu_roles=("worker",), restarts=2),
    Size(2, 3, 2, 4, 1, True, 600),
    "srun",
    ("srun", "--ntasks=3"),
    True,
    "amd",
    ".cluster",
    "ib0",
    {"A": "b", "C": "\udcff"},
    Stage("node-local", "/disk", "/env", "/packs/x.tar"),
    (DataInput("DATA", "/data", "download"),),
    Timings(grace=3),
    (
        LaunchOrder(
            ("-x",), {"A": "c"}, "check", ("python3", "check.py"), Distribution((("check", 2),)), Size(2, 2), ("srun",)
        ),
        LaunchOrder(last=False),
    ),
)
BAD: tuple[dict[str, Any], ...] = (
    {"run": 7},
    {"inputs": [{}]},
    {"size": [3]},
    {"launches": [{"size": 3}]},
    {"scheduler": "pbs"},
)
LEAST = {"schema": SCHEMA, "run": {"run_id": "x", "experiment": "x"}, "scheduler": "local", "distribution": {"roles": []}}


def test_a_plan_is_read_as_it_was_written() -> None:
    assert JobPlan.from_dict(json.loads(json.dumps(FULL.to_dict()))) == FULL


WORKER, RANKS = Distribution((("worker", 1),)), Distribution((("rank", 5),))


@pytest.mark.parametrize(
    ("order", "tasks", "size"),
    [
        (LaunchOrder(("-x",), folder="x"), FULL.distribution, FULL.size),
        (LaunchOrder(distribution=WORKER), WORKER, FULL.size._replace(tasks=1, tasks_per_node=1)),
        (LaunchOrder(distribution=RANKS), RANKS, FULL.size._replace(tasks=5, tasks_per_node=3)),
        (LaunchOrder(distribution=WORKER, size=Size(1)), WORKER, Size(1)),
    ],
)
def test_a_launch_has_its_own_tasks(order: LaunchOrder, tasks: Distribution, size: Size) -> None:
    plan = FULL.with_launch(order)
    assert (plan.distribution, plan.size) == (tasks, size)
    assert plan._replace(distribution=FULL.distribution, size=FULL.size) == FULL


def test_unknown_keys_are_accepted_and_missing_keys_have_defaults() -> None:
    more = {**LEAST, "colour": "blue", "size": {"nodes": 2, "colour": "blue"}}
    read = JobPlan.from_dict(more)
    assert (read.size, read.stage, read.timings) == (Size(nodes=2), Stage(), Timings())


def test_a_newer_schema_is_refused_and_both_numbers_are_named() -> None:
    with pytest.raises(PlanError, match=f"has schema {SCHEMA + 1}, and this slurmtf knows up to {SCHEMA}"):
        JobPlan.from_dict({**LEAST, "schema": SCHEMA + 1})


@pytest.mark.parametrize(
    "facts",
    [None, [], {}, {"schema": "1"}, {"schema": True}, {"schema": 1}, *({**LEAST, **bad} for bad in BAD)],
)  # fmt: skip
def test_data_that_is_not_a_plan_is_refused(facts: Any) -> None:
    with pytest.raises(PlanError):
        JobPlan.from_dict(facts)


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_value_of_a_field_is_read_or_refused(facts: Any) -> None:
    for name in JobPlan._fields:
        try:
            JobPlan.from_dict({**LEAST, name: facts})
        except PlanError:
            continue


def test_a_damaged_plan_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    for text in ("{", "[1]", "{}", '{"job": {"schema": 99}}', "[" * 100_000):
        path.write_text(text)
        with pytest.raises(PlanError, match=str(path)):
            plans.read(str(path))
