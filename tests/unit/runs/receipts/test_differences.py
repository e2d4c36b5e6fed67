"""The differences between two runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.runs.receipts.differences import compare, parse_arguments
from slurmtf.runs.states.state import RunStatus
from tests.unit.runs.receipts.accounts import DONE, PLAN, RECEIPT, account


def settings(**changes: Any) -> dict[str, Any]:
    return {**PLAN, "provenance": {"estimator": {**PLAN["provenance"]["estimator"], **changes}}}


def receipt(**changes: Any) -> dict[str, Any]:
    return {**RECEIPT, **changes}


FAILED = replace(DONE, status=RunStatus.FAILED, outcome=Outcome(Cause.SCRIPT, exit_code=3))
CHANGES = [
    ({}, []),
    ({"plan": settings(script_params={"--lr": 0.2})}, [("settings", "script_params.--lr", 0.1, 0.2)]),
    ({"plan": settings(time="2:00:00")}, [("settings", "time", None, "2:00:00")]),
    ({"plan": settings(source_directory="/elsewhere")}, []),
    ({"plan": {**PLAN, "site": "other"}}, [("nodes", "site", "lab", "other")]),
    (
        {"receipt": receipt(loaded={"packages": {**RECEIPT["loaded"]["packages"], "keras": "2.14.0"}})},
        [
            ("software", "keras", "2.15.0", "2.14.0"),
            ("software", "tensorflow.cuda_version", "12.2", None),
            ("software", "tensorflow.cudnn_version", "8", None),
            ("software", "horovod.mpi_built", True, None),
            ("software", "horovod.nccl_built", 21805, None),
            ("software", "mpi", "Open MPI v4.1.4, package: Debian", None),
        ],
    ),
    ({"metrics": {"loss": 0.5, "acc": 0.9}}, [("metrics", "loss", 0.25, 0.5), ("metrics", "acc", None, 0.9)]),
    ({"receipt": receipt(source={**RECEIPT["source"], "snapshot": "cd"})}, [("source", "snapshot", "ab" * 16, "cd")]),
    (
        {"state": FAILED},
        [("outcome", "status", "Completed", "Failed"), ("outcome", "exit code", 0, 3)],
    ),
    (
        {"receipt": receipt(attempts=[*RECEIPT["attempts"], {**RECEIPT["attempts"][0], "nodes": "node3"}])},
        [("nodes", "nodes", "node[1-2]", "node3"), ("outcome", "attempts", 1, 2)],
    ),
]


@pytest.mark.parametrize(("changes", "found"), CHANGES)
def test_differences_of_two_runs(changes: dict[str, Any], found: list[tuple[str, str, Any, Any]]) -> None:
    assert [tuple(one) for one in compare(account(), account(**changes))] == found


def test_differences_in_source_files() -> None:
    found = compare(account(), account(), ({"train.py": "a", "old.py": "b"}, {"train.py": "c", "new.py": "d"}))
    assert found == [("files", "train.py", "a", "c"), ("files", "old.py", "b", None), ("files", "new.py", None, "d")]


def test_runs_with_few_known_facts_are_compared() -> None:
    assert compare(account(receipt={}, plan={}), account(receipt={}, plan={})) == []
    assert {one.section for one in compare(account(receipt={}), account())} == {"source", "software", "nodes", "outcome"}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], {}),
        (["--lr", "0.1", "--fast"], {"--lr": "0.1", "--fast": ""}),
        (["--lr=0.1", "data"], {"--lr": "0.1", "[1]": "data"}),
        (["--shift", "-3", "x"], {"--shift": "-3", "[2]": "x"}),
        (["--a", "--b", "1"], {"--a": "", "--b": "1"}),
    ],
)
def test_arguments_are_compared_by_their_flags(words: list[str], found: dict[str, str]) -> None:
    assert parse_arguments(words) == found
